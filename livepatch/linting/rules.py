"""The rules: each with its code, what it asks, why, and what to write instead.

From the extension guide of SD.Next, and from what breaks in the other webuis.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        code: what ignore comments name.
        asks: the rule.
        reason: why.
        fix: what to write instead.
    """

    code: str
    asks: str
    reason: str
    fix: str


_RULES = (
    Rule(
        "LP001",
        "a file can be parsed",
        "the webui would not load it",
        "fix the line",
    ),
    Rule(
        "LP002",
        "an ignore comment names known codes and says why",
        "a later reader cannot tell whether it still applies",
        "# livepatch: ignore[LP101] the reason",
    ),
    Rule(
        "LP003",
        "lint can read everything: regular files of a usual size, in the extension's own folder",
        "what lint cannot read is not checked, and a named pipe or a device blocks whoever opens "
        "it",
        "leave it out of the extension, or make it a regular file of less than 2 MB",
    ),
    Rule(
        "LP004",
        "JavaScript can be read",
        "its parser is not installed: not one line of that file is checked",
        "pip install 'livepatch[lint]', then lint again",
    ),
    Rule(
        "LP101",
        "no work at import: only definitions and registration",
        "every start of the webui waits for it, also when the extension is switched off, and an "
        "error in it ends the loading of the file",
        "do it in a function that is registered: script_callbacks.on_app_started(start)",
    ),
    Rule(
        "LP102",
        "one entry file in scripts/",
        "each file there is executed on its own, in the order of names, with no way to share state",
        "move the other files into a package beside scripts/ and import them from the entry file",
    ),
    Rule(
        "LP103",
        "install.py only installs, through the webui's own functions",
        "pip run by hand ignores the webui's environment, its pins and its --skip-install; other "
        "work holds up every start",
        'if not launch.is_installed("x"): launch.run_pip("install x", "x for NAME")',
    ),
    Rule(
        "LP104",
        "preload.py only defines preload(parser), and imports nothing of the webui but its paths",
        "it runs before the webui is loaded and has read its options, on every start",
        "keep def preload(parser): parser.add_argument(…), move the rest into scripts/",
    ),
    Rule(
        "LP105",
        "requirements leave the webui's own packages alone",
        "another version of torch, gradio or numpy breaks the webui and all other extensions",
        "leave the package out: the webui brings it; or name it without a version",
    ),
    Rule(
        "LP106",
        "no assumed folder",
        "extensions may lie elsewhere (--extensions-dir, --data-dir), and the webui may be started "
        "from anywhere",
        "Path(__file__).parent, or scripts.basedir() while the file is loaded",
    ),
    Rule(
        "LP107",
        "safe access to what may be missing: settings, options, what an image says of itself",
        "forks and versions differ, and an AttributeError in a callback breaks the generation",
        'getattr(shared.opts, "name", default); shared.opts.data.get("name"); '
        'image.info.get("parameters"); os.environ.get("NAME")',
    ),
    Rule(
        "LP108",
        "one-time work in a callback that fires once",
        "code that runs at each step or for each component slows every generation or the whole "
        "page",
        "do it in on_app_started or on_model_loaded, and keep the result",
    ),
    Rule(
        "LP109",
        "early exit when disabled, in every callback",
        "a disabled extension must cost nothing and change nothing",
        "begin with: if not enabled: return",
    ),
    Rule(
        "LP110",
        "a patch keeps and calls the original",
        "another extension may have patched it before; overwriting it removes that patch",
        "original = module.f, and call original(*args, **kwargs) in the new function",
    ),
    Rule(
        "LP111",
        "a patch is taken back when the extension is unloaded, and only your own",
        "Reload UI would patch the patch, once more at every reload",
        "in on_script_unloaded: if module.f is patched: module.f = original",
    ),
    Rule(
        "LP112",
        "no fixed device",
        "there are webuis on CPU, MPS, XPU, DirectML and ROCm",
        "devices.device (A1111, SD.Next), memory_management.get_torch_device() (Forge), "
        "comfy.model_management.get_torch_device()",
    ),
    Rule(
        "LP113",
        "no fixed precision",
        "not every device computes in float16",
        "devices.dtype, or the dtype of the tensor at hand: x.to(other.dtype)",
    ),
    Rule(
        "LP114",
        "no path of one machine",
        "it exists on that machine only",
        "pathlib.Path(__file__).parent, pathlib.Path.home(), tempfile.gettempdir()",
    ),
    Rule(
        "LP115",
        "no shell",
        "its commands differ from system to system, and text that a user typed may end up in them",
        'subprocess.run(["program", argument], check=True)',
    ),
    Rule(
        "LP120",
        "importing has no visible effect outside the module",
        "observed in a run: importing it wrote files, opened sockets, or started threads or "
        "programs",
        "do it in a function that is registered",
    ),
    Rule(
        "LP201",
        "JavaScript: no bare global names",
        "all files of all extensions share one global scope: a function replaces another of the "
        "same name",
        "begin each global name with the extension's own, or (function () {…})() around it all",
    ),
    Rule(
        "LP202",
        "JavaScript: no work outside callbacks",
        "the page does not exist yet when the file is loaded",
        "onUiLoaded(() => {…})",
    ),
    Rule(
        "LP203",
        "JavaScript: onUiLoaded, not onUiUpdate, for one-time work",
        "onUiUpdate fires at every change of the page, hundreds of times a second while it renders",
        "onUiLoaded(() => {…}); onAfterUiUpdate where each change matters",
    ),
)
RULES = {rule.code: rule for rule in _RULES}


def table() -> str:
    """The rules as a table in Markdown: what ``docs/rules.md`` shows.

    Example:
        >>> table().splitlines()[0]
        '| code | rule | why | instead |'
    """
    rows = [f"| {r.code} | {r.asks} | {r.reason} | `{r.fix}` |" for r in _RULES]
    return "\n".join(["| code | rule | why | instead |", "|---|---|---|---|", *rows]) + "\n"
