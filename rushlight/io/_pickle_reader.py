"""A machine for the pickles inside saved files that knows data only.

It imports nothing and calls nothing that a file names: each global it admits is a key of a table of our own
functions, and each of those checks its arguments. Everything a pickle makes takes memory in proportion to the
pickle's length.
"""

import collections
import struct
from pickle import UnpicklingError

from rushlight._files.errors import CorruptFileError, expect, is_count, refuse
from rushlight.io._admitted import (
    KEY_TYPES,
    Admitted,
    LoadedStorage,
    StorageType,
    TensorMaker,
    admitted_globals,
    check_key,
    is_plain_state,
)
from rushlight.io._arrays import ArrayType, fill, is_array

MAX_DEPTH = 1000


class Unpickler:
    """Runs one pickle.

    Args:
        data: bytes that begin with the pickle.
        load_storage: `f(kind, key, location, count, view)` gives the LoadedStorage of a persistent id.
        maker: a TensorMaker.
        encoding: how Python 2 byte strings become text; "bytes" leaves them.
    """

    def __init__(self, data, load_storage, maker=None, encoding="utf-8"):
        self._data = data
        self._at = 0
        self._stack = []
        self._marks = []
        self._memo = {}
        self._tuple_depth = {}  # id -> nesting of the tuples and frozensets that are alive in `_kept`
        self._kept = []
        self._load_storage = load_storage
        self._maker = maker or TensorMaker()
        self._encoding = encoding
        self._globals = admitted_globals(self._maker)

    @property
    def position(self):
        """Where the next byte would be read."""
        return self._at

    def load(self, position=0):
        """Run the pickle that begins at `position`; returns its object.

        Raises:
            UnpicklingError: it is damaged, nests deeper than 1,000 or asks for anything but data.
        """
        self._at = position
        self._memo = {}
        data, operations = self._data, _OPERATIONS
        while True:
            if self._at >= len(data):
                refuse("the pickle is cut")
            code = data[self._at]
            self._at += 1
            if code == 0x2E:  # STOP
                value = self._pop()
                expect(not self._stack and not self._marks, "the pickle ends with values left over")
                self._check_result(value)
                return value
            operation = operations[code]
            if operation is None:
                refuse(
                    f"pickle operation {code:#04x} at byte {self._at - 1} is not one of those that data needs"
                )
            operation(self)

    # ---- the stack and the bytes ----

    def _take(self, count):
        end = self._at + count
        if end > len(self._data):
            refuse(
                f"the pickle is cut: byte {self._at} begins {count} bytes, and {len(self._data) - self._at} are left"
            )
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _pop(self):
        stack = self._stack
        if len(stack) <= (self._marks[-1] if self._marks else 0):
            refuse(f"the pickle takes a value from an empty stack before byte {self._at}")
        return stack.pop()

    def _top(self):
        stack = self._stack
        if len(stack) <= (self._marks[-1] if self._marks else 0):
            refuse(f"the pickle needs a value on an empty stack before byte {self._at}")
        return stack[-1]

    def _pop_mark(self):
        if not self._marks:
            refuse(f"the pickle takes a mark that is not there before byte {self._at}")
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items

    def _line(self):
        end = self._data.find(b"\n", self._at, self._at + 1000)
        expect(end >= 0, "a name in the pickle has no end")
        text = bytes(self._data[self._at : end])
        self._at = end + 1
        return text.decode("utf-8", "replace")

    # ---- values ----

    def _push_tuple(self, items):
        self._push_nested(tuple(items), items)

    def _push_nested(self, made, items):
        depth = 1 + max((self._tuple_depth.get(id(item), 0) for item in items), default=0)
        expect(depth <= MAX_DEPTH, f"the pickle nests deeper than {MAX_DEPTH}")
        self._tuple_depth[id(made)] = depth
        self._kept.append(made)
        self._stack.append(made)

    def _set_items(self, items):
        target = self._top()
        expect(
            type(target) in (dict, collections.OrderedDict, collections.defaultdict, collections.Counter),
            f"the pickle sets an item of a {type(target).__name__}; expected a dict",
        )
        expect(len(items) % 2 == 0, "the pickle sets a key without a value")
        for i in range(0, len(items), 2):
            target[check_key(items[i])] = items[i + 1]

    def _append_items(self, items):
        target = self._top()
        expect(type(target) is list, f"the pickle appends to a {type(target).__name__}; expected a list")
        target.extend(items)

    def _add_items(self, items):
        target = self._top()
        expect(type(target) is set, f"the pickle adds to a {type(target).__name__}; expected a set")
        target.update(check_key(item) for item in items)

    def _push_text(self, count):
        try:
            self._stack.append(str(self._take(count), "utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            refuse("a text in the pickle is not UTF-8")

    def _push_old_string(self, count):
        raw = bytes(self._take(count))
        try:
            self._stack.append(raw if self._encoding == "bytes" else raw.decode(self._encoding))
        except UnicodeDecodeError:
            refuse(
                f"a byte string in the pickle is not {self._encoding}; pass encoding='latin1' or 'bytes' to load"
            )

    def _push_global(self, module, name):
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        path = f"{module}.{name}"
        if path not in self._globals:
            refuse(
                f"it holds a {path!r}, and making one would run code; only tensors, numbers, text and plain containers "
                "are loaded, with weights_only=False too. Save a state_dict() instead of a whole object"
            )
        self._stack.append(self._globals[path])

    def _call(self):
        arguments = self._pop()
        target = self._pop()
        expect(
            type(arguments) is tuple, f"the pickle calls with a {type(arguments).__name__}; expected a tuple"
        )
        expect(
            isinstance(target, Admitted), f"the pickle calls a {type(target).__name__}; that would run code"
        )
        if target.call is None:
            refuse(f"the pickle calls {target.name}")
        try:
            made = target.call(*arguments)
        except (UnpicklingError, CorruptFileError):
            raise
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise UnpicklingError(f"{target.name}: {error}") from error
        if type(made) is frozenset:
            self._push_nested(made, list(made))
        else:
            self._stack.append(made)

    def _build(self):
        state = self._pop()
        target = self._top()
        if isinstance(target, ArrayType):
            target.set_state(state)
            return
        if is_array(target):
            self._fill(target, state)
            return
        expect(is_plain_state(state), "the pickle sets attributes by something other than a dict of names")
        if type(target) is collections.OrderedDict:
            target.__dict__.update(state)
        elif self._maker.is_tensor(target):
            self._maker.set_state(target, state)
        else:
            refuse(
                f"the pickle sets the state of a {type(target).__name__}; expected an OrderedDict or a tensor"
            )

    def _fill(self, array, state):
        try:
            fill(array, state)
        except (TypeError, ValueError, OverflowError, MemoryError) as error:
            raise UnpicklingError(f"a NumPy array: {error}") from error

    def _persistent(self):
        pid = self._pop()
        expect(
            type(pid) is tuple and len(pid) in (5, 6) and type(pid[0]) is str and pid[0] == "storage",
            "the pickle refers to something outside itself that is not a storage",
        )
        _, kind, key, location, count = pid[:5]
        expect(
            isinstance(kind, StorageType)
            and type(key) in (str, int)
            and type(location) is str
            and is_count(count),
            "the pickle describes a storage wrongly: expected type, key, location and number of elements",
        )
        self._stack.append(
            self._load_storage(kind, str(key), location, count, pid[5] if len(pid) == 6 else None)
        )

    def _put(self, index):
        self._memo[index] = self._top()

    def _get(self, index):
        if index not in self._memo:
            refuse(f"the pickle recalls memo {index}, which it never stored")
        self._stack.append(self._memo[index])

    def _push_long(self, count):
        expect(count >= 0, "an integer in the pickle has a negative length")
        self._stack.append(int.from_bytes(self._take(count), "little", signed=True))

    def _check_result(self, root):
        """No nesting beyond the limit, and nothing left in it that only the machine understands."""
        seen = set()
        pending = [(root, 0)]
        while pending:
            value, depth = pending.pop()
            kind = type(value)
            if kind in KEY_TYPES:
                continue
            if kind in (StorageType, Admitted, LoadedStorage, ArrayType):
                refuse(
                    f"it holds a {getattr(value, 'name', 'storage')!r} as a value; only tensors, numbers, "
                    "text and plain containers are loaded"
                )
            if kind not in _CONTAINERS or id(value) in seen:
                continue
            expect(depth < MAX_DEPTH, f"the pickle nests deeper than {MAX_DEPTH}")
            seen.add(id(value))
            if issubclass(kind, dict):
                pending.extend((item, depth + 1) for item in value.values())
                if kind is collections.OrderedDict and value.__dict__:
                    pending.append((value.__dict__, depth + 1))
            else:
                pending.extend((item, depth + 1) for item in value)


_CONTAINERS = {
    dict,
    list,
    tuple,
    set,
    frozenset,
    collections.OrderedDict,
    collections.defaultdict,
    collections.Counter,
}


# ---- what each operation does ----


def _number(code):
    layout = struct.Struct(code)

    def push(m):
        m._stack.append(layout.unpack(m._take(layout.size))[0])

    return push


def _counted(code, push):
    layout = struct.Struct(code)
    return lambda m: push(m, layout.unpack(m._take(layout.size))[0])


def _protocol(m):
    version = m._take(1)[0]
    expect(2 <= version <= 5, f"pickle protocol {version}; expected 2 to 5")


def _stack_global(m):
    name, module = m._pop(), m._pop()
    expect(
        type(name) is str and type(module) is str, "the pickle names a global by something other than text"
    )
    m._push_global(module, name)


def _push_bytes(m, count):
    m._stack.append(bytes(m._take(count)))


def _tuple_of(count):
    def push(m):
        items = [m._pop() for _ in range(count)][::-1]
        m._push_tuple(items)

    return push


def _append_one(m):
    item = m._pop()
    m._append_items([item])


def _set_one(m):
    value, key = m._pop(), m._pop()
    m._set_items([key, value])


def _frozen(m):
    items = m._pop_mark()
    for item in items:
        check_key(item)
    m._push_nested(frozenset(items), items)


_TABLE = {
    b"\x80": _protocol,
    b"\x95": lambda m: m._take(8),  # FRAME
    b"(": lambda m: m._marks.append(len(m._stack)),
    b"0": lambda m: m._pop(),
    b"N": lambda m: m._stack.append(None),
    b"\x88": lambda m: m._stack.append(True),
    b"\x89": lambda m: m._stack.append(False),
    b"J": _number("<i"),
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"G": _number(">d"),
    b"\x8a": _counted("<B", Unpickler._push_long),
    b"\x8b": _counted("<i", Unpickler._push_long),
    b"X": _counted("<I", Unpickler._push_text),
    b"\x8c": _counted("<B", Unpickler._push_text),
    b"\x8d": _counted("<Q", Unpickler._push_text),
    b"U": _counted("<B", Unpickler._push_old_string),
    b"T": _counted("<I", Unpickler._push_old_string),
    b"B": _counted("<I", _push_bytes),
    b"C": _counted("<B", _push_bytes),
    b"\x8e": _counted("<Q", _push_bytes),
    b"\x96": _counted("<Q", lambda m, count: m._stack.append(bytearray(m._take(count)))),
    b"]": lambda m: m._stack.append([]),
    b"}": lambda m: m._stack.append({}),
    b")": lambda m: m._stack.append(()),
    b"\x8f": lambda m: m._stack.append(set()),
    b"t": lambda m: m._push_tuple(m._pop_mark()),
    b"\x85": _tuple_of(1),
    b"\x86": _tuple_of(2),
    b"\x87": _tuple_of(3),
    b"\x91": _frozen,
    b"a": _append_one,
    b"e": lambda m: m._append_items(m._pop_mark()),
    b"s": _set_one,
    b"u": lambda m: m._set_items(m._pop_mark()),
    b"\x90": lambda m: m._add_items(m._pop_mark()),
    b"q": _counted("<B", Unpickler._put),
    b"r": _counted("<I", Unpickler._put),
    b"\x94": lambda m: m._put(len(m._memo)),  # MEMOIZE
    b"h": _counted("<B", Unpickler._get),
    b"j": _counted("<I", Unpickler._get),
    b"c": lambda m: m._push_global(m._line(), m._line()),
    b"\x93": _stack_global,
    b"R": Unpickler._call,
    b"\x81": Unpickler._call,  # NEWOBJ: the same to our table
    b"b": Unpickler._build,
    b"Q": Unpickler._persistent,
}
_OPERATIONS = [None] * 256
for _code, _operation in _TABLE.items():
    _OPERATIONS[_code[0]] = _operation
