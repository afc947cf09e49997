"""What cannot be reached: refused with a reason, or named in the answer."""

from __future__ import annotations
