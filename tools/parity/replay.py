"""The Rushlight side: one child process per operator, so that whatever a sample does is laid at its door."""
import contextlib
import json
import os
import resource
import select
import signal
import time
import warnings

import rushlight as rl
from tools.parity import calls, compare, lint, wire
from tools.parity.invariants import INVARIANTS

SECONDS = 30
BYTES = 2 << 30
RESTARTS = 3


def replay(files, folder, jobs):
    """Runs the files of every operator, {operator: [paths]}, and writes one result file per operator to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rl.set_num_threads(1)
    operators = sorted(files)
    workers = []
    for k in range(jobs):
        worker = os.fork()
        if not worker:
            for operator in operators[k::jobs]:
                (folder / f"{wire.file_name(operator, 'result')}.json").write_text(
                    json.dumps(supervise(files[operator])))
            os._exit(0)
        workers.append(worker)
    if any(os.waitpid(worker, 0)[1] for worker in workers):
        raise SystemExit("parity: a replaying process failed; see above")


def supervise(paths):
    """The records of one operator, from a child that is replaced where a sample ends it."""
    records = []
    for _ in range(RESTARTS + 1):
        fate, pending = _watch(paths, records)
        if fate is None:
            return records
        records.append(pending | {"status": fate})
    rest = [r | {"status": "crashed", "detail": "not run: earlier samples ended the process"} for r in _names(paths)]
    return records + rest[len(records):]


def _names(paths):
    for path in paths:
        content, _ = wire.read(path)
        for kind in ("samples", "errors"):
            for i, sample in enumerate(content[kind]):
                yield {"dtype": content["dtype"], "kind": kind, "index": i, "call": _described(sample)}


def _watch(paths, records):
    """Runs what `records` lacks in a child; its fate, None where it came to its end, and the sample it ended in."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        os.close(out)
        with os.fdopen(into, "w") as pipe:
            _run(paths, len(records), pipe)
        os._exit(0)
    os.close(into)
    deadline, text = time.monotonic() + SECONDS, b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([out], [], [], left)[0]:
            piece = os.read(out, 1 << 16)
            if not piece:
                break
            text += piece
    else:
        os.kill(child, signal.SIGKILL)
    os.close(out)
    status = os.waitpid(child, 0)[1]
    lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
    begun = lines.pop() if lines and "status" not in lines[-1] else {}
    records += [line for line in lines if "status" in line]
    if status == 0:
        return None, {}
    if left <= 0:
        return "timeout", begun | {"detail": f"not done after {SECONDS} s"}
    return "crashed", begun | {"detail": f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit"}


def _limit():
    with open("/proc/self/statm") as f:
        now = int(f.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, now + BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(paths, skip, pipe):
    warnings.simplefilter("ignore")
    with contextlib.suppress(OSError):
        _limit()
    position = 0
    for path in paths:
        content, blob = wire.read(path)
        call = calls.find(rl, content["operator"], content["formatted"])
        for kind, check in (("samples", check_sample), ("errors", check_error)):
            for i, sample in enumerate(content[kind]):
                position += 1
                if position <= skip:
                    continue
                name = {"dtype": content["dtype"], "kind": kind, "index": i, "call": _described(sample)}
                print(json.dumps(name), file=pipe, flush=True)
                status, detail = check(call, sample, content, blob)
                print(json.dumps(name | {"status": status, "detail": detail}), file=pipe, flush=True)


def _described(sample):
    if "call" not in sample:
        return ""
    first, args, kwargs = sample["call"]["tuple"]
    parts = [first, *args["tuple"]]
    text = ", ".join([*map(wire.describe, parts), *([wire.describe(kwargs)] if kwargs["dict"] else [])])
    return text[:240]


def arguments(sample, blob):
    """The call's arguments, and those of them that want a gradient."""
    seen = []
    first, args, kwargs = wire.decode(sample["call"], rl, blob, seen)
    return (first, *args), kwargs, [t for t in seen if t.requires_grad]


def check_sample(call, sample, content, blob):
    """(status, detail) of one sample: match, differs, raised, absent or outside."""
    if "unportable" in sample:
        return "outside", f"only PyTorch can hold it: {sample['unportable']}"
    if "raises" in sample:
        return "outside", f"PyTorch refuses its own sample: {sample['message']}"
    if call is None:
        return "absent", ""
    sample = sample | {k: content[k] for k in ("rtol", "atol") if k in content}
    step = "arguments"
    try:
        args, kwargs, leaves = arguments(sample, blob)
        step = "call"
        rl.manual_seed(1)
        result = call(*args, **kwargs)
        result = INVARIANTS.get(content["operator"], lambda r: r)(result)
        compare.tree(result, sample["want"], blob, rl, sample)
        if isinstance(sample.get("grads"), list):
            step = "gradient"
            _check_gradients(result, leaves, sample, blob)
    except compare.Differs as e:
        return "differs", str(e)
    except Exception as e:
        return "raised", f"{'' if step == 'call' else step + ': '}{type(e).__name__}: {e}"[:400]
    return "match", ""


def _check_gradients(result, leaves, sample, blob):
    outputs = [t for t in _leaves(result) if t.requires_grad]
    if not outputs:
        if any(g is not None for g in sample["grads"]):
            raise compare.Differs("gradient: the result has none; PyTorch gives one")
        return
    weights = [rl.from_numpy(wire.cotangent(tuple(t.shape), t.is_complex())).to(t.dtype) for t in outputs]
    grads = rl.autograd.grad(outputs, leaves, weights, allow_unused=True)
    plain = sample | {"view": False}
    for k, (got, want) in enumerate(zip(grads, sample["grads"])):
        got = rl.zeros_like(leaves[k]) if got is None and want is not None else got
        if want is None:
            if got is not None and bool((got != 0).any()):
                raise compare.Differs(f"gradient {k}: PyTorch gives none")
        else:
            compare.tree(got, want, blob, rl, plain, f"gradient {k}")


def _leaves(value):
    if isinstance(value, rl.Tensor):
        return [value]
    return [t for v in value for t in _leaves(v)] if isinstance(value, (tuple, list)) else []


def check_error(call, case, content, blob):
    """(status, detail) of one call that must be refused: match, differs (accepted, or another type), lint, absent."""
    if "unportable" in case:
        return "outside", f"only PyTorch can hold it: {case['unportable']}"
    if case.get("accepted"):
        return "outside", "PyTorch accepts it on this machine"
    if call is None:
        return "absent", ""
    try:
        args, kwargs, _ = arguments(case, blob)
    except Exception as e:
        return "raised", f"arguments: {type(e).__name__}: {e}"[:400]
    try:
        call(*args, **kwargs)
    except Exception as e:
        mro = {c.__name__ for c in type(e).__mro__}
        if not mro & set(case["types"]):
            return "differs", f"{type(e).__name__}: {e}; {_expected(case)}"[:500]
        wrong = lint.complaint(str(e), lint.speakers(content["operator"], content["aliases"]))
        return ("lint", f"{wrong}: {e}"[:400]) if wrong else ("match", "")
    return "differs", f"accepted; {_expected(case)}"[:500]


def _expected(case):
    return f"PyTorch raises {' or '.join(case['types'])}: {case['message']}"
