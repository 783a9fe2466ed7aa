"""Sampling by grids, bags of embeddings, fractional pooling and the CTC loss, each against plain loops or SciPy."""
import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import distance

import rushlight as rl

F = rl.nn.functional
RANDOM = np.random.default_rng(11)

# SciPy's words for what lies outside, by padding_mode and align_corners.
OUTSIDE = {("zeros", False): "grid-constant", ("zeros", True): "grid-constant", ("border", False): "nearest",
           ("border", True): "nearest", ("reflection", False): "reflect", ("reflection", True): "mirror"}


@pytest.mark.parametrize("spatial", [(5, 7), (4, 5, 3)])
@pytest.mark.parametrize("padding, align", OUTSIDE)
@pytest.mark.parametrize("dtype", [rl.float64, rl.float32])
def test_linear_samples(spatial, padding, align, dtype):
    image = RANDOM.normal(size=(2, 3, *spatial))
    grid = RANDOM.uniform(-1.8, 1.8, (2, 6, *[3] * (len(spatial) - 1), len(spatial)))
    found = F.grid_sample(rl.tensor(image).to(dtype), rl.tensor(grid).to(dtype), "bilinear", padding, align)
    assert found.dtype == dtype
    places = grid[..., ::-1]
    sizes = np.array(spatial)
    places = (places + 1) / 2 * (sizes - 1) if align else ((places + 1) * sizes - 1) / 2
    wanted = np.stack([[ndimage.map_coordinates(channel, np.moveaxis(p, -1, 0), order=1, mode=OUTSIDE[padding, align])
                        for channel in one] for one, p in zip(image, places, strict=True)])
    # Where an odd number of reflections meets the edge, SciPy's border pixel is the same one.
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-11 if dtype == rl.float64 else 3e-5)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_sampling_at_every_pixel_is_the_image(mode):
    image = rl.tensor(RANDOM.normal(size=(2, 3, 5, 7)))
    grid = F.affine_grid(rl.eye(2, 3).double().expand(2, 2, 3), image.shape, align_corners=False)
    for padding in ("zeros", "border", "reflection"):
        np.testing.assert_allclose(F.grid_sample(image, grid, mode, padding, False).numpy(), image.numpy(), atol=1e-12)


def test_coordinates_that_are_no_numbers():
    image = rl.ones(1, 1, 3, 3)
    grid = rl.tensor([float("nan"), float("inf"), -float("inf"), 1e30]).view(1, 4, 1, 1).expand(1, 4, 1, 2).contiguous()
    for mode, padding in itertools.product(["bilinear", "nearest", "bicubic"], ["zeros", "border", "reflection"]):
        found = F.grid_sample(image, grid, mode, padding, True)
        assert found.isfinite().all()
        assert padding != "zeros" or (found == 0).all()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_sampling_differentiates(mode):
    image = rl.tensor(RANDOM.normal(size=(1, 2, 4, 4))).requires_grad_()
    grid = rl.tensor(RANDOM.uniform(-0.9, 0.9, (1, 3, 2, 2))).requires_grad_()
    for padding, align in OUTSIDE:
        assert rl.autograd.gradcheck(lambda x, g, p=padding, a=align: F.grid_sample(x, g, mode, p, a), [image, grid])


def test_affine_grid():
    theta = rl.tensor(RANDOM.normal(size=(2, 3, 4)))
    found = F.affine_grid(theta, (2, 1, 2, 3, 4), align_corners=True).numpy()
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (2, 3, 4)), indexing="ij")
    wanted = np.einsum("nij,dhwj->ndhwi", theta.numpy(), np.stack([x, y, z, np.ones_like(x)], -1))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    with pytest.warns(UserWarning, match="align_corners is not given"):
        inner = F.affine_grid(rl.eye(2, 3).unsqueeze(0), (1, 1, 1, 4))
    np.testing.assert_allclose(inner[0, 0, :, 0].numpy(), [-0.75, -0.25, 0.25, 0.75])


@pytest.mark.parametrize("call, kind, message", [
    (lambda x, g: F.grid_sample(x[0], g, align_corners=True), RuntimeError, r"input has shape \(1, 3, 3\)"),
    (lambda x, g: F.grid_sample(x, g[..., :1], align_corners=True), RuntimeError, r"grid has shape \(1, 2, 2, 1\)"),
    (lambda x, g: F.grid_sample(x, g.double(), align_corners=True), RuntimeError, "grid has dtype float64"),
    (lambda x, g: F.grid_sample(x, g, "cubic", align_corners=True), ValueError, "mode='cubic'; expected 'bilinear'"),
    (lambda x, g: F.grid_sample(x, g, "nearest", "edge", True), ValueError, "padding_mode='edge'; expected 'zeros'"),
    (lambda x, g: F.grid_sample(x[:, :, :0], g, align_corners=True), RuntimeError, "dimensions that are not empty"),
])
def test_what_sampling_refuses(call, kind, message):
    with pytest.raises(kind, match="grid_sample: .*" + message):
        call(rl.ones(1, 1, 3, 3), rl.zeros(1, 2, 2, 2))


# ---- bags of embeddings ---------------------------------------------------------------------------------------------

REDUCE = {"sum": lambda rows: rows.sum(0), "mean": lambda rows: rows.mean(0), "max": lambda rows: rows.max(0)}


@pytest.mark.parametrize("mode", REDUCE)
@pytest.mark.parametrize("padding", [None, 2, -1])
def test_bags(mode, padding):
    table, numbers = RANDOM.normal(size=(6, 3)), RANDOM.integers(0, 6, 11)
    starts = [0, 3, 3, 4, 9]
    found = F.embedding_bag(rl.tensor(numbers), rl.tensor(table), rl.tensor(starts), mode=mode, padding_idx=padding)
    for i, (start, end) in enumerate(itertools.pairwise([*starts, 11])):
        rows = table[[n for n in numbers[start:end] if padding is None or n != padding % 6]]
        np.testing.assert_allclose(found[i].numpy(), REDUCE[mode](rows) if len(rows) else np.zeros(3), rtol=1e-12)
    ended = F.embedding_bag(rl.tensor(numbers), rl.tensor(table), rl.tensor([*starts, 11]), mode=mode,
                            include_last_offset=True, padding_idx=padding)
    assert rl.equal(found, ended)
    leaf = rl.tensor(table).requires_grad_()
    assert rl.autograd.gradcheck(
        lambda w: F.embedding_bag(rl.tensor(numbers), w, rl.tensor(starts), mode=mode, padding_idx=padding), [leaf])


def test_bags_of_one_size_with_weights():
    table, numbers, weights = RANDOM.normal(size=(6, 3)), RANDOM.integers(0, 6, (4, 5)), RANDOM.normal(size=(4, 5))
    found = F.embedding_bag(rl.tensor(numbers), rl.tensor(table), per_sample_weights=rl.tensor(weights), mode="sum")
    np.testing.assert_allclose(found.numpy(), (table[numbers] * weights[..., None]).sum(1), rtol=1e-12)


@pytest.mark.parametrize("options, kind, message", [
    ({"mode": "min"}, ValueError, "mode='min'; expected 'sum', 'mean' or 'max'"),
    ({"offsets": None}, ValueError, "expected offsets with 1 dimension"),
    ({"offsets": rl.tensor([1, 2])}, RuntimeError, "offsets run from 1 to 2; expected from 0"),
    ({"offsets": rl.tensor([0, 9])}, RuntimeError, "offsets run from 0 to 9"),
    ({"offsets": rl.tensor([0, 2, 1])}, RuntimeError, "offsets fall"),
    ({"per_sample_weights": rl.ones(3)}, NotImplementedError, "per_sample_weights in mode='mean'"),
    ({"padding_idx": 4}, RuntimeError, "padding_idx=4 is out of range"),
])
def test_what_bags_refuse(options, kind, message):
    with pytest.raises(kind, match="embedding_bag: .*" + message):
        F.embedding_bag(rl.tensor([0, 1, 2]), rl.ones(4, 2), **{"offsets": rl.tensor([0]), **options})


# ---- fractional pooling, distances, convolution of (time, batch, channels) ------------------------------------------

@pytest.mark.parametrize("rank", [2, 3])
def test_fractional_pooling(rank):
    spatial, counts, kernel = (9, 8, 7)[:rank], (4, 3, 5)[:rank], (2, 3, 2)[:rank]
    x, samples = RANDOM.normal(size=(2, 3, *spatial)), RANDOM.uniform(size=(2, 3, rank))
    pool = getattr(F, f"fractional_max_pool{rank}d")
    values, indices = pool(rl.tensor(x), kernel, output_size=counts, return_indices=True,
                           _random_samples=rl.tensor(samples))
    for n, c in itertools.product(range(2), range(3)):
        lines = []
        for d in range(rank):
            u, alpha = samples[n, c, 1 - d if rank == 2 else d], (spatial[d] - kernel[d]) / (counts[d] - 1)
            starts = [int((i + u) * alpha) - int(u * alpha) for i in range(counts[d] - 1)] + [spatial[d] - kernel[d]]
            lines.append([slice(s, s + kernel[d]) for s in starts])
        wanted = [x[n, c][window].max() for window in itertools.product(*lines)]
        np.testing.assert_array_equal(values[n, c].flatten().numpy(), wanted)
        np.testing.assert_array_equal(x[n, c].reshape(-1)[indices[n, c].flatten().numpy()], wanted)
    assert pool(rl.tensor(x)[0], kernel, output_ratio=0.5).shape == (3, *(n // 2 for n in spatial))
    with pytest.raises(ValueError, match="takes either output_size or output_ratio"):
        pool(rl.tensor(x), kernel)
    with pytest.raises(RuntimeError, match="8 windows of 3 at spatial dimension 0"):
        pool(rl.tensor(x), 3, output_size=8)


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, float("inf")])
def test_pair_distances(p):
    x = RANDOM.normal(size=(6, 4))
    metric = {"metric": "hamming"} if p == 0 else {"metric": "minkowski", "p": p} if p < 9 else {"metric": "chebyshev"}
    np.testing.assert_allclose(F.pdist(rl.tensor(x), p).numpy(), distance.pdist(x, **metric) * (4 if p == 0 else 1),
                               rtol=1e-12)
    assert F.pdist(rl.ones(1, 3)).shape == (0,)


def test_convolution_of_time_batch_channels():
    x, w = RANDOM.normal(size=(6, 2, 3)), RANDOM.normal(size=(3, 3, 4))
    padded = np.pad(x, ((1, 1), (0, 0), (0, 0)))
    wanted = sum(padded[k:k + 6] @ w[k] for k in range(3)) + 1
    found = rl.conv_tbc(rl.tensor(x), rl.tensor(w), rl.ones(4).double(), 1)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-11)


# ---- connectionist temporal classification --------------------------------------------------------------------------

def labelling(path):
    return [k for k, _ in itertools.groupby(path) if k != 0]


def ctc(log_probs, labels):
    """By every alignment there is."""
    total = sum(np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
                for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs))
                if labelling(path) == list(labels))
    return -np.log(total) if total else np.inf


def test_ctc():
    scores = rl.tensor(RANDOM.normal(size=(5, 4, 3))).requires_grad_()
    log_probs = scores.log_softmax(2)
    labels, steps = [[1, 2], [1, 1], [2], []], [5, 4, 5, 3]
    wanted = [ctc(log_probs[:n, i].detach().numpy(), row) for i, (n, row) in enumerate(zip(steps, labels, strict=True))]
    lengths = [len(row) for row in labels]
    flat = rl.tensor([k for row in labels for k in row])
    rows = rl.tensor([(row + [0, 0])[:2] for row in labels])
    for targets in (flat, rows):
        found = F.ctc_loss(log_probs, targets, steps, lengths, reduction="none")
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-12)
    assert F.ctc_loss(log_probs, rows, steps, lengths, reduction="sum").item() == pytest.approx(sum(wanted))
    mean = np.mean(np.array(wanted) / np.maximum(lengths, 1))
    assert F.ctc_loss(log_probs, rows, rl.tensor(steps), rl.tensor(lengths)).item() == pytest.approx(mean)
    single = F.ctc_loss(log_probs[:, 0], rows[0], (5,), (2,), reduction="none")
    assert single.shape == () and single.item() == pytest.approx(wanted[0])
    assert rl.autograd.gradcheck(
        lambda s: F.ctc_loss(s.log_softmax(2), rows, steps, lengths, reduction="none"), [scores])


def test_labellings_that_are_impossible():
    scores = rl.zeros(2, 1, 3, requires_grad=True)
    call = (rl.tensor([[1, 1]]), [2], [2])               # equal labels need a blank between them
    assert F.ctc_loss(scores.log_softmax(2), *call, reduction="none").item() == float("inf")
    loss = F.ctc_loss(scores.log_softmax(2), *call, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and (scores.grad == 0).all()


@pytest.mark.parametrize("change, kind, message", [
    ({"blank": 3}, RuntimeError, "blank=3 is out of range; expected 0 <= blank < 3"),
    ({"input_lengths": [5, 2]}, RuntimeError, r"input_lengths\[0\]=5 is out of range; expected 0 <= length <= 4"),
    ({"input_lengths": [4]}, RuntimeError, "input_lengths has 1 values; expected 2"),
    ({"target_lengths": [2, -1]}, RuntimeError, r"target_lengths\[1\]=-1 is out of range"),
    ({"target_lengths": [3, 1]}, RuntimeError, r"target_lengths\[0\]=3 is out of range"),
    ({"targets": rl.tensor([[1, 3], [1, 1]])}, IndexError, "targets holds 3; expected 0 <= label < 3"),
    ({"targets": rl.tensor([1, 2])}, RuntimeError, r"target_lengths=\[2, 1\] for 2 targets"),
    ({"targets": rl.ones(2, 2)}, RuntimeError, "targets has dtype rushlight.float32"),
    ({"reduction": "max"}, ValueError, "reduction='max' is not a valid value"),
])
def test_what_ctc_refuses(change, kind, message):
    arguments = {"log_probs": rl.zeros(4, 2, 3), "targets": rl.tensor([[1, 2], [1, 1]]), "input_lengths": [4, 2],
                 "target_lengths": [2, 1], **change}
    with pytest.raises(kind, match="ctc_loss: " + message):
        F.ctc_loss(**arguments)


# ---- padding around what negative amounts leave ---------------------------------------------------------------------

@pytest.mark.parametrize("before, after", [(-1, 1), (-1, 3), (1, -1), (2, -2), (-3, 1), (-1, -2), (3, 4)])
def test_circular_padding_goes_around_what_is_left(before, after):
    x = RANDOM.normal(size=(2, 3, 4))
    left = x[..., max(-before, 0):4 - max(-after, 0)]
    wanted = np.pad(left, ((0, 0), (0, 0), (max(before, 0), max(after, 0))), "wrap")
    np.testing.assert_array_equal(F.pad(rl.tensor(x), (before, after), "circular").numpy(), wanted)
    leaf = rl.tensor(x).requires_grad_()
    assert rl.autograd.gradcheck(lambda t: F.pad(t, (before, after), "circular"), [leaf])


@pytest.mark.parametrize("before, after", [(-1, 4), (5, 0), (-4, 1), (2, -3)])
def test_circular_padding_by_more_than_there_is(before, after):
    with pytest.raises(RuntimeError, match="in mode 'circular' may not exceed what is left of dimension 2"):
        F.pad(rl.ones(1, 1, 4), (before, after), "circular")


# ---- modules --------------------------------------------------------------------------------------------------------

def test_modules_call_the_functions():
    scores = rl.zeros(4, 1, 3).log_softmax(2)
    arguments = (rl.tensor([[1, 2]]), [4], [2])
    assert rl.equal(rl.nn.CTCLoss(reduction="sum")(scores, *arguments), F.ctc_loss(scores, *arguments, reduction="sum"))
    bags = rl.nn.EmbeddingBag(6, 3, mode="max", padding_idx=-1)
    assert (bags.weight[5] == 0).all() and repr(bags) == "EmbeddingBag(6, 3, mode='max', padding_idx=5)"
    numbers = rl.tensor([0, 5, 3])
    assert rl.equal(bags(numbers, rl.tensor([0, 1])),
                    F.embedding_bag(numbers, bags.weight, rl.tensor([0, 1]), mode="max", padding_idx=5))
    assert rl.equal(rl.nn.EmbeddingBag(2, 2, _weight=rl.eye(2))(rl.tensor([[0, 1]])), rl.tensor([[0.5, 0.5]]))
    with pytest.raises(AssertionError):
        rl.nn.EmbeddingBag(2, 2, padding_idx=2)
