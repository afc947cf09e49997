"""500 random interrupts over 200 cells, N times: ``python tests/soak/kernel_storm.py [N]``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from interrupt_storm import storm
from kernel_support import Client, Webui


def main() -> int:
    """Print what each storm did; 0 if it did no harm."""
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        with tempfile.TemporaryDirectory(prefix="lp-") as folder:
            webui = Webui(Path(folder), "--attach")
            runs, stops = Client(webui.connection_file), Client(webui.connection_file)
            began = time.monotonic()
            try:
                found = storm(webui, runs, stops, cells=200, interrupts=500, seed=seed)
                unharmed = runs.run("6 * 7").result == "42" and webui.process.poll() is None
            finally:
                runs.close()
                stops.close()
                webui.close()
        print(
            f"seed {seed}: {found.interrupts} interrupts over {sum(found.endings.values())} cells "
            f"in {time.monotonic() - began:.0f} s: {found.endings}; kernel and webui unharmed: "
            f"{unharmed}; requests: {found.served} answered, {len(found.failed)} failed",
            flush=True,
        )
        if not unharmed or found.failed:
            print("\n".join(found.failed[:5]))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
