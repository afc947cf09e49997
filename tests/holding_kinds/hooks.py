"""Hooks of the interpreter, of logging, and what runs at the end of something."""

from __future__ import annotations

import codecs
import contextlib
import copyreg
import gc
import importlib
import logging
import multiprocessing.util
import pickle
import signal
import sys
import unittest
import warnings

from .notes import NOTES, noted
from .table import holding, three


@holding(NOTES)
def signal_handler(app):
    # Only the main thread may set one; the tests and the benchmark run there.
    before = signal.signal(signal.SIGTERM, app.f)
    try:
        yield (
            noted(lambda: signal.raise_signal(signal.SIGTERM)),
            lambda: signal.getsignal(signal.SIGTERM) is app.f,
        )
    finally:
        signal.signal(signal.SIGTERM, before)


@holding(NOTES)
def exception_hook_of_the_interpreter(app):
    before, sys.excepthook = sys.excepthook, app.f
    try:
        yield noted(lambda: sys.excepthook(ValueError, ValueError(), None))
    finally:
        sys.excepthook = before


@holding("""
from holding_kinds.notes import seen
def f(frame, event, arg):
    if frame.f_code.co_name == "traced":
        seen.append("old")
""")
def trace_function(app):
    def traced():
        return None

    def act():
        before = sys.gettrace()
        sys.settrace(held)
        try:
            traced()
        finally:
            sys.settrace(before)

    held = app.f
    return noted(act)


@holding("""
from holding_kinds.notes import seen
def f(frame, event, arg):
    if frame.f_code.co_name == "profiled" and event == "call":
        seen.append("old")
""")
def profile_function(app):
    def profiled():
        return None

    def act():
        before = sys.getprofile()
        sys.setprofile(held)
        try:
            profiled()
        finally:
            sys.setprofile(before)

    held = app.f
    return noted(act)


@holding("""
from holding_kinds.notes import seen
def f(phase, info):
    if phase == "start":
        seen.append("old")
""")
def callback_of_the_garbage_collector(app):
    held = app.f
    gc.callbacks.append(held)
    was_on = gc.isenabled()
    gc.disable()  # only the collection that is asked for shall be seen
    try:
        yield noted(lambda: gc.collect(0)), lambda: app.f in gc.callbacks
    finally:
        gc.callbacks.remove(held)
        if was_on:
            gc.enable()


@holding(
    """
from holding_kinds.notes import seen
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "livepatch_never_there":
            seen.append("old")
""",
    "Finder.find_spec",
)
def import_hook(app):
    def act():
        with contextlib.suppress(ImportError):
            importlib.import_module("livepatch_never_there")

    finder = app.Finder()
    sys.meta_path.append(finder)
    try:
        yield noted(act)
    finally:
        sys.meta_path.remove(finder)


@holding("def __getattr__(name): return 'old'", "__getattr__")
def attributes_that_a_module_computes(app):
    return lambda: app.never_there


@holding("""
def f(name):
    if name.startswith("livepatch"):
        raise LookupError("old")
""")
def search_function_of_codecs(app):
    def call():
        try:
            return codecs.lookup("livepatch-never-there")
        except LookupError as error:
            return str(error)

    held = app.f
    codecs.register(held)
    try:
        yield call
    finally:
        codecs.unregister(held)


@holding("def f(error): return 'old', error.end")
def error_handler_of_codecs(app):
    codecs.register_error("livepatch-test", app.f)
    return (
        lambda: b"a\xff".decode("ascii", "livepatch-test"),
        lambda: codecs.lookup_error("livepatch-test") is app.f,
    )


@holding("""
class Point:
    pass
def f(point):
    return str, ("old",)
""")
def reducer_of_pickle(app):
    point = app.Point()
    copyreg.pickle(app.Point, app.f)
    try:
        yield (
            lambda: pickle.loads(pickle.dumps(point)),
            lambda: copyreg.dispatch_table[type(point)] is app.f,
        )
    finally:
        del copyreg.dispatch_table[type(point)]


@holding(NOTES)
def printer_of_warnings(app):
    def act():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = held
            warnings.warn("seen", stacklevel=1)

    held = app.f
    return noted(act)


@holding(NOTES)
def exit_callback_of_multiprocessing(app):
    take = three(lambda: multiprocessing.util.Finalize(None, app.f, exitpriority=1))
    return noted(lambda: take()())


@holding(NOTES)
def callback_of_an_exit_stack(app):
    stacks = [contextlib.ExitStack() for _ in range(3)]
    for stack in stacks:
        stack.callback(app.f, 1)
    return noted(lambda: stacks.pop().close())


@holding(
    """
import unittest
from holding_kinds.notes import seen
class T(unittest.TestCase):
    def test_it(self):
        seen.append("old")
""",
    "T.test_it",
)
def test_case_of_unittest(app):
    return noted(app.T("test_it").debug)


@holding(NOTES)
def cleanup_of_a_test_case(app):
    cases = [unittest.FunctionTestCase(int) for _ in range(3)]
    for case in cases:
        case.addCleanup(app.f)
    return noted(lambda: cases.pop().doCleanups())


def record():
    return logging.LogRecord("livepatch", logging.INFO, "", 1, "seen", (), None)


@holding(
    """
import logging
from holding_kinds.notes import seen
class H(logging.Handler):
    def emit(self, record):
        seen.append("old")
""",
    "H.emit",
)
def logging_handler(app):
    logger = logging.Logger("livepatch")
    logger.addHandler(app.H())
    return noted(lambda: logger.handle(record()))


@holding("""
def f(record):
    record.msg = "old"
    return True
""")
def logging_filter(app):
    def call():
        made = record()
        filterer.filter(made)
        return made.msg

    filterer = logging.Filterer()
    filterer.addFilter(app.f)
    return call, lambda: app.f in filterer.filters


@holding("def f(*args, **kwargs): return 'old'")
def factory_of_log_records(app):
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(app.f)
    try:
        yield (
            lambda: logging.Logger("livepatch").makeRecord("livepatch", 20, "", 1, "", (), None),
            lambda: logging.getLogRecordFactory() is app.f,
        )
    finally:
        logging.setLogRecordFactory(before)
