"""Greenhouse, a small webui: pictures and prose made on the CPU from a prompt and a seed."""

from __future__ import annotations

__version__ = "1.2.0"
