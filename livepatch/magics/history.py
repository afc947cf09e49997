"""The magics of the journal: ``%undo``, ``%redo``, ``%journal``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.history import journal, redo, undo
from livepatch.reports import Answer, JournalReport

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.history import Journal
    from livepatch.history.replaying import Replayed
    from livepatch.reports import Report
    from livepatch.reports.diff import Diff


@magics_class
class History(Magics):
    """Go back and forth in what was changed, and look at it."""

    shell: InteractiveShell

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
    @argument("--saved", action="store_true", help="what was live before the webui's last start")
    @argument("--replay", nargs="*", type=int, metavar="N", help="make that true again, or steps N")
    @line_magic
    def journal(self, line: str) -> Journal | Diff | Report[Replayed]:
        """Show every change since the webui was attached to, each with its difference.

        For example ``%journal``, or ``%journal --diff 3``. After a restart of the webui,
        ``%journal --saved`` shows what was live before, and ``%journal --replay`` makes it true
        again; what does not fit any more is shown as stale, with the reason, and left alone.
        """
        args = parse_argstring(self.journal, line)
        if sum([args.diff is not None, args.saved, args.replay is not None]) > 1:
            raise UsageError("%journal takes one of --diff, --saved and --replay")
        if args.saved:
            print("= lp.journal.saved()")
            return journal.saved(self.shell.user_ns)
        if args.replay is not None:
            print(f"= lp.journal.replay({', '.join(map(str, args.replay))})")
            return journal.replay(*args.replay, namespace=self.shell.user_ns)
        if args.diff is None:
            print("= lp.journal")
            return journal
        shown = JournalReport(journal).diff(args.diff)
        print(f"= lp.reports.JournalReport(lp.journal).diff({args.diff})")
        return shown
