"""Every layer beside PyTorch's: text, state, initial values from the same seed, results and gradients."""
import re

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

# Constructor arguments of a layer and the shapes of its inputs.
CASES = [line.strip() for line in """
Identity(3, unused=1) | 2,3
Linear(4, 3) | 5,4
Linear(4, 3, bias=False) | 2,5,4
Bilinear(3, 4, 2) | 5,3 ; 5,4
Bilinear(3, 4, 2, bias=False) | 2,5,3 ; 2,5,4
Flatten() | 2,3,4
Flatten(0, 1) | 2,3,4
Unflatten(1, (2, 3)) | 4,6
Conv1d(4, 6, 3) | 2,4,9
Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False) | 2,4,9
Conv2d(3, 4, 3) | 2,3,7,8
Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2) | 2,4,7,8
Conv2d(2, 3, 3, padding='same', padding_mode='circular') | 2,2,6,6
Conv2d(2, 3, 2, padding='same') | 2,2,6,6
Conv2d(2, 3, 3, padding='valid') | 2,6,6
Conv2d(2, 3, 3, padding=(2, 1), padding_mode='reflect') | 2,2,6,6
Conv2d(2, 3, 3, padding=1, padding_mode='replicate') | 2,2,6,6
Conv3d(2, 3, 2, stride=2) | 1,2,4,5,6
Conv3d(2, 4, (1, 2, 3), padding='same', groups=2) | 1,2,4,5,6
ConvTranspose1d(4, 2, 3, stride=2, output_padding=1) | 2,4,5
ConvTranspose2d(4, 2, 3, stride=2, padding=1, groups=2, bias=False) | 2,4,5,4
ConvTranspose2d(4, 2, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=2) | 2,4,5,4
ConvTranspose3d(2, 2, 2, stride=2) | 1,2,3,2,2
MaxPool1d(2) | 2,3,8
MaxPool2d(3, stride=2, padding=1) | 2,3,8,7
MaxPool2d((3, 2), dilation=2, ceil_mode=True) | 2,3,8,7
MaxPool3d(2) | 1,2,4,4,4
AvgPool1d(3, stride=2, padding=1) | 2,3,8
AvgPool2d(3, stride=2, padding=1, count_include_pad=False) | 2,3,8,7
AvgPool2d((2, 3), ceil_mode=True, divisor_override=4) | 2,3,8,7
AvgPool3d(2) | 1,2,4,4,4
LPPool1d(2, 3) | 2,3,8
LPPool2d(3, (2, 3), stride=2) | 2,3,8,7
LPPool3d(2, 2) | 1,2,4,4,4
AdaptiveAvgPool1d(3) | 2,3,8
AdaptiveAvgPool2d((3, None)) | 2,3,8,7
AdaptiveAvgPool2d(1) | 2,3,8,7
AdaptiveAvgPool3d(2) | 1,2,4,5,6
AdaptiveMaxPool1d(3) | 2,3,8
AdaptiveMaxPool2d((3, 2)) | 2,3,8,7
AdaptiveMaxPool3d(2) | 1,2,4,5,6
BatchNorm1d(3) | 4,3
BatchNorm1d(3, eps=1e-3, momentum=None) | 4,3,5
BatchNorm2d(3, affine=False) | 2,3,4,5
BatchNorm2d(3, track_running_stats=False) | 2,3,4,5
BatchNorm3d(2) | 2,2,3,3,3
InstanceNorm1d(3) | 2,3,5
InstanceNorm2d(3, affine=True, track_running_stats=True) | 2,3,4,5
InstanceNorm2d(3) | 3,4,5
InstanceNorm3d(2) | 2,2,3,3,3
LayerNorm(5) | 2,3,5
LayerNorm((3, 5), eps=1e-3, elementwise_affine=False) | 2,3,5
LayerNorm(5, bias=False) | 2,3,5
GroupNorm(2, 4) | 2,4,5
GroupNorm(4, 4, affine=False) | 2,4,3,3
RMSNorm(5) | 2,3,5
RMSNorm((3, 5), eps=1e-2, elementwise_affine=False) | 2,3,5
LocalResponseNorm(2) | 2,4,5
LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0) | 2,4,5,3
ReLU() | 3,4
ReLU(inplace=True) | 3,4
ReLU6() | 3,4
ReLU6(True) | 3,4
RReLU(0.1, 0.4, True) | 3,4
RReLU() | 3,4
Threshold(0.1, 20) | 3,4
Hardtanh() | 3,4
Hardtanh(-2, 2, inplace=True) | 3,4
Sigmoid() | 3,4
Hardsigmoid() | 3,4
Hardsigmoid(True) | 3,4
Tanh() | 3,4
SiLU() | 3,4
SiLU(inplace=True) | 3,4
Mish() | 3,4
Hardswish() | 3,4
Hardswish(inplace=True) | 3,4
ELU() | 3,4
ELU(0.5, True) | 3,4
CELU(2.0) | 3,4
SELU() | 3,4
SELU(True) | 3,4
GLU() | 3,4
GLU(0) | 4,3
GELU() | 3,4
GELU('tanh') | 3,4
Hardshrink() | 3,4
Hardshrink(0.2) | 3,4
Softshrink() | 3,4
LeakyReLU() | 3,4
LeakyReLU(0.2, True) | 3,4
LogSigmoid() | 3,4
Softplus() | 3,4
Softplus(2, 3) | 3,4
PReLU() | 3,4
PReLU(4, init=0.1) | 3,4,2
Softsign() | 3,4
Tanhshrink() | 3,4
Softmin(dim=1) | 3,4
Softmax(dim=-1) | 3,4
LogSoftmax(dim=0) | 3,4
Softmax2d() | 2,3,4,5
Dropout() | 3,4
Dropout(0.2, inplace=True) | 3,4
Dropout1d(0.4) | 2,5,4
Dropout2d(0.4) | 2,5,4,3
Dropout3d(0.4) | 2,5,4,3,2
AlphaDropout(0.3) | 3,4
FeatureAlphaDropout(0.3) | 3,4,5
ConstantPad1d(2, 3.5) | 2,3,4
ConstantPad2d((1, 0, 2, 1), 3) | 2,3,4,5
ConstantPad3d(1, 0.5) | 1,2,3,3,3
ZeroPad1d(1) | 2,3,4
ZeroPad2d((1, -1, 2, 0)) | 2,3,4,5
ZeroPad3d(1) | 1,2,3,3,3
ReflectionPad1d(2) | 2,3,4
ReflectionPad2d((1, 0, 2, 1)) | 2,3,4,5
ReflectionPad3d(1) | 1,2,3,3,3
ReplicationPad1d((1, 2)) | 2,3,4
ReplicationPad2d(1) | 2,3,4,5
ReplicationPad3d(1) | 1,2,3,3,3
CircularPad1d(2) | 2,3,4
CircularPad2d((1, 0, 2, 1)) | 2,3,4,5
CircularPad3d(1) | 1,2,3,3,3
Upsample(scale_factor=2) | 2,3,4,5
Upsample(size=(3, 7), mode='bilinear', align_corners=True) | 2,3,4,5
Upsample(scale_factor=(2.0, 1.5), mode='bilinear') | 2,3,4,5
Upsample(scale_factor=2, mode='linear') | 2,3,4
UpsamplingNearest2d(scale_factor=2) | 2,3,4,5
UpsamplingBilinear2d(size=(6, 6)) | 2,3,4,5
PixelShuffle(2) | 1,8,2,3
PixelUnshuffle(2) | 1,2,4,6
ChannelShuffle(2) | 1,4,3,3
CosineSimilarity() | 3,4 ; 3,4
CosineSimilarity(dim=0, eps=1e-6) | 3,4 ; 3,4
Unfold(2) | 2,3,4,5
Unfold((2, 3), dilation=(1, 2), padding=1, stride=2) | 2,3,5,6
Fold((4, 5), 2) | 2,12,12
Fold(output_size=(5, 6), kernel_size=(2, 3), dilation=(1, 2), padding=1, stride=2) | 2,18,6
PairwiseDistance() | 3,4 ; 3,4
PairwiseDistance(1.0, keepdim=True) | 3,4 ; 3,4
""".strip().splitlines()]


def build(package, call):
    package.manual_seed(3)
    return eval("nn." + call, {"nn": package.nn})


def pair(case):
    call, shapes = case.split("|")
    sizes = [tuple(map(int, shape.split(","))) for shape in shapes.split(";")]
    rng = np.random.default_rng(7)
    return build(rl, call), build(torch, call), [rng.normal(size=size).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("case", CASES)
def test_text_and_state(case):
    mine, theirs, _ = pair(case)
    assert repr(mine) == repr(theirs)
    own, reference = mine.state_dict(), theirs.state_dict()
    assert list(own) == list(reference)
    for key, value in reference.items():
        np.testing.assert_allclose(own[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-7, err_msg=key)
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def forward_and_backward(package, module, arrays, training):
    module.train(training)
    inputs = [package.from_numpy(array.copy()).requires_grad_() for array in arrays]
    package.manual_seed(11)
    # Multiplying by one gives in-place layers something other than a leaf to overwrite.
    output = module(*[value * 1 for value in inputs])
    weight = np.random.default_rng(5).normal(size=tuple(output.shape)).astype(np.float32)
    (output * package.from_numpy(weight)).sum().backward()
    gradients = [value.grad for value in inputs] + [parameter.grad for parameter in module.parameters()]
    return [output.detach().numpy()] + [None if g is None else g.numpy() for g in gradients]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES)
def test_results_and_gradients(case, training):
    mine, theirs, arrays = pair(case)
    mine.load_state_dict(
        {key: rl.from_numpy(value.numpy().copy()) for key, value in theirs.state_dict().items()}
    )
    own = forward_and_backward(rl, mine, arrays, training)
    reference = forward_and_backward(torch, theirs, arrays, training)
    for got, expected in zip(own, reference, strict=True):
        assert (got is None) == (expected is None)
        if got is not None:
            np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(
            mine.state_dict()[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key
        )


@pytest.mark.parametrize("call,kind", [
    ("Conv2d(3, 4, 3, groups=2)", ValueError),
    ("Conv2d(4, 4, 3, groups=0)", ValueError),
    ("Conv2d(4, 4, 3, stride=2, padding='same')", ValueError),
    ("Conv2d(4, 4, 3, padding='full')", ValueError),
    ("Conv2d(4, 4, 3, padding_mode='mirror')", ValueError),
    ("ConvTranspose2d(4, 4, 3, padding_mode='reflect')", ValueError),
    ("Dropout(1.5)", ValueError),
    ("GroupNorm(3, 4)", ValueError),
    ("Embedding(4, 2, padding_idx=4)", AssertionError),
    ("Bilinear(0, 1, 1)", ValueError),
    ("MultiMarginLoss(p=3)", ValueError),
    ("TripletMarginLoss(margin=0)", ValueError),
    ("Unflatten(1, 3)", TypeError),
])
def test_impossible_arguments(call, kind):
    for package in (torch, rl):
        with pytest.raises(kind):
            build(package, call)


@pytest.mark.parametrize("call,shape", [
    ("BatchNorm1d(3)", (3,)), ("BatchNorm2d(3)", (2, 3)), ("InstanceNorm1d(3)", (2, 3, 4, 5)),
    ("BatchNorm1d(3)", (1, 3)), ("Softmax2d()", (2, 3)), ("InstanceNorm1d(2)", (1, 2, 1)),
])
def test_wrong_input_shapes(call, shape):
    for package in (torch, rl):
        with pytest.raises(ValueError):
            build(package, call)(package.zeros(shape))


@pytest.mark.parametrize("size", [(2, 2, 9, 10), (9, 9), (10, 10)])
def test_transposed_convolution_output_size(size):
    mine, theirs, _ = pair("ConvTranspose2d(4, 2, 3, stride=2) | 1")
    assert tuple(mine(rl.zeros(2, 4, 4, 4), output_size=size).shape) == \
        tuple(theirs(torch.zeros(2, 4, 4, 4), output_size=size).shape)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("channels", [(1, 1), (2, 5), (3, 8), (3, 15), (3, 17)])
def test_weight_gradients_of_pointwise_first_layers(rank, channels):
    layer = getattr(rl.nn, f"Conv{rank}d")(*channels, 1)
    x, grad = rl.randn(3, channels[0], *[5] * rank), rl.randn(3, channels[1], *[5] * rank)
    layer(x).backward(grad)
    expected = np.einsum("nos,nis->oi", grad.flatten(2).numpy(), x.flatten(2).numpy())
    np.testing.assert_allclose(layer.weight.grad.flatten(1).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_transposed_convolution_refuses_impossible_sizes():
    layer = rl.nn.ConvTranspose2d(4, 2, 3, stride=2)
    with pytest.raises(ValueError, match="output_size"):
        layer(rl.zeros(1, 4, 4, 4), output_size=(8, 8))


@pytest.mark.parametrize("options", [
    {}, {"padding_idx": 2}, {"padding_idx": -1}, {"max_norm": 1.0}, {"max_norm": 0.5, "norm_type": 1.0},
    {"scale_grad_by_freq": True}])
def test_embedding(options):
    results = []
    for package in (rl, torch):
        package.manual_seed(0)
        layer = package.nn.Embedding(5, 3, **options)
        numbers = package.tensor([[1, 2, 2], [4, 1, 1]])
        output = layer(numbers)
        (output * output).sum().backward()
        results.append(
            (repr(layer), output.detach().numpy(), layer.weight.grad.numpy(), layer.weight.detach().numpy())
        )
    assert results[0][0] == results[1][0]
    for own, reference in zip(results[0][1:], results[1][1:]):
        np.testing.assert_allclose(own, reference, rtol=1e-5, atol=1e-6)


def test_embedding_from_pretrained():
    for package in (rl, torch):
        layer = package.nn.Embedding.from_pretrained(package.tensor([[1.0, 2.0], [3.0, 4.0]]))
        assert not layer.weight.requires_grad
        assert layer(package.tensor([1])).tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_max_unpooling(dims):
    rng = np.random.default_rng(0)
    found = []
    array = rng.normal(size=(2, 3, *(7, 8, 6)[:dims])).astype(np.float32)
    for package in (rl, torch):
        nn = package.nn
        pool = getattr(nn, f"MaxPool{dims}d")(3, stride=2, padding=1, return_indices=True)
        unpool = getattr(nn, f"MaxUnpool{dims}d")(3, stride=2, padding=1)
        x = package.from_numpy(array.copy()).requires_grad_()
        pooled, places = pool(x)
        output = unpool(pooled, places, output_size=x.size())
        (output * output).sum().backward()
        found.append((repr(unpool), output.detach().numpy(), x.grad.numpy(), places.numpy()))
    assert found[0][0] == found[1][0]
    for own, reference in zip(found[0][1:], found[1][1:]):
        np.testing.assert_allclose(own, reference, rtol=1e-6)


ACTIVATIONS = {
    "relu": (), "relu6": (), "leaky_relu": (0.2,), "elu": (0.7,), "selu": (), "celu": (0.5,), "silu": (), "mish": (),
    "hardtanh": (-0.5, 2.0), "hardsigmoid": (), "hardswish": (), "threshold": (0.1, -2.0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_inplace_activations(name):
    arguments = ACTIVATIONS[name]
    values = np.linspace(-4, 7, 23).reshape(1, 23)

    def run(package, inplace):
        leaf = package.tensor(values.tolist(), dtype=package.float64, requires_grad=True)
        x = leaf * 1
        result = getattr(package.nn.functional, name)(x, *arguments, inplace=inplace)
        assert (result is x) == inplace
        (result * package.arange(23, dtype=package.float64)).sum().backward()
        return result.detach().numpy(), leaf.grad.numpy()

    want = run(torch, False)
    for inplace in (False, True):
        for ours, theirs in zip(run(rl, inplace), want, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)      # PyTorch's constants are float32


@pytest.mark.parametrize("name", ["relu_", "celu_", "selu_", "elu_", "leaky_relu_", "hardtanh_"])
def test_in_place_names(name):
    for package in (rl, torch):
        x = package.tensor([-2.0, 3.0])
        result = getattr(package.nn.functional, name)(x)
        assert result is x
        np.testing.assert_allclose(x.numpy(), getattr(torch.nn.functional, name)(torch.tensor([-2.0, 3.0])).numpy())


@pytest.mark.parametrize("error, says, call", [
    (ValueError, "batch_norm: eps=-1; expected a positive number when training",
     lambda: rl.nn.functional.batch_norm(rl.ones(2, 3), None, None, training=True, eps=-1.0)),
    (ValueError, "batch_norm: eps=-1; expected a number of at least 0",
     lambda: rl.nn.functional.batch_norm(rl.ones(2, 3), rl.zeros(3), rl.ones(3), eps=-1.0)),
    (ValueError, "CircularPad1d: input has shape (2, 3, 4, 5); expected 2 (one example) or 3 (a batch) dimensions",
     lambda: rl.nn.CircularPad1d(1)(rl.ones(2, 3, 4, 5))),
    (ValueError, "GroupNorm: num_channels=10 is not divisible by num_groups=3", lambda: rl.nn.GroupNorm(3, 10)),
    (RuntimeError, "Embedding: num_embeddings=-1 is negative; expected a size", lambda: rl.nn.Embedding(-1, 3)),
])
def test_what_layers_refuse(error, says, call):
    with pytest.raises(error, match=re.escape(says)):
        call()


def test_fold_refuses_kernels_beyond_all_counting():
    with pytest.raises(RuntimeError, match="overflows a 64-bit integer"):
        rl.nn.functional.fold(rl.ones(2, 12, 12), (4, 5), 2**32)
    with pytest.raises(RuntimeError, match=r"im2col|unfold"):
        rl.nn.functional.unfold(rl.ones(1, 1, 4, 4), 2**32, padding=2**33)


def test_an_embedding_that_is_refused_scales_no_row():
    weight = rl.full((3, 4), 9.0)
    before = weight.clone()
    with pytest.raises(TypeError, match="padding_idx"):
        rl.nn.functional.embedding(rl.tensor([0]), weight, padding_idx=rl.tensor(0.5), max_norm=1.0)
    with pytest.raises(RuntimeError):
        rl.nn.functional.embedding(rl.tensor([0]), rl.ones(3, dtype=rl.int32), max_norm=1.0)
    assert rl.equal(weight, before)
