"""The magics of the journal: ``%undo``, ``%redo``, ``%journal``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.history import journal, redo, undo
from livepatch.reports import Answer, JournalReport

if TYPE_CHECKING:
    from livepatch.history import Journal
    from livepatch.reports.diff import Diff


@magics_class
class History(Magics):
    """Go back and forth in what was changed, and look at it."""

    @magic_arguments()
    @line_magic
    def undo(self, line: str) -> Answer:
        """Take the last change back: what ran before it runs again.

        For example ``%undo``; ``%redo`` makes it true again.
        """
        parse_argstring(self.undo, line)
        return Answer(undo(), "lp.undo()")

    @magic_arguments()
    @line_magic
    def redo(self, line: str) -> Answer:
        """Make the change true again that was undone last.

        For example ``%redo`` after ``%undo``.
        """
        parse_argstring(self.redo, line)
        return Answer(redo(), "lp.redo()")

    @magic_arguments()
    @argument("--diff", type=int, metavar="N", help="what step N changed, as a difference")
    @line_magic
    def journal(self, line: str) -> Journal | Diff:
        """Show every change since the webui was attached to, each with its difference.

        For example ``%journal``, or ``%journal --diff 3``.
        """
        args = parse_argstring(self.journal, line)
        if args.diff is None:
            print("= lp.journal")
            return journal
        shown = JournalReport(journal).diff(args.diff)
        print(f"= lp.reports.JournalReport(lp.journal).diff({args.diff})")
        return shown
