"""What programs take and give: tensors in lists, tuples and dicts, and how to describe that in a file."""
from rushlight._C import Tensor


def flatten(tree, what, values=False):
    """The tensors of a structure, and its description: "tensor", or [kind, parts].

    With `values`, named tuples are described by their class, [class, parts], and anything else is a part of the
    description: ["value", it].

    Raises:
        TypeError: something in it is no tensor, list, tuple or dict.
    """
    if isinstance(tree, Tensor):
        return [tree], "tensor"
    if tree is None:
        return [], "none"
    if type(tree) in (list, tuple) or (isinstance(tree, list | tuple) and not values):
        parts = [flatten(item, what, values) for item in tree]
        kind = "list" if isinstance(tree, list) else "tuple"
        return [t for tensors, _ in parts for t in tensors], [kind, [form for _, form in parts]]
    if is_named(tree):
        parts = [flatten(item, what, values) for item in tree]
        return [t for tensors, _ in parts for t in tensors], [type(tree), [form for _, form in parts]]
    if type(tree) is dict or (isinstance(tree, dict) and not values):
        parts = [flatten(item, what, values) for item in tree.values()]
        names = list(tree) if values else [str(name) for name in tree]
        return [t for tensors, _ in parts for t in tensors], [
            "dict", [[name, form] for name, (_, form) in zip(names, parts, strict=True)]]
    if values:
        return [], ["value", tree]
    raise TypeError(f"{what} holds {type(tree).__name__}; expected tensors, or lists, tuples and dicts of tensors")


def flatten_call(args, kwargs, what):
    """As `flatten` of a call's arguments with values; a tensor that comes again is ["again", its place]."""
    tensors, form = flatten([list(args), dict(kwargs)], what, values=True)
    distinct = list({id(t): t for t in tensors}.values())
    if len(distinct) == len(tensors):
        return tensors, form
    return distinct, _with_places(form, iter(tensors), {})


def _with_places(form, tensors, places):
    if form == "tensor":
        t = next(tensors)
        if id(t) in places:
            return ["again", places[id(t)]]
        places[id(t)] = len(places)
        return form
    if form == "none" or form[0] == "value":
        return form
    kind, parts = form
    if kind == "dict":
        return [kind, [[name, _with_places(part, tensors, places)] for name, part in parts]]
    return [kind, [_with_places(part, tensors, places) for part in parts]]


def is_named(tree):
    """Whether it is a named tuple: the user's, or what an operator of several results gives."""
    return isinstance(tree, tuple) and (hasattr(tree, "_make") or type(tree).__module__ == "rushlight.return_types")


def told(form):
    """A description as people write structures: (Tensor, None)."""
    if form in ("tensor", "none"):
        return "Tensor" if form == "tensor" else "None"
    kind, parts = form
    if kind == "dict":
        return "{" + ", ".join(f"{name!r}: {told(part)}" for name, part in parts) + "}"
    inner = ", ".join(map(told, parts))
    return f"[{inner}]" if kind == "list" else f"({inner}{',' * (len(parts) == 1)})"


def call_told(form):
    """The description of a call's arguments: (Tensor, mask=Tensor)."""
    (_, given), (_, named) = form[1]
    return f"({', '.join([*map(told, given), *(f'{name}={told(part)}' for name, part in named)])})"


def rebuild(form, tensors):
    """The structure that `flatten` described, of the tensors that an iterator gives."""
    if form == "tensor":
        return next(tensors)
    if form == "none":
        return None
    kind, parts = form
    if kind == "value":
        return parts
    if kind == "dict":
        return {name: rebuild(part, tensors) for name, part in parts}
    made = [rebuild(part, tensors) for part in parts]
    if kind == "list":
        return made
    return tuple(made) if kind == "tuple" else getattr(kind, "_make", kind)(made)


def paths(form, path=""):
    """Where each tensor of a description lies: "0.1", "1.mask"."""
    if form in ("tensor", "none"):
        return [path] if form == "tensor" else []
    kind, parts = form
    named = parts if kind == "dict" else enumerate(parts)
    return [name for key, part in named for name in paths(part, f"{path}.{key}" if path else str(key))]


def input_names(takes, positions):
    """What tensors of a call are called: by argument, and by position as the graph calls them."""
    return [path[2:] if path.startswith("1.") else name for path, name in zip(paths(takes), positions, strict=True)]


def count(form):
    """How many tensors a description stands for.

    Raises:
        ValueError: it is none.
    """
    if form in ("tensor", "none"):
        return int(form == "tensor")
    kind, parts = form
    if kind == "value":
        raise ValueError(f"{form!r} describes more than tensors")
    return sum(count(part) for part in ([part for _, part in parts] if kind == "dict" else parts))
