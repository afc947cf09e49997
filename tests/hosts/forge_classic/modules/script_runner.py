"""The older runner: it walks along its scripts and keeps no order."""

from modules.runner_methods import RunnerMethods


class ScriptRunner(RunnerMethods):
    def ordered_scripts(self, method_name):
        return self.alwayson_scripts
