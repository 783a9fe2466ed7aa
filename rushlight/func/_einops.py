"""`rearrange`: transposing, splitting and joining dimensions by their names."""
import math
import re

from rushlight.functional._core import Tensor, core


def _parse(side, pattern):
    """Groups of names: [["b"], ["h", "w"]]; "..." stands for dimensions of their own."""
    groups, inside = [], None
    for token in re.findall(r"\.\.\.|\w+|[()]|\S", side):
        if token == "(":
            if inside is not None:
                raise ValueError(f"rearrange: pattern={pattern!r} nests parentheses; expected one level")
            inside = []
        elif token == ")":
            if inside is None:
                raise ValueError(f"rearrange: pattern={pattern!r} closes what it did not open")
            groups.append(inside)
            inside = None
        elif token == "..." or token == "1" or token.isidentifier():
            names = [] if token == "1" else [token]
            if inside is not None:
                inside += names
            else:
                groups.append(token if token == "..." else names)
        else:
            raise ValueError(f"rearrange: pattern={pattern!r} holds {token!r}; expected names, 1, ... and parentheses")
    if inside is not None:
        raise ValueError(f"rearrange: pattern={pattern!r} leaves a parenthesis open")
    return groups


def _sizes(groups, shape, lengths, pattern):
    """The length of each name, in the order of the left side."""
    found = {}
    for names, size in zip(groups, shape, strict=True):
        unknown = [n for n in names if n not in lengths]
        known = math.prod(lengths[n] for n in names if n in lengths)
        if len(unknown) > 1:
            raise ValueError(f"rearrange: pattern={pattern!r}; expected a length for all but one of {names}")
        if (size % known if unknown else size != known) or (known == 0 and unknown):
            raise ValueError(f"rearrange: {names} of lengths {lengths} do not make the {size} of shape {tuple(shape)}")
        for n in names:
            found[n] = size // known if n in unknown else lengths[n]
    return found


def _spread(side, rest):
    """A side with the names `rest` in the place of "...", each a dimension unless it stands in parentheses."""
    result = []
    for group in side:
        if group == "...":
            result += [[name] for name in rest]
        else:
            result.append([n for name in group for n in (rest if name == "..." else [name])])
    return result


def rearrange(tensor, pattern, **axes_lengths):
    """Dimensions transposed, split and joined as a pattern says.

    Args:
        tensor (Tensor or list of Tensor): a list is stacked along a first dimension.
        pattern (str): "b (h w) c -> b c h w": names on both sides, parentheses for several in one dimension, 1 for a
            dimension of one element, ... for any others.
        axes_lengths (int): lengths of names that the shape does not tell.

    Raises:
        ValueError: the pattern can't be read or does not fit.

    Example:
        >>> rushlight.func.rearrange(rushlight.zeros(2, 12), "b (h w) -> w b h", h=3).shape
        rushlight.Size([4, 2, 3])
    """
    if not isinstance(tensor, Tensor):
        tensor = core.stack(list(tensor))
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange: pattern={pattern!r}; expected 'left -> right'")
    left, right = (_parse(side, pattern) for side in pattern.split("->"))
    if "..." in left:
        rest = [f"...{i}" for i in range(tensor.dim() - len(left) + 1)]
        left, right = (_spread(side, rest) for side in (left, right))
    names_left, names_right = ([n for g in side for n in g] for side in (left, right))
    if sorted(names_left) != sorted(names_right) or len(set(names_left)) != len(names_left):
        raise ValueError(f"rearrange: pattern={pattern!r}; expected the same names on both sides, each once")
    if unknown := set(axes_lengths) - set(names_left):
        raise ValueError(f"rearrange: lengths of {sorted(unknown)} given; pattern={pattern!r} does not name them")
    if len(left) != tensor.dim():
        raise ValueError(f"rearrange: pattern={pattern!r} for a tensor of shape {tuple(tensor.shape)}; expected "
                         f"{tensor.dim()} dimensions on its left side")
    sizes = _sizes(left, tensor.shape, axes_lengths, pattern)
    split = tensor.reshape([sizes[n] for n in names_left])
    turned = split.permute([names_left.index(n) for n in names_right])
    return turned.reshape([math.prod(sizes[n] for n in group) for group in right])
