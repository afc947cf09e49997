"""How the fix of each pitfall is undone, for the tests that must fail then.

``docs/kernel.md`` and ``docs/security.md`` are the tables that people read;
``tests/soak/pitfalls.py`` undoes one fix after the other in a copy of the package, and runs its
test there.
"""

from __future__ import annotations

from pitfalls_security import SECURITY
from undoing import Undoing
from undoing import undo as _undo

__all__ = ["UNDOINGS", "Undoing"]

FOOTPRINT = (
    "test_kernel_footprint::test_the_process_differs_by_a_short_list_and_by_nothing_in_the_end"
)
TERMINATED = (
    "test_reach_webuis::"
    "test_nothing_is_left_of_a_kernel_but_what_is_swept_when_its_webui_is_terminated"
)
STOP = "test_kernel_interrupts::test_stop_ends_the_cell"
BEFORE = "        self.profile_dir = UsersProfile()\n"

UNDOINGS = (
    # signal() off the main thread
    _undo(
        "kernel/requests.py",
        "        with self.interrupts.awaiting(future):\n            yield",
        "        with super()._cancel_on_sigint(future):\n            yield",
        f"{STOP}[await]",
    ),
    # stdout and stderr
    _undo(
        "kernel/streams.py",
        '    if not object.__getattribute__(router, "_chosen")():\n',
        "    if False:\n",
        "test_kernel_output::test_the_webuis_handlers_print_into_its_own_output_while_a_cell_runs",
    ),
    # threads and pools
    _undo(
        "kernel/footprint.py",
        "            add(inherit_context())\n",
        "",
        "test_kernel_output::test_threads_and_pool_jobs_of_a_cell_print_into_the_notebook",
    ),
    _undo(
        "kernel/context.py",
        '        if _target_of(self) != ("concurrent.futures.thread", "_worker"):\n',
        "        if True:\n",
        "test_kernel_output::test_a_pool_that_a_cell_used_first_still_prints_for_the_webui",
    ),
    # __main__
    _undo(
        "kernel/requests.py",
        'NOTEBOOK_MODULE = "livepatch_notebook"',
        'NOTEBOOK_MODULE = "__main__"',
        "test_kernel_requests::test_a_cell_runs_in_a_module_of_its_own",
        FOOTPRINT,
    ),
    # what an IPython application does to its process
    *(
        _undo("kernel/app.py", BEFORE, f"{BEFORE}        {call}\n", FOOTPRINT)
        for call in (
            "self.init_crash_handler()",
            "self.patch_io()",
            "self.init_path()",
            "self.init_signal()",
            'os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"',
        )
    ),
    *(
        _undo("kernel/shell.py", f"    def {name}(", f"    def _not_{name}(", FOOTPRINT)
        for name in ("init_environment", "init_prompts", "init_builtins")
    ),
    _undo(
        "kernel/shell.py",
        "        self.display_trap = NoDisplayTrap(hook=self.displayhook)\n",
        "",
        FOOTPRINT,
    ),
    _undo(
        "kernel/shell.py",
        "        try:\n            if async_:\n",
        "        self.sys_excepthook, sys.excepthook = sys.excepthook, self.excepthook\n"
        "        try:\n            if async_:\n",
        FOOTPRINT,
    ),
    # %matplotlib inline
    _undo(
        "kernel/shell.py",
        "    def enable_matplotlib(",
        "    def _not_enable_matplotlib(",
        "test_kernel_output::test_figures_are_shown_and_the_webuis_backend_stays",
    ),
    # history
    _undo(
        "kernel/configuration.py",
        "    config.HistoryManager.enabled = False",
        "    config.HistoryManager.enabled = True",
        "test_kernel_requests::test_history_is_kept_in_memory_without_a_thread",
    ),
    # exit
    _undo(
        "kernel/app.py",
        "                    atexit.unregister(getattr(owner, name))\n",
        "                    pass\n",
        FOOTPRINT,
    ),
    _undo(
        "reach/webuis.py",
        "            _sweep(webui)\n",
        "            pass\n",
        "test_reach_webuis::test_a_record_of_a_reused_pid_is_swept",
    ),
    _undo(
        "reach/webuis.py",
        "is_alive(webui.pid, webui.started) and _listens(webui)",
        "is_alive(webui.pid) and _listens(webui)",
        "test_reach_webuis::test_a_record_of_a_reused_pid_is_swept",
    ),
    _undo(
        "kernel/shell.py",
        "    def ask_exit(",
        "    def _not_ask_exit(",
        "test_kernel_requests::test_exit_in_a_cell_leaves_kernel_and_webui_running",
    ),
    # Lab's debugger
    _undo(
        "kernel/debugger.py",
        "if file and file.startswith(folders)]",
        "if file]",
        "test_kernel_debugger::test_the_debugger_does_not_hide_the_webuis_files",
        "test_reach_server::test_the_servers_debugger_stops_in_the_webuis_code",
    ),
    _undo(
        "kernel/debugger.py",
        "        if self._footprint is not None:\n            self._footprint.remove()\n",
        "",
        "test_kernel_debugger::test_a_breakpoint_stops_the_webuis_own_code",
    ),
    # clearing an interrupt
    _undo(
        "kernel/interrupts.py",
        "            for _ in range(64):\n                pass\n",
        "            _set_async_exception(thread_id, None)\n",
        "test_kernel_interrupts::test_an_interrupt_is_never_cleared_but_absorbed",
    ),
    # what a client does
    _undo(
        "reach/provisioner.py",
        "            info = self._with_own_links(info)\n",
        "            pass\n",
        "test_reach_provisioner::test_a_manager_attaches_interrupts_restarts_and_lets_go[ipc]",
    ),
    _undo(
        "reach/provisioner.py",
        " and not self._manager_is_shutting_down:",
        ":",
        "test_reach_provisioner::test_closing_one_notebook_leaves_the_cell_of_another_alone",
        "test_reach_server::test_two_notebooks_of_the_server_share_a_webui",
    ),
    _undo(
        "reach/provisioner.py",
        "            raise NotReachedError(error) from error\n",
        "            raise\n",
        "test_reach_server::test_two_webuis_without_a_choice_are_named_in_the_answer",
    ),
    # is that pid alive
    _undo(
        "processes/process.py",
        "_proc_is_alive(pid) if on_linux() else _psutil_is_alive(pid)",
        "_proc_is_alive(pid)",
        "test_reach_platforms::test_elsewhere_a_running_process_is_told_by_its_start",
    ),
    # the UI is loaded again
    _undo(
        "reach/atstart.py",
        "        _Process.attached = True\n",
        "        pass\n",
        "test_reach_install::test_a_kernel_that_was_taken_out_stays_out_when_the_ui_is_reloaded",
    ),
    _undo(
        "reach/atstart.py",
        "    if _Process.attached or current() is not None:\n        return\n",
        "",
        "test_reach_install::test_the_webui_is_attached_to_when_it_starts_and_once_only[a1111]",
    ),
    # forks
    _undo(
        "kernel/running.py",
        "        os.register_at_fork(after_in_child=_after_fork_in_child)\n",
        "        pass\n",
        "test_kernel_life::test_a_forked_child_has_its_process_to_itself",
    ),
    _undo(
        "reach/attach.py",
        "    os.register_at_fork(after_in_child=_process.forget)",
        "    pass",
        "test_kernel_forks::test_a_child_attaches_though_its_parent_was_detaching",
    ),
    _undo(
        "reach/webuis.py",
        "is_alive(webui.pid, webui.started) and _listens(webui)",
        "is_alive(webui.pid, webui.started)",
        "test_kernel_forks::test_a_restart_by_exec_leaves_no_kernel_to_be_found",
    ),
    # what libraries take for a notebook
    _undo(
        "kernel/footprint.py",
        "                add(answer_in_cells(instance, singletons))\n",
        "                for cls in singletons:\n                    cls._instance = instance\n",
        "test_kernel_requests::test_get_ipython_answers_in_cells_only",
    ),
    _undo(
        "kernel/footprint.py",
        "            sys.modules.pop(NOTEBOOKS_MARK, None)\n",
        "            pass\n",
        "test_kernel_footprint::test_the_webuis_progress_bars_are_those_of_a_terminal",
    ),
    # loops of the host
    _undo(
        "kernel/running.py",
        "loop = asyncio.SelectorEventLoop()\n",
        "loop = asyncio.new_event_loop()\n",
        "test_kernel_life::test_a_webui_with_a_loop_of_its_own_policy_keeps_it",
    ),
    # waits
    _undo(
        "kernel/whilerunning.py",
        "                    slice_waits(self._interrupts.is_executing),\n",
        "",
        "test_kernel_interrupts::test_the_webuis_own_waits_are_the_originals",
        FOOTPRINT,
    ),
    # listening along
    _undo(
        "kernel/configuration.py",
        "    _check_closed_to_others(options)\n    config",
        "    config",
        "test_reach_security::test_a_kernel_that_others_could_reach_is_refused",
    ),
    _undo(
        "kernel/app.py",
        "        if self._curve_keys:\n            self._apply_curve_server_options(socket)\n",
        "",
        "test_reach_security::test_over_tcp_nobody_listens_without_the_servers_key",
    ),
    # attach: who may speak
    _undo(
        "reach/handshake.py",
        "        if not is_signed(signature, key, ASKER, mine, theirs):\n",
        "        if False:\n",
        "test_reach_conversation::test_the_process_tells_nothing_to_who_does_not_know_the_key",
    ),
    _undo(
        "reach/handshake.py",
        '    return number if is_signed(signature, key, b"hello", number) else None\n',
        "    return number\n",
        "test_reach_conversation::test_who_does_not_know_the_key_is_told_nothing",
    ),
    _undo(
        "reach/handshake.py",
        'self._keys[self._other], b"%d" % self._heard, body)',
        'self._keys[self._other], b"0", body)',
        "test_reach_conversation::test_what_is_not_the_next_message_ends_the_conversation",
    ),
    _undo(
        "reach/handshake.py",
        "    if number is not None and number != pid:\n",
        "    if False:\n",
        "test_reach_conversation::test_a_process_that_is_another_one_does_not_get_in",
    ),
    # attach: its asker ends
    _undo(
        "reach/handshake.py",
        "        if not runs(*asker):\n",
        "        if False:\n",
        "test_reach_conversation::test_the_process_does_not_call_when_who_asked_has_ended",
    ),
    _undo(
        "reach/injected.py",
        "        withdraw(attachment)\n",
        "        pass\n",
        "test_reach_broken_off::test_the_asker_is_killed[when the kernel runs-ipc]",
        "test_reach_broken_off::test_the_asker_is_killed[when the order has been given-tcp]",
    ),
    # attach: other worlds, other users
    _undo(
        "reach/inject.py",
        "    _check_surroundings(pid, asked)\n",
        "",
        "test_reach_surroundings::test_it_is_refused_by_name_before_it_is_touched",
    ),
    _undo(
        "reach/inject.py",
        "    if len(them := sorted(users(pid))) > 1:\n",
        "    if not (them := []) and False:\n",
        "test_reach_sudo::test_a_process_that_can_become_root_again_is_left_alone",
    ),
    _undo(
        "reach/injector.py",
        "        cwd=PACKAGES,  # -m looks for modules there first",
        "        #",
        "test_reach_attach::test_the_folder_one_stands_in_holds_no_module_of_ours",
    ),
    _undo(
        "reach/injected.py",
        "        place = self.places.get(name)\n",
        '        place = self.places.get(name) or self.places.get("IPython")\n',
        "test_attach_environments::test_an_environment_without_livepatch_borrows_it_and_nothing_else",
    ),
    # streams that are not there
    _undo(
        "kernel/streams.py",
        "            if type(host) is Router:\n",
        "            if host is None or type(host) is Router:\n",
        "test_kernel_streams::test_a_kernel_hears_whatever_became_of_the_webuis_streams[none]",
        "test_kernel_streams::test_streams_that_were_not_there_are_not_there_again_after_detach",
    ),
    _undo(
        "kernel/requests.py",
        "        with inside(None), webuis_streams_unflushed():\n",
        "        with inside(None):\n",
        "test_kernel_streams::test_a_kernel_hears_while_nobody_reads_what_the_webui_prints",
    ),
    # what cells print
    _undo(
        "kernel/shell.py",
        "        self.history_manager.outputs = NothingKept()\n",
        "",
        "test_kernel_memory::test_what_cells_print_and_display_is_not_kept",
    ),
    _undo(
        "kernel/shell.py",
        "        self.history_manager.exceptions = NothingKept()\n",
        "",
        "test_kernel_memory::test_what_cells_print_and_display_is_not_kept",
    ),
    _undo(
        "kernel/strangers.py",
        "        self.pack = pack\n",
        "        self.pack = __import__('jupyter_client').session.orjson_packer\n",
        "test_kernel_memory::test_a_long_display_with_little_address_space_left",
        "test_kernel_streams::test_what_no_utf8_has_is_printed",
    ),
    _undo(
        "kernel/channels.py",
        "        if not isinstance(string, str) or len(string) <= PIECE:\n",
        "        if True:\n",
        "test_kernel_memory::test_a_long_print_with_little_address_space_left",
    ),
    _undo(
        "kernel/channels.py",
        "                raise failure.with_traceback(None)\n",
        "                pass\n",
        "test_kernel_streams::test_a_print_for_which_there_is_no_memory_is_its_cells_error",
    ),
    _undo(
        "kernel/channels.py",
        "        except Exception as error:\n            self._failure = error\n",
        "        except ZeroDivisionError as error:\n            self._failure = error\n",
        "test_kernel_streams::test_a_print_for_which_there_is_no_memory_is_its_cells_error",
    ),
    _undo(
        "kernel/channels.py",
        "            self.io_loop.call_later(LOOK_AGAIN, self._rebuild_io_state)\n",
        "            pass\n",
        "test_kernel_streams::test_a_channel_looks_at_its_socket_again_after_a_message_that_failed",
    ),
    _undo(
        "kernel/strangers.py",
        ', "copy_threshold": sys.maxsize',
        "",
        FOOTPRINT,
    ),
    # the kernel's loop
    _undo(
        "kernel/running.py",
        "        while not self._ended:\n            try:\n",
        "        for _ in range(1):\n            try:\n",
        "test_kernel_life::test_a_cell_that_stops_the_kernels_loop_does_not_end_the_kernel",
    ),
    _undo(
        "kernel/running.py",
        "            except Exception:  # the process is in order already",
        "            except ZeroDivisionError:  # the process is in order already",
        "test_kernel_life::test_a_kernel_whose_loop_is_broken_ends_in_order_and_says_so",
    ),
    # the profile
    _undo(
        "kernel/shell.py",
        "    def _ipython_dir_changed(",
        "    def _not_ipython_dir_changed(",
        TERMINATED,
    ),
    _undo(
        "kernel/profile.py",
        "        return os.path.isdir(self.location) and os.access(self.location, os.W_OK)\n",
        "        return True\n",
        TERMINATED,
    ),
    # children that cells fork
    _undo(
        "kernel/shell.py",
        "        with children_end_here():\n            return await",
        "        if True:\n            return await",
        "test_kernel_forks::test_a_child_that_a_cell_forks_ends_with_its_cell[to its end]",
    ),
    _undo(
        "kernel/shell.py",
        "        if os.getpid() != self._pid:\n            end_child(",
        "        if False:\n            end_child(",
        "test_kernel_forks::test_a_child_that_a_cell_forks_ends_with_its_cell[exit code]",
    ),
    _undo(
        "kernel/running.py",
        "        end_after_this_step(kernel._loops())\n",
        "",
        "test_kernel_forks::test_a_child_that_a_task_of_a_cell_forks_ends_with_its_task[pass-0]",
    ),
    _undo(
        "kernel/webui_loop.py",
        "            with children_end_here():\n",
        "            if True:\n",
        "test_kernel_forks::test_a_child_that_is_forked_on_the_webuis_loop_ends_with_its_cell",
    ),
    # limits
    _undo(
        "kernel/limits.py",
        "    if left < DESCRIPTORS:\n",
        "    if False:\n",
        "test_kernel_limits::test_with_few_descriptors_left_a_kernel_is_refused_whole",
    ),
    _undo(
        "kernel/limits.py",
        "    if not _has_address_space(ADDRESS_SPACE):\n",
        "    if False:\n",
        "test_kernel_limits::test_with_little_address_space_left_a_kernel_is_refused_whole",
    ),
    _undo(
        "kernel/limits.py",
        "    if not _has_threads(THREADS):\n",
        "    if False:\n",
        "test_kernel_limits::test_with_few_threads_left_a_kernel_is_refused_whole",
    ),
    _undo(
        "kernel/app.py",
        "            *(functools.partial(close_loop, loop) for loop in loops),\n",
        "",
        "test_kernel_limits::test_a_start_that_fails_on_its_way_leaves_nothing_open",
    ),
    # deaf kernels
    _undo(
        "reach/execute.py",
        "            if time.monotonic() >= deadline:\n",
        "            if False:\n",
        "test_reach_deaf::test_who_wants_a_deaf_kernel_is_told_and_offered_a_new_one[exec]",
    ),
    _undo(
        "reach/attach.py",
        "            _abandon()\n",
        "            pass\n",
        "test_reach_deaf::test_a_new_kernel_takes_the_place_of_a_deaf_one_and_the_patches_stay",
    ),
    _undo(
        "reach/hearing.py",
        "now.stopped or now.is_held_up_since(before, seconds)",
        "now.stopped",
        "test_reach_deaf::test_a_process_whose_interpreter_is_held_up_is_busy",
    ),
    _undo(
        "kernel/door.py",
        "            if self._open and left < SHORT:\n",
        "            if False:\n",
        "test_kernel_limits::"
        "test_a_client_that_connects_where_no_descriptor_is_left_does_not_end_the_webui",
    ),
    # the webui's loop
    _undo(
        "notebook/settings.py",
        "    if running_kernel() is not None:\n",
        "    if False:\n",
        "test_notebook_first::test_nest_asyncio_is_refused_in_a_webuis_process",
    ),
    _undo(
        "kernel/webui_loop.py",
        "            self._tell_when_it_holds_the_loop()\n",
        "",
        "test_kernel_webui_loop::test_a_cell_that_holds_the_loop_is_told_so_while_it_does",
    ),
    *SECURITY,
)
