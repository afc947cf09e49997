"""Nodes of the user's: a folder."""

from aiohttp import web
from server import PromptServer

from .tones import darker


class Shade:
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        return (darker(image),)


@PromptServer.instance.routes.get("/shade")
async def shade(request):
    return web.json_response(darker([1.0]))


NODE_CLASS_MAPPINGS = {"Shade": Shade}
NODE_DISPLAY_NAME_MAPPINGS = {"Shade": "Shade"}
