"""text-generation-webui: hooks are functions of extension modules, looked up at every call."""
