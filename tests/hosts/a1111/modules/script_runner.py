"""A1111's runner: it works out once which scripts have a method, and in which order."""

from modules import script_callbacks
from modules.runner_methods import RunnerMethods


class ScriptRunner(RunnerMethods):
    def __init__(self):
        super().__init__()
        self.callback_map = {}

    def initialize_scripts(self, is_img2img):
        super().initialize_scripts(is_img2img)
        self.callback_map.clear()

    def list_scripts_for_method(self, method_name):
        every = method_name in ("before_component", "after_component")
        return self.scripts if every else self.alwayson_scripts

    def create_ordered_callbacks_list(self, method_name, *, enable_user_sort=True):
        from modules.scripts import Script

        category, callbacks = f"script_{method_name}", []
        for script in self.list_scripts_for_method(method_name):
            if getattr(type(script), method_name, None) is not getattr(Script, method_name, None):
                script_callbacks.add_callback(
                    callbacks,
                    script,
                    name=type(script).__name__,
                    category=category,
                    filename=script.filename,
                )
        return script_callbacks.sort_callbacks(
            category, callbacks, enable_user_sort=enable_user_sort
        )

    def ordered_callbacks(self, method_name, *, enable_user_sort=True):
        category = f"script_{method_name}"
        scripts = self.list_scripts_for_method(method_name)
        length, callbacks = self.callback_map.get(category, (-1, None))
        if callbacks is None or length != len(scripts):
            callbacks = self.create_ordered_callbacks_list(
                method_name, enable_user_sort=enable_user_sort
            )
            self.callback_map[category] = len(scripts), callbacks
        return callbacks

    def ordered_scripts(self, method_name):
        return [entry.callback for entry in self.ordered_callbacks(method_name)]
