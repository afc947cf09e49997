"""Generates: the generator is chosen by an extension, else by the class name of the model."""

import modules.shared as shared
from modules.extensions import apply_extensions


def generate_reply(*args, **kwargs):
    shared.generation_lock.acquire()
    try:
        yield from _generate_reply(*args, **kwargs)
    finally:
        shared.generation_lock.release()


def _generate_reply(question, state):
    generate = apply_extensions("custom_generate_reply")
    if generate is None:
        if shared.model is None:
            yield ""
            return
        if type(shared.model).__name__ != "LlamaServer":
            raise NotImplementedError("the stand-in has no torch")
        generate = generate_reply_custom
    original = question
    state = apply_extensions("state", state)
    question = apply_extensions("input", question, state)
    shared.stop_everything = False
    reply = ""
    for produced in generate(question, original, state):
        reply = produced
        if shared.stop_everything:
            break
    yield apply_extensions("output", reply, state)


def generate_reply_custom(question, original_question, state):
    yield ""
    yield shared.model.generate(question, state)
