"""In-place changes: what is refused, what is differentiated, and that saved values are never wrong."""

import gc

import pytest

import rushlight as rl
from rushlight import autograd


def leaf(*values):
    return rl.tensor(list(values), dtype=rl.float64, requires_grad=True)


def test_leaves_that_require_grad_are_not_changed():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0:1].mul_(2)
    with rl.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 3] and x.requires_grad and x.is_leaf


def test_a_saved_argument_that_changed():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    h = x * 1
    y = h * w
    h.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"MulBackward0: argument 'input' of shape \(2,\).*inplace operation.*version "
            r"1; expected version 0",
    ):
        y.sum().backward()


def test_a_saved_result_that_changed():
    y = leaf(1.0, 2.0).exp()
    z = y.sum()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="result 0"):
        z.backward()


def test_a_change_of_what_is_not_saved_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 1
    y.mul_(10)
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_old_values_that_the_derivative_reads_are_kept():
    x, w = leaf(2.0, 3.0), leaf(5.0, 7.0)
    y = x * 1
    y.mul_(w)
    y.sum().backward()
    assert x.grad.tolist() == [5, 7] and w.grad.tolist() == [2, 3]
    z = leaf(2.0, 3.0)
    y = z * 1
    y.mul_(y)
    y.sum().backward()
    assert z.grad.tolist() == [4, 6]


def test_second_derivatives_through_in_place_changes():
    x = leaf(0.5, 1.5)

    def program(x):
        y = x * 1
        y.mul_(x)
        y[0:1].mul_(x[1:2])
        y.exp_()
        return y

    assert autograd.gradcheck(program, x)
    assert autograd.gradgradcheck(program, x)


def test_a_slice_written_with_a_recorded_value():
    w = leaf(2.0)
    x = rl.zeros(3, dtype=rl.float64)
    v = x[1:2]
    v.copy_(w * 3)
    assert x.requires_grad and not x.is_leaf and v.requires_grad
    (x * x).sum().backward()
    assert w.grad.tolist() == [2 * 6 * 3]


def test_views_follow_a_base_that_changed():
    x, w = leaf(1.0, 2.0, 3.0), leaf(5.0, 6.0, 7.0)
    b = x * 1
    v = b[0:2]
    b.mul_(w)
    assert type(v.grad_fn).__name__ == "AsStridedBackward0"
    v.sum().backward()
    assert x.grad.tolist() == [5, 6, 0] and w.grad.tolist() == [1, 2, 0]


def test_a_base_follows_a_view_that_changed():
    x, w = leaf(1.0, 2.0, 3.0, 4.0), leaf(5.0, 6.0)
    b = (x * 1).view(2, 2)
    column = b.t()[0]
    column.mul_(w)
    assert type(b._base.grad_fn).__name__ == "CopySlices"
    b.sum().backward()
    assert x.grad.tolist() == [5, 1, 6, 1] and w.grad.tolist() == [1, 3]


@pytest.mark.parametrize("make", [lambda: rl.zeros(4, 4), lambda: rl.zeros(4, 8)[:, ::2], lambda: rl.zeros(4, 4).t()])
def test_views_of_leaves_are_not_written(make):
    """Leaves that are views themselves included."""
    x = make().requires_grad_()
    with pytest.raises(RuntimeError, match="leaf"):
        x[0].add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[..., 0] = 7
    with rl.no_grad():
        x[0] = 2
    assert x.is_leaf and x.sum() == 8
    x.sum().backward()
    assert x.grad.tolist() == rl.ones(4, 4).tolist()


def test_views_made_without_recording():
    x = leaf(1.0, 2.0)
    b = x * 1
    with rl.no_grad():
        v = b[0:1]
    assert not v.requires_grad
    with pytest.raises(RuntimeError, match="no_grad mode"):
        v.mul_(x[0:1])
    b.mul_(2)
    with pytest.raises(RuntimeError, match="no_grad mode"):
        v * 2


def test_one_of_several_views():
    x = leaf(1.0, 2.0)
    a, _ = (x * 1).unbind(0)
    with pytest.raises(RuntimeError, match="one of several"):
        a.mul_(2)
    a, _ = (x * 1).split(1)
    with pytest.raises(RuntimeError, match="one of several"):
        a.mul_(2)
    plain, _ = rl.zeros(2).unbind(0)
    plain.add_(1)
    assert plain.item() == 1


def test_out_is_not_differentiated():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="out="):
        rl.add(x, x, out=rl.empty(1, dtype=rl.float64))
    with rl.no_grad():
        out = rl.empty(1, dtype=rl.float64)
        rl.add(x, x, out=out)
    assert out.tolist() == [2]


def test_an_in_place_operation_without_derivative():
    x = leaf(1.4, 2.6)
    y = x * 2
    y.zero_()
    y.add_(x)
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_detached_tensors_share_the_version():
    x = leaf(1.0, 2.0)
    y = x * x
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.sum().backward()


def test_changes_through_data_are_noticed():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.data.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.backward()


def test_training_through_data_works():
    w = leaf(4.0)
    for _ in range(50):
        w.grad = None
        (w * w).sum().backward()
        w.data.add_(w.grad.data, alpha=-0.1)
    assert abs(w.item()) < 1e-3


def test_data_can_be_replaced():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.data = rl.tensor([5.0, 6.0, 7.0], dtype=rl.float64)
    assert x.tolist() == [5, 6, 7] and x.requires_grad
    with pytest.raises(RuntimeError, match="other memory"):
        y.backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [10, 12, 14]
    with pytest.raises(RuntimeError, match="floating"):
        x.data = rl.ones(2, dtype=rl.int64)


def test_writes_by_numpy_before_backward_are_noticed():
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1.0, 2.0])
    x = rl.from_numpy(array).requires_grad_()
    y = (x * x).sum()
    array[0] = 9
    with pytest.raises(RuntimeError, match="another library"):
        y.backward()


def test_writes_through_a_view_taken_after_saving_are_noticed():
    pytest.importorskip("numpy")
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    array = x.detach().numpy()
    array[0] = 9
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.backward()
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.detach().numpy()[0] = 9  # the array is gone before backward
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.backward()


def test_writes_through_dlpack_are_noticed():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    rl.from_dlpack(x.detach())[0] = 9  # another storage over the same memory
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.backward()


def test_numpy_views_that_do_not_write_are_harmless():
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1.0, 2.0])
    x = rl.from_numpy(array).requires_grad_()
    y = (x * x).sum()
    seen = x.detach().numpy()
    y.backward()
    assert x.grad.tolist() == [2, 4] and seen.sum() == 3
    array[:] = 7  # after backward, as input pipelines do
    y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [16, 18]
    w = leaf(1.0)
    w.detach().numpy()
    z = (w * w).sum()
    z.backward()
    assert w.grad.tolist() == [2]


@pytest.mark.parametrize(
    "change", ["add_", "copy_", "zero_", "detach", "data", "out", "view", "thread", "slice"]
)
def test_every_route_to_a_saved_tensor_is_seen(change):
    x = leaf(1.0, 2.0)
    h = x * 1
    y = (h * h).sum()
    one = rl.ones(2, dtype=rl.float64)
    with rl.no_grad():
        if change == "add_":
            h.add_(1)
        elif change == "copy_":
            h.copy_(one)
        elif change == "zero_":
            h.zero_()
        elif change == "detach":
            h.detach().mul_(2)
        elif change == "data":
            h.data.mul_(2)
        elif change == "out":
            rl.add(one, one, out=h)
        elif change == "view":
            h.view(2, 1).mul_(2)
        elif change == "thread":
            import threading

            t = threading.Thread(target=lambda: h.detach().mul_(2))
            t.start()
            t.join()
        elif change == "slice":
            h[0:1].mul_(2)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.backward()


@pytest.mark.parametrize("call", [
    lambda x, out: rl.topk(x, 2, out=out),
    lambda x, out: rl.sort(x, out=out),
    lambda x, out: rl.max(x, 1, out=out),
    lambda x, out: rl.kthvalue(x, 2, out=out),
], ids=["topk", "sort", "max", "kthvalue"])
def test_several_outs_refuse_arguments_that_require_grad(call):
    x = rl.rand(3, 4, requires_grad=True)
    with pytest.raises(RuntimeError, match="out= can't be differentiated"):
        call(x, (rl.empty(0), rl.empty(0, dtype=rl.int64)))
    with rl.no_grad():
        out = (rl.empty(0), rl.empty(0, dtype=rl.int64))
        call(x, out)
    assert not out[0].requires_grad
    assert all(a.tolist() == b.tolist() for a, b in zip(out, call(x.detach(), None), strict=True))


def test_a_circle_through_a_changed_view_is_freed():
    """What the change of a view has saved gets a history that leads back to that change."""
    def once():
        x = rl.ones(4, 3, requires_grad=True) * 1
        y = rl.ones(3, requires_grad=True) * 1
        x[0].mul_(y)
        y.mul_(x[0])

    before = rl._C.memory_statistics()["in_use"]
    for _ in range(20):
        once()
    gc.collect()
    assert rl._C.memory_statistics()["in_use"] <= before


def _changed_twice():
    y = rl.ones(3, requires_grad=True) * 1
    product = rl.ones(3, requires_grad=True) * y           # saves y
    y.sin_()
    y.add_(product)


def _changed_by_what_saved_an_element():
    x, y = rl.ones(4, 3, requires_grad=True) * 1, rl.ones(4, 3, requires_grad=True) * 1
    y.mul_(x)                                              # saves x
    x[0] = 2.0
    x[..., :1] += y.mean()


@pytest.mark.parametrize("once", [_changed_twice, _changed_by_what_saved_an_element])
def test_a_circle_through_a_second_change_is_freed(once):
    """What saved a tensor before its first change leads to its second."""
    before = rl._C.memory_statistics()["in_use"]
    for _ in range(20):
        once()
    gc.collect()
    assert rl._C.memory_statistics()["in_use"] <= before


def test_index_fill_reads_only_filled_gradients():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    value = rl.tensor(5.0, dtype=rl.float64, requires_grad=True)
    rl.index_fill(x, 0, rl.tensor([0, 2, 0]), value).backward(
        rl.tensor([1.0, float("inf"), 2.0, float("nan")], dtype=rl.float64))
    assert value.grad.item() == 3
    table = rl.ones(2, 3, dtype=rl.float64, requires_grad=True)
    value = rl.tensor(5.0, dtype=rl.float64, requires_grad=True)
    rl.index_fill(table, -1, rl.tensor([1]), value).backward(
        rl.tensor([[float("inf"), 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=rl.float64))
    assert value.grad.item() == 7
