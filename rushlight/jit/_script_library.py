"""What scripted programs call of ours that is easier said in Python than in a graph; it is scripted as theirs is."""
from typing import List, Tuple  # noqa: UP035  as programs write them

from rushlight import _C
from rushlight._C import Tensor


def places(entries: List[Tensor], dims: List[int]) -> Tuple[List[Tensor], List[int]]:  # noqa: UP006
    """Arrays that index, and their dimensions: a mask is the places where it is true."""
    arrays: List[Tensor] = []  # noqa: UP006
    taken: List[int] = []  # noqa: UP006
    shift = 0
    for k in range(len(entries)):
        entry, dim = entries[k], dims[k] + shift
        if entry.dtype == _C.bool:
            found = entry.nonzero()
            for i in range(entry.dim()):
                arrays.append(found[:, i])
                taken.append(dim + i)
            shift += entry.dim() - 1
        else:
            arrays.append(entry)
            taken.append(dim)
    return arrays, taken


def product(numbers: List[int]) -> int:  # noqa: UP006
    """The product of ints, as math.prod gives it."""
    total = 1
    for number in numbers:
        total *= number
    return total
