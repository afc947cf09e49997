"""An extension that comes along: a script and two callbacks."""

from modules import script_callbacks, scripts


def strength():
    return 1


class Grain(scripts.Script):
    def title(self):
        return "Grain"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        p.seen.append(f"grain {strength()}")

    def postprocess(self, p, processed, *args):
        p.seen.append("grain postprocess")


def note_step(params):
    pass


def note_image(params):
    params.p.seen.append("grain image saved")


script_callbacks.on_cfg_denoiser(note_step)
script_callbacks.on_image_saved(note_image)
