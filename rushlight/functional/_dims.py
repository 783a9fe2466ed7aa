"""Dimensions that a composite is given, held against its input."""


def place_of(name, dim, input, scalar=False):
    """The place of `dim` counted from the front; with `scalar`, a tensor without dimensions counts as having one."""
    rank = input.dim() or int(scalar)
    if not -rank <= dim < rank:
        expected = f"{-rank} <= dim <= {rank - 1}" if rank else "at least one dimension"
        raise IndexError(
            f"{name}: dim={dim} is out of range for input of shape {tuple(input.shape)}; expected {expected}")
    return dim % rank
