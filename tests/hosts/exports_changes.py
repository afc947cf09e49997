"""What the contract of exports changes: one thing of each kind, and what exports refuse."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """One change, which becomes one export.

    Attributes:
        kind: what it is, and the export's name.
        cell: makes it; ``PACK`` is the dotted name of the user's extension.
        answers: what of ``outputs()`` is another one by it.
        options: further options of the export.
        said: what the answer has to say.
    """

    kind: str
    cell: str
    answers: tuple[str, ...]
    options: str = ""
    said: str = ""


def replaced(kind: str, target: str, text: str, answer: str, options: str = "") -> Change:
    """A cell that replaces something by its text."""
    return Change(kind, f"%%replace PACK.{target}\n{text}", (answer,), options)


EVERYWHERE = (
    replaced(
        "cell",
        "text",
        "def text(a, b=2):\n    return ['new', max(a, b), functools.__name__]",
        "text",
    ),
    Change(
        "helper",
        "def zz_helper(a):\n    return [a] * 2\n"
        "lp.replace('PACK.helped', 'def helped(a):\\n    return zz_helper(a)')",
        ("helped",),
    ),
    Change(
        "with-value",
        "zz_factor = 3\nlp.replace('PACK.valued', 'def valued(a):\\n    return [zz_factor * a]')",
        ("valued",),
        "with_values=['zz_factor']",
    ),
    Change(
        "function",
        "def zz_given(a):\n    return ['new', a]\nlp.replace('PACK.given', zz_given)",
        ("given",),
    ),
    replaced("decorated", "decorated", "def decorated(a):\n    return [a, 'new']", "decorated"),
    replaced("cached", "cached", "def cached(a):\n    return ('new', a)", "cached"),
    replaced("generator", "numbers", "def numbers(n):\n    yield n\n    yield -n", "numbers"),
    replaced(
        "coroutine",
        "later",
        "async def later(a):\n    await asyncio.sleep(0)\n    return ['new', a]",
        "later",
    ),
    replaced("async-generator", "items", "async def items(n):\n    yield n\n    yield n", "items"),
    Change(
        "wrap-with-guard",
        "def zz_wrapper(original, a):\n    return ['around', original(a), len(a + 'x' if a == 'bad'"
        " else 'x' * a) and 1 / (a != 'bad')]\n"
        "lp.wrap('PACK.guarded', zz_wrapper, guard=5)",
        ("guarded",),
    ),
    Change(
        "wrap",
        "lp.wrap('PACK.wrapped', lambda original, a: ['around', original(a)])\n"
        "lp.wrap('PACK.wrapped', lambda original, a: ['again', original(a)], name='again')",
        ("wrapped",),
    ),
    Change(
        "before-and-after",
        "import sys\n"
        "lp.before('PACK.noted', 'def hook(a):\\n    CALLS.append(a)')\n"
        "lp.filter_result('PACK.noted', lambda result: [result, 'seen'])",
        ("noted",),
    ),
    Change(
        "filter-args",
        "lp.filter_args('PACK.filtered', lambda a: ((a + 1,), {}))",
        ("filtered",),
    ),
    replaced(
        "super", "Model.greet", "def greet(self):\n    return 'new ' + super().greet()", "greet"
    ),
    replaced("private", "Model.secret", "def secret(self):\n    return -self.__secret", "secret"),
    Change("property", "lp.replace('PACK.Model.size', lambda self: 9)", ("size",)),
    replaced("static", "Model.scale", "@staticmethod\ndef scale(a):\n    return 2 * a", "scale"),
    Change(
        "class-method",
        "def zz_make(cls, a):\n    return [cls.__name__, 'new', a]\n"
        "lp.replace('PACK.Model.make', zz_make)",
        ("make",),
    ),
    replaced("inherited", "Model.inherited", "def inherited(self):\n    return 'own'", "inherited"),
    replaced("class", "Whole", "class Whole:\n    def two(self):\n        return 22", "whole"),
    Change("value", "lp.replace('PACK.SCALE', 5)", ("value",)),
    Change("entry", "lp.replace(\"PACK.SETTINGS['steps']\", 30)", ("entry",)),
    Change(
        "watched-file",
        "zz_watched.write_text('import livepatch as lp\\ndef twice(a):\\n    return [a, a]\\n'\n"
        "    'def in_file(a):\\n    return twice(a)\\nlp.replace(\"PACK.in_file\", in_file)\\n')\n"
        "zz_watch = lp.watch(zz_watched)\n"
        "assert zz_watch.errors == []\nzz_watch.stop()",
        ("in file",),
    ),
    Change(
        "left-out",
        "lp.replace('PACK.given', lambda a: ['given', a, 'left'])\n"
        "lp.replace('PACK.text', lambda a, b=1: 0).off()",
        ("given",),
        said="left out: PACK.text",
    ),
)
"""Of which ``left-out`` is looked at alone: it changes what another one changes."""

COMFYUI = (
    Change(
        "node",
        "def zz_run(self, word):\n    return (word + '!',)\n"
        "lp.hooks()['FUNCTION'].replace('ZzNode', zz_run)",
        ("node",),
    ),
    Change(
        "prompt-handler",
        "def zz_handler(data):\n    return {**data, 'zz': 1}\n"
        "lp.callbacks().add('on_prompt', zz_handler)",
        ("prompt",),
    ),
    Change(
        "middleware",
        "async def zz_middleware(request, handler):\n    answer = await handler(request)\n"
        "    answer.headers['zz'] = '1'\n    return answer\n"
        "lp.middleware().add(zz_middleware)",
        ("middleware",),
    ),
    Change(
        "webuis-own",
        "lp.filter_result('nodes.get_module_name', lambda name: name + '!')",
        ("webui's",),
    ),
)
TEXTGEN = (
    Change(
        "hook",
        "def zz_input(string):\n    return string + ' new'\n"
        "lp.hooks()['input_modifier'].replace('zz_pack', zz_input)",
        ("replaced hook",),
    ),
    Change("muted-hook", "lp.hooks()['output_modifier'].mute('zz_pack')", ("muted hook",)),
    Change(
        "added-hook",
        "def zz_prefix(string):\n    return string + ' prefix'\n"
        "lp.hooks()['bot_prefix_modifier'].add(zz_prefix, to='zz_pack')",
        ("added hook",),
    ),
)
SCRIPTS = (
    Change(
        "hook",
        "def zz_process(self, p, *args):\n    p.append('new')\n"
        "lp.hooks()['process'].replace('ZzScript', zz_process)",
        ("replaced hook",),
    ),
    Change("muted-hook", "lp.hooks()['postprocess'].mute('ZzScript')", ("muted hook",)),
    Change(
        "callback",
        "def zz_saved(seen):\n    seen.append('new')\n"
        "lp.callbacks()['image_saved'].replace('on_saved', zz_saved)",
        ("replaced callback",),
    ),
    Change(
        "muted-callback",
        "lp.callbacks()['cfg_denoiser'].mute('on_denoise')",
        ("muted callback",),
    ),
    Change(
        "added-callback",
        "def zz_added(seen):\n    seen.append('added')\n"
        "lp.callbacks().add('before_image_saved', zz_added)",
        ("added callback",),
    ),
    Change(
        "middleware",
        "class ZzMiddleware:\n    def __init__(self, app):\n        self.app = app\n"
        "    async def __call__(self, scope, receive, send):\n"
        "        async def marked(message):\n"
        "            if message['type'] == 'http.response.start':\n"
        "                message = {**message, 'headers': [*message['headers'], (b'zz', b'1')]}\n"
        "            await send(message)\n"
        "        await self.app(scope, receive, marked)\n"
        "lp.middleware().add(ZzMiddleware)",
        ("middleware",),
    ),
)
OF_WEBUI = {"comfyui": COMFYUI, "textgen": TEXTGEN}
TAILS = {"comfyui": "comfyui", "textgen": "textgen"}


def changes_of(flavor: str) -> tuple[Change, ...]:
    """What is changed in a webui of a flavor."""
    return (*EVERYWHERE, *OF_WEBUI.get(flavor, SCRIPTS))


REFUSED = (
    (
        "lp.replace(zz_pack.outputs, print)\nlp.replace(zz_pack.Model().greet, lambda self: 1)",
        "name",
    ),
    ("lp.replace('PACK.SCALE', object())", "its repr does not give back"),
    ("import functools\nlp.replace('PACK.given', functools.partial(print, 1))", "write a def"),
)
"""What an export refuses, each with a word of it."""
