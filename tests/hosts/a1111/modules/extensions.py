"""Extension folders, and the order of callbacks that their metadata.ini asks for."""

import configparser
import dataclasses
import os
import re

from modules import shared
from modules.paths_internal import extensions_builtin_dir, extensions_dir

extensions = []
extension_paths = {}
loaded_extensions = {}


@dataclasses.dataclass
class CallbackOrderInfo:
    name: str
    before: list
    after: list


class ExtensionMetadata:
    def __init__(self, path, canonical_name):
        self.config = configparser.ConfigParser()
        self.config.read(os.path.join(path, "metadata.ini"))
        self.canonical_name = canonical_name.lower().strip()
        self.requires = []

    def list_callback_order_instructions(self):
        for section in self.config.sections():
            if section.startswith(f"callbacks/{self.canonical_name}"):
                asked = self.config[section]
                before, after = (_words(asked.get(word, "")) for word in ("Before", "After"))
                yield CallbackOrderInfo(section[10:], before, after)


class Extension:
    def __init__(self, name, path, enabled=True, is_builtin=False, metadata=None):
        self.name = name
        self.path = path
        self.enabled = enabled
        self.is_builtin = is_builtin
        self.version = ""
        self.metadata = metadata if metadata else ExtensionMetadata(self.path, name.lower())
        self.canonical_name = metadata.canonical_name

    def list_files(self, subdir, extension):
        folder = os.path.join(self.path, subdir)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, name) for name in names if name.endswith(extension)]


def active():
    return [extension for extension in extensions if extension.enabled]


def list_extensions():
    for known in (extensions, extension_paths, loaded_extensions):
        known.clear()
    for folder in (extensions_builtin_dir, extensions_dir):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                enabled = name not in shared.opts.disabled_extensions
                is_builtin = folder == extensions_builtin_dir
                metadata = ExtensionMetadata(path, name)
                extension = Extension(name, path, enabled, is_builtin, metadata)
                extensions.append(extension)
                extension_paths[path] = extension
                loaded_extensions[name] = extension


def find_extension(filename):
    parent = os.path.dirname(os.path.realpath(filename))
    while parent != filename:
        if parent in extension_paths:
            return extension_paths[parent]
        filename, parent = parent, os.path.dirname(parent)
    return None


def _words(text):
    return [word for word in re.split(r"[,\s]+", text.strip()) if word]
