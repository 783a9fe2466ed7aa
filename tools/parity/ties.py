"""Nobody promises which of several equal elements a sort or a selection names: what is promised is checked here."""
import numpy as np

from tools.parity import compare, wire

#: Where the dimension stands among the arguments of operators whose last result is the places of elements.
_DIM = {"sort": 1, "argsort": 1, "topk": 2, "kthvalue": 2, "mode": 1, "median": 1, "nanmedian": 1}


def tied(operator, args, kwargs, result, sample, blob):
    """Whether `result` is PyTorch's but for the places, and these are of elements equal to those that PyTorch names."""
    stable = kwargs.get("stable", operator in ("sort", "argsort") and any(a is True for a in args[3:4]))
    if operator not in _DIM or stable:
        return False
    got = result[-1] if isinstance(result, tuple) else result
    wanted = compare.tensors(sample["want"])
    if isinstance(result, tuple):
        if len(wanted) != len(result):
            return False
        for value, want in zip(result[:-1], wanted[:-1], strict=True):
            try:
                compare.tensor(value, want, blob, sample, "result")
            except compare.Differs:
                return False
    want = wire.as_array(wanted[-1], blob)
    if str(got.dtype).rpartition(".")[2] != "int64" or tuple(got.shape) != want.shape:
        return False
    given, place = _DIM[operator], -1
    place = kwargs.get("dim", args[given] if len(args) > given and type(args[given]) is int else place)
    return _same_elements(compare.as_array(args[0]), compare.as_array(got), want, place)


def _same_elements(x, got, want, dim):
    if not x.ndim:
        return False
    if want.ndim < x.ndim:
        got, want = np.expand_dims(got, dim), np.expand_dims(want, dim)
    if got.min(initial=0) < 0 or got.max(initial=0) >= x.shape[dim]:
        return False
    once = np.diff(np.sort(got, dim), axis=dim).all()
    return bool(once and np.array_equal(np.take_along_axis(x, got, dim), np.take_along_axis(x, want, dim),
                                        equal_nan=x.dtype.kind in "fc"))
