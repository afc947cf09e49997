"""What works on models runs on the main thread."""

import queue

waiting_list = []
tasks = queue.SimpleQueue()


def loop():
    while True:
        task = tasks.get()
        task()
        waiting_list.pop(0)


def async_run(task):
    waiting_list.append(task)
    tasks.put(task)
