from modules import script_callbacks, scripts


class ZzScript(scripts.Script):
    def title(self):
        return "Zz"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        p.append("process")

    def postprocess(self, p, *args):
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
    apps = [a for a in [__import__("gc").get_objects()] for a in a if type(a).__name__ == "FastAPI"]
    names = [getattr(m.cls, "__name__", "") for a in apps for m in a.user_middleware]
    return [name for name in names if name.startswith("Zz")]


def of_webui():
    return {
        "replaced hook": lambda: _run(ZzScript().process),
        "muted hook": lambda: _run(ZzScript().postprocess),
        "replaced callback": lambda: _callbacks("image_saved"),
        "muted callback": lambda: _callbacks("cfg_denoiser"),
        "added callback": lambda: _callbacks("before_image_saved"),
        "middleware": _middleware,
    }
