"""An extension that comes along: a script with a control, a route and two callbacks."""

import types

from modules import script_callbacks, scripts

values = []


def strength():
    return 1


class Grain(scripts.Script):
    def title(self):
        return "Grain"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [types.SimpleNamespace(label="Amount", value=0.25)]

    def process(self, p, amount):
        values.append(amount)
        p.seen.append(f"grain {strength()}")

    def postprocess(self, p, processed, amount):
        p.seen.append("grain postprocess")


def note_step(params):
    pass


def note_image(params):
    params.p.seen.append("grain image saved")


def add_route(demo, app):
    def grain():
        return values[-1:]

    app.add_api_route("/grain", grain)


script_callbacks.on_cfg_denoiser(note_step)
script_callbacks.on_image_saved(note_image)
script_callbacks.on_app_started(add_route)
