"""One cell in a notebook on the running demo webui, and everything that holds the function."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gradio_client import Client
from jupyter_client.manager import KernelManager
from reach_support import Place, place
from webui_process import Webui, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

EXTENSIONS = Path(__file__).parents[1] / "samples" / "extensions"
PATIENCE = 30  # seconds
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

REPLACE_ANSWER = """%%replace doors.answer
def answer(p=None):
    if p is not None:
        p.extra_generation_params["Answer"] = "new"
    return "new"
"""


class Demo:
    """The demo webui with a kernel inside, and all the ways to ask it."""

    def __init__(self, here: Place, webui: Webui) -> None:
        self.here, self.webui = here, webui
        self.page = Client(webui.url, verbose=False)

    def doors(self) -> dict[str, str]:
        """What each holder of ``doors.answer`` answers."""
        info = self.generate()["info"]
        return {
            "from-import": self.webui.get("/doors/from-import"),
            "route": self.webui.get("/doors/route"),
            "thread": self.webui.get("/doors/thread"),
            "event": self.page.predict(api_name="/door"),
            "callback": info.partition("Answer: ")[2].partition(",")[0],
        }

    def generate(self) -> dict[str, Any]:
        body = {"prompt": "a lake", "seed": 3, "steps": 4, "width": 64, "height": 64}
        answer: dict[str, Any] = self.webui.post("/api/generate", **body)
        return answer

    def completion(self) -> str:
        text: str = self.webui.post("/api/complete", prompt="The", max_tokens=6)["text"]
        return text

    def written(self) -> str:
        """What the page's Complete button writes."""
        text: str = self.page.predict("The", 6, 0, api_name="/complete")
        return text

    def everything(self) -> tuple[object, ...]:
        """All answers of the webui, to be compared."""
        generated = {key: value for key, value in self.generate().items() if key != "seconds"}
        return self.doors(), generated, self.completion(), self.written()


class Notebook:
    """What a notebook on the webui does: run cells, and show what comes."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str) -> str:
        """Run a cell; answers the text of what it prints and of its result."""
        text, error = self._run(code)
        assert error is None, error
        return text

    def fail(self, code: str) -> list[str]:
        """Run a cell that fails; answers the lines that the notebook shows."""
        text, error = self._run(code)
        assert error is not None, f"the cell did not fail, it said {text!r}"
        return COLOUR.sub("", error).splitlines()

    def _run(self, code: str) -> tuple[str, str | None]:
        texts: list[str] = []
        errors: list[str] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                texts.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                texts.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                errors.append("\n".join(content["traceback"]))

        self.client.execute_interactive(code, output_hook=take, timeout=PATIENCE)
        return "".join(texts), errors[0] if errors else None


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with place() as here:
        command = ["-m", "livepatch", "run", "--name", "demo", "-m", "livepatch.demo"]
        options = ["--port", "0", "--extensions-dir", str(EXTENSIONS)]
        webui = started(Webui(*command, *options, **here.environment))
        try:
            running = Demo(here, webui)
            yield running
            running.page.close()
        finally:
            webui.end()


@pytest.fixture(scope="module")
def kernel(demo: Demo) -> Iterator[BlockingKernelClient]:
    """A client that reached the kernel as JupyterLab does: by kernelspec and provisioner."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in demo.here.environment.items():
            patch.setenv(name, value)
        manager = KernelManager(kernel_name="livepatch-demo")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=PATIENCE)
            yield client
        finally:
            client.stop_channels()
            manager.shutdown_kernel()


@pytest.fixture
def notebook(kernel: BlockingKernelClient) -> Iterator[Notebook]:
    """A notebook with the magics; the webui's own code runs again afterwards."""
    opened = Notebook(kernel)
    opened.run("%load_ext livepatch\nimport livepatch as lp")
    yield opened
    opened.run("lp.restore_all()")
    assert opened.run("len(lp.patches())") == "0"


@pytest.fixture(autouse=True)
def served_throughout(demo: Demo) -> Iterator[None]:
    """Somebody else uses the webui all the while, and no request of theirs fails."""
    stopped, failures, answers = threading.Event(), [], 0

    def use() -> None:
        nonlocal answers
        while not stopped.wait(0.01):
            try:
                assert demo.webui.get("/api/health")["status"] == "ok"
                answers += 1
            except Exception as error:
                failures.append(error)

    user = threading.Thread(target=use)
    user.start()
    try:
        yield
    finally:
        stopped.set()
        user.join(PATIENCE)
    assert failures == []
    assert answers > 0
    assert demo.webui.process.poll() is None


def test_whoever_holds_the_function_runs_the_new_code_and_after_restore_the_old(
    demo: Demo, notebook: Notebook
) -> None:
    old, new = (dict.fromkeys(demo.doors(), word) for word in ("old", "new"))
    assert demo.doors() == old
    assert notebook.run(REPLACE_ANSWER).startswith("replaced doors.answer · ")
    assert demo.doors() == new
    assert notebook.run("%restore doors.answer").startswith("restored doors.answer")
    assert demo.doors() == old


NEW_ROUTE = """%%replace livepatch.demo.api.api_complete
def api_complete(request):
    return {"text": request.prompt + ", patched"}
"""
NEW_IMPORTED = """%%replace livepatch.demo.text.complete
def complete(prompt, max_tokens, seed):
    return prompt + ", patched"
"""
NEW_EVENT = """%%replace livepatch.demo.page.complete_text
def complete_text(prompt, max_tokens, seed):
    yield prompt
    yield prompt + ", patched"
"""
NEW_JOB = """%%replace livepatch.demo.worker.run_job
def run_job(job):
    result = job.function(*job.args)
    result.info = f"patched, in {threading.current_thread().name}"
    job.future.set_result(result)
"""


@pytest.mark.parametrize(
    ("cell", "ask", "patched"),
    [
        (NEW_IMPORTED, Demo.completion, "The, patched"),
        (NEW_ROUTE, Demo.completion, "The, patched"),
        (NEW_EVENT, Demo.written, "The, patched"),
        (NEW_JOB, lambda demo: demo.generate()["info"], "patched, in generation-worker"),
    ],
    ids=["from-imported function", "FastAPI route", "Gradio event", "running thread"],
)
def test_a_cell_changes_the_demo_and_restore_brings_the_old_answer_back(
    demo: Demo, notebook: Notebook, cell: str, ask: Callable[[Demo], str], patched: str
) -> None:
    old = ask(demo)
    worker = "livepatch.demo.worker.generation_queue.thread.ident"
    thread = notebook.run(f"import livepatch.demo.worker\n{worker}")
    notebook.run(cell)
    assert ask(demo) == patched
    target = cell.split()[1]
    notebook.run(f"%restore {target}")
    assert ask(demo) == old != patched
    assert notebook.run(worker) == thread


def test_a_callback_of_a_script_that_is_no_module_is_replaced_by_its_function(
    demo: Demo, notebook: Notebook
) -> None:
    old = demo.generate()["info"]
    notebook.run("from livepatch.demo import script_callbacks")
    entries = "script_callbacks.callback_map['callbacks_after_generate']"
    notebook.run(f"(callback,) = [e.callback for e in {entries} if e.name == 'log_prompt']")
    notebook.run("def log_prompt(p, result):\n    result.info += ', patched'")
    notebook.run("lp.replace(callback, log_prompt)")
    assert demo.generate()["info"] == f"{old}, patched"
    notebook.run("lp.restore(callback)")
    assert demo.generate()["info"] == old


def test_the_cell_runs_in_the_process_of_the_webui(demo: Demo, notebook: Notebook) -> None:
    pid = demo.webui.process.pid
    assert notebook.run("import os; os.getpid()") == str(pid)
    assert demo.here.livepatch("exec", "demo", "-c", "import os; os.getpid()").stdout == f"{pid}\n"
    (listed,) = json.loads(demo.here.livepatch("list", "--json").stdout)
    assert (listed["name"], listed["pid"]) == ("demo", pid)
    # What the list shows of it depends on its answer in a quarter of a second.
    here = "import livepatch as lp; host = lp.host(); print(host.flavor, host.address)"
    answer = demo.here.livepatch("exec", "demo", "-c", here).stdout
    assert answer.split() == ["demo", demo.webui.url]


@pytest.mark.usefixtures("notebook")
def test_exec_replaces_and_restores_as_a_notebook_does(demo: Demo) -> None:
    def run(code: str) -> str:
        found = demo.here.livepatch("exec", "demo", "-c", code)
        assert (found.returncode, found.stderr) == (0, "")
        return found.stdout

    assert run(REPLACE_ANSWER).startswith("replaced doors.answer · ")
    assert set(demo.doors().values()) == {"new"}
    assert run("%restore doors.answer").startswith("restored doors.answer")
    assert set(demo.doors().values()) == {"old"}


STEP = "livepatch.demo.sampler.denoise_step"
PLAIN = "def denoise_step(latent, target, step, steps):\n    return target\n"


@pytest.mark.parametrize(
    ("target", "cell", "found"),
    [
        (STEP.replace("step", "stp"), PLAIN, "denoise_step"),
        ("livepatch.demo.samplr.denoise_step", PLAIN, "livepatch.demo.sampler"),
        (STEP, "def denoise_step(latent, target:\n    return target\n", "line 2"),
        (STEP, "strength = 1\n", "function"),
        (STEP, PLAIN.replace("return", "yield"), "generator"),
        ("livepatch.demo.processing.MAX_SEED", PLAIN, "int"),
    ],
    ids=["no such name", "no such module", "syntax", "no function", "generator", "a number"],
)
def test_a_refusal_is_three_lines_and_changes_nothing(
    demo: Demo, notebook: Notebook, target: str, cell: str, found: str
) -> None:
    before = demo.everything()
    lines = notebook.fail(f"%%replace {target}\n{cell}")
    assert len(lines) == 3, lines
    assert target in lines[0]
    assert found in "\n".join(lines[1:])
    assert notebook.run("len(lp.patches())") == "0"
    assert demo.everything() == before
