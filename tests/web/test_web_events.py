"""The events of a running Gradio page: a real server, a real client, a real session."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings
from types import ModuleType
from typing import Any

import httpx
import pytest
from web_support import Server, in_thread

import livepatch as lp
from livepatch.web.gradio.find import follow_page

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Gradio's own, of other packages
    gradio = pytest.importorskip("gradio")
    import gradio as gr
    from fastapi import FastAPI
    from gradio_client import Client

pytestmark = pytest.mark.filterwarnings("ignore", "error:unclosed event loop")


MAJOR = int(gr.__version__.split(".")[0])
JS = "_js" if MAJOR < 4 else "js"
SEVERAL = {"concurrency_limit": 4} if MAJOR >= 4 else {}


def functions_of(page):
    """Gradio's own object of each event."""
    return page.fns.values() if isinstance(page.fns, dict) else page.fns


def greet(name, times):
    """Greets somebody."""
    return "hello " * int(times) + name


def split(text):
    return text[:1], text[1:]


def count_up(limit):
    for number in range(int(limit)):
        yield f"step {number}"


def in_a_loop(make):
    """What ``make`` makes inside a loop: where none runs, Gradio leaves one of its own open."""

    async def making():
        return make()

    return asyncio.run(making())


def build_page():
    with gr.Blocks() as page:
        name = gr.Textbox(label="Name")
        times = gr.Number(label="Times", value=1)
        out = gr.Textbox(label="Out")
        head = gr.Textbox(label="Head")
        go = gr.Button("Go")
        go.click(greet, [name, times], out, api_name="greet", **SEVERAL)
        name.change(split, name, [head, out], api_name="split")
        times.change(count_up, times, out, api_name="count")
        go.click(None, None, None, **{JS: "() => alert(1)"})
    return page.queue() if MAJOR >= 4 else page.queue(concurrency_count=4)


@contextlib.contextmanager
def served(page, path="/ui"):
    """The page mounted in an app, behind a real server."""
    app = in_a_loop(lambda: gr.mount_gradio_app(FastAPI(), page, path=path))
    with Server(app) as server:
        server.url = f"http://127.0.0.1:{server.port}{path}/"
        yield server


@pytest.fixture(scope="module")
def shared():
    """One page for all tests that put it back: Gradio takes its time to build one."""
    page = in_a_loop(build_page)
    with served(page) as server:
        server.page = page
        yield server


@pytest.fixture
def server(shared):
    states = [dict(vars(event)) for event in functions_of(shared.page)]
    config = shared.page.config
    yield shared
    lp.restore_all()
    own = ("fn", "name", "types_generator", "tracks_progress", "collects_event_data")
    for state, event in zip(states, functions_of(shared.page), strict=True):
        known = [name for name in own if name in state]
        assert {n: state[n] for n in known} == {n: vars(event)[n] for n in known}
    assert shared.page.config is config


def connect(server):
    return Client(server.url, verbose=False)


@pytest.fixture
def client(server):
    return connect(server)


def described(server):
    """What the page's API description says, as a new client reads it."""
    for prefix in ("gradio_api/", ""):
        answer = httpx.get(f"{server.url}{prefix}info")
        if answer.status_code == 200:
            return answer.json()["named_endpoints"]
    raise AssertionError(answer.text)


def refusal(call) -> Any:
    with pytest.raises(lp.LivepatchError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def test_events_are_listed_with_all_that_is_known(server):
    events = lp.events(server.page)
    assert [event.api_name for event in events][:3] == ["/greet", "/split", "/count"]
    event = events["/greet"]
    assert event.index == 0
    assert event.targets == ("button 'Go'.click",)
    assert event.inputs == ("textbox 'Name'", "number 'Times'")
    assert event.outputs == ("textbox 'Out'",)
    assert (event.function, event.owner, event.streams) == (greet, "webui", False)
    assert event.place.endswith(f"test_web_events.py:{greet.__code__.co_firstlineno}")
    assert events["/count"].streams
    assert events[3].function is None
    for reference in ("greet", "button 'Go'.click"):
        assert reference in events
    text = str(events)
    assert "count_up" in text
    assert "streams" in text
    assert "in the browser" in text
    assert "<table" in events._repr_mimebundle_()["text/html"]


def test_the_page_is_found_in_the_app_that_serves_it(server):
    assert lp.events(server.app)["/greet"].event is lp.events()["/greet"].event


def test_a_replaced_function_answers_open_and_new_clients(server, client):
    assert client.predict("you", 2, api_name="/greet") == "hello hello you"

    def shout(name, times):
        """Shouts at somebody."""
        return f"HELLO {name} {int(times)}"

    layer = lp.events(server.page)["/greet"].replace(shout)
    assert client.predict("you", 2, api_name="/greet") == "HELLO you 2"
    assert connect(server).predict("me", 1, api_name="/greet") == "HELLO me 1"
    assert str(layer).startswith("replaced /greet in events of ")
    assert lp.events(server.page)["/greet"].owner == "test_web_events"
    layer.remove()
    assert client.predict("you", 2, api_name="/greet") == "hello hello you"


@pytest.mark.skipif(MAJOR < 4, reason="Gradio 3 describes components, and no parameters")
def test_the_description_that_clients_get_follows(server):
    def shout(who, how_often=3):
        """Shouts at somebody."""
        return f"HELLO {who} {int(how_often)}"

    before = described(server)["/greet"]
    names = [p["parameter_name"] for p in before["parameters"]]
    assert names == ["name", "times"]
    layer = lp.events(server.page)["/greet"].replace(shout)
    after = described(server)["/greet"]
    assert [p["parameter_name"] for p in after["parameters"]] == ["who", "how_often"]
    assert connect(server).predict(who="you", how_often=2, api_name="/greet") == "HELLO you 2"
    layer.remove()
    assert described(server)["/greet"] == before


def test_async_and_streaming_functions_take_each_others_place(server, client):
    async def greet_async(name, times):
        await asyncio.sleep(0)
        return f"async {name}"

    def greet_in_steps(name, times):
        yield f"{name} one"
        yield f"{name} two"

    async def greet_in_async_steps(name, times):
        yield f"{name} three"
        yield f"{name} four"

    event = lp.events(server.page)["/greet"]
    event.replace(greet_async)
    assert client.predict("you", 1, api_name="/greet") == "async you"
    event.replace(greet_in_steps)
    job = client.submit("you", 1, api_name="/greet")
    assert job.result(20) == "you two"
    assert job.outputs() == ["you one", "you two"]
    event.replace(greet_in_async_steps)
    assert connect(server).predict("you", 1, api_name="/greet") == "you four"
    dependency = server.page.config["dependencies"][0]
    assert dependency["types"]["generator"] is True
    counted = lp.events(server.page)["/count"]
    counted.replace(lambda limit: f"only {int(limit)}")
    assert client.predict(3, api_name="/count") == "only 3"
    lp.restore_all()
    job = connect(server).submit(2, api_name="/count")
    assert job.result(20) == "step 1"
    assert job.outputs() == ["step 0", "step 1"]


def test_a_stream_under_way_ends_as_it_began(server, client):
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow_steps(name, times):
        for number in range(3):
            yield f"slow {number}"
            begun.release()
            assert gate.wait(20)

    event = lp.events(server.page)["/greet"]
    layer = event.replace(slow_steps)
    job = client.submit("you", 1, api_name="/greet")
    assert begun.acquire(timeout=20)
    layer.remove()
    assert connect(server).predict("you", 1, api_name="/greet") == "hello you"
    gate.set()
    assert job.result(20) == "slow 2"
    assert job.outputs()[-1] == "slow 2"
    assert lp.events(server.page)["/greet"].event.fn is greet


def test_a_muted_event_changes_nothing_until_it_is_unmuted(server, client):
    before = described(server)["/split"]
    layer = lp.events(server.page)["/split"].mute()
    assert lp.events(server.page)["/split"].muted
    assert client.predict("abc", api_name="/split") != ("a", "bc")
    assert described(server)["/split"]["parameters"] == before["parameters"]
    assert "mute by test_web_events" in str(lp.events(server.page))
    replaced = lp.events(server.page)["/split"].replace(lambda text: ("x", text))
    assert "it stays muted" in str(replaced)
    assert client.predict("abc", api_name="/split") != ("x", "abc")
    assert str(lp.events(server.page)["/split"].unmute()) == str(layer)
    assert client.predict("abc", api_name="/split") == ("x", "abc")
    assert "is not muted" in refusal(lambda: lp.events(server.page).unmute("/split")).found
    muted_stream = lp.events(server.page)["/count"].mute()
    assert client.predict(2, api_name="/count") != "step 1"
    muted_stream.remove()
    assert client.predict(2, api_name="/count") == "step 1"


def test_changes_take_part_in_transactions_undo_journal_and_patches(server, client):
    events = lp.events(server.page)
    with lp.transaction():
        events["/greet"].replace(lambda name, times: "new")
        events["/split"].mute()
        assert client.predict("you", 1, api_name="/greet") == "hello you"
    assert client.predict("you", 1, api_name="/greet") == "new"
    assert {layer.target for layer in lp.patches()} == {"event /greet", "event /split"}
    assert [change.verb for change in lp.journal[-1].changes] == ["replace", "mute"]
    lp.undo()
    assert client.predict("you", 1, api_name="/greet") == "hello you"
    lp.redo()
    assert client.predict("you", 1, api_name="/greet") == "new"
    layer = events["/greet"].layers[0]
    layer.off()
    assert (layer.state, client.predict("you", 1, api_name="/greet")) == ("off", "hello you")
    layer.on()
    assert (layer.state, client.predict("you", 1, api_name="/greet")) == ("active", "new")


def test_what_gradio_gives_by_itself_is_not_counted(server, client):
    bar = gr.Progress()

    def with_extras(name, request: gr.Request, times, progress=bar):
        progress(0.5)
        return f"{name} {request.client.host}"

    lp.events(server.page)["/greet"].replace(with_extras)
    assert client.predict("you", 1, api_name="/greet") == "you 127.0.0.1"


def test_a_function_replaced_through_the_engine_reaches_the_event(monkeypatch):
    module = ModuleType("a_page")
    exec("def double(text):\n    return text * 2\n", vars(module))
    monkeypatch.setitem(sys.modules, "a_page", module)

    def build():
        with gr.Blocks() as page:
            box = gr.Textbox()
            box.submit(module.double, box, box, api_name="double")
        return page

    page = in_a_loop(build)
    with served(page) as server:
        client = connect(server)
        layer = lp.replace("a_page.double", lambda text: text.upper())
        assert client.predict("ab", api_name="/double") == "AB"
        assert page.fns[0].fn is module.double
        layer.remove()
        assert client.predict("ab", api_name="/double") == "abab"


def test_a_new_session_of_the_page_is_told_what_is_there(server):
    def steps(name, times):
        yield name

    def config():
        return httpx.get(f"{server.url}config").json()["dependencies"][0]["types"]["generator"]

    assert config() is False
    layer = lp.events(server.page)["/greet"].replace(steps)
    assert config() is True
    assert '"generator":true' in httpx.get(server.url).text.replace(" ", "")
    layer.remove()
    assert config() is False


def test_a_page_with_many_components_is_a_table_that_can_be_read():
    """A1111's first button reads two hundred components: its line had 33,825 characters."""

    def build():
        with gr.Blocks() as page:
            boxes = [gr.Textbox(label=f"box {number} " + "of many " * 20) for number in range(40)]
            for box in boxes:
                box.submit(lambda *texts: texts, boxes, boxes)
            boxes[0].change(split, boxes[0], boxes[:2]).then(split, boxes[0], boxes[:2])
        return page

    page = in_a_loop(build)
    events = lp.events(page)
    assert len(events[0].inputs) == 40
    lines = str(events).splitlines()
    assert max(map(len, lines)) < 700
    assert "… 40 in all" in lines[2]
    assert events[40].targets[0].endswith(".change")
    assert events[41].targets[0].endswith("then")
    assert "but the event passes 40: " in refusal(lambda: events[0].replace(split)).found
    assert len(refusal(lambda: events[0].replace(split)).found) < 700


def test_a_function_that_takes_event_data_is_announced(server):
    """The page sends the data of an event only where the config asks for it."""

    def chosen(name, times, data: gr.SelectData):
        return str(data.index)

    def asks():
        return httpx.get(f"{server.url}config").json()["dependencies"][0]["collects_event_data"]

    assert asks() is False
    layer = lp.events(server.page)["/greet"].replace(chosen)
    assert asks() is True
    layer.remove()
    assert asks() is False


@pytest.mark.skipif(MAJOR >= 4, reason="from Gradio 4 on every page has a queue")
def test_a_stream_needs_a_queue():
    def build():
        with gr.Blocks() as page:
            box = gr.Textbox(label="Name")
            box.submit(split, box, [box, box], api_name="split")
        return page

    def steps(text):
        yield text, text

    page = in_a_loop(build)
    assert "without a queue" in refusal(lambda: lp.events(page)["/split"].replace(steps)).found
    assert page.fns[0].fn is split


def test_the_page_is_built_again(server):
    """A1111's Reload UI: another page in another app, in the same process."""
    layer = lp.events(server.page)["/greet"].replace(lambda name, times: "new")
    again = in_a_loop(build_page)
    with served(again) as rebuilt:
        client = connect(rebuilt)
        events = lp.events(rebuilt.app)
        assert events["/greet"].event is not layer.holder.events()[0]
        assert client.predict("you", 1, api_name="/greet") == "hello you"
        events["/greet"].replace(lambda name, times: "again")
        assert client.predict("you", 1, api_name="/greet") == "again"
        events["/split"].mute()
        lp.restore_all()
        assert client.predict("you", 1, api_name="/greet") == "hello you"
        assert tuple(client.predict("abc", api_name="/split")) == ("a", "bc")
        assert [event.fn for event in functions_of(again)][:2] == [greet, split]


def test_bad_input_is_refused_in_three_lines_and_changes_nothing(server):
    events = lp.events(server.page)

    def one_or_three(text):
        if text:
            return 1, 2, 3
        return None

    async def coroutine(name, times): ...

    event = events["/greet"]
    error = refusal(lambda: event.replace(lambda name: name))
    assert "takes 1 inputs, but the event passes 2: textbox 'Name', number 'Times'" in error.found
    assert "takes 3 inputs" in refusal(lambda: event.replace(lambda a, b, c: a)).found
    found = refusal(lambda: events["/split"].replace(one_or_three)).found
    assert "returns 3 outputs, but the event has 2: textbox 'Head', textbox 'Out'" in found
    assert "returns 1 outputs" in refusal(lambda: events["/split"].replace(lambda t: "x")).found
    assert "cannot be called" in refusal(lambda: event.replace("text")).found
    call = coroutine(1, 2)
    assert "is a call of the function" in refusal(lambda: event.replace(call)).found
    assert "/greet" in refusal(lambda: events["/gret"]).found
    assert "counted from 0" in refusal(lambda: events.mute(99)).found
    assert "in the browser only" in refusal(lambda: events[3].mute()).found
    assert "is not a Gradio page" in refusal(lambda: lp.events(object())).found
    assert len(lp.patches()) == 0


def test_without_a_page_three_lines_say_so(tmp_path):
    import subprocess

    code = "import livepatch as lp\ntry: lp.events()\nexcept lp.HostUnsupported as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    asked, found, advice = done.stdout.splitlines()
    assert asked == "look at the webui's events"
    assert "no Gradio page was found" in found
    assert advice == "give it: lp.events(demo)"


def test_a_foreign_assignment_is_left_alone(server):
    event = lp.events(server.page)["/greet"]
    layer = event.replace(lambda name, times: "ours")

    def theirs(name, times):
        return "theirs"

    event.event.fn = theirs
    assert layer.state == "stale"
    assert lp.events(server.page)["/greet"].function is theirs
    with pytest.raises(lp.ForeignChange):
        lp.events(server.page)["/greet"].replace(lambda name, times: "again")
    lp.restore_all()
    assert event.event.fn is theirs
    event.event.fn = greet


def test_calls_are_unharmed_while_an_event_changes(server):
    """Calls answer the old or the new, never an error, while the function changes often."""
    answers: list[Any] = []
    answered = threading.Semaphore(0)

    def call():
        client = connect(server)
        for _ in range(12):
            answers.append(client.predict("you", 1, api_name="/greet"))
            answered.release()

    event = lp.events(server.page)["/greet"]
    with in_thread(call) as calling:
        while calling.is_alive():
            for _ in range(5):
                event.replace(lambda name, times: f"new {name}").remove()
            answered.acquire(timeout=1)
    assert len(answers) == 12
    assert set(answers) <= {"hello you", "new you"}


def test_events_are_timed_and_clients_notice_nothing(server, client):
    page, told = server.page, described(server)
    with lp.timing(page, only=["events"]) as t:
        assert client.predict("you", 2, api_name="/greet") == "hello hello you"
        assert client.predict(3, api_name="/count") == "step 2"
        layer = lp.events(page)["/greet"].replace(lambda name, times: f"new {name}")
        assert client.predict("you", 1, api_name="/greet") == "new you"
        layer.remove()
        assert lp.events(page)["/greet"].function is greet
        assert described(server) == told
    calls = {part.name: (part.calls, part.total > 0) for part in t}
    assert calls == {"/greet": (2, True), "/split": (0, False), "/count": (1, True)}
    assert t["/greet"].place.startswith(__file__)
    assert client.predict("you", 1, api_name="/greet") == "hello you"
    assert t["/greet"].calls == 2


def test_a_page_made_anew_has_what_the_events_of_the_old_one_had():
    page, new = in_a_loop(build_page), in_a_loop(build_page)
    own = [event.fn for event in functions_of(new)]
    replaced = lp.events(page)["/greet"].replace(lambda name, times: f"mine {name}")
    lp.events(page)["/split"].mute()
    follow_page(page, new)
    assert replaced.state == "active"
    assert lp.events(new)["/greet"].function("x", 1) == "mine x"
    assert lp.events(new)["/split"].muted
    lp.undo()
    assert not lp.events(new)["/split"].muted
    lp.restore_all()
    assert [event.fn for event in functions_of(new)] == own
