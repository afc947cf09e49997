"""The magics that look and change nothing: ``%where``, ``%trace``, ``%diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.engine.layers.trace import traces
from livepatch.engine.naming.following import full_name
from livepatch.reports.calls import end_trace, trace, traced
from livepatch.reports.differences import diff
from livepatch.reports.found import where

from .calls import call_text, tell
from .completion import complete_looking
from .live_patch import TARGET_HELP

if TYPE_CHECKING:
    from livepatch.engine.layers.trace import Call
    from livepatch.looking.where import Hit
    from livepatch.reports import Answer, Report
    from livepatch.reports.differences import Diff

    from .completion import Completers


@magics_class
class LivepatchLookingMagics(Magics):
    """Look at the running webui: where a function is, who calls it, what was changed of it."""

    completes: ClassVar[Completers] = dict.fromkeys(("where", "trace", "diff"), complete_looking)

    @magic_arguments()
    @argument("pattern", nargs="+", help="a part of a name or of a line, or a regular expression")
    @argument("--all", action="store_true", help="search packages and the standard library too")
    @argument("--limit", type=int, default=40, help="how many to show (default: 40)")
    @no_var_expand
    @line_magic
    def where(self, line: str) -> Report[Hit]:
        """Find functions, methods and classes of the running webui by name or by source text.

        Names come first, then the lines that match, of the webui's own modules before those of its
        extensions. For example ``%where denoise``, or ``%where --all blocks.launch``.
        """
        args = parse_argstring(self.where, line)
        pattern = _unquoted(" ".join(args.pattern))
        limit = None if args.limit == 40 else args.limit
        tell(call_text("lp.reports.where", pattern, everywhere=args.all, limit=limit))
        return where(pattern, everywhere=args.all, limit=args.limit)

    @magic_arguments()
    @argument("target", nargs="?", help=TARGET_HELP)
    @argument("--calls", type=int, help="how many calls to record (default: 20)")
    @argument("--off", action="store_true", help="end the trace of the target, or all traces")
    @line_magic
    def trace(self, line: str) -> Answer | Report[Call]:
        """Record the next calls of a target, without changing what they do.

        ``%trace T`` begins, and ends a trace that records; ``%trace`` shows what was recorded:
        arguments and results in a few words, exceptions, milliseconds, the caller. For example
        ``%trace livepatch.demo.sampler.denoise_step --calls 5``. A trace is no step of the journal.
        """
        args = parse_argstring(self.trace, line)
        if args.off and args.calls is not None:
            raise UsageError("%trace takes --calls or --off, not both")
        if args.off:
            return end_trace(args.target)
        if not args.target:
            if args.calls is not None:
                raise UsageError("%trace --calls needs a target")
            tell("lp.reports.traced()")
            return traced()
        recording = any(
            t.target == full_name(args.target) and t.state == "recording" for t in traces()
        )
        if recording and args.calls is None:
            print(end_trace(args.target))
            return traced(args.target)
        return trace(args.target, args.calls if args.calls is not None else 20)

    @magic_arguments()
    @argument("target", help=TARGET_HELP)
    @argument(
        "--patch", action="store_true", help="show a patch of the original file, for git apply"
    )
    @line_magic
    def diff(self, line: str) -> Diff:
        """Show what the layers of livepatch change of a target.

        For example ``%diff livepatch.demo.sampler.denoise_step``; with ``--patch`` as a unified
        difference of the original file, which ``git apply`` takes.
        """
        args: Any = parse_argstring(self.diff, line)
        shown = diff(args.target, patch=args.patch)
        tell(call_text("lp.reports.diff", args.target, patch=args.patch))
        return shown


def _unquoted(text: str) -> str:
    """A pattern that was put into quotes for its blanks or dashes."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
