"""``livepatch demo``: the built-in webui, with the tour notebook attached to it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from livepatch.errors import LivepatchError
from livepatch.files import private_folder, write_private

from .companions import ending_with_us
from .hearing import with_live_details
from .kernelspecs import kernelspec_name, write_kernelspec
from .lab import lab_command, require
from .provisioner import CHOICE_VARIABLE
from .webuis import Webui, running_webuis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "demo"
PORT = 7865
START_TIMEOUT = 120.0  # seconds; a first start compiles every module
TOUR = "tour.ipynb"
DURING_TAG = "during"
PICTURE = {"prompt": "a greenhouse at dawn", "steps": 8, "seed": 7, "width": 256, "height": 256}
TEXT = {"prompt": "The greenhouse", "max_tokens": 24, "seed": 7}


def tour_notebook() -> Path:
    """The tour notebook as it was installed, or as it lies in a checkout."""
    installed = Path(str(files("livepatch"))) / "demo" / "notebooks" / TOUR
    checkout = Path(str(files("livepatch"))).parent / "notebooks" / TOUR
    for path in (installed, checkout):
        if path.is_file():
            return path
    raise LivepatchError(
        "open the tour notebook",
        f"neither {installed} nor {checkout} exists",
        f'{sys.executable} -m pip install --force-reinstall "livepatch[demo]"',
    )


@contextmanager
def demo_webui(
    port: int | None = None, log: IO[bytes] | None = None, extensions: Path | None = None
) -> Iterator[tuple[Webui, str]]:
    """The demo webui with a kernel inside, in a process of its own, ended when left.

    It ends also when this process is killed.

    Args:
        port: its port; 7865 if None, or any free one where that is taken.
        log: where it prints to; our stderr if None.
        extensions: a folder of extensions besides those that come along.

    Yields:
        The webui's record and its address.

    Raises:
        LivepatchError: it ended, or gave no answer, before it served.
    """
    for module in ("fastapi", "gradio", "uvicorn"):
        require(module, "demo", "run the demo")
    ports = [port] if port else [*([PORT] if _is_free(PORT) else []), _any_free_port()]
    command = [*(sys.executable, "-m", "livepatch", "run", "--name", NAME, "-m", "livepatch.demo")]
    if extensions is not None:
        private_folder(extensions, f"run the demo with the extensions in {extensions}")
        command += ["--extensions-dir", str(extensions)]
    with ending_with_us() as take:
        process, webui, address = _serve(command, ports, sys.stderr if log is None else log, take)
        try:
            yield webui, address
        finally:
            _end(process)


def _serve(
    command: list[str], ports: list[int], output: IO[Any], take: Callable[[Any], object]
) -> tuple[subprocess.Popen[bytes], Webui, str]:
    """Start it on the first port that nobody else takes while it starts: that is seconds."""
    for port in ports:
        # In a session of its own: the terminal's Ctrl-C reaches us alone, and we end it.
        process = subprocess.Popen(
            [*command, "--port", str(port)], stdout=output, stderr=output, start_new_session=True
        )
        take(process)
        address = f"http://127.0.0.1:{port}"
        try:
            return process, _wait_until_it_serves(process, address), address
        except BaseException as error:
            _end(process)
            was_taken = isinstance(error, LivepatchError) and not _is_free(port)
            if not was_taken or port == ports[-1]:
                raise
    raise AssertionError("there is a last port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_serves(process: subprocess.Popen[bytes], address: str) -> Webui:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LivepatchError(
                "start the demo webui",
                f"it ended with exit code {process.returncode} before it served {address}",
                "read what it printed above",
            )
        started = (webui for webui in running_webuis() if webui.was_started_as(process.pid))
        webui = next(started, None)
        # Its own word: at this address another one may answer that was quicker to take the port.
        if webui is not None and with_live_details(webui).address == address:
            return webui
        time.sleep(0.1)
    raise LivepatchError(
        "start the demo webui",
        f"it did not serve {address} within {START_TIMEOUT:.0f} s",
        "read what it printed above, then try another port: livepatch demo --port N",
    )


def end_on_sigterm() -> None:
    """Make SIGTERM, and a terminal that closes, end the demo like Ctrl-C: nothing is left behind.

    For the process of the command ``livepatch demo``; the webui has one of its own.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _frame: sys.exit(128 + number))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def show(*, port: int | None = None, lab_port: int | None = None, browser: bool = True) -> int:
    """The demo webui, and JupyterLab with the tour open on it; Ctrl-C ends both.

    Args:
        port: the webui's port.
        lab_port: JupyterLab's port.
        browser: open a browser.

    Returns:
        The exit code.
    """
    require("jupyterlab", "lab", "open the tour in JupyterLab")
    notebook = _working_copy()
    extensions = _own_folder() / "demo-extensions"
    with demo_webui(port, extensions=extensions) as (webui, address), ending_with_us() as take:
        print(f"webui:    {address}\nnotebook: {notebook}\nCtrl-C ends both.", file=sys.stderr)
        command, environment = lab_command(notebook, webui, port=lab_port, browser=browser)
        lab = subprocess.Popen(command, env=environment, start_new_session=True)
        take(lab)
        try:
            return lab.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _end(lab)


def _own_folder() -> Path:
    """Where the user's own notebooks and extensions for the demo lie."""
    from platformdirs import user_data_path

    return user_data_path("livepatch", appauthor=False)


def _working_copy() -> Path:
    """The tour in a folder of the user's: the installed package is not for working in."""
    folder = private_folder(_own_folder() / "notebooks", "open the tour in JupyterLab")
    copy = folder / TOUR
    if copy.exists():
        copy.replace(folder / f"{copy.stem}-{time.strftime('%Y%m%d-%H%M%S')}.ipynb")
    write_private(copy, tour_notebook().read_bytes())
    return copy


def run_once(*, port: int | None = None, notebook: Path | None = None) -> int:
    """The tour without a screen: executed in the webui's kernel, watched over HTTP.

    Prints the webui's answer ``before``, ``during`` (after the cell that carries the tag "during")
    and ``after`` the tour, one line of JSON each.

    Args:
        port: the webui's port.
        notebook: the notebook to execute, the tour if None.

    Returns:
        0; 1 when a cell failed, or the answers do not show a change and its way back.
    """
    for module in ("nbclient", "PIL"):
        require(module, "demo", "execute the tour")
    import nbformat

    tour = nbformat.read(notebook or tour_notebook(), as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        # What the webui prints is of interest only when something fails: the tour breaks a
        # function.
        try:
            with demo_webui(port, log, Path(folder) / "extensions") as (webui, address):
                answers = {"before": _question(address)}
                _print_answer("before", answers["before"])
                failure = _execute(tour, webui, Path(folder), address, answers)
                if failure is None:
                    answers["after"] = _question(address)
                    _print_answer("after", answers["after"])
            failure = failure or _shortcoming(answers)
        except BaseException:
            _print_log(log)
            raise
        if failure is not None:
            _print_log(log)
            print(failure, file=sys.stderr)
    return 0 if failure is None else 1


def _print_log(log: IO[bytes]) -> None:
    log.seek(0)
    sys.stderr.write(log.read().decode(errors="replace"))


def _print_answer(moment: str, answer: dict[str, Any]) -> None:
    print(f"{moment}: {json.dumps(answer)}", flush=True)


def _execute(
    tour: Any, webui: Webui, folder: Path, address: str, answers: dict[str, dict[str, Any]]
) -> str | None:
    """Execute the notebook through the provisioner; answers what failed, None when nothing did."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    def ask_during(cell: Any, **_: object) -> None:
        if DURING_TAG in cell["metadata"].get("tags", ()) and "during" not in answers:
            answers["during"] = _question(address)
            _print_answer("during", answers["during"])

    write_kernelspec(webui.name)
    client = NotebookClient(
        tour,
        kernel_name=kernelspec_name(webui.name),
        timeout=120,
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=ask_during,
    )
    try:
        client.execute(env={**os.environ, CHOICE_VARIABLE: str(webui.pid)})
    except CellExecutionError as error:
        return str(error)  # The failing cell's source and its traceback.
    return None


def _shortcoming(answers: dict[str, dict[str, Any]]) -> str | None:
    if "during" not in answers:
        return f'livepatch demo: no cell of the notebook carries the tag "{DURING_TAG}"'
    if answers["during"] == answers["before"]:
        return "livepatch demo: the answer during the tour is the same as before it"
    if answers["after"] != answers["before"]:
        return "livepatch demo: the answer after the tour is not the one before it"
    return None


def _question(address: str) -> dict[str, Any]:
    """What the webui answers to the same two requests: facts of its picture, and its text."""
    from io import BytesIO

    from PIL import Image, ImageStat

    generated = _post(f"{address}/api/generate", PICTURE)
    if "error" in generated:
        return generated
    png = base64.b64decode(generated["image"])
    picture = Image.open(BytesIO(png)).convert("RGB")
    return {
        "sha256": hashlib.sha256(png).hexdigest()[:16],
        "size": list(picture.size),
        "mean_rgb": [round(mean, 1) for mean in ImageStat.Stat(picture).mean],
        "info": generated["info"],
        "text": _post(f"{address}/api/complete", TEXT).get("text"),
    }


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        with error:
            return {"error": error.code, "detail": error.read().decode(errors="replace")[:200]}
