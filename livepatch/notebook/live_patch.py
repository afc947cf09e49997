"""The magics that change functions: ``%replace``, ``%restore``, ``%patches``."""

from __future__ import annotations

import difflib
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine import Layer, live_layers, restore, restore_all, transaction
from livepatch.engine.answers import answer
from livepatch.engine.errors import TargetNotFound
from livepatch.engine.layers.installing import Wanted, install, patch_without_effect
from livepatch.engine.layers.owners import NOTEBOOK
from livepatch.engine.layers.stacks import is_on
from livepatch.engine.naming.targets import ClassTarget, ValueTarget, find
from livepatch.engine.reading.sources import source_of
from livepatch.reports import Answer, Report
from livepatch.reports.layers import patches
from livepatch.reports.others import foreign

from .calls import Source, call_text, tell, value_text
from .completion import complete_target
from .settings import NotebookSettings

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.engine import Layer
    from livepatch.looking.foreign import ForeignPatch

    from .completion import Completers

TARGET_HELP = "dotted name of a function or method in a loaded module: package.module.function"


def _verb(args: Any) -> str:
    chosen = [verb for verb in ("before", "after", "around") if getattr(args, verb)]
    if len(chosen) > 1:
        raise UsageError(f"%%replace takes one of --{' and --'.join(chosen)}, not both")
    return {"around": "wrap"}.get(chosen[0], chosen[0]) if chosen else "replace"


def _python_call(verb: str, args: Any, new: str) -> str:
    when = None if args.when == "now" else args.when
    options = {"name": args.name, "guard": args.guard, "when": when}
    return call_text(f"lp.{verb}", args.target, Source(new), **options)


def _first_line(cell: str) -> str:
    return next((line for line in cell.splitlines() if line.strip()), "")


def _diff(old: str, new: str, path: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{path} now", f"{path} then", lineterm=""
    )
    return "\n".join(lines)


@magics_class
class LivePatch(NotebookSettings, Magics):
    """Change the running webui from the notebook, and put it back."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {
        "replace": complete_target,
        "restore": complete_target,
        "patches": complete_target,
    }

    @magic_arguments()
    @argument("target", help=TARGET_HELP)
    @argument("new", nargs="*", help="a function of the notebook; for a plain value, an expression")
    @argument("--name", help="the layer's name, where a target has several")
    @argument(
        "--guard",
        action="store_true",
        help="when the new code raises, continue the call without it",
    )
    @argument(
        "--when",
        choices=("now", "idle"),
        default="now",
        help="idle: wait until no call is inside it",
    )
    @argument("--around", action="store_true", help="the function wraps: f(original, *args)")
    @argument("--before", action="store_true", help="the function is called before: f(*args)")
    @argument("--after", action="store_true", help="the function is called after: f(result, *args)")
    @argument("--dry-run", action="store_true", help="show what would happen, change nothing")
    @no_var_expand
    @line_cell_magic
    def replace(self, line: str, cell: str | None = None) -> Answer | None:
        """Make every call of a function in the running webui run other code.

        With a cell, the cell defines the new function, under any name. It sees the names of the
        target's module as well as the notebook's. Running the cell again replaces its own layer::

            %%replace livepatch.demo.sampler.denoise_step
            def denoise_step(latent, target, step, steps):
                return latent + 0.5 * (target - latent)

        On a line, ``%replace T f`` takes the notebook's function ``f``; ``%replace T`` takes the
        notebook's function of T's last name, or puts a new cell below with T's present source.
        A class is changed method by method; ``%replace mod.LIMIT 20`` assigns a plain value.
        """
        args = parse_argstring(self.replace, line)
        verb = _verb(args)
        if cell is not None:
            if args.new:
                raise UsageError("%%replace T takes the new function from the cell, not by name")
            # The first line of the cell is the magic's: so the text's lines count as the cell's do.
            return self._put(args, verb, f"\n{cell}", f'"""{_first_line(cell)} …"""')
        target = find(f"replace {args.target}", args.target)
        if isinstance(target, ValueTarget) and args.new:
            expression = " ".join(args.new)
            return self._put(args, verb, self.shell.ev(expression), expression)
        own = args.new[0] if args.new else args.target.rpartition(".")[2]
        new = self.shell.user_ns.get(own)
        if args.new and (new is None or len(args.new) > 1):
            raise TargetNotFound(
                f"replace {args.target} {' '.join(args.new)}",
                f"the notebook has no function {' '.join(args.new)!r}",
                f"define it in a cell first:  def {own}(…): …",
            )
        if args.new or self._is_notebooks(new):
            return self._put(args, verb, new, own)
        self._offer_source(args.target)
        return None

    @magic_arguments()
    @argument("target", nargs="?", help=TARGET_HELP)
    @argument("--name", help="only the layers with this name")
    @argument("--all", action="store_true", help="everything that livepatch changed")
    @line_magic
    def restore(self, line: str) -> Answer:
        """Take the layers off a target: the webui runs its own code again, exactly.

        For example ``%restore livepatch.demo.sampler.denoise_step`` or ``%restore --all``.
        """
        args = parse_argstring(self.restore, line)
        if args.all and not args.target:
            return Answer(restore_all(), "lp.restore_all()")
        if args.all or not args.target:
            raise UsageError("%restore needs a target or --all")
        python = call_text("lp.restore", args.target, name=args.name)
        return Answer(restore(args.target, name=args.name), python)

    @magic_arguments()
    @argument("target", nargs="?", help=TARGET_HELP)
    @argument("--off", action="store_true", help="switch the target's layers off, but keep them")
    @argument("--on", action="store_true", help="switch them on again")
    @argument("--name", help="only the layers with this name")
    @argument("--foreign", action="store_true", help="list what others have patched")
    @line_magic
    def patches(self, line: str) -> Report[Layer] | Report[ForeignPatch]:
        """Show the layers of livepatch, or switch some off and on, or show what others patched.

        For example ``%patches``, or ``%patches --off livepatch.demo.sampler.denoise_step``.
        """
        args = parse_argstring(self.patches, line)
        if args.foreign:
            tell(call_text("lp.foreign", *filter(None, [args.target])))
            return foreign(args.target)
        if args.off and args.on:
            raise UsageError("%patches takes --off or --on, not both")
        if args.off or args.on:
            if not args.target:
                raise UsageError("%patches --off and --on need a target")
            with transaction():
                for layer in self._layers_of(args.target, args.name):
                    layer.on() if args.on else layer.off()
            switch = "on" if args.on else "off"
            named = f" if layer.name == {value_text(args.name)}" if args.name else ""
            layers = call_text("lp.patches", args.target)
            tell(f"[layer.{switch}() for layer in {layers}{named}]")
        else:
            tell(call_text("lp.patches", *filter(None, [args.target])))
        return patches(args.target)

    def _put(self, args: Any, verb: str, new: object, shown: str) -> Answer:
        asked = f"{verb} {args.target}"
        target = find(asked, args.target)
        guard = args.guard
        wanted = Wanted(verb, args.name or verb, NOTEBOOK, self.shell.user_ns, guard, args.when)
        python = _python_call(verb, args, shown)
        if args.dry_run:
            patch = patch_without_effect(asked, target, new, wanted)
            facts = [*getattr(target, "facts", ()), *patch.facts]
            line = answer(f"would {verb} {target.path}", *facts)
            if isinstance(target, (ValueTarget, ClassTarget)) or verb != "replace":
                return Answer(line, python)
            old = source_of(target.function) or ""
            return Answer(line, python, _diff(old, patch.source or "", target.path))
        return Answer(str(install(asked, target, new, wanted)), python)

    def _is_notebooks(self, value: object) -> bool:
        if isinstance(value, type):
            return bool(value.__module__ == self.shell.user_module.__name__)
        return isinstance(value, FunctionType) and value.__globals__ is self.shell.user_global_ns

    def _offer_source(self, path: str) -> None:
        """Put a new cell below with the target's present source, ready to edit."""
        target = find(f"replace {path}", path)
        if isinstance(target, ValueTarget):
            raise UsageError(f"%replace {path} VALUE assigns another value")
        source = source_of(target.cls if isinstance(target, ClassTarget) else target.function)
        if source is None:
            raise TargetNotFound(
                f"replace {path}",
                "it has no readable source, and the notebook has no function of that name",
                f"write the new function yourself: %%replace {path}",
            )
        self.shell.set_next_input(f"%%replace {path}\n{source.rstrip()}\n")

    def _layers_of(self, path: str, name: str | None) -> list[Layer]:
        present = live_layers()
        found = [layer for layer in present if is_on(layer, path) and name in (None, layer.name)]
        if not found:
            targets = ", ".join(sorted({layer.target for layer in present}))
            raise TargetNotFound(
                f"patches {path}",
                f"livepatch has no such layer; it has layers on: {targets or 'nothing'}",
                "look at %patches",
            )
        return found
