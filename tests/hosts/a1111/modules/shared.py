"""The state, the options and the page that everything shares."""

import threading
import types


class Options:
    def __init__(self):
        self.data = {"disabled_extensions": []}

    def __getattr__(self, name):
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None


class State:
    def __init__(self):
        self.job = ""
        self.job_count = 0
        self.sampling_step = 0
        self.sampling_steps = 0
        self.interrupted = False
        self._server_command = None
        self._signal = threading.Event()

    @property
    def server_command(self):
        return self._server_command

    @server_command.setter
    def server_command(self, value):
        self._server_command = value
        self._signal.set()

    def wait_for_server_command(self, timeout=None):
        if not self._signal.wait(timeout):
            return None
        self._signal.clear()
        command, self._server_command = self._server_command, None
        return command

    def request_restart(self):
        self.interrupt()
        self.server_command = "restart"

    def interrupt(self):
        self.interrupted = True

    def begin(self, job):
        self.job, self.job_count, self.interrupted = job, 1, False

    def end(self):
        self.job, self.job_count, self.sampling_step, self.sampling_steps = "", 0, 0, 0


cmd_opts = types.SimpleNamespace(disable_all_extensions=False)
opts = Options()
state = State()
demo = None
page = []
"""The controls of txt2img as they were drawn: what a browser sends the values of."""
