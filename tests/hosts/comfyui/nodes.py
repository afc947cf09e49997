"""The nodes, and the loading of others'; the names of their modules are paths."""

import importlib.util
import logging
import os
import sys

import comfy.model_management
import folder_paths
from comfy_api.latest import ComfyExtension, io


class EmptyImage:
    FUNCTION = "generate"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"width": ("INT",), "height": ("INT",), "color": ("INT",)}}

    def generate(self, width, height, batch_size=1, color=0):
        return ([(color & 0xFF) / 255] * width,)


class ImageInvert:
    FUNCTION = "invert"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def invert(self, image):
        return ([1 - value for value in image],)


class SaveImage:
    FUNCTION = "save_images"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"images": ("IMAGE",)}, "hidden": {"prompt": "PROMPT"}}

    def save_images(self, images, filename_prefix="ComfyUI"):
        return {"ui": {"images": [{"value": round(images[0] * 255)}]}}


class ImageCrop(io.ComfyNode):
    """A node of the third version: its function is a class method called `execute`."""

    @classmethod
    def define_schema(cls):
        return io.Schema("ImageCrop", inputs=[io.Image.Input("image"), io.Int.Input("width")])

    @classmethod
    def execute(cls, image, width):
        return io.NodeOutput(image[:width])


NODE_CLASS_MAPPINGS = {cls.__name__: cls for cls in (EmptyImage, ImageInvert, SaveImage, ImageCrop)}
NODE_DISPLAY_NAME_MAPPINGS = {"ImageInvert": "Invert Image"}
EXTENSION_WEB_DIRS = {}
LOADED_MODULE_DIRS = {}


def interrupt_processing(value=True):
    comfy.model_management.interrupt_current_processing(value)


def before_node_execution():
    comfy.model_management.throw_exception_if_processing_interrupted()


def get_module_name(path):
    name = os.path.basename(os.path.normpath(path))
    return os.path.splitext(name)[0] if os.path.isfile(path) else name


async def load_custom_node(module_path, ignore=frozenset(), module_parent="custom_nodes"):
    name = get_module_name(module_path)
    key = module_path.replace(".", "_x_")
    file, folder = os.path.join(module_path, "__init__.py"), module_path
    if os.path.isfile(module_path):
        name = key = os.path.splitext(module_path)[0]
        file, folder = module_path, os.path.dirname(module_path)
    try:
        spec = importlib.util.spec_from_file_location(key, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
        LOADED_MODULE_DIRS[name] = os.path.abspath(folder)
        web = os.path.abspath(os.path.join(folder, getattr(module, "WEB_DIRECTORY", None) or ""))
        if getattr(module, "WEB_DIRECTORY", None) is not None and os.path.isdir(web):
            EXTENSION_WEB_DIRS[name] = web
        found, names = getattr(module, "NODE_CLASS_MAPPINGS", None), {}
        if found is not None:
            names = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
        else:
            extension = await module.comfy_entrypoint()
            assert isinstance(extension, ComfyExtension)
            schemas = [(c.GET_SCHEMA(), c) for c in await extension.get_node_list()]
            found = {schema.node_id: cls for schema, cls in schemas}
            names = {s.node_id: s.display_name for s, _ in schemas if s.display_name is not None}
    except Exception:
        logging.warning("Cannot import %s module for custom nodes", module_path, exc_info=True)
        return False
    for node_type, cls in found.items():
        if node_type not in ignore:  # built-in names win, those of other packs do not
            NODE_CLASS_MAPPINGS[node_type] = cls
            cls.RELATIVE_PYTHON_MODULE = f"{module_parent}.{get_module_name(module_path)}"
    NODE_DISPLAY_NAME_MAPPINGS.update(names)
    return True


async def init_extra_nodes():
    own = set(NODE_CLASS_MAPPINGS)
    for folder in folder_paths.get_folder_paths("custom_nodes"):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if (os.path.isdir(path) and name != "__pycache__") or name.endswith(".py"):
                await load_custom_node(path, own)
