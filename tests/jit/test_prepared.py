"""What plans of captured programs do besides: batch norm in one pass with what follows, values worked out again in the
walk backwards instead of kept, gradients in the program's own memory. All of it bit for bit what eager mode gives."""
import itertools

import numpy as np
import pytest

import rushlight as rl
from rushlight import _C

fused_norm, norm = _C.operator("batch_norm_fused"), _C.operator("batch_norm_forward")


def bits(t):
    return t.detach().clone().view({1: rl.uint8, 2: rl.int16, 4: rl.int32, 8: rl.int64}[t.element_size()]).numpy()


def same_bits(a, b, where=""):
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_array_equal(bits(a.contiguous()), bits(b.contiguous()), err_msg=str(where))


SHAPES = [(4, 3, 5, 5), (2, 64, 7, 6), (3, 5, 9), (8, 16), (2, 40, 20, 24)]
CASES = list(itertools.product(SHAPES, (rl.float32, rl.float64, rl.bfloat16), (True, False), (True, False),
                               ("relu", "none")))


@pytest.mark.parametrize("shape,dtype,training,adds,activation", CASES)
def test_batch_norm_fused_equals_its_parts(shape, dtype, training, adds, activation):
    rl.manual_seed(0)
    channels = shape[1]
    parameter = dtype if dtype != rl.bfloat16 else rl.float32
    weight, bias = rl.randn(channels, dtype=parameter), rl.randn(channels, dtype=parameter)
    inputs = {"plain": rl.randn(*shape).to(dtype)}
    if len(shape) == 4 and dtype == rl.float32:          # a convolution leaves its result with channels last
        kernel = rl.randn(channels, 3, 3, 3)
        inputs["channels last"] = rl.conv2d(rl.randn(shape[0], 3, *shape[2:]), kernel, padding=1)
    for layout, x in inputs.items():
        other = rl.randn(*shape).to(dtype) if adds else None
        if layout == "plain" and x.is_floating_point():
            x[0, 0] = float("nan")
        found = []
        for fused in (False, True):
            mean, var = rl.full((channels,), 0.25, dtype=parameter), rl.full((channels,), 1.5, dtype=parameter)
            arguments = (x, weight, bias, mean, var, training, 0.1, 1e-5)
            if fused:
                y, *statistics = fused_norm(*arguments, other, activation)
            else:
                y, *statistics = norm(*arguments)
                y = y if other is None else y + other
                y = y.relu() if activation == "relu" else y
            found.append([y, *statistics, mean, var])
        for a, b in zip(*found, strict=True):
            a, b = (t.where(~t.isnan(), t.new_full((), float("nan"))) for t in (a, b))      # which NaN is open
            same_bits(a, b, layout)


def test_batch_norm_fused_refuses_what_it_does_not_know():
    x, none = rl.randn(2, 3, 4, 4), None
    with pytest.raises(ValueError, match="activation"):
        fused_norm(x, none, none, none, none, True, 0.1, 1e-5, none, "gelu")
    with pytest.raises(RuntimeError, match="addend"):
        fused_norm(x, none, none, none, none, True, 0.1, 1e-5, x[:1], "relu")


class Block(rl.nn.Module):
    def __init__(self, inputs, width, stride=1):
        super().__init__()
        self.conv1, self.bn1 = rl.nn.Conv2d(inputs, width, 1, bias=False), rl.nn.BatchNorm2d(width)
        self.conv2, self.bn2 = rl.nn.Conv2d(width, 2 * width, 3, stride, 1), rl.nn.BatchNorm2d(2 * width)
        self.relu = rl.nn.ReLU(inplace=True)
        same = inputs == 2 * width and stride == 1
        self.shortcut = rl.nn.Sequential() if same else rl.nn.Conv2d(inputs, 2 * width, 1, stride)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return self.relu(y)


def network(seed=0):
    rl.manual_seed(seed)
    model = rl.nn.Sequential(rl.nn.Conv2d(3, 16, 3, padding=1), rl.nn.BatchNorm2d(16), rl.nn.GELU(), Block(16, 32),
                             Block(64, 32), Block(64, 32, 2), rl.nn.AdaptiveAvgPool2d(1), rl.nn.Flatten(),
                             rl.nn.Linear(64, 10))
    return model, rl.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def step_of(model, optimizer):
    def step(x, target):
        optimizer.zero_grad()
        loss = rl.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def batch(i, size=64):
    rl.manual_seed(100 + i)
    return rl.randn(4, 3, size, size), rl.randint(0, 10, (4,))


def state(model):
    named = [*model.named_parameters(), *model.named_buffers()]
    return dict(named) | {name + ".grad": t.grad for name, t in named if t.grad is not None}


def compare_steps(size, hold=False, calls=6):
    """Runs both for some calls; `hold` keeps all gradients, which must stay as they were."""
    eager, compiled = network(), network()
    plain, fast = step_of(*eager), rl.compile(step_of(*compiled), fullgraph=True)
    held = []
    for i in range(calls):
        same_bits(plain(*batch(i, size)), fast(*batch(i, size)), f"loss of call {i}")
        expected, got = state(eager[0]), state(compiled[0])
        assert expected.keys() == got.keys()
        for name, t in expected.items():
            same_bits(t, got[name], f"{name} after call {i}")
        if hold:
            held.append([(p.grad, p.grad.clone()) for p in compiled[0].parameters()])
        del got, t                                       # who holds a gradient ends its place in the program's memory
    for kept in held:
        for grad, copy in kept:
            same_bits(grad, copy, "a gradient that was held on to")
    return fast


def test_a_step_that_works_out_values_again_equals_eager():
    fast = compare_steps(96)
    report = fast.report()
    assert "worked out again instead of kept" in report and "joined: batch norm" in report
    assert "hold gradients until the next call" in report
    found = fast.calls[0]
    assert "_again" not in found.text and "batch_norm_fused" not in found.text      # the graph stays as it was captured


def test_small_steps_keep_what_they_have():
    report = compare_steps(16).report()
    assert "worked out again" not in report and "joined: batch norm" in report


def test_gradients_that_somebody_holds_stay():
    compare_steps(32, hold=True, calls=8)


def test_a_gradient_outlives_its_program():
    model, optimizer = network()
    fast = rl.compile(step_of(model, optimizer), fullgraph=True)
    for i in range(5):
        fast(*batch(i, 32))
    held = [(p.grad, p.grad.clone()) for p in model.parameters()]
    del fast, optimizer
    for grad, copy in held:
        grad += 0
        same_bits(grad, copy)
        grad.numpy()[...] = 0


def test_memory_is_planned_close_to_what_is_in_use():
    rl.manual_seed(0)
    model, optimizer = network()
    fast = rl.compile(step_of(model, optimizer), fullgraph=True)
    for i in range(4):
        fast(*batch(i, 96))
    line = fast.calls[0].program.report[0].split()
    planned, used = int(line[1]), int(line[6])
    assert line[0] == "memory:" and used <= planned == fast.calls[0].program.planned_bytes <= 1.15 * used


TEXT = """graph forward(%x: float32[2, 3, 4, 4], %r: float32[2, 3, 4, 4]) {{
  const %w: float32[3] = "w"
  state %m: float32[3] = "m"
  state %v: float32[3] = "v"
  %y: float32[2, 3, 4, 4], %mean: float32[3], %spread: float32[3] = """ \
    """batch_norm_forward(%x, %w, None, %m, %v, True, 0.1, 1e-05) changes %m -> %m1: float32[3], %v -> %v1: float32[3]
{body}
}}
"""


@pytest.mark.parametrize("body,joined", [
    ("  %z: float32[2, 3, 4, 4] = relu(%y)\n  return %z", 1),
    ("  %a: float32[2, 3, 4, 4] = add(%y, %r, alpha=1) into %y\n  %z: float32[2, 3, 4, 4] = relu(%a) into %a\n"
     "  return %z", 2),
    ("  %z: float32[2, 3, 4, 4] = relu(%y)\n  return %z, %y", 0),                         # read elsewhere
    ("  %a: float32[2, 3, 4, 4] = add(%y, %r, alpha=2)\n  return %a", 0),                 # scaled
    ("  %s: float32[3] = add(%mean, 1, alpha=1)\n  %z: float32[2, 3, 4, 4] = relu(%y)\n  return %z, %s", 0),
    ("  %s: float32[3] = add(%m1, 1, alpha=1)\n  %z: float32[2, 3, 4, 4] = relu(%y)\n  return %z, %s", 0),
    ("  %q: float32[2, 3, 4, 4] = mul(%x, 2) into %x\n  %z: float32[2, 3, 4, 4] = relu(%y)\n  return %z, %q", 0),
])
def test_what_joins_batch_norm_and_what_does_not(body, joined):
    text = TEXT.format(body=body)
    x, r = rl.randn(2, 3, 4, 4), rl.randn(2, 3, 4, 4)
    results = []
    for runs in (1, 3):                                  # the first run goes through the funnel, the last is planned
        constants = {"w": rl.tensor([1.0, -2.0, 0.5]), "m": rl.zeros(3), "v": rl.ones(3)}
        program = _C.graph.Program(_C.graph.parse(text), constants)
        for _ in range(runs):
            constants["m"].zero_()
            constants["v"].fill_(1)
            out = [t.clone() for t in program.run(x.clone(), r.clone())]
        results.append([*out, constants["m"], constants["v"]])
    for a, b in zip(*results, strict=True):
        same_bits(a, b)
    expected = rl.nn.functional.batch_norm(x, None, None, constants["w"], None, True, 0.1, 1e-5)
    if joined == 2:
        np.testing.assert_array_equal(results[0][0].numpy(), (expected + r).relu().numpy())
    notes = [line for line in program.report if line.startswith("joined")]
    assert notes == ([f"joined: batch norm and {joined} additions and activations after it"] if joined else [])
