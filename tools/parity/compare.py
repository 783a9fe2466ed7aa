"""Whether a result is the one that PyTorch gave: kind, dtype, shape, values, and the strides of views."""
import numpy as np

from tools.parity import wire

#: (rtol, atol) of torch.testing.assert_close.
DEFAULTS = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
            "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


#: Before the largest deviation, at the end of a complaint.
MOST = "; the most by "


class Differs(Exception):
    """What differs, in words."""


def tree(got, want, blob, lib, sample, where="result"):
    """Compares `got` with the encoded `want`; `sample` holds the tolerances and what is random."""
    if isinstance(want, list) or (isinstance(want, dict) and ("tuple" in want or "size" in want)):
        items = want if isinstance(want, list) else want.get("tuple", want.get("size"))
        if not isinstance(got, (tuple, list)) or len(got) != len(items):
            raise Differs(f"{where}: {_kind(got)}; PyTorch gives {len(items)} of them")
        for field, place in zip(want.get("fields", ()) if isinstance(want, dict) else (), got):
            if getattr(got, field, None) is not place:
                raise Differs(f"{where}: has no field {field!r}")
        for k, (g, w) in enumerate(zip(got, items)):
            tree(g, w, blob, lib, sample, f"{where}[{k}]")
    elif isinstance(want, dict) and "tensor" in want:
        if not isinstance(got, lib.Tensor):
            raise Differs(f"{where}: {_kind(got)}; PyTorch gives a tensor")
        tensor(got, want["tensor"], blob, sample, where)
    elif isinstance(want, dict) and "again" in want:
        if not isinstance(got, lib.Tensor):
            raise Differs(f"{where}: {_kind(got)}; PyTorch gives a tensor")
    elif isinstance(got, lib.Tensor):
        raise Differs(f"{where}: Tensor; PyTorch gives {decoded(want, lib, blob)!r}")
    else:
        _plain(got, decoded(want, lib, blob), sample, where)


def decoded(want, lib, blob):
    return wire.decode(want, lib, blob, [], views=False)


def _plain(got, want, sample, where):
    if isinstance(want, (int, float, complex)) and isinstance(got, (int, float, complex)):
        if type(got) is not type(want):
            raise Differs(f"{where}: {_kind(got)}; PyTorch gives {_kind(want)}")
        if not sample.get("random"):
            _close(np.asarray(got), np.asarray(want), 1e-6 if isinstance(want, float) else 0, 0, where)
    elif got != want:
        raise Differs(f"{where}: {got!r}; PyTorch gives {want!r}")


def tensor(got, want, blob, sample, where):
    dtype, shape, strides = want[:3]
    got_dtype = str(got.dtype).rpartition(".")[2]
    if got_dtype != dtype:
        raise Differs(f"{where}: dtype {got_dtype}; PyTorch gives {dtype}")
    if list(got.shape) != shape:
        raise Differs(f"{where}: shape {tuple(got.shape)}; PyTorch gives {tuple(shape)}")
    if sample.get("view") and list(got.stride()) != strides and 0 not in shape:
        raise Differs(f"{where}: strides {got.stride()} of a view; PyTorch gives {tuple(strides)}")
    if sample.get("random"):
        return
    rtol, atol = tolerance(dtype, sample)
    _close(as_array(got), wire.as_array(want, blob), rtol, atol, where)


def tolerance(dtype, sample):
    rtol, atol = DEFAULTS.get(dtype, (0, 0))
    if dtype in DEFAULTS:
        rtol, atol = max(rtol, sample.get("rtol", 0)), max(atol, sample.get("atol", 0))
    return rtol, atol


def nearer(got, want, exact, blob, sample):
    """Whether every tensor of `got` is within the tolerance of the `exact` one, or no further from it than `want`."""
    for g, w, e in zip(got, tensors(want), tensors(exact), strict=True):
        rtol, atol = tolerance(w[0], sample)
        g, w, e = as_array(g), wire.as_array(w, blob), wire.as_array(e, blob)
        if g.shape != e.shape or g.dtype != w.dtype:
            return False
        with np.errstate(all="ignore"):
            allowed = np.where(np.isfinite(w - e), np.abs(w - e) / (atol + rtol * np.abs(e)), 0).max(initial=1)
            if not _within(g.astype(e.dtype), e, rtol * allowed, atol * allowed).all():
                return False
    return True


def tensors(tree):
    """The tensors' records in an encoded result."""
    if isinstance(tree, list):
        return [t for v in tree for t in tensors(v)]
    if not isinstance(tree, dict):
        return []
    return [tree["tensor"]] if "tensor" in tree else tensors(tree.get("tuple", []))


def as_array(tensor):
    plain = tensor.detach()
    if str(plain.dtype).endswith("bfloat16"):
        plain = plain.float()
    return plain.numpy()


def _close(got, want, rtol, atol, where):
    with np.errstate(all="ignore"):
        close = _within(got, want, rtol, atol)
        if close.all():
            return
        most = _most(got, want, rtol, atol)
    wrong = np.argwhere(~close)
    at = tuple(wrong[0].tolist())
    raise Differs(f"{where}: {len(wrong)} of {close.size} values, first at {at}: {got[at]!r}; "
                  f"PyTorch gives {want[at]!r}{MOST}{most:.3g} tolerances")


def _most(got, want, rtol, atol):
    """The largest deviation in units of the tolerance; infinite where one is not finite, or there is no tolerance."""
    if got.dtype.kind in "biu":
        return np.inf
    ratio = np.abs(got - want) / (atol + rtol * np.abs(want))
    return np.where(_within(got, want, rtol, atol), 0, np.where(np.isnan(ratio), np.inf, ratio)).max()


def most(detail):
    """The largest deviation that a complaint states, or None."""
    head, mark, tail = detail.rpartition(MOST)
    return float(tail.split()[0]) if mark else None


def _within(got, want, rtol, atol):
    if got.dtype == np.bool_ or got.dtype.kind in "iu":
        return np.asarray(got == want)
    if got.dtype.kind == "c":  # NaN + 1j and NaN are both NaN; infinities are compared part by part
        finite = np.isfinite(got) & np.isfinite(want)
        return np.where(finite, np.abs(got - want) <= atol + rtol * np.abs(want),
                        (np.isnan(got) & np.isnan(want))
                        | (_within(got.real, want.real, rtol, atol) & _within(got.imag, want.imag, rtol, atol)))
    near = np.abs(got - want) <= atol + rtol * np.abs(want)
    finite = np.isfinite(got) & np.isfinite(want)
    return np.where(finite, near, (got == want) | (np.isnan(got) & np.isnan(want)))


def _kind(value):
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
