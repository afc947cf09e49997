"""What every runner of scripts has, however it finds the scripts that have a method."""

from modules import errors


class RunnerMethods:
    def __init__(self):
        self.scripts = []
        self.selectable_scripts = []
        self.alwayson_scripts = []

    def initialize_scripts(self, is_img2img):
        from modules import scripts

        for known in (self.scripts, self.selectable_scripts, self.alwayson_scripts):
            known.clear()
        for data in scripts.scripts_data:
            script = data.script_class()
            script.filename = data.path
            script.is_txt2img, script.is_img2img = not is_img2img, is_img2img
            visibility = script.show(is_img2img)
            if visibility is scripts.AlwaysVisible:
                self.scripts.append(script)
                self.alwayson_scripts.append(script)
                script.alwayson = True
            elif visibility:
                self.scripts.append(script)
                self.selectable_scripts.append(script)

    def run(self, method_name, p, *args, **kwargs):
        for script in self.ordered_scripts(method_name):
            try:
                of_page = p.script_args[script.args_from : script.args_to]
                getattr(script, method_name)(p, *args, *of_page, **kwargs)
            except Exception:
                errors.report(f"Error running {method_name}: {script.filename}", exc_info=True)

    def before_process(self, p):
        self.run("before_process", p)

    def process(self, p):
        self.run("process", p)

    def process_batch(self, p, **kwargs):
        self.run("process_batch", p, **kwargs)

    def postprocess_image(self, p, pp):
        self.run("postprocess_image", p, pp)

    def postprocess(self, p, processed):
        self.run("postprocess", p, processed)
