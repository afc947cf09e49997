"""Another user attacks ``livepatch attach``, as root: ``python tests/soak/attach_attack.py [50]``.

A number behind it is another number of attacks; ``--package FOLDER`` attacks the livepatch of
another checkout, ``--transport tcp`` a conversation over loopback.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from account_support import ROOT, why_no_accounts
from attack_support import Figures, Round, attack, knock_in_a_crowd


def main() -> int:
    """Print each attack and the figures; 0 if none succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="?", type=int, default=50)
    parser.add_argument("--package", type=Path, default=ROOT)
    parser.add_argument("--transport", choices=["ipc", "tcp"], default="ipc")
    options = parser.parse_args()
    if (reason := why_no_accounts()) is not None:
        print(reason)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the accounts go all the same
    rounds = attack(options.attacks, options.package.resolve(), options.transport, _tell)
    figures = Figures.of(rounds)
    for name, value in dataclasses.asdict(figures).items():
        print(f"{name:12} {value if isinstance(value, int) else f'{value:.2f} s'}")
    if options.package.resolve() == ROOT:
        for who, seconds in zip(("alone", "in a crowd"), knock_in_a_crowd(50), strict=True):
            middle = statistics.median(seconds)
            print(f"a knock {who}: median {middle:.3f} s, longest {max(seconds):.3f} s of 50")
    bad = (figures.tokens, figures.obeyed, figures.entered, figures.delayed, figures.failed)
    return int(any((*bad, figures.left)))


def _tell(found: Round) -> None:
    took = ""
    if found.seconds is not None:
        took = f" {found.seconds:.2f} s ({found.beside:.2f}), exit code {found.code}"
    print(f"{found.what}:{took} tokens {found.tokens}, obeyed {found.obeyed}, left {found.left}",
          found.said.strip().replace("\n", " | "), flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
