"""Attributes of modules with the types that scripted programs see."""
import typing


class Attribute(typing.NamedTuple):
    """A value of a module's attribute with the type that scripted programs see.

    Attributes:
        value: what it is at first.
        type: as in annotations.

    Example:
        >>> class Net(rushlight.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.names = rushlight.jit.Attribute({}, dict[str, int])
        ...     def forward(self, x):
        ...         return x + len(self.names)
        >>> rushlight.jit.script(Net())(rushlight.ones(1))
        tensor([1.])
    """

    value: typing.Any
    type: typing.Any
