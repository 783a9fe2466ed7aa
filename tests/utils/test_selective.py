"""Selective checkpointing: what is kept changes nothing, is not computed again, and is refused where it can't be."""
import functools
import os
import re
import subprocess
import sys

import pytest

import rushlight as rl
from rushlight.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts


def _net():
    rl.manual_seed(2)
    return rl.nn.Sequential(
        rl.nn.Conv2d(2, 4, 3), rl.nn.BatchNorm2d(4), rl.nn.GELU(), rl.nn.Dropout(0.3), rl.nn.Flatten(),
        rl.nn.Linear(4 * 16, 8), rl.nn.Tanh(), rl.nn.Linear(8, 3))


def _step(run):
    """The loss and all gradients of a step."""
    net = _net()
    x = rl.randn(5, 2, 6, 6, requires_grad=True)
    rl.manual_seed(7)
    loss = run(net, x).square().sum()
    loss.backward()
    return [loss.detach(), x.grad, *(p.grad for p in net.parameters())]


def _keeping(policy, **options):
    return functools.partial(create_selective_checkpoint_contexts, policy, **options)


def _tells(context, op, *args):
    return CheckpointPolicy.PREFER_SAVE if op in ("linear", "convolution") else CheckpointPolicy.MUST_RECOMPUTE


@pytest.mark.parametrize("policy", [
    [], ["linear"], [rl.nn.functional.conv2d, rl.nn.functional.linear], ["gelu", "tanh", "batch_norm_forward"], _tells,
    lambda context, op, *args: True,
])
def test_what_is_kept_changes_nothing(policy):
    plain = _step(lambda net, x: net(x))
    chosen = _step(lambda net, x: checkpoint(net, x, use_reentrant=False, context_fn=_keeping(policy),
                                             early_stop=False))
    for a, b in zip(plain, chosen, strict=True):
        assert rl.equal(a, b)


PROGRAM = """
import functools, sys
import rushlight as rl
from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
keep = functools.partial(create_selective_checkpoint_contexts, sys.argv[1:])
x = rl.ones(4, 4, requires_grad=True)
checkpoint(lambda x: rl.nn.functional.linear(x, x).tanh().mm(x), x, context_fn=keep, early_stop=False).sum().backward()
"""


@pytest.mark.parametrize("kept", [[], ["linear"], ["mm", "linear"], ["tanh"]])
def test_what_is_kept_is_not_computed_again(kept):
    """How often each kernel runs, as the log tells."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *kept], env={**os.environ, "RUSHLIGHT_LOG": "dispatch"},
                          capture_output=True, text=True, check=True)
    runs = {op: len(re.findall(rf"^\[rushlight dispatch\] {op}: .* runs", done.stderr, re.M))
            for op in ("linear", "mm", "tanh")}
    assert runs == {op: 1 if op in kept else 2 for op in runs}, done.stderr


def test_what_selective_checkpoints_refuse():
    x = rl.ones(2, 2, requires_grad=True)
    for wrong, error, says in ((3, TypeError, "is of type int"), (["no such"], ValueError, "'no such' is no operator"),
                               ([len], ValueError, "'len' is no operator")):
        with pytest.raises(error, match=says):
            create_selective_checkpoint_contexts(wrong)
    with pytest.raises(TypeError, match="the policy returned a int for matmul"):
        checkpoint(lambda x: x @ x, x, context_fn=_keeping(lambda context, op, *args: 3))
    changed = checkpoint(lambda x: (x @ x).relu_().exp(), x, context_fn=_keeping(["matmul"]))
    with pytest.raises(RuntimeError, match=r"the kept result of matmul of shape \(2, 2\) was changed in place since"):
        changed.sum().backward()
    calls = []

    def other(x):
        calls.append(1)
        return (x @ x).exp() if len(calls) == 1 else (x + x).exp().mm(x)

    with pytest.raises(RuntimeError, match="the result of mm was to be given back; expected matmul"):
        checkpoint(other, x, context_fn=_keeping(["matmul", "mm"]), early_stop=False).sum().backward()


def test_selective_checkpoints_twice_and_in_second_derivatives():
    x = rl.randn(3, 3, dtype=rl.float64, requires_grad=True)

    def kept(x):
        return checkpoint(lambda x: (x @ x).tanh() @ x, x, context_fn=_keeping(["matmul"]))

    y = kept(x).sum()
    first = rl.autograd.grad(y, x, retain_graph=True)[0]
    assert rl.equal(first, rl.autograd.grad(y, x)[0])
    assert rl.autograd.gradcheck(kept, x) and rl.autograd.gradgradcheck(kept, x)
    seen = []

    def policy(context, op, *args):
        seen.append((context.is_recompute, op))
        return CheckpointPolicy.MUST_SAVE if op == "matmul" else CheckpointPolicy.PREFER_RECOMPUTE

    checkpoint(lambda x: (x @ x).exp(), x, context_fn=_keeping(policy)).sum().backward()
    assert (False, "matmul") in seen and (True, "matmul") in seen
