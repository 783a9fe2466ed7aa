"""`compile` for programs that call it: until programs can be captured, they run as they are."""
import functools
import warnings


@functools.cache
def _say_once():
    warnings.warn("compile: programs are not captured yet; they run as they are, with the same results", stacklevel=3)


def compile(model=None, *, fullgraph=False, dynamic=None, backend=None, mode=None, options=None, name=None,
            disable=False, recompile_limit=None, isolate_recompiles=False, shapes_spec=None):
    """The function or module itself: it runs as it is, and a warning says so once.

    Args:
        model (callable, optional): what to compile; without it, a decorator is returned.
        fullgraph, dynamic, backend, mode, options, name, recompile_limit, isolate_recompiles, shapes_spec: how a
            program would be captured; without effect.
        disable (bool): says nothing. Default: False.

    Raises:
        TypeError: `model` is not callable.

    Example:
        >>> import rushlight as rl
        >>> double = rl.compile(lambda x: x * 2, disable=True)
        >>> double(rl.ones(2))
        tensor([2., 2.])
    """
    if model is None:
        return functools.partial(compile, disable=disable)
    if not callable(model):
        raise TypeError(f"compile: model={model!r} is a {type(model).__name__}; expected a function or a module")
    if not disable:
        _say_once()
    return model
