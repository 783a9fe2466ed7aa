"""Every loss beside PyTorch's: text, values and gradients for each reduction."""
import warnings

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(4, 5)).astype(np.float32) for _ in range(2))
POSITIVE = np.abs(Y) + 0.1
PROBABILITY = 1 / (1 + np.exp(-X))
LOG_PROBABILITY = (X - np.log(np.exp(X).sum(1, keepdims=True))).astype(np.float32)
DISTRIBUTION = (np.exp(Y) / np.exp(Y).sum(1, keepdims=True)).astype(np.float32)
SIGN = np.where(RNG.random((4, 5)) < 0.5, -1.0, 1.0).astype(np.float32)
ROW_SIGN = SIGN[:, 0].copy()
BIT = (SIGN > 0).astype(np.float32)
CLASS = np.array([0, 3, 4, 1])
LABELS = np.array([[0, 3, -1, 1, 2], [1, -1, 0, 0, 0], [2, 4, 0, 1, -1], [-1, 1, 1, 1, 1]])
COUNT = np.array([[0, 1, 2, 3, 4]] * 4, dtype=np.float32)
WEIGHT = np.array([0.5, 1, 2, 1, 0.1], dtype=np.float32)

CASES = [
    ("L1Loss", {}, (X, Y)),
    ("MSELoss", {}, (X, Y)),
    ("SmoothL1Loss", {}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.5}, (X, Y)),
    ("HuberLoss", {"delta": 0.7}, (X, Y)),
    ("NLLLoss", {}, (LOG_PROBABILITY, CLASS)),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 3}, (LOG_PROBABILITY, CLASS)),
    ("CrossEntropyLoss", {}, (X, CLASS)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "ignore_index": 1}, (X, CLASS)),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, (X, CLASS)),
    ("CrossEntropyLoss", {}, (X, DISTRIBUTION)),
    ("BCELoss", {}, (PROBABILITY, BIT)),
    ("BCELoss", {"weight": WEIGHT}, (PROBABILITY, BIT)),
    ("BCEWithLogitsLoss", {}, (X, BIT)),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHT}, (X, BIT)),
    ("KLDivLoss", {}, (LOG_PROBABILITY, DISTRIBUTION)),
    ("KLDivLoss", {"log_target": True}, (LOG_PROBABILITY, np.log(DISTRIBUTION))),
    ("PoissonNLLLoss", {}, (X, COUNT)),
    ("PoissonNLLLoss", {"log_input": False, "full": True}, (PROBABILITY, COUNT)),
    ("GaussianNLLLoss", {}, (X, Y, POSITIVE)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.5}, (X, Y, POSITIVE[:, :1])),
    ("HingeEmbeddingLoss", {"margin": 0.5}, (X, SIGN)),
    ("SoftMarginLoss", {}, (X, SIGN)),
    ("MultiLabelMarginLoss", {}, (X, LABELS)),
    ("MultiLabelSoftMarginLoss", {}, (X, BIT)),
    ("MultiLabelSoftMarginLoss", {"weight": WEIGHT}, (X, BIT)),
    ("MultiMarginLoss", {}, (X, CLASS)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.3, "weight": WEIGHT}, (X, CLASS)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, ROW_SIGN)),
    ("MarginRankingLoss", {"margin": 0.2}, (X, Y, SIGN)),
    ("TripletMarginLoss", {}, (X, Y, POSITIVE)),
    ("TripletMarginLoss", {"p": 1, "swap": True}, (X, Y, POSITIVE)),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, (X, Y, POSITIVE)),
]


def run(package, name, options, arrays, reduction):
    options = {key: package.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
               for key, value in options.items()}
    loss = getattr(package.nn, name)(**options, reduction=reduction)
    values = [package.from_numpy(array.copy()) for array in arrays]
    values[0].requires_grad_()
    result = loss(*values)
    result.sum().backward()
    return repr(loss), result.detach().numpy(), values[0].grad.numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name,options,arrays", CASES, ids=[f"{name}-{','.join(o)}" for name, o, _ in CASES])
def test_loss(name, options, arrays, reduction):
    own, reference = (run(package, name, options, arrays, reduction) for package in (rl, torch))
    assert own[0] == reference[0]
    assert own[1].shape == reference[1].shape
    np.testing.assert_allclose(own[1], reference[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own[2], reference[2], rtol=1e-4, atol=1e-5)


def test_kl_div_batchmean():
    own, reference = (run(package, "KLDivLoss", {}, (LOG_PROBABILITY, DISTRIBUTION), "batchmean")
                      for package in (rl, torch))
    np.testing.assert_allclose(own[1], reference[1], rtol=1e-5)


@pytest.mark.parametrize("flags,expected", [
    ({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"size_average": True}, "mean")])
def test_older_reduction_flags(flags, expected):
    with pytest.warns(UserWarning):
        assert rl.nn.MSELoss(**flags).reduction == expected


def test_cross_entropy_of_images():
    scores = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    classes = RNG.integers(0, 3, size=(2, 4, 5))
    for reduction in ("mean", "none"):
        own, reference = (
            run(package, "CrossEntropyLoss", {}, (scores, classes), reduction) for package in (rl, torch)
        )
        np.testing.assert_allclose(own[1], reference[1], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(own[2], reference[2], rtol=1e-4, atol=1e-6)


def test_wrong_shapes():
    for package in (torch, rl):
        functional = package.nn.functional
        with pytest.raises(RuntimeError):
            functional.margin_ranking_loss(package.ones(2), package.ones(2, 2), package.ones(2))
        with pytest.raises(ValueError):
            functional.gaussian_nll_loss(package.ones(2, 3), package.ones(2, 3), package.ones(2, 2))
        with pytest.raises(ValueError):
            functional.gaussian_nll_loss(package.ones(2), package.ones(2), -package.ones(2))
        scores, near = package.ones(4, 3), package.ones(1, 3)
        assert functional.gaussian_nll_loss(scores, scores, near).item() == 0
        for target in ([0, 1, 2], [[0, 1, 2]] * 4, [[0], [1], [2], [0]]):
            with pytest.raises(ValueError if len(target) == 3 else RuntimeError):
                functional.cross_entropy(scores, package.tensor(target))
        with pytest.raises(RuntimeError):
            functional.cross_entropy(scores, scores, ignore_index=1)
        with pytest.raises(TypeError):
            package.nn.HuberLoss(delta=1j)
        with pytest.raises(RuntimeError):
            functional.one_hot(package.tensor([-1]))
        with pytest.raises(RuntimeError):
            functional.one_hot(package.tensor([3]), 3)


def test_margin_losses_of_one_class_and_what_they_refuse():
    F = rl.nn.functional
    for loss in (F.multi_margin_loss, F.multilabel_margin_loss):
        assert loss(rl.tensor(0.3), rl.tensor(0)).item() == 0
        with pytest.raises(ValueError, match="reduction='max' is not a valid value"):
            loss(rl.ones(2, 3), rl.ones(2, 3), reduction="max")
    with pytest.raises(ValueError, match=r"multi_margin_loss: weight has shape \(1, 3\); expected 1 dimension"):
        F.multi_margin_loss(rl.ones(2, 3), rl.tensor([0, 1]), weight=rl.ones(1, 3))
    with pytest.raises(RuntimeError, match="huber_loss: delta=0; expected a positive number"):
        F.huber_loss(rl.ones(2), rl.ones(2), delta=0)


def test_ctc_loss_takes_its_reduction_as_a_number():
    scores = RNG.normal(size=(6, 2, 4))
    arguments = ([[1, 2], [3, 1]], [6, 5], [2, 1])

    def loss(package, reduction):
        targets, *lengths = (package.tensor(x) for x in arguments)
        return package.ctc_loss(package.tensor(scores).log_softmax(2), targets, *lengths, reduction=reduction).numpy()

    for number in range(3):
        np.testing.assert_allclose(loss(rl, number), loss(torch, number), rtol=1e-10)
    for number in (-1, 3):
        with pytest.raises(ValueError, match=f"ctc_loss: reduction={number} is not a valid value"):
            loss(rl, number)
        with pytest.raises(ValueError, match=f"kl_div: reduction={number} is not a valid value"):
            rl.kl_div(rl.zeros(2), rl.ones(2), number)
        with pytest.raises(ValueError, match=f"{number} is not a valid value"):
            torch.nn.functional.ctc_loss(torch.zeros(2, 1, 2), torch.tensor([[1]]), [2], [1], reduction=number)
    for package in (rl, torch):
        for wrong in (True, 1.0, None):
            with pytest.raises(TypeError):
                loss(package, wrong)
            with pytest.raises(TypeError):
                package.kl_div(package.zeros(2), package.ones(2), wrong)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_repeated_targets_are_computed_with_a_warning(name):
    values = []
    for package in (torch, rl):
        x, y = package.ones(4, 1), package.arange(4.0)
        with pytest.warns(UserWarning, match="size|shape") as seen:
            values.append(getattr(package.nn.functional, name)(x, y).item())
    assert len(seen) == 1 and seen[0].filename == __file__
    assert str(seen[0].message).startswith(f"{name}: target has shape (4,) and input (4, 1): each is repeated")
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="seldom meant"):
            getattr(rl.nn.functional, name)(rl.ones(4, 1), rl.ones(4))
        getattr(rl.nn.functional, name)(rl.ones(4, 1), rl.ones(4, 1))


def test_a_modules_warning_points_at_the_program():
    with pytest.warns(UserWarning, match="mse_loss: target has shape") as seen:
        rl.nn.MSELoss()(rl.ones(4, 1), rl.ones(4))
    assert seen[0].filename == __file__
