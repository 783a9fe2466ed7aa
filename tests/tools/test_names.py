"""Every name of PyTorch that programs were met to use is there, or the page of what is out of scope names it."""
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import rushlight as rl
from rushlight._outside import FUNCTIONS, METHODS
from rushlight.nn import functional as F

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/out-of-scope.md").read_text()
SECTIONS = {(module, whose): names.split() for module, whose, names in re.findall(
    r"^\[torch\.?([\w.]*)\] (\w+) programs?\n(.*?)(?:\n\n|\Z)", (Path(__file__).parent / "torch_names.txt").read_text(),
    re.MULTILINE | re.DOTALL)}


def owner_of(module):
    if module in ("", "Tensor"):
        return rl.Tensor if module else rl
    return importlib.import_module(f"rushlight.{module}")


def missing(module, names):
    owner = owner_of(module)

    def there(name):
        found = owner
        for part in name.split("."):
            found = inspect.getattr_static(found, part, None) if module == "Tensor" else getattr(found, part, None)
        return found is not None

    said = [name for name in names if f"`{module}.{name.partition('.')[0]}`" in PAGE]
    return [name for name in names if name not in said and not there(name)]


@pytest.mark.parametrize("module, whose", SECTIONS)
def test_names(module, whose):
    assert not missing(module, SECTIONS[module, whose])


def test_the_list_was_read():
    assert len(SECTIONS["", "several"]) == 133 and len(SECTIONS["Tensor", "several"]) == 129
    assert missing("", ["cat", "catt", "Generator.manual_seedling"]) == ["catt", "Generator.manual_seedling"]


def test_few_of_them_refuse():
    refuse = {name for (module, whose), names in SECTIONS.items()
              for name in names if whose == "several" and name in {"": FUNCTIONS, "Tensor": METHODS}.get(module, ())}
    assert refuse == {"float8_e4m3fn", "float8_e5m2", "sparse_coo_tensor", "to_sparse"}


X = np.arange(-6.0, 6.0).reshape(3, 4)
Y = np.cos(X)
CALLS = {
    "is_tensor": (lambda: (rl.is_tensor(rl.ones(1)), rl.is_tensor(X)), (True, False)),
    "expand_as": (lambda: rl.tensor(X[:1]).expand_as(rl.tensor(X)), np.broadcast_to(X[:1], X.shape)),
    "nelement": (lambda: rl.tensor(X).nelement(), 12),
    "spmm": (lambda: rl.spmm(rl.tensor(X), rl.tensor(Y.T)), X @ Y.T),
    "__format__": (lambda: f"{rl.tensor(1.25):.1f} {rl.tensor(7):3d}", "1.2   7"),
    "__rtruediv__": (lambda: 3 / rl.tensor(Y), 3 / Y),
    "__rdiv__": (lambda: rl.tensor(Y).__rdiv__(3), 3 / Y),
    "__invert__": (lambda: ~rl.tensor([0, 5, -3]), [-1, -6, 2]),
    "__and__": (lambda: rl.tensor([6, 5]) & 3, [2, 1]),
    "__or__": (lambda: rl.tensor([6, 5]) | rl.tensor([1, 2]), [7, 7]),
    "__int__": (lambda: (int(rl.tensor(-2.7)), bool(rl.tensor(0.5))), (-2, True)),
    "__pow__": (lambda: rl.tensor(X) ** 3, X**3),
    "LongTensor": (lambda: rl.LongTensor([2, 3]), np.array([2, 3])),
    "BoolTensor": (lambda: rl.BoolTensor([2, 0]), np.array([True, False])),
    "FloatTensor": (lambda: rl.FloatTensor(2, 3).shape, (2, 3)),
    "smooth_l1_loss": (lambda: F.smooth_l1_loss(rl.tensor(X), rl.tensor(Y)),
                       np.where(abs(X - Y) < 1, 0.5 * (X - Y) ** 2, abs(X - Y) - 0.5).mean()),
    "binary_cross_entropy": (lambda: F.binary_cross_entropy(rl.tensor(Y**2 / 2), rl.tensor((X > 0) * 1.0)),
                             -np.where(X > 0, np.log(Y**2 / 2), np.log1p(-(Y**2) / 2)).mean()),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_they_mean(name):
    call, want = CALLS[name]
    got = call()
    if isinstance(got, rl.Tensor):
        got, want = got.numpy(), np.asarray(want)
        assert got.dtype == want.dtype and got.shape == want.shape
        assert_allclose(got, want, rtol=1e-12)
    else:
        assert got == want


def test_conv3d():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 4, 5, 6)), rng.standard_normal((4, 3, 2, 3, 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3, 2), axis=(2, 3, 4))
    got = rl.conv3d(rl.tensor(x), rl.tensor(w), rl.tensor(w[:, 0, 0, 0, 0]))
    want = np.einsum("ncxyzijk,ocijk->noxyz", windows, w) + w[:, 0, 0, 0, 0][:, None, None, None]
    assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-10)


def test_default_dtype_and_device():
    assert rl.get_default_dtype() == rl.float32 and rl.get_default_device() == rl.device("cpu")


def test_compile_disabled_gives_back_what_it_is_given():
    def double(x):
        return x * 2

    assert rl.compile(double, disable=True) is double and rl.compile(disable=True)(double) is double
    with pytest.raises(TypeError, match=r"^compile: model=3 is a int; expected a function or a module"):
        rl.compile(3)


def test_fork_rng():
    rl.manual_seed(3)
    plain = rl.rand(4)
    rl.manual_seed(3)
    with rl.random.fork_rng():
        inside = rl.rand(2)
    after = rl.rand(4)
    assert_array_equal(after.numpy(), plain.numpy())
    assert_array_equal(inside.numpy(), plain[:2].numpy())
    with rl.random.fork_rng(enabled=False):
        rl.rand(1)
    assert not rl.equal(rl.rand(4), plain)
    with (pytest.raises(RuntimeError, match="fork_rng: devices has 0, which is not available"),
          rl.random.fork_rng(devices=[0])):
        pass


def test_a_told_change_is_noticed():
    x = rl.ones(2, requires_grad=True)
    y = (x * x).sum()
    with rl.no_grad():
        rl.autograd.graph.increment_version([x])
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()
    with pytest.raises(TypeError, match="increment_version: tensor holds a int"):
        rl.autograd.graph.increment_version([1])


def test_refused_hooks():
    graph = rl.autograd.graph
    with (graph.disable_saved_tensors_hooks("outer"), graph.disable_saved_tensors_hooks("inner"),
          pytest.raises(RuntimeError, match=r"^inner$"), graph.save_on_cpu()):
        pass
    with graph.save_on_cpu():
        rl.ones(2, requires_grad=True).exp().sum().backward()
