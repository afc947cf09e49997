"""Requests under way while apps come and go: each keeps the version that it began with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("django")

from django_support import App, client

import livepatch as lp

if TYPE_CHECKING:
    from collections.abc import Iterator

# A view that tells when it was reached, and ends when it may.
VIEWS = """
from django.http import HttpResponse
from django.urls import reverse

import builtins
from .models import Note


def index(request):
    began, may_end = builtins.slow_events
    began.set()
    assert may_end.wait(60)
    return HttpResponse(f"{reverse('notes:index')} {Note.objects.count()}")
"""


class Slow:
    """A request that is inside the app's view."""

    def __init__(self) -> None:
        import builtins

        self.began, self.may_end = threading.Event(), threading.Event()
        builtins.slow_events = self.began, self.may_end  # type: ignore[attr-defined]
        self.answers: list[tuple[int, str]] = []
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()
        assert self.began.wait(60)

    def _ask(self) -> None:
        from django.db import connections

        page = client().get("/notes/")
        self.answers.append((page.status_code, page.content.decode()))
        connections.close_all()

    def end(self) -> tuple[int, str]:
        self.may_end.set()
        self.thread.join(60)
        (answer,) = self.answers
        return answer


@pytest.fixture
def slow(notes_app: App) -> Iterator[type[Slow]]:
    import builtins

    notes_app.write("views.py", VIEWS)
    notes_app.write(
        "urls.py",
        'from django.urls import path\n\nfrom . import views\n\napp_name = "notes"\n'
        'urlpatterns = [path("", views.index, name="index")]\n',
    )
    lp.django.load_app("notes")
    builtins.slow_events = ()  # type: ignore[attr-defined]
    yield Slow
    del builtins.slow_events  # type: ignore[attr-defined]


def changed_in_a_thread(change) -> threading.Thread:
    """A change that waits for requests, on a thread of its own."""
    from django.db import connections

    def run() -> None:
        change()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_unload_waits_for_the_requests_that_are_inside(slow: type[Slow]) -> None:
    request = slow()
    changing = changed_in_a_thread(lambda: lp.django.unload_app("notes"))
    # New requests find it gone while the old one is still inside.
    gone = threading.Event()
    while "notes" in str(client().get("/admin/").content) and not gone.wait(0.01):
        pass
    assert changing.is_alive()
    status, text = request.end()
    changing.join(60)
    assert (status, text.split()[0]) == (200, "/notes/")
    assert client().get("/notes/").status_code == 404


def requests_here() -> Any:
    from livepatch.django.verbs import live

    return live.requests


class Relay:
    """A change, and requests that hold it up one after the other: each in another wait of it."""

    def __init__(self, change) -> None:
        self.requests = [self._under_way()]
        self.epoch = requests_here().epoch
        self.changing = changed_in_a_thread(change)

    def _under_way(self) -> tuple[threading.Event, threading.Thread, list[int]]:
        from blog import views

        views.slow_began, views.slow_may_end = began, may_end = threading.Event(), threading.Event()
        answers: list[int] = []

        def ask() -> None:
            from django.db import connections

            answers.append(client().get("/blog/slow/").status_code)
            connections.close_all()

        thread = threading.Thread(target=ask)
        thread.start()
        assert began.wait(60)
        return may_end, thread, answers

    def waits(self) -> bool:
        """Until the change waits for the request that began last; False: it has ended."""
        requests, pause = requests_here(), threading.Event()
        while self.changing.is_alive():
            if requests.epoch > self.epoch and requests.awaited:
                self.epoch = requests.epoch
                return True
            pause.wait(0.005)
        return False

    def go_on(self) -> bool:
        """Let a request begin, and that end which the change waits for; then as ``waits``."""
        self.requests.append(self._under_way())
        may_end, thread, _ = self.requests[-2]
        may_end.set()
        thread.join(60)
        return self.waits()

    def end(self) -> list[int]:
        """Let all end: the statuses of the requests."""
        for may_end, _, _ in self.requests:
            may_end.set()
        for _, thread, _ in self.requests:
            thread.join(60)
        self.changing.join(60)
        assert not self.changing.is_alive()
        return [status for _, _, answers in self.requests for status in answers]


def seen_of_notes() -> dict[str, bool]:
    """Where requests meet the app."""
    from django.apps import apps
    from django.contrib import admin

    return {
        "admin": any(model._meta.app_label == "notes" for model in admin.site._registry),
        "url": client().get("/notes/").status_code == 200,
        "models": "notes" in apps.app_configs,
    }


def test_an_unload_waits_between_its_steps(notes_app: App) -> None:
    """Each is made when no request is left that could miss what it takes."""
    from django.contrib.auth.models import User

    lp.django.load_app("notes")
    assert seen_of_notes() == {"admin": True, "url": True, "models": True}
    stale = User._meta._relation_tree
    relay = Relay(lambda: lp.django.unload_app("notes"))
    try:
        assert relay.waits()
        # The page that lists the app goes before what it links to.
        assert seen_of_notes() == {"admin": False, "url": True, "models": True}
        assert relay.go_on()
        # A view finds its models until it has ended.
        assert seen_of_notes() == {"admin": False, "url": False, "models": True}
        assert relay.go_on()
        assert seen_of_notes() == {"admin": False, "url": False, "models": False}
        # As a request does that had worked it out before and is slow to store it.
        User._meta.__dict__["_relation_tree"] = stale
        User._meta.__dict__.pop("related_objects", None)
        while relay.go_on():
            pass
    finally:
        statuses = relay.end()
    assert "note" not in [relation.name for relation in User._meta.related_objects]
    # The one of the last wait too, which began with the URLs of a version that is gone.
    assert set(statuses) == {200}
    assert len(statuses) == 6


def test_a_load_waits_between_its_steps(notes_app: App) -> None:
    relay = Relay(lambda: lp.django.load_app("notes"))
    try:
        assert relay.waits()
        assert seen_of_notes() == {"admin": False, "url": False, "models": True}
        assert relay.go_on()
        # A page that lists the app comes after what it links to.
        assert seen_of_notes() == {"admin": False, "url": True, "models": True}
        assert not relay.go_on()
        assert seen_of_notes() == {"admin": True, "url": True, "models": True}
    finally:
        assert set(relay.end()) == {200}


def test_a_request_is_pinned_to_the_urls_it_began_with(
    slow: type[Slow], notes_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a change no longer waits for it: `reverse()` in the old view fits the old URLs."""
    from livepatch.django.verbs import live

    monkeypatch.setattr(live.requests, "patience", 0.05)
    request = slow()
    said = str(lp.django.disable_app("notes"))
    assert "1 request still runs on what was before" in said
    assert client().get("/notes/").status_code == 404
    status, text = request.end()
    assert (status, text.split()[0]) == (200, "/notes/")


def test_a_view_can_unload_its_own_app(slow: type[Slow], notes_app: App) -> None:
    """The request that asks is not waited for: it would be for ever."""
    notes_app.write(
        "views.py",
        "from django.http import HttpResponse\n\nimport livepatch as lp\n\n\n"
        'def index(request):\n    return HttpResponse(str(lp.django.unload_app("notes")))\n',
    )
    lp.django.reload_app("notes")
    page = client().get("/notes/")
    assert page.status_code == 200
    assert page.content.decode().startswith("unloaded notes")
    assert "still run" not in page.content.decode()
    assert client().get("/notes/").status_code == 404


def test_the_registry_can_be_read_at_every_step_of_its_change(notes_app: App) -> None:
    """Requests do not stop for it: what they read is there before each line and after it."""
    import sys

    from django.apps import apps
    from django.apps.registry import Apps

    from livepatch.django import registry

    switches = {registry.go_live.__code__, registry.go_back.__code__}
    seen: list[tuple[type, int]] = []

    def read(frame, event, argument):
        if frame.f_code not in switches:
            return None
        models = {model._meta.label for model in apps.get_models()}
        assert "blog" in {config.label for config in apps.get_app_configs()}
        assert {"blog.Post", "auth.User"} <= models
        assert apps.get_model("blog", "Post") in apps.all_models["blog"].values()
        seen.append((type(apps), frame.f_lineno))
        return read

    outer = sys.gettrace()
    sys.settrace(read)
    try:
        lp.django.load_app("notes")
        under_way = apps.get_models, apps.get_app_configs
        lp.undo()
    finally:
        sys.settrace(outer)
    assert {cls for cls, _ in seen} == {Apps, registry.LiveApps}
    assert len(seen) > 10
    # And by whoever was inside one of its methods as it became Django's own again.
    assert type(apps) is Apps
    for method in under_way:
        assert list(method())


def test_the_autoreloader_stands_it_that_a_module_goes_while_it_lists_them(
    notes_app: App,
) -> None:
    """It would end the server: it looks up the names that it listed the moment before."""
    import sys
    from types import ModuleType

    from django.utils import autoreload

    lp.django.load_app("notes")
    lists = autoreload.iter_all_python_module_files
    code = getattr(lists, "__wrapped__", lists).__code__
    name = "a_module_that_goes"
    sys.modules[name] = ModuleType(name)
    lines: list[int] = []

    def take_out(frame, event, argument):
        if frame.f_code is not code:
            return None
        lines.append(frame.f_lineno)
        if "keys" in frame.f_locals:
            sys.modules.pop(name, None)
        return take_out

    outer = sys.gettrace()
    sys.settrace(take_out)
    try:
        files = lists()
    finally:
        sys.settrace(outer)
        there = sys.modules.pop(name, None)
    assert there is None
    assert {"blog", "notes"} <= {file.parent.name for file in files if file.name == "models.py"}
    assert len(set(lines)) < len(lines)
