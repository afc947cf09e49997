"""Whose files are read: those of trusted owners, with no way in for others; how ours are made."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from livepatch.errors import FileNotTrusted
from livepatch.files import (
    append_private,
    check_trusted,
    private_folder,
    read_trusted,
    trusted_folder,
    write_private,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
as_root = pytest.mark.skipif(
    os.name == "posix" and os.geteuid() != 0, reason="only root can give files away"
)
SOMEBODY = 54321  # an id that has no account


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "project" / "patch.py"
    path.parent.mkdir(mode=0o755)
    path.write_text("text")
    path.chmod(0o644)
    return path


def refusal(path, **options):
    with pytest.raises(FileNotTrusted) as refused:
        read_trusted(path, "read it", **options)
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert lines[0] == "read it"
    return lines[1], lines[2]


def test_a_file_of_the_user_is_read(file):
    assert read_trusted(file, "read it") == b"text"


@as_root
def test_a_file_of_somebody_else_is_refused_and_says_whose_it_is_and_what_allows_it(file):
    os.chown(file, SOMEBODY, -1)
    found, advice = refusal(file)
    assert f"{file} belongs to uid {SOMEBODY}" in found
    assert f"LIVEPATCH_TRUST_UIDS={SOMEBODY}" in advice
    assert f"chown 0 {file}" in advice


@as_root
def test_owners_that_the_user_names_are_trusted_and_a_typing_error_trusts_nobody(file, monkeypatch):
    os.chown(file, SOMEBODY, -1)
    monkeypatch.setenv("LIVEPATCH_TRUST_UIDS", f"1000, {SOMEBODY}")
    assert read_trusted(file, "read it") == b"text"
    monkeypatch.setenv("LIVEPATCH_TRUST_UIDS", f"1000,{SOMEBODY}x")
    assert "belongs to" in refusal(file)[0]


@as_root
@pytest.mark.parametrize("above", ["project", "."])
def test_a_folder_of_somebody_else_anywhere_above_is_refused(file, above):
    folder = file.parent if above == "project" else file.parent.parent
    os.chown(folder, SOMEBODY, -1)
    assert f"{folder} belongs to uid {SOMEBODY}" in refusal(file)[0]


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o646])
def test_a_file_that_everybody_can_write_is_refused(file, mode):
    file.chmod(mode)
    found, advice = refusal(file)
    assert f"{file} is writable by everybody (mode {mode:04o})" in found
    assert advice.endswith(f"chmod o-w {file}")


@pytest.mark.parametrize("levels", [1, 2])
def test_a_folder_that_everybody_can_write_is_refused_unless_it_is_sticky(file, levels):
    folder = file.parents[levels - 1]
    folder.chmod(0o777)
    found, advice = refusal(file)
    assert f"{folder} is writable by everybody" in found
    assert f"chmod +t {folder}" in advice
    folder.chmod(0o1777)
    assert read_trusted(file, "read it") == b"text"


@as_root
def test_a_group_may_write_only_where_it_is_the_owners_alone(file, a_user):
    own, shared = a_user.pw_gid, 12  # "man", which has other members' files
    os.chown(file, a_user.pw_uid, own)
    file.chmod(0o664)
    os.environ["LIVEPATCH_TRUST_UIDS"] = str(a_user.pw_uid)
    try:
        assert read_trusted(file, "read it") == b"text"
        os.chown(file, a_user.pw_uid, shared)
        file.chmod(0o664)
        found, advice = refusal(file)
        assert f"(gid {shared})" in found
        assert advice.endswith(f"chmod g-w {file}")
        os.chown(file, SOMEBODY, SOMEBODY)  # no entries, as in a container: the same number
        os.environ["LIVEPATCH_TRUST_UIDS"] = str(SOMEBODY)
        assert read_trusted(file, "read it") == b"text"
    finally:
        del os.environ["LIVEPATCH_TRUST_UIDS"]


def test_a_link_is_refused_and_where_links_are_allowed_what_it_leads_to_counts(file, tmp_path):
    link = tmp_path / "link.py"
    link.symlink_to(file)
    assert "is a link" in refusal(link)[0]
    assert read_trusted(link, "read it", links=True) == b"text"
    file.chmod(0o666)
    assert f"{file} is writable by everybody" in refusal(link, links=True)[0]


@as_root
def test_a_link_of_somebody_else_on_the_way_is_refused(file, tmp_path):
    way = tmp_path / "way"
    way.symlink_to(file.parent)
    assert read_trusted(way / file.name, "read it") == b"text"
    os.chown(way, SOMEBODY, -1, follow_symlinks=False)
    assert f"{way} belongs to uid {SOMEBODY}" in refusal(way / file.name)[0]


def test_links_that_lead_in_a_circle_end_in_a_refusal(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert "too many links" in refusal(one, links=True)[0]


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "a named pipe" in refusal(pipe)[0]
    assert "a folder" in refusal(tmp_path)[0]
    assert (
        "a device" in refusal("/dev/zero")[0] or "writable by everybody" in refusal("/dev/zero")[0]
    )


def test_a_file_that_is_too_long_is_refused(file):
    assert read_trusted(file, "read it", longest=4) == b"text"
    assert "longer than 3 bytes" in refusal(file, longest=3)[0]


def test_a_name_that_would_move_the_cursor_is_written_out_in_three_lines(tmp_path):
    file = tmp_path / "a\x1b[2Jb\nc.py"
    file.write_text("text")
    file.chmod(0o666)
    found, advice = refusal(file)
    assert f"{tmp_path}/a\\x1b[2Jb\\nc.py is writable by everybody" in found
    typed = advice.partition("chmod o-w ")[2]
    subprocess.run(["bash", "-c", f"chmod o-w {typed}"], check=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o664


def test_what_is_checked_is_what_is_read(tmp_path):
    """ "link/.." is one place as a text and another one for the system."""
    for name in ("here", "there/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "here/link").symlink_to(tmp_path / "there/deep")
    (tmp_path / "here/file").write_text("checked")
    (tmp_path / "there/file").write_text("another")
    os.utime(tmp_path / "there/file", (1, 1))
    assert read_trusted(f"{tmp_path}/here/link/../file", "read it") == b"checked"


def test_what_is_missing_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_trusted(tmp_path / "missing", "read it")


IN_A_SANDBOX = """
import ctypes, os, sys
from livepatch.errors import FileNotTrusted
from livepatch.files import check_trusted
os.setgroups([]); os.setresgid(USER, USER, USER); os.setresuid(USER, USER, USER)
libc = ctypes.CDLL(None)
libc.prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is ours again after the change of user
if libc.unshare(0x10000000):  # CLONE_NEWUSER
    sys.exit("no user namespaces here")
open("/proc/self/uid_map", "w").write(f"0 {USER} 1")
assert os.geteuid() == 0 and os.lstat("/").st_uid == 65534
check_trusted(FILE, "look at it")
try:
    check_trusted("/usr", "look at it")
except FileNotTrusted as refused:
    print(refused.found)
"""


@as_root
def test_in_a_sandbox_the_systems_folders_may_look_like_nobodys():
    """In a user namespace the folders above have owners that it does not know."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        file = Path(folder) / "file"
        file.touch(mode=0o644)
        for path in (folder, file):
            os.chown(path, SOMEBODY, SOMEBODY)
        script = f"USER, FILE = {SOMEBODY}, {str(file)!r}\n{IN_A_SANDBOX}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if "no user namespaces here" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.returncode == 0, done.stderr
    assert "/usr belongs to" in done.stdout


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077, 0o777])
def test_what_we_make_is_the_users_alone_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = private_folder(tmp_path / "a" / "b" / "c", "make it")
        write_private(folder / "file", b"text")
        os.close(append_private(folder / "lines"))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")}
    assert modes == {"b": 0o700, "c": 0o700, "file": 0o600, "lines": 0o600}
    assert (folder / "file").read_bytes() == b"text"


def test_a_folder_that_others_could_read_is_closed_and_one_they_could_write_is_refused(tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir(mode=0o755)
    private_folder(folder, "use it")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    with pytest.raises(FileNotTrusted, match="is writable by everybody"):
        private_folder(folder, "use it")


def test_a_folder_that_is_there_keeps_its_mode_and_what_is_made_below_is_private(tmp_path):
    there = tmp_path / "kernels"
    there.mkdir(mode=0o755)
    below = trusted_folder(there / "a" / "b", "make it")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (there, below.parent, below)]
    assert modes == [0o755, 0o700, 0o700]
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    with pytest.raises(OSError, match="nowhere"):
        private_folder(tmp_path / "nowhere" / "below", "make it")


def test_a_link_laid_beforehand_sends_nothing_elsewhere(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    link = tmp_path / "ours"
    link.symlink_to(elsewhere)
    write_private(link, b"ours")
    assert elsewhere.read_text() == "theirs"
    assert (link.read_text(), link.is_symlink()) == ("ours", False)
    other = tmp_path / "lines"
    other.symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        append_private(other)


def test_a_write_that_fails_leaves_what_was_there_and_no_draft(tmp_path):
    (tmp_path / "file").write_text("before")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_private(tmp_path / "folder", b"text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert check_trusted(tmp_path / "file", "look").st_size == 6
