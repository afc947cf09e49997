params = {"display_name": "zz", "is_tab": False}


def input_modifier(string):
    return string + " in"


def output_modifier(string):
    return string + " out"


def of_webui():
    apply = sys.modules["modules.extensions"].apply_extensions
    return {
        "replaced hook": lambda: apply("input", "x", {}),
        "muted hook": lambda: apply("output", "x", {}),
        "added hook": lambda: apply("bot_prefix", "x", {}),
    }
