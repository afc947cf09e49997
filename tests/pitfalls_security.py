"""How the fixes of ``docs/security.md`` are undone; see ``pitfalls.py``."""

from __future__ import annotations

from undoing import undo as _undo

SECURITY = (
    # files: whose they are, and who can write them
    _undo(
        "files/trusted.py",
        "    if uid not in trusted_uids():\n",
        "    if False:\n",
        "test_files_trusted"
        "::test_a_file_of_somebody_else_is_refused_and_says_whose_it_is_and_what_allows_it",
        "test_files_trusted::test_a_folder_of_somebody_else_anywhere_above_is_refused",
        "test_journal_trust::test_a_journal_of_another_user_is_refused_and_trusted_when_told_so",
        "test_watching_files::test_a_file_of_somebody_else_is_an_error_and_says_what_allows_it",
    ),
    _undo(
        "files/trusted.py",
        "    if mode & stat.S_IWOTH:\n",
        "    if False:\n",
        "test_attach_environments::test_packages_that_everybody_can_write_are_not_lent",
    ),
    # files that we make
    _undo(
        "files/private.py",
        "        os.fchmod(handle, mode)\n",
        "        os.fchmod(handle, 0o666)\n",
        "test_files_modes::test_what_is_made_has_the_modes_of_the_table",
    ),
    # records and journals are data
    _undo(
        "reach/records.py",
        "    except RecursionError:\n",
        "    except ZeroDivisionError:\n",
        "test_reach_records::test_a_record_that_is_wrong_is_named_and_passed_over",
    ),
    _undo(
        "reach/records.py",
        "        if not is_base_of(Path(ip), path.parent, path.stem):\n",
        "        if False:\n",
        "test_reach_records::test_a_record_that_is_wrong_is_named_and_passed_over",
    ),
    _undo(
        "history/shapes.py",
        "    except (ValueError, RecursionError):",
        "    except ZeroDivisionError:",
        "test_journal_trust::test_a_damaged_line_is_named_and_passed_over",
    ),
    _undo(
        "history/standing.py",
        '    if has_ended is False:\n        return "running", ""\n',
        '    if has_ended is False:\n        return "ended", ""\n',
        "test_journal_sessions::test_several_processes_write_side_by_side",
    ),
    # exports
    _undo(
        "exporting/place.py",
        'Path(tempfile.mkdtemp(prefix=f".{self._name}-", dir=self._folder))',
        'self._folder / f".{self._name}-{os.getpid()}"',
        "test_export_place::test_links_made_beforehand_send_no_file_elsewhere",
    ),
    _undo(
        "exporting/place.py",
        "        if not os.path.lexists(self._held):\n            return\n",
        "        return\n",
        "test_export_place::test_what_stands_in_its_place_is_left_alone",
    ),
    # names
    _undo(
        "engine/shown.py",
        "    if text.isprintable():  # most are, and tables have thousands of cells\n",
        "    if True:\n",
        "test_shown::test_an_error_has_three_lines_whatever_it_quotes",
        "test_lint_hostile::test_names_reach_no_terminal_raw",
    ),
    # lint
    _undo(
        "files/untrusted.py",
        "    if not stat.S_ISREG(status.st_mode):\n",
        "    if False:\n",
        "test_lint_hostile::test_what_cannot_be_looked_at_is_a_finding_and_the_rest_is_reported",
    ),
    # messages
    _undo(
        "kernel/strangers.py",
        "        except ValueError:\n            return [], []\n",
        "        except ZeroDivisionError:\n            return [], []\n",
        "test_reach_security::test_a_wrong_key_gets_nothing_and_one_line_in_the_log",
    ),
    # root
    _undo(
        "reach/inject.py",
        "    if len(them := sorted(users(pid))) > 1:\n",
        "    if (them := sorted(users(pid))) and False:\n",
        "test_reach_sudo::test_a_process_that_can_become_root_again_is_left_alone",
    ),
)
