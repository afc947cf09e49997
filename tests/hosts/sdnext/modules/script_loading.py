"""Scripts are executed by their path, and nobody keeps their modules."""

import contextlib
import importlib.util
import io
import os

from modules import errors


def load_module(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path), path)
    module = importlib.util.module_from_spec(spec)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(module)
    except Exception:
        errors.report(f"Module load: {path}", exc_info=True)
    return module
