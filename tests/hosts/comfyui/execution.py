"""Runs prompts: a queue, a thread, and two kinds of caches that know nothing of code."""

import heapq
import itertools
import threading
from collections.abc import Mapping, Sequence

import comfy.model_management
import nodes
from comfy_api.latest import io


def to_hashable(value):
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    if isinstance(value, Mapping):
        return frozenset((to_hashable(k), to_hashable(v)) for k, v in sorted(value.items()))
    assert isinstance(value, Sequence)
    return frozenset(zip(itertools.count(), map(to_hashable, value), strict=False))


class BasicCache:
    def __init__(self):
        self.cache = {}
        self.subcaches = {}


class CacheSet:
    def __init__(self):
        self.outputs, self.ui, self.objects = BasicCache(), BasicCache(), BasicCache()


class PromptExecutor:
    def __init__(self, server):
        self.server = server
        self.reset()

    def reset(self):
        self.caches = CacheSet()
        self.history_result = {}
        self.success = True
        self.messages = []

    def execute(self, prompt, prompt_id):
        self.messages, self.success, ui = [], True, {}
        keys = {node_id: signature(prompt, node_id) for node_id in prompt}
        used = set(keys.values())
        for cache in (self.caches.outputs, self.caches.ui):
            for key in [key for key in cache.cache if key not in used]:
                del cache.cache[key]
        cached = [node_id for node_id, key in keys.items() if key in self.caches.outputs.cache]
        self.messages.append(("execution_cached", {"nodes": cached}))
        try:
            for node_id in in_order(prompt):
                if node_id not in cached:
                    self._run(prompt, node_id, keys)
                if keys[node_id] in self.caches.ui.cache:
                    ui[node_id] = self.caches.ui.cache[keys[node_id]]
        except comfy.model_management.InterruptProcessingException:
            self.success = False
            self.messages.append(("execution_interrupted", {"prompt_id": prompt_id}))
        except Exception as error:
            self.success = False
            self.messages.append(("execution_error", {"exception_message": str(error)}))
        self.history_result = {"outputs": ui}

    def _run(self, prompt, node_id, keys):
        nodes.before_node_execution()
        class_type = prompt[node_id]["class_type"]
        cls = nodes.NODE_CLASS_MAPPINGS[class_type]
        instances = self.caches.objects.cache
        node = instances.get((node_id, class_type))
        if node is None:
            node = instances[(node_id, class_type)] = cls()
        inputs = {
            name: self.caches.outputs.cache[keys[value[0]]][value[1]]
            if isinstance(value, list)
            else value
            for name, value in prompt[node_id]["inputs"].items()
        }
        if issubclass(cls, io.ComfyNode):
            node = cls.PREPARE_CLASS_CLONE()
        result = getattr(node, cls.FUNCTION)(**inputs)
        if isinstance(result, dict):
            self.caches.ui.cache[keys[node_id]] = result["ui"]
            result = ()
        self.caches.outputs.cache[keys[node_id]] = result


def in_order(prompt):
    """The nodes, each behind those that it takes something from."""
    done = []

    def visit(node_id):
        for value in prompt[node_id]["inputs"].values():
            if isinstance(value, list) and value[0] not in done:
                visit(value[0])
        if node_id not in done:
            done.append(node_id)

    for node_id in prompt:
        visit(node_id)
    return done


def signature(prompt, node_id):
    """The key of an output: the node, then all before it, each beginning with its type."""
    ancestors = []

    def walk(current):
        for name in sorted(prompt[current]["inputs"]):
            value = prompt[current]["inputs"][name]
            if isinstance(value, list) and value[0] not in ancestors:
                ancestors.append(value[0])
                walk(value[0])

    def one(current):
        found = [prompt[current]["class_type"], False]
        for name in sorted(prompt[current]["inputs"]):
            value = prompt[current]["inputs"][name]
            if isinstance(value, list):
                value = ("ANCESTOR", ancestors.index(value[0]), value[1])
            found.append((name, value))
        return found

    walk(node_id)
    return to_hashable([one(node_id), *map(one, ancestors)])


class PromptQueue:
    def __init__(self, server):
        self.server = server
        self.mutex = threading.RLock()
        self.not_empty = threading.Condition(self.mutex)
        self.task_counter = 0
        self.queue = []
        self.currently_running = {}
        self.history = {}
        self.flags = {}

    def put(self, item):
        with self.mutex:
            heapq.heappush(self.queue, item)
            self.not_empty.notify()

    def get(self, timeout=None):
        with self.not_empty:
            if not self.queue:
                self.not_empty.wait(timeout=timeout)
            if not self.queue:
                return None
            item, number = heapq.heappop(self.queue), self.task_counter
            self.currently_running[number] = item
            self.task_counter += 1
            return item, number

    def task_done(self, item_id, history_result, status):
        with self.mutex:
            prompt = self.currently_running.pop(item_id)
            self.history[prompt[1]] = {"prompt": prompt, "status": status, **history_result}

    def set_flag(self, name, data):
        with self.mutex:
            self.flags[name] = data
            self.not_empty.notify()

    def get_flags(self, reset=True):
        with self.mutex:
            flags = self.flags
            if reset:
                self.flags = {}
            return flags
