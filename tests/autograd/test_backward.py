"""backward() and grad(): accumulation, options, errors, the shape of the graph."""

import gc
import threading
import weakref

import pytest

import rushlight as rl
from rushlight import autograd


def leaf(*values):
    return rl.tensor(list(values), dtype=rl.float64, requires_grad=True)


def test_gradients_accumulate_in_leaves():
    x = leaf(1.0, 2.0, 3.0)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4, 6]
    (3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7, 9]
    assert not x.grad.requires_grad


def test_a_diamond_sums_both_ways():
    x = leaf(2.0)
    y = x * 3
    ((y * y) + y).sum().backward()
    assert x.grad.tolist() == [2 * 9 * 2 + 3]


def test_gradients_follow_broadcasts():
    x = rl.ones(3, 1, dtype=rl.float64, requires_grad=True)
    y = rl.ones(4, dtype=rl.float64, requires_grad=True)
    z = leaf(2.0).sum()
    ((x + y) * z).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.tolist() == [[8], [8], [8]]
    assert y.grad.tolist() == [6, 6, 6, 6]


def test_gradients_follow_dtypes():
    x = rl.ones(2, dtype=rl.float32, requires_grad=True)
    (x * rl.ones(2, dtype=rl.float64)).sum().backward()
    assert x.grad.dtype == rl.float32


def test_grad_leaves_dot_grad_alone():
    x, y = leaf(1.0, 2.0), leaf(5.0, 7.0)
    gx, gy = autograd.grad((x * y).sum(), (x, y))
    assert gx.tolist() == [5, 7] and gy.tolist() == [1, 2]
    assert x.grad is None and y.grad is None


def test_grad_of_a_result():
    x = leaf(1.0, 2.0)
    y = x * 2
    (gy,) = autograd.grad((y * y).sum(), y)
    assert gy.tolist() == [4, 8]


def test_grad_of_an_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        autograd.grad((x * 2).sum(), (x, y))
    assert autograd.grad((x * 2).sum(), (x, y), allow_unused=True)[1] is None
    assert autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)[1].tolist() == [0]


def test_backward_to_chosen_inputs():
    x, y = leaf(1.0), leaf(3.0)
    z = x * y
    z.sum().backward(inputs=[x])
    assert x.grad.tolist() == [3] and y.grad is None
    w = x * 2
    (w * w).sum().backward(inputs=w)
    assert w.grad.tolist() == [4]


def test_several_roots_and_given_gradients():
    x = leaf(1.0, 2.0)
    autograd.backward([x * x, x.sum()], [rl.tensor([1.0, 10.0], dtype=rl.float64), None])
    assert x.grad.tolist() == [3, 41]


def test_batched_gradients():
    x = leaf(1.0, 2.0)
    rows = rl.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=rl.float64)
    (jacobian,) = autograd.grad(x * x, x, rows, is_grads_batched=True)
    assert jacobian.tolist() == [[2, 0], [0, 4]]


def test_second_derivatives():
    x = leaf(2.0)
    (g,) = autograd.grad((x**4).sum(), x, create_graph=True)
    (h,) = autograd.grad(g.sum(), x, create_graph=True)
    (k,) = autograd.grad(h.sum(), x)
    assert g.tolist() == [32] and h.tolist() == [48] and k.tolist() == [48]


def test_create_graph_accumulates_with_history():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = autograd.grad(x.grad.sum(), x)
    assert g.tolist() == [18]
    x.grad = None                                          # or it and x keep each other alive


def test_a_recorded_gradient_keeps_its_leaf_until_it_is_none():
    before = rl._C.memory_statistics()["in_use"]
    for _ in range(20):
        x = leaf(3.0)
        (x**3).sum().backward(create_graph=True)
        x.grad = None
    del x
    assert rl._C.memory_statistics()["in_use"] <= before


def test_a_second_walk_needs_retain_graph():
    x = leaf(1.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    assert x.grad.tolist() == [4]


def test_what_backward_refuses():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match=r"shape \(3,\); expected \(2,\)"):
        (x * 2).backward(rl.ones(3, dtype=rl.float64))
    with pytest.raises(RuntimeError, match="does not require grad"):
        rl.ones(2).sum().backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        autograd.grad(x.sum(), rl.ones(2))
    with pytest.raises(ValueError, match="inputs"):
        autograd.grad(x.sum(), [])
    with pytest.raises(RuntimeError, match="2 tensors and 1 gradients"):
        autograd.backward([x.sum(), x.sum()], [None])
    with pytest.raises(TypeError, match="unexpected keyword"):
        x.sum().backward(keep=True)
    with pytest.raises(TypeError, match="gradient"):
        x.sum().backward(3)


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="floating"):
        rl.ones(2, dtype=rl.int64).requires_grad_()
    x = leaf(1.0)
    y = x * 2
    with pytest.raises(RuntimeError, match="detach"):
        y.requires_grad_(False)
    y.requires_grad_()
    assert not (x > 0).requires_grad
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None and y.grad_fn is not None
    d = y.detach()
    assert d.is_leaf and not d.requires_grad and d.data_ptr() == y.data_ptr()
    y.detach_()
    assert y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="view"):
        (x * 2)[0:1].detach_()


def test_assigning_grad():
    x = leaf(1.0, 2.0)
    x.grad = rl.ones(2, dtype=rl.float64)
    assert x.grad is x.grad
    del x.grad
    assert x.grad is None
    for wrong, error in (
        (rl.ones(3, dtype=rl.float64), RuntimeError),
        (rl.ones(2), RuntimeError),
        (3, TypeError),
    ):
        with pytest.raises(error, match="grad"):
            x.grad = wrong


def test_gradients_do_not_share_memory_with_each_other():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]
    z = leaf(1.0, 2.0)
    start = rl.ones(2, dtype=rl.float64)
    z.view(2).backward(start)
    z.grad.add_(5.0)
    assert start.tolist() == [1, 1]


def test_retained_gradients():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 8]
    z = x * 3
    z.retain_grad()
    z.mul_(2)
    z.sum().backward()
    assert z.grad.tolist() == [1, 1]


def test_nodes_tell_what_they_are():
    x = leaf(1.0)
    y = x * x
    z = y.sum()
    assert type(z.grad_fn).__name__ == "SumBackward0" and z.grad_fn.name() == "SumBackward0"
    ((node, number),) = z.grad_fn.next_functions
    assert node is y.grad_fn and number == 0
    sink = node.next_functions[0][0]
    assert type(sink).__name__ == "AccumulateGrad" and sink.variable is x
    assert repr(node).startswith("<MulBackward0 object at ")


def test_gradient_edges():
    x = leaf(1.0)
    y = x * x
    assert autograd.graph.get_gradient_edge(y) == (y.grad_fn, 0)
    edge = autograd.graph.get_gradient_edge(x)
    assert edge.node.variable is x and edge.output_nr == 0
    with pytest.raises(RuntimeError, match="does not require grad"):
        autograd.graph.get_gradient_edge(x.detach())


def test_a_deep_graph_needs_no_stack():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1]
    del y


def test_a_wide_graph():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.sum().backward()
    assert x.grad.tolist() == [2.0**60]


def test_graphs_are_freed():
    x = leaf(1.0, 2.0)
    y = x.exp()  # saves its own result
    z = (y * y).sum()
    dead = weakref.ref(y)
    z.backward()
    del y, z
    assert dead() is None
    before = rl._C.memory_statistics()["in_use"]
    for _ in range(50):
        h = (x * 2).exp()
        h.mul_(x.detach())
        h.sum()
        del h
    gc.collect()
    assert rl._C.memory_statistics()["in_use"] <= before


def test_a_tensor_changed_after_it_was_saved_is_freed():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    freed = []

    class Witness(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.witness = Freed()
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    class Freed:
        def __del__(self):
            freed.append(True)

    h = Witness.apply(x)
    h.add_(h * w)  # h's new history leads to the product that saved h
    del h
    assert freed == [True]
    h = Witness.apply(x)
    v = h[0:1]
    y = v * w[0:1]
    v.add_(y)
    y = h[1:2] * w[1:2]
    h[1:2].add_(y)
    v.sum()
    del h, v, y
    assert freed == [True, True]


def test_threads_walk_at_once():
    x = rl.ones(64, dtype=rl.float64, requires_grad=True)
    errors = []

    def work():
        try:
            for _ in range(40):
                y = x
                for _ in range(20):
                    y = y * 1.0 + x * 0.0
                y.sum().backward()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    assert x.grad.tolist() == [160.0] * 64


def test_threads_walk_one_graph():
    x = rl.ones(8, dtype=rl.float64, requires_grad=True)
    y = x
    for _ in range(100):
        y = y * 1.0
    loss = (y * y).sum()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(autograd.grad(loss, x, retain_graph=True)[0].tolist()))
        for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [[2.0] * 8] * 4


def test_recording_in_one_thread_does_not_touch_another():
    seen = []
    with rl.no_grad():
        t = threading.Thread(target=lambda: seen.append(rl.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


def test_an_error_in_a_hook_leaves_the_graph_whole():
    x = leaf(1.0, 2.0)
    y = x * x
    handle = y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    handle.remove()
    assert x.grad is None
    y.sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_walks_within_walks():
    x = leaf(2.0)
    inner = []

    def hook(grad):
        with rl.enable_grad():
            z = leaf(3.0)
            (z * z).sum().backward()
            inner.append(z.grad.tolist())
            (g,) = autograd.grad((x * x * x).sum(), x)
            inner.append(g.tolist())

    y = x * x
    y.register_hook(hook)
    y.sum().backward()
    assert inner == [[6], [12]] and x.grad.tolist() == [4]


def test_a_walk_through_the_graph_that_is_being_walked():
    x = leaf(2.0)
    y = x * x
    total, seen = y.sum(), []

    def hook(grad):
        if not seen:
            seen.append(None)
            seen.append(autograd.grad(total, x, retain_graph=True)[0].tolist())

    y.register_hook(hook)
    (y * 3).sum().backward()
    assert seen == [None, [4]] and x.grad.tolist() == [12]


def test_variable_is_a_tensor():
    v = autograd.Variable(rl.ones(2), requires_grad=True)
    assert v.requires_grad and isinstance(rl.ones(1), autograd.Variable)
