"""``--time`` of ``%middleware``, ``%routes``, ``%events``, ``%callbacks`` and ``%hooks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics

from .calls import Source, call_text, tell

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from livepatch.measure import Timing

TIME_HELP = "start recording where the time goes; again: show it; with --off: end it"
OFF_HELP = "with --time: end the recording and show it"


class TimedMagics(Magics):
    """Magics with ``--time``: the recordings that it has begun, by the line that began them."""

    def __init__(self, shell: InteractiveShell | None = None, **options: Any) -> None:
        super().__init__(shell, **options)
        self._timings: dict[tuple[str, str], Timing] = {}

    def timed(self, magic: str, args: Any, app: Any = None, shown_app: str = "") -> Timing:
        """Begin to record, show what was recorded so far, or end it.

        Args:
            magic: the magic's name: what is timed, as ``lp.timing`` calls it.
            args: the parsed line: ``off``, and ``action`` and ``names``, which do not go with it.
            app: whose requests; None: the webui's own.
            shown_app: the same as the user wrote it.

        Returns:
            The recording, which shows as a table with bars.

        Raises:
            UsageError: there is nothing to end, or the line says more.
            LivepatchError: there is nothing to time.
        """
        if args.action is not None or args.names:
            raise UsageError(f"%{magic}: --time and --off take no other arguments")
        key = (magic, shown_app)
        found = self._timings.get(key)
        if found is not None and not found.is_recording:
            found = None
        option = f" --app {shown_app}" if shown_app else ""
        if args.off:
            if found is None:
                raise UsageError(
                    f"%{magic} --off: no recording is running; %{magic} --time starts one"
                )
            del self._timings[key]
            tell("t.stop()")
            return found.stop()
        if found is None:
            from livepatch.this_webui.timing import timing

            found = self._timings[key] = timing(app, only=[magic]).start()
            given = [Source(shown_app)] if shown_app else []
            tell(f"t = {call_text('lp.timing', *given, only=[magic])}.start()")
            print(f"%{magic} --time{option} shows it, %{magic} --time --off{option} ends it")
        return found
