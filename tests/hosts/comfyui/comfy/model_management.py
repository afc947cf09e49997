"""The models that are loaded, and the function that ComfyUI puts back when others change it."""

current_loaded_models = []
_interrupt = False


def cast_to(weight, dtype=None):
    return weight


def interrupt_current_processing(value=True):
    global _interrupt
    _interrupt = value


def throw_exception_if_processing_interrupted():
    global _interrupt
    if _interrupt:
        _interrupt = False
        raise InterruptProcessingException


class InterruptProcessingException(Exception):
    pass
