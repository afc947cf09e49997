"""The webui of the kernel's tests, with what only the tests of a kernel's life ask it for."""

from __future__ import annotations

import asyncio
import sys

import kernel_webui
from kernel_webui import app, folder


@app.get("/attach_again")
def attach_again():
    return refusal(kernel_webui.start_the_kernel)


@app.get("/attach_without_folder")
def attach_without_folder():
    from livepatch.kernel import start_kernel

    missing = folder / "missing"
    return refusal(
        lambda: start_kernel(
            missing / "kernel.json",
            transport="ipc",
            ip=str(missing / "kernel"),
            key=b"a key of the tests",
            metadata={},
        )
    )


def refusal(start):
    try:
        start()
    except Exception as error:
        return {"error": type(error).__name__, "lines": str(error).splitlines()}
    return {"error": None}


@app.get("/ended")
def ended():
    """Answers when the kernel's thread has ended."""
    kernel_webui.kernel._thread.join(30)
    return {"alive": kernel_webui.kernel.alive}


@app.get("/policy")
def policy():
    return {"policy": type(asyncio.get_event_loop_policy()).__name__}


class OwnLoop(asyncio.SelectorEventLoop):
    """What a webui with uvloop has in our place."""


class OwnPolicy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = OwnLoop


if __name__ == "__main__":
    if "--own-policy" in sys.argv:
        asyncio.set_event_loop_policy(OwnPolicy())
    kernel_webui.main()
