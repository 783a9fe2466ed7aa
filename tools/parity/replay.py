"""The Rushlight side: one child process per operator, so that whatever a sample does is laid at its door."""
import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import time
import warnings

import rushlight as rl
from tools.parity import calls, compare, lint, ties, wire
from tools.parity.invariants import INVARIANTS

SECONDS = 30        # of processor time, for all samples of an operator
WALL = 10 * SECONDS  # of waiting, on a busy machine
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


def _steps(content):
    """What a file asks for, in order: ({what the record says}, check, arguments)."""
    for kind, check in (("samples", check_sample), ("errors", check_error)):
        for i, sample in enumerate(content[kind]):
            name = {"dtype": content["dtype"], "kind": kind, "index": i, "call": _described(sample)}
            yield name, check, sample
            for form, outcome in sample.get("forms", {}).items():
                yield name | {"kind": "forms", "form": form}, FORMS[form], sample | {"outcome": outcome}


def _names(paths):
    return [name for path in paths for name, *_ in _steps(wire.read(path)[0])]


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
    deadline, text = time.monotonic() + WALL, b""
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
    if not begun:
        begun = _names(paths)[len(records)]
    if left <= 0 or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return "timeout", begun | {"detail": f"not done after {SECONDS} s"}
    return "crashed", begun | {"detail": f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit"}


def _limit():
    with open("/proc/self/statm") as f:
        now = int(f.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, now + BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(paths, skip, pipe):
    faulthandler.disable()
    warnings.simplefilter("ignore")
    with contextlib.suppress(OSError):
        _limit()
    position = 0
    for path in paths:
        content, blob = wire.read(path)
        call = calls.find(rl, content["operator"], content["formatted"])
        for name, check, sample in _steps(content):
            position += 1
            if position <= skip:
                continue
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
        result = INVARIANTS.get(content["operator"], lambda r: r)(call(*args, **kwargs))
        status = _judge_or_tied(content["operator"], args, kwargs, result, sample, blob)
        if isinstance(sample.get("grads"), list):
            step = "gradient"
            grads = _gradients(result, leaves, sample)
            plain = sample | {"view": False}
            judged = _judge(grads, sample["grads"], sample.get("exact_grads"), plain, blob, "gradient")
            status = judged if status == "match" else status
    except compare.Differs as e:
        return "differs", str(e)
    except AttributeError as e:
        if step == "arguments":            # a class that one of them is of
            return "absent", str(e)
        return "raised", f"{'' if step == 'call' else step + ': '}AttributeError: {e}"[:400]
    except Exception as e:
        return "raised", f"{'' if step == 'call' else step + ': '}{type(e).__name__}: {e}"[:400]
    refused = sample.get("grads")
    return status, f"gradient not compared: {list(refused.values())}" if isinstance(refused, dict) else ""


def _judge_or_tied(operator, args, kwargs, result, sample, blob):
    """As `_judge`, or tied: of equal elements another one is named."""
    try:
        return _judge(result, sample["want"], sample.get("exact"), sample, blob, "result")
    except compare.Differs:
        if not ties.tied(operator, args, kwargs, result, sample, blob):
            raise
        return "tied"


def _judge(got, want, exact, sample, blob, where):
    """match, or nearer: not PyTorch's result within the tolerance, but the exact one, or no further from it."""
    try:
        compare.tree(got, want, blob, rl, sample, where)
    except compare.Differs as e:
        if exact is None or " values, first at " not in str(e):
            raise
        if not compare.nearer(_leaves(got), want, exact, blob, sample):
            raise
        return "nearer"
    return "match"


def _gradients(result, leaves, sample):
    outputs = [t for t in _leaves(result) if t.requires_grad]
    if not outputs:
        if any(g is not None for g in sample["grads"]):
            raise compare.Differs("gradient: the result has none; PyTorch gives one")
        return [None] * len(leaves)
    weights = [rl.from_numpy(wire.cotangent(tuple(t.shape), t.is_complex())).to(t.dtype) for t in outputs]
    grads = list(rl.autograd.grad(outputs, leaves, weights, allow_unused=True))
    for k, (got, want) in enumerate(zip(grads, sample["grads"])):  # no gradient is a gradient of zeros
        if got is None and want is not None:
            grads[k] = rl.zeros_like(leaves[k])
        elif want is None and got is not None and not bool((got != 0).any()):
            grads[k] = None
    return grads


def _check_form(sample, blob, content, make):
    """(status, detail) of another form of the call: it gives what the function gives, or raises where PyTorch does."""
    sample = sample | {k: content[k] for k in ("rtol", "atol") if k in content} | {"view": False}
    try:
        args, kwargs, _ = arguments(sample, blob)
        with rl.no_grad():
            rl.manual_seed(1)
            result = make(args, kwargs)
            if sample["outcome"] != "same":
                return "differs", f"accepted; PyTorch {sample['outcome']}"
            result = INVARIANTS.get(content["operator"], lambda r: r)(result)
            return _judge_or_tied(content["operator"], args, kwargs, result, sample, blob), ""
    except compare.Differs as e:
        return "differs", str(e)
    except Exception as e:
        if sample["outcome"] != "same":
            return "match", ""
        return "raised", f"{type(e).__name__}: {e}"[:400]


def check_method(call, sample, content, blob):
    if call is None:
        return "absent", ""
    name = content["operator"]
    return _check_form(sample, blob, content, lambda args, kwargs: getattr(args[0], name)(*args[1:], **kwargs))


def check_inplace(call, sample, content, blob):
    if call is None:
        return "absent", ""
    want = sample["want"].get("tensor") if isinstance(sample["want"], dict) else None
    if want is not None and sample["outcome"] == "same":  # the result is cast to what it is written to
        first = sample["call"]["tuple"][0]["tensor"]
        if first[0] != want[0]:
            sample = sample | {"random": True, "want": {"tensor": [first[0], *want[1:]]}}
    return _check_form(sample, blob, content,
                       lambda args, kwargs: getattr(args[0].clone(), content["operator"] + "_")(*args[1:], **kwargs))


def check_out(call, sample, content, blob):
    if call is None:
        return "absent", ""

    def with_out(args, kwargs):
        if content["operator"] in INVARIANTS:     # what is to be written is not what the file holds
            first = call(*args, **kwargs)
            out = rl.empty_like(first) if isinstance(first, rl.Tensor) else tuple(map(rl.empty_like, first))
        else:
            places = [rl.empty(t[1], dtype=getattr(rl, t[0])) for t in compare.tensors(sample["want"])]
            out = places[0] if "tensor" in sample["want"] else tuple(places)
        result = call(*args, **kwargs, out=out)
        if result is not out and not (isinstance(result, tuple) and all(r is o for r, o in zip(result, out))):
            raise compare.Differs("result is not out")
        return result

    return _check_form(sample, blob, content, with_out)


FORMS = {"method": check_method, "inplace": check_inplace, "out": check_out}


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
        wrong = lint.complaint(str(e), lint.speakers(content["operator"], content["aliases"]),
                               lint.arguments(rl, call, content["operator"]))
        return ("lint", f"{wrong}: {e}"[:400]) if wrong else ("match", "")
    return "differs", f"accepted; {_expected(case)}"[:500]


def _expected(case):
    return f"PyTorch raises {' or '.join(case['types'])}: {case['message']}"
