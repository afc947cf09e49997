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
        import urllib.request

        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://{server.address}:{server.port}/queue") as told:
                    return told.headers.get("zz")
            except (AttributeError, OSError):  # it does not listen yet
                time.sleep(0.1)
        return "no answer"

    return {
        "node": lambda: ZzNode().run("a"),
        "prompt": lambda: server.trigger_on_prompt({"prompt": {}}).get("zz"),
        "middleware": middleware,
        "webui's": lambda: sys.modules["nodes"].get_module_name("/zz/name"),
    }
