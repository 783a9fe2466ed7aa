"""Layers with int8 weights beside their float forms: how near, their state, capture and files."""
import subprocess

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight import quantization as Q
from rushlight.cli import directory
from rushlight.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def noise(got, want):
    """Decibels by which `want` exceeds its error."""
    error = ((got - want) ** 2).mean()
    return float(10 * ((want**2).mean() / error).log10()) if error else float("inf")


@pytest.fixture(autouse=True)
def seed():
    rl.manual_seed(0)
    with rl.no_grad():
        yield


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.out = nn.Linear(32, 5)

    def forward(self, x):
        return self.out(self.layer(self.embed(x)))


def test_linear():
    model, x = nn.Sequential(nn.Linear(100, 70), nn.ReLU(), nn.Linear(70, 10, bias=False)), rl.randn(6, 3, 100)
    quantized = Q.quantize_dynamic(model)
    assert [type(layer) for layer in quantized] == [nn.quantized.dynamic.Linear, nn.ReLU, nn.quantized.dynamic.Linear]
    assert noise(quantized(x), model(x)) > 35
    assert type(model[0]) is nn.Linear                       # the float model stays


def test_weights_are_rounded_to_their_own_row():
    layer = nn.Linear(20, 3)
    layer.weight[1] *= 100
    made = Q.quantize_dynamic(nn.Sequential(layer))[0]
    back = made.weight.to(rl.float32) * made.weight_scale.unsqueeze(1)
    largest = layer.weight.abs().amax(1, keepdim=True)
    assert ((back - layer.weight).abs() <= largest / 255 * 1.01).all()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True},
                                     {"bias": False}], ids=str)
def test_recurrent(kind, options):
    model = nn.ModuleList([getattr(nn, kind)(12, 40, **options)])
    layer, quantized = model[0], Q.quantize_dynamic(model)[0]
    x = rl.randn(5, 3, 12)
    output, state = layer(x)
    got, got_state = quantized(x)
    assert noise(got, output) > 25
    for g, w in zip(got_state, state, strict=True):
        assert g.shape == w.shape and noise(g, w) > 25
    again, _ = quantized(x, state)
    assert noise(again, layer(x, state)[0]) > 25
    single, _ = quantized(x[:, 0])
    assert noise(single, layer(x[:, 0])[0]) > 25


@pytest.mark.parametrize("sorted_first", [True, False])
def test_packed_sequences(sorted_first):
    model = nn.ModuleList([nn.LSTM(6, 20, bidirectional=True, num_layers=2)])
    lengths = [5, 3, 1] if sorted_first else [3, 5, 1]
    packed = pack_padded_sequence(rl.randn(5, 3, 6), rl.tensor(lengths), enforce_sorted=sorted_first)
    start = (rl.randn(4, 3, 20), rl.randn(4, 3, 20))
    want, (state, cell) = model[0](packed, start)
    got, (got_state, got_cell) = Q.quantize_dynamic(model)[0](packed, start)
    assert got.batch_sizes.tolist() == want.batch_sizes.tolist()
    for g, w in ((pad_packed_sequence(got)[0], pad_packed_sequence(want)[0]), (got_state, state), (got_cell, cell)):
        assert noise(g, w) > 25


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"kdim": 8, "vdim": 12}, {"bias": False}], ids=str)
@pytest.mark.parametrize("need_weights", [True, False])
def test_attention(options, need_weights):
    model = nn.ModuleList([nn.MultiheadAttention(32, 4, **options)]).eval()
    quantized = Q.quantize_dynamic(model)[0]
    query, key, value = (rl.randn(5, 3, options.get(size, 32)) for size in ("embed_dim", "kdim", "vdim"))
    batch = 5 if options.get("batch_first") else 3
    positions = 8 - batch
    masks = [{}, {"attn_mask": rl.ones(positions, positions).triu(1).to(rl.bool)},
             {"key_padding_mask": rl.arange(positions).expand(batch, positions) >= positions - 1},
             {"attn_mask": rl.randn(batch * 4, positions, positions)}]
    for mask in masks:
        want, weights = model[0](query, key, value, need_weights=need_weights, **mask)
        got, got_weights = quantized(query, key, value, need_weights=need_weights, **mask)
        assert got.shape == want.shape and noise(got, want) > 22
        assert (weights is None) == (got_weights is None)
        if weights is not None:
            assert got_weights.shape == weights.shape and noise(got_weights, weights) > 22
    if not {"kdim", "batch_first"} & set(options):
        want, got = model[0](query[:, 0], query[:, 0], query[:, 0]), quantized(query[:, 0], query[:, 0], query[:, 0])
        assert got[0].shape == want[0].shape and got[1].shape == want[1].shape and noise(got[0], want[0]) > 22


def test_embedding():
    model = nn.Sequential(nn.Embedding(30, 16))
    model[0].weight[3] = 0.5
    model[0].weight[4] *= 1000
    quantized = Q.quantize_dynamic(model, {nn.Embedding})
    x = rl.tensor([[1, 3], [4, 29]])
    assert noise(quantized(x)[1], model(x)[1]) > 40 and rl.allclose(quantized(x)[0, 1], rl.full((16,), 0.5))
    assert quantized[0].weight.dtype == rl.uint8


@pytest.mark.parametrize("options", [{"mode": "sum"}, {"mode": "mean", "padding_idx": 2}, {"mode": "max"},
                                     {"mode": "sum", "include_last_offset": True}], ids=str)
def test_embedding_bag(options):
    model = nn.EmbeddingBag(30, 16, **options)
    quantized = Q.quantize_dynamic(model, {nn.EmbeddingBag})
    x, offsets = rl.tensor([1, 2, 2, 4, 5, 29]), rl.tensor([0, 2, 3] + [6] * ("include_last_offset" in options))
    assert type(quantized) is nn.quantized.EmbeddingBag
    assert noise(quantized(x, offsets), model(x, offsets)) > 40
    assert noise(quantized(x.reshape(3, 2)), model(x.reshape(3, 2))) > 40
    if options["mode"] == "sum":
        weights = rl.rand(6)
        assert noise(quantized(x, offsets, weights), model(x, offsets, weights)) > 40


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(kind):
    cell, x = getattr(nn, kind)(10, 20), rl.randn(4, 10)
    quantized = Q.quantize_dynamic(nn.ModuleList([cell]))[0]
    want, got = cell(x), quantized(x)
    for _ in range(2):
        for w, g in zip(*(state if isinstance(state, tuple) else (state,) for state in (want, got)), strict=True):
            assert g.shape == w.shape and noise(g, w) > 25
        want, got = cell(x, want), quantized(x, want)
    assert type(got) is type(want)


def test_which_modules():
    model = Encoder().eval()
    x = rl.randint(0, 50, (2, 7))
    everything = Q.quantize_dynamic(model, {nn.Linear, nn.MultiheadAttention, nn.Embedding})
    assert noise(everything(x), model(x)) > 25
    one = Q.quantize_dynamic(model, {"out"})
    assert type(one.out).__module__.endswith("dynamic") and type(one.layer.linear1) is nn.Linear
    named = Q.quantize_dynamic(model, {"layer.linear1": Q.per_channel_dynamic_qconfig})
    assert type(named.layer.linear1).__module__.endswith("dynamic") and type(named.out) is nn.Linear
    assert type(Q.quantize_dynamic(nn.Linear(3, 2))) is nn.quantized.dynamic.Linear
    with pytest.raises(ValueError, match=r"dtype=rushlight\.int64; expected qint8"):
        Q.quantize_dynamic(model, dtype=rl.int64)


@pytest.mark.parametrize("dtype, least", [(rl.float16, 50), (rl.bfloat16, 30)])
def test_16_bits(dtype, least):
    model, x = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 8)), rl.randn(5, 64)
    quantized = Q.quantize_dynamic(model, dtype=dtype)
    assert quantized(x).dtype == rl.float32 and quantized[0].weight.dtype == dtype
    assert noise(quantized(x), model(x)) > least
    whole = Q.to_bfloat16(model)
    assert whole(x).dtype == rl.float32 and noise(whole(x), model(x)) > 30


def test_state(tmp_path):
    model, x = Encoder().eval(), rl.randint(0, 50, (2, 7))
    first = Q.quantize_dynamic(model)
    names = list(first.state_dict())
    assert {"out.weight", "out.weight_scale", "out.bias", "layer.self_attn.q_proj.weight"} <= set(names)
    rl.save(first.state_dict(), tmp_path / "q.pth")
    second = Q.quantize_dynamic(Encoder())
    second.load_state_dict(rl.load(tmp_path / "q.pth"))
    assert second(x).tolist() == first(x).tolist()


@pytest.mark.parametrize("make", [
    lambda: (Encoder(), rl.randint(0, 50, (2, 7))),
    lambda: (nn.Sequential(nn.Linear(9, 4)), rl.randn(3, 9)),
], ids=["encoder", "linear"])
def test_capture_and_files(make, tmp_path):
    model, x = make()
    quantized = Q.quantize_dynamic(model.eval(), {nn.Linear, nn.MultiheadAttention, nn.Embedding})
    want = quantized(x)
    traced = rl.jit.trace(quantized, x)
    assert "dynamic_linear" in str(traced.graph) and traced(x).tolist() == want.tolist()
    traced.save(tmp_path / "q.rush")
    assert rl.jit.load(tmp_path / "q.rush")(x).tolist() == want.tolist()
    assert rl.compile(quantized)(x).tolist() == want.tolist()


def test_recurrent_capture():
    model = Q.quantize_dynamic(nn.Sequential(nn.LSTM(4, 8)))
    x = rl.randn(6, 2, 4)
    assert rl.jit.trace(model, x)(x)[0].tolist() == model(x)[0].tolist()


def recurrent_outputs(kind, **options):
    class Outputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = getattr(nn, kind)(4, 8, batch_first=True, **options)

        def forward(self, x):
            return self.layer(x)[0]

    return Q.quantize_dynamic(Outputs().eval(), {nn.LSTM, nn.GRU, nn.RNN})


@pytest.mark.parametrize("make", [
    lambda: (Q.quantize_dynamic(nn.Sequential(nn.Embedding(50, 6), nn.Linear(6, 2)), {nn.Linear, nn.Embedding}),
             lambda n: rl.randint(0, 50, (n, 7))),
    lambda: (Q.quantize_dynamic(nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 2)), dtype=rl.bfloat16),
             lambda n: rl.randn(n, 9)),
    lambda: (recurrent_outputs("LSTM", num_layers=2, bidirectional=True), lambda n: rl.randn(n, 6, 4)),
    lambda: (recurrent_outputs("GRU"), lambda n: rl.randn(n, 6, 4)),
    lambda: (recurrent_outputs("RNN"), lambda n: rl.randn(n, 6, 4)),
], ids=["embedding", "linear16", "lstm", "gru", "rnn"])
def test_other_batches_traced_and_scripted_without_python(make, tmp_path):
    """From files too, in Python and by rushlight-run; scripted recurrent layers take any number of steps as well."""
    quantized, batch = make()
    programs = {"traced": rl.jit.trace(quantized, batch(2)), "scripted": rl.jit.script(quantized)}
    for name, program in programs.items():
        program.save(tmp_path / f"{name}.rush")
        loaded = rl.jit.load(tmp_path / f"{name}.rush")
        for n in (1, 2, 5):
            x = batch(n)
            want = quantized(x).tolist()
            assert program(x).tolist() == want and loaded(x).tolist() == want
        np.save(tmp_path / "x.npy", x.numpy())
        done = subprocess.run([directory("bin") / "rushlight-run", tmp_path / f"{name}.rush", "--input",
                               tmp_path / "x.npy", "--output", tmp_path / "y.npy"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert np.load(tmp_path / "y.npy").tolist() == want
    if x.dtype == rl.float32 and x.dim() == 3:
        assert programs["scripted"](x[:, :3]).tolist() == quantized(x[:, :3]).tolist()


def test_beside_pytorch():
    """No layer is further from its float form than PyTorch's, which quantizes whole tensors."""
    torch = pytest.importorskip("torch")
    if "x86" not in torch.backends.quantized.supported_engines:
        pytest.skip("PyTorch has no quantized kernels here")
    layer, x = nn.Linear(200, 100), rl.randn(50, 200) * rl.logspace(-1, 1, 50).unsqueeze(1)
    theirs = torch.nn.Linear(200, 100)
    theirs.load_state_dict({name: torch.tensor(value.tolist()) for name, value in layer.state_dict().items()})
    quantized = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(theirs), {torch.nn.Linear})
    got = rl.tensor(quantized(torch.tensor(x.tolist())).tolist())
    assert noise(Q.quantize_dynamic(nn.Sequential(layer))(x), layer(x)) >= noise(got, layer(x))


def test_what_modules_print_of_themselves():
    made = Q.quantize_dynamic(nn.Sequential(nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True)))
    assert "3, 4, num_layers=2, batch_first=True, bidirectional=True\n" in repr(made)
    assert repr(Q.quantize_dynamic(nn.Sequential(nn.GRU(3, 4)))[0]).startswith("GRU(\n  3, 4, num_layers=1\n")
    assert repr(nn.quantized.Embedding(5, 3)) == "Embedding(5, 3, dtype=rushlight.uint8)"
    assert repr(nn.quantized.EmbeddingBag(5, 3)) == "EmbeddingBag(5, 3, dtype=rushlight.uint8)"
