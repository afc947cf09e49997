"""Forge, and those that are told from it by the packages they have: forge-classic, reForge."""

from __future__ import annotations

import sys

from livepatch.adapters.runtime import attribute_of

from .a1111 import A1111Host, is_of_the_family
from .a1111_family.checkout import scripts_checkout
from .a1111_family.runtime import ForgeRuntime


class ForgeHost(A1111Host):
    """stable-diffusion-webui-forge."""

    flavor = "forge"
    runtime = ForgeRuntime()
    checkout = scripts_checkout("modules_forge", "backend", "modules/script_callbacks.py")

    @classmethod
    def is_detected(cls) -> bool:
        """Forge's own package is loaded, and not the one that the older forks of it have."""
        return is_of_the_family() and "modules_forge" in sys.modules and not _is_older()

    def is_idle(self) -> bool | None:
        """Whether the lock is free and the thread that works on the models has nothing to do."""
        waiting = attribute_of("modules_forge.main_thread", "waiting_list")
        return False if waiting else super().is_idle()


class ForgeClassicHost(ForgeHost):
    """forge-classic and reForge: the older fork, with ``ldm_patched``."""

    flavor = "forge-classic"
    checkout = scripts_checkout("modules_forge", "ldm_patched")

    @classmethod
    def is_detected(cls) -> bool:
        """``modules_forge`` and ``ldm_patched`` are loaded."""
        return is_of_the_family() and "modules_forge" in sys.modules and _is_older()


def _is_older() -> bool:
    return "ldm_patched" in sys.modules and "backend" not in sys.modules
