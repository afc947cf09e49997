"""The demo webui over HTTP, in a process of its own."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageStat
from webui_process import REPOSITORY, Webui, pixels, start_demo, started

from livepatch.demo import postprocess, prompts, sampler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXTENSION = """
from livepatch.demo import script_callbacks, scripts

log = []


class Recorder(scripts.Script):
    def process(self, p):
        log.append("process")

    def process_step(self, p, params):
        log.append(f"process_step {params.step}")

    def postprocess(self, p, result):
        log.append("postprocess")
        result.info += "; " + ", ".join(log)


def report_saved(params):
    print("saved", params.filename.name, len(log), flush=True)


script_callbacks.on_app_started(lambda demo, app: log.append("app_started"))
script_callbacks.on_before_generate(lambda p: log.append("before_generate"))
script_callbacks.on_step(lambda params: log.append(f"step {params.step}"))
script_callbacks.on_after_generate(
    lambda p, result: setattr(result, "info", result.info + "; after_generate")
)
script_callbacks.on_image_saved(report_saved)
script_callbacks.on_script_unloaded(lambda: print("unloaded first", flush=True))
script_callbacks.on_script_unloaded(lambda: print("unloaded last", flush=True))
"""

BROKEN_CALLBACKS = """
from livepatch.demo import script_callbacks, scripts


def boom(*args):
    raise RuntimeError("boom in a callback")


class Broken(scripts.Script):
    postprocess = boom


script_callbacks.on_app_started(boom)
script_callbacks.on_step(boom)
"""


def write_extension(folder: Path, name: str, source: str) -> None:
    scripts = folder / name / "scripts"
    scripts.mkdir(parents=True)
    (folder / name / "metadata.ini").write_text(f"[Extension]\nName = {name}\nVersion = 3\n")
    (scripts / f"{name.replace('-', '_')}.py").write_text(source)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    outputs, extensions = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("ext")
    write_extension(extensions, "recorder", EXTENSION)
    write_extension(extensions, "broken-callbacks", BROKEN_CALLBACKS)
    write_extension(extensions, "broken-import", "raise RuntimeError('boom at import')")
    return outputs, extensions


@pytest.fixture(scope="module")
def webui(folders: tuple[Path, Path]) -> Iterator[Webui]:
    outputs, extensions = folders
    webui = start_demo("--output-dir", str(outputs), "--extensions-dir", str(extensions))
    yield webui
    assert webui.end() == 0


def difference(one: bytes, other: bytes) -> float:
    """The mean difference of two pictures, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(pixels(one), pixels(other))).mean) / 3


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webui]:
    """The demo started by the path of its file, with nothing but what comes along."""
    temporary = tmp_path_factory.mktemp("temporary")
    path = REPOSITORY / "livepatch" / "demo" / "webui.py"
    webui = started(Webui(str(path), "--port", "0", TMPDIR=str(temporary)))
    yield webui
    generated = webui.get("/api/health")["generated"]
    pictures = list(temporary.glob("greenhouse-*/*.png"))
    assert webui.end() == 0
    assert pictures or not generated
    assert not list(temporary.glob("greenhouse-*")), "the temporary output folder is left behind"


def test_same_seed_gives_the_same_bytes(script: Webui) -> None:
    png = script.generate()
    assert png.startswith(b"\x89PNG")
    assert pixels(png).size == (96, 64)
    assert script.generate() == png


def test_same_seed_gives_the_same_picture_in_another_process(webui: Webui, script: Webui) -> None:
    prompt = "gardens of machines by a lake, stars, pines, wind"
    one, other = webui.generate(prompt), script.generate(prompt)
    assert pixels(one).tobytes() == pixels(other).tobytes()


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"steps": 2}, {"prompt": "a red desert"}, {"steps": 40}]
)
def test_seed_steps_and_prompt_are_visible(webui: Webui, change: dict[str, object]) -> None:
    assert difference(webui.generate(), webui.generate(**change)) > 1


def test_few_steps_leave_more_noise(webui: Webui) -> None:
    finished = webui.generate(steps=60)
    distances = [difference(webui.generate(steps=steps), finished) for steps in (1, 4, 20)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 10 * distances[2]


def test_callbacks_and_script_methods_run_in_order(webui: Webui) -> None:
    info = webui.post("/api/generate", prompt="x", seed=1, steps=2, width=64, height=64)["info"]
    assert info.startswith("x\nSteps: 2, Seed: 1, Size: 64x64, Vignette: 0.35; app_started, ")
    last_run = info[info.rindex("process, before_generate") :]
    assert last_run == (
        "process, before_generate, process_step 0, step 0, process_step 1, step 1, "
        "postprocess; after_generate"
    )


def test_saved_file_is_announced_and_tells_its_parameters(
    webui: Webui, folders: tuple[Path, Path]
) -> None:
    png = webui.generate("a tower", seed=4711)
    name = webui.wait_for_line("saved 4711-").split()[1]
    assert (folders[0] / name).read_bytes() == png
    with Image.open(io.BytesIO(png)) as image:
        assert image.text["parameters"].startswith("a tower\nSteps: 6, Seed: 4711")


def test_an_extension_that_raises_does_not_stop_the_webui(webui: Webui) -> None:
    webui.generate()
    health = webui.get("/api/health")
    assert health["status"] == "ok"
    assert {"vignette", "prompt-log", "recorder", "broken-callbacks"} <= set(health["extensions"])
    problems = "\n".join(health["problems"])
    for problem in ("callback step boom", "Error running postprocess"):
        assert problem in problems
    console = "".join(webui.errors)
    assert "Error loading script" in console
    assert "boom at import" in console
    assert "callback app_started boom" in console
    assert 'raise RuntimeError("boom in a callback")' in console


def test_the_vignette_darkens_the_corners_of_what_the_sampler_made(script: Webui) -> None:
    target = prompts.target_from_prompt("ice", 3, 128, 128)
    before = postprocess.to_image(sampler.sample(target, 6, 3))
    after = pixels(script.generate("ice", width=128, height=128))
    assert after.getpixel((64, 64)) == before.getpixel((64, 64))
    for corner in ((1, 1), (126, 126)):
        assert sum(after.getpixel(corner)) < 0.8 * sum(before.getpixel(corner))


def test_scripts_can_be_loaded_again(webui: Webui) -> None:
    webui.post("/api/reload-scripts")
    webui.wait_for_line("unloaded last")
    webui.wait_for_line("unloaded first")
    info = webui.post("/api/generate", prompt="x", seed=1, steps=1, width=64, height=64)["info"]
    assert info.count("app_started") == 1
    assert info.count("before_generate") == 1


def test_wrong_requests_are_refused(webui: Webui) -> None:
    for body in ({"prompt": ""}, {"prompt": "x", "steps": 0}, {"prompt": "x", "width": 5000}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            webui.post("/api/generate", **body)
        assert refused.value.code == 422
        refused.value.close()


def test_a_completion_depends_on_prompt_and_seed(webui: Webui) -> None:
    def complete(prompt: str, seed: int) -> str:
        return webui.post("/api/complete", prompt=prompt, max_tokens=40, seed=seed)["text"]

    first = complete("The gardener", 1)
    assert len(first.split()) > 25
    assert complete("The gardener", 1) == first
    assert complete("The gardener", 2) != first
    assert complete("A machine is", 1) != first


def test_answers_carry_time_cors_and_compression(webui: Webui) -> None:
    request = urllib.request.Request(
        webui.url + "/config", headers={"Origin": "http://elsewhere", "Accept-Encoding": "gzip"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert float(response.headers["X-Process-Time"]) > 0
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Content-Encoding"] == "gzip"


def test_the_page_has_a_working_gradio_api(script: Webui) -> None:
    # In a process of its own: the client starts threads and event loops that outlive a test.
    program = f"""
from gradio_client import Client
client = Client({script.url!r}, verbose=False)
image, info = client.predict("a lake", 3, 5, 256, 320, api_name="/generate")
from PIL import Image
print(Image.open(image if isinstance(image, str) else image["path"]).size, repr(info))
print(repr(client.predict("The gardener", 20, 1, api_name="/complete")))
print(client.predict(api_name="/prompt_log")["data"][0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    picture, text, logged = done.stdout.splitlines()
    assert picture.startswith("(256, 320) 'a lake\\nSteps: 3, Seed: 5")
    completion = script.post("/api/complete", prompt="The gardener", max_tokens=20, seed=1)["text"]
    assert text == repr("The gardener" + completion)
    assert logged == "['a lake', '5', '3']"


@pytest.mark.skipif(
    version("gradio").startswith("5."), reason="the frame of Gradio 5's page names font servers"
)
def test_the_page_asks_nothing_of_the_internet(webui: Webui) -> None:
    with urllib.request.urlopen(webui.url, timeout=30) as response:
        page = response.read().decode()
    assert "Greenhouse" in page
    for elsewhere in ("googleapis", "gstatic", "cdnjs", "api.gradio.app"):
        assert elsewhere not in page


def test_health_counts_the_pictures(webui: Webui) -> None:
    before = webui.get("/api/health")["generated"]
    webui.generate()
    assert webui.get("/api/health")["generated"] == before + 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals_end_it_as_they_end_a_plain_uvicorn_app(how: signal.Signals, code: int) -> None:
    plain = Webui(
        "-c",
        "import sys, uvicorn\n"
        "class Server(uvicorn.Server):\n"
        "    async def startup(self, sockets=None):\n"
        "        await super().startup(sockets)\n"
        "        print('serves', flush=True)\n"
        "async def app(scope, receive, send): pass\n"
        "sys.modules['uvicorn.main'].Server = Server\n"
        "uvicorn.run(app, port=0, log_level='error', lifespan='off')\n",
    )
    try:
        plain.wait_for_line("serves")
        demo = start_demo("--disable-extension", "vignette")
    finally:
        plain_code = plain.end(how)
    try:
        demo.generate()
        assert demo.get("/api/health")["extensions"] == ["prompt-log"]
    finally:
        demo_code = demo.end(how)
    assert (plain_code, demo_code) == (code, code)
    assert demo.errors == []


def test_a_port_in_use_is_an_error(webui: Webui) -> None:
    port = webui.url.rsplit(":", 1)[1]
    second = Webui("-m", "livepatch.demo", "--port", port)
    try:
        assert second.process.wait(timeout=60) != 0
    finally:
        second.end(signal.SIGKILL)
    assert "address already in use" in "".join(second.errors)
    webui.generate()
