"""Memory that is resized, freed or rearranged while a tensor, another library or another thread looks at it."""

import threading

import numpy as np
import pytest

import rushlight as rl


def channels_last():
    """A result that lies as (N, H, W, C) inside, the same each time."""
    rl.manual_seed(3)
    return rl.nn.functional.conv2d(rl.randn(4, 64, 56, 56), rl.randn(64, 64, 3, 3), padding=1)


@pytest.mark.parametrize("n", [0, 3, 1000])
def test_a_smaller_result_into_a_convolutions_memory(n):
    out = channels_last()
    rl.add(rl.ones(n), rl.ones(n), out=out)
    assert out.tolist() == [2.0] * n


def test_a_larger_result_into_a_convolutions_memory():
    out = channels_last()
    values = rl.randn(2 * out.numel())
    rl.add(values, 0, out=out)
    np.testing.assert_array_equal(out.numpy(), values.numpy())


@pytest.mark.parametrize("keep", [0, 16, 4096])
def test_a_convolutions_storage_shrinks(keep):
    first = channels_last().flatten()[: keep // 4].tolist()
    storage = channels_last().untyped_storage()
    storage.resize_(keep)
    assert storage.nbytes() == keep
    assert np.frombuffer(bytes(memoryview(storage)), np.float32).tolist() == first


def test_memory_that_numpy_sees_stays_where_it_is():
    t = rl.ones(1000)
    array = t.numpy()
    with pytest.raises(RuntimeError, match="shares its memory with another library and can't grow"):
        t.resize_(10**6)
    with pytest.raises(RuntimeError, match="can't grow"):
        rl.add(rl.ones(2000), rl.ones(2000), out=t[:0])
    with pytest.raises(RuntimeError, match="shared with another library"):
        t.untyped_storage().resize_(10**6)
    assert t.shape == (1000,)
    np.testing.assert_array_equal(array, 1)
    t.resize_(10)                                       # what needs no other memory may happen
    del array
    assert t.resize_(10**6).shape == (10**6,)


def test_memory_that_dlpack_sees_stays_where_it_is():
    t = rl.ones(1000)
    array = np.from_dlpack(t)
    with pytest.raises(RuntimeError, match="can't grow"):
        t.resize_(10**6)
    np.testing.assert_array_equal(array, 1)


def test_an_empty_view_as_out_leaves_the_others_their_memory():
    base = rl.arange(1000.0)
    out = base[:0]
    rl.add(rl.ones(2), rl.ones(2), out=out)
    assert out.tolist() == [2, 2]
    assert base.untyped_storage().nbytes() == 4000
    np.testing.assert_array_equal(base.numpy()[2:], np.arange(2, 1000))


def test_an_error_leaves_out_as_it_was():
    x = rl.ones(3, requires_grad=True)
    out = rl.zeros(5)
    with pytest.raises(RuntimeError, match="out= can't be differentiated"):
        rl.add(x, x, out=out)
    assert out.tolist() == [0] * 5


@pytest.mark.parametrize("versioned", [False, True])
def test_a_capsule_keeps_shape_and_memory(versioned):
    version = {"max_version": (1, 0)} if versioned else {}
    t = rl.arange(6.0).reshape(2, 3)
    capsule = t.__dlpack__(**version)
    t.unsqueeze_(0)
    assert rl.from_dlpack(capsule).shape == (2, 3)
    capsule = t.__dlpack__(**version)
    t.data = rl.zeros(3)
    other = rl.from_dlpack(capsule)
    assert other.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    del other, capsule
    t.resize_(10**5).fill_(1)                           # nobody shares the new memory
    assert t.sum().item() == 10**5


def test_a_list_that_another_thread_empties():
    """The kernel runs without the interpreter's lock: the tensors must live until it is done."""
    n = 1 << 20
    for _ in range(20):
        parts = [rl.full((n,), float(i)) for i in range(8)]
        started = threading.Event()

        def empty(parts=parts, started=started):
            started.wait()
            parts.clear()
            for _ in range(8):
                rl.full((n,), -1.0)

        thread = threading.Thread(target=empty)
        thread.start()
        started.set()
        try:
            whole = rl.cat(parts)
        except (RuntimeError, ValueError):              # the list was empty already
            continue
        finally:
            thread.join()
        assert whole.reshape(-1, n).amin(1).tolist() == [float(i) for i in range(whole.numel() // n)]


def test_as_tensor_takes_no_requires_grad():
    with pytest.raises(TypeError, match="requires_grad"):
        rl.as_tensor([1.0], requires_grad=True)
