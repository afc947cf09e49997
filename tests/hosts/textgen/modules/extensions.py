"""Extensions are modules; their hooks are looked up by name at every call."""

import importlib
import importlib.util
import sys
from functools import partial
from inspect import signature

import modules.shared as shared

state = {}
available_extensions = []
setup_called = set()


def apply_settings(extension, name):
    for param in getattr(extension, "params", {}):
        shared.default_settings[f"{name}-{param}"] = extension.params[param]
        extension.params[param] = shared.settings.get(f"{name}-{param}", extension.params[param])


def load_extensions():
    global state
    state = {}
    for number, name in enumerate(shared.args.extensions):
        if name not in available_extensions:
            continue
        own = shared.user_data_dir / "extensions" / name / "script.py"
        if own.exists():
            spec = importlib.util.spec_from_file_location(f"user_ext_{name}", str(own))
            extension = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = extension
            spec.loader.exec_module(extension)
        else:
            extension = importlib.import_module(f"extensions.{name}.script")
        if extension not in setup_called:
            apply_settings(extension, name)
            if hasattr(extension, "setup"):
                extension.setup()
            setup_called.add(extension)
        state[name] = [True, number, extension]


def iterator():
    for name in sorted(state, key=lambda known: state[known][1]):
        if state[name][0]:
            yield state[name][2], name


def _apply_string(hook, text, generation, is_chat=False):
    for extension, _ in iterator():
        if not hasattr(extension, hook):
            continue
        function = getattr(extension, hook)
        names = list(signature(function).parameters)
        given = {"is_chat": is_chat} if "is_chat" in names else {}
        count = len(names) - len(given)
        text = function(*((text, generation) if count == 2 else (text,)), **given)
    return text


def _apply_to_first(hook, *args, **kwargs):
    for extension, _ in iterator():
        if hasattr(extension, hook):
            return getattr(extension, hook)(*args, **kwargs)
    return None


def _apply_in_turn(hook, value):
    for extension, _ in iterator():
        if hasattr(extension, hook):
            value = getattr(extension, hook)(value)
    return value


def _custom_generate_reply():
    found = (e for e, _ in iterator() if hasattr(e, "custom_generate_reply"))
    return getattr(next(found, None), "custom_generate_reply", None)


EXTENSION_MAP = {
    "input": partial(_apply_string, "input_modifier"),
    "output": partial(_apply_string, "output_modifier"),
    "bot_prefix": partial(_apply_string, "bot_prefix_modifier"),
    "state": partial(_apply_in_turn, "state_modifier"),
    "history": partial(_apply_in_turn, "history_modifier"),
    "tokenized_length": partial(_apply_to_first, "custom_tokenized_length"),
    "custom_generate_chat_prompt": partial(_apply_to_first, "custom_generate_chat_prompt"),
    "custom_generate_reply": _custom_generate_reply,
}


def apply_extensions(typ, *args, **kwargs):
    return EXTENSION_MAP[typ](*args, **kwargs)
