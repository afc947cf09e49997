"""The rules of extensions: each finds its bad sample at the right line, and not its good twin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

import livepatch as lp
from livepatch.linting.rules import RULES, table


class Sample(NamedTuple):
    """A bad file and its good twin; the bad line ends in ``<--``."""

    code: str
    file: str
    bad: str
    good: str


SAMPLES = {
    "no Python": Sample("LP001", "scripts/x.py", "def f(:  # <--", "def f(): pass"),
    "no JavaScript": Sample("LP001", "javascript/my.js", "\nlet = = 1; // <--", "let myOne = 1;"),
    "a file that is no text": Sample(
        "LP001", "scripts/x.py", "x = '\0'  # <--".replace("  # <--", ""), "x = 1"
    ),
    "an ignore without a reason": Sample(
        "LP002",
        "scripts/x.py",
        "import os\nprint(1)  # livepatch: ignore[LP101] <--".replace(" <--", ""),
        "import os\nprint(1)  # livepatch: ignore[LP101] the webui reads this line",
    ),
    "an ignore of an unknown rule": Sample(
        "LP002",
        "scripts/x.py",
        "x = 1  # livepatch: ignore[LP999] because <--",
        "x = 1",
    ),
    "a call": Sample(
        "LP101",
        "scripts/x.py",
        "import x\nx.start_everything()  # <--",
        "from modules import script_callbacks\nscript_callbacks.on_app_started(print)",
    ),
    "a loop": Sample(
        "LP101",
        "my_lib/x.py",
        "A = {}\nfor name in sorted(dir()):  # <--\n    A[name] = len(name)",
        "A = {name: 1 for name in ('a', 'b')}",
    ),
    "a model that is loaded": Sample(
        "LP101",
        "my_lib/x.py",
        "import torch\nMODEL = torch.load('m.pt')  # <--",
        "import torch\ndef load():\n    return torch.load('m.pt')",
    ),
    "a file that a function of its own opens": Sample(
        "LP101",
        "my_lib/x.py",
        "def read():\n    return open('x').read()\nTEXT = read()  # <--",
        "def read():\n    return open('x').read()\ndef start():\n    return read()",
    ),
    "a request in the body of a class": Sample(
        "LP101",
        "my_lib/x.py",
        "import requests\nclass A:\n    page = requests.get('http://x')  # <--",
        "import requests\nclass A:\n    def page(self):\n        return requests.get('http://x')",
    ),
    "pip by hand": Sample(
        "LP103",
        "install.py",
        "import subprocess\nsubprocess.run(['python', '-m', 'pip', 'install', 'x'])  # <--",
        "import launch\nif not launch.is_installed('x'):\n    launch.run_pip('install x', 'x')",
    ),
    "preload with work": Sample(
        "LP104",
        "preload.py",
        "import os\ndef preload(parser):\n    parser.add_argument('--x')\nos.makedirs('x')  # <--",
        "import os\ndef preload(parser):\n    parser.add_argument('--x', default=os.sep)",
    ),
    "preload with a function more": Sample(
        "LP104",
        "preload.py",
        "def preload(parser):\n    pass\n\ndef other():  # <--\n    pass",
        "def preload(parser):\n    pass",
    ),
    "the webui's own package": Sample(
        "LP105", "requirements.txt", "dnspython\ntorch==2.0.1  # <--", "dnspython>=2\ntorch"
    ),
    "pip's upgrade": Sample("LP105", "requirements.txt", "--upgrade  # <--", "dnspython"),
    "an assumed folder": Sample(
        "LP106",
        "scripts/x.py",
        "import os\ndef f():\n    return open(os.path.join('extensions', 'my', 'a.txt'))  # <--",
        "import pathlib\ndef f():\n    return pathlib.Path(__file__).parent / 'a.txt'",
    ),
    "the current folder": Sample(
        "LP106",
        "scripts/x.py",
        "import os\ndef f():\n    return os.getcwd()  # <--",
        "import pathlib\ndef f():\n    return pathlib.Path(__file__).parent",
    ),
    "a setting that may be missing": Sample(
        "LP107",
        "scripts/x.py",
        "from modules import shared\ndef f():\n    return shared.opts.rare_setting  # <--",
        "from modules import shared\ndef f():\n"
        "    return getattr(shared.opts, 'rare_setting', 0) or shared.opts.sd_model_checkpoint",
    ),
    "an environment variable": Sample(
        "LP107",
        "scripts/x.py",
        "import os\ndef f():\n    return os.environ['TOKEN']  # <--",
        "import os\ndef f():\n    os.environ['MINE'] = '1'\n    return os.environ.get('TOKEN')",
    ),
    "a model at every step": Sample(
        "LP108",
        "scripts/x.py",
        "import torch\nfrom modules import script_callbacks\ndef step(params):\n"
        "    if not params:\n        return\n    params.x = torch.load('x')  # <--\n"
        "script_callbacks.on_cfg_denoiser(step)",
        "import torch\nfrom modules import script_callbacks\nkept = []\ndef step(params):\n"
        "    if not params:\n        return\n    if not kept:\n"
        "        kept.append(torch.load('x'))\n    params.x = kept[0]\n"
        "script_callbacks.on_cfg_denoiser(step)",
    ),
    "a hook without an early exit": Sample(
        "LP109",
        "scripts/x.py",
        "from modules import scripts\nclass A(scripts.Script):\n"
        "    def process(self, p, enabled, strength):  # <--\n"
        "        p.x = strength\n        p.prompt = change(p.prompt)",
        "from modules import scripts\nclass A(scripts.Script):\n"
        "    def process(self, p, enabled, strength):\n        if not enabled:\n"
        "            return\n        p.x = strength\n        p.prompt = change(p.prompt)",
    ),
    "a textgen hook without an early exit": Sample(
        "LP109",
        "script.py",
        "def input_modifier(string, state):  # <--\n    words = string.split()\n"
        "    return ' '.join(reversed(words))",
        "params = {'activate': True}\ndef input_modifier(string, state):\n"
        "    if not params['activate']:\n        return string\n"
        "    return ' '.join(reversed(string.split()))",
    ),
    "an original that is lost": Sample(
        "LP110",
        "scripts/x.py",
        "from modules import processing\ndef mine(p):\n    return 1\ndef start(*_):\n"
        "    processing.process_images = mine  # <--",
        "from modules import processing\noriginal = processing.process_images\ndef mine(p):\n"
        "    return original(p)\ndef start(*_):\n    processing.process_images = mine\n"
        "def stop():\n    if processing.process_images is mine:\n"
        "        processing.process_images = original",
    ),
    "a patch that stays": Sample(
        "LP111",
        "scripts/x.py",
        "from modules import processing\noriginal = processing.process_images\ndef mine(p):\n"
        "    return original(p)\ndef start(*_):\n    processing.process_images = mine  # <--",
        "from modules import processing\noriginal = processing.process_images\ndef mine(p):\n"
        "    return original(p)\ndef start(*_):\n    processing.process_images = mine\n"
        "def stop():\n    processing.process_images = original",
    ),
    "what an image says of itself": Sample(
        "LP107",
        "scripts/x.py",
        "from PIL import Image\ndef f(image):\n    return image.info['parameters']  # <--",
        "def f(image, params):\n    if 'parameters' in image.info:\n"
        "        return image.info['parameters']\n    image.info['mine'] = '1'\n"
        "    try:\n        return params.image.info['extras']\n    except KeyError:\n"
        "        return image.info.get('postprocessing')",
    ),
    "a setting among all of them": Sample(
        "LP107",
        "scripts/x.py",
        "from modules import shared\ndef f():\n    return shared.opts.data['rare']  # <--",
        "from modules import shared\ndef f():\n    shared.opts.data['mine'] = 1\n"
        "    return shared.opts.data.get('rare') or shared.opts.data['sd_model_checkpoint']",
    ),
    "the webui's event of a setting": Sample(
        "LP101",
        "scripts/x.py",
        "from modules import shared\nshared.opts.reload('my', print)  # <--",
        "from modules import shared\nshared.opts.onchange('my', print)",
    ),
    "a class of its own that works": Sample(
        "LP101",
        "my_lib/x.py",
        "import torch\nclass Model:\n    def __init__(self):\n        self.x = read()\n"
        "def read():\n    return torch.load('x')\nMODEL = Model()  # <--",
        "class Model:\n    def __init__(self):\n        self.x = 1\nMODEL = Model()",
    ),
    "other work of an install": Sample(
        "LP103",
        "install.py",
        "import launch, urllib.request\nlaunch.run_pip('install x', 'x')\n"
        "urllib.request.urlretrieve('http://x', 'model.pt')  # <--",
        "import launch, pathlib\nfor line in open(pathlib.Path(__file__).parent / 'r.txt'):\n"
        "    if not launch.is_installed(line):\n        launch.run_pip(f'install {line}', line)\n"
        "print('done')",
    ),
    "an install that writes": Sample(
        "LP103",
        "install.py",
        "def note():\n    with open('note', 'w') as file:  # <--\n        file.write('x')\nnote()",
        "import json\nwith open('list.json') as file:\n    names = json.load(file)",
    ),
    "an install that imports the webui": Sample(
        "LP103",
        "install.py",
        "import launch\nfrom modules import shared  # <--",
        "import launch\nfrom modules import launch_utils, paths_internal",
    ),
    "a preload that imports the webui": Sample(
        "LP104",
        "preload.py",
        "from modules import shared  # <--\ndef preload(parser):\n    pass",
        "import os\nfrom modules.paths_internal import models_path\nfrom modules import paths\n"
        "def preload(parser):\n    parser.add_argument('--x', default=models_path)",
    ),
    "a preload that imports it in its function": Sample(
        "LP104",
        "preload.py",
        "def preload(parser):\n    import modules.shared as shared  # <--\n    shared.x = 1",
        "def preload(parser):\n    import argparse",
    ),
    "a function that is overwritten": Sample(
        "LP110",
        "scripts/x.py",
        "from modules import ui\ndef create_ui():\n    return 1\ndef start(*_):\n"
        "    ui.create_ui = create_ui  # <--",
        "import ldm.models.autoencoder\nclass VQModel:\n    pass\ndef start(*_):\n"
        "    ldm.models.autoencoder.VQModel = VQModel",
    ),
    "an original that overwrites whatever stands there": Sample(
        "LP111",
        "scripts/x.py",
        "from modules import processing, script_callbacks\noriginal = processing.process_images\n"
        "def mine(p):\n    return original(p)\ndef start(*_):\n"
        "    processing.process_images = mine\ndef stop():\n"
        "    processing.process_images = original  # <--\n"
        "script_callbacks.on_script_unloaded(stop)",
        "from modules import processing, script_callbacks\noriginal = processing.process_images\n"
        "def mine(p):\n    return original(p)\ndef start(*_):\n"
        "    processing.process_images = mine\ndef back():\n"
        "    if processing.process_images is mine:\n"
        "        processing.process_images = original\ndef stop():\n    back()\n"
        "script_callbacks.on_script_unloaded(stop)",
    ),
    "the same by a lambda": Sample(
        "LP111",
        "scripts/x.py",
        "from modules import processing, script_callbacks\noriginal = processing.process_images\n"
        "def mine(p):\n    return original(p)\nprocessing.process_images = mine\n"
        "script_callbacks.on_script_unloaded(\n"
        "    lambda: setattr(processing, 'process_images', original)  # <--\n)",
        "from modules import processing\noriginal = processing.process_images\n"
        "def mine(p):\n    return original(p)\ndef once(p):\n"
        "    processing.process_images = mine\n    try:\n        p.run()\n    finally:\n"
        "        processing.process_images = original",
    ),
    "a device": Sample(
        "LP112",
        "scripts/x.py",
        "def f(x):\n    return x.to('cuda')  # <--",
        "from modules import devices\ndef f(x):\n    return x.to(devices.device)",
    ),
    "a device by a method": Sample(
        "LP112",
        "scripts/x.py",
        "def f(model):\n    return model.cuda()  # <--",
        "import torch\ndef f(model, device):\n    torch.cuda.is_available()\n"
        "    return model.to(device)",
    ),
    "a precision": Sample(
        "LP113",
        "scripts/x.py",
        "import torch\ndef f(x):\n    return x.to(torch.float16)  # <--",
        "import torch\ndef f(x, y):\n    return x.to(y.dtype) if x.dtype == torch.float16 else x",
    ),
    "a path of one machine": Sample(
        "LP114",
        "scripts/x.py",
        "def f():\n    return '/home/me/model.pt'  # <--",
        "import pathlib\ndef f():\n    return pathlib.Path.home() / 'model.pt'",
    ),
    "a path of one Windows machine": Sample(
        "LP114",
        "scripts/x.py",
        "def f():\n    return r'C:\\models'  # <--",
        "def f(letter):\n    return f'{letter}:\\\\models'",
    ),
    "a shell": Sample(
        "LP115",
        "scripts/x.py",
        "import os\ndef f():\n    os.system('ls')  # <--",
        "import subprocess\ndef f():\n    subprocess.run(['ls'], check=True)",
    ),
    "a shell of subprocess": Sample(
        "LP115",
        "scripts/x.py",
        "import subprocess\ndef f(x):\n    subprocess.run(f'ls {x}', shell=True)  # <--",
        "import subprocess\ndef f(x):\n    subprocess.run(['ls', x], shell=False)",
    ),
    "a global name": Sample(
        "LP201",
        "javascript/a.js",
        "// a comment\nfunction update() {} // <--",
        "function myExtensionUpdate() {}\n(function () { function update() {} })();",
    ),
    "a global name by the window": Sample(
        "LP201", "javascript/a.js", "window.helper = 1; // <--", "window.myExtensionHelper = 1;"
    ),
    "work when the file is read": Sample(
        "LP202",
        "javascript/a.js",
        "document.body.appendChild(other()); // <--",
        "onUiLoaded(() => { document.body.appendChild(other()); });",
    ),
    "work inside a function that is called at once": Sample(
        "LP202",
        "javascript/a.js",
        "(() => {\n  gradioApp().querySelector('#a').remove(); // <--\n})();",
        "(() => {\n  onUiLoaded(() => gradioApp().querySelector('#a').remove());\n})();",
    ),
    "the callback that fires always": Sample(
        "LP203",
        "javascript/a.js",
        "onUiUpdate(() => { myExtension(); }); // <--",
        "onUiLoaded(() => { myExtension(); });",
    ),
}


@pytest.fixture
def extension(tmp_path):
    """Writes an extension with one file of interest; answers its folder."""

    def make(file, text):
        root = tmp_path / "my-extension"
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
        return root

    return make


def line_of(sample):
    marked = [n for n, line in enumerate(sample.bad.splitlines(), 1) if "<--" in line]
    return marked[0] if marked else len(sample.bad.splitlines())


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_bad_sample_is_found_at_its_line_and_its_good_twin_is_clean(sample, extension):
    root = extension(sample.file, sample.bad)
    found = [f for f in lp.lint(root) if f.code == sample.code]
    assert [(f.path, f.line) for f in found] == [(str(root / sample.file), line_of(sample))]
    assert found[0].fix == RULES[sample.code].fix
    assert found[0].reason
    extension(sample.file, sample.good)
    assert lp.lint(root).text() == ""


def test_work_in_the_package_that_an_entry_file_imports_is_found(extension):
    """At any distance: the call stands in one file, and what takes long in another."""
    root = extension("my_lib/model.py", "import torch\n\ndef load():\n    return torch.load('x')")
    extension("my_lib/words.py", "def split(text):\n    return text.split()")
    extension("my_lib/__init__.py", "from .model import load\n\nMODEL = load()")
    extension("scripts/x.py", "from my_lib import words\nWORDS = words.split('a b')")
    (found,) = lp.lint(root)
    assert str(found) == (
        f"{root}/my_lib/__init__.py:3: LP101 load() is called at import, and works for some time"
    )


def test_a_name_that_the_webui_does_not_have_is_added_and_not_patched(tmp_path):
    """The source of the webui around the extension says which names it has."""
    webui = tmp_path / "webui"
    script = webui / "extensions" / "my-extension" / "scripts" / "x.py"
    script.parent.mkdir(parents=True)
    (webui / "modules").mkdir()
    (webui / "modules" / "ui.py").write_text("def create_ui():\n    return 1\n")
    script.write_text(
        "from modules import ui\n\ndef mine():\n    return 2\n\ndef start():\n"
        "    ui.my_helper = mine\n    ui.create_ui = mine\n"
    )
    assert [(f.line, f.code) for f in lp.lint(webui / "extensions")] == [(8, "LP110")]


def test_javascript_that_cannot_be_read_is_not_checked_and_says_so(extension, tmp_path):
    """In an environment without the extra ``lint``."""
    root = extension("javascript/my.js", "function update() {}")
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = subprocess.run(
        [python, "-m", "livepatch", "lint", root],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(lp.__file__).parents[1])},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f"{root}/javascript/my.js:1: LP004 the file is not checked: there is no parser of "
        "JavaScript in this environment\n"
    )


def test_every_rule_has_a_sample():
    assert {sample.code for sample in SAMPLES.values()} | {
        "LP003",
        "LP004",
        "LP102",
        "LP120",
    } == set(RULES)
    assert len(SAMPLES) >= 25


def test_a_second_file_in_scripts_is_found(extension):
    root = extension("scripts/main.py", "from modules import script_callbacks")
    assert lp.lint(root).text() == ""
    extension("scripts/a_helper.py", "x = 1")
    found = lp.lint(root)
    assert [(f.path, f.line, f.code) for f in found] == [
        (str(root / "scripts/a_helper.py"), 1, "LP102")
    ]
    assert "beside main.py" in found[0].message


def test_effects_of_an_import_are_seen_in_a_run(extension, tmp_path):
    target = tmp_path / "written.txt"
    text = f"""
        import pathlib, threading
        from modules import shared, script_callbacks
        path = pathlib.Path({str(target)!r})
        path.open("w").close()
        threading.Thread(target=print).start()
        class A(shared.Something):
            pass
        script_callbacks.on_app_started(print)
    """
    root = extension("scripts/x.py", textwrap.dedent(text).strip())
    assert [f for f in lp.lint(root) if f.code == "LP120"] == []
    assert not target.exists()  # nothing is run unasked
    seen = [(f.line, f.message) for f in lp.lint(root, run=True) if f.code == "LP120"]
    assert seen == [(4, "it writes written.txt"), (5, "it starts a thread")]
    extension("scripts/x.py", "from modules import shared\nimport json\nx = shared.opts")
    assert len(lp.lint(root, run=True)) == 0


def test_a_comment_with_a_reason_excuses_its_line_or_the_next(extension):
    for file, mark, bad in (
        ("scripts/x.py", "#", "print(1)"),
        ("javascript/a.js", "//", "function update() {}"),
    ):
        code = "LP101" if mark == "#" else "LP201"
        excuse = f"{mark} livepatch: ignore[{code}] the webui asks for it"
        root = extension(file, f"{bad}  {excuse}\n{excuse}\n{bad}\n{bad}")
        report = lp.lint(root / file)
        assert [(f.line, f.code) for f in report] == [(4, code)]
        assert report.ignored == 2
    root = extension("scripts/x.py", f"text = '''\n{excuse}\n'''\nprint(1)")
    assert [f.code for f in lp.lint(root / "scripts/x.py")] == ["LP101"]  # a text is no comment


def test_text_json_and_sarif(extension):
    root = extension("scripts/x.py", "import os\nos.system('ls')")
    report = lp.lint(root)
    path = str(root / "scripts/x.py")
    assert report.text().splitlines()[1] == f"{path}:2: LP115 os.system() runs a shell"
    (first, second) = json.loads(report.json())
    assert list(second) == ["path", "line", "code", "message", "fix"]
    assert (second["path"], second["line"], second["code"]) == (path, 2, "LP115")
    assert first["fix"] == RULES["LP101"].fix
    sarif = json.loads(report.sarif())
    run = sarif["runs"][0]
    assert (sarif["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "livepatch")
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["LP101", "LP115"]
    result = run["results"][1]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], place["region"]["startLine"]) == ("LP115", 2)
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "LP115"


def test_the_command_ends_with_1_on_findings_and_2_where_it_cannot_look(extension):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "livepatch", "lint", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    root = extension("scripts/x.py", "print(1)")
    found = run(root, "--format", "json")
    assert (found.returncode, json.loads(found.stdout)[0]["code"]) == (1, "LP101")
    extension("scripts/x.py", "x = 1")
    clean = run(root)
    assert (clean.returncode, clean.stdout) == (0, "")
    missing = run(root / "nothing")
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 3


def test_a_folder_of_extensions_is_linted_one_by_one(extension, tmp_path):
    extension("scripts/x.py", "x = 1")
    other = tmp_path / "other" / "javascript"
    other.mkdir(parents=True)
    (other / "a.js").write_text("function otherOne() {}\nfunction myTwo() {}\n")
    (tmp_path / "other" / "huge.js").write_bytes(b"\xff\x00" * 1_100_000)
    (tmp_path / "other" / "odd.py").write_bytes(b"x = '\xff'\n\x00")
    report = lp.lint(tmp_path)
    assert [(f.code, f.line) for f in report] == [
        ("LP003", 1),  # huge.js
        ("LP201", 2),
        ("LP001", report[2].line),
    ]


def test_the_documented_table_is_the_table_of_the_rules():
    documented = Path(__file__).parents[2] / "docs" / "rules.md"
    assert table() in documented.read_text(encoding="utf-8")
