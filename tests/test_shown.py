"""What others have chosen, such as a file's name, reaches no terminal raw."""

from __future__ import annotations

import logging

import pytest

from livepatch.engine.answers import answer
from livepatch.engine.shown import shown
from livepatch.errors import LivepatchError
from livepatch.reports.differences import Diff
from livepatch.reports.report import Answer, Report
from livepatch.watching.watched_file import WatchError

HOSTILE = {
    "a newline": ("a\nb", "a\\nb"),
    "a carriage return": ("a\rb", "a\\rb"),
    "an escape sequence": ("\x1b[2J", "\\x1b[2J"),
    "one of a single byte": ("\x9b2J", "\\x9b2J"),
    "a line of Unicode": ("a\u2028b", "a\\u2028b"),
    "the other direction": ("\u202egpj.exe", "\\u202egpj.exe"),
    "an isolate": ("\u2066a", "\\u2066a"),
    "half a pair": ("\udc80", "\\udc80"),
    "a byte of a name": (b"\xff".decode("utf-8", "surrogateescape"), "\\udcff"),
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def text(request):
    return request.param[0]


def is_clean(lines):
    """Whether it can be printed, and each line is one."""
    lines.encode()
    return all(line.isprintable() for line in lines.split("\n"))


@pytest.mark.parametrize(("given", "wanted"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_printable_is_escaped_as_python_does_it(given, wanted):
    assert shown(f"Größe 日本 {given} 🙂") == f"Größe 日本 {wanted} 🙂"


def test_an_error_has_three_lines_whatever_it_quotes(text):
    error = LivepatchError(f"load {text}", f"{text} raised {text}", f"look at {text}")
    assert is_clean(str(error))
    assert len(str(error).split("\n")) == 3
    assert "\n".join(error._render_traceback_()) == f"LivepatchError: {error}"


def test_an_answer_is_one_line(text):
    line = str(answer(f"loaded {text}", f"1 change of {text}"))
    assert is_clean(line)
    assert "\n" not in line


def test_a_table_has_a_line_for_each_row(text):
    report = Report(f"Files in {text}", [text, "b"], {"file": str, "length": len})
    bundle = report._repr_mimebundle_()
    for said in (str(report), bundle["text/plain"]):
        assert is_clean(said)
        assert len(said.split("\n")) == 4
    assert is_clean(bundle["text/html"])
    assert is_clean(str(Report(text, [], {"file": str})))


def test_answers_and_differences_keep_the_lines_of_sources_only(text):
    told = Answer(f"replaced {text}", f"lp.replace({text})", f"-old {text}\n+new\n\tx = 1")
    difference = Diff(text, ((text, f"-old {text}\n+new\n"),))
    for one in (told, difference):
        bundle = one._repr_mimebundle_()
        assert is_clean(str(one).replace("\t", ""))
        assert is_clean(bundle["text/html"].replace("\t", ""))
    assert difference.text == f"-old {text}\n+new\n"  # what git apply takes is as it was


def test_the_log_names_a_watched_file_on_one_line(text, caplog):
    error = WatchError(f"/x/{text}.py", 3, f"NameError: {text}")
    with caplog.at_level(logging.WARNING):
        logging.getLogger("livepatch").warning("livepatch: %s", error)
    assert is_clean(caplog.messages[0])
    assert "\n" not in caplog.messages[0]
