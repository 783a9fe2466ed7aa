"""A machine for the pickles inside saved files that knows data only.

It imports nothing and calls nothing that a file names: each global it admits is a key of a table of our own
functions, and each of those checks its arguments. Everything a pickle makes takes memory in proportion to the
pickle's length.
"""

import collections
import struct
from pickle import UnpicklingError

from rushlight.io import _tensors
from rushlight.io._errors import CorruptFileError, RecordError

MAX_DEPTH = 1000

_MAX_KEY_PARTS = 10000
_KEY_TYPES = {str, int, float, bool, type(None), bytes, complex}


class StorageType:
    """What `torch.FloatStorage` and its like stand for: a dtype, or None for plain bytes."""

    def __init__(self, dtype, itemsize):
        self.dtype = dtype
        self.itemsize = itemsize


class Admitted:
    """A global that may be called: our own function with the name it has in the file."""

    def __init__(self, name, call, factory=None):
        self.name = name
        self.call = call
        self.factory = factory  # the plain Python type, where it may be a defaultdict's factory


class LoadedStorage:
    """A storage of the file: its type, its memory and its key."""

    def __init__(self, kind, memory, key):
        self.kind = kind
        self.memory = memory
        self.key = key


def _refuse(text):
    raise UnpicklingError(text)


def _expect(holds, text):
    if not holds:
        raise UnpicklingError(text)


def _is_count(value):
    return type(value) is int and 0 <= value < 1 << 63


def _are_counts(value):
    return type(value) in (tuple, list, _tensors.Size) and all(_is_count(v) for v in value)


def _check_key(key):
    """Refuse what can't be hashed safely: a tuple that holds another twice, and so on, takes time without end."""
    pending = [key]
    for _ in range(_MAX_KEY_PARTS):
        one = pending.pop()
        if type(one) in (tuple, frozenset):
            pending.extend(one)
        elif type(one) not in _KEY_TYPES and not isinstance(one, (_tensors.dtype, _tensors.Size)):
            _refuse(f"the pickle uses a {type(one).__name__} as a key")
        if not pending:
            return key
    raise UnpicklingError(f"the pickle uses a key of more than {_MAX_KEY_PARTS} parts")


def _are_no_hooks(value):
    return value is None or (isinstance(value, dict) and not value)


class TensorMaker:
    """Makes the tensors that a pickle describes."""

    def tensor(self, storage, dtype, offset, size, stride, requires_grad):
        made = _tensors.tensor_over(storage.memory, dtype, offset, size, stride)
        return made.requires_grad_() if requires_grad else made

    def parameter(self, tensor, requires_grad):
        return _tensors.Parameter(tensor, requires_grad=requires_grad)

    def is_tensor(self, value):
        return isinstance(value, _tensors.Tensor)

    def set_state(self, tensor, state):
        tensor.__dict__.update(state)


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
        self._globals = _admitted_globals(self._maker)

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
                _refuse("the pickle is cut")
            code = data[self._at]
            self._at += 1
            if code == 0x2E:  # STOP
                value = self._pop()
                _expect(not self._stack and not self._marks, "the pickle ends with values left over")
                self._check_result(value)
                return value
            operation = operations[code]
            if operation is None:
                _refuse(
                    f"pickle operation {code:#04x} at byte {self._at - 1} is not one of those that data needs"
                )
            operation(self)

    # ---- the stack and the bytes ----

    def _take(self, count):
        end = self._at + count
        if end > len(self._data):
            _refuse(
                f"the pickle is cut: byte {self._at} begins {count} bytes, and {len(self._data) - self._at} are left"
            )
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _pop(self):
        stack = self._stack
        if len(stack) <= (self._marks[-1] if self._marks else 0):
            _refuse(f"the pickle takes a value from an empty stack before byte {self._at}")
        return stack.pop()

    def _top(self):
        stack = self._stack
        if len(stack) <= (self._marks[-1] if self._marks else 0):
            _refuse(f"the pickle needs a value on an empty stack before byte {self._at}")
        return stack[-1]

    def _pop_mark(self):
        if not self._marks:
            _refuse(f"the pickle takes a mark that is not there before byte {self._at}")
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items

    def _line(self):
        end = self._data.find(b"\n", self._at, self._at + 1000)
        _expect(end >= 0, "a name in the pickle has no end")
        text = bytes(self._data[self._at : end])
        self._at = end + 1
        return text.decode("utf-8", "replace")

    # ---- values ----

    def _push_tuple(self, items):
        self._push_nested(tuple(items), items)

    def _push_nested(self, made, items):
        depth = 1 + max((self._tuple_depth.get(id(item), 0) for item in items), default=0)
        _expect(depth <= MAX_DEPTH, f"the pickle nests deeper than {MAX_DEPTH}")
        self._tuple_depth[id(made)] = depth
        self._kept.append(made)
        self._stack.append(made)

    def _set_items(self, items):
        target = self._top()
        _expect(
            type(target) in (dict, collections.OrderedDict, collections.defaultdict, collections.Counter),
            f"the pickle sets an item of a {type(target).__name__}; expected a dict",
        )
        _expect(len(items) % 2 == 0, "the pickle sets a key without a value")
        for i in range(0, len(items), 2):
            target[_check_key(items[i])] = items[i + 1]

    def _append_items(self, items):
        target = self._top()
        _expect(type(target) is list, f"the pickle appends to a {type(target).__name__}; expected a list")
        target.extend(items)

    def _add_items(self, items):
        target = self._top()
        _expect(type(target) is set, f"the pickle adds to a {type(target).__name__}; expected a set")
        target.update(_check_key(item) for item in items)

    def _push_text(self, count):
        try:
            self._stack.append(str(self._take(count), "utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            _refuse("a text in the pickle is not UTF-8")

    def _push_old_string(self, count):
        raw = bytes(self._take(count))
        try:
            self._stack.append(raw if self._encoding == "bytes" else raw.decode(self._encoding))
        except UnicodeDecodeError:
            _refuse(
                f"a byte string in the pickle is not {self._encoding}; pass encoding='latin1' or 'bytes' to load"
            )

    def _push_global(self, module, name):
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        path = f"{module}.{name}"
        if path not in self._globals:
            _refuse(
                f"it holds a {path!r}, and making one would run code; only tensors, numbers, text and plain containers "
                "are loaded, with weights_only=False too. Save a state_dict() instead of a whole object"
            )
        self._stack.append(self._globals[path])

    def _call(self):
        arguments = self._pop()
        target = self._pop()
        _expect(
            type(arguments) is tuple, f"the pickle calls with a {type(arguments).__name__}; expected a tuple"
        )
        _expect(
            isinstance(target, Admitted), f"the pickle calls a {type(target).__name__}; that would run code"
        )
        if target.call is None:
            _refuse(f"the pickle calls {target.name}")
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
        _expect(
            type(state) is dict
            and all(type(k) is str and k.isidentifier() and not k.startswith("__") for k in state),
            "the pickle sets attributes by something other than a dict of names",
        )
        if type(target) is collections.OrderedDict:
            target.__dict__.update(state)
        elif self._maker.is_tensor(target):
            self._maker.set_state(target, state)
        else:
            _refuse(
                f"the pickle sets the state of a {type(target).__name__}; expected an OrderedDict or a tensor"
            )

    def _persistent(self):
        pid = self._pop()
        _expect(
            type(pid) is tuple and len(pid) in (5, 6) and type(pid[0]) is str and pid[0] == "storage",
            "the pickle refers to something outside itself that is not a storage",
        )
        _, kind, key, location, count = pid[:5]
        _expect(
            isinstance(kind, StorageType)
            and type(key) in (str, int)
            and type(location) is str
            and _is_count(count),
            "the pickle describes a storage wrongly: expected type, key, location and number of elements",
        )
        self._stack.append(
            self._load_storage(kind, str(key), location, count, pid[5] if len(pid) == 6 else None)
        )

    def _put(self, index):
        self._memo[index] = self._top()

    def _get(self, index):
        if index not in self._memo:
            _refuse(f"the pickle recalls memo {index}, which it never stored")
        self._stack.append(self._memo[index])

    def _push_long(self, count):
        _expect(count >= 0, "an integer in the pickle has a negative length")
        self._stack.append(int.from_bytes(self._take(count), "little", signed=True))

    def _check_result(self, root):
        """No nesting beyond the limit, and nothing left in it that only the machine understands."""
        seen = set()
        pending = [(root, 0)]
        while pending:
            value, depth = pending.pop()
            kind = type(value)
            if kind in _KEY_TYPES:
                continue
            if kind in (StorageType, Admitted, LoadedStorage):
                _refuse(
                    f"it holds a {getattr(value, 'name', 'storage')!r} as a value; only tensors, numbers, "
                    "text and plain containers are loaded"
                )
            if kind not in _CONTAINERS or id(value) in seen:
                continue
            _expect(depth < MAX_DEPTH, f"the pickle nests deeper than {MAX_DEPTH}")
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


# ---- what each operation does
# -------------------------------------------------------------------------------------------


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
    _expect(2 <= version <= 5, f"pickle protocol {version}; expected 2 to 5")


def _stack_global(m):
    name, module = m._pop(), m._pop()
    _expect(
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
        _check_key(item)
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


# ---- what the admitted globals do
# -----------------------------------------------------------------------------------------


def _ordered_dict(*arguments):
    _expect(len(arguments) <= 1, "OrderedDict: expected at most one argument")
    made = collections.OrderedDict()
    for pair in arguments[0] if arguments and type(arguments[0]) is list else ():
        _expect(
            type(pair) in (list, tuple) and len(pair) == 2 and type(pair[0]) in _KEY_TYPES,
            "OrderedDict: expected pairs of key and value",
        )
        made[pair[0]] = pair[1]
    return made


def _default_dict(*arguments):
    _expect(len(arguments) <= 1, "defaultdict: expected a factory and no items")
    factory = arguments[0] if arguments else None
    if factory is None:
        return collections.defaultdict()
    _expect(
        isinstance(factory, Admitted) and factory.factory is not None,
        "defaultdict: expected the factory list, dict, set, int, float, str, bool or None",
    )
    return collections.defaultdict(factory.factory)


def _counter(*arguments):
    _expect(
        len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) is dict),
        "Counter: expected a dict",
    )
    return collections.Counter(*arguments)


def _set_of(kind):
    def make(*arguments):
        _expect(
            len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) in (list, tuple)),
            f"{kind.__name__}: expected a list",
        )
        return kind(_check_key(item) for item in (arguments[0] if arguments else ()))

    return make


def _complex(*arguments):
    _expect(
        len(arguments) == 2 and all(type(a) in (int, float) for a in arguments),
        "complex: expected two numbers",
    )
    return complex(*arguments)


def _encode(*arguments):
    _expect(
        len(arguments) == 2 and type(arguments[0]) is type(arguments[1]) is str and arguments[1] in ("latin1", "latin-1"),
        "_codecs.encode: expected text and 'latin1'",
    )
    try:
        return arguments[0].encode("latin1")
    except UnicodeEncodeError:
        _refuse("_codecs.encode: the text is not Latin-1")


def _bytearray(*arguments):
    if len(arguments) == 2:
        arguments = (_encode(*arguments),)
    _expect(
        len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) is bytes),
        "bytearray: expected bytes",
    )
    return bytearray(*arguments)


def _size(*arguments):
    _expect(len(arguments) == 1 and _are_counts(arguments[0]), "Size: expected a tuple of ints")
    return _tensors.Size(arguments[0])


def _device(*arguments):
    _expect(
        1 <= len(arguments) <= 2 and type(arguments[0]) is str and all(type(a) is int for a in arguments[1:]),
        "device: expected a name and an index",
    )
    return _tensors.device(*arguments)


def _rebuilders(maker):
    """The functions that make tensors, by the names PyTorch gives them."""

    def rebuild(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
        _expect(
            isinstance(storage, LoadedStorage) and storage.kind.dtype is not None,
            "a tensor's storage is not one",
        )
        _expect(
            _is_count(offset) and _are_counts(size) and _are_counts(stride) and len(size) == len(stride),
            "a tensor's offset, size or stride is not made of ints >= 0",
        )
        _expect(
            type(requires_grad) is bool and _are_no_hooks(hooks),
            "a tensor's requires_grad is not a bool, or it brings hooks",
        )
        try:
            return maker.tensor(
                storage, storage.kind.dtype, offset, tuple(size), tuple(stride), requires_grad
            )
        except (RuntimeError, ValueError, OverflowError) as error:
            raise RecordError(
                storage.key,
                f"size {tuple(size)}, stride {tuple(stride)} and offset {offset} do not fit its "
                f"storage: {error}",
            ) from error

    def tensor_v1(*arguments):
        _expect(len(arguments) == 4, "_rebuild_tensor: expected four arguments")
        return rebuild(*arguments)

    def tensor_v2(*arguments):
        _expect(len(arguments) in (6, 7), "_rebuild_tensor_v2: expected six or seven arguments")
        return rebuild(*arguments)

    def parameter(*arguments):
        _expect(
            len(arguments) in (1, 2, 3) and maker.is_tensor(arguments[0]),
            "_rebuild_parameter: expected a tensor",
        )
        requires_grad = arguments[1] if len(arguments) > 1 else True
        _expect(
            type(requires_grad) is bool and _are_no_hooks(arguments[2] if len(arguments) == 3 else None),
            "_rebuild_parameter: requires_grad is not a bool, or it brings hooks",
        )
        return maker.parameter(arguments[0], requires_grad)

    def with_state(made, state):
        _expect(
            type(state) is dict
            and all(type(k) is str and k.isidentifier() and not k.startswith("__") for k in state),
            "a tensor's state is not a dict of attributes",
        )
        if state:
            maker.set_state(made, state)
        return made

    def parameter_with_state(*arguments):
        _expect(len(arguments) == 4, "_rebuild_parameter_with_state: expected four arguments")
        return with_state(parameter(*arguments[:3]), arguments[3])

    def from_type(*arguments):
        _expect(
            len(arguments) == 4
            and isinstance(arguments[0], Admitted)
            and arguments[0].name in known
            and type(arguments[2]) is tuple,
            "_rebuild_from_type_v2: expected a function, a type, arguments and a state",
        )
        return with_state(known[arguments[0].name](*arguments[2]), arguments[3])

    known = {
        "torch._utils._rebuild_tensor": tensor_v1,
        "torch._utils._rebuild_tensor_v2": tensor_v2,
        "torch._utils._rebuild_parameter": parameter,
        "torch._utils._rebuild_parameter_with_state": parameter_with_state,
    }
    return {
        **known,
        "torch._tensor._rebuild_from_type_v2": from_type,
        "torch.nn.parameter.Parameter": parameter,
    }


def _admitted_globals(maker):
    table = {path: Admitted(path, call) for path, call in _rebuilders(maker).items()}
    calls = {
        "collections.OrderedDict": _ordered_dict,
        "collections.defaultdict": _default_dict,
        "collections.Counter": _counter,
        "builtins.complex": _complex,
        "_codecs.encode": _encode,
        "builtins.bytearray": _bytearray,
        "torch.Size": _size,
        "torch.device": _device,
        "builtins.frozenset": _set_of(frozenset),
        "torch.Tensor": None,
    }
    table.update({path: Admitted(path, call) for path, call in calls.items()})
    table["builtins.set"] = Admitted("builtins.set", _set_of(set), set)
    for kind in (list, dict, int, float, str, bool, tuple):
        table[f"builtins.{kind.__name__}"] = Admitted(f"builtins.{kind.__name__}", None, kind)
    for name, dtype in _tensors.DTYPES.items():
        table[f"torch.{name}"] = dtype
        table[f"torch.{_tensors.STORAGE_NAMES[name]}"] = StorageType(dtype, dtype.itemsize)
    table["torch.storage.UntypedStorage"] = StorageType(None, 1)
    return table
