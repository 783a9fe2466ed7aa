"""Gradients through views, indexing and assignment, beside PyTorch's."""

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def assign_row(m, x, v):
    y = x * 2
    y[1] = v
    return y * y


def assign_number(m, x, v):
    y = x * 2
    y[:, 1:3] = 7.0
    return y * y * v.sum()


def assign_broadcast(m, x, v):
    y = x.clone()
    y[..., 0] = v[:3]
    y[0] *= 3
    return y * y


def assign_array(m, x, v):
    y = x * 1
    y[m.tensor([2, 0])] = v
    return y * y


def assign_pairs(m, x, v):
    y = x * 1
    y[m.tensor([2, 0, 1]), m.tensor([1, 1, 3])] = v[1:]
    return y * y


def assign_mask(m, x, v):
    y = x * 1
    y[x > 0] = 2.5
    return y * y + v


def assign_mask_tensor(m, x, v):
    y = x * 1
    y[m.tensor([True, False, True])] = v
    return y * y


def assign_zero_dim(m, x, v):
    y = x * 1
    y[m.tensor([[True, False, True, False]] * 3)] = v[0]
    return y * y


def accumulate(m, x, v):
    return (x * 1).index_put_((m.tensor([1, 1, 2]),), x[:3] * v, accumulate=True) ** 2


def read_repeated(m, x, v):
    return x[m.tensor([1, 1, 0, 1])] * v


def read_negative(m, x, v):
    return x[-1, m.tensor([3, -1, 0])] * v[:3]


def read_mask(m, x, v):
    return x[x > 0.2] ** 2


def read_mixed(m, x, v):
    return (x[:, None][..., m.tensor([0, 2])] * x[1, ::2]) ** 2


def write_through_a_view(m, x, v):
    y = x * 3
    y.t()[1:].mul_(2)
    y.view(-1)[::5].add_(v[:3])
    return y * y


def write_into_a_chunk(m, x, v):
    y = x * 3
    z = y.narrow(1, 1, 2)
    z.copy_(v[:2])
    return y * y


def write_through_as_strided(m, x, v):
    y = x * 3
    y.as_strided((2, 2), (4, 2), 1).mul_(v[0])
    return y * y


def write_through_diagonal(m, x, v):
    y = x * 3
    y.diagonal().copy_(v[:3])
    y.unfold(1, 2, 2)[0].zero_()
    return y * y


def rows(m, x, v):
    return sum((row * v[i] for i, row in enumerate(x)), v)


def reshaped_in_place(m, x, v):
    y = x * 3
    y.unsqueeze_(0)
    y.transpose_(1, 2)
    return (y * y).squeeze_(0) * v[:3]


PROGRAMS = [
    assign_row,
    assign_number,
    assign_broadcast,
    assign_array,
    assign_pairs,
    assign_mask,
    assign_mask_tensor,
    assign_zero_dim,
    accumulate,
    read_repeated,
    read_negative,
    read_mask,
    read_mixed,
    write_through_a_view,
    write_into_a_chunk,
    write_through_as_strided,
    write_through_diagonal,
    rows,
    reshaped_in_place,
]


def run(m, program):
    rng = np.random.default_rng(5)
    x = m.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    v = m.tensor(rng.standard_normal(4), requires_grad=True)
    out = program(m, x, v)
    out.sum().backward()
    return out, x.grad, v.grad


@pytest.mark.torch
@pytest.mark.parametrize("program", PROGRAMS, ids=[p.__name__ for p in PROGRAMS])
def test_results_and_gradients(program):
    for ours, theirs in zip(run(rl, program), run(torch, program)):
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_embedding_gradients_leave_the_padding_row_out_and_scale():
    table = rl.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    rl.embedding(table, rl.tensor([2, 0, 2, 1]), 0, True).sum().backward()
    assert table.grad.tolist() == [[0, 0, 0], [1, 1, 1], [1, 1, 1], [0, 0, 0]]


def test_a_leaf_is_not_written():
    x = rl.zeros(3, requires_grad=True)
    for write in (
        lambda: x.__setitem__(0, 1.0),
        lambda: x.__setitem__(rl.tensor([0]), 1.0),
        lambda: x.fill_(1),
        lambda: x.unsqueeze_(0),
    ):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    assert x.tolist() == [0, 0, 0] and x.shape == (3,)
