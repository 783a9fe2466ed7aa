"""The PyTorch side: runs every sample of its databases and writes what came out. This and `databases` import torch."""
import os
import sys
import warnings
from pathlib import Path

import torch
from torch.testing._internal import common_methods_invocations as database
from torch.testing._internal.common_device_type import toleranceOverride
from torch.testing._internal.opinfo.core import DecorateInfo
from torch.utils._pytree import tree_leaves, tree_map

from tools.parity import databases, wire
from tools.parity.invariants import INVARIANTS

#: What they leave in memory is chance even when two runs agree.
UNINITIALISED = ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided", "resize_",
                 "resize_as_")
#: So many samples of each operator and dtype are also called as method, in place and with out=.
FORMS = 8
_WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


def _draw_freely():
    """PyTorch's samples seed every random call alike; without that, two runs show which results are random."""
    def unseeded(op, *args, **kwargs):
        return op(*args, **kwargs)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("torch.testing._internal") and \
                "wrapper_set_seed" in vars(module):
            module.wrapper_set_seed = unseeded


def export(folder, dtypes, wanted, jobs, limit=None):
    """Writes the files that `folder` lacks. `wanted(name)` chooses operators; `limit` bounds the samples of each."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_freely()
    entries = [*database.op_db, *databases.entries()]
    todo = [(op, dtype) for op in entries if wanted(op.formatted_name) for dtype in dtypes
            if not (folder / wire.file_name(op.formatted_name, dtype)).exists()]
    children = []
    for k in range(jobs):
        child = os.fork()
        if not child:
            os._exit(_export_all(folder, todo[k::jobs], limit))
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit("parity: an exporting process failed; see above")


def _export_all(folder, todo, limit):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        for op, dtype in todo:
            content, blob = _one(op, dtype, limit)
            wire.write(Path(folder) / wire.file_name(op.formatted_name, dtype), content, blob)
    except BaseException:
        import traceback
        traceback.print_exc()
        return 1
    return 0


def _one(op, dtype_name, limit):
    dtype = getattr(torch, dtype_name)
    blob = wire.Blob()
    content = {"operator": op.name, "variant": op.variant_test_name, "formatted": op.formatted_name,
               "aliases": [a.name for a in op.aliases], "dtype": dtype_name, "samples": [], "errors": []}
    if dtype in op.supported_dtypes("cpu"):
        rtol, atol = _tolerance(op, dtype)
        content |= {"rtol": rtol, "atol": atol}
        with_grad = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        torch.manual_seed(0)
        for i, sample in enumerate(op.sample_inputs("cpu", dtype, requires_grad=with_grad)):
            if limit is None or i < limit:
                sample = _own_leaves(sample)
                exact = _widened(sample, with_grad) if dtype in _WIDE else None
                content["samples"].append(_sample(op, sample, with_grad, blob, exact, i < FORMS))
    if dtype_name == "float32" and op.error_inputs_func is not None:
        torch.manual_seed(0)
        content["errors"] = [_error(op, case, blob) for case in op.error_inputs("cpu")]
    return content, blob


def _tolerance(op, dtype):
    """The widest (rtol, atol) that PyTorch's own tests grant this operator's values; (0, 0) is assert_close's."""
    rtol = atol = 0.0
    for info in op.decorators:
        if not isinstance(info, DecorateInfo) or info.device_type not in (None, "cpu") or not info.active_if or \
                info.cls_name not in ("TestCommon", "TestUnaryUfuncs", "TestBinaryUfuncs", "TestReductions"):
            continue
        for part in info.decorators:
            if isinstance(part, toleranceOverride) and dtype in part.d:
                rtol, atol = max(rtol, part.d[dtype].rtol), max(atol, part.d[dtype].atol)
    return rtol, atol


def _own_leaves(sample):
    """Some samples are views of leaves, made where nothing is recorded: PyTorch gives these no gradient."""
    def own(v):
        if isinstance(v, torch.Tensor) and v.requires_grad and v.is_leaf and v._is_view():
            return own_of.setdefault(id(v), v.detach().requires_grad_())
        return v

    own_of = {}
    sample.input, sample.args, sample.kwargs = (tree_map(own, p) for p in (sample.input, sample.args, sample.kwargs))
    return sample


def _widened(sample, with_grad):
    """The same call in double precision."""
    def wide(v):
        if isinstance(v, torch.Tensor) and v.layout == torch.strided:
            return v.detach().to(_WIDE.get(v.dtype, v.dtype), copy=True).requires_grad_(with_grad and v.requires_grad)
        return _WIDE.get(v, v) if isinstance(v, torch.dtype) else v

    return tuple(tree_map(wide, part) for part in (sample.input, sample.args, sample.kwargs))


def _sample(op, sample, with_grad, blob, exact, forms):
    seen = {}
    try:
        call = wire.encode((sample.input, sample.args, sample.kwargs), torch, blob, seen)
    except wire.Unportable as e:
        return {"unportable": str(e)}
    record = {"call": call}
    given = [t for _, t in seen.values()]
    settle = INVARIANTS.get(op.name, lambda result: result)
    try:
        torch.manual_seed(1)
        result = op.op(sample.input, *sample.args, **sample.kwargs)
        record["view"] = _is_view(result, given)
        settled = settle(result)
        record["want"] = wire.encode(settled, torch, blob, {})
        record["random"] = op.name in UNINITIALISED or _varies(op, sample, settle, settled)
    except wire.Unportable as e:
        return {"unportable": f"result: {e}"}
    except Exception as e:
        return record | {"raises": [c.__name__ for c in type(e).__mro__], "message": str(e)[:300]}
    leaves = [t for t in given if t.requires_grad]
    if with_grad and leaves and not record["random"]:
        record["grads"] = _gradients(settled, leaves, blob)
    if forms:
        record["forms"] = _forms(op, sample, settled, record["random"], settle)
    if exact is not None and not record["random"]:
        record |= _exact(op, exact, settle, settled, leaves if "grads" in record else [], blob)
    return record


def _exact(op, call, settle, result, leaves, blob):
    """What double precision gives, where single precision strays from it: the judge where both sides differ."""
    try:
        torch.manual_seed(1)
        wide = settle(op.op(call[0], *call[1], **call[2]))
        if not leaves:
            return {} if _near(result, wide) else {"exact": wire.encode(wide, torch, blob, {})}
        wide_leaves = [t for t in dict.fromkeys(tree_leaves(call)) if isinstance(t, torch.Tensor) and t.requires_grad]
        if len(wide_leaves) != len(leaves):
            return {}
        return {"exact": wire.encode(wide, torch, blob, {}), "exact_grads": _gradients(wide, wide_leaves, blob)}
    except Exception:  # not every operator takes double precision
        return {}


def _near(result, wide):
    return all(not isinstance(a, torch.Tensor) or (a.shape == b.shape and torch.allclose(
        a.to(b.dtype), b, 1.3e-7, 1e-6, equal_nan=True)) for a, b in zip(tree_leaves(result), tree_leaves(wide)))


def _forms(op, sample, settled, random, settle):
    """Which other forms of the call PyTorch has, and what becomes of each: same, raises."""
    calls = {}
    if not isinstance(sample.input, torch.Tensor):
        return calls
    if op.method_variant is not None and getattr(torch.Tensor, op.name, None) is not None:
        calls["method"] = lambda: getattr(sample.input, op.name)(*sample.args, **sample.kwargs)
    if op.inplace_variant is not None and getattr(torch.Tensor, op.name + "_", None) is not None and not random:
        calls["inplace"] = lambda: getattr(sample.input.clone(), op.name + "_")(*sample.args, **sample.kwargs)
    if op.supports_out and not random:
        calls["out"] = lambda: _with_out(op, sample)
    with torch.no_grad():
        outcomes = {form: _outcome(call, None if random else settled, settle) for form, call in calls.items()}
    return {form: outcome for form, outcome in outcomes.items() if outcome is not None}


def _outcome(call, settled, settle):
    """same, raises, or None where the form does not give what the function gives: nothing to hold anyone to."""
    try:
        result = settle(call())
    except Exception as e:
        return f"raises {str(e)[:120]}"
    if settled is None:
        return "same"
    pairs = tree_leaves(settled), tree_leaves(result)
    return "same" if len(pairs[0]) == len(pairs[1]) and all(map(_alike, *pairs)) else None


def _alike(a, b):
    """Equal but for rounding, and but for the dtype that it was written to."""
    if not isinstance(a, torch.Tensor):
        return a == b
    wide = torch.complex128 if a.is_complex() or b.is_complex() else torch.float64
    return a.shape == b.shape and (a.dtype != b.dtype or torch.allclose(
        a.to(wide), b.to(wide), rtol=1e-3, atol=1e-3, equal_nan=True))


def _with_out(op, sample):
    first = op.op(sample.input, *sample.args, **sample.kwargs)
    out = torch.empty_like(first) if isinstance(first, torch.Tensor) else tuple(torch.empty_like(t) for t in first)
    result = op.op(sample.input, *sample.args, **sample.kwargs, out=out)
    written = result is out or all(a is b for a, b in zip(result, out))
    return result if written else ()   # nothing is alike to nothing


def _is_view(result, given):
    places = {t.untyped_storage().data_ptr() for t in given} - {0}
    return isinstance(result, torch.Tensor) and result.layout == torch.strided and \
        result.untyped_storage().data_ptr() in places


def _varies(op, sample, settle, first):
    """Whether a second run, from another seed, gives other values."""
    torch.manual_seed(2)
    with torch.no_grad():
        second = settle(op.op(sample.input, *sample.args, **sample.kwargs))
    for a, b in zip(tree_leaves(first), tree_leaves(second), strict=True):
        if not isinstance(a, torch.Tensor):
            if a != b and a == a:
                return True
        elif a.shape != b.shape or not torch.allclose(a.double() if not a.is_complex() else a,
                                                      b.double() if not b.is_complex() else b, equal_nan=True):
            return True
    return False


def _gradients(result, leaves, blob):
    outputs = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.requires_grad]
    if not outputs:
        return None
    try:
        weights = [torch.from_numpy(wire.cotangent(tuple(t.shape), t.is_complex())).to(t.dtype) for t in outputs]
        grads = torch.autograd.grad(outputs, leaves, weights, allow_unused=True)
        return wire.encode(list(grads), torch, blob, {})
    except wire.Unportable as e:
        return {"unportable": str(e)}
    except Exception as e:
        return {"raises": type(e).__name__, "message": str(e)[:300]}


def _error(op, case, blob):
    sample = case.sample_input
    try:
        record = {"call": wire.encode((sample.input, sample.args, sample.kwargs), torch, blob, {})}
    except wire.Unportable as e:
        return {"unportable": str(e)}
    types = case.error_type if isinstance(case.error_type, tuple) else (case.error_type,)
    try:
        op.op(sample.input, *sample.args, **sample.kwargs)
        return record | {"accepted": True}
    except Exception as e:
        return record | {"types": sorted({t.__name__ for t in (*types, type(e))}), "message": str(e)[:300]}
