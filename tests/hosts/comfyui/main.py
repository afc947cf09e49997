"""A stand-in of ComfyUI, written from its documented behaviour: `python main.py`.

The same names, data structures and caches, no code of ComfyUI; compared with 0.3.64, which passes
the same contract suite. Pictures are lists of numbers here.
"""

import asyncio
import gc
import threading
import time

import comfy.model_management
import comfyui_version  # noqa: F401
import execution
import hook_breaker_ac10a0
import nodes
import server


def prompt_worker(q, server_instance):
    e = execution.PromptExecutor(server_instance)
    last_gc_collect = time.perf_counter()
    while True:
        queue_item = q.get(timeout=0.1)
        if queue_item is not None:
            item, item_id = queue_item
            e.execute(item[2], item[1])
            status = {"status_str": "success" if e.success else "error", "messages": e.messages}
            q.task_done(item_id, e.history_result, status)
        flags = q.get_flags()
        if flags.get("unload_models", flags.get("free_memory", False)):
            comfy.model_management.current_loaded_models.clear()
        if flags.get("free_memory", False):
            e.reset()
        if time.perf_counter() - last_gc_collect > 10:
            last_gc_collect = time.perf_counter()
            gc.collect()
            hook_breaker_ac10a0.restore_functions()


async def start():
    prompt_server = server.PromptServer(asyncio.get_running_loop())
    hook_breaker_ac10a0.save_functions()
    await nodes.init_extra_nodes()
    prompt_server.add_routes()
    worker = threading.Thread(
        target=prompt_worker, args=(prompt_server.prompt_queue, prompt_server), daemon=True
    )
    worker.start()
    await prompt_server.start("127.0.0.1", 0)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(start())
