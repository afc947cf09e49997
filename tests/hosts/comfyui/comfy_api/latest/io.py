"""Classes that are never made into objects: each run gets a copy of the class."""

import dataclasses


class _Kind:
    def __init__(self, io_type):
        self.io_type = io_type

    def Input(self, name, **options):
        return name, self.io_type

    def Output(self, **options):
        return self.io_type


Image, Int = _Kind("IMAGE"), _Kind("INT")


@dataclasses.dataclass
class Schema:
    node_id: str
    display_name: str = None
    category: str = "sd"
    inputs: list = dataclasses.field(default_factory=list)
    outputs: list = dataclasses.field(default_factory=list)


class NodeOutput:
    def __init__(self, *args, ui=None):
        self.args, self.ui = args, ui


class ComfyNode:
    RELATIVE_PYTHON_MODULE = None
    FUNCTION = "EXECUTE_NORMALIZED"
    SCHEMA = None

    @classmethod
    def GET_SCHEMA(cls):
        cls.SCHEMA = cls.define_schema()
        return cls.SCHEMA

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {name: (kind,) for name, kind in cls.GET_SCHEMA().inputs}}

    @classmethod
    def EXECUTE_NORMALIZED(cls, *args, **kwargs):
        result = cls.execute(*args, **kwargs)
        return result.args if isinstance(result, NodeOutput) else result

    @classmethod
    def PREPARE_CLASS_CLONE(cls):
        return type(f"{cls.__name__}_clone", cls.__bases__, dict(vars(cls)))
