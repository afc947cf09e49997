# mypy: disable-error-code="attr-defined,misc,no-untyped-call,override,union-attr,unused-ignore"
# ipykernel and IPython are typed in part, and in each version differently.
"""The kernel's settings: the user's own, but for those that would touch the process."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from traitlets.config.loader import Config, ConfigFileNotFound, PyFileConfigLoader

from livepatch.errors import AttachFailed, FileNotTrusted
from livepatch.files import check_trusted

from .app import WebuiKernelApp
from .profile import ipython_folder
from .strangers import OneLine

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from .context import Notebook


def make_app(
    connection_file: Path, notebook: Notebook, options: dict[str, Any], log: logging.Logger
) -> WebuiKernelApp:
    """Make the application that holds the kernel; :meth:`WebuiKernelApp.initialize` starts it.

    Args:
        connection_file: where the connection file goes.
        notebook: the mark of the kernel's cells.
        options: the arguments of :func:`livepatch.kernel.start_kernel`.
        log: takes the kernel's messages.

    Returns:
        The application.

    Raises:
        AttachFailed: the kernel would be open to others, or encryption was asked for and this
            ipykernel has none.
    """
    _check_closed_to_others(options)
    config = Config()
    # jedi parses the webui's packages, in the webui's process and memory; IPython's own completer
    # asks the live objects.
    config.Completer.use_jedi = False
    config.merge(_users_configuration(log))
    config.HistoryManager.enabled = False  # no sqlite file, no thread that writes it
    config.HistoryManager.hist_file = ":memory:"
    config.Session.key = options["key"]
    if options["banner"]:
        config.InteractiveShell.banner2 = options["banner"]
    if not any(isinstance(there, OneLine) for there in log.filters):
        log.addFilter(OneLine())
    if not log.level:
        log.setLevel(30)  # a webui that logs at DEBUG need not read every message of the kernel
    app = WebuiKernelApp(
        config=config,
        log=log,
        connection_file=str(connection_file),
        transport=options["transport"],
        ip=options["ip"],
        notebook=notebook,
        info=options["info"],
        initial_namespace=options["user_ns"],
        metadata=options["metadata"],
    )
    if options["curve"]:
        _encrypt(app)
    return app


def _check_closed_to_others(options: dict[str, Any]) -> None:
    """Whoever reaches a kernel can run code as the user: nobody else may, and nobody may listen."""
    if options["transport"] == "ipc" or (_is_loopback(options["ip"]) and options["curve"]):
        return
    what = "without encryption" if _is_loopback(options["ip"]) else f"on {options['ip']}"
    raise AttachFailed(
        f"start a kernel {what}",
        "other users could reach it, or read what you type and see",
        "use ipc, or encrypted tcp on 127.0.0.1; from another machine, run JupyterLab there over "
        "ssh",
    )


def _is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:  # a name, which may be resolved to anything
        return False


def _users_configuration(log: logging.Logger) -> Config:
    home = ipython_folder()
    found = Config()
    for name in ("ipython_config.py", "ipython_kernel_config.py"):
        file = home / "profile_default" / name
        try:
            check_trusted(file, f"read {file}", links=True)
            loader = PyFileConfigLoader(name, path=str(home / "profile_default"), log=log)
            found.merge(loader.load_config())
        except (ConfigFileNotFound, FileNotFoundError, NotADirectoryError):
            continue
        except FileNotTrusted as refused:  # it is code, and would run in the webui
            log.warning("%s was not read: %s; %s", file, refused.found, refused.advice)
        except (
            Exception
        ):  # a user's file may raise anything; the kernel starts without it, as ipython does
            log.warning("%s was not read", file, exc_info=True)
    return found


def _encrypt(app: WebuiKernelApp) -> None:
    import ipykernel
    import zmq

    if not hasattr(app, "_apply_curve_server_options"):
        raise AttachFailed(
            "start an encrypted kernel in this process",
            f"ipykernel {ipykernel.__version__} has no CurveZMQ",
            "pip install 'ipykernel>=7.3' in the webui's environment",
        )
    app.curve_publickey, app.curve_secretkey = zmq.curve_keypair()
