"""An IPython extension that counts what is done to it."""

from __future__ import annotations

loads = unloads = reports = 0


def load_ipython_extension(shell):
    global loads
    loads += 1
    shell.register_magic_function(lambda line: f"magic {loads}", "line", "ours")
    shell.events.register("post_run_cell", report)


def unload_ipython_extension(shell):
    global unloads
    unloads += 1


def report(result):
    global reports
    reports += 1
