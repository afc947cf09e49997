"""``livepatch attach PID`` in tests."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from reach_support import Place, RunningWebui

BY_HYPNO = not hasattr(sys, "remote_exec")

STATE_SERVER = """
import http.server, json, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        state = [sorted(globals()), [type(f).__name__ for f in sys.meta_path], sys.path]
        names = sorted(t.name for t in threading.enumerate())
        body = json.dumps([*state, names, sorted(set(sys.modules) & {"_pytest", "numpy"})]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""

REMOTE_EXEC = """
import sys
{remote_exec}
sys.remote_exec = remote_exec
from livepatch.reach import inject
inject.PATIENCE = {patience}
from livepatch.cli import main
sys.exit(main(sys.argv[1:]))
"""


def attach(here: Place, webui: RunningWebui, *options: str) -> subprocess.CompletedProcess[str]:
    found = here.livepatch("attach", str(webui.pid), *options)
    assert (found.returncode, found.stderr) == (0, "")
    return found


def refusal(here: Place, pid: int, *python: str, **variables: str) -> list[str]:
    """The three lines of ``livepatch attach PID``, which has changed nothing.

    What a main thread may still come to from 3.14 on lies there until it does.
    """
    command = {"python": python} if python else {}
    before = sorted(here.runtime.glob("*")) if here.runtime.is_dir() else []
    found = here.livepatch("attach", str(pid), **command, **variables)  # type: ignore[arg-type]
    lines = found.stderr.splitlines()
    assert (found.returncode, found.stdout, len(lines)) == (2, "", 3), found.stderr
    assert str(pid) in lines[0] or "runtime folder" in lines[0], lines
    after = sorted(here.runtime.glob("*")) if here.runtime.is_dir() else []
    left = [path for path in after if not path.name.startswith("inject-")]
    assert left == after or "is stopped, or waits" in lines[1], after
    assert [path.suffix for path in left] in ([path.suffix for path in before], [".key"])
    return lines


def threads(webui: RunningWebui) -> int:
    return len(os.listdir(f"/proc/{webui.pid}/task"))


def with_remote_exec(*lines: str, patience: float = 60.0) -> tuple[str, str, str]:
    """The command line in a Python that has a ``sys.remote_exec`` as 3.14 has."""
    body = "\n".join(f"    {line}" for line in lines)
    definition = f"def remote_exec(pid, script):\n{body}"
    code = REMOTE_EXEC.format(remote_exec=definition, patience=patience)
    return sys.executable, "-c", code
