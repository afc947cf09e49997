"""How much memory the process has, and the graphics cards whose library it has loaded."""

from __future__ import annotations

import sys

GIGABYTE = 1024**3


def memory_in_words() -> str:
    """The memory of this process, for people.

    Returns:
        The resident memory, then what torch has of each card it uses; empty where the system does
        not say.

    Example:
        >>> memory_in_words().endswith(" GB") or not memory_in_words()
        True
    """
    resident = resident_bytes()
    told = [] if resident is None else [f"{resident / GIGABYTE:.2f} GB"]
    return ", ".join([*told, *cards_in_words()])


def resident_bytes() -> int | None:
    """How much of the machine's memory the process holds; None where the system does not say."""
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except (psutil.Error, OSError):
        return None


def cards_in_words() -> list[str]:
    """What torch has allocated on each card that it uses; asked only where CUDA runs already."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not getattr(cuda, "is_initialized", lambda: False)():
        return []  # to ask for more would start CUDA in a process that has not
    words = []
    for number in range(cuda.device_count()):
        free, total = cuda.mem_get_info(number)
        allocated = cuda.memory_allocated(number)
        name = cuda.get_device_name(number)
        words.append(
            f"{name}: {allocated / GIGABYTE:.2f} GB of torch, "
            f"{(total - free) / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB in use"
        )
    return words
