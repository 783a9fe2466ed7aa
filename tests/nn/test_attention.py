"""Attention against its formula in NumPy, and what it refuses."""
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import rushlight as rl

F = rl.nn.functional


def tensors(*shapes, seed=3):
    random = np.random.default_rng(seed)
    return [rl.tensor(random.normal(size=shape)) for shape in shapes]


def attention(q, k, v, mask=None, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if mask is None else scores + mask
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(special.softmax(scores, -1)) @ v


@pytest.mark.parametrize("shapes", [((3, 4), (5, 4), (5, 2)), ((2, 3, 4), (2, 5, 4), (2, 5, 2)),
                                    ((2, 3, 7, 4), (2, 3, 5, 4), (2, 3, 5, 6))])
def test_scaled_dot_product(shapes):
    q, k, v = tensors(*shapes)
    arrays = [x.numpy() for x in (q, k, v)]
    found = F.scaled_dot_product_attention(q, k, v)
    np.testing.assert_allclose(found.numpy(), attention(*arrays), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, k, v, scale=-0.3).numpy(),
                               attention(*arrays, scale=-0.3), rtol=1e-12, atol=1e-15)
    length, keys = q.shape[-2], k.shape[-2]
    seen = np.tril(np.ones((length, keys), bool))
    causal = np.where(seen, 0, -np.inf)
    wanted = attention(*arrays, causal)
    found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-15)
    for mask in (rl.tensor(seen), rl.tensor(causal)):
        found = F.scaled_dot_product_attention(q, k, v, mask)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-15)
    seen[0] = False                                      # a query that sees nothing
    blind = F.scaled_dot_product_attention(q, k, v, rl.tensor(seen))
    assert (blind[..., 0, :] == 0).all() and not blind.isnan().any()


def test_fewer_heads_of_keys_than_of_queries():
    q, k, v = tensors((2, 6, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4))
    found = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    wanted = attention(q.numpy(), *(np.repeat(x.numpy(), 3, 1) for x in (k, v)))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12, atol=1e-15)
    with pytest.raises(RuntimeError, match="key has 4 heads and query 6"):
        F.scaled_dot_product_attention(q, *tensors((2, 4, 5, 4), (2, 4, 5, 4)), enable_gqa=True)


@pytest.mark.parametrize("dtype", [rl.float16, rl.bfloat16])
def test_all_scores_of_16_bits_are_rounded_once(dtype):
    q, k, v = (x.to(dtype) for x in tensors((2, 7, 64), (2, 9, 64), (2, 9, 5)))
    mask = rl.zeros(7, 9)                                # of float32, which narrower queries take too
    with rl.nn.attention.sdpa_kernel(rl.nn.attention.SDPBackend.MATH):
        found = [F.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v, mask)]
    wanted = attention(*(x.double().numpy() for x in (q, k, v)))
    rounding = rl.finfo(dtype).eps / 2
    for x in found:
        assert x.dtype == dtype
        np.testing.assert_allclose(x.double().numpy(), wanted, rtol=1.01 * rounding, atol=1e-6)
    assert F.scaled_dot_product_attention(q, k, v, mask, dropout_p=0.5).dtype == dtype


def test_vectors_without_features_are_all_alike():
    value = rl.randn(2, 7, 3)
    out = rl.nn.functional.scaled_dot_product_attention(rl.ones(2, 5, 0), rl.ones(2, 7, 0), value)
    np.testing.assert_allclose(out.numpy(), value.numpy().mean(1, keepdims=True).repeat(5, 1), rtol=1e-5, atol=1e-6)


def test_attention_differentiates():
    leaves = [x.requires_grad_() for x in tensors((1, 2, 3), (1, 4, 3), (1, 4, 2))]
    assert rl.autograd.gradcheck(lambda *x: F.scaled_dot_product_attention(*x, is_causal=True), leaves)
    assert rl.autograd.gradgradcheck(F.scaled_dot_product_attention, leaves)


@pytest.mark.parametrize("change, message", [
    (lambda q, k, v: (q[0, 0], k, v), r"query has shape \(4,\); expected at least 2 dimensions"),
    (lambda q, k, v: (q, k.float(), v), "key has dtype rushlight.float32 and query rushlight.float64"),
    (lambda q, k, v: (q, k[..., :3], v), r"query, key and value have shapes \(2, 3, 4\), \(2, 5, 3\) and \(2, 5, 4\)"),
    (lambda q, k, v: (q, k, v, rl.ones(3, 5) > 0, 0.0, True), "attn_mask and is_causal=True are both given"),
    (lambda q, k, v: (q, k, v, rl.ones(3, 5).int()), "attn_mask has dtype rushlight.int32"),
    (lambda q, k, v: (q, k, v, rl.ones(2, 2) > 0), r"attn_mask has shape \(2, 2\); expected one that broadcasts to"),
    (lambda q, k, v: (q, k, v, None, 1.5), r"dropout_p=1\.5 is out of range; expected 0 <= dropout_p <= 1"),
    (lambda q, k, v: (q, rl.ones(3, 5, 4).double(), v), ".* expected batches that broadcast"),
])
def test_what_attention_refuses(change, message):
    with pytest.raises(RuntimeError, match="scaled_dot_product_attention: " + message):
        F.scaled_dot_product_attention(*change(*tensors((2, 3, 4), (2, 5, 4), (2, 5, 4))))


HEADS, SIZE = 2, 6


def heads(x):
    return x.reshape(x.shape[0], x.shape[1], HEADS, SIZE // HEADS).transpose(1, 2, 0, 3)


def multi_head(q, k, v, w, b, out_w, out_b, mask=None):
    projected = [heads(x @ part.T + bias) for x, part, bias in
                 zip((q, k, v), np.split(w, 3), np.split(b, 3), strict=True)]
    result = attention(*projected, mask).transpose(2, 0, 1, 3).reshape(q.shape)
    scores = projected[0] @ np.swapaxes(projected[1], -1, -2) / np.sqrt(SIZE / HEADS)
    return result @ out_w.T + out_b, special.softmax(scores if mask is None else scores + mask, -1)


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention(need_weights):
    q, k, v = tensors((4, 2, SIZE), (5, 2, SIZE), (5, 2, SIZE))
    w, b, out_w, out_b = tensors((3 * SIZE, SIZE), (3 * SIZE,), (SIZE, SIZE), (SIZE,), seed=4)
    padding = np.array([[False] * 5, [False, False, False, True, True]])
    mask = np.where(padding, -np.inf, 0)[:, None, None] + np.where(np.tri(4, 5), 0, -np.inf)
    out, weights = F.multi_head_attention_forward(
        q, k, v, SIZE, HEADS, w, b, None, None, False, 0.0, out_w, out_b, key_padding_mask=rl.tensor(padding),
        attn_mask=rl.tensor(np.tri(4, 5) == 0), need_weights=need_weights)
    wanted, scores = multi_head(*(x.numpy() for x in (q, k, v, w, b, out_w, out_b)), mask)
    np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-11, atol=1e-12)
    if need_weights:
        np.testing.assert_allclose(weights.numpy(), scores.mean(1), rtol=1e-12)
    else:
        assert weights is None


def test_multi_head_attention_of_one_sample_with_further_keys():
    q, k = tensors((4, SIZE), (5, SIZE))
    w, out_w, bias_k, bias_v = tensors((3 * SIZE, SIZE), (SIZE, SIZE), (1, 1, SIZE), (1, 1, SIZE), seed=4)
    out, weights = F.multi_head_attention_forward(
        q, k, k, SIZE, HEADS, w, None, bias_k, bias_v, True, 0.0, out_w, None, attn_mask=rl.zeros(4, 5).double(),
        average_attn_weights=False)
    assert out.shape == (4, SIZE) and weights.shape == (HEADS, 4, 7)
    np.testing.assert_allclose(weights.sum(-1).numpy(), 1, rtol=1e-12)
    parts = w.chunk(3)
    separate, _ = F.multi_head_attention_forward(
        q, k, k, SIZE, HEADS, None, None, bias_k, bias_v, True, 0.0, out_w, None, use_separate_proj_weight=True,
        q_proj_weight=parts[0], k_proj_weight=parts[1], v_proj_weight=parts[2])
    np.testing.assert_allclose(separate.numpy(), out.numpy(), rtol=1e-12)


def test_what_multi_head_attention_refuses():
    x, w = rl.ones(2, 3, SIZE), rl.ones(3 * SIZE, SIZE)
    with pytest.raises(AssertionError, match="num_heads=4; expected a number that divides embed_dim=6"):
        F.multi_head_attention_forward(x, x, x, SIZE, 4, w, None, None, None, False, 0.0, w[:SIZE], None)
    with pytest.raises(RuntimeError, match=r"key has shape \(2, 1, 6\) for query .*; expected a batch of 3"):
        rl.nn.MultiheadAttention(6, 2)(rl.ones(2, 3, 6), rl.ones(2, 1, 6), rl.ones(2, 1, 6))
    with pytest.raises(RuntimeError, match=r"attn_mask has shape \(3, 2\); expected \(2, 2\) or \(6, 2, 2\)"):
        F.multi_head_attention_forward(x, x, x, SIZE, 2, w, None, None, None, False, 0.0, w[:SIZE], None,
                                       attn_mask=rl.zeros(3, 2))


@pytest.mark.parametrize("floating", [False, True])
def test_rows_that_see_nothing_have_gradients_of_zero(floating):
    leaves = [x.requires_grad_() for x in tensors((2, 3, 4), (2, 5, 4), (2, 5, 2))]
    seen = np.random.default_rng(7).random((3, 5)) < 0.6
    seen[0], seen[2] = False, True
    mask = rl.tensor(np.where(seen, 0.5, -np.inf) if floating else seen)
    found = F.scaled_dot_product_attention(*leaves, mask)
    np.testing.assert_allclose(found.detach().numpy(),
                               attention(*(x.detach().numpy() for x in leaves), np.where(seen, 0.5, -np.inf)),
                               rtol=1e-12)
    found.sum().backward()
    assert all(x.grad.isfinite().all() for x in leaves)
    assert (leaves[0].grad[:, 0] == 0).all() and (leaves[0].grad[:, 1:] != 0).any()
    # The other rows' gradients are those of attention without the blind row.
    rest = [x.detach().clone().requires_grad_() for x in leaves]
    F.scaled_dot_product_attention(rest[0][:, 1:], *rest[1:], mask[1:]).sum().backward()
    for x, y in zip(leaves, rest, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12, atol=1e-15)
    assert rl.autograd.gradcheck(lambda *x: F.scaled_dot_product_attention(*x, mask), leaves)


def composed(q, k, v, g, mask, scale):
    """The result of attention and its gradients, with all scores in memory."""
    with np.errstate(invalid="ignore"):
        p = np.nan_to_num(special.softmax(q @ np.swapaxes(k, -1, -2) * scale + mask, -1))
    slope = g @ np.swapaxes(v, -1, -2)
    grad = p * (slope - (slope * p).sum(-1, keepdims=True)) * scale
    return p @ v, grad @ k, np.swapaxes(grad, -1, -2) @ q, np.swapaxes(p, -1, -2) @ g


MASKS = {
    "none": lambda random, b, h, n, s: np.ones((n, s), bool),
    "causal": lambda random, b, h, n, s: np.tri(n, s, dtype=bool),
    "boolean": lambda random, b, h, n, s: random.random((b, 1, n, s)) < 0.5,
    "padding": lambda random, b, h, n, s: np.arange(s) < random.integers(0, s, (b, 1, 1, 1)),
    "column": lambda random, b, h, n, s: random.random((n, 1)) < 0.5,
    "added": lambda random, b, h, n, s: random.normal(size=(h, n, s)),
}


# Lengths on both sides of the kernel's blocks, of 96 queries and 384 keys.
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("shape", [(1, 2, 97, 385, 8, 3), (2, 1, 3, 70, 5, 5), (1, 1, 130, 800, 16, 50),
                                   (1, 1, 400, 100, 3, 8), (2, 2, 96, 384, 4, 4)])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-13), ("float32", 3e-5)])
def test_blocks_give_what_all_scores_give(shape, kind, dtype, tolerance):
    b, h, n, s, e, ev = shape
    random = np.random.default_rng(5)
    arrays = [random.normal(size=x).astype(dtype).astype("float64")
              for x in ((b, h, n, e), (b, h, s, e), (b, h, s, ev), (b, h, n, ev))]
    mask = MASKS[kind](random, b, h, n, s)
    mask = mask if mask.dtype == bool else mask.astype(dtype)
    wanted = composed(*arrays, np.where(mask, 0, -np.inf) if mask.dtype == bool else mask, e**-0.5)
    q, k, v, g = (rl.tensor(x.astype(dtype)) for x in arrays)
    leaves = [x.requires_grad_() for x in (q, k, v)]
    given = None if kind in ("none", "causal") else rl.tensor(mask)
    found = F.scaled_dot_product_attention(*leaves, given, is_causal=kind == "causal")
    found.backward(g)
    for x, y in zip((found.detach(), *(leaf.grad for leaf in leaves)), wanted, strict=True):
        np.testing.assert_allclose(x.numpy(), y, rtol=tolerance, atol=tolerance * np.abs(y).max())


@pytest.mark.parametrize("dtype, tolerance", [("bfloat16", 2**-7), ("float16", 2**-10)])
def test_reduced_floats_are_computed_in_float32(dtype, tolerance):
    leaves = [x.to(getattr(rl, dtype)).requires_grad_() for x in tensors((2, 70, 9), (2, 400, 9), (2, 400, 5))]
    g = tensors((2, 70, 5), seed=8)[0].to(getattr(rl, dtype))
    wanted = composed(*(x.detach().double().numpy() for x in (*leaves, g)), 0, 1 / 3)
    found = F.scaled_dot_product_attention(*leaves)
    found.backward(g)
    for x, y in zip((found.detach(), *(leaf.grad for leaf in leaves)), wanted, strict=True):
        assert x.dtype == getattr(rl, dtype)
        np.testing.assert_allclose(x.double().numpy(), y, rtol=2 * tolerance, atol=tolerance * np.abs(y).max())


def test_shared_heads_and_batches_that_broadcast_differentiate():
    q, k, v = tensors((2, 4, 3, 2), (1, 2, 5, 2), (1, 2, 5, 3))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    mask = rl.tensor(np.random.default_rng(2).normal(size=(4, 3, 5))).requires_grad_()

    def shared(*x):
        return F.scaled_dot_product_attention(*x, enable_gqa=True)

    found = shared(*leaves)
    wanted = attention(q.detach().numpy(), *(np.repeat(x.detach().numpy(), 2, 1) for x in (k, v)))
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-12, atol=1e-15)
    assert rl.autograd.gradcheck(shared, leaves) and rl.autograd.gradgradcheck(shared, leaves)
    assert rl.autograd.gradcheck(shared, [*leaves, mask]) and rl.autograd.gradgradcheck(shared, [*leaves, mask])


def test_memory_grows_with_the_tokens_and_not_with_their_square():
    program = """
import resource, rushlight as rl
def run(tokens):
    leaves = [rl.ones(1, 2, tokens, 16).requires_grad_() for _ in range(3)]
    rl.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(-run(64) + run(8192))
"""
    grown = int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert grown < 64 * 1024                             # KB; the scores alone are 512 MB


def test_sdpa_kernel_chooses_the_implementation():
    backend, sdpa_kernel = rl.nn.attention.SDPBackend, rl.nn.attention.sdpa_kernel
    leaves = [x.requires_grad_() for x in tensors((2, 3, 4), (2, 5, 4), (2, 5, 4))]
    blocks = F.scaled_dot_product_attention(*leaves)
    with sdpa_kernel(backend.MATH):
        scores = F.scaled_dot_product_attention(*leaves)
        with sdpa_kernel([backend.MATH, backend.FLASH_ATTENTION]):
            assert F.scaled_dot_product_attention(*leaves).grad_fn.name() == blocks.grad_fn.name()
        with sdpa_kernel([backend.MATH, backend.FLASH_ATTENTION], set_priority=True):
            assert F.scaled_dot_product_attention(*leaves).grad_fn.name() == scores.grad_fn.name()
    assert scores.grad_fn.name() != blocks.grad_fn.name()
    np.testing.assert_allclose(scores.detach().numpy(), blocks.detach().numpy(), rtol=1e-12, atol=1e-15)
    for refused in (backend.CUDNN_ATTENTION, []):
        with sdpa_kernel(refused), pytest.raises(RuntimeError, match=r"expected SDPBackend\.MATH among them"):
            F.scaled_dot_product_attention(*leaves)
    with sdpa_kernel(backend.FLASH_ATTENTION), pytest.raises(RuntimeError, match=r"dropout_p=0\.5"):
        F.scaled_dot_product_attention(*leaves, dropout_p=0.5)
    with pytest.raises(AssertionError, match="backends is a str"), sdpa_kernel("MATH"):
        pass
    assert F.scaled_dot_product_attention(*leaves).grad_fn.name() == blocks.grad_fn.name()


@pytest.mark.parametrize("facts", [{}, {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
                                   {"kdim": 3, "vdim": 5, "batch_first": True}], ids=str)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("mask", [None, "causal", "padding", "both", "3-D"])
def test_multihead_attention_same_as_torch(facts, need_weights, mask):
    torch = pytest.importorskip("torch")
    random, length, batch = np.random.default_rng(6), 4, 3
    order = (1, 0, 2) if facts.get("batch_first") else (0, 1, 2)
    inputs = [random.normal(size=(length, batch, n)).astype("float32").transpose(order)
              for n in (8, facts.get("kdim", 8), facts.get("vdim", 8))]
    hidden = np.triu(np.ones((length, length), bool), 1)
    padding = np.arange(length) >= np.array([4, 2, 1])[:, None]
    found = []
    for xp in (torch, rl):
        xp.manual_seed(1)
        model = xp.nn.MultiheadAttention(8, 2, **facts)
        leaves = [xp.tensor(x.copy()).requires_grad_() for x in inputs]
        given = {"need_weights": need_weights, "average_attn_weights": mask == "padding"}
        if mask in ("causal", "both"):
            given["attn_mask"] = xp.tensor(hidden)
        if mask == "causal" and "add_bias_kv" not in facts:
            given["is_causal"] = True
        if mask in ("padding", "both"):
            given["key_padding_mask"] = xp.tensor(padding)
        if mask == "3-D":
            given["attn_mask"] = xp.tensor(np.tile(hidden * 0.5, (2 * batch, 1, 1)).astype("float32"))
        out, weights = model(*leaves, **given)
        (out * out).sum().backward()
        found.append([repr(model), [*model.state_dict()], out, weights, *(x.grad for x in leaves),
                      *model.parameters(), *(w.grad for w in model.parameters())])
    assert found[0][:2] == found[1][:2] and (found[0][3] is None) == (found[1][3] is None)
    for a, b in zip(found[0][2:], found[1][2:], strict=True):
        if a is not None:
            np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_one_tensor_is_projected_at_once():
    model = rl.nn.MultiheadAttention(6, 2, dtype=rl.float64)
    x, y = tensors((4, 3, 6), (5, 3, 6))
    for given in ((x, x, x), (x, y, y)):
        together, _ = model(*given, need_weights=False)
        apart, _ = model(*(z.clone() for z in given), need_weights=False)
        np.testing.assert_allclose(together.detach().numpy(), apart.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: rl.nn.MultiheadAttention(0, 2), ValueError, "embed_dim=0 and num_heads=2; expected both above 0"),
    (lambda: rl.nn.MultiheadAttention(8, 3), AssertionError, "num_heads=3; expected a number that divides embed_dim=8"),
    *[(lambda shapes=shapes: rl.nn.MultiheadAttention(8, 2, batch_first=True)(*map(rl.ones, shapes)), error,
       "MultiheadAttention: " + says) for shapes, error, says in (
        (((3, 5, 8), (2, 4, 8), (2, 4, 8)), RuntimeError,
         r"key has shape \(2, 4, 8\) for query of shape \(3, 5, 8\); expected a batch of 3"),
        (((3, 5, 8), (3, 4, 8), (3, 6, 8)), AssertionError, r"key has shape \(3, 4, 8\) and value \(3, 6, 8\)"),
        (((3, 5, 7),) * 3, AssertionError, r"query has shape \(3, 5, 7\); expected a last size of 8"),
        (((3, 5, 8), (3, 4, 7), (3, 4, 7)), RuntimeError, r"key has shape \(3, 4, 7\); expected a last size of 8"))],
    (lambda: rl.nn.MultiheadAttention(8, 2, vdim=6)(*[rl.ones(3, 2, 8)] * 3), RuntimeError,
     r"value has shape \(3, 2, 8\); expected a last size of 6"),
    (lambda: rl.nn.MultiheadAttention(8, 2)(*[rl.ones(3, 2, 7)] * 3), AssertionError, "expected a last size of 8"),
    (lambda: rl.nn.MultiheadAttention(8, 2)(*[rl.ones(3, 2, 8)] * 3, attn_mask=rl.ones(3, 3).int()), AssertionError,
     "attn_mask has dtype rushlight.int32; expected bool or a floating dtype"),
    (lambda: rl.nn.MultiheadAttention(8, 2)(*[rl.ones(3, 2, 8)] * 3, is_causal=True), RuntimeError,
     "is_causal=True without attn_mask"),
    (lambda: rl.nn.TransformerEncoderLayer(8, 2, activation="tanh"), RuntimeError, "activation should be relu/gelu"),
    (lambda: rl.nn.Transformer(8, 2, 1, 1, 8)(rl.ones(3, 2, 8), rl.ones(3, 1, 8)), RuntimeError,
     "the batch number of src and tgt must be equal"),
    (lambda: rl.nn.Transformer(8, 2, 1, 1, 8)(rl.ones(3, 2, 8), rl.ones(3, 2, 4)), RuntimeError, "equal to d_model=8"),
])
def test_what_the_modules_refuse(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_masks_are_merged():
    model, query = rl.nn.MultiheadAttention(4, 2), rl.zeros(3, 5, 4)
    attn, padding = tensors((6, 5, 5), (3, 5))
    assert model.merge_masks(None, None, query) == (None, None)
    assert model.merge_masks(None, padding, query) == (padding, 1)
    merged, kind = model.merge_masks(attn, padding, query)
    assert kind == 2
    np.testing.assert_array_equal(merged.numpy(), attn.numpy().reshape(3, 2, 5, 5) + padding.numpy()[:, None, None])
    np.testing.assert_array_equal(model.merge_masks(attn[0], None, query)[0].numpy(),
                                  np.broadcast_to(attn[0].numpy(), (3, 2, 5, 5)))
