"""Tensor programs that are written at random, a number for each: their lines, the state that they use, their inputs."""
import linecache
import random

import rushlight as rl
import rushlight.nn.functional as F

WORDS = {field: text.split() for field, text in {
    "unary": "neg abs exp tanh sigmoid relu sin cos sqrt square sign floor reciprocal erf log1p expm1 rsqrt trunc frac "
             "round logical_not isnan positive nan_to_num atan exp2 clone zeros_like ones_like",
    "activation": "silu gelu softplus hardswish leaky_relu elu mish",
    "binary": "add sub mul div maximum minimum atan2 pow lt eq ge floor_divide remainder fmod hypot copysign "
              "logical_and ne logaddexp",
    "sign": "+ - * / ** // % < > == & |",
    "change": "+ - * /",
    "method": "add_ mul_ sub_ div_ copy_",
    "lone": "relu_() tanh_() sigmoid_() neg_() exp_() abs_() zero_() sin_() square_() clamp_(-1,1) fill_(2) sqrt_() "
            "round_()",
    "reduce": "sum mean amax amin prod var std argmax logsumexp all any",
    "along": "softmax log_softmax cumsum argsort",
    "several": "sort median cummax",
    "dtype": "float32 float64 int64 bool bfloat16 float16 int32 uint8",
    "index": "0 -1 ::2 :1 ... ...,0 None 1:",
    "number": "2 0.5 -1 3 1e-3 1 0 True -0.0 1.5 7",
    "n": "0 1 2",
}.items()}

# Templates by kind, each kind with its weight. A name in braces is drawn; {v}, {w} and {u} are values, {x} a value or
# a number, {d} a dimension of {v}.
VALUES = {
    "element-wise": (17, ["{new} = rl.{unary}({v})", "{new} = rl.{unary}({v})", "{new} = F.{activation}({v})",
                          "{new} = rl.{binary}({v}, {x})", "{new} = rl.{binary}({v}, {w})", "{new} = {v} {sign} {x}",
                          "{new} = {x} {sign} {v}", "{new} = rl.where({v} > 0, {v}, {w})"]),
    "writes": (10, ["{v} {change}= {x}", "{v}.{method}({x})", "{new} = {v}.{method}({w})", "{v}.{lone}", "{v}.{lone}",
                    "{v}[{index}] = {x}", "{v}[{index}] = {w}", "rl.{binary}({v}, {u}, out={w})"]),
    "reductions": (4, ["{new} = {v}.{reduce}()", "{new} = {v}.{reduce}({d})", "{new} = {v}.{reduce}({d}, keepdim=True)",
                       "{new} = {v}.{along}({d})", "{new} = {v}.{several}({d})[0]", "{new} = {v}.topk(1, {d})[{n}]",
                       "{new} = rl.linalg.norm({v})"]),
    "views": (8, ["{new} = {v}.transpose(0, -1)", "{new} = {v}.unsqueeze({d})", "{new} = {v}.squeeze()",
                  "{new} = {v}.reshape(-1)", "{new} = {v}.view(-1)", "{new} = {v}[{n}]", "{new} = {v}[{n}::2]",
                  "{new} = {v}[..., {n}]", "{new} = {v}.narrow({d}, 0, 1)", "{new} = {v}.expand(3, *{v}.shape)",
                  "{new} = {v}.flatten()", "{new} = {v}.detach()", "{new} = {v}.chunk(2, {d})[{n}]",
                  "{new} = {v}.diagonal()", "{new} = {v}.unbind({d})[0]"]),
    "indices": (2, ["{new} = {v}[{w}]", "{new} = {v}.masked_fill({w}.bool(), {number})", "{new} = {v}.flip({d})",
                    "{new} = {v}.roll(1, {d})", "{new} = {v}.index_select({d}, rl.tensor([0, 0]))"]),
    "new": (2, ["{new} = rl.ones({v}.shape)", "{new} = rl.full_like({v}, {number})", "{new} = rl.arange({n}, 5)",
                "{new} = {v}.contiguous()", "{new} = rl.linspace(0, 1, 4)", "{new} = {v}.new_zeros(2, 3)"]),
    "draws": (1, ["{new} = rl.rand({v}.shape)", "{new} = rl.randn_like({v}.float())", "{new} = rl.randperm(4)",
                  "{new} = F.dropout({v}.float(), 0.5)", "{new} = F.dropout({v}, 0.3, inplace=True)",
                  "{new} = rl.randint(0, 3, {v}.shape)", "{new} = rl.bernoulli({v}.float().sigmoid())"]),
    "casts": (2, ["{new} = {v}.to(rl.{dtype})"]),
    "layers": (4, ["{new} = {v} @ {w}", "{new} = rl.matmul({v}, {w}.T)", "{new} = F.linear({v}, W)",
                   "{new} = F.linear({v}, W, B)", "{new} = {v} @ W.T", "{new} = F.layer_norm({v}, {v}.shape[-1:])",
                   "{new} = net({v})", "{new} = norm({v})", "{new} = conv({v}.reshape(1, 1, -1))",
                   "{new} = rl.einsum('...i,...j->...ij', {v}, {w})"]),
    "joins": (2, ["{new} = rl.cat([{v}, {w}], {d})", "{new} = rl.stack([{v}, {w}])", "{new} = rl.hstack([{v}, {v}])",
                  "{new} = rl.cat([{v}.flatten(), {w}.flatten()])"]),
    "Python": (3, ["{new} = {v} * 2 if k > 1 else {w} + k", "{new} = {v} * {v}.shape[{d}]", "{new} = {v} / {v}.numel()",
                   "with rl.no_grad(): {new} = rl.{binary}({v}, {w})"]),
    "state": (1, ["S.copy_({v})", "S.add_({v})", "S[0] = {v}", "S.mul_(0.9).add_({v}, alpha=0.1)", "W.data.mul_(0.9)",
                  "W.data[0] += 1", "{new} = S * {x}"]),
}
STATELESS = {kind: some for kind, some in VALUES.items() if kind != "state"}
DIFFERENTIABLE = {kind: some for kind, some in STATELESS.items() if kind != "casts"}
SHAPES = [(3, 4)] * 4 + [(4,), (2, 3, 4)] * 3 + [(1, 4), (3, 1), (), (0, 4), (4, 4), (1,), (2, 0), (16, 4), (33, 4)]
OPTIMIZERS = ["SGD", "Adam", "RMSprop", "AdamW", "Adagrad"]


class State(rl.nn.Module):
    """Weights, layers and memory: what a program finds beside its arguments."""

    def __init__(self, seed, gradients):
        super().__init__()
        rl.manual_seed(seed)
        self.W, self.B = rl.nn.Parameter(rl.randn(5, 4)), rl.nn.Parameter(rl.randn(5))
        self.register_buffer("S", rl.randn(3, 4))
        self.net = rl.nn.Sequential(rl.nn.Linear(4, 6), rl.nn.ReLU(), rl.nn.Linear(6, 4))
        self.norm, self.conv = rl.nn.BatchNorm1d(4), rl.nn.Conv1d(1, 2, 3, padding=1)
        self.requires_grad_(gradients)
        self.updates = getattr(rl.optim, OPTIMIZERS[seed % 5])([self.W, self.B, *self.net.parameters()], lr=0.01)
        self.function = None

    def names(self):
        return {"rl": rl, "F": F, **{name: getattr(self, name) for name in "W B S net norm conv updates".split()}}

    def forward(self, x, y):
        return self.function(x, y, 1)

    def tensors(self):
        return [*self.parameters(), *self.buffers()]


class Program:
    """The lines of a function of x, y and k, and what it is called with."""

    def __init__(self, seed, kind, shapes, layouts, lines):
        self.seed, self.kind, self.shapes, self.layouts, self.lines = seed, kind, shapes, layouts, lines

    @property
    def source(self):
        return "def program(x, y, k):\n" + "".join(f"    {line}\n" for line in self.lines)

    def state(self):
        """New state, with the function over it."""
        state, name = State(self.seed, self.kind in GRADIENTS), f"<program {self.seed}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(True), name)
        found = state.names()
        exec(compile(self.source, name, "exec"), found)
        state.function = found["program"]
        return state

    def inputs(self, call, more=0):
        """The arguments of a call; `more` rows than the shapes have."""
        rl.manual_seed(31 * self.seed + call)
        out = []
        for shape, layout in zip(self.shapes, self.layouts, strict=True):
            sizes = (shape[0] + more, *shape[1:]) if shape else shape
            t = rl.randint(-3, 4, sizes) if layout == "integers" else rl.randn(sizes)
            if layout == "permuted" and sizes and t.numel():
                t = rl.randn(sizes[::-1]).permute(*reversed(range(len(sizes))))
            elif layout == "strided" and sizes and t.numel():
                t = rl.randn(*sizes[:-1], 2 * sizes[-1])[..., ::2]
            out.append(out[0] if layout == "the same" else t)
        if self.kind == "outside":
            out = [t.requires_grad_() if t.is_floating_point() else t for t in out]
        rl.manual_seed(call)
        return out


class Fields(dict):
    """What a template's names stand for, each drawn when it is asked for first."""

    def __init__(self, writer):
        super().__init__(new=f"v{len(writer.lines)}")
        self.writer = writer

    def __missing__(self, name):
        writer, choice = self.writer, self.writer.random.choice
        if name in WORDS:
            drawn = choice(WORDS[name])
        elif name == "d":
            rank = writer.found[self["v"]].ndim
            drawn = writer.random.randrange(-rank, rank) if rank else 0
        elif name == "x" and writer.random.random() < 0.5:
            drawn = choice(WORDS["number"])
        else:
            drawn = choice(writer.values[-4:] if writer.random.random() < 0.6 else writer.values)
        self[name] = drawn
        return drawn


class Writer:
    """Writes a program line by line; a line that eager mode refuses is left out."""

    def __init__(self, seed, templates, program):
        self.random, self.templates, self.lines = random.Random(seed), templates, program.lines
        self.state = State(seed, program.kind in GRADIENTS)
        self.names = self.state.names()
        self.found = dict(zip("xy", program.inputs(0), strict=True), k=1)
        self.values = ["x", "y"]

    def write(self, count):
        weights = [weight for weight, _ in self.templates.values()]
        wanted = len(self.lines) + count
        for _ in range(6 * count):
            _, some = self.random.choices(list(self.templates.values()), weights)[0]
            if len(self.lines) < wanted:
                self.add(self.random.choice(some).format_map(Fields(self)))

    def add(self, line):
        name = line.removeprefix("with rl.no_grad(): ").split(" = ")[0]
        before = dict(self.found)
        try:
            exec(line, self.names, self.found)
        except Exception:                                  # noqa: BLE001  whatever eager mode raises
            self.found = before
            return
        t = self.found.get(name) if name not in before else None
        if t is not None and (not isinstance(t, rl.Tensor) or t.numel() > 4000 or t.ndim > 5):
            self.found = before
            return
        if t is not None:
            self.values.append(name)
        self.lines.append(line)


def values_program(seed):
    """A program without gradients; every third has no state."""
    choose = random.Random(seed)
    layouts = [choose.choice(["plain"] * 3 + ["permuted", "strided", "integers"]) for _ in range(2)]
    kind = "stateless" if seed % 3 == 0 else "state"
    program = Program(seed, kind, [choose.choice(SHAPES) for _ in range(2)], layouts, [])
    if choose.random() < 0.05:
        program.layouts[1], program.shapes[1] = "the same", program.shapes[0]
    writer = Writer(seed, STATELESS if kind == "stateless" else VALUES, program)
    writer.write(choose.randrange(4, 28))
    results = choose.sample(writer.values, min(len(writer.values), choose.randrange(1, 4)))
    program.lines.append(f"return ({', '.join(results)},)")
    return program


GRADIENTS = ("outside", "within", "step")


def gradients_program(seed):
    """A program with gradients, for a walk from outside or within, or a training step; None where none is wanted."""
    choose = random.Random(seed)
    shapes = [choose.choice([(3, 4), (4,), (2, 3, 4), (4, 4), (1, 4)]) for _ in range(2)]
    layouts = [choose.choice(["plain"] * 3 + ["permuted", "strided"]) for _ in range(2)]
    program = Program(seed, choose.choice(GRADIENTS), shapes, layouts, [])
    writer = Writer(seed, DIFFERENTIABLE, program)
    for line in ("v0 = x * 1", "v1 = x @ W.T", "v2 = net(x)"):
        if choose.random() < 0.8:
            writer.add(line.replace(line[:2], f"v{len(program.lines)}"))
    writer.write(choose.randrange(3, 14))
    wanted = [v for v in writer.values if writer.found[v].requires_grad and writer.found[v].grad_fn is not None]
    if not wanted:
        return None
    results = choose.sample(wanted, min(len(wanted), 2))
    shown = ", ".join(f"{name}.detach()" for name in results)
    program.lines.append("loss = " + " + ".join(f"{name}.float().sum()" for name in results))
    program.lines += {"outside": [f"return (loss, {', '.join(results)})"],
                      "within": ["loss.backward()", f"return (loss.detach(), {shown})"],
                      "step": ["updates.zero_grad()", "loss.backward()", "updates.step()",
                               "return (loss.detach(),)"]}[program.kind]
    return program


def smallest(program, fails):
    """The program without the lines that a failure does not need; the last one stays."""
    lines, at = program.lines, len(program.lines) - 2
    while at >= 0:
        fewer = Program(program.seed, program.kind, program.shapes, program.layouts, lines[:at] + lines[at + 1:])
        try:
            needless = fails(fewer)
        except Exception:                                  # noqa: BLE001  a name that is gone
            needless = False
        lines, at = (fewer.lines, len(fewer.lines) - 2) if needless else (lines, at - 1)
    return Program(program.seed, program.kind, program.shapes, program.layouts, lines)
