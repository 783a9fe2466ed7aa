"""Every operator's samples, captured and replayed on other values, give what eager mode gives."""
import re

import numpy as np
import pytest
from ops.samples import RECORDS, Maker, evaluate, expressions, tensors_of

import rushlight as rl


def dtype_of(record):
    return rl.int64 if record["dtypes"].startswith("integral") else rl.float64


class Given:
    """A Maker whose T() and I() give tensors that were made before, in order."""

    def __init__(self, tensors, fixed):
        self.tensors, self.fixed = list(tensors), list(fixed)

    def T(self, *shape):
        return self.tensors.pop(0)

    def I(self, *shape, high):  # noqa: E743
        return self.fixed.pop(0)


class Noting(Maker):
    def __init__(self, record, seed):
        super().__init__(record, dtype_of(record))
        self.random = np.random.default_rng(seed)
        self.made, self.fixed = [], []

    def T(self, *shape):
        self.made.append(super().T(*shape))
        return self.made[-1]

    def I(self, *shape, high):  # noqa: E743
        self.fixed.append(super().I(*shape, high=high))
        return self.fixed[-1]


#: What the gradients' test may be refused, so that any other refusal fails.
FOR_INFERENCE = {"batch_norm_fused", "convolution_fused", "linear_fused"}
SIZED_BY_VALUES = re.compile(r"masked_scatter|masked_select|index_put\(T\(3\)|repeat_interleave.*tensor")
COMPOSED_OF_INDICES = {"bucketize"}
#: They count from where the memory begins, and a graph knows nothing of where its inputs lie.
OF_WHOLE_MEMORY = re.compile(r".*as_strided\(.*, \d\)$")
CASES = [(op, text) for op, record in RECORDS.items() for text in expressions(record)]


def samples(record, text):
    """The sample as a function of a Maker's T and I, its tensors three times with other values, and its indices."""
    sets, first = [], Noting(record, 7)
    evaluate(text, first)
    for seed in (7, 8, 9):
        noting = Noting(record, seed)
        evaluate(text, noting)
        sets.append([t.clone() for t in noting.made])
    return evaluate(f"lambda T, I: {text}", first), sets, first.fixed


@pytest.mark.parametrize("op, text", CASES, ids=[f"{op}:{i}" for i, (op, _) in enumerate(CASES)])
def test_captured_equals_eager(op, text):
    record = RECORDS[op]
    sample, sets, fixed = samples(record, text)

    def call(*tensors):
        given = Given(tensors, fixed)
        return tuple(tensors_of(sample(given.T, given.I)))

    def run(function, tensors):
        rl.manual_seed(3)
        return function(*[t.clone() for t in tensors])

    with rl.no_grad():
        compiled = rl.compile(call, fullgraph=True)
        if OF_WHOLE_MEMORY.match(text):
            with pytest.raises(RuntimeError, match=r"is no single graph: .* value leaves to Python by as_strided\(\)"):
                run(compiled, sets[0])
            return
        for tensors in (sets[0], *sets, sets[1]):
            expected, got = run(call, tensors), run(compiled, tensors)
            assert len(expected) == len(got)
            for a, b in zip(expected, got, strict=True):
                assert a.dtype == b.dtype and a.shape == b.shape
                np.testing.assert_array_equal(a.numpy(), b.numpy())
        graph = compiled.graphs[0]
        assert rl._C.graph.parse(graph.text()).text() == graph.text()


@pytest.mark.parametrize("op, text", CASES, ids=[f"{op}:{i}" for i, (op, _) in enumerate(CASES)])
def test_captured_gradients_equal_eager(op, text):
    """First and second derivatives, walked within the captured call."""
    record = RECORDS[op]
    sample, sets, fixed = samples(record, text)

    def weighted(tensors):
        parts = [(t.abs() if t.is_complex() else t).sin() for t in tensors if t.requires_grad]
        return sum((t * rl.arange(t.numel()).reshape(t.shape)).sum() for t in parts) if parts else None

    def call(*tensors):
        tensors = [t.detach().requires_grad_(t.is_floating_point() or t.is_complex()) for t in tensors]
        leaves = [t for t in tensors if t.requires_grad]
        given = Given([t * 1 for t in tensors], fixed)
        loss = weighted(tensors_of(sample(given.T, given.I)))
        if loss is None or not leaves:
            return ()
        first = rl.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
        given = [g for g in first if g is not None]
        again = weighted(given)
        second = rl.autograd.grad(again, leaves, allow_unused=True) if again is not None else ()
        return (*given, *[g for g in second if g is not None])

    def run(function, tensors):
        rl.manual_seed(3)
        return function(*[t.clone() for t in tensors])

    if op in FOR_INFERENCE:
        with pytest.raises(RuntimeError, match=r"programs of jit\.optimize_for_inference have none"):
            run(call, sets[0])
        return
    if not run(call, sets[0]):
        assert record["differentiable"] or op in COMPOSED_OF_INDICES, "the record says nothing of it"
        return
    compiled = rl.compile(call, fullgraph=True)
    if SIZED_BY_VALUES.match(text):
        with pytest.raises(RuntimeError, match=r"is no single graph: .* value leaves to Python by shape\(\)"):
            run(compiled, sets[0])
        return
    for tensors in (sets[0], *sets, sets[1]):
        for a, b in zip(run(call, tensors), run(compiled, tensors), strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
