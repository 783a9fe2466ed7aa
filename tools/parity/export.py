"""The PyTorch side: runs every sample of `op_db` and writes what came out. The only file here that imports torch."""
import os
import sys
import warnings
from pathlib import Path

import torch
from torch.testing._internal import common_methods_invocations as database
from torch.testing._internal.common_device_type import toleranceOverride
from torch.testing._internal.opinfo.core import DecorateInfo
from torch.utils._pytree import tree_leaves

from tools.parity import wire
from tools.parity.invariants import INVARIANTS

#: What they leave in memory is chance even when two runs agree.
UNINITIALISED = ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided", "resize_",
                 "resize_as_")


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
    todo = [(op, dtype) for op in database.op_db if wanted(op.formatted_name) for dtype in dtypes
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
                content["samples"].append(_sample(op, sample, with_grad, blob))
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


def _sample(op, sample, with_grad, blob):
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
    return record


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
