// The engine's tests on the CPython that Pyodide carries: the way to a version that this machine
// has no interpreter of. Usage: node engine_on_webassembly.mjs PYODIDE WHEELS REPOSITORY TEST…
// WHEELS holds pytest and what it needs. What WebAssembly does not have (threads, processes,
// sockets) is skipped, with that as the reason.
import path from "node:path";
import { pathToFileURL } from "node:url";

const [pyodide, wheels, repository, ...tests] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(path.resolve(pyodide, "pyodide.mjs")));
const python = await loadPyodide();
for (const [inside, root] of [["/wheels", wheels], ["/repository", repository]]) {
  python.FS.mkdirTree(inside);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: path.resolve(root) }, inside);
}
python.globals.set("tests", python.toPy(tests));
const code = await python.runPythonAsync(`
import asyncio, glob, os, sys, zipfile

for wheel in glob.glob("/wheels/*.whl"):
    zipfile.ZipFile(wheel).extractall("/site")
sys.path[:0] = ["/site", "/repository", "/repository/tests"]
sys.dont_write_bytecode = True
os.chdir("/repository")
import pytest


class Loop(asyncio.BaseEventLoop):
    """Python's own event loop, without sockets: Pyodide's cannot wait."""

    def __init__(self):
        super().__init__()
        self._selector = self

    def select(self, timeout):
        if timeout is None:  # no thread, socket or signal can ever wake it
            raise RuntimeError("Operation not supported: nothing else runs")
        return []

    def _process_events(self, events): ...
    def _write_to_self(self): ...
    def _check_running(self): ...

    def run_forever(self):
        outer = asyncio.events._get_running_loop()
        task = asyncio.current_task(outer)
        if task is not None:
            asyncio.tasks._leave_task(outer, task)
        asyncio.events._set_running_loop(None)
        try:
            super().run_forever()
        finally:
            asyncio.events._set_running_loop(outer)
            if task is not None:
                asyncio.tasks._enter_task(outer, task)


def run(main, **_):
    loop = Loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)


asyncio.run, asyncio.new_event_loop = run, Loop
MISSING = ("can't start new thread", "cannot join thread before", "emscripten does not support",
           "Function not implemented", "Operation not supported", "not available on this platform",
           "Protocol not supported", "Not supported", "add_signal_handler", "No child process",
           "Host is unreachable", "Errno 28", "SO_REUSEADDR", "setitimer")


class Plugin:
    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        said = str(call.excinfo.value) if call.excinfo else ""
        if report.failed and any(words in said for words in MISSING):
            report.outcome = "skipped"
            report.longrepr = (str(item.path), None, "Skipped: WebAssembly: " + said[:60])


print("-- CPython", sys.version.split()[0], "on WebAssembly", flush=True)
options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "timeout=", "-W", "default"]
int(pytest.main([*options, *tests], plugins=[Plugin()]))
`);
process.exit(code);
