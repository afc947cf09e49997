"""The nodes, and the loading of others'; the names of their modules are paths."""

import importlib.util
import logging
import os
import sys

import comfy.model_management
import folder_paths


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


class ImageCrop:
    """A node of the third version: its function is a class method called `execute`."""

    FUNCTION = "EXECUTE_NORMALIZED"

    @classmethod
    def define_schema(cls):
        return None

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "width": ("INT",)}}

    @classmethod
    def execute(cls, image, width):
        return (image[:width],)

    @classmethod
    def EXECUTE_NORMALIZED(cls, *args, **kwargs):
        return cls.execute(*args, **kwargs)


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


def load_custom_node(module_path, module_parent="custom_nodes"):
    name = get_module_name(module_path)
    key, folder = module_path.replace(".", "_x_"), module_path
    file = os.path.join(module_path, "__init__.py")
    if os.path.isfile(module_path):
        name = key = os.path.splitext(module_path)[0]
        file, folder = module_path, os.path.dirname(module_path)
    try:
        spec = importlib.util.spec_from_file_location(key, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    except Exception:
        logging.warning("Cannot import %s module for custom nodes", module_path, exc_info=True)
        return False
    LOADED_MODULE_DIRS[name] = os.path.abspath(folder)
    for node_type, cls in module.NODE_CLASS_MAPPINGS.items():
        if node_type not in NODE_CLASS_MAPPINGS:  # built-in names win
            NODE_CLASS_MAPPINGS[node_type] = cls
            cls.RELATIVE_PYTHON_MODULE = f"{module_parent}.{get_module_name(module_path)}"
    NODE_DISPLAY_NAME_MAPPINGS.update(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
    return True


def init_extra_nodes():
    for folder in folder_paths.get_folder_paths("custom_nodes"):
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if (os.path.isdir(path) and name != "__pycache__") or name.endswith(".py"):
                load_custom_node(path)
