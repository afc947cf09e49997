"""Runs one piece of code in a webui, for scripts and CI."""

from __future__ import annotations

import queue
import re
import sys
import time
from typing import Any, TextIO

from livepatch.errors import WebuiNotFound

from .hearing import GLANCE, PATIENCE, hear, silent
from .webuis import Webui, client_of

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LOOK_AFTER = 0.5  # seconds between two looks at whether the webui still runs


def execute(
    webui: Webui, code: str, *, out: TextIO | None = None, err: TextIO | None = None
) -> bool:
    """Run code in a webui's notebook namespace and pass on what it prints.

    ``KeyboardInterrupt`` in the caller interrupts the cell, never the webui.

    Args:
        webui: where to run it.
        code: one cell: Python, magics, top-level ``await``.
        out: gets what the cell prints, then the text of its last expression; default
            ``sys.stdout``.
        err: gets what the cell writes to stderr, and a traceback; default ``sys.stderr``.

    Returns:
        Whether the cell ran without an exception.

    Raises:
        WebuiNotFound: the webui ended meanwhile.
        KernelSilent: its kernel gave no answer within 5 s, and the code was not sent.
    """
    return _Cell(webui, code, out or sys.stdout, err or sys.stderr).run()


class _Cell:
    """One cell on its way: the request, the output that comes back, and its end."""

    def __init__(self, webui: Webui, code: str, out: TextIO, err: TextIO) -> None:
        self.webui, self.code, self.out, self.err = webui, code, out, err
        self.client = client_of(webui)
        self.began = False

    def run(self) -> bool:
        self.client.start_channels(stdin=False, hb=False)
        try:
            self._wait_for_output_channel()
            self._request = self.client.execute(self.code, allow_stdin=False, store_history=False)
            while True:
                try:
                    self._pass_on_output()
                    break
                except KeyboardInterrupt:
                    self._interrupt()
            return self._succeeded()
        finally:
            self.client.stop_channels()
            self.client.context.destroy(linger=200)

    def _wait_for_output_channel(self) -> None:
        """Wait until output arrives: what comes before a ZeroMQ subscription took hold is lost.

        The question goes over the control channel, which answers while another notebook's cell
        runs.
        """
        asked: set[str] = set()
        ask_again = 0.0
        deadline = time.monotonic() + PATIENCE
        while True:
            if time.monotonic() >= deadline:
                self._refuse_silent_kernel()
            if time.monotonic() >= ask_again:
                question = self.client.session.msg("kernel_info_request", {})
                self.client.control_channel.send(question)
                asked.add(question["header"]["msg_id"])
                ask_again = time.monotonic() + 0.2
            message = self._next_output(0.05)
            if message is not None and message["parent_header"].get("msg_id") in asked:
                return

    def _refuse_silent_kernel(self) -> None:
        (hearing,) = hear([self.webui], GLANCE)
        what = "the channel of its output" if hearing.state == "answers" else "its kernel"
        raise silent(self.webui, f"run code in {self.webui}", hearing, PATIENCE, what)

    def _next_output(self, timeout: float) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            self._check_webui()
            return None
        return message

    def _pass_on_output(self) -> None:
        while True:
            message = self._next_output(LOOK_AFTER)
            if message is None or message["parent_header"].get("msg_id") != self._request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                self.began = True
                if content["execution_state"] == "idle":
                    return
            elif kind == "stream":
                self._write(self.out if content["name"] == "stdout" else self.err, content["text"])
            elif kind in ("execute_result", "display_data"):
                self._write(self.out, content["data"].get("text/plain", "") + "\n")
            elif kind == "error":
                self._write(self.err, "\n".join(content["traceback"]) + "\n")

    def _succeeded(self) -> bool:
        """Whether the kernel calls it a success; a misspelt magic sends no error of its own."""
        while True:
            try:
                reply = self.client.get_shell_msg(timeout=LOOK_AFTER)
            except queue.Empty:
                self._check_webui()
                continue
            if reply["parent_header"].get("msg_id") == self._request:
                return bool(reply["content"]["status"] == "ok")

    def _check_webui(self) -> None:
        if not self.webui.is_running:
            raise WebuiNotFound(
                f"run code in {self.webui}",
                "the webui ended, or detached its kernel, before the code had finished",
                "see what runs: livepatch list",
            )

    def _write(self, stream: TextIO, text: str) -> None:
        if stream is self.err and not stream.isatty():
            text = COLOUR.sub("", text)
        stream.write(text)
        stream.flush()

    def _interrupt(self) -> None:
        if not self.began:
            # The running cell is another notebook's: leave, rather than interrupt that one.
            raise KeyboardInterrupt
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))
