class ZzNode:
    FUNCTION = "run"
    RETURN_TYPES = ("STRING",)
    CATEGORY = "zz"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"word": ("STRING",)}}

    def run(self, word):
        return (word,)


NODE_CLASS_MAPPINGS = {"ZzNode": ZzNode}


def of_webui():
    server = sys.modules["server"].PromptServer.instance

    def middleware():
        return [m.__name__ for m in server.app.middlewares if m.__name__ == "zz_middleware"]

    return {
        "node": lambda: ZzNode().run("a"),
        "prompt": lambda: server.trigger_on_prompt({"prompt": {}}).get("zz"),
        "middleware": middleware,
        "webui's": lambda: sys.modules["nodes"].get_module_name("/zz/name"),
    }
