"""SD.Next's way to reload: its server ends, and a loop in the same process starts it again."""

import time
import types

from modules import script_callbacks, shared, timer
from modules.webui_start import free_port, start


def restart_server(restart=True):
    server = shared.demo.server
    server.wants_restart = restart
    server.should_exit = True


def start_ui(port, restart):
    if restart:
        script_callbacks.app_reload_callback()
        script_callbacks.script_unloaded_callback()
    app, server = start(port)
    server.wants_restart = False
    shared.demo = types.SimpleNamespace(server=server)
    script_callbacks.app_started_callback(shared.demo, app)
    timer.startup.reset()
    return server


def main():
    shared.restart_server = restart_server
    port = free_port()
    server = start_ui(port, restart=False)
    while server.thread.is_alive() or server.wants_restart:
        if not server.thread.is_alive():
            server = start_ui(port, restart=True)
        time.sleep(0.05)
