"""SD.Next's runner: scripts that have no controls on the page are not called."""

from modules.runner_methods import RunnerMethods


class ScriptRunner(RunnerMethods):
    def __init__(self, name=""):
        super().__init__()
        self.name = name

    def initialize_scripts(self, is_img2img=False):
        super().initialize_scripts(is_img2img)
        for number, script in enumerate(self.alwayson_scripts):
            script.args_from, script.args_to = number, number + 1

    def ordered_scripts(self, method_name):
        return [s for s in self.alwayson_scripts if s.args_to and s.args_to >= s.args_from]
