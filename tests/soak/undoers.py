"""One thread changes the webui while two undo: what they took back, and what they raised."""

from __future__ import annotations

import threading
from collections import Counter

import livepatch as lp

TARGET = "samples.functions.plain"
LAYERS = 5  # on the function at most: each change of one takes its earlier state's place


def change_and_undo(journal, goes_on, undoers=2):
    """Change and undo at once until the changes end, then undo the rest.

    Args:
        journal: the journal.
        goes_on: asked before each change, with its number; False ends it.
        undoers: how many threads undo.

    Returns:
        How often each step was taken back, and how many steps there were.

    Raises:
        BaseException: the first thing that a thread raised.
    """
    undone, raised = Counter(), []
    is_over, began = threading.Event(), threading.Barrier(undoers + 1)

    def change():
        number = 0
        while not raised and goes_on(number):
            lp.replace(TARGET, lambda a: a, name=str(number % LAYERS))
            number += 1

    def undo(mine):
        while not raised:
            ends = is_over.is_set()  # asked first: what was made before that is taken back
            try:
                mine[journal.undo().number] += 1
            except lp.PatchRefused:
                if ends:
                    return

    def run(work, *arguments):
        began.wait()
        try:
            work(*arguments)
        except BaseException as error:
            raised.append(error)

    own = [Counter() for _ in range(undoers)]
    writer = threading.Thread(target=run, args=(change,))
    threads = [threading.Thread(target=run, args=(undo, mine)) for mine in own]
    for thread in (writer, *threads):
        thread.start()
    writer.join()
    is_over.set()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]
    for mine in own:
        undone.update(mine)
    return undone, journal[-1].number
