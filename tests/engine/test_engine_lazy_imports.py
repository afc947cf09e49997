"""Lazy imports (PEP 810): named as such, never resolved by looking, reached by layers later."""

from __future__ import annotations

import sys
import types

import pytest

import livepatch as lp
from livepatch.looking.where import search

pytestmark = pytest.mark.skipif(
    not hasattr(types, "LazyImportType"), reason="lazy imports came with Python 3.15"
)

FILES = {
    "lazysource.py": """
        def f():
            return "old"
        LIMIT = 5
        class Kind:
            def method(self):
                return "old"
        """,
    "lazyuser.py": """
        lazy from lazysource import f, LIMIT as C, Kind
        lazy import lazysource as source
        lazy import lazypackage.part
        def call():
            return f()
        def limit():
            return C
        """,
    "lazypackage/__init__.py": "",
    "lazypackage/part.py": "def g(): pass",
}
NAMES = ("f", "C", "Kind", "source")


@pytest.fixture
def user(tmp_path, monkeypatch):
    import textwrap

    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    import lazyuser

    yield lazyuser
    lp.restore_all()
    for name in [n for n in sys.modules if n.startswith("lazy")]:
        del sys.modules[name]


def new():
    return "new"


def unused(user):
    namespace = vars(user)
    return [name for name in NAMES if type(namespace[name]) is types.LazyImportType]


@pytest.mark.parametrize(
    ("target", "found", "advice"),
    [
        ("lazyuser.f", "lazyuser.f is a lazy import of lazysource.f, which", "name lazysource.f"),
        ("lazyuser.C", "lazyuser.C is a lazy import of lazysource.LIMIT", "name lazysource.LIMIT"),
        ("lazyuser.Kind", "a lazy import of lazysource.Kind", "name lazysource.Kind"),
        ("lazyuser.Kind.method", "a lazy import of lazysource.Kind", "lazysource.Kind.method"),
        ("lazyuser.source.f", "a lazy import of lazysource,", "name lazysource.f"),
        ("lazysource.f", "module 'lazysource' is a lazy import that nothing", "import lazysource"),
        ("lazypackage.part.g", "is a lazy import that nothing has used yet", "import lazypackage"),
    ],
)
def test_what_nothing_has_used_yet_is_named_and_not_loaded(user, target, found, advice):
    for act in (lp.replace, lp.wrap):
        with pytest.raises(lp.TargetNotFound) as caught:
            act(target, new)
        lines = str(caught.value).splitlines()
        assert len(lines) == 3
        assert found in lines[1]
        assert advice in lines[2]
    assert unused(user) == list(NAMES)
    assert "lazysource" not in sys.modules
    assert len(lp.patches()) == 0


def test_a_part_of_a_package_that_nothing_has_used_yet(user):
    import lazypackage  # noqa: F401 - its part is not loaded by that

    with pytest.raises(lp.TargetNotFound, match=r"module 'lazypackage\.part' is a lazy import"):
        lp.replace("lazypackage.part.g", new)
    assert "lazypackage.part" not in sys.modules


def test_looking_loads_nothing(user):
    search("lazyuser", everywhere=True)
    search("old", everywhere=True)
    lp.foreign()
    lp.replace("lazyuser.call", "def call():\n    return f() + '!'").off()
    assert unused(user) == list(NAMES)
    assert "lazysource" not in sys.modules


def test_a_layer_on_the_function_reaches_who_resolves_it_later(user):
    import lazysource  # noqa: F401

    layer = lp.replace("lazysource.f", new)
    assert unused(user) == list(NAMES)
    assert user.call() == "new"
    layer.remove()
    assert user.call() == "old"


def test_a_lazy_name_of_what_is_loaded_leads_to_it(user):
    import lazysource

    layer = lp.replace("lazyuser.f", new)
    assert unused(user) == list(NAMES)
    assert lazysource.f() == user.call() == "new"
    assert "it is lazysource.f" in str(layer)
    lp.replace("lazyuser.Kind.method", lambda self: "new")
    assert lazysource.Kind().method() == "new"
    assert "Kind" in unused(user)
    lp.restore_all()
    assert user.call() == lazysource.Kind().method() == "old"


def test_a_value_in_the_place_of_a_lazy_name_gives_the_name_back_lazy(user):
    import lazysource

    layer = lp.replace("lazyuser.C", 9)
    assert "was a lazy import of lazysource.LIMIT" in str(layer)
    assert user.limit() == 9
    assert lazysource.LIMIT == 5
    layer.remove()
    assert unused(user) == list(NAMES)
    assert user.limit() == 5


def test_a_layer_on_a_value_says_who_may_come_to_keep_it(user):
    import lazysource  # noqa: F401

    layer = lp.replace("lazysource.LIMIT", 9)
    assert "lazy imports used meanwhile keep it: lazyuser" in str(layer)
    assert user.limit() == 9
    layer.remove()
    assert user.limit() == 9  # as the answer said
