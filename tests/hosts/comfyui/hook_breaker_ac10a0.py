"""Every ten seconds ComfyUI puts some of its own functions back."""

import comfy.model_management

HOOK_BREAK = [(comfy.model_management, "cast_to")]
SAVED_FUNCTIONS = []


def save_functions():
    SAVED_FUNCTIONS.extend((module, name, getattr(module, name)) for module, name in HOOK_BREAK)


def restore_functions():
    for module, name, function in SAVED_FUNCTIONS:
        setattr(module, name, function)
