"""Extension folders: no metadata, no other registry than the list, paths as they were found."""

import os

from modules import shared
from modules.paths_internal import extensions_builtin_dir, extensions_dir

extensions = []


class Extension:
    def __init__(self, name, path, enabled=True, is_builtin=False):
        self.name = name
        self.path = path
        self.enabled = enabled
        self.is_builtin = is_builtin
        self.version = ""

    def list_files(self, subdir, extension):
        folder = os.path.join(self.path, subdir)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, name) for name in names if name.endswith(extension)]


def active():
    return [extension for extension in extensions if extension.enabled]


def list_extensions():
    extensions.clear()
    for folder in (extensions_builtin_dir, extensions_dir):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                enabled = name not in shared.opts.disabled_extensions
                is_builtin = folder == extensions_builtin_dir
                extensions.append(Extension(name, path, enabled, is_builtin))
