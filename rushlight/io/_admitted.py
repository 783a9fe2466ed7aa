"""The globals that a file's pickle may name, each led to a function of our own that checks its arguments."""

import collections
from pickle import UnpicklingError

from rushlight._files.errors import RecordError, expect, is_count, refuse
from rushlight.io import _tensors
from rushlight.io._arrays import admitted_calls

_MAX_KEY_PARTS = 10000
KEY_TYPES = {str, int, float, bool, type(None), bytes, complex}


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


def _are_counts(value):
    return type(value) in (tuple, list, _tensors.Size) and all(is_count(v) for v in value)


def check_key(key):
    """Refuse what can't be hashed safely: a tuple that holds another twice, and so on, takes time without end."""
    pending = [key]
    for _ in range(_MAX_KEY_PARTS):
        one = pending.pop()
        if type(one) in (tuple, frozenset):
            pending.extend(one)
        elif type(one) not in KEY_TYPES and not isinstance(one, (_tensors.dtype, _tensors.Size)):
            refuse(f"the pickle uses a {type(one).__name__} as a key")
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


def _ordered_dict(*arguments):
    expect(len(arguments) <= 1, "OrderedDict: expected at most one argument")
    made = collections.OrderedDict()
    for pair in arguments[0] if arguments and type(arguments[0]) is list else ():
        expect(
            type(pair) in (list, tuple) and len(pair) == 2 and type(pair[0]) in KEY_TYPES,
            "OrderedDict: expected pairs of key and value",
        )
        made[pair[0]] = pair[1]
    return made


def _default_dict(*arguments):
    expect(len(arguments) <= 1, "defaultdict: expected a factory and no items")
    factory = arguments[0] if arguments else None
    if factory is None:
        return collections.defaultdict()
    expect(
        isinstance(factory, Admitted) and factory.factory is not None,
        "defaultdict: expected the factory list, dict, set, int, float, str, bool or None",
    )
    return collections.defaultdict(factory.factory)


def _counter(*arguments):
    expect(
        len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) is dict),
        "Counter: expected a dict",
    )
    return collections.Counter(*arguments)


def _set_of(kind):
    def make(*arguments):
        expect(
            len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) in (list, tuple)),
            f"{kind.__name__}: expected a list",
        )
        return kind(check_key(item) for item in (arguments[0] if arguments else ()))

    return make


def _complex(*arguments):
    expect(
        len(arguments) == 2 and all(type(a) in (int, float) for a in arguments),
        "complex: expected two numbers",
    )
    return complex(*arguments)


def _encode(*arguments):
    expect(
        len(arguments) == 2
        and all(type(a) is str for a in arguments)
        and arguments[1] in ("latin1", "latin-1"),
        "_codecs.encode: expected text and 'latin1'",
    )
    try:
        return arguments[0].encode("latin1")
    except UnicodeEncodeError:
        refuse("_codecs.encode: the text is not Latin-1")


def _no_bytes(*arguments):
    expect(len(arguments) == 0, "bytes: expected no argument")
    return b""


def _bytearray(*arguments):
    if len(arguments) == 2:
        arguments = (_encode(*arguments),)
    expect(
        len(arguments) == 0 or (len(arguments) == 1 and type(arguments[0]) is bytes),
        "bytearray: expected bytes",
    )
    return bytearray(*arguments)


def _size(*arguments):
    expect(len(arguments) == 1 and _are_counts(arguments[0]), "Size: expected a tuple of ints")
    return _tensors.Size(arguments[0])


def _device(*arguments):
    expect(
        1 <= len(arguments) <= 2 and type(arguments[0]) is str and all(type(a) is int for a in arguments[1:]),
        "device: expected a name and an index",
    )
    return _tensors.device(*arguments)


def is_plain_state(state):
    """Whether it is a dict of ordinary attribute names."""
    return type(state) is dict and all(
        type(k) is str and k.isidentifier() and not k.startswith("__") for k in state
    )


def _with_state(maker, made, state):
    expect(is_plain_state(state), "a tensor's state is not a dict of attributes")
    if state:
        maker.set_state(made, state)
    return made


def _rebuilders(maker):
    """The functions that make tensors, by the names PyTorch gives them."""

    def rebuild(storage, offset, size, stride, requires_grad=False, hooks=None, dtype=None, metadata=None):
        expect(
            isinstance(storage, LoadedStorage) and (storage.kind.dtype is None) == isinstance(dtype, _tensors.dtype),
            "a tensor's storage is not one",
        )
        expect(
            is_count(offset) and _are_counts(size) and _are_counts(stride) and len(size) == len(stride),
            "a tensor's offset, size or stride is not made of ints >= 0",
        )
        expect(
            type(requires_grad) is bool and _are_no_hooks(hooks),
            "a tensor's requires_grad is not a bool, or it brings hooks",
        )
        try:
            return maker.tensor(
                storage, dtype or storage.kind.dtype, offset, tuple(size), tuple(stride), requires_grad
            )
        except (RuntimeError, ValueError, OverflowError) as error:
            raise RecordError(
                storage.key,
                f"size {tuple(size)}, stride {tuple(stride)} and offset {offset} do not fit its "
                f"storage: {error}",
            ) from error

    def tensor_v1(*arguments):
        expect(len(arguments) == 4, "_rebuild_tensor: expected four arguments")
        return rebuild(*arguments)

    def tensor_v2(*arguments):
        expect(len(arguments) in (6, 7), "_rebuild_tensor_v2: expected six or seven arguments")
        return rebuild(*arguments[:6])

    def tensor_v3(*arguments):
        expect(len(arguments) in (7, 8), "_rebuild_tensor_v3: expected seven or eight arguments")
        return rebuild(*arguments)

    def parameter(*arguments):
        expect(
            len(arguments) in (1, 2, 3) and maker.is_tensor(arguments[0]),
            "_rebuild_parameter: expected a tensor",
        )
        requires_grad = arguments[1] if len(arguments) > 1 else True
        expect(
            type(requires_grad) is bool and _are_no_hooks(arguments[2] if len(arguments) == 3 else None),
            "_rebuild_parameter: requires_grad is not a bool, or it brings hooks",
        )
        return maker.parameter(arguments[0], requires_grad)

    def parameter_with_state(*arguments):
        expect(len(arguments) == 4, "_rebuild_parameter_with_state: expected four arguments")
        return _with_state(maker, parameter(*arguments[:3]), arguments[3])

    def from_type(*arguments):
        expect(
            len(arguments) == 4
            and isinstance(arguments[0], Admitted)
            and arguments[0].name in known
            and type(arguments[2]) is tuple,
            "_rebuild_from_type_v2: expected a function, a type, arguments and a state",
        )
        return _with_state(maker, known[arguments[0].name](*arguments[2]), arguments[3])

    known = {
        "torch._utils._rebuild_tensor": tensor_v1,
        "torch._utils._rebuild_tensor_v2": tensor_v2,
        "torch._utils._rebuild_tensor_v3": tensor_v3,
        "torch._utils._rebuild_parameter": parameter,
        "torch._utils._rebuild_parameter_with_state": parameter_with_state,
    }
    return {
        **known,
        "torch._tensor._rebuild_from_type_v2": from_type,
        "torch.nn.parameter.Parameter": parameter,
    }


def admitted_globals(maker):
    """The table: name in the file -> dtype, StorageType or Admitted."""
    table = {path: Admitted(path, call) for path, call in _rebuilders(maker).items()}
    calls = {
        "collections.OrderedDict": _ordered_dict,
        "collections.defaultdict": _default_dict,
        "collections.Counter": _counter,
        "builtins.complex": _complex,
        "_codecs.encode": _encode,
        "builtins.bytearray": _bytearray,
        "builtins.bytes": _no_bytes,
        "torch.Size": _size,
        "torch.device": _device,
        "builtins.frozenset": _set_of(frozenset),
        "torch.Tensor": None,
        **admitted_calls(),
    }
    table.update({path: Admitted(path, call) for path, call in calls.items()})
    table["builtins.set"] = Admitted("builtins.set", _set_of(set), set)
    for kind in (list, dict, int, float, str, bool, tuple):
        table[f"builtins.{kind.__name__}"] = Admitted(f"builtins.{kind.__name__}", None, kind)
    for name, dtype in _tensors.DTYPES.items():
        table[f"torch.{name}"] = dtype
        if name in _tensors.STORAGE_NAMES:
            table[f"torch.{_tensors.STORAGE_NAMES[name]}"] = StorageType(dtype, dtype.itemsize)
    table["torch.storage.UntypedStorage"] = StorageType(None, 1)
    return table
