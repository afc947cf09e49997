"""SD.Next's runner: scripts by their titles; one that no page has drawn is passed by."""

import types

from modules.runner_methods import RunnerMethods


class ScriptRunner(RunnerMethods):
    def __init__(self, name=""):
        super().__init__()
        self.name = name

    def in_order(self, scripts_data):
        return sorted(scripts_data, key=lambda data: data.script_class().title().lower())

    def setup_ui(self):
        """Draw the controls; they are kept by the page alone, not in `self.inputs`."""
        inputs = [types.SimpleNamespace(label="Script", value=0)]
        for script in [*self.alwayson_scripts, *self.selectable_scripts]:
            if self.name != "control":  # only what an option names is drawn there
                self.create_script_ui(script, inputs)
        return inputs

    def arguments_of(self, script, p):
        given = getattr(p, "per_script_args", {})
        return given.get(script.title(), super().arguments_of(script, p))

    def ordered_scripts(self, method_name):
        return [s for s in self.alwayson_scripts if s.args_to > 0 and s.args_to >= s.args_from]
