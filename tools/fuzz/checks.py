"""What must hold of any call, whatever its arguments."""

import re
import time
import warnings

import numpy as np

import rushlight as rl
from tools.fuzz.arguments import arguments, shown
from tools.fuzz.values import as_numpy, compact, tensors_of

#: What bad input may raise: PyTorch's types. Anything else escaped from inside.
REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, OverflowError, MemoryError, NotImplementedError,
            ZeroDivisionError, AssertionError)
#: Words of the inside that no sentence for users holds.
INTERNAL = re.compile(r"std::|vector::|bad_alloc|basic_string|nanobind|_M_|incompatible function|map::at")
#: What draws numbers, or whose result's memory is not written.
UNREPEATABLE = re.compile(r"rand|dropout|normal|bernoulli|multinomial|uniform|exponential|poisson|geometric|cauchy|"
                          r"gamma|binomial|gumbel|dirichlet|von_mises|sample_|empty|_or_in_place$|stride|Tensor.set_|rrelu|fractional|lowrank")
#: Updates the running mean and variance that it is given.
WRITES_STATISTICS = {"batch_norm_forward", "nn.functional.batch_norm", "nn.functional.instance_norm"}
#: Overwrite tensors of the lists that they are given: optimizers' steps.
UPDATES = {record["id"] for record in rl._C.operators() if record["kind"] == "update"}
#: Both answers stand for the same: signs and orders of decompositions.
AMBIGUOUS = re.compile(r"svd|eig|qr|geqrf|ormqr|householder|lu|ldl|pinv|lstsq|topk|sort|mode|median|kthvalue")
TOO_LONG = 8.0                                            # seconds of the processor's time


class Finding(Exception):
    """One broken promise: what, and with which words."""


def same(x, y):
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind not in "fc":
        return np.array_equal(x, y)
    tolerance = {"float16": 2e-2, "float32": 2e-3, "complex64": 2e-3}.get(x.dtype.name, 1e-6)
    with np.errstate(all="ignore"):
        finite = np.abs(x[np.isfinite(x)])
        scale = min(max(1.0, float(finite.max()) if finite.size else 1.0), 1e300)
        return np.allclose(x, y, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def unchanged(before, tensors):
    return all(np.array_equal(x, as_numpy(t), equal_nan=x.dtype.kind in "fc") for x, t in zip(before, tensors))


def refused(error, seconds):
    text = str(error)
    if INTERNAL.search(text) or not (text or isinstance(error, MemoryError)):
        raise Finding("a message for nobody", f"{type(error).__name__}: {text}")
    if seconds > TOO_LONG:
        raise Finding("slow to refuse", f"{seconds:.0f} s: {text}")


def can_change(target, args, kwargs):
    """Whether the call says that it writes to what it is given: in place, `out`, running statistics."""
    given = dict(zip((p.name for p in target.params), args)) | kwargs
    in_place = target.name.endswith(("_or_in_place", "__setitem__")) or target.name[-1] == "_" != target.name[-2]
    says = given.get("out") is not None or bool(given.get("inplace")) or in_place
    return says or target.name in WRITES_STATISTICS or target.name in UPDATES


def call(target, args, kwargs):
    """The results as NumPy arrays, or None where the call was refused as it should be."""
    given = tensors_of([args, kwargs])
    before, started = [as_numpy(t) for t in given], time.process_time()
    try:
        results = tensors_of(target.function(*args, **kwargs))
        values = [as_numpy(t) for t in results if t.numel() < 10**7]
    except REFUSALS as error:
        refused(error, time.process_time() - started)
        if "out" not in kwargs and not unchanged(before, given):
            raise Finding("refused, yet changed its input", str(error)) from None
        return None
    if time.process_time() - started > TOO_LONG:
        raise Finding("slow", f"{time.process_time() - started:.0f} s")
    if not can_change(target, args, kwargs) and not unchanged(before, given):
        raise Finding("changed its input", "")
    return results, values


def differentiate(results, given, twice):
    """Gradients have the shape and dtype of what they belong to; a refusal is as good."""
    wanted = [t for t in given if t.requires_grad and t.is_leaf]
    of = [t for t in results if t.requires_grad]
    if not wanted or not of:
        return
    try:
        total = sum((t * t).abs().sum() if t.is_complex() else (t * t).sum() for t in of)
        for t, grad in zip(wanted, rl.autograd.grad(total, wanted, create_graph=twice, allow_unused=True)):
            if grad is not None and (grad.shape != t.shape or grad.dtype != t.dtype):
                raise Finding("a gradient that does not fit", f"{tuple(grad.shape)} {grad.dtype}")
            if grad is not None:
                as_numpy(grad)
    except REFUSALS as error:
        refused(error, 0)


def repeat(target, args, kwargs, values):
    """The answer does not depend on how the arguments lie in memory."""
    again = call(target, compact(args), compact(kwargs))
    if again is None:
        raise Finding("refused only when compact", "")
    if len(again[1]) != len(values) or not all(map(same, values, again[1])):
        raise Finding("depends on the layout", f"{values} and {again[1]}"[:300])


def check(target, seed, number):
    """Make one call and look at it.

    Returns:
        str: "answered" or "refused".

    Raises:
        Finding: a promise does not hold.
    """
    args, kwargs, random = arguments(target, seed, number)
    given = tensors_of([args, kwargs])
    if random.random() < 0.3:
        for t in given:
            if t.is_leaf and (t.dtype.is_floating_point or t.dtype.is_complex) and random.random() < 0.7:
                t.requires_grad_(True)
    elif target.takes_out and given and random.random() < 0.15:
        part = given[0][..., :1] if given[0].dim() else given[0]
        kwargs["out"] = random.choice([*given, rl.empty(0), None, "x", part])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = call(target, args, kwargs)
            if done is None:
                return "refused"
            results, values = done
            differentiate(results, given, random.random() < 0.3)
            unclear = UNREPEATABLE.search(target.name) or AMBIGUOUS.search(target.name)
            stable = not (unclear or can_change(target, args, kwargs))
            if stable and len(values) == len(results) and not any(t.requires_grad for t in given):
                repeat(target, args, kwargs, values)
    except Finding as finding:
        named = ", ".join([*map(shown, args), *(f"{name}={shown(value)}" for name, value in kwargs.items())])
        raise Finding(*finding.args, f"{target.name}({named})"[:900]) from None
    except Exception as error:
        raise Finding("an exception of the inside", f"{type(error).__name__}: {error}", target.name) from error
    return "answered"
