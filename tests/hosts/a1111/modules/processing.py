"""A generation without a model: the hooks and callbacks of a real one, in its order."""

from modules import script_callbacks, scripts, shared
from modules.call_queue import queue_lock


class Processing:
    def __init__(self, prompt, steps, script_args):
        self.prompt = prompt
        self.steps = steps
        self.scripts = scripts.scripts_txt2img
        self.script_args = tuple(script_args)
        self.per_script_args = {}
        self.seen = []


class Processed:
    def __init__(self, images):
        self.images = images


def create_infotext(p):
    return f"{p.prompt}, steps: {p.steps}"


def txt2img(prompt, steps=2, script_args=None, per_script_args=None):
    """A generation with the values of all controls: those of the page where none are given."""
    values = [control.value for control in shared.page] if script_args is None else script_args
    with queue_lock:
        shared.state.begin("txt2img")
        try:
            p = Processing(prompt, steps, values)
            p.per_script_args.update(per_script_args or {})
            return process_images(p)
        finally:
            shared.state.end()


def process_images(p):
    for name in ("before_process", "process"):
        getattr(p.scripts, name)(p)
    p.scripts.process_batch(p, batch_number=0)
    for step in range(p.steps):
        if shared.state.interrupted:
            break
        shared.state.sampling_step, shared.state.sampling_steps = step, p.steps
        params = script_callbacks.CFGDenoiserParams(None, step, p.steps)
        script_callbacks.cfg_denoiser_callback(params)
        p.seen.append(f"step {step}")
    image = create_infotext(p)
    saved = script_callbacks.ImageSaveParams(image, p, "00000.png", {})
    p.scripts.postprocess_image(p, saved)
    script_callbacks.before_image_saved_callback(saved)
    script_callbacks.image_saved_callback(saved)
    processed = Processed([saved.image])
    p.scripts.postprocess(p, processed)
    return {"images": processed.images, "seen": p.seen}
