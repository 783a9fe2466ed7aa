"""Composites: functions written in Python over primitives; everything else derives from their definition.

A composite is one decorated function with a docstring and an example. Its public names are given as paths, as in
an operator's record: "pixel_shuffle nn.functional.pixel_shuffle" appears in two namespaces, "Tensor.unflatten" is
a method.
"""

from rushlight.functional._core import core, native

#: Every composite, in order of definition: (function, paths).
COMPOSITES = []

_PLACES = {"": core, "nn.functional": native}


def composite(paths):
    """Register a function as a composite.

    Args:
        paths (str): its public paths, separated by spaces.

    Returns:
        callable: a decorator that returns the function itself.

    Example:
        >>> from rushlight.functional._composite import composite, in_namespace
        >>> "glu" in in_namespace("nn.functional")
        True
    """
    def register(function):
        if function.__code__.co_name != function.__name__:
            # One of several made by the same lines: its errors and tracebacks bear its own name.
            function.__code__ = function.__code__.replace(co_name=function.__name__, co_qualname=function.__qualname__)
        COMPOSITES.append((function, tuple(paths.split())))
        core._name_composite(function, paths.split()[0].rpartition(".")[2])
        for path in paths.split():
            place, _, name = path.rpartition(".")
            if place in _PLACES:
                setattr(_PLACES[place], name, function)
        return function
    return register


def in_namespace(namespace):
    """The composites of one namespace by name.

    Args:
        namespace (str): "" for the top level, "nn.functional", "Tensor", ...

    Returns:
        dict: from name to function.

    Example:
        >>> from rushlight.functional._composite import in_namespace
        >>> in_namespace("nn.functional")["glu"].__name__
        'glu'
    """
    found = {}
    for function, paths in COMPOSITES:
        for path in paths:
            place, _, name = path.rpartition(".")
            if place == namespace:
                found[name] = function
    return found
