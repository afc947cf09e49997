"""What ``--time`` does (``%middleware``, ``%routes``, ``%events``, ``%callbacks``, ``%hooks``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from livepatch.webui.timing import timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livepatch.measure import Timing

TIME_HELP = "record where the time goes; again: show it; with --off: end it"
OFF_HELP = "of --time: end the recording and show it"


class TimeOption:
    """The recordings that ``--time`` has begun, by the line that began them."""

    def __init__(self) -> None:
        self._timings: dict[tuple[str, str], Timing] = {}

    def answer(
        self,
        magic: str,
        only: Sequence[str],
        *,
        off: bool = False,
        app: Any = None,
        shown_app: str = "",
    ) -> Timing:
        """Begin to record, show what was recorded so far, or end it.

        Args:
            magic: the magic's name without ``%``.
            only: the kinds to time, as ``lp.timing`` takes them.
            off: whether to end it.
            app: whose requests; None: the webui's own.
            shown_app: the same as the user wrote it.

        Returns:
            The recording, which shows as a table with bars.

        Raises:
            UsageError: there is nothing to end.
            LivepatchError: there is nothing to time.
        """
        key = (magic, shown_app)
        found = self._timings.get(key)
        if found is not None and not found.is_recording:
            found = None
        option = f" --app {shown_app}" if shown_app else ""
        if off:
            if found is None:
                raise UsageError(f"%{magic} --off: nothing is recorded; %{magic} --time begins")
            del self._timings[key]
            print("= t.stop()")
            return found.stop()
        if found is None:
            found = self._timings[key] = timing(app, only=only).start()
            arguments = ", ".join([*([shown_app] if shown_app else []), f"only={[*only]!r}"])
            print(f"= t = lp.timing({arguments}).start()")
            print(f"%{magic} --time{option} shows it, %{magic} --time --off{option} ends it")
        return found
