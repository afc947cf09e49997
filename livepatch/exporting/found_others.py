"""Finds changed middleware, callbacks and hooks, as the changes of an extension."""

from __future__ import annotations

import ast
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from livepatch.adapters.runtime import WebuiRuntime
from livepatch.engine.changing.events import modules_named
from livepatch.engine.changing.registry import registry
from livepatch.engine.reading.sources import place, source_of
from livepatch.errors import ExportRefused
from livepatch.registries import HookPoint
from livepatch.registries.store import AttributeStore, ListStore
from livepatch.this_webui.detect import host
from livepatch.web.operations import OperationList
from livepatch.web.stack import MiddlewareStack

from .check_process.looking import function_of, signature_of, thing_at
from .runtime.callbacks import Callback
from .runtime.hooks import Hook
from .runtime.layers import Layer as CarriedLayer
from .runtime.middleware import Middleware
from .runtime.originals import digest

if TYPE_CHECKING:
    from livepatch.adapters import Host
    from livepatch.registries import Registration
    from livepatch.web.layer import MiddlewareLayer

    from .live import Live

NOTHING = '''\
def {name}{signature}:
    """Stands in the place of a hook that is muted."""
'''


def collect_other_changes(asked: str, adapter: type[Host], live: Live) -> None:
    """Take in everything that is changed and is not a function.

    Raises:
        ExportRefused: something cannot be written down.
    """
    stacks = [c for c in registry.changed.values() if isinstance(c, MiddlewareStack)]
    for changed in [*registry.changed.values()]:
        if isinstance(changed, MiddlewareStack):
            _check_app(asked, adapter, changed, stacks)
            _take_stack(asked, changed, live)
        elif isinstance(changed, HookPoint):
            _take_point(asked, adapter, changed, live)
        elif not isinstance(changed, OperationList):
            # An extension that was loaded, a guard, apps of a project.
            live.left_out.append(f"{changed.path}: exports have none of that kind")
        else:
            _check_operations(asked, changed, live)


def _check_operations(asked: str, changed: OperationList, live: Live) -> None:
    """Refuse routes and events; those that are off are only left out."""
    layers = [layer for layer in changed.own_layers() if layer.state != "removed"]
    on = [layer for layer in layers if layer.state == "active"]
    for layer in layers:
        if layer not in on:
            told = f"{layer.verb} {layer.target} ({layer.whose()}) is {layer.state}"
            live.left_out.append(f"{told}: exports have no {changed.path}")
    if not on:
        return
    what = ", ".join(f"{layer.verb} {layer.target}" for layer in on)
    off = "; ".join(f"%patches --off {_typed(target)}" for target in {o.target: 0 for o in on})
    raise ExportRefused(
        asked,
        f"changes of {changed.path} are not exported ({what})",
        f"{off} leaves that out, and --on brings it back after the export; "
        "or replace the functions that are called there",
    )


def _typed(target: str) -> str:
    return f'"{target}"' if " " in target else target


def _check_app(
    asked: str, adapter: type[Host], stack: MiddlewareStack, stacks: list[MiddlewareStack]
) -> None:
    if adapter.layout.unreachable_app:
        raise ExportRefused(
            asked,
            f"{stack.path} is changed, and {adapter.layout.unreachable_app}",
            "take that back before the export; lp.wrap the function behind the route instead",
        )
    if not hasattr(stack.owner, "middlewares" if _is_aiohttp(stack) else "user_middleware"):
        raise ExportRefused(
            asked,
            f"{stack.path} is changed, and an export changes the middleware of Starlette, FastAPI "
            f"and aiohttp apps only ({place(type(stack.owner))})",
            "take that back before the export, and name the class in the application's settings",
        )
    finds_it_itself = type(adapter.runtime).app is not WebuiRuntime.app
    is_this_webui = finds_it_itself and host().flavor == adapter.flavor
    app: Any = host().app() if is_this_webui else stacks[0].owner
    wrapped = [app]
    while wrapped[-1] is not None and stack.owner is not wrapped[-1]:
        wrapped.append(getattr(wrapped[-1], "__dict__", {}).get("app"))
    if wrapped[-1] is None:
        raise ExportRefused(
            asked,
            f"{stack.path} is changed, which is not the app that the extension will be given",
            "take those changes back before the export",
        )


def _is_aiohttp(stack: MiddlewareStack) -> bool:
    return any(cls.__module__.startswith("aiohttp.") for cls in type(stack.owner).__mro__)


def _take_stack(asked: str, stack: MiddlewareStack, live: Live) -> None:
    on = [p.layer for p in stack.plan if p.on]
    base = [p.layer for p in stack.base if p.on]
    kept = [layer for layer in on if layer in base]
    if kept != [layer for layer in base if layer in kept]:
        raise ExportRefused(
            asked,
            f"the order of {stack.path} is changed, and moves are not exported",
            "take the move back before the export: lp.undo(), or add a middleware in its place",
        )
    own = [[layer.name for layer in ls if layer.kind != "framework"] for ls in (base, on)]
    live.middleware = {"base": own[0], "live": own[1]}
    for layer in base:
        if layer not in kept:
            live.changes.append(Middleware("remove", layer.name))
    # The innermost first: the next one's neighbour is there already.
    for position, layer in reversed(list(enumerate(on))):
        if layer.kind == "added":
            outside = on[position + 1].name if position + 1 < len(on) else None
            inside = on[position - 1].name if position else None
            live.changes.append(_added(asked, layer, outside, inside, live))


def _added(
    asked: str, layer: MiddlewareLayer, outside: str | None, inside: str | None, live: Live
) -> Middleware:
    about = f"middleware {layer.name}"
    made = layer.cls
    new = live.gatherer.take_callable(made, layer.owner, about)
    options: dict[str, Any] = {}
    named: dict[str, str] = {}
    for name, value in layer.options.items():
        if callable(value):
            named[name] = live.gatherer.take_callable(value, layer.owner, about)
        elif _is_literal(value):
            options[name] = value
        else:
            raise ExportRefused(
                asked,
                f"the option {name} of {about} is a {type(value).__name__}, which its repr does "
                f"not give back",
                "make it in the constructor of the middleware instead",
            )
    return Middleware("add", layer.name, new, options, named, outside, inside)


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _take_point(asked: str, adapter: type[Host], point: HookPoint, live: Live) -> None:
    store = point.store
    if isinstance(store, ListStore) and store.key in {s.key for s in host().callback_stores()}:
        _take_list(adapter, point, live)
    elif isinstance(store, AttributeStore):
        _take_attributes(asked, adapter, point, live)
    else:
        raise ExportRefused(
            asked,
            f"{point.path} is changed, which belongs to a model that another process does not have",
            "take that back before the export, and replace the function where the model is loaded",
        )


def _take_list(adapter: type[Host], point: HookPoint, live: Live) -> None:
    event = point.event
    on = [p.layer for p in point.plan if p.on]
    base = [p.layer for p in point.base]
    kept = [r for r in on if not r.is_ours]
    ours = [r for r in on if r.is_ours]
    replaced = {r.name: r for r in base if all(r is not p.layer for p in point.plan)}
    added = [mine for mine in ours if mine.name not in replaced]
    others = [r.name for r in on if r not in added]
    live.called[event] = ([r.name for r in base], [*others, *("*" for _ in added)])
    for registration in base:
        is_replaced = any(registration.name == mine.name for mine in ours)
        if registration not in kept and not is_replaced:
            live.changes.append(Callback("remove", event, registration.name))
    previous = None
    moved = kept != [r for r in base if r in kept]
    for registration in kept if moved else []:
        name, behind = registration.name, previous
        live.changes.append(Callback("move", event, name, after=behind))
        previous = registration.name
    for mine in ours:
        about = f"callback {event}/{mine.name}"
        new = live.gatherer.take_callable(mine.callback, mine.owner, about)
        if mine.name in replaced:
            live.changes.append(Callback("replace", event, mine.name, new))
        elif not adapter.layout.registers:
            live.changes.append(Callback("add", event, mine.name, new))
        else:
            live.callbacks.setdefault(event, []).append(new)


def _take_attributes(asked: str, adapter: type[Host], point: HookPoint, live: Live) -> None:
    store: Any = point.store
    base = {id(p.layer.item.holder): p.layer for p in point.base}
    on = {id(p.layer.item.holder): p.layer for p in point.plan if p.on}
    for key in dict.fromkeys([*base, *on]):
        before, now = base.get(key), on.get(key)
        if before is now:
            continue
        holder = (now or before).item.holder  # type: ignore[union-attr]
        attribute = store.attribute_of(holder)
        about = f"hook {point.event}"
        if isinstance(holder, ModuleType):
            _take_hook(asked, adapter, holder, attribute, before, now, live)
            continue
        path = live.path_elsewhere(f"{_path_of_class(asked, holder)}.{attribute}")
        source = source_of(before.callback) if before is not None else None
        if now is None:
            new = _take_nothing(store, holder, live)
        else:
            new = live.gatherer.take_callable(now.callback, now.owner, about)
        original = digest(source) if source is not None else None
        live.changes.append(CarriedLayer("replace", path, new, original, point.event))
        live.stand_ins[path] = "def {name}(self, *args, **kwargs): return None"


def _take_nothing(store: Any, holder: Any, live: Live) -> str:
    """A function that does nothing, with the parameters that the webui sees while it is muted."""
    present = function_of(thing_at(holder, [(store.attribute_of(holder), False)]))
    signature = signature_of(present) if present is not None else "<"
    if "<" in signature:  # a default value that another process has not
        signature = "(*args, **kwargs)"
    texts, number = live.gatherer.texts, 1
    while True:
        name = f"do_nothing_{number}" if number > 1 else "do_nothing"
        text = NOTHING.format(name=name, signature=signature)
        if texts.get(name, text) == text:
            return live.gatherer.own_text(name, text)
        number += 1


def _take_hook(
    asked: str,
    adapter: type[Host],
    module: ModuleType,
    hook: str,
    before: Registration | None,
    now: Registration | None,
    live: Live,
) -> None:
    if now is None:
        home = live.path_elsewhere(f"{module.__name__}.{hook}").removesuffix(f".{hook}")
        live.changes.append(Hook(home, hook))
        return
    about = f"hook {hook}"
    new = live.gatherer.take_callable(now.callback, now.owner, about)
    if before is None:
        if not adapter.layout.has_hooks:
            raise ExportRefused(
                asked,
                f"{about} is added, and extensions of a {adapter.flavor} webui have no such hooks",
                "take that back before the export, and replace or wrap a function of the webui",
            )
        if hook in live.hooks:
            raise ExportRefused(
                asked,
                f"two functions are registered as the hook {hook}, but an extension can have only "
                "one",
                "combine them into one function",
            )
        live.hooks[hook] = new
        live.functions[new] = now.callback
        return
    path = live.path_elsewhere(f"{module.__name__}.{hook}")
    source = source_of(before.callback)
    original = digest(source) if source is not None else None
    live.changes.append(CarriedLayer("replace", path, new, original, hook))
    live.stand_ins[path] = "def {name}(*args, **kwargs): return None"


def _path_of_class(asked: str, cls: type) -> str:
    known = {**sys.modules, **modules_named()}
    candidates = [cls.__module__, *known]
    for name in candidates:
        module = known.get(name)
        found: Any = module
        for part in cls.__qualname__.split("."):
            found = getattr(found, "__dict__", {}).get(part)
        if found is cls and "/" not in name and all(p.isidentifier() for p in name.split(".")):
            return f"{name}.{cls.__qualname__}"
    raise ExportRefused(
        asked,
        f"no dotted name leads to the class {cls.__qualname__} ({place(cls)})",
        "take the change of its hook back before the export",
    )
