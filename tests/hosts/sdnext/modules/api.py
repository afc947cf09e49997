"""SD.Next's API: its default values are worked out at the first request."""

from modules import processing, scripts, shared
from modules.api_arguments import init_default_script_args, init_script_args


class APIGenerate:
    def __init__(self):
        self.default_script_arg_txt2img = []
        self.default_script_arg_img2img = []
        self.default_script_arg_control = []

    def post_text2img(self, request: dict):
        runner = scripts.scripts_txt2img
        if not self.default_script_arg_txt2img:
            self.default_script_arg_txt2img = init_default_script_args(runner)
        given = {}
        values = init_script_args(request, self.default_script_arg_txt2img, runner, given)
        return processing.txt2img(request["prompt"], request.get("steps", 2), values, given)


class Api:
    def __init__(self, app):
        self.generate = APIGenerate()
        app.add_api_route("/sdapi/v1/txt2img", self.generate.post_text2img, methods=["POST"])
        app.add_api_route("/sdapi/v1/scripts", get_scripts_list, methods=["GET"])


def get_scripts_list():
    return {"txt2img": [s.name for s in scripts.scripts_txt2img.scripts if s.name is not None]}


def create_api(app):
    shared.api = Api(app)
