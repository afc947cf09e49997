"""An extension of the user's: asks by its metadata.ini to be called before another one."""

from modules import script_callbacks, scripts


class Notes(scripts.Script):
    def title(self):
        return "Notes"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        p.seen.append("notes")


def note_image(params):
    params.p.seen.append("notes image saved")


script_callbacks.on_image_saved(note_image)
