"""The magics that change functions: ``%replace``, ``%restore``, ``%patches``."""

from __future__ import annotations

import difflib
from types import FunctionType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine import Layer, layers, restore, restore_all, transaction
from livepatch.engine.answers import answer
from livepatch.engine.errors import TargetNotFound
from livepatch.engine.sources import source_of
from livepatch.engine.targets import find
from livepatch.engine.verbs import NOTEBOOK, make_patch, replace_found
from livepatch.reports import Answer, Report, patches

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

TARGET_HELP = "dotted name of a function or method in a loaded module: package.module.function"


@magics_class
class LivePatch(Magics):
    """Change the running webui from the notebook, and put it back."""

    shell: InteractiveShell

    @magic_arguments()
    @argument("target", help=TARGET_HELP)
    @argument("function", nargs="?", help="a function defined in the notebook (line form only)")
    @argument("--name", default="replace", help="tells several layers on one target apart")
    @argument("--dry-run", action="store_true", help="say what would happen, change nothing")
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
        """
        args = parse_argstring(self.replace, line)
        if cell is not None:
            if args.function:
                raise UsageError("%%replace T takes the new function from the cell, not by name")
            # The first line of the cell is the magic's: so the text's lines count as the cell's do.
            return self._put(args, f"\n{cell}", _text_call(args.target, cell))
        own = args.function or args.target.rpartition(".")[2]
        function = self.shell.user_ns.get(own)
        if args.function and function is None:
            raise TargetNotFound(
                f"replace {args.target} {own}",
                f"the notebook has no function {own!r}",
                f"define it in a cell first: def {own}(…): …",
            )
        if args.function or self._is_notebooks(function):
            return self._put(args, function, f'lp.replace("{args.target}", {own})')
        self._offer_source(args.target)
        return None

    @magic_arguments()
    @argument("target", nargs="?", help=TARGET_HELP)
    @argument("--name", help="only the layers of this name")
    @argument("--all", action="store_true", help="everything done through livepatch")
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
        name = f", name={args.name!r}" if args.name else ""
        python = f'lp.restore("{args.target}"{name})'
        return Answer(restore(args.target, name=args.name), python)

    @magic_arguments()
    @argument("target", nargs="?", help=TARGET_HELP)
    @argument("--off", action="store_true", help="switch the target's layers off, keep them")
    @argument("--on", action="store_true", help="switch them on again")
    @argument("--name", help="only the layers of this name")
    @line_magic
    def patches(self, line: str) -> Report[Layer]:
        """Show the layers of livepatch, or switch some off and on.

        For example ``%patches``, or ``%patches --off livepatch.demo.sampler.denoise_step``.
        """
        args = parse_argstring(self.patches, line)
        if args.off and args.on:
            raise UsageError("%patches takes --off or --on, not both")
        if args.off or args.on:
            if not args.target:
                raise UsageError("%patches --off and --on need a target")
            with transaction():
                for layer in self._layers_of(args.target, args.name):
                    layer.on() if args.on else layer.off()
        return patches(args.target)

    def _put(self, args: Any, new: object, python: str) -> Answer:
        asked = f"replace {args.target}"
        target = find(asked, args.target)
        namespace = self.shell.user_ns
        if args.dry_run:
            patch = make_patch(asked, new, target, namespace, dry_run=True)
            line = answer(f"would replace {target.path}", *target.facts, *patch.facts)
            old = source_of(target.function) or ""
            return Answer(line, python, _diff(old, patch.source or "", target.path))
        layer = replace_found(asked, target, new, namespace, owner=NOTEBOOK, name=args.name)
        return Answer(str(layer), python)

    def _is_notebooks(self, value: object) -> bool:
        return isinstance(value, FunctionType) and value.__globals__ is self.shell.user_global_ns

    def _offer_source(self, path: str) -> None:
        """Put a new cell below with the target's present source, ready to edit."""
        target = find(f"replace {path}", path)
        source = source_of(target.function)
        if source is None:
            raise TargetNotFound(
                f"replace {path}",
                "its source cannot be had, and the notebook has no function of that name",
                f"write the new function yourself: %%replace {path}",
            )
        self.shell.set_next_input(f"%%replace {path}\n{source.rstrip()}\n")

    def _layers_of(self, path: str, name: str | None) -> list[Layer]:
        found = [
            layer
            for layer in layers()
            if path in (layer.target, layer.stack.path) and name in (None, layer.name)
        ]
        if not found:
            present = ", ".join(sorted({layer.target for layer in layers()}))
            raise TargetNotFound(
                f"patches {path}",
                f"livepatch has no such layer; it has layers on: {present or 'nothing'}",
                "look at %patches",
            )
        return found


def _text_call(path: str, cell: str) -> str:
    first = next((line for line in cell.splitlines() if line.strip()), "")
    return f'lp.replace("{path}", """{first} …""")'


def _diff(old: str, new: str, path: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{path} now", f"{path} then", lineterm=""
    )
    return "\n".join(lines)
