"""What every runner of scripts has, however it finds the scripts that have a method.

The values of all controls of a page are one list. Each script gets a slice of it, which is worked
out when its controls are drawn. Of the list the first is the number of the script that is chosen.
"""

import types

from modules import errors


class RunnerMethods:
    def __init__(self):
        self.scripts = []
        self.selectable_scripts = []
        self.alwayson_scripts = []
        self.title_map = {}
        self.inputs = [None]

    def initialize_scripts(self, is_img2img):
        from modules import scripts

        for known in (self.scripts, self.selectable_scripts, self.alwayson_scripts):
            known.clear()
        for data in self.in_order(scripts.scripts_data):
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

    def in_order(self, scripts_data):
        return scripts_data

    def setup_ui(self):
        """Draw the page's controls; the page keeps a list of its own."""
        self.title_map = {script.title().lower(): script for script in self.scripts}
        self.inputs = [types.SimpleNamespace(label="Script", value=0)]
        for script in [*self.alwayson_scripts, *self.selectable_scripts]:
            self.create_script_ui(script, self.inputs)
        return [*self.inputs]

    def create_script_ui(self, script, inputs):
        script.args_from = script.args_to = len(inputs)
        controls = script.ui(script.is_img2img)
        script.controls = controls
        if controls is None:
            return
        script.name = script.title().lower()
        inputs += controls
        script.args_to = len(inputs)

    def arguments_of(self, script, p):
        return p.script_args[script.args_from : script.args_to]

    def run(self, method_name, p, *args, **kwargs):
        for script in self.ordered_scripts(method_name):
            try:
                of_page = self.arguments_of(script, p)
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
