"""Writers of one journal, killed in the middle of writing: what is lost of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journal_support import read, start

import livepatch as lp
from livepatch.history.sessions import Sessions

if TYPE_CHECKING:
    import subprocess

    from livepatch.history.places import Place
    from livepatch.history.saved import Session

# Each line that it is told is the length of a step's text. A long one takes a while to write.
WRITES = """
import sys
import livepatch as lp
from livepatch.history import writer
from samples import functions
writer.LONGEST = 2_000_000
lp.journal.keep("a-webui")
print(lp.journal.path.name.partition(".")[0], flush=True)
for number, length in enumerate(sys.stdin, 1):
    text = f"def plain(a):\\n    return {number}  #" + "x" * int(length)
    lp.replace("samples.functions.plain", text)
    assert lp.journal.flush()
    print(number, flush=True)
"""
SHORT, LONG = 100, 4_000_000


@dataclass
class Losses:
    """What many kills have cost.

    Attributes:
        kills: how many there were.
        told: steps that the killed writers had said were on disk.
        lost: of those, the steps that are not.
        cut: kills in the middle of a line.
        gaps: sessions with a step missing in between.
        wrong: replays that did not bring back the last step.
        siblings: living sessions that were taken for the one before.
        harmed: siblings that did not go on writing, or of which a line cannot be read.
    """

    kills: int = 0
    told: int = 0
    lost: int = 0
    cut: int = 0
    gaps: int = 0
    wrong: int = 0
    siblings: int = 0
    harmed: int = 0

    def is_none(self) -> bool:
        """Whether nothing is lost but the step under way."""
        return not (self.lost or self.gaps or self.wrong or self.siblings or self.harmed)


@dataclass
class Writer:
    """A process that writes steps as it is told to, until it is killed."""

    process: subprocess.Popen[str]
    number: int
    asked: int = 0
    told: int = 0

    @classmethod
    def begin(cls, place: Place) -> Writer:
        """Start one, and wait until it has its file."""
        process = start(WRITES, state=place.folder.parent.parent)
        first = process.stdout.readline()
        assert first, process.stderr.read()
        return cls(process, int(first))

    def ask(self, *lengths: int) -> None:
        """Have it write steps."""
        self.process.stdin.writelines(f"{length}\n" for length in lengths)
        self.process.stdin.flush()
        self.asked += len(lengths)

    def wait(self) -> bool:
        """Wait until it has said of all of them that they are on disk; False when it ended."""
        while self.told < self.asked:
            line = self.process.stdout.readline()
            if not line:
                return False
            self.told = int(line)
        return True

    def kill_while_it_writes(self, place: Place) -> None:
        """Have it write a long step, and kill it just after its file has grown."""
        before = _size(place, self.number)
        self.ask(LONG)
        while _size(place, self.number) == before:
            pass
        self.end()

    def end(self) -> None:
        """Kill it, and hear its last words."""
        self.process.kill()
        for line in self.process.communicate()[0].splitlines():
            self.told = int(line)


def _size(place: Place, number: int) -> int:
    return sum(path.stat().st_size for path in place.sessions()[number])


def kill_writers(place: Place, kills: int, writers: int = 3, seed: int = 1) -> Losses:
    """Kill one of several writers of one name again and again, each time another one begins.

    Args:
        place: where they write.
        kills: how often.
        writers: how many write side by side.
        seed: of the choice.
    """
    chance, losses = random.Random(seed), Losses()
    running = [Writer.begin(place) for _ in range(writers)]
    lp.journal.keep("a-webui")
    try:
        for _ in range(kills):
            victim = running.pop(chance.randrange(len(running)))
            victim.ask(*[SHORT] * chance.randrange(1, 4))
            victim.wait()
            for sibling in running:  # they write meanwhile
                sibling.ask(*[chance.choice([SHORT, SHORT, LONG // 8])] * 3)
            victim.kill_while_it_writes(place)
            _look_at(victim, running, place, losses)
            running.append(Writer.begin(place))
    finally:
        for writer in running:
            writer.end()
        lp.journal.end()
    return losses


def _look_at(victim: Writer, siblings: list[Writer], place: Place, losses: Losses) -> None:
    session = read(place, victim.number)
    steps = sorted(session.steps)
    losses.kills += 1
    losses.told += victim.told
    losses.lost += max(0, victim.told - steps[-1])
    losses.gaps += steps != list(range(steps[0], steps[-1] + 1))
    losses.cut += len(session.bad)
    losses.harmed += len(session.bad) > 1
    before, _ = Sessions(place, None).before()
    losses.siblings += before is None or int(before.session) != victim.number
    losses.wrong += not _replays(session, steps[-1])
    for sibling in siblings:
        losses.harmed += not sibling.wait()
        losses.harmed += bool(read(place, sibling.number).bad)


def _replays(session: Session, last: int) -> bool:
    """Whether a replay brings the last step back."""
    from samples import functions

    lp.journal.replay(session=session.session, namespace={"__name__": "__main__"})
    try:
        return functions.plain(1) == last
    finally:
        lp.restore_all()
