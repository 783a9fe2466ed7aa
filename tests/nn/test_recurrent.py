"""Recurrent layers against their formulas in NumPy, finite differences, and PyTorch where it is installed."""
import itertools
import warnings

import numpy as np
import pytest
from scipy.special import expit as sigmoid

import rushlight as rl
from rushlight.nn.utils import rnn as sequences

MODES = ("LSTM", "GRU", "RNN", "ReLU")


def layer(mode, *args, **facts):
    return rl.nn.RNN(*args, nonlinearity="relu", **facts) if mode == "ReLU" else getattr(rl.nn, mode)(*args, **facts)


def step(mode, x, h, c, w_ih, w_hh, b_ih, b_hh):
    a, b = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    if mode == "LSTM":
        i, f, g, o = np.split(a + b, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if mode == "GRU":
        (ar, az, an), (br, bz, bn) = np.split(a, 3, -1), np.split(b, 3, -1)
        z = sigmoid(az + bz)
        return (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h, c
    return np.tanh(a + b) if mode == "RNN" else np.maximum(a + b, 0), c


def run(mode, x, h, c, weights, reverse):
    """One layer in one direction over (steps, batch, features)."""
    outputs = [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        h, c = step(mode, x[t], h, c, *weights)
        outputs[t] = h
    return np.stack(outputs), h, c


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("batch, hidden", [(1, 3), (5, 17), (33, 20)])
def test_layers_compute_their_formulas(mode, both_ways, batch, hidden):
    random, steps, features, layers = np.random.default_rng(3), 6, 4, 2
    model = layer(mode, features, hidden, layers, bidirectional=both_ways, dtype=rl.float64)
    weights = [[w.detach().numpy() for w in group] for group in model.all_weights]
    count = layers * (1 + both_ways)
    x = random.normal(size=(steps, batch, features))
    h, c = random.normal(size=(2, count, batch, hidden))
    ends, y = [], x
    for at in range(layers):
        ways = [run(mode, y, h[i], c[i], weights[i], i % 2 == 1 and both_ways)
                for i in range(at * (1 + both_ways), (at + 1) * (1 + both_ways))]
        y = np.concatenate([way[0] for way in ways], -1)
        ends += [way[1:] for way in ways]
    hx = (rl.tensor(h), rl.tensor(c)) if mode == "LSTM" else rl.tensor(h)
    output, last = model(rl.tensor(x), hx)
    last = last if mode == "LSTM" else (last,)
    np.testing.assert_allclose(output.detach().numpy(), y, rtol=1e-12, atol=1e-14)
    for found, wanted in zip(last, zip(*ends, strict=True), strict=False):
        np.testing.assert_allclose(found.detach().numpy(), np.stack(wanted), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("facts", [{}, {"bidirectional": True}, {"batch_first": True, "num_layers": 2},
                                   {"bias": False, "batch_first": True, "bidirectional": True}], ids=str)
def test_gradients(mode, facts):
    model = layer(mode, 3, 2, dtype=rl.float64, **facts)
    names = [name for name, _ in model.named_parameters()]
    count = model.num_layers * (1 + model.bidirectional)
    random = np.random.default_rng(1)
    sizes = ((3, 3, 3), (count, 3, 2), (count, 3, 2))
    x, h, c = (rl.tensor(random.normal(size=size)).requires_grad_() for size in sizes)

    def f(x, h, c, *weights):
        hx = (h, c) if mode == "LSTM" else h
        output, last = rl.func.functional_call(model, dict(zip(names, weights, strict=True)), (x, hx))
        return (output, *(last if mode == "LSTM" else (last, c * 1)))

    assert rl.autograd.gradcheck(f, (x, h, c, *(w.detach().requires_grad_() for w in model.parameters())))


@pytest.mark.parametrize("mode", MODES)
def test_packed_sequences_are_each_computed_alone(mode):
    lengths = [2, 5, 1, 5, 3]
    model = layer(mode, 4, 3, 2, bidirectional=True, dtype=rl.float64)
    leaves = [rl.tensor(np.random.default_rng(n).normal(size=(n, 4))).requires_grad_() for n in lengths]
    first = rl.tensor(np.random.default_rng(9).normal(size=(4, len(lengths), 3)))
    states = (first, first.cos()) if mode == "LSTM" else first
    packed = sequences.pack_sequence(leaves, enforce_sorted=False)
    output, last = model(packed, states)
    found = sequences.unpack_sequence(output)
    last = last if mode == "LSTM" else (last,)
    sum((y * y).sum() for y in (*found, *last)).backward()
    grads = [x.grad.clone() for x in leaves] + [w.grad.clone() for w in model.parameters()]
    model.zero_grad()
    for at, x in enumerate(leaves):
        x.grad = None
        alone = tuple(s[:, at] for s in states) if mode == "LSTM" else states[:, at]
        y, ends = model(x, alone)
        np.testing.assert_allclose(found[at].detach().numpy(), y.detach().numpy(), rtol=1e-12, atol=1e-14)
        ends = ends if mode == "LSTM" else (ends,)
        for a, b in zip(last, ends, strict=True):
            np.testing.assert_allclose(a[:, at].detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)
        sum((z * z).sum() for z in (y, *ends)).backward()
    for a, b in zip(grads, [x.grad for x in leaves] + [w.grad for w in model.parameters()], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_a_projection_is_the_state():
    model = rl.nn.LSTM(3, 5, proj_size=2, dtype=rl.float64)
    x = rl.tensor(np.random.default_rng(0).normal(size=(4, 2, 3))).requires_grad_()
    w_ih, w_hh, b_ih, b_hh, w_hr = (w.detach().numpy() for w in model.parameters())
    h, c = np.zeros((2, 2)), np.zeros((2, 5))
    output, (state, cell) = model(x)
    for t in range(4):
        full, c = step("LSTM", x[t].detach().numpy(), h, c, w_ih, w_hh, b_ih, b_hh)
        h = full @ w_hr.T
        np.testing.assert_allclose(output[t].detach().numpy(), h, rtol=1e-12)
    np.testing.assert_allclose(state[0].detach().numpy(), h, rtol=1e-12)
    np.testing.assert_allclose(cell[0].detach().numpy(), c, rtol=1e-12)
    assert rl.autograd.gradcheck(lambda x: model(x)[0], (x,))


@pytest.mark.parametrize("mode", MODES)
def test_cells_are_single_steps(mode):
    name = "RNN" if mode == "ReLU" else mode
    cell = getattr(rl.nn, name + "Cell")(3, 4, dtype=rl.float64, **({"nonlinearity": "relu"} if mode == "ReLU" else {}))
    weights = [w.detach().numpy() for w in cell.parameters()]
    x, h, c = (rl.tensor(np.random.default_rng(5).normal(size=size)) for size in ((6, 3), (6, 4), (6, 4)))
    found = cell(x, (h, c) if mode == "LSTM" else h)
    wanted = step(mode, *(y.numpy() for y in (x, h, c)), *weights)
    for a, b in zip(found if mode == "LSTM" else (found,), wanted, strict=False):
        np.testing.assert_allclose(a.detach().numpy(), b, rtol=1e-12, atol=1e-14)
    alone = cell(x[2], (h[2], c[2]) if mode == "LSTM" else h[2])
    np.testing.assert_allclose((alone if mode != "LSTM" else alone[0]).detach().numpy(), wanted[0][2], rtol=1e-12)
    zeros = cell(x)
    np.testing.assert_allclose((zeros if mode != "LSTM" else zeros[0]).detach().numpy(),
                               step(mode, x.numpy(), np.zeros((6, 4)), np.zeros((6, 4)), *weights)[0], rtol=1e-12)


def test_reduced_floats_and_autocast():
    model = rl.nn.LSTM(3, 4)
    x = rl.randn(5, 2, 3)
    wide = model(x)[0].detach()
    with rl.autocast("cpu"):
        low = model(x)[0].detach()
        assert low.dtype == rl.bfloat16 and np.allclose(low.float().numpy(), wide.numpy(), atol=0.02)
        assert rl.nn.GRU(3, 4)(x)[0].dtype == rl.nn.LSTMCell(3, 4)(x[0])[0].dtype == rl.float32       # as in PyTorch
        assert rl.nn.RNN(3, 4)(x)[0].dtype == rl.bfloat16
    small = model.bfloat16()(x.bfloat16())[0]
    assert small.dtype == rl.bfloat16 and np.allclose(small.detach().float().numpy(), wide.numpy(), atol=0.02)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("packs", [False, True])
def test_second_derivatives(mode, packs):
    model = layer(mode, 2, 2, bidirectional=True, dtype=rl.float64)
    count, random = (4 if packs else 6), np.random.default_rng(2)
    shapes = ((count, 2) if packs else (3, 2, 2), (2, 2, 2))
    x, h = (rl.tensor(random.normal(size=shape)).requires_grad_() for shape in shapes)
    sizes = rl.tensor([2, 1, 1])

    def f(x, h, *weights):
        hx = (h, h.cos()) if mode == "LSTM" else h
        given = sequences.PackedSequence(x, sizes) if packs else x
        names = [name for name, _ in model.named_parameters()]
        output, last = rl.func.functional_call(model, dict(zip(names, weights, strict=True)), (given, hx))
        return (output.data if packs else output), (last[1] if mode == "LSTM" else last)

    assert rl.autograd.gradgradcheck(f, (x, h, *(w.detach().requires_grad_() for w in model.parameters())))


def pad_packed(batch_sizes):
    dtype = None if batch_sizes else rl.int64
    return sequences.pad_packed_sequence(sequences.PackedSequence(rl.ones(5), rl.tensor(batch_sizes, dtype=dtype)))


@pytest.mark.parametrize("call, kind, message", [
    (lambda: rl.nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
    (lambda: rl.nn.LSTM(3.0, 2), TypeError, "LSTM: input_size=3.0 is of type float; expected int"),
    (lambda: rl.nn.LSTM(3, 2, proj_size=2), ValueError, "proj_size has to be smaller than hidden_size"),
    (lambda: rl.nn.GRU(3, 2, proj_size=1), ValueError, "proj_size argument is only supported for LSTM"),
    (lambda: rl.nn.RNN(3, 2, nonlinearity="elu"), ValueError, "Unknown nonlinearity 'elu'"),
    (lambda: rl.nn.LSTM(3, 2, dropout=2), ValueError, r"number in range \[0, 1\]"),
    (lambda: rl.nn.LSTM(3, 2)(rl.ones(4)), ValueError, "LSTM: Expected input to be 2D or 3D, got 1D"),
    (lambda: rl.nn.LSTM(3, 2)(rl.ones(4, 1, 5)), RuntimeError, "must be equal to input_size. Expected 3, got 5"),
    (lambda: rl.nn.LSTM(3, 2)(rl.ones(4, 1, 3).double()), ValueError, "input dtype .*float64.* does not match"),
    (lambda: rl.nn.GRU(3, 2)(rl.ones(4, 1, 3), rl.ones(1, 5, 2)), RuntimeError,
     r"Expected hidden size \(1, 1, 2\), got \[1, 5, 2\]"),
    (lambda: rl.nn.LSTM(3, 2)(rl.ones(4, 1, 3), (rl.ones(1, 1, 2), rl.ones(1, 1, 3))), RuntimeError,
     r"Expected hidden\[1\] size"),
    (lambda: rl.nn.GRU(3, 2)(rl.ones(4, 3), rl.ones(1, 1, 2)), RuntimeError, "hx should also be 2-D but got 3-D"),
    (lambda: rl.nn.LSTM(3, 2)(rl.ones(4, 1, 3), rl.ones(1, 1, 2)), TypeError, "expected a tuple of states and cells"),
    (lambda: rl.nn.GRU(3, 2)(rl.ones(0, 1, 3)), RuntimeError, "expected at least one step"),
    (lambda: rl.nn.LSTMCell(3, 2)(rl.ones(1, 4)), RuntimeError, r"lstm_cell: input has shape \(1, 4\)"),
    (lambda: rl.nn.GRUCell(3, 2)(rl.ones(1, 3), rl.ones(2, 2)), RuntimeError, r"gru_cell: hx has shape \(2, 2\)"),
    (lambda: rl.nn.GRUCell(3, 2)(rl.ones(1, 1, 3)), ValueError, "GRUCell: Expected input to be 1D or 2D, got 3D"),
    (lambda: rl.lstm(rl.ones(1, 1, 2), rl.ones(1, 1, 2), [], False, 1, 0.0, False, False, False), RuntimeError,
     "lstm: hx holds 1 tensors"),
    (lambda: sequences.pack_padded_sequence(rl.ones(3, 2), [1, 2]), RuntimeError, "expected the longest first"),
    (lambda: sequences.pack_padded_sequence(rl.ones(3, 2), [4, 2]), RuntimeError, "expected 0 < length <= 3"),
    (lambda: sequences.pack_padded_sequence(rl.ones(3, 2), [1]), RuntimeError, "expected one for each sequence"),
    (lambda: sequences.pad_packed_sequence(sequences.pack_sequence([rl.ones(3)]), total_length=2), ValueError,
     "total_length=2"),
    (lambda: sequences.pad_sequence([rl.ones(3, 2), rl.ones(2, 3)]), RuntimeError, r"sequence 1 has shape \(2, 3\)"),
    (lambda: sequences.pad_sequence([]), RuntimeError, "sequences is empty"),
    (lambda: sequences.pad_sequence([1, 2]), TypeError, r"argument 'sequences\[0\]' must be Tensor, not int"),
    (lambda: sequences.pack_padded_sequence(None, [1]), TypeError, "argument 'input' must be Tensor"),
    (lambda: sequences.invert_permutation(rl.tensor([0, 0])), ValueError, "names some places twice"),
    (lambda: pad_packed([2, 3]), RuntimeError, r"batch_sizes=\[2, 3\] for data of shape \(5,\)"),
    (lambda: pad_packed([2**62, 2**62, 2**62, 2**62 + 5]), RuntimeError, "add up to 5"),
    (lambda: pad_packed([]), RuntimeError, "at least one"),
    (lambda: pad_packed([3.0, 2.0]), RuntimeError, "dtype rushlight.float32"),
    (lambda: rl.nn.LSTM(3, 2)(sequences.pack_sequence([rl.ones(4, 3)]), rl.ones(1, 1, 2)), TypeError,
     "expected a tuple of states and cells"),
    (lambda: rl.nn.LSTMCell(3, 2)(rl.ones(1, 3), rl.ones(2, 1, 2)), TypeError, "LSTMCell: hx is a Tensor"),
    (lambda: rl.nn.LSTMCell(3, 2)(rl.ones(1, 3), (rl.ones(1, 2),)), RuntimeError, "lstm_cell: hx holds 1 tensors"),
    (lambda: rl.lstm(rl.ones(1, 1, 2), (rl.ones(1, 1, 2),) * 2, [], False, 0, 0.0, False, False, False), RuntimeError,
     "lstm: num_layers=0; expected at least 1"),
])
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_padding_takes_the_first_dtype_and_lengths_below_zero_are_zero():
    assert sequences.pad_sequence([rl.ones(3), rl.ones(2).double()]).dtype == rl.float32
    assert sequences.pack_sequence([rl.ones(3).long(), rl.ones(2)]).data.dtype == rl.int64
    assert [len(x) for x in sequences.unpad_sequence(rl.ones(3, 2), rl.tensor([3, -1]))] == [3, 0]


def test_sequences_are_padded_and_cut_again():
    parts = [rl.arange(6.0).reshape(3, 2).requires_grad_(), rl.ones(1, 2).requires_grad_()]
    padded = sequences.pad_sequence(parts, padding_value=-1.0)
    assert padded.shape == (3, 2, 2) and (padded[1:, 1] == -1).all()
    left = sequences.pad_sequence(parts, batch_first=True, padding_side="left")
    assert left[1].tolist() == [[0, 0], [0, 0], [1, 1]]
    again = sequences.unpad_sequence(padded, rl.tensor([3, 1]))
    assert [x.tolist() for x in again] == [x.tolist() for x in parts]
    packed = sequences.pack_sequence(parts)
    assert packed.batch_sizes.tolist() == [2, 1, 1] and packed.double().data.dtype == rl.float64
    back, lengths = sequences.pad_packed_sequence(packed, total_length=4)
    assert back.shape == (4, 2, 2) and lengths.tolist() == [3, 1]
    back.sum().backward()
    assert all((x.grad == 1).all() for x in parts)


CONFIGURATIONS = [facts for facts in itertools.product(MODES, (1, 2), (False, True), (False, True), (True, False),
                                                       (0.0, 0.3), (0, 3), (False, True))
                  if (facts[0] == "LSTM" or not facts[6]) and (facts[1] == 2 or not facts[5])]


@pytest.mark.filterwarnings("ignore::UserWarning")              # of oneDNN, PyTorch's
@pytest.mark.parametrize("mode, layers, both_ways, batch_first, bias, dropout, projection, packs", CONFIGURATIONS[::5])
def test_same_as_torch(mode, layers, both_ways, batch_first, bias, dropout, projection, packs):
    torch = pytest.importorskip("torch")
    facts = {"num_layers": layers, "bidirectional": both_ways, "batch_first": batch_first, "bias": bias,
             "dropout": dropout} | ({"proj_size": projection} if projection else {})
    facts |= {"nonlinearity": "relu"} if mode == "ReLU" else {}
    x = np.random.default_rng(4).normal(size=(3, 5, 4) if batch_first else (5, 3, 4)).astype("float32")
    found = []
    for xp in (torch, rl):
        xp.manual_seed(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = getattr(xp.nn, "RNN" if mode == "ReLU" else mode)(4, 6, **facts)
        leaf = xp.tensor(x).requires_grad_()
        tools = xp.nn.utils.rnn
        given = tools.pack_padded_sequence(leaf, [2, 5, 4], batch_first, False) if packs else leaf
        output, last = model(given)
        output = tools.pad_packed_sequence(output, batch_first)[0] if packs else output
        last = last if mode == "LSTM" else (last,)
        ((output * output).sum() + sum((h * h).sum() for h in last)).backward()
        found.append([repr(model), list(model.state_dict()), output, *last, leaf.grad,
                      *(w.grad for w in model.parameters())])
    assert found[0][:2] == found[1][:2]
    for a, b in zip(found[0][2:], found[1][2:], strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("create_graph", [False, True])
def test_relu_passes_the_gradient_of_nan(create_graph):
    # As of the operator relu: a gradient stops where the result is known to be zero.
    model = rl.nn.RNN(2, 3, nonlinearity="relu")
    output, _ = model(rl.full((1, 1, 2), float("nan")))
    x = rl.full((3,), float("nan"), requires_grad=True)
    wanted, = rl.autograd.grad(rl.relu(x).sum(), x)
    found, = rl.autograd.grad(output.sum(), model.bias_ih_l0, create_graph=create_graph)
    np.testing.assert_array_equal(found.detach().numpy(), wanted.numpy())
    np.testing.assert_array_equal(wanted.numpy(), np.ones(3))


def test_an_unknown_mode():
    with pytest.raises(ValueError, match="RNNBase: mode='X' is unknown; expected one of RNN_TANH, RNN_RELU, LSTM, GRU"):
        rl.nn.RNNBase("X", 2, 3)
    layer = rl.nn.RNN(2, 3)
    layer.mode = "X"
    with pytest.raises(AssertionError, match="RNN: mode='X' is unknown; expected one of RNN_TANH"):
        layer(rl.ones(1, 2))
