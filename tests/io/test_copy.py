"""`copy`, `deepcopy` and `pickle` of tensors, parameters, dtypes and generators."""

import copy
import pickle

import pytest

import rushlight

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", DTYPES)
def test_pickles_keep_values_dtype_and_strides(name, protocol):
    base = rushlight.tensor([[0, 1, 3], [2, 0, 1]]).to(getattr(rushlight, name))
    for tensor in (base, base.t(), base[1:, ::2], base[0, 1], base[:0]):
        back = pickle.loads(pickle.dumps(tensor, protocol))
        assert (back.dtype, back.shape, back.stride()) == (tensor.dtype, tensor.shape, tensor.stride())
        assert back.tolist() == tensor.tolist()
        if back.numel():
            back.zero_()
    assert base.tolist() == rushlight.tensor([[0, 1, 3], [2, 0, 1]]).to(base.dtype).tolist()


def test_a_pickled_view_brings_only_what_it_spans():
    assert len(pickle.dumps(rushlight.zeros(10000)[:2])) < 500


def test_pickles_keep_flags_kinds_and_attributes():
    leaf = rushlight.ones(2, requires_grad=True)
    leaf.note = [1]
    back = pickle.loads(pickle.dumps(leaf))
    assert back.requires_grad and back.is_leaf and back.note == [1]
    parameter = rushlight.nn.Parameter(rushlight.ones(2), requires_grad=False)
    back = pickle.loads(pickle.dumps(parameter))
    assert type(back) is rushlight.nn.Parameter and not back.requires_grad


def test_out_of_band_pickles_share_the_memory_they_are_given():
    tensor = rushlight.arange(1000.0)
    buffers = []
    data = pickle.dumps(tensor, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    assert pickle.loads(data, buffers=buffers).tolist() == tensor.tolist()


def test_dtypes_and_sizes_are_the_same_objects_and_types():
    for name in DTYPES:
        assert pickle.loads(pickle.dumps(getattr(rushlight, name))) is getattr(rushlight, name)
        assert copy.deepcopy(getattr(rushlight, name)) is getattr(rushlight, name)
    device = rushlight.device("cpu")
    assert pickle.loads(pickle.dumps(device)) == device == copy.deepcopy(device)
    size = rushlight.Size([2, 3])
    assert pickle.loads(pickle.dumps(size)) == size and type(copy.deepcopy(size)) is rushlight.Size


def test_copy_shares_memory():
    tensor = rushlight.zeros(3)
    other = copy.copy(tensor)
    other[0] = 5.0
    assert other is not tensor and tensor.tolist() == [5.0, 0.0, 0.0]
    parameter = rushlight.nn.Parameter(rushlight.zeros(1))
    assert type(copy.copy(parameter)) is rushlight.nn.Parameter


def test_deepcopy_keeps_what_shares_memory_sharing():
    base = rushlight.arange(6.0).reshape(2, 3)
    whole, transposed, same = copy.deepcopy([base, base.t(), base])
    assert whole is same and transposed.stride() == (1, 3)
    whole[0, 1] = -1.0
    assert transposed[1, 0].item() == -1.0 and base[0, 1].item() == 1.0


def test_deepcopy_brings_the_gradient_and_attributes():
    leaf = rushlight.ones(2, requires_grad=True)
    (leaf * 3).sum().backward()
    leaf.note = [1]
    twin = copy.deepcopy(leaf)
    assert twin.requires_grad and twin.grad.tolist() == [3.0, 3.0] and twin.grad is not leaf.grad
    assert twin.note == [1] and twin.note is not leaf.note


def test_deepcopy_of_a_result_raises():
    result = rushlight.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(result)


def test_deepcopy_of_a_module_is_apart():
    first = rushlight.nn.Linear(2, 2)
    second = copy.deepcopy(first)
    with rushlight.no_grad():
        second.weight.fill_(1.0)
    assert first.weight.tolist() != second.weight.tolist()
    assert type(second.weight) is rushlight.nn.Parameter and second.weight.requires_grad


def test_generators_copy_their_state():
    g = rushlight.Generator()
    g.manual_seed(3)
    twins = [pickle.loads(pickle.dumps(g)), copy.deepcopy(g)]
    expected = rushlight.rand(4, generator=g).tolist()
    for twin in twins:
        assert rushlight.rand(4, generator=twin).tolist() == expected
