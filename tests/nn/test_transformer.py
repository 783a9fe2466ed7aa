"""Transformers against their formulas in NumPy, and PyTorch where it is installed."""
import numpy as np
import pytest
from scipy import special

import rushlight as rl

SIZE, HEADS = 8, 2


def linear(state, name, x):
    return x @ state[name + ".weight"].T + state.get(name + ".bias", 0)


def norm(state, name, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * state[name + ".weight"] + state[name + ".bias"]


def attend(state, name, x, memory, mask):
    """(batch, positions, features)."""
    weights, biases = np.split(state[name + ".in_proj_weight"], 3), np.split(state[name + ".in_proj_bias"], 3)
    q, k, v = (np.stack(np.split(y @ w.T + b, HEADS, -1), 1)
               for y, w, b in zip((x, memory, memory), weights, biases, strict=True))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(SIZE / HEADS)
    out = special.softmax(scores + mask, -1) @ v
    return linear(state, name + ".out_proj", np.concatenate(list(out.swapaxes(0, 1)), -1))


def run_layer(state, x, memory, mask, norm_first):
    """An encoder's layer, or with `memory` a decoder's."""
    blocks = [lambda x: attend(state, "self_attn", x, x, mask)]
    if memory is not None:
        blocks.append(lambda x: attend(state, "multihead_attn", x, memory, 0))
    blocks.append(lambda x: linear(state, "linear2", np.maximum(linear(state, "linear1", x), 0)))
    for number, block in enumerate(blocks, 1):
        name = f"norm{number}"
        x = x + block(norm(state, name, x)) if norm_first else norm(state, name, x + block(x))
    return x


def part(model, prefix):
    return {name[len(prefix):]: value.numpy() for name, value in model.state_dict().items() if name.startswith(prefix)}


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_computes_its_formulas(batch_first, norm_first):
    model = rl.nn.Transformer(SIZE, HEADS, 2, 2, 12, batch_first=batch_first, norm_first=norm_first,
                              dtype=rl.float64).eval()
    random = np.random.default_rng(2)
    for parameter in model.parameters():
        parameter.data.copy_(rl.tensor(random.normal(size=parameter.shape)) * 0.5)
    src, tgt = random.normal(size=(3, 5, SIZE)), random.normal(size=(3, 4, SIZE))
    causal = np.triu(np.full((4, 4), -np.inf), 1)
    x = src
    for at in range(2):
        x = run_layer(part(model, f"encoder.layers.{at}."), x, None, 0, norm_first)
    memory, y = norm(part(model, "encoder."), "norm", x), tgt
    for at in range(2):
        y = run_layer(part(model, f"decoder.layers.{at}."), y, memory, causal, norm_first)
    wanted = norm(part(model, "decoder."), "norm", y)
    mask = rl.nn.Transformer.generate_square_subsequent_mask(4, dtype=rl.float64)
    assert np.array_equal(mask.numpy(), causal)
    inputs = [rl.tensor(x if batch_first else x.swapaxes(0, 1).copy()) for x in (src, tgt)]
    for given in ({"tgt_mask": mask}, {"tgt_mask": mask, "tgt_is_causal": True}, {"tgt_mask": mask == mask[0, 1]}):
        found = model(*inputs, **given).detach().numpy()
        np.testing.assert_allclose(found if batch_first else found.swapaxes(0, 1), wanted, rtol=1e-9, atol=1e-11)


def test_one_sequence_without_a_batch():
    model = rl.nn.Transformer(SIZE, HEADS, 1, 1, 12).eval()
    src, tgt = rl.randn(5, SIZE), rl.randn(3, SIZE)
    wanted = model(src.unsqueeze(1), tgt.unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(model(src, tgt).detach().numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_gradients():
    layer = rl.nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0, activation="gelu", dtype=rl.float64)
    x = rl.tensor(np.random.default_rng(0).normal(size=(3, 2, 4))).requires_grad_()
    mask = rl.nn.Transformer.generate_square_subsequent_mask(3, dtype=rl.float64)
    assert rl.autograd.gradcheck(lambda x: layer(x, mask, is_causal=True), (x,))
    assert rl.autograd.gradgradcheck(lambda x: layer(x), (x,))


@pytest.mark.filterwarnings("ignore::UserWarning")              # of nested tensors and mixed masks, PyTorch's
@pytest.mark.parametrize("kind", ["encoder", "decoder", "both"])
@pytest.mark.parametrize("facts", [{}, {"batch_first": True, "activation": "gelu"},
                                   {"norm_first": True, "bias": False, "dropout": 0.2}], ids=str)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_same_as_torch(kind, facts, padded, training):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(3)
    swap = (0, 1, 2) if facts.get("batch_first") else (1, 0, 2)
    x, y = (random.normal(size=(3, n, SIZE)).astype("float32").transpose(swap) for n in (5, 4))
    lengths = np.array([5, 2, 3])
    found = []
    for xp in (torch, rl):
        nn = xp.nn
        xp.manual_seed(1)
        if kind == "encoder":
            layer = nn.TransformerEncoderLayer(SIZE, HEADS, 12, **facts)
            model, inputs = nn.TransformerEncoder(layer, 2, nn.LayerNorm(SIZE)), (x,)
        elif kind == "decoder":
            model, inputs = nn.TransformerDecoder(nn.TransformerDecoderLayer(SIZE, HEADS, 12, **facts), 2), (x, y)
        else:
            model, inputs = nn.Transformer(SIZE, HEADS, 1, 2, 12, **facts), (x, y)
        model.train(training)
        padding = xp.tensor(np.arange(5) >= lengths[:, None])
        causal = nn.Transformer.generate_square_subsequent_mask(4 if kind == "both" else 5)
        given = {"encoder": {"src_key_padding_mask": padding},
                 "decoder": {"tgt_key_padding_mask": padding, "tgt_mask": causal},
                 "both": {"src_key_padding_mask": padding, "tgt_mask": causal}}[kind] if padded else {}
        leaves = [xp.tensor(z.copy()).requires_grad_() for z in inputs]
        xp.manual_seed(2)
        out = model(*leaves, **given)
        (out * out).sum().backward()
        with xp.no_grad():
            xp.manual_seed(2)
            again = model(*leaves, **given)
        found.append([repr(model), [*model.state_dict()], out, again, *(z.grad for z in leaves), *model.parameters(),
                      *(w.grad for w in model.parameters())])
    assert found[0][:2] == found[1][:2]
    for a, b in zip(found[0][2:], found[1][2:], strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-3, atol=2e-5)


def test_state_goes_to_torch_and_back():
    torch = pytest.importorskip("torch")
    ours, theirs = rl.nn.Transformer(SIZE, HEADS, 1, 1, 12), torch.nn.Transformer(SIZE, HEADS, 1, 1, 12)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    src, tgt = np.random.default_rng(0).normal(size=(2, 3, 2, SIZE)).astype("float32")
    a, b = theirs.eval()(torch.tensor(src), torch.tensor(tgt)), ours.eval()(rl.tensor(src), rl.tensor(tgt))
    np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-5)
