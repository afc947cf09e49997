"""Nodes of the user's: a folder."""

from .tones import darker


class Shade:
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        return (darker(image),)


NODE_CLASS_MAPPINGS = {"Shade": Shade}
NODE_DISPLAY_NAME_MAPPINGS = {"Shade": "Shade"}
