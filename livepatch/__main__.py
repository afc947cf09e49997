"""``python -m livepatch``."""

from livepatch.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
