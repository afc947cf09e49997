"""The values of all controls for a request of the API: each control's own, and what is given."""


def init_default_script_args(script_runner):
    last_arg_index = 1
    for script in script_runner.scripts:
        if last_arg_index < script.args_to:
            last_arg_index = script.args_to
    script_args = [None] * last_arg_index
    script_args[0] = 0
    for script in script_runner.scripts:
        if script.ui(script.is_img2img):
            own = [control.value for control in script.ui(script.is_img2img)]
            script_args[script.args_from : script.args_to] = own
    return script_args


def init_script_args(request, default_script_args, script_runner, per_script_args=None):
    script_args = default_script_args.copy()
    for name, given in request.get("alwayson_scripts", {}).items():
        script = next(s for s in script_runner.scripts if s.title().lower() == name.lower())
        own = given.get("args", [])
        for number in range(min(script.args_to - script.args_from, len(own))):
            script_args[script.args_from + number] = own[number]
        if per_script_args is not None:
            per_script_args[script.title()] = own
    return script_args
