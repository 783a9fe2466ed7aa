"""Fused regions give what their operators give one by one, bit for bit: random programs of every element-wise operator,
with casts, numbers, broadcasts, views, writes and several results."""
import threading

import numpy as np
import pytest
from jit.programs import bits
from ops.samples import RECORDS, Maker, evaluate, expressions

import rushlight as rl

ELEMENT_WISE = [(op, text) for op, record in RECORDS.items() if record["kind"] == "pointwise"
                for text in expressions(record)]
SHAPES = [(), (1,), (0,), (3, 0), (7,), (64,), (1000,), (5000,), (4, 1), (3, 130), (70, 33), (2, 3, 40), (9, 1, 17),
          (5, 700), (40, 8, 4, 3)]
DTYPES = [rl.float32] * 6 + [rl.float64, rl.float16, rl.bfloat16, rl.int32, rl.int64, rl.bool, rl.uint8, rl.complex64]
REFUSALS = (RuntimeError, TypeError, ValueError, ZeroDivisionError, IndexError, NotImplementedError)


class Drawn:
    """T() gives operands that were chosen before, whatever shape it asks for."""

    def __init__(self, operands):
        self.operands = operands
        self.taken = 0

    def T(self, *shape):
        self.taken += 1
        return self.operands[(self.taken - 1) % len(self.operands)]


def step_of(random):
    """What one line of a random program does: a function of the list of values so far."""
    at = [int(random.integers(0, 1 << 30)) for _ in range(3)]
    kind = random.choice(["op"] * 7 + ["arithmetic"] * 5 + ["number", "cast", "view", "write", "reduce", "where"])

    def pick(values, k=0):
        recent = at[k] % 3 != 0
        return values[-1 - at[k] % min(4, len(values))] if recent else values[at[k] % len(values)]

    if kind == "op":
        op, text = ELEMENT_WISE[at[0] % len(ELEMENT_WISE)]
        sample = evaluate(f"lambda T: {text}", Maker(RECORDS[op]))
        return lambda values: sample(Drawn([pick(values, k) for k in range(3)]).T)
    if kind == "arithmetic":
        function = [rl.add, rl.mul, rl.sub, rl.maximum, rl.minimum][at[2] % 5]
        return lambda values: function(pick(values), pick(values, 1))
    if kind == "number":
        number = [2, 0.5, True, -1.25, 3][at[2] % 5]
        return lambda values: pick(values) * number
    if kind == "cast":
        dtype = DTYPES[at[2] % len(DTYPES)]
        return lambda values: pick(values).to(dtype)
    if kind == "view":
        view = [lambda t: t.flip(0), lambda t: t.unsqueeze(0), lambda t: t.reshape(-1), lambda t: t[..., ::2],
                lambda t: t.transpose(0, -1)][at[2] % 5]
        return lambda values: view(pick(values))
    if kind == "write":
        method = ["add_", "mul_", "sigmoid_", "clamp_", "sub_"][at[2] % 5]
        arguments = {"sigmoid_": 0, "clamp_": -1}.get(method, 1)
        return lambda values: getattr(pick(values), method)(
            *([pick(values, 1)] if arguments == 1 else [-1, 1] if arguments else []))
    if kind == "reduce":
        reduce = [lambda t: t.sum(-1, keepdim=True), lambda t: t.mean(-1, keepdim=True), lambda t: t.amax(-1, True),
                  lambda t: t.sum()][at[2] % 4]
        return lambda values: reduce(pick(values))
    return lambda values: rl.where(pick(values) > 0, pick(values, 1), pick(values, 2))


def inputs_of(random, shape):
    def one(dtype, sizes, strided):
        wide = tuple(2 * n for n in sizes) if strided and sizes else sizes
        values = rl.tensor(random.normal(0, 2, wide)).to(dtype)
        values = values[tuple(slice(None, None, 2) for _ in sizes)] if strided and sizes else values
        return values.transpose(0, -1).clone().transpose(0, -1) if strided and len(sizes) > 1 else values

    out = []
    for _ in range(4):
        sizes = tuple(1 if random.random() < 0.15 else n for n in shape[int(random.random() < 0.15):])
        out.append((DTYPES[int(random.integers(len(DTYPES)))], sizes, random.random() < 0.2))
    return [[one(*how) for how in out] for _ in range(3)]


def program_of(seed):
    """A function of four tensors, and sets of them that it takes; lines that eager mode refuses are left out."""
    random = np.random.default_rng(seed)
    sets = inputs_of(random, SHAPES[seed % len(SHAPES)])
    lines, results = [], [int(n) for n in random.integers(0, 1 << 30, 2)]

    def run(*tensors):
        values = list(tensors)
        for line in lines:
            values.append(line(values))
        return (values[-1], *[values[n % len(values)] for n in results])

    with rl.no_grad():
        for _ in range(int(random.integers(3, 16))):
            lines.append(step_of(random))
            try:
                for tensors in sets:
                    run(*[t.clone() for t in tensors])
            except REFUSALS:
                lines.pop()
    return run, sets


def copies(tensors):
    return [rl.empty_strided(t.shape, t.stride(), dtype=t.dtype).copy_(t) for t in tensors]


def run_program(function, tensors):
    """Results, and what the arguments are afterwards."""
    own = copies(tensors)
    return [bits(t) for t in function(*own)] + [bits(t) for t in own]


@pytest.mark.parametrize("seed", range(300))
def test_random_programs(seed):
    run, sets = program_of(seed)
    with rl.no_grad():
        compiled = rl.compile(run, fullgraph=True)
        for tensors in (*sets, sets[0], sets[1]):
            assert run_program(compiled, tensors) == run_program(run, tensors)


def test_from_several_threads():
    run, sets = program_of(9)
    with rl.no_grad():
        compiled = rl.compile(run, fullgraph=True)
        expected = [run_program(run, tensors) for tensors in sets]
        compiled(*copies(sets[0]))
    wrong = []

    def work(k):
        with rl.no_grad():
            for n in range(50):
                if run_program(compiled, sets[(n + k) % 3]) != expected[(n + k) % 3]:
                    wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def fused(function, *tensors):
    """The lines of the report, once results on these tensors were found equal."""
    with rl.no_grad():
        compiled = rl.compile(function, fullgraph=True)
        for _ in range(3):
            assert run_program(compiled, tensors) == run_program(function, tensors)
    return compiled.calls[0].program.report[1:]        # the first line tells of memory


def test_the_report_says_what_was_fused_and_why_not():
    def gelu_chain(a, b):
        return (rl.nn.functional.gelu(a * b + a) * b,)

    assert fused(gelu_chain, rl.randn(100), rl.randn(100)) == [
        "fused: %2 mul, %3 add, %4 gelu, %5 mul; reads 2, writes 1"]
    lines = fused(lambda a, b: (rl.floor_divide(a, b) * 2 + 1, (a @ b).exp()), rl.full((3, 3), 7), rl.full((3, 3), 2))
    assert "not fused: %2 floor_divide: the divisor of an integer division is looked at before each call" in lines
    assert any("exp: no neighbour of its shape is element-wise" in line for line in lines)


def layer_norm(x, w):
    centred = x - x.mean(-1, keepdim=True)
    scale = rl.rsqrt((centred * centred).mean(-1, keepdim=True) + 1e-5)
    return (centred * scale * w + 1, scale)


def softmax(x, w):
    powers = rl.exp(x * w - (x * w).amax(-1, keepdim=True))
    return (powers / powers.sum(-1, keepdim=True),)


def losses(x, w):
    error = x - w
    return (error * error).mean(), error.abs().sum(), (error > 0).any(), (error * 2).amax(-1).sum(), error.prod()


def share(x, w):
    return (x * w / (x * w).sum(),)


@pytest.mark.parametrize("sizes", [(7, 64), (3, 5, 100), (40, 1), (1, 33), (2, 9000), (500,), (70000,), (200001,),
                                   (131072,), (300, 500)])
@pytest.mark.parametrize("dtype", [rl.float32, rl.float64, rl.bfloat16, rl.int64])
@pytest.mark.parametrize("function", [layer_norm, softmax, losses, share])
def test_reductions(function, dtype, sizes):
    if dtype == rl.int64 and function is not losses:
        pytest.skip("means of integers")
    x = (rl.randn(*sizes, dtype=rl.float64) * 3).to(dtype)
    w = (rl.rand(sizes[-1], dtype=rl.float64) + 0.5).to(dtype)
    if dtype == rl.int64:
        def function(x, w):
            return (x * w).sum(), (x + w).amax(-1), (x * x).sum(-1, keepdim=True)
    lines = fused(function, x, w)
    fusable = dtype != rl.int64 and (function is not share or len(sizes) == 1)
    assert not fusable or any(line.startswith("fused") for line in lines)


@pytest.mark.parametrize("sizes", [(6, 5, 8), (6, 40, 8), (3, 1, 1)])
def test_reductions_of_arranged_operands(sizes):
    rl.manual_seed(2)
    x = rl.randn(*sizes)
    for y in (rl.randn(*reversed(sizes)).permute(2, 1, 0), rl.randn(sizes[1], 1), rl.randn(sizes[0], 1, 1),
              rl.randn(2 * sizes[0], sizes[1], 3 * sizes[2])[::2, :, ::3]):
        fused(lambda a, b: ((a * b).sum((-2, -1)), (b.exp() * a).mean(-1) * 2), x, y)
        fused(lambda a, b: ((b * 2 + 1).sum(-1), (b * b + b).sum()), x, y)
        fused(lambda a, b: (a * b - (a * b).amax((1, 2), True), a - a.mean((1, 2), True) * b), x, y)


def test_the_profiler_sees_regions():
    compiled = rl.compile(lambda x: (rl.exp(x) * 2 + x).sum(), fullgraph=True)
    with rl.no_grad():
        for _ in range(3):
            compiled(rl.ones(5))
        with rl.profiler.profile() as profile:
            compiled(rl.ones(5))
    assert any(event.name == "fused: exp, mul, add, sum" for event in profile.events())


def test_the_profiler_shows_lines_of_the_program():
    def program(x, w):
        y = x @ w
        y = rl.exp(y)
        return (y * 2
                + x).cumsum(0)

    first = program.__code__.co_firstlineno
    for captured in (rl.compile(program, fullgraph=True), rl.jit.trace(program, (rl.ones(5, 5), rl.ones(5, 5)))):
        with rl.no_grad():
            for _ in range(3):
                captured(rl.ones(5, 5), rl.ones(5, 5))
            with rl.profiler.profile() as profile:
                captured(rl.ones(5, 5), rl.ones(5, 5))
        lines = {e.name: e for e in profile.events() if e.name.startswith("test_fused_regions.py:")}
        product, region, _ = (f"test_fused_regions.py:{first + n}" for n in (1, 2, 3))
        assert [c.name for c in lines[product].cpu_children] == ["matmul"]
        [fused] = [e for name, e in lines.items() if name.startswith(region)]
        assert [c.name for c in fused.cpu_children] == ["fused: exp, mul, add"]
        assert any("cumsum" in [c.name for c in e.cpu_children] for e in lines.values())


def test_a_region_waits_for_its_operands_and_runs_before_its_readers():
    def crossing(a, b):
        early = a * 2
        late = b.exp()
        total = late.cumsum(0)                       # reads the one and gives the other
        return early + total, late * early

    assert len(fused(crossing, rl.randn(30), rl.randn(30))) == 2


def test_writes_to_arguments():
    def step(p, m, g):                               # an optimizer's
        m.mul_(0.9).add_(g)
        update = m * -0.1
        p.add_(update)
        return p * 1, m + 0

    lines = fused(step, rl.randn(50), rl.randn(50), rl.randn(50))
    assert lines[0].startswith("fused: ") and lines[0].endswith("reads 3, writes 4")


def test_arguments_that_share_memory():
    def step(p, g):
        p.mul_(0.5).add_(g)
        return (p - g,)

    base = rl.randn(101)
    with rl.no_grad():
        compiled = rl.compile(step, fullgraph=True)
        for _ in range(2):
            assert bits(compiled(base[:50].clone(), base[50:100])[0]) == bits(step(base[:50].clone(), base[50:100])[0])
        for cut in ((slice(0, 50), slice(50, 100)), (slice(0, 50), slice(0, 50)), (slice(0, 50), slice(1, 51))) * 2:
            a, b = base.clone(), base.clone()
            assert bits(compiled(a[cut[0]], a[cut[1]])[0]) == bits(step(b[cut[0]], b[cut[1]])[0])
            assert bits(a) == bits(b)
        a, b = base[:50].clone(), base[:50].clone()
        assert bits(compiled(a, a)[0]) == bits(step(b, b)[0]) and bits(a) == bits(b)


def test_channels_last_inside():
    rl.manual_seed(1)
    net = rl.nn.Sequential(rl.nn.Conv2d(3, 8, 3), rl.nn.BatchNorm2d(8)).eval()

    def after(x):
        y = net(x)
        return (rl.nn.functional.gelu(y * 2 + 1) * y,)

    with rl.no_grad():
        compiled = rl.compile(after, fullgraph=True)
        for n in (1, 8, 1, 8, 8):
            x = rl.randn(n, 3, 40, 40)
            assert bits(compiled(x)[0]) == bits(after(x)[0])


def test_results_of_convolutions_are_fused_where_they_lie():
    rl.manual_seed(2)
    nn, function = rl.nn, rl.nn.functional
    first, second, last = nn.Conv1d(4, 8, 2), nn.Conv1d(4, 8, 2), nn.Conv1d(8, 6, 1)

    def gated(x, scale):
        a, b = first(x), second(x)
        y = a.tanh() * b.sigmoid() * scale
        return last(y), y, last(function.relu(y).add_(a))

    compiled = rl.compile(gated, fullgraph=True)
    with rl.no_grad():
        for n in (2, 2, 2, 5, 2):
            x, scale = rl.randn(n, 4, 70), rl.randn(1)
            for got, want in zip(compiled(x, scale), gated(x, scale), strict=True):
                assert bits(got) == bits(want)
        lines = compiled.report()
    assert "tanh" in lines.split("fused: ")[1] and "keeps channels last" not in lines


def test_constants_of_fused_regions_may_change_their_layout():
    """A run finds a tensor that the plan found with its channels last, and that somebody asked to be plain since."""
    kept = rl.nn.Conv2d(3, 8, 3)(rl.randn(2, 3, 20, 20)).detach()
    layer = rl.nn.Conv2d(3, 8, 3)

    def after(x):
        return (rl.tanh(layer(x)) * kept + kept,)

    x = rl.randn(2, 3, 20, 20)
    with rl.no_grad():
        compiled = rl.compile(after, fullgraph=True)
        for turn in range(4):
            if turn == 2:
                kept.numpy()
            assert bits(compiled(x)[0]) == bits(after(x)[0])
