"""The magics of the journal: ``%undo``, ``%redo``, ``%journal``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from livepatch.history import journal, redo, undo
from livepatch.reports import Answer

from .calls import call_text, tell
from .completion import complete_looking

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.history import Journal
    from livepatch.history.replaying import Replayed
    from livepatch.history.sessions import SavedSession
    from livepatch.reports import Report
    from livepatch.reports.differences import Diff

    from .completion import Completers


LAST = "last"  # of the sessions before this one


@magics_class
class LivepatchHistoryMagics(Magics):
    """Go back and forth in what was changed, and look at it."""

    completes: ClassVar[Completers] = dict.fromkeys(("journal",), complete_looking)

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
    @argument("--diff", type=int, metavar="N", help="show what step N changed, as a difference")
    @argument(
        "--saved",
        nargs="?",
        const=LAST,
        metavar="SESSION",
        help="show what was live before the webui's last start, or at the end of SESSION",
    )
    @argument(
        "--replay",
        nargs="*",
        type=int,
        metavar="N",
        help="replay what was live then, or only the steps N",
    )
    @argument("--session", metavar="SESSION", help="the session to replay")
    @argument("--sessions", action="store_true", help="list the sessions on disk")
    @line_magic
    def journal(self, line: str) -> Journal | Diff | Report[Replayed] | Report[SavedSession]:
        """Show every change since the webui was attached to, each with its difference.

        For example ``%journal``, or ``%journal --diff 3``. After a restart of the webui,
        ``%journal --saved`` shows what was live before, and ``%journal --replay`` makes it true
        again; what does not fit any more is shown as stale, with the reason, and left alone.
        ``%journal --sessions`` lists the sessions, ``%journal --saved 7`` looks at one of them, and
        ``%journal --replay --session 7`` replays it.
        """
        args = parse_argstring(self.journal, line)
        wanted = [args.diff is not None, args.saved is not None, args.replay is not None]
        if sum([*wanted, args.sessions]) > 1:
            raise UsageError("%journal takes one of --diff, --saved, --replay and --sessions")
        if args.session is not None and args.replay is None:
            raise UsageError("%journal takes --session with --replay; to look: --saved SESSION")
        if args.sessions:
            tell("lp.journal.sessions()")
            return journal.sessions()
        if args.saved is not None:
            session = None if args.saved == LAST else args.saved
            tell(call_text("lp.journal.saved", *([] if session is None else [session])))
            return journal.saved(session, namespace=self.shell.user_ns)
        if args.replay is not None:
            tell(call_text("lp.journal.replay", *args.replay, session=args.session))
            return journal.replay(*args.replay, session=args.session, namespace=self.shell.user_ns)
        if args.diff is None:
            tell("lp.journal")
            return journal
        shown = journal.diff(args.diff)
        tell(f"lp.journal.diff({args.diff})")
        return shown
