"""A finished recording: from the rows that the native side kept to events, a Chrome trace, and a flame graph."""
import functools
import gzip
import json
import os
import socket
import sys
import threading
from collections import namedtuple

from rushlight.autograd import _flame_graph
from rushlight.autograd.profiler_util import EventList, FunctionEvent

#: As the native side tells them. `parent` is a position in the same thread's list; times in nanoseconds.
Row = namedtuple("Row", "kind name parent start end sequence memory peak given results")

_EVENTS = ("op", "backward", "range")
_CATEGORIES = {"op": "cpu_op", "kernel": "cpu_kernel", "backward": "cpu_op", "range": "user_annotation",
               "frame": "python_function"}


@functools.cache
def _short(name):
    """A frame's name with its file relative to where Python finds modules, or to the current folder."""
    if not name.startswith("/"):
        return name
    folders = [folder.rstrip("/") + "/" for folder in (*sys.path, os.getcwd()) if folder.startswith("/")]
    longest = max([len(folder) for folder in folders if name.startswith(folder)], default=0)
    return name[longest:]


def _function_first(name):
    """A frame's name for narrow places: `name (file:line)`."""
    place, colon, function = name.rpartition("): ")
    return f"{function} ({place.replace('(', ':')})" if colon else name


def _product(sizes):
    out = 1
    for n in sizes:
        out *= n
    return out


def _flops(row):
    """Floating-point operations of products and convolutions, each multiplication and addition counted."""
    if not row.given or not row.results:
        return 0
    shapes = [tuple(sizes) for sizes, _ in row.given]
    results = _product(row.results[0][0])
    if row.name in ("matmul", "mm", "bmm", "mv", "dot", "linear"):
        return 2 * results * (shapes[0][-1] if shapes[0] else 1)
    if row.name in ("convolution", "convolution_transpose", "convolution_input_grad", "convolution_weight_grad"):
        other = {"convolution": (results, shapes[1]),
                 "convolution_weight_grad": (_product(shapes[1]), row.results[0][0]),
                 "convolution_input_grad": (_product(shapes[0]), shapes[1]),
                 "convolution_transpose": (_product(shapes[0]), shapes[1])}[row.name]
        return 2 * other[0] * _product(tuple(other[1])[1:])
    return results if row.name in ("add", "mul", "sub", "div") else 0


class Trace:
    """One recording.

    Args:
        recorded (dict): what `_C._stop_recording()` returned.
        options (dict): `profile_memory`, `record_shapes`, `with_stack`, `with_flops`.
        metadata (dict): further entries of the Chrome trace.
    """

    def __init__(self, recorded, options, metadata=None):
        self.start, self.end, self.dropped = recorded["start"], recorded["end"], recorded["dropped"]
        self.threads = [(thread, [Row(*row) for row in rows]) for thread, rows in recorded["threads"]]
        self.options, self.metadata = options, dict(metadata or {})
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        self.thread_names = {thread: names.get(thread, f"thread {thread}") for thread, _ in self.threads}

    def events(self):
        """The operators, nodes and ranges as an EventList, by time."""
        found, forward_stacks = [], {}
        for thread, rows in self.threads:
            self._thread_events(thread, rows, found, forward_stacks)
        found.sort(key=lambda event: (event.time_range.start, -event.time_range.end))
        for event in found:                                # children come after their parents
            if event.kind == "backward":
                event.stack = forward_stacks.get(event.sequence_nr, [])
            elif event.cpu_parent is not None and event.cpu_parent.in_backward:
                event.stack, event.in_backward = event.cpu_parent.stack, True
        for number, event in enumerate(found):
            event.id = number
        peak = max([row.peak for _, rows in self.threads for row in rows if row.kind == "memory"], default=0)
        return EventList(found, profile_memory=self.options["profile_memory"],
                         with_flops=self.options["with_flops"], peak_memory=peak, trace=self)

    def _thread_events(self, thread, rows, found, forward_stacks):
        made, stacks = {}, {}
        children = {}
        for number, row in enumerate(rows):
            if row.kind in _EVENTS:
                children.setdefault(self._outer(rows, row.parent), []).append(number)
        for number, row in enumerate(rows):
            if row.kind == "frame":
                below = stacks.get(row.parent, [])
                stacks[number] = below if row.name.startswith("<built-in") else [_short(row.name), *below]
                continue
            stacks[number] = stacks.get(row.parent, [])
            if row.kind not in _EVENTS:
                continue
            outer = self._outer(rows, row.parent)
            if outer >= 0 and rows[outer].name == row.name and len(children[outer]) == 1 and outer in made:
                made[number] = made[outer]                 # an operator that only calls itself
                made[number].flops = made[number].flops or self._flops_of(row)
                continue
            shapes = [list(sizes) for sizes, _ in row.given] if self.options["record_shapes"] and row.given else []
            made[number] = event = FunctionEvent(
                0, row.name, thread, (row.start - self.start) / 1e3, (row.end - self.start) / 1e3, kind=row.kind,
                input_shapes=shapes, stack=stacks[number], sequence_nr=row.sequence, cpu_memory_usage=row.memory,
                peak_cpu_memory_usage=row.peak, flops=self._flops_of(row))
            if row.kind == "op" and row.sequence >= 0:
                forward_stacks[row.sequence] = event.stack
            event.cpu_parent = made.get(outer)
            if event.cpu_parent is not None:
                event.cpu_parent.cpu_children.append(event)
            found.append(event)

    def _flops_of(self, row):
        return _flops(row) if self.options["with_flops"] else 0

    @staticmethod
    def _outer(rows, parent):
        while parent >= 0 and rows[parent].kind not in _EVENTS:
            parent = rows[parent].parent
        return parent

    def write_chrome(self, path, metadata=None):
        """The trace in the format of chrome://tracing and Perfetto, with further entries at its head."""
        opened = gzip.open if str(path).endswith(".gz") else open
        with opened(path, "wt") as file:
            head = {"schemaVersion": 1, "deviceProperties": [], **self.options, "host_name": socket.gethostname(),
                    "displayTimeUnit": "ms", "traceName": str(path), **self.metadata,
                    **(metadata or {})}
            file.write(json.dumps(head, indent=2)[:-2] + ',\n"traceEvents": [\n')
            file.write(",\n".join(json.dumps(event) for event in self._chrome_events()))
            file.write("\n]}\n")

    def _chrome_events(self):
        process = os.getpid()
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "ts": 0, "args": {"name": "python"}}
        recorded = {}
        for thread, rows in self.threads:
            where = {"pid": process, "tid": thread}
            yield {"ph": "M", "name": "thread_name", **where, "ts": 0, "args": {"name": self.thread_names[thread]}}
            for row in rows:
                yield self._chrome_event(row, where)
                if row.kind == "op" and row.sequence >= 0:
                    recorded[row.sequence] = row, where
        for thread, rows in self.threads:
            for row in rows:
                if row.kind != "backward" or row.sequence not in recorded:
                    continue
                forward, where = recorded[row.sequence]
                arrow = {"cat": "fwdbwd", "name": "fwdbwd", "id": row.sequence}
                yield {"ph": "s", **arrow, **where, "ts": self._us(forward.start)}
                yield {"ph": "f", **arrow, "pid": process, "tid": thread, "ts": self._us(row.start), "bp": "e"}

    def _chrome_event(self, row, where):
        if row.kind == "memory":
            return {"ph": "i", "cat": "cpu_instant_event", "s": "t", "name": row.name, **where,
                    "ts": self._us(row.start), "args": {"Bytes": row.memory, "Total Allocated": row.peak,
                                                        "Device Type": 0, "Device Id": -1}}
        told = {}
        if row.sequence >= 0:
            told["Sequence number"] = row.sequence
        if row.given is not None and self.options["record_shapes"]:
            told["Input Dims"] = [list(sizes) for sizes, _ in row.given]
            told["Input type"] = [dtype for _, dtype in row.given]
        if self.options["profile_memory"] and row.kind != "frame":
            told["Bytes"], told["Peak Bytes"] = row.memory, row.peak
        return {"ph": "X", "cat": _CATEGORIES[row.kind], "name": _short(row.name), **where,
                "ts": self._us(row.start), "dur": (row.end - row.start) / 1e3, "args": told}

    @staticmethod
    def _us(nanoseconds):
        return nanoseconds / 1e3

    def write_flame_graph(self, path, title):
        """The flame graph as SVG."""
        root = _flame_graph.Block(title, "all")
        threads = [(thread, rows) for thread, rows in self.threads if any(row.kind != "memory" for row in rows)]
        for thread, rows in threads:
            place = root if len(threads) == 1 else root.inner(self.thread_names[thread], "all")
            blocks = {}
            for number, row in enumerate(rows):
                if row.kind == "memory":
                    continue
                kind = "builtin" if row.name.startswith("<built-in") else row.kind
                around = blocks.get(row.parent, place)
                blocks[number] = block = around.inner(_function_first(_short(row.name)), kind)
                block.time += row.end - row.start
                block.calls += 1
        root.sum_up()
        with open(path, "w", encoding="utf-8") as file:
            file.write(_flame_graph.svg(root))
