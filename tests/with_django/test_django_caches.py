"""Which caches of the installed Django livepatch knows."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("django")

import livepatch as lp
from livepatch.django import caches

LEFT_OUT = {"gis", "oracle", "mysql", "locale", "__main__", "project_template", "app_template"}


def test_every_cache_of_this_version_of_django_is_known(django_project: Path) -> None:
    """All modules are imported: one that a later version adds is found wherever it is."""
    import django

    root = Path(django.__file__).parent
    for file in root.rglob("*.py"):
        path = file.relative_to(root.parent).with_suffix("")
        if not LEFT_OUT & set(path.parts):
            name = ".".join(path.parts).removesuffix(".__init__")
            try:
                importlib.import_module(name)
            except Exception:  # a driver is missing, an app is not installed: not used here either
                sys.modules.pop(name, None)
    assert lp.django.unknown_caches() == []
    assert len(caches.all_caches()) > 30
    # What this version does not have is there for another one; most of them it has.
    assert len(caches.CLEARED & set(caches.all_caches())) > 15


def test_an_unknown_cache_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("django.made_up")

    @functools.cache
    def apps_by_colour() -> dict[str, str]:
        return {}

    apps_by_colour.__module__ = module.__name__
    module.apps_by_colour = apps_by_colour  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert lp.django.unknown_caches() == ["django.made_up.apps_by_colour"]


def test_a_text_can_be_translated_while_all_is_forgotten(django_project: Path) -> None:
    """A request may be between any two lines of Django's look at what it remembers."""
    from django.utils import translation
    from django.utils.translation import trans_real

    looking = {trans_real.translation.__code__, trans_real.do_ntranslate.__code__}
    forgotten: list[int] = []

    def forget(frame, event, argument):
        if frame.f_code not in looking:
            return None
        outer = sys.gettrace()
        sys.settrace(None)
        caches.forget_apps()
        sys.settrace(outer)
        forgotten.append(frame.f_lineno)
        return forget

    outer = sys.gettrace()
    sys.settrace(forget)
    try:
        with translation.override("de"):
            assert translation.gettext("Yes") == "Ja"
        translation.deactivate()
        assert translation.ngettext("%d day", "%d days", 2) == "%d days"
    finally:
        sys.settrace(outer)
        translation.activate("en")
        translation.deactivate()
    assert len(forgotten) > 6
