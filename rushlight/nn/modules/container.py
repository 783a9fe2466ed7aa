"""Containers: modules and parameters in sequences and by name."""
import operator
import warnings
from collections import OrderedDict
from collections.abc import Mapping

from rushlight.functional._core import Tensor
from rushlight.nn.modules._members import MODULE
from rushlight.nn.modules.module import Module, _add_indent
from rushlight.nn.parameter import Parameter

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Listed(Module):
    # Children named "0", "1", ...: what Sequential and ModuleList share.

    def _index(self, index):
        size = len(self)
        index = operator.index(index)
        if not -size <= index < size:
            raise IndexError(f"index {index} is out of range")
        return index % size

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __getitem__(self, index):
        modules = self._modules
        if isinstance(index, slice):
            return self._from_slice(list(modules.items())[index])
        return modules[list(modules)[self._index(index)]]

    def __setitem__(self, index, module):
        setattr(self, list(self._modules)[self._index(index)], module)

    def __delitem__(self, index):
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [names[self._index(index)]]:
            delattr(self, name)
        self._renumber(list(self._modules.values()))

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def _renumber(self, modules):
        self._modules = OrderedDict((str(i), module) for i, module in enumerate(modules))

    def append(self, module):
        """Add a module at the end; returns the container.

        Args:
            module (Module): what to add.
        """
        self.add_module(str(len(self)), module)
        return self

    def insert(self, index, module):
        """Put a module before position `index`.

        Args:
            index (int): the position.
            module (Module): what to put there.
        """
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules):
        """Add modules at the end; returns the container.

        Args:
            modules (iterable of Module): what to add.
        """
        for module in modules:
            self.append(module)
        return self

    def pop(self, key):
        """Remove and return the module at a position.

        Args:
            key (int): the position.
        """
        module = self[key]
        del self[key]
        return module


class Sequential(_Listed):
    """Modules applied one after the other.

    Args:
        *args (Module): the modules; or one OrderedDict from name to module.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Sequential(rl.nn.Linear(4, 2), rl.nn.ReLU())
        Sequential(
          (0): Linear(in_features=4, out_features=2, bias=True)
          (1): ReLU()
        )
    """

    def __init__(self, *args):
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else \
            ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input):
        attributes = self.__dict__
        for name, kind in attributes["_kinds"].items():
            if kind == MODULE:
                input = attributes[name](input)
        return input

    def _from_slice(self, items):
        return type(self)(OrderedDict(items))

    def insert(self, index, module):
        """Put a module before position `index`; returns the container.

        Args:
            index (int): the position.
            module (Module): what to put there.

        Raises:
            AssertionError: `module` is not a Module.
            IndexError: the position is out of range.
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        super().insert(index, module)
        return self

    def __add__(self, other):
        if not isinstance(other, Sequential):
            raise ValueError("add operator supports only objects of Sequential class, "
                             f"but {type(other)} is given.")
        return Sequential(*self, *other)

    def __iadd__(self, other):
        if not isinstance(other, Sequential):
            raise ValueError("add operator supports only objects of Sequential class, "
                             f"but {type(other)} is given.")
        return self.extend(list(other))

    def __mul__(self, other):
        return Sequential(*self._repeated(other))

    __rmul__ = __mul__

    def __imul__(self, other):
        return self.extend(self._repeated(other)[len(self):])

    def _repeated(self, other):
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return list(self) * other


class ModuleList(_Listed):
    """Modules in a list; it registers them, and leaves calling them to you.

    Args:
        modules (iterable of Module, optional): the first modules.

    Example:
        >>> import rushlight as rl
        >>> layers = rl.nn.ModuleList([rl.nn.Linear(2, 2) for _ in range(3)])
        >>> layers
        ModuleList(
          (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
        )
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self += modules

    def _from_slice(self, items):
        return type(self)(module for _, module in items)

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def extend(self, modules):
        """Add modules at the end; returns the list.

        Args:
            modules (iterable of Module): what to add.

        Raises:
            TypeError: `modules` is not iterable.
        """
        if not hasattr(modules, "__iter__"):
            raise TypeError("ModuleList.extend should be called with an iterable, but got "
                            + type(modules).__name__)
        return super().extend(list(modules))

    def __repr__(self):
        # Neighbours that print alike are shown once, with their range.
        runs = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        if not runs:
            return self._get_name() + "()"
        lines = [f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
                 for first, last, text in runs]
        return self._get_name() + "(\n  " + "\n  ".join(_add_indent(line, 2) for line in lines) + "\n)"


class ModuleDict(Module):
    """Modules by name; it registers them, and leaves calling them to you.

    Args:
        modules (Mapping or iterable of pairs, optional): the first modules.

    Example:
        >>> import rushlight as rl
        >>> heads = rl.nn.ModuleDict({"act": rl.nn.ReLU()})
        >>> heads["act"]
        ReLU()
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def clear(self):
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key):
        """Remove and return a module.

        Args:
            key (str): its name.
        """
        module = self[key]
        del self[key]
        return module

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """The pairs of name and module."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules):
        """Add modules, replacing those of the same name.

        Args:
            modules (Mapping or iterable of pairs): what to add.

        Raises:
            TypeError: `modules` is not iterable, or an element is not a pair.
            ValueError: an element does not have length two.
        """
        _update("ModuleDict", self, modules)


def _update(what, target, source):
    if not hasattr(source, "__iter__"):
        raise TypeError(f"{what}.update should be called with an iterable of key/value pairs, "
                        f"but got {type(source).__name__}")
    if isinstance(source, (Mapping, ModuleDict, ParameterDict)):
        for key, value in source.items():
            target[key] = value
        return
    for i, pair in enumerate(source):
        if not hasattr(pair, "__iter__"):
            raise TypeError(
                f"{what} update sequence element #{i} should be Iterable; is {type(pair).__name__}"
            )
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{what} update sequence element #{i} has length {len(pair)}; 2 is required")
        target[pair[0]] = pair[1]


def _described(value, dtype_of):
    # One line of ParameterList's and ParameterDict's text.
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    where = "" if value.device.type == "cpu" else f" ({value.device})"
    return f"{kind} containing: [{dtype_of(value)} of size {'x'.join(map(str, value.shape))}{where}]"


class ParameterList(Module):
    """Parameters in a list. Tensors become parameters; other values are kept as they are.

    Args:
        values (iterable, optional): the first values.

    Example:
        >>> import rushlight as rl
        >>> weights = rl.nn.ParameterList([rl.ones(2), rl.zeros(3)])
        >>> [name for name, _ in weights.named_parameters()]
        ['0', '1']
    """

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _name(self, index):
        index = operator.index(index)
        if not -self._size <= index < self._size:
            raise IndexError(f"index {index} is out of range")
        return str(index % self._size)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(getattr(self, str(i)) for i in range(self._size)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index, value):
        setattr(self, self._name(index), _as_parameter(value))

    def __len__(self):
        return self._size

    def __iter__(self):
        return iter(self[i] for i in range(self._size))

    def __iadd__(self, values):
        return self.extend(values)

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value):
        """Add a value at the end; returns the list.

        Args:
            value (object): a tensor becomes a parameter.
        """
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Add values at the end; returns the list.

        Args:
            values (iterable): what to add.

        Raises:
            TypeError: `values` is a tensor, or not iterable.
        """
        if not hasattr(values, "__iter__") or isinstance(values, Tensor):
            raise TypeError(
                f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}"
            )
        for value in values:
            self.append(value)
        return self

    def extra_repr(self):
        return "\n".join(
            f"  ({i}): {_described(value, lambda tensor: tensor.dtype)}" for i, value in enumerate(self)
        )


class ParameterDict(Module):
    """Parameters by name, in order of insertion. Tensors become parameters; other values stay as they are.

    Args:
        parameters (Mapping or iterable of pairs, optional): the first values.

    Example:
        >>> import rushlight as rl
        >>> weights = rl.nn.ParameterDict({"left": rl.ones(2)})
        >>> "left" in weights, len(weights)
        (True, 1)
    """

    def __init__(self, parameters=None):
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def _name(self, key):
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}'). Open an issue on github if you need non-string keys."
            )
        return key

    def __getitem__(self, key):
        return getattr(self, self._name(key))

    def __setitem__(self, key, value):
        self._keys[self._name(key)] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, key)

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(list(self._keys))

    def __contains__(self, key):
        return key in self._keys

    def __or__(self, other):
        copy = self.copy()
        copy.update(other)
        return copy

    def __ror__(self, other):
        copy = ParameterDict(other)
        copy.update(self)
        return copy

    def __ior__(self, other):
        self.update(other)
        return self

    def copy(self):
        """Another dict of the same parameters."""
        return ParameterDict(self.items())

    def setdefault(self, key, default=None):
        """The value at `key`, after putting `default` there if there was none.

        Args:
            key (str): the name.
            default (object): Default: None.
        """
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Remove and return a value.

        Args:
            key (str): its name.
        """
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Remove and return the last pair."""
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key, default=None):
        """The value at `key`, or `default`.

        Args:
            key (str): the name.
            default (object): Default: None.
        """
        return self[key] if key in self else default  # noqa: SIM401  this is that get

    def fromkeys(self, keys, default=None):
        """A new dict with these names and one value.

        Args:
            keys (iterable of str): the names.
            default (object): Default: None.
        """
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The names."""
        return self._keys.keys()

    def items(self):
        """The pairs of name and value."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters):
        """Add values, replacing those of the same name.

        Args:
            parameters (Mapping or iterable of pairs): what to add.

        Raises:
            TypeError: `parameters` is not iterable, or an element is not a pair.
            ValueError: an element does not have length two.
        """
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            parameters = sorted(parameters.items())  # PyTorch's order for an ordinary dict
        _update("ParameterDict", self, parameters)

    def extra_repr(self):
        return "\n".join(
            f"  ({key}): {_described(value, lambda tensor: tensor.type())}" for key, value in self.items()
        )

    def __call__(self, input):
        raise RuntimeError("ParameterDict should not be called.")


def _as_parameter(value):
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


class Container(Module):
    """An older way to make a module of named children.

    Args:
        kwargs: the children by name.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Container(first=rl.nn.ReLU())
        Container(
          (first): ReLU()
        )
    """

    def __init__(self, **kwargs):
        super().__init__()
        warnings.warn("`nn.Container` is deprecated: subclass `nn.Module`, or use `nn.ModuleDict`", FutureWarning,
                      stacklevel=2)
        for name, module in kwargs.items():
            self.add_module(name, module)
