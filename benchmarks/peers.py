"""The peers: how each is imported, and what NumPy and JAX offer under PyTorch's names.

NumPy and JAX get the few functions that mean the same in both vocabularies; what they lack is an AttributeError, which
the table shows as such.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from benchmarks import deploy, jitted

THREADS = 2
SEED = 0


@dataclass
class Peer:
    """`xp` is what cases program against; `finish` waits until a result is there."""

    xp: Any
    version: str
    finish: Callable[[Any], Any] | None = None
    deploy: Callable | None = None  # makes what is timed of a model and its inputs
    train: Callable | None = None  # makes what is timed of a training
    networks: Any = None  # where its networks are made, if not in `xp`
    comparable: bool = False  # the same seed gives the same inputs as PyTorch, so results can be compared


def installed(name: str) -> bool:
    return importlib.util.find_spec(name.partition(":")[0]) is not None


def limit_threads(environment: dict[str, str]) -> dict[str, str]:
    """The environment in which a peer starts: every library's thread count said beforehand."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    flags = {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={THREADS}"}
    return environment | dict.fromkeys(names, str(THREADS)) | (flags if os.cpu_count() != THREADS else {})


def torch_like(module, how: Callable, train: Callable | None) -> Peer:
    module.set_num_threads(THREADS)
    module.manual_seed(SEED)
    return Peer(module, module.__version__, deploy=how(module), train=train, comparable=True)


def rushlight(how: Callable = deploy.frozen, trains: Callable | None = deploy.captured) -> Peer:
    import rushlight as module

    return torch_like(module, how, trains and trains(module))


def torch(how: Callable = deploy.eager, trains: Callable | None = lambda module: deploy.written) -> Peer:
    import torch as module

    return torch_like(module, how, trains and trains(module))


def runtime(name: str, how: Callable) -> Peer:
    """A peer that only runs networks: PyTorch makes and exports them."""
    peer = torch(lambda module: how(THREADS), None)
    return Peer(peer.xp, importlib.import_module(name).__version__, deploy=peer.deploy, comparable=True)


class ArrayNamespace(SimpleNamespace):
    """PyTorch's names for what an array library has too."""

    def __init__(self, name: str, np, asarray: Callable, **more):
        import numpy

        generator = numpy.random.default_rng(SEED)

        def randn(*shape, requires_grad=False):
            if requires_grad:
                raise TypeError(f"{name} arrays record no gradients")
            return asarray(generator.standard_normal(shape, dtype=numpy.float32))

        super().__init__(
            __name__=name,
            randn=randn,
            randint=lambda low, high, shape: asarray(generator.integers(low, high, shape)),
            matmul=np.matmul,
            cat=np.concatenate,
            exp=np.exp,
            tanh=np.tanh,
            sort=np.sort,
            relu=lambda x: np.maximum(x, 0),
            view_as_complex=lambda pairs: pairs[..., 0] + 1j * pairs[..., 1],
            fft=np.fft,
            **more,
        )

    def __getattr__(self, wanted):
        raise AttributeError(f"{self.__name__} has no `{wanted}` like PyTorch's")


def numpy() -> Peer:
    import numpy as np

    return Peer(ArrayNamespace("numpy", np, lambda array: array), np.__version__)


def jax() -> Peer:
    """Its networks begin with the weights of Rushlight's."""
    import jax
    import jax.numpy as jnp

    import rushlight as networks

    functional = SimpleNamespace(gelu=lambda x: jax.nn.gelu(x, approximate=False))
    xp = ArrayNamespace("jax", jnp, jnp.asarray, softmax=jax.nn.softmax, nn=SimpleNamespace(functional=functional),
                        sqrt=jnp.sqrt, rsqrt=jax.lax.rsqrt, where=jnp.where, abs=jnp.abs, sigmoid=jax.nn.sigmoid,
                        mean=lambda x, dim, keepdim: jnp.mean(x, dim, keepdims=keepdim), chunk=jnp.split, jit=jax.jit)
    return Peer(xp, jax.__version__, jax.block_until_ready, train=jitted.train(jax), networks=networks)


# Whoever is only another way to run networks has a colon in the name, or is a runtime, and takes part in the groups
# "inference" and, if it trains, "captured" alone.
PEERS: dict[str, Callable[[], Peer]] = {
    "rushlight": rushlight, "torch": torch, "numpy": numpy, "jax": jax,
    "rushlight:eager": lambda: rushlight(deploy.eager, lambda module: deploy.written),
    "torch:jit": lambda: torch(deploy.frozen, deploy.traced),
    "torch:compile": lambda: torch(deploy.compiled, deploy.inductor),
    "rushlight:int8": lambda: rushlight(deploy.integers, None), "torch:int8": lambda: torch(deploy.integers, None),
    "onnxruntime": lambda: runtime("onnxruntime", deploy.onnxruntime),
    "openvino": lambda: runtime("openvino", deploy.openvino),
}  # fmt: skip
