"""The folders of A1111 and its forks."""

from __future__ import annotations

from livepatch.adapters.checkout import Checkout


def scripts_checkout(*marks: str, imports: str = "", attach: str = "ATTACH") -> Checkout:
    """The folder of one of them.

    Args:
        *marks: what it has beside a folder of extensions, and those it is told from have not.
        imports: lines at the head of our script.
        attach: its statement that attaches.
    """
    return Checkout(
        ("extensions", *marks),
        "extensions",
        "scripts/livepatch_attach.py",
        inner=("webui",),
        pythons=("../system/python/python.exe",),
        requirements=("requirements_versions.txt", "requirements.txt"),
        imports=imports,
        attach=attach,
    )
