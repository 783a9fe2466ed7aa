"""jit.script of modules: equal to the module, its attributes, exports, saved files, and traces in scripts."""
import contextlib
import copy
import io
import json
import random
import zipfile
from typing import Dict, Final, List, Optional, Tuple  # noqa: UP035  as programs write them

import pytest
from jit.script_programs import reloaded, same

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import Tensor, nn
from rushlight._files.zip import ZipWriter
from rushlight.io import CorruptFileError


def image(*shape):
    return lambda: (rl.randn(*shape),)


LAYERS = {
    "linear": (lambda: nn.Linear(3, 4), image(2, 3)),
    "conv": (lambda: nn.Conv2d(2, 3, 3, padding=1), image(1, 2, 5, 5)),
    "conv_reflect": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), image(1, 2, 5, 5)),
    "conv_transpose": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), image(1, 2, 5, 5)),
    "batch_norm": (lambda: nn.BatchNorm2d(2), image(2, 2, 4, 4)),
    "layer_norm": (lambda: nn.LayerNorm(3), image(2, 3)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), image(2, 4, 3)),
    "instance_norm": (lambda: nn.InstanceNorm2d(2), image(2, 2, 4, 4)),
    "dropout": (lambda: nn.Dropout(0.5), image(4, 4)),
    "dropout2d": (lambda: nn.Dropout2d(0.5), image(2, 3, 2, 2)),
    "alpha_dropout": (lambda: nn.AlphaDropout(0.5), image(4, 4)),
    "embedding": (lambda: nn.Embedding(5, 3, padding_idx=0), lambda: (rl.tensor([1, 4, 0]),)),
    "lstm": (lambda: nn.LSTM(3, 4, 2, bidirectional=True), image(5, 2, 3)),
    "lstm_unbatched": (lambda: nn.LSTM(3, 4, batch_first=True), image(5, 3)),
    "lstm_states": (lambda: nn.LSTM(3, 4), lambda: (rl.randn(5, 2, 3), (rl.randn(1, 2, 4), rl.randn(1, 2, 4)))),
    "gru": (lambda: nn.GRU(3, 4), image(5, 2, 3)),
    "rnn": (lambda: nn.RNN(3, 4, nonlinearity="relu"), image(5, 2, 3)),
    "lstm_cell": (lambda: nn.LSTMCell(3, 4), image(2, 3)),
    "gru_cell": (lambda: nn.GRUCell(3, 4), lambda: (rl.randn(2, 3), rl.randn(2, 4))),
    "attention": (lambda: nn.MultiheadAttention(4, 2), lambda: (rl.randn(3, 2, 4),) * 3),
    "attention_mask": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), lambda: (
        rl.randn(2, 3, 4), rl.randn(2, 5, 4), rl.randn(2, 5, 4), rl.tensor([[False] * 4 + [True]] * 2))),
    "encoder_layer": (lambda: nn.TransformerEncoderLayer(4, 2, 8), image(3, 2, 4)),
    "decoder_layer": (lambda: nn.TransformerDecoderLayer(4, 2, 8), lambda: (rl.randn(3, 2, 4), rl.randn(5, 2, 4))),
    "transformer": (lambda: nn.Transformer(4, 2, 1, 1, 8), lambda: (rl.randn(3, 2, 4), rl.randn(5, 2, 4))),
    "max_pool": (lambda: nn.MaxPool2d(2, return_indices=True), image(1, 2, 4, 4)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((2, 2)), image(1, 2, 5, 5)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), image(1, 2, 3, 3)),
    "flatten": (lambda: nn.Flatten(), image(2, 3, 4)),
    "cross_entropy": (lambda: nn.CrossEntropyLoss(), lambda: (rl.randn(3, 4), rl.tensor([0, 3, 1]))),
    "triplet": (lambda: nn.TripletMarginLoss(), lambda: (rl.randn(3, 4), rl.randn(3, 4), rl.randn(3, 4))),
    "gaussian_nll": (lambda: nn.GaussianNLLLoss(), lambda: (rl.randn(3, 2), rl.randn(3, 2), rl.rand(3, 2))),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), image(1, 4, 2, 2)),
    "local_response": (lambda: nn.LocalResponseNorm(2), image(1, 4, 3, 3)),
    "bilinear": (lambda: nn.Bilinear(2, 3, 4), lambda: (rl.randn(5, 2), rl.randn(5, 3))),
    "cosine": (lambda: nn.CosineSimilarity(), lambda: (rl.randn(3, 4), rl.randn(3, 4))),
    "prelu": (lambda: nn.PReLU(3), image(2, 3)),
    "rrelu": (lambda: nn.RReLU(), image(2, 3)),
    "sequential": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Dropout(0.3)),
                   image(5, 3)),
}


def run(module, args, seed=5):
    """What a module gives, its gradients, and its state afterwards."""
    rl.manual_seed(seed)
    result = module(*copy.deepcopy(args))
    tensors = [t for t in (result if isinstance(result, tuple) else (result,)) if isinstance(t, Tensor)]
    floats = [t for t in tensors if t.requires_grad]
    if floats:
        sum(t.sum() for t in floats).backward()
    return result, [p.grad for p in module.parameters()], list(module.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, training):
    make, arguments = LAYERS[name]
    rl.manual_seed(1)
    module, args = make().train(training), arguments()
    scripted = rl.jit.script(copy.deepcopy(module))
    loaded = reloaded(scripted)
    expected = run(module, args)
    for program in (scripted, loaded):
        assert program.training == training
        assert same(run(program, args), expected)


class Net(nn.Module):
    __constants__ = ["scale"]
    times: Final[int]

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})
        self.norm = nn.BatchNorm1d(4)
        self.weights = nn.ParameterList([nn.Parameter(rl.ones(4)), nn.Parameter(rl.zeros(4))])
        self.register_buffer("offset", rl.ones(4))
        self.register_buffer("brief", rl.zeros(1), persistent=False)
        self.optional = None
        self.scale = 2.0
        self.times = 2
        self.limit = 1.5
        self.calls = 0
        self.sizes = [4, 4]

    def block(self, x, at: int = 0) -> Tensor:
        for k in range(self.times):
            x = rl.tanh(x) * self.scale + k + at
        return x

    @rl.jit.export
    def head(self, x, name: str) -> Tuple[Tensor, int]:  # noqa: UP006
        out = x
        for key, layer in self.heads.items():
            if key == name:
                out = layer(x)
        return out, len(self.heads)

    @rl.jit.ignore
    def show(self, x):
        print(x.numpy())

    @rl.jit.unused
    def slow(self, x):
        return x.numpy()

    def forward(self, x, extra: Optional[Tensor] = None) -> Dict[str, Tensor]:  # noqa: UP006, UP045
        self.calls += 1
        for i, layer in enumerate(self.blocks):
            x = self.block(layer(x), i)
        for w in self.weights:
            x = x + w
        if self.optional is not None:
            x = self.optional(x)
        if extra is not None:
            x = x + extra
        if not rl.jit.is_scripting():
            assert x.shape[1] == 4
        if x.max() > self.limit:
            x = x / self.limit
        x = self.norm(x) - self.offset + self.brief
        if self.training and x.dim() == 5:
            x = self.slow(x)
        return {"x": x.view(-1, self.sizes[1]), "n": rl.tensor(self.calls)}


def test_net():
    rl.manual_seed(0)
    net = Net()
    scripted = rl.jit.script(copy.deepcopy(net))
    assert isinstance(scripted, rl.jit.ScriptModule)
    assert scripted.original_name == "Net"
    assert list(scripted.state_dict()) == list(net.state_dict())
    assert scripted.times == 2 and scripted.limit == 1.5
    x = rl.randn(3, 4)
    loaded = reloaded(scripted)
    for step in range(3):
        expected = net(x, x)
        for program in (scripted, loaded):
            assert same(program(x, extra=x), expected), step
    assert scripted.calls == net.calls == loaded.calls == 3
    assert same(scripted.head(x, "b"), net.head(x, "b"))
    assert same(loaded.head(x, "a"), net.head(x, "a"))
    for program in (net, scripted, loaded):
        program.eval()
        program.limit = 0.1
    expected = net(x)
    assert same(scripted(x), expected)
    assert same(loaded(x), expected)
    net.norm.train()
    scripted.norm.train()
    assert same(scripted(x), net(x))


def test_copies_and_dtypes():
    net = Net()
    scripted = rl.jit.script(net)
    other = copy.deepcopy(scripted)
    with rl.no_grad():
        other.offset.fill_(9)
    x = rl.randn(3, 4)
    assert not same(scripted(x)["x"], other(x)["x"])
    double = copy.deepcopy(scripted).to(rl.float64)
    assert double(x.double())["x"].dtype == rl.float64
    other.load_state_dict(scripted.state_dict())
    copied, original = other.eval()(x), scripted.eval()(x)
    assert same(copied["x"], original["x"])


class Recurrent(nn.Module):
    """A loop over steps of any length, with a state that stops early."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)
        self.out = nn.Linear(4, 1)

    def forward(self, xs, states: Optional[Tuple[Tensor, Tensor]] = None):  # noqa: UP006, UP045
        if states is None:
            zeros = rl.zeros(xs.size(1), 4)
            states = (zeros, zeros)
        outputs: List[Tensor] = []  # noqa: UP006
        for t in range(xs.size(0)):
            states = self.cell(xs[t], states)
            y = self.out(states[0])
            outputs.append(y)
            if y.mean() > 0.9:
                break
        return rl.stack(outputs), states


@pytest.mark.parametrize("steps", [1, 4, 17])
def test_any_length(steps):
    rl.manual_seed(0)
    module = Recurrent()
    scripted = rl.jit.script(copy.deepcopy(module))
    x = rl.randn(steps, 2, 3)
    assert same(run(scripted, (x,)), run(module, (x,)))
    assert same(run(reloaded(scripted), (x,))[0], run(module, (x,))[0])


class Speaker(nn.Module):
    """Attends to what was said so far, and says more: tied weights, a mask that is cut, sampling, an early end."""

    def __init__(self, words=7, size=8, longest=12):
        super().__init__()
        self.words, self.places = nn.Embedding(words, size), nn.Embedding(longest, size)
        self.layers = nn.ModuleList([nn.ModuleDict({"norm": nn.LayerNorm(size), "mix": nn.Linear(size, 3 * size)})
                                     for _ in range(2)])
        self.out = nn.Linear(size, words, bias=False)
        self.out.weight = self.words.weight
        self.register_buffer("seen", rl.ones(longest, longest).tril().bool())
        self.longest = longest

    def forward(self, numbers, wanted: Optional[Tensor] = None) -> Tuple[Tensor, Optional[Tensor]]:  # noqa: UP006, UP045
        _, n = numbers.shape
        assert n <= self.longest, f"{n} words; expected at most {self.longest}"
        x = self.words(numbers) + self.places(rl.arange(n))
        for layer in self.layers:
            q, k, v = layer["mix"](layer["norm"](x)).chunk(3, dim=-1)
            scores = (q @ k.transpose(1, 2)) / q.size(-1) ** 0.5
            x = x + F.softmax(scores.masked_fill(~self.seen[:n, :n], float("-inf")), dim=-1) @ v
        scores = self.out(x)
        loss: Optional[Tensor] = None  # noqa: UP045
        if wanted is not None:
            loss = F.cross_entropy(scores.flatten(0, 1), wanted.flatten())
        return scores, loss

    @rl.jit.export
    def speak(self, numbers, count: int, warmth: float = 1.0, end: Optional[int] = None):  # noqa: UP045
        for _ in range(count):
            scores, _ = self(numbers[:, -self.longest:])
            chances = F.softmax(scores[:, -1] / warmth, dim=-1)
            chosen = rl.multinomial(chances, 1)
            numbers = rl.cat((numbers, chosen), dim=1)
            if end is not None and bool((chosen == end).all()):
                break
        return numbers


def test_speaker():
    rl.manual_seed(0)
    module = Speaker()
    scripted = rl.jit.script(copy.deepcopy(module))
    loaded = reloaded(scripted)
    assert loaded.out.weight is loaded.words.weight
    numbers = rl.randint(0, 7, (2, 5))
    for program in (scripted, loaded):
        module.zero_grad()
        program.zero_grad()
        for one in (module, program):
            one(numbers, numbers)[1].backward()
        assert same([p.grad for p in program.parameters()], [p.grad for p in module.parameters()])
        for end in (None, 3):
            rl.manual_seed(2)
            expected = module.speak(numbers[:1], 20, 0.7, end)
            rl.manual_seed(2)
            assert same(program.speak(numbers[:1], 20, warmth=0.7, end=end), expected)
        with pytest.raises(AssertionError, match="13 words; expected at most 12"):
            program(rl.zeros(1, 13, dtype=rl.int64))


# -- the books' programs

class FeaturesCNNNet(rl.jit.ScriptModule):
    def __init__(self, num_classes=2):
        super().__init__()
        self.features = rl.jit.trace(nn.Sequential(
            nn.Conv2d(3, 4, kernel_size=5, stride=2), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2)),
            rl.rand(1, 3, 32, 32))
        self.classifier = rl.jit.trace(nn.Sequential(
            nn.Dropout(), nn.Linear(4 * 6 * 6, 8), nn.ReLU(), nn.Linear(8, num_classes)).eval(), rl.rand(1, 4 * 6 * 6))

    @rl.jit.script_method
    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), 4 * 6 * 6)
        if x.sum() > 0:
            x = x + 1
        return self.classifier(x)


def test_script_module_of_traces():
    rl.manual_seed(0)
    net = FeaturesCNNNet()
    assert len(list(net.parameters())) == 6
    x = rl.rand(1, 3, 32, 32)
    for given in (x, -x):
        y = net.features(given).view(1, -1)
        expected = net.classifier(y + 1 if y.sum() > 0 else y)
        assert same(net(given), expected)
        assert same(reloaded(net)(given), expected)


def test_trace_in_script_function():
    traced = rl.jit.trace(lambda a, b: (a + b, a * b), (rl.ones(2), rl.ones(2)))

    class Uses(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair = rl.jit.trace(nn.Linear(2, 2), rl.ones(1, 2))

        def forward(self, x):
            return self.pair(x) * 2

    module = Uses()
    scripted = rl.jit.script(module)
    x = rl.randn(1, 2)
    assert same(scripted(x), module(x))
    assert same(traced(rl.ones(2), rl.zeros(2)), (rl.ones(2), rl.zeros(2)))


def containers(nn):
    class Block(nn.Sequential):
        pass

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
            self.named = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Tanh()})
            self.block = Block(nn.Linear(3, 1))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.block(self.named["b"](self.named["a"](x)))
    return Net()


def seen_of(script):
    """What a program sees of the containers of a scripted module."""
    layers, named, block = script.layers, script.named, script.block
    parts = [*layers, layers[0], layers[-1], *layers[1:], named["a"], block[0]]
    found = [len(layers), len(named), len(block), list(named), "a" in named, "c" in named, bool(layers), bool(script),
             [hasattr(part, "weight") for part in parts], list(layers[0].weight.shape), type(layers[:1]).__name__]
    for refused in (lambda: layers[2], lambda: named["c"], lambda: len(script), lambda: script[0],
                    lambda: list(script)):
        with pytest.raises((IndexError, KeyError, NotImplementedError)) as caught:
            refused()
        found.append(caught.type)
    return found


def test_containers_of_a_scripted_module():
    scripted = rl.jit.script(containers(nn))
    expected = [2, 2, 1, ["a", "b"], True, False, True, True, [True, False, True, False, False, True, True], [2, 2],
                "ModuleList", IndexError, KeyError, *[NotImplementedError] * 3]
    for one in (scripted, reloaded(scripted), copy.deepcopy(scripted)):
        assert seen_of(one) == expected
        assert one.layers[0] is next(iter(one.layers)) and one.layers[1].original_name == "ReLU"
        assert list(one.named.keys()) == ["a", "b"] and dict(one.named.items())["a"] is one.named["a"]
        assert list(one.named.values())[1] is one.named["b"]
    with pytest.raises(NotImplementedError, match=r"Net\): it is no container; expected what was a ModuleList"):
        len(scripted)
    torch = pytest.importorskip("torch")
    assert seen_of(torch.jit.script(containers(torch.nn))) == expected


def test_scripted_in_scripted():
    inner = rl.jit.script(nn.Linear(3, 3))

    class Outer(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return F.relu(self.inner(x))

    for part in (inner, reloaded(inner)):
        outer = Outer(part)
        x = rl.randn(2, 3)
        assert same(rl.jit.script(outer)(x), outer(x))


def damaged(content, path, choose):
    """The same with one thing in it that is gone or is something else."""
    content, junk = copy.deepcopy(content), [None, 1, -5, "x", "", [], {}, [1], True, 1e9, "tensor", ["list", []]]
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if choose.random() < 0.4:
        holder.pop(path[-1])
    else:
        holder[path[-1]] = choose.choice(junk)
    return content


def paths_in(tree, path=()):
    if path:
        yield path
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from paths_in(item, (*path, key))


def test_descriptions_that_do_not_fit():
    file, choose = io.BytesIO(), random.Random(0)
    rl.jit.script(Net().eval()).save(file)
    z = zipfile.ZipFile(io.BytesIO(file.getvalue()))
    content, weights = json.loads(z.read("program/graph.json")), z.read("program/weights.safetensors")
    paths = [path for path in paths_in(content) if path[0] in ("script", "signatures", "parameters", "module")]
    refused = 0
    for path in choose.choices(paths, k=300):
        changed = io.BytesIO()
        out = ZipWriter(changed.write, "program")
        out.add("graph.json", json.dumps(damaged(content, path, choose)).encode())
        out.add("weights.safetensors", weights)
        out.close()
        try:
            loaded = rl.jit.load(io.BytesIO(changed.getvalue()))
        except CorruptFileError:
            refused += 1
            continue
        with contextlib.suppress(RuntimeError, TypeError, ValueError):       # an argument of another name, say
            loaded(rl.randn(2, 4))
    assert 100 < refused < 300, refused


def test_files():
    scripted = rl.jit.script(Net())
    file = io.BytesIO()
    rl.jit.save(scripted, file, _extra_files={"notes": "x"}, metadata={"unit": "mm"})
    extra = {"notes": ""}
    loaded = rl.jit.load(io.BytesIO(file.getvalue()), _extra_files=extra)
    assert extra["notes"] == b"x"
    assert loaded.metadata == {"unit": "mm"}
    assert loaded.code.count("def ") == scripted.code.count("def ")
    assert list(loaded.state_dict()) == list(scripted.state_dict())
    assert str(loaded) == str(scripted)
    assert loaded.norm.original_name == "BatchNorm1d"
    twice = io.BytesIO()
    rl.jit.save(loaded, twice, metadata={"unit": "mm"}, _extra_files={"notes": "x"})
    assert len(twice.getvalue()) == len(file.getvalue())
    with pytest.raises(NotImplementedError, match="its calls are a part of the module around it"):
        loaded.norm(rl.zeros(2, 4))
