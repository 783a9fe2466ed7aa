"""Observers, FakeQuantize and the functions beneath, against PyTorch where it is installed."""
import pytest

import rushlight as rl
from rushlight import quantization as Q

KINDS = ["MinMaxObserver", "MovingAverageMinMaxObserver", "PerChannelMinMaxObserver",
         "MovingAveragePerChannelMinMaxObserver"]


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch")
    return pytest.importorskip("torch.ao.quantization") and module


def to_torch(torch, x):
    return torch.tensor(x.tolist())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["quint8", "qint8"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("reduce_range", [False, True])
@pytest.mark.parametrize("shift", [0.0, 5.0, -5.0])
def test_ranges_of_pytorch(torch, kind, dtype, symmetric, reduce_range, shift):
    scheme = f"per_{'channel' if 'Channel' in kind else 'tensor'}_{'symmetric' if symmetric else 'affine'}"
    make = [lambda xp=xp, place=place: getattr(place, kind)(
        dtype=getattr(xp, dtype), qscheme=getattr(xp, scheme), reduce_range=reduce_range)
        for xp, place in ((rl, Q), (torch, torch.ao.quantization))]
    if dtype == "quint8" and symmetric and reduce_range:
        for each in make:
            with pytest.raises(NotImplementedError):
                each()
        return
    made = [each() for each in make]
    rl.manual_seed(1)
    for _ in range(3):
        x = rl.randn(4, 3, 5) + shift
        made[0](x)
        made[1](to_torch(torch, x))
    (scale, zero), (their_scale, their_zero) = (observer.calculate_qparams() for observer in made)
    assert scale.tolist() == pytest.approx(their_scale.tolist(), rel=1e-6)
    assert zero.tolist() == their_zero.tolist()


def rounding_error(x, scale, zero):
    q = (x / scale + zero).round().clamp(0, 255)
    return float((((q - zero) * scale - x) ** 2).mean())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", ["normal", "rectified", "outliers", "skewed"])
def test_a_histogram_loses_little(torch, shape):
    """Less than the plain range, and not much more than PyTorch's search."""
    rl.manual_seed(2)
    batches = [rl.randn(5000) * (i + 1) for i in range(4)]
    if shape == "rectified":
        batches = [x.relu() for x in batches]
    if shape == "outliers":
        batches[2][:3] = rl.tensor([90.0, -70.0, 100.0])
    if shape == "skewed":
        batches = [x.exp().clamp(max=300) for x in batches]
    ours, plain, theirs = Q.HistogramObserver(), Q.MinMaxObserver(), torch.ao.quantization.HistogramObserver()
    for x in batches:
        ours(x)
        plain(x)
        theirs(to_torch(torch, x))
    x = rl.cat(batches)
    errors = [rounding_error(x, float(scale), int(zero))
              for scale, zero in (o.calculate_qparams() for o in (ours, plain, theirs))]
    assert errors[0] <= 1.02 * errors[1] and errors[0] <= 1.1 * errors[2], errors


@pytest.mark.parametrize("kind", [Q.MinMaxObserver, Q.MovingAverageMinMaxObserver, Q.PerChannelMinMaxObserver,
                                  Q.MovingAveragePerChannelMinMaxObserver, Q.HistogramObserver])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused_and_not_remembered(kind, value):
    observer = kind()
    observer(rl.tensor([[1.0, 2.0], [3.0, 4.0]]))
    before = observer.calculate_qparams()
    with pytest.raises(ValueError, match=rf"{kind.__name__}: input of shape \(2, 2\) holds NaN or infinities"):
        observer(rl.tensor([[1.0, 2.0], [value, 4.0]]))
    for a, b in zip(before, observer.calculate_qparams(), strict=True):
        assert rl.equal(a, b)


def test_an_observer_that_saw_nothing_says_so():
    with pytest.raises(RuntimeError, match="MinMaxObserver: has seen no values"):
        Q.MinMaxObserver().calculate_qparams()


def test_state_of_observers_is_saved():
    observer, other = Q.PerChannelMinMaxObserver(), Q.PerChannelMinMaxObserver()
    observer(rl.randn(3, 4))
    other.load_state_dict(observer.state_dict())
    assert other.calculate_qparams()[0].tolist() == observer.calculate_qparams()[0].tolist()


FAKES = [(0.1, 0, -128, 127), (0.05, 100, 0, 255), (0.5, 3, 0, 15)]


@pytest.mark.parametrize("scale, zero, low, high", FAKES)
@pytest.mark.parametrize("as_tensors", [False, True])
def test_fake_quantize_per_tensor(torch, scale, zero, low, high, as_tensors):
    x = rl.cat([rl.linspace(-20, 20, 801), rl.tensor([1e30, -1e30])]).requires_grad_()
    args = (rl.tensor(scale), rl.tensor(zero, dtype=rl.int32)) if as_tensors else (scale, zero)
    y = rl.fake_quantize_per_tensor_affine(x, *args, low, high)
    y.backward(rl.arange(803.0))
    their_x = to_torch(torch, x.detach()).requires_grad_()
    theirs = torch.fake_quantize_per_tensor_affine(their_x, scale, zero, low, high)
    theirs.backward(torch.arange(803.0))
    assert y.tolist() == pytest.approx(theirs.tolist(), rel=1e-6, abs=1e-7)
    assert x.grad.tolist() == their_x.grad.tolist()


@pytest.mark.parametrize("axis", [0, 1])
def test_fake_quantize_per_channel(torch, axis):
    x = (rl.randn(4, 4, 3) * 5).requires_grad_()
    scale, zero = rl.rand(4) * 0.1 + 0.01, rl.tensor([0, 5, -3, 2], dtype=rl.int32)
    y = rl.fake_quantize_per_channel_affine(x, scale, zero, axis, -128, 127)
    y.sum().backward()
    their_x = to_torch(torch, x.detach()).requires_grad_()
    theirs = torch.fake_quantize_per_channel_affine(
        their_x, to_torch(torch, scale), torch.tensor(zero.tolist(), dtype=torch.int32), axis, -128, 127)
    theirs.sum().backward()
    assert y.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), rel=1e-5, abs=1e-6)
    assert x.grad.tolist() == their_x.grad.tolist()


def test_fake_quantize_refuses():
    with pytest.raises(RuntimeError, match=r"input has dtype rushlight\.int64"):
        rl.fake_quantize_per_tensor_affine(rl.ones(2, dtype=rl.int64), 1.0, 0, 0, 255)
    with pytest.raises(RuntimeError, match="zero_point=300; expected quant_min"):
        rl.fake_quantize_per_tensor_affine(rl.ones(2), 1.0, 300, 0, 255)
    with pytest.raises(RuntimeError, match=r"scale has shape \(3,\); expected \(2,\)"):
        rl.fake_quantize_per_channel_affine(rl.ones(2, 3), rl.ones(3), rl.zeros(3), 0, 0, 255)


def test_fake_quantize_module_can_be_switched():
    module = Q.FakeQuantize.with_args(observer=Q.MinMaxObserver)()
    x = rl.linspace(-1, 1, 50)
    rounded = module(x)
    assert 0 < float((rounded - x).abs().max()) <= float(module.scale) / 2 + 1e-6
    module.apply(Q.disable_observer)(x * 100)
    assert float(module.scale) < 0.01
    assert module.apply(Q.disable_fake_quant)(x).tolist() == x.tolist()
    assert module.apply(Q.enable_fake_quant)(x).tolist() == rounded.tolist()
    other = Q.FakeQuantize()
    other.load_state_dict(module.state_dict())
    assert other.scale.tolist() == module.scale.tolist()


def test_a_config_wants_what_makes_observers():
    with pytest.raises(ValueError, match="activation is a MinMaxObserver"):
        Q.QConfig(Q.MinMaxObserver(), Q.default_weight_observer)
