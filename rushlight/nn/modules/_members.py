"""How a module keeps its parameters, buffers and children.

The values themselves live in the instance's `__dict__`, so that reading `self.weight` is an ordinary attribute
access. Beside them, `__dict__["_kinds"]` says which names are registered and as what; `_parameters`, `_buffers` and
`_modules` are live views of it. There is one copy of each fact: nothing can drift.
"""
from collections import OrderedDict
from collections.abc import MutableMapping

from rushlight import _C

#: Tells compiled functions that something changed in a module.
touch = _C.graph._touch
PARAMETER, BUFFER, MODULE = "parameter", "buffer", "module"


class Members(MutableMapping):
    """The parameters, the buffers or the children of one module by name; writing to it writes to the module.

    Args:
        owner (Module): the module.
        kind (str): "parameter", "buffer" or "module".

    Example:
        >>> import rushlight as rl
        >>> list(rl.nn.Linear(2, 2)._parameters)
        ['weight', 'bias']
    """

    __slots__ = ("_kind", "_owner")

    def __init__(self, owner, kind):
        self._owner, self._kind = owner.__dict__, kind

    def __getitem__(self, name):
        if self._owner["_kinds"].get(name) != self._kind:
            raise KeyError(name)
        return self._owner[name]

    def __setitem__(self, name, value):
        record(self._owner, name, self._kind, value)

    def __delitem__(self, name):
        if self._owner["_kinds"].get(name) != self._kind:
            raise KeyError(name)
        del self._owner["_kinds"][name], self._owner[name]
        touch()

    def __contains__(self, name):
        return self._owner["_kinds"].get(name) == self._kind

    def __iter__(self):
        return iter([name for name, kind in self._owner["_kinds"].items() if kind == self._kind])

    def __reversed__(self):
        return reversed(list(self))

    def __len__(self):
        return sum(kind == self._kind for kind in self._owner["_kinds"].values())

    def __repr__(self):
        return f"{type(self).__name__}({dict(self)!r})"

    def copy(self):
        """The present members as an ordinary OrderedDict."""
        return OrderedDict(self)

    def popitem(self, last=True):
        """Remove and return the last (or the first) pair.

        Args:
            last (bool): which end. Default: True.
        """
        if not len(self):
            raise KeyError("popitem(): no members")
        name = list(self)[-1 if last else 0]
        return name, self.pop(name)


def record(attributes, name, kind, value):
    """Register `value` under `name`: keeps the place of a name of the same kind, else appends it.

    Args:
        attributes (dict): the module's `__dict__`.
        name (str): the attribute's name.
        kind (str): "parameter", "buffer" or "module".
        value (object): the value, or None.

    Raises:
        AttributeError: `Module.__init__` has not run.
    """
    kinds = attributes.get("_kinds")
    if kinds is None:
        raise AttributeError(f"cannot assign {kind}s before Module.__init__() call")
    before = kinds.get(name)
    if before is not None and before != kind:
        # Another kind of member keeps its order among its new fellows: it goes last.
        del kinds[name]
        attributes["_transient"].discard(name)
    kinds[name] = kind
    attributes[name] = value
    touch()
