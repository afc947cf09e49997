"""What stands for a loaded model: callbacks and wrappers in lists, by kind, then by key."""

import comfy.patcher_extension  # noqa: F401


class ModelPatcher:
    def __init__(self, model):
        self.model = model
        self.callbacks = {}
        self.wrappers = {}

    def add_callback_with_key(self, call_type, key, callback):
        self.callbacks.setdefault(call_type, {}).setdefault(key, []).append(callback)

    def pre_run(self):
        for callbacks in self.callbacks.get("on_pre_run", {}).values():
            for callback in callbacks:
                callback(self)


class LoadedModel:
    def __init__(self, model):
        self.model = model
