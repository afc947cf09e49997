"""Hundreds of folders as strangers could make them, for lint and export: what happens is counted.

``python tests/soak/hostile_folders.py [COUNT] [SEED]`` (300 and 1) prints the figures as JSON and
ends with 1 where there was a traceback, a hang, or something of a folder that was lost. The suite
runs it with fewer folders. It works in a process of its own with a limit on its address space,
and, as root, without root's right to read what modes forbid.
"""

from __future__ import annotations

import collections
import ctypes
import faulthandler
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

TESTS = pathlib.Path(__file__).parent.parent
ADDRESS_SPACE = 3 << 29  # 1.5 GiB, for lint's own process, and for each that it starts
HANG = 600  # seconds for one folder, on a machine that does other things
EVERY = 10  # folders of which one is linted by the command as well


def main(count: int, seed: int) -> None:
    """Become a process that is limited, and run the folders there."""
    if sys.platform == "linux" and os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert libc.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
    os.execv(sys.executable, [sys.executable, __file__, "--limited", str(count), str(seed)])


def limited(count: int, seed: int) -> int:
    """Run the folders in this process, with a limit on its address space."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    sys.path[:0] = [str(TESTS)]
    from hostile_support import folders
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    run = Run()

    @seeded(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(folders())
    def one(plan):
        if run.folders < count:
            run.one(plan)

    one()
    print(json.dumps(run.figures(), indent=1))
    return 0 if run.is_good() else 1


class Run:
    """Lint and export of one folder after another, and what they did."""

    def __init__(self) -> None:
        import samples.exported

        import livepatch as lp
        from livepatch.exporting import export as export_module
        from livepatch.exporting.checking import Checked

        self.lp = lp
        lp.replace("samples.exported.SCALE", 9)
        assert samples.exported.SCALE == 9
        self.room = pathlib.Path(tempfile.mkdtemp(prefix="hostile-"))
        self.exported = lp.export(self.room / "kept", name="mine", flavor="plain").path
        # That it can be loaded elsewhere was checked once; from now on only its place matters.
        export_module.check = lambda *_: Checked(1, (), "lints clean")
        self.folders = self.entries = self.refused = self.replaced = 0
        self.findings = collections.Counter()
        self.reasons = collections.Counter()
        self.faults: list[str] = []
        self.seconds: list[float] = []

    def one(self, plan) -> None:
        """One folder: linted, exported over, exported into."""
        from hostile_support import make

        self.folders += 1
        faulthandler.dump_traceback_later(HANG, exit=True)
        room = self.room / str(self.folders)
        extension = room / "extension"
        good = extension / "zz-good" / "lib"
        good.mkdir(parents=True)
        (good / "good.py").write_text("print(1)\n")
        (good.parent / "metadata.ini").touch()
        make(os.fsencode(extension), plan)
        shutil.copytree(self.exported, room / "mine")
        make(os.fsencode(room / "mine" / "src"), plan)
        begun = time.monotonic()
        try:
            self.lint(extension)
            self.export(room)
            self.export(room, into=extension)
        except Exception as error:  # what should never be: counted, and the next folder comes
            self.faults.append(
                f"folder {self.folders}: {''.join(traceback.format_exception(error))}"
            )
        finally:
            self.seconds.append(time.monotonic() - begun)
            faulthandler.cancel_dump_traceback_later()
            # No Python before 3.13 removes thousands of folders in folders.
            subprocess.run(["chmod", "-R", "u+rwX", str(room)], stderr=subprocess.DEVNULL)
            subprocess.run(["rm", "-rf", str(room)], check=True)

    def lint(self, extension: pathlib.Path) -> None:
        """Every form of the report; the good file is in it whatever the others are."""
        report = self.lp.lint(extension)
        for text in (str(report), report.text(), report.json(), report.sarif()):
            self.printable(text)
        self.printable(report._repr_mimebundle_()["text/html"])
        self.findings.update(finding.code for finding in report)
        self.reasons.update(
            finding.message.partition(":")[0] for finding in report if finding.code == "LP003"
        )
        self.entries += len({finding.path for finding in report})
        is_complete = not any("is not read further" in f.message for f in report)
        if is_complete and not any(f.path.endswith("good.py") for f in report):
            self.faults.append(f"folder {self.folders}: the good file was lost")
        if self.folders % EVERY == 0:
            command = [sys.executable, "-m", "livepatch", "lint", str(extension)]
            done = subprocess.run(command, capture_output=True, timeout=HANG, check=False)
            if done.returncode != 1 or b"Traceback" in done.stderr:
                self.faults.append(f"folder {self.folders}: {done.stderr.decode(errors='replace')}")
            self.printable(done.stdout.decode())

    def export(self, room: pathlib.Path, into: pathlib.Path | None = None) -> None:
        """Over what is there, and into a folder that is somebody's: refused, or nothing lost."""
        from hostile_support import everything

        before = everything(room)
        for name in ["mine"] if into is None else sorted(os.listdir(into))[:1]:
            folder = room if into is None else into / name
            try:
                exported = self.lp.export(folder, name="mine", flavor="plain")
            except self.lp.ExportRefused as refused:
                self.refused += 1
                lines = str(refused).split("\n")
                if len(lines) != 3:
                    self.faults.append(f"folder {self.folders}: {lines}")
                self.printable(str(refused))
            else:
                self.replaced += 1
                if into is None:
                    return
                shutil.rmtree(exported.path)
        if everything(room) != before:
            self.faults.append(f"folder {self.folders}: an export changed what was there")

    def printable(self, text: str) -> None:
        """Nothing that a terminal obeys."""
        if not all(line.isprintable() for line in text.split("\n")):
            self.faults.append(f"folder {self.folders}: not printable: {text[:500]!r}")

    def is_good(self) -> bool:
        """Whether nothing happened that should not."""
        return not self.faults

    def figures(self) -> dict[str, object]:
        """What happened."""
        subprocess.run(["rm", "-rf", str(self.room)], check=True)
        own = _own_peak()
        others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        ordered = sorted(self.seconds)
        return {
            "folders": self.folders,
            "files and folders with findings": self.entries,
            "findings": dict(sorted(self.findings.items())),
            "why not looked at": dict(self.reasons.most_common()),
            "exports refused": self.refused,
            "exports made": self.replaced,
            "seconds of a folder, median and longest": [
                round(ordered[len(ordered) // 2], 2),
                round(ordered[-1], 2),
            ],
            "MB at most, our process and those it starts": [own // 1024, others // 1024],
            "faults": self.faults,
        }


def _own_peak() -> int:
    """The most memory that this process has had, in KiB.

    Not ``ru_maxrss`` where it can be helped: on Linux that is at least what the process had that
    started this one (``execve`` keeps the mark of the memory it gives up, after ``vfork`` the
    parent's).
    """
    try:
        status = pathlib.Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    given_ = [a for a in sys.argv[1:] if a != "--limited"]
    count_, seed_ = (int(a) for a in [*given_, *["300", "1"][len(given_) :]])
    if "--limited" in sys.argv:
        sys.exit(limited(count_, seed_))
    main(count_, seed_)
