"""Nested containers of tensors, as the transforms take and return them."""
from collections import OrderedDict


def _parts(tree):
    """The children of a container and how to make one like it of others; None for a leaf."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(tree), lambda parts: type(tree)(*parts)
    if isinstance(tree, list | tuple):
        return list(tree), type(tree)
    if isinstance(tree, dict):
        keys = list(tree)
        kind = OrderedDict if isinstance(tree, OrderedDict) else dict
        return [tree[k] for k in keys], lambda parts: kind(zip(keys, parts, strict=True))
    return None


def flatten(tree):
    """The leaves of a tree, and a function that makes the same tree of as many others."""
    found = _parts(tree)
    if found is None:
        return [tree], lambda leaves: leaves[0]
    children, make = found
    flat, makers, sizes = [], [], []
    for child in children:
        leaves, maker = flatten(child)
        flat += leaves
        makers.append(maker)
        sizes.append(len(leaves))

    def rebuild(leaves):
        parts, start = [], 0
        for maker, size in zip(makers, sizes, strict=True):
            parts.append(maker(leaves[start:start + size]))
            start += size
        return make(parts)
    return flat, rebuild


def broadcast(prefix, tree):
    """For each leaf of `tree` the leaf of `prefix` above it; None where the two have different shapes."""
    inner, outer = _parts(tree), _parts(prefix)
    if outer is None:
        return [prefix] * len(flatten(tree)[0])
    if inner is None or len(inner[0]) != len(outer[0]):
        return None
    if isinstance(tree, dict) != isinstance(prefix, dict) or (isinstance(tree, dict) and list(tree) != list(prefix)):
        return None
    found = []
    for part, branch in zip(outer[0], inner[0], strict=True):
        below = broadcast(part, branch)
        if below is None:
            return None
        found += below
    return found
