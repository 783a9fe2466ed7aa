"""Calls of the C interface at random: every function of rushlight.h with handles, NULLs, texts and numbers that fit or
not. Each ends with a code, says why, and leaves its results alone where it fails."""
import ctypes
import random
import re
from pathlib import Path

import numpy as np
import pytest
from capi import interface
from capi.interface import HELD, LIB, SIZE, P

from tools.fuzz.files import write_seeds

HEADER = Path(__file__).parents[2] / "core/capi/rushlight.h"
FUNCTIONS = re.findall(r"^RL_API ([\w ]+?[ *]+)(rl_\w+)\(([^)]*)\);", HEADER.read_text(), re.MULTILINE)
LEFT_ALONE = {"rl_model_free", "rl_value_free", "rl_set_threads"}
UNTOUCHED = 0x1234
ROOM = 1 << 12                                            # bytes of data that a tensor may read


def parts(value):
    """How many values lie within one: lists of lists of lists have many."""
    items = range(LIB.rl_item_count(value))
    return 1 + sum(parts(P(LIB.rl_item(value, SIZE(i)))) + parts(P(LIB.rl_key(value, SIZE(i)) or 0)) for i in items)


class Caller:
    """Draws functions and arguments; keeps what is made, and what the arguments point to."""

    def __init__(self, seed, folder):
        self.random = random.Random(seed)
        self.paths = [str(path).encode() for path in sorted(folder.iterdir())] + [str(folder).encode()]
        self.models, self.values, self.outs = [], [], []
        self.data = ctypes.create_string_buffer(ROOM)
        self.huge = False                                 # the sizes that were drawn last: no data is so long
        self.zeros = ctypes.create_string_buffer(ROOM)

    def pick(self, *choices):
        return self.random.choice(choices)

    def handle(self, own, other):
        """Mostly a handle of the right kind; a handle of another, memory that is none, or NULL."""
        kind = self.random.random()
        some = own if kind < 0.85 else other if kind < 0.9 else []
        if some:
            return P(self.random.choice(some))
        return P(ctypes.addressof(self.zeros)) if kind < 0.95 else None

    def text(self):
        return self.pick(b"", b"forward", b"x", b"input", b"[1, [2.5, null]]", b'{"a": [1]}', b"\xff\xfe", b"[" * 90,
                         b"%s%n", b"a" * 5000, None, *self.paths, self.paths[0].rsplit(b"/", 1)[0] + self.pick(
                             b"/o.json", b"/o.npy", b"/o.npz", b"/no/o.json", b"/o.txt"))

    def sizes(self, rank, bytes_):
        """Few elements, or so many that no machine has them."""
        out = [self.pick(1, 1, 2, 3, 0) for _ in range(max(rank, 1))]
        self.huge = self.random.random() < 0.1
        if self.huge:
            out[0] = self.pick(-1, -(1 << 63), (1 << 63) - 1, 1 << 50, 1 << 62)
        elif np.prod(out, dtype=object) * 16 > bytes_:
            out = [1] * len(out)
        return (ctypes.c_int64 * len(out))(*out)

    def out(self, kind):
        place = P(UNTOUCHED)
        self.outs.append((place, kind))
        return ctypes.byref(place) if self.random.random() < 0.97 else None

    def handles(self, count):
        return (P * count)(*[getattr(self.handle(self.values, self.models), "value", None) for _ in range(count)])

    def arguments(self, name, parameters):
        rank = self.pick(0, 1, 2, 3, 3, 64, 65, -1, -(1 << 31), (1 << 31) - 1)
        count, text = self.pick(0, 1, 1, 2, 2, 3), self.text()
        numbers = {"rank": rank, "count": SIZE(count), "input_count": SIZE(count),
                   "output_count": SIZE(self.pick(0, 8)),
                   "dtype": self.pick(*range(15), 15, -1, 99, -(1 << 31)), "kind": self.pick(6, 7, 0, 99, -1),
                   "flags": self.pick(0, 0, 1, 2, 3, 1 << 31), "truth": self.pick(0, 1, -5), "bytes": SIZE(
                       self.pick(0, 1, ROOM) if "data" in parameters else len(text or b"")),
                   "number": ctypes.c_double(0.5) if "double" in parameters else ctypes.c_int64(self.pick(0, -1 << 63))}
        for parameter in filter(None, map(str.strip, parameters.split(","))):
            kind, label = re.fullmatch(r"(.*?)(\w+)", parameter).groups()
            kind = kind.replace(" ", "")
            if kind == "void":
                return
            if kind == "constrl_value*const*":
                yield self.handles(count)
            elif kind == "constchar*const*":
                names = [self.pick(b"input", b"input.0", b"x", b"n", None) for _ in range(count)]
                yield (ctypes.c_char_p * count)(*names)
            elif label == "outputs":
                yield (P * 8)()
            elif kind in ("constrl_model*", "rl_model*"):
                yield self.handle(self.models, self.values)
            elif kind == "constrl_value*":
                yield self.handle(self.values, self.models)
            elif kind == "constint64_t*":
                yield self.sizes(min(max(rank, 0), 65), ROOM) if self.random.random() < 0.95 else None
            elif kind == "constvoid*":
                there = "bytes" in parameters or (not self.huge and self.random.random() < 0.9)
                yield self.data if there else None
            elif kind == "constchar*":
                yield text
            elif kind.endswith("*"):
                yield self.out(kind)
            else:
                yield numbers.get(label, SIZE(self.pick(0, 0, 1, 7, (1 << 64) - 1)))

    def call(self):
        result, name, parameters = self.random.choice(FUNCTIONS)
        if name in LEFT_ALONE:
            return None
        self.outs = []
        arguments = list(self.arguments(name, re.sub(r"\s+", " ", parameters)))
        code = getattr(LIB, name)(*arguments)
        if result.strip() != "rl_status":
            return None
        shown = name, code, arguments, interface.error()
        assert 0 <= code < 7, shown
        if code:
            assert interface.error(), shown
            assert all(place.value == UNTOUCHED for place, _ in self.outs), shown
        else:
            self.keep(arguments)
        return code

    def keep(self, arguments):
        """Notes the handles that a call made; gives some back when there are many, and lists that have grown long."""
        for place, kind in self.outs:
            if kind == "rl_model**":
                self.models.append(place.value)
            elif kind == "rl_value**" and parts(place) > 300:
                LIB.rl_value_free(place)
            elif kind == "rl_value**":
                self.values.append(place.value)
        for argument in arguments:
            if isinstance(argument, P * 8):
                self.values += [value for value in argument if value]
        for some, most, free in ((self.values, 60, LIB.rl_value_free), (self.models, 6, LIB.rl_model_free)):
            while len(some) > most:
                free(P(some.pop(self.random.randrange(len(some)))))

    def free_all(self):
        for some, free in ((self.values, LIB.rl_value_free), (self.models, LIB.rl_model_free)):
            for handle in some:
                free(P(handle))


@pytest.mark.parametrize("seed", range(4))
def test_calls_at_random(tmp_path, seed):
    write_seeds(tmp_path)
    caller, codes = Caller(seed, tmp_path), []
    for path in caller.paths:
        if path.endswith(b".rush"):
            caller.models.append(interface.made(LIB.rl_model_load, path, 0).value)
    HELD.clear()
    caller.values.append(interface.tensor(np.ones((1, 2), np.float32)).value)
    HELD.clear()
    for _ in range(4000):
        codes.append(caller.call())
    caller.free_all()
    assert codes.count(0) > 300 and len(set(codes)) >= 6, {code: codes.count(code) for code in set(codes)}
