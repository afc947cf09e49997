"""The magics of extensions on disk: ``%export``, ``%lint``.

What does their work is imported when one of them is used first, as most notebooks use neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.reports import Answer

from .calls import Source, call_text, tell
from .words import paths_below, unquoted

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.linting.report import LintReport

    from .completion import Completers


def complete_export(shell: InteractiveShell, event: Any) -> list[str]:  # noqa: ARG001 - IPython's
    """The options of ``%export``, and the flavors behind ``--for``.

    Args:
        shell: the shell that asks.
        event: IPython's completion event: ``line`` and ``symbol``, the word under the cursor.
    """
    words = event.line.split()
    before = words[-2:-1] if event.symbol else words[-1:]
    if before == ["--for"]:
        from livepatch.adapters.known import flavors

        return flavors()
    return ["--to", "--for", "--single-file", "--with-values", "--timeout", "--no-check"]


def complete_lint(shell: InteractiveShell, event: Any) -> list[str]:  # noqa: ARG001 - IPython's
    """Folders and files below the word under the cursor.

    Args:
        shell: the shell that asks.
        event: IPython's completion event.
    """
    return paths_below(event.symbol, ".py", ".js")


@magics_class
class LivepatchAuthoringMagics(Magics):
    """From what was tried to an extension that other webuis load."""

    shell: InteractiveShell
    completes: ClassVar[Completers] = {"export": complete_export, "lint": complete_lint}

    @magic_arguments()
    @argument("name", help="the extension's name: letters, digits, _ and -")
    @argument(
        "--to",
        metavar="FOLDER",
        help="where its folder is made; default: where this webui has its extensions, else here",
    )
    @argument(
        "--for", dest="flavor", metavar="FLAVOR", help="the flavor of webui; default: this webui's"
    )
    @argument("--single-file", action="store_true", help="one self-contained file")
    @argument(
        "--with-values",
        nargs="*",
        default=[],
        metavar="N",
        help="values of the notebook to export too",
    )
    @argument("--timeout", type=float, metavar="S", help="how long the check may take, in seconds")
    @argument("--no-check", action="store_true", help="write it without the check")
    @line_magic
    def export(self, line: str) -> Answer:
        """Write what is live as an extension that needs no livepatch.

        It is linted, and loaded, applied and taken back in a process of its own, before it is put
        in place; what is changed there is compared with what is live::

            %export my-look
            %export my-look --to ~/webui/extensions --for a1111
            %export my-look --single-file --with-values strength palette
        """
        from livepatch.exporting.export import export

        args = parse_argstring(self.export, line)
        folder = [str(Path(unquoted(args.to)).expanduser())] if args.to else []
        options: dict[str, Any] = {
            "name": args.name,
            "flavor": args.flavor,
            "single_file": args.single_file,
            "with_values": args.with_values or (),
        }
        if args.timeout is not None:
            options["timeout"] = args.timeout
        said = {name: value for name, value in options.items() if value}
        if args.no_check:
            options["check"] = False
            said["check"] = Source("False")
        done = export(*folder, **options)
        return Answer(str(done), call_text("lp.export", *folder, **said))

    @magic_arguments()
    @argument("path", nargs="?", help="an extension's folder, or one file")
    @argument("--run", action="store_true", help="import its files in clean processes as well")
    @line_magic
    def lint(self, line: str) -> LintReport:
        """Check an extension against the rules of extensions.

        For example ``%lint extensions/my-look``. A finding is excused by a comment that says why:
        ``# livepatch: ignore[LP101] the reason``.
        """
        from livepatch.linting.lint import lint

        args = parse_argstring(self.lint, line)
        if not args.path:
            raise UsageError("%lint needs the folder of an extension, or a file")
        path = Path(unquoted(args.path)).expanduser()
        tell(call_text("lp.lint", str(path), run=args.run))
        return lint(path, run=args.run)
