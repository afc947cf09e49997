from modules import script_callbacks, scripts


class ZzScript(scripts.Script):
    def title(self):
        return "Zz"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        p.append("process")

    def postprocess(self, p, processed, *args):
        p.append("postprocess")


def on_saved(seen):
    seen.append("saved")


def on_denoise(seen):
    seen.append("denoised")


def on_denoised(seen):
    seen.append("after")


script_callbacks.on_image_saved(on_saved)
script_callbacks.on_cfg_denoiser(on_denoise)
script_callbacks.on_before_image_saved(on_denoised)


def _run(function):
    seen = []
    function(seen)
    return seen


def _callbacks(event):
    seen = []
    for entry in script_callbacks.callback_map[f"callbacks_{event}"]:
        if "zz" in str(entry.script) or "zz" in str(getattr(entry.callback, "__name__", "")):
            entry.callback(seen)
    return seen


def _middleware():
    import gc

    # Gradio's app is of a class of its own. A request from here could wait for that one's loop.
    kinds = {cls for cls in gc.get_objects() if isinstance(cls, type) and _is_app(cls)}
    apps = [one for one in gc.get_objects() if type(one) in kinds]
    declared = [m.cls for one in apps for m in getattr(one, "user_middleware", ())]
    return any(getattr(cls, "__name__", "") == "ZzMiddleware" for cls in declared)


def _is_app(cls):
    return any(base.__name__ == "FastAPI" for base in cls.__mro__)


def of_webui():
    return {
        "replaced hook": lambda: _run(ZzScript().process),
        "muted hook": lambda: _run(lambda seen: ZzScript().postprocess(seen, None)),
        "replaced callback": lambda: _callbacks("image_saved"),
        "muted callback": lambda: _callbacks("cfg_denoiser"),
        "added callback": lambda: _callbacks("before_image_saved"),
        "middleware": _middleware,
    }
