"""The webui: one app after another, a new one for each "Reload UI"."""

from modules import launch_utils, script_callbacks, shared, timer
from modules.webui_start import free_port, start


def main():
    launch_utils.git_tag()
    port = free_port()
    while True:
        app, server = start(port)
        script_callbacks.app_started_callback(shared.demo, app)
        timer.startup_record = timer.startup_timer.dump()
        while shared.state.wait_for_server_command() != "restart":
            pass
        server.should_exit = True
        server.thread.join()
        script_callbacks.app_reload_callback()
        script_callbacks.script_unloaded_callback()
