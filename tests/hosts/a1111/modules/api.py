"""The API: its default values are worked out once, when the server starts."""

from modules import processing, scripts
from modules.api_arguments import init_default_script_args, init_script_args


class Api:
    def __init__(self, app):
        self.app = app
        self.default_script_arg_txt2img = init_default_script_args(scripts.scripts_txt2img)
        self.default_script_arg_img2img = init_default_script_args(scripts.scripts_img2img)
        app.add_api_route("/sdapi/v1/txt2img", self.text2imgapi, methods=["POST"])
        app.add_api_route("/sdapi/v1/scripts", self.get_scripts_list, methods=["GET"])

    def text2imgapi(self, request: dict):
        runner = scripts.scripts_txt2img
        values = init_script_args(request, self.default_script_arg_txt2img, runner)
        return processing.txt2img(request["prompt"], request.get("steps", 2), values)

    def get_scripts_list(self):
        return {"txt2img": [s.name for s in scripts.scripts_txt2img.scripts if s.name is not None]}


def create_api(app):
    return Api(app)
