"""Whatever arrives at a kernel's sockets: nothing is obeyed, the kernel and the webui live on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from message_storm import storm

if TYPE_CHECKING:
    from reach_support import Place


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_messages_that_nobody_should_send_are_refused_and_harm_nothing(
    here: Place, transport: str
) -> None:
    webui = here.start(LIVEPATCH_TRANSPORT=transport)
    (record,) = here.runtime.glob("*.json")
    marker = here.folder / "obeyed"
    storm(json.loads(record.read_text()), marker, messages=600, seed=1)
    assert not marker.exists()
    # The same channels answer those who have the key, after all of the above.
    assert here.livepatch("exec", "-c", "replayed").stdout == "1\n"
    assert [entry["pid"] for entry in json.loads(here.livepatch("list", "--json").stdout)] == [
        webui.pid
    ]
    assert webui.get() == "hello"
