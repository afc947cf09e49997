"""SD.Next (vladmandic/automatic)."""

from __future__ import annotations

import sys

from livepatch.adapters.runtime import attribute_of

from .a1111 import A1111Host, is_of_the_family
from .a1111_family.checkout import scripts_checkout
from .a1111_family.runtime import SdnextRuntime


class SdnextHost(A1111Host):
    """SD.Next: A1111's registry without names and without a cached order."""

    flavor = "sdnext"
    runtime = SdnextRuntime()
    checkout = scripts_checkout(
        "installer.py",
        "modules/loader.py",
        imports="from modules import script_callbacks",
        attach="# This webui redirects its output while it loads extensions; the kernel needs the "
        "real one.\n    script_callbacks.on_app_started(lambda *_: ATTACH)",
    )
    methods = (
        *("setup", "before_process", "process", "process_images", "before_process_batch"),
        *("process_batch", "postprocess_batch", "postprocess_batch_list", "postprocess_image"),
        *("postprocess", "before_component", "after_component"),
    )
    backwards = frozenset({"script_unloaded", "before_ui", "after_ui"})
    runner_names = ("scripts_txt2img", "scripts_img2img", "scripts_control")
    hook_note = "scripts that the page has not drawn are not called"

    def built(self) -> object:
        """What it makes last when it builds its page: an empty record of the times of the next."""
        return attribute_of("modules.timer", "startup", "records")

    @classmethod
    def is_detected(cls) -> bool:
        """The installer and the loader that only SD.Next has are loaded."""
        return is_of_the_family() and {"installer", "modules.loader"} <= sys.modules.keys()
