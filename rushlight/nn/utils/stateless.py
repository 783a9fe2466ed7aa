"""Calling a module with other parameters than its own."""

__all__ = ["functional_call"]


def _places(module):
    """Every name of a parameter or buffer, tied ones included: (the module that holds it, its name there)."""
    found = {}
    for prefix, owner in module.named_modules(remove_duplicate=False):
        for table in (owner._parameters, owner._buffers):
            for name in table:
                found[f"{prefix}.{name}" if prefix else name] = (owner, name)
    return found


def _tied(places, given):
    """What replaces each name, where tied tensors are replaced together."""
    groups = {}
    for name, (owner, key) in places.items():
        if owner.__dict__[key] is not None:
            groups.setdefault(id(owner.__dict__[key]), []).append(name)
    result = dict(given)
    for names in groups.values():
        values = {id(given[n]): n for n in names if n in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call: {sorted(values.values())} are tied and got different tensors; expected the same, or "
                "tie_weights=False"
            )
        for name in names if values else ():
            result[name] = given[next(iter(values.values()))]
    return result


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls a module with other parameters and buffers, which it has for this call only.

    Args:
        module (Module): to call.
        parameters_and_buffers (dict): tensors by name, as `named_parameters` and `named_buffers` name them.
        args (tuple or object): its arguments; anything else than a tuple is the only one.
        kwargs (dict): its keyword arguments.
        tie_weights (bool): what replaces one of several tied parameters replaces all. Default: True.
        strict (bool): require every name, and no others. Default: False.

    Raises:
        RuntimeError: what strict forbids.
        ValueError: tied parameters got different tensors.

    Example:
        >>> layer = rushlight.nn.Linear(2, 1, bias=False)
        >>> given = {"weight": rushlight.ones(1, 2)}
        >>> rushlight.nn.utils.stateless.functional_call(layer, given, rushlight.ones(2))
        tensor([2.])
    """
    places = _places(module)
    given = _tied(places, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        unknown, missing = sorted(given.keys() - places.keys()), sorted(places.keys() - given.keys())
        if unknown or missing:
            raise RuntimeError(
                f"functional_call: unknown names {unknown}, missing names {missing}; strict=True expects every name "
                "and no others"
            )
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    kept = []
    try:
        for name, value in given.items():
            if name in places:
                owner, key = places[name]
                kept.append((owner.__dict__, key, owner.__dict__[key]))
                owner.__dict__[key] = value
        return module(*args, **(kwargs or {}))
    finally:
        for attributes, key, value in reversed(kept):
            attributes[key] = value
