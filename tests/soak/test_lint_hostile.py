"""Folders that strangers have made so that reading them fails: one bad file is one finding."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import livepatch as lp
from livepatch.errors import LivepatchError
from livepatch.files import untrusted
from livepatch.linting import lint as lint_module
from livepatch.linting import reader

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, sockets and modes are POSIX's")
GOOD = "print(1)  # found by LP101\n"


@pytest.fixture
def root(tmp_path):
    """An extension with one good file, in which one thing is to be found."""
    root = tmp_path / "my-extension"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "good.py").write_text(GOOD)
    return root


def codes_of(report):
    return {Path(f.path).name: f.code for f in report}


def write(content):
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def link(target):
    return lambda path: path.symlink_to(target)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


NOT_LOOKED_AT = {
    "a named pipe": ("x.py", os.mkfifo if os.name == "posix" else None, "is a named pipe"),
    "a pipe of requirements": (
        "requirements.txt",
        os.mkfifo if os.name == "posix" else None,
        "is a named pipe",
    ),
    "a socket": ("x.py", socket_at, "is a socket"),
    "a link to a device without end": ("x.py", link("/dev/zero"), "leads out of the folder"),
    "a link to a file of others": ("x.js", link("/etc/passwd"), "leads out of the folder"),
    "a link to nothing": ("x.py", link("nowhere"), "No such file"),
    "a link to itself": ("x.py", link("x.py"), "symbolic links"),
    "a link to a folder": ("x.py", link("lib"), "is a folder"),
    "a terabyte": ("x.py", sparse, "is longer than 2,000,000 bytes"),
}


@posix
@pytest.mark.parametrize(("name", "make", "why"), NOT_LOOKED_AT.values(), ids=NOT_LOOKED_AT.keys())
def test_what_cannot_be_looked_at_is_a_finding_and_the_rest_is_reported(root, name, make, why):
    make(root / name)
    report = lp.lint(root)
    assert codes_of(report) == {name: "LP003", "good.py": "LP101"}
    (found,) = [f for f in report if f.code == "LP003"]
    assert (found.line, why in found.message) == (1, True), found.message


ENDLESS = {
    "x = and 90,000 minuses": ("x.py", "x=" + "-" * 90_000 + "1", "LP001"),
    "a chain that ends Python 3.10": ("x.py", "x=a" + ".b" * 900_000, None),
    "calls of calls": ("x.py", "x=a" + "()" * 400_000, None),
    "brackets": ("x.py", "x=" + "(" * 100_000, "LP001"),
    "a file of nulls": ("x.py", "\0" * 100_000, "LP001"),
    "a folder of lists": ("x.js", "[" * 400_000, "LP001"),
    "blocks that may be objects": ("x.js", "{a:" * 600_000, None),
    "an error at every fourth letter": ("x.js", "a[0]" * 450_000, "LP003"),
    "defaults of defaults": ("x.js", "(a=(b=" * 330_000, None),
}


@pytest.mark.parametrize(("name", "text", "code"), ENDLESS.values(), ids=ENDLESS.keys())
def test_no_file_takes_the_process_with_it(root, monkeypatch, name, text, code):
    monkeypatch.setattr(reader, "SECONDS", 3)
    (root / name).write_text(text)
    found = codes_of(lp.lint(root))
    assert found.pop("good.py") == "LP101"
    assert set(found) <= {name}
    assert code is None or found == {name: code}
    assert set(found.values()) <= {"LP001", "LP003"}


DEEP = {
    "an elif chain": ("x.py", "if a: pass\n" + "elif b: print(1)\n" * 600, "LP101"),
    "additions": ("x.py", "x = 1" + " + 1" * 900 + "\nprint(1)\n", "LP101"),
    "functions in functions": (
        "x.js",
        "(() => {" * 5_000 + "other();" + "})();" * 5_000,
        "LP202",
    ),
    "arrays": ("x.js", "let myX = " + "[" * 5_000 + "]" * 5_000 + ";\nother();", "LP202"),
}


@pytest.mark.parametrize(("name", "text", "code"), DEEP.values(), ids=DEEP.keys())
def test_what_is_nested_deeply_is_judged_like_any_other(root, name, text, code):
    (root / name).write_text(text)
    found = codes_of(lp.lint(root))
    assert (found[name], found["good.py"]) == (code, "LP101")


KILLED = """
import os
from livepatch.linting import worker
really = worker.look_at
worker.look_at = lambda job: os.abort() if "killer" in job.path else really(job)
"""


def test_files_that_end_their_process_end_as_many_as_one_extension_may(root, monkeypatch):
    monkeypatch.setattr(lint_module, "MOST_ENDS", 2)
    monkeypatch.setattr(reader, "_BOOT", reader._BOOT.replace("\nmain(", f"\n{KILLED}main("))
    for number in range(4):
        (root / f"killer{number}.js").write_text("let myX = 1;")
    (root / "zzz.py").write_text(GOOD)
    other = root.parent / "other"
    (other / "scripts").mkdir(parents=True)
    (other / "scripts" / "x.py").write_text(GOOD)
    (root / "scripts").mkdir()
    found = codes_of(lp.lint(root.parent))
    assert found["killer0.js"] == found["killer1.js"] == found["my-extension"] == "LP003"
    assert not {"killer2.js", "zzz.py"} & set(found)  # they come after them
    assert found["x.py"] == "LP101"  # another extension is not held up


def test_a_rule_that_fails_is_a_finding_of_its_file(root, tmp_path):
    """The process that reads is given a rule that fails, as a mistake of ours would."""
    (root / "a.py").write_text("import wrong\n")
    code = f"""
        import sys
        from livepatch.linting import one_file, worker
        def fail(file):
            if "wrong" in file.aliases:
                raise IndexError("a mistake")
            return iter(())
        one_file.callbacks = fail
        from livepatch.linting.jobs import Job
        for name in ("a.py", "lib/good.py"):
            job = Job({str(root)!r} + "/" + name, name, None, "x", "module")
            print([(f.code, f.message) for f in worker._looked_at(job).findings])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    bad, good = done.stdout.splitlines()
    assert "LP003" in bad
    assert "IndexError: a mistake" in bad
    assert "LP101" in good


@posix
def test_folders_without_end_are_one_finding(root):
    os.mkdir(root / "d")
    handle = os.open(root / "d", os.O_RDONLY)
    for _ in range(1_500):  # a path of 3,000 characters and more cannot be named at once
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    try:
        report = lp.lint(root)
    finally:  # no Python before 3.13 removes that many by itself
        subprocess.run(["rm", "-rf", str(root / "d")], check=True)
    assert sorted(f.code for f in report) == ["LP003", "LP101"]
    (found,) = [f for f in report if f.code == "LP003"]
    assert "is nested in more than 40 folders" in found.message
    assert found.path.startswith(str(root / "d"))


@posix
def test_links_to_folders_are_not_followed_and_links_within_the_extension_are(root):
    (root / "again").symlink_to(root)
    (root / "everything").symlink_to("/")
    (root / "same.py").symlink_to("lib/good.py")
    assert codes_of(lp.lint(root)) == {"good.py": "LP101", "same.py": "LP101"}


@posix
def test_an_extension_may_be_a_link_itself(root, tmp_path):
    (root / "scripts").mkdir()
    folder = tmp_path / "extensions"
    folder.mkdir()
    (folder / "linked").symlink_to(root)
    (found,) = lp.lint(folder)
    assert (found.path, found.code) == (str(folder / "linked" / "lib" / "good.py"), "LP101")


def test_more_files_than_are_looked_at_are_one_finding(root, monkeypatch):
    monkeypatch.setattr(lint_module, "MOST_FILES", 3)
    for number in range(5):
        (root / f"{number}.py").write_text("x = 1\n")
    report = lp.lint(root)
    assert [(Path(f.path).name, f.code) for f in report] == [("my-extension", "LP003")]
    assert "more than 3 files" in report[0].message


def test_more_entries_than_a_walk_looks_at_are_told(root, monkeypatch):
    for number in range(5):
        (root / f"{number}.txt").touch()
    wanted = lambda name: name.endswith(".py")  # noqa: E731
    found = list(untrusted.walk_untrusted(root, wanted, lambda name: False, most=4))
    assert [Path(e.path).name for e in found] == ["my-extension"]
    assert "more than 4" in found[0].trouble


def test_a_file_with_a_finding_in_every_line_is_cut(root, monkeypatch):
    (root / "x.py").write_text("print(1)\n" * 5_000)
    report = lp.lint(root / "x.py")
    assert len(report) == 1_001
    monkeypatch.setattr(lint_module, "MOST_FINDINGS", 1_500)
    for number in range(5):
        (root / f"x{number}.py").write_text("print(1)\n" * 5_000)
    whole = lp.lint(root)
    assert len(whole) == 2_003  # two files, and a finding for each, and for the extension
    assert "more than 1,500 findings" in whole[0].message
    assert [f.message for f in report if f.code == "LP003"] == [
        "it has more than 1,000 findings: the others are not listed"
    ]


def test_a_finding_quotes_no_book(root):
    (root / "x.py").write_text("import os\nx = os.environ['" + "a" * 100_000 + "']\n")
    (found,) = [f for f in lp.lint(root / "x.py") if f.code == "LP107"]
    assert len(found.message) < 400


def test_a_large_bundle_is_excused_by_a_comment_at_its_beginning(root):
    (root / "bundle.js").write_text("x = 1;\n" * 400_000)
    assert codes_of(lp.lint(root))["bundle.js"] == "LP003"
    excuse = "// livepatch: ignore[LP003] bundled by hand, its parts are linted elsewhere\n"
    (root / "bundle.js").write_text(excuse + "x = 1;\n" * 400_000)
    report = lp.lint(root)
    assert "bundle.js" not in codes_of(report)
    assert report.ignored == 1


ENCODINGS = {
    "UTF-8 with a mark": (b"\xef\xbb\xbfx = 1\nprint('\xc3\xa9')\n", [("LP101", 2)]),
    "another one that it names": (
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\nprint(x)\n",
        [("LP101", 3)],
    ),
    "another one that it does not name": (b"x = 1\nx = '\xe9'\n", [("LP001", 2)]),
    "one that does not exist": (b"# coding: klingon\nprint(1)\n", [("LP001", 1)]),
    "UTF-16": ("print(1)\n".encode("utf-16"), [("LP001", 1)]),
    "a null": (b"x = 1\n\0\n", [("LP001", 1)]),
    "lines of Windows": (b"x = 1\r\nprint(1)\r\n", [("LP101", 2)]),
    "lines of old Macs": (b"x = 1\rprint(1)\r", [("LP101", 2)]),
    "an excuse in lines of old Macs": (
        b"x = 1\r# livepatch: ignore[LP101] it has to\rprint(1)\rprint(2)\r",
        [("LP101", 4)],
    ),
    "a form feed": (b"x = 1\n\x0c\nprint(1)\n", [("LP101", 3)]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("content", "found"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_encodings_and_ends_of_lines(root, content, found):
    (root / "x.py").write_bytes(content)
    report = lp.lint(root / "x.py")
    where = [(f.code, f.line) for f in report]
    if found and found[0][0] == "LP001":  # which line a decoding error is at differs by Python
        assert [code for code, _ in where] == ["LP001"]
    else:
        assert where == found


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_lines_of_javascript_and_its_excuses_are_counted_alike(root, ending):
    lines = [b"", b"function a1() {}", b"// livepatch: ignore[LP201] x", b"function b1() {}", b""]
    (root / "x.js").write_bytes(ending.join(lines))
    report = lp.lint(root / "x.js")
    assert [(f.code, f.line) for f in report] == [("LP201", 2)]
    assert report.ignored == 1


NAMES = {
    "a newline": b"a\nb.py",
    "an escape sequence": b"\x1b[2J\x1b]0;owned\x07.py",
    "no UTF-8": b"\xff\xfe.py",
    "the other direction": "\u202eyp.py".encode(),
    "a space and a quote": b"a 'b\".py",
}


@posix
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_reach_no_terminal_raw(root, name):
    path = os.path.join(os.fsencode(root), name)
    with open(path, "wb") as file:
        file.write(b"print(1)\nx = (\n")
    command = [sys.executable, "-m", "livepatch", "lint"]
    done = subprocess.run([*command, path], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    (line,) = done.stdout.decode().splitlines()
    assert line.isprintable()
    assert "LP001" in line
    report = lp.lint(os.fsdecode(path))
    assert report[0].path == os.fsdecode(path)  # as data it is as it is
    for text in (str(report), report._repr_mimebundle_()["text/html"]):
        assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(report.json())[0]["path"] == os.fsdecode(path)
    sarif = json.loads(report.sarif())["runs"][0]["results"][0]
    uri = sarif["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    missing = subprocess.run([*command, path + b"x"], capture_output=True, timeout=60)
    assert missing.returncode == 2
    told = missing.stderr.decode().rstrip("\n").split("\n")
    assert len(told) == 3
    assert all(line.isprintable() for line in told)


@posix
@pytest.mark.parametrize(
    "given", ["/dev/zero", "/dev/null", "pipe", "nowhere/x", "a\0b", "~nobody0"]
)
def test_a_path_that_is_no_extension_is_refused_in_three_lines(tmp_path, given):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LivepatchError) as refused:
        lp.lint(tmp_path / given if given == "pipe" else given)
    assert len(str(refused.value).splitlines()) == 3


BOUND_BY_MODES = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="root without its right to read everything")
def test_what_a_user_may_not_read_is_a_finding(make_user):
    """A real account's folders, read by root without its right to pass over modes.

    (Another account may not be able to read this Python.)
    """
    user = make_user()
    root = Path(user.pw_dir) / "extension"
    (root / "scripts").mkdir(parents=True)
    (root / "scripts" / "good.py").write_text(GOOD)
    (root / "scripts" / "closed.py").write_text(GOOD)
    (root / "closed").mkdir()
    for path in (root.parent, root, root / "scripts", root / "scripts" / "good.py"):
        os.chmod(path, 0o755)
    os.chmod(root / "scripts" / "closed.py", 0o600)
    os.chmod(root / "closed", 0o700)
    for path in (root / "scripts" / "closed.py", root / "closed"):
        os.chown(path, user.pw_uid, user.pw_gid)
    code = f"""
        import os
        import livepatch as lp
        for path in ({str(root)!r}, {str(root / "closed")!r}):
            print([(os.path.basename(f.path), f.code, f.message) for f in lp.lint(path)])
    """
    done = subprocess.run(
        [sys.executable, "-c", BOUND_BY_MODES, sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    why = "it cannot be read: Permission denied"
    both = [("closed", "LP003", why), ("closed.py", "LP003", why)]
    good = ("good.py", "LP101", "print() is called at import")
    assert done.stdout.splitlines() == [str([*both, good]), str(both[:1])], done.stderr


def test_no_process_to_read_in_is_said_in_three_lines(root, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(root / "python"))
    with pytest.raises(LivepatchError) as refused:
        lp.lint(root)
    assert len(str(refused.value).splitlines()) == 3
    assert "did not start" in str(refused.value)
    monkeypatch.undo()
    monkeypatch.setattr(reader, "_BOOT", "raise RuntimeError('not today')")
    with pytest.raises(LivepatchError, match="not today"):
        lp.lint(root)


def test_an_import_that_prints_without_end_and_leaves_programs_running_ends(root, monkeypatch):
    from livepatch.linting import running

    monkeypatch.setattr(running, "TIMEOUT", 3)
    (root / "scripts").mkdir()
    (root / "scripts" / "x.py").write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "while True:\n    print('x' * 1000)\n"
    )
    found = [f.message for f in lp.lint(root, run=True) if f.code == "LP120"]
    assert found == ["importing it takes longer than 3 s"]
    (root / "scripts" / "x.py").write_text(
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time'])\n"
    )
    (found,) = [f for f in lp.lint(root, run=True) if f.code == "LP120"]
    assert (found.line, found.message[:8], "python" in found.message) == (2, "it runs ", True)
