"""Linear algebra: one matrix of each size, and a batch of small ones."""

from benchmarks.case import add

GROUP = "linear algebra"
SIZES = (4, 64, 512)


def general(xp, *shape):
    return xp.randn(*shape) + shape[-1] * xp.eye(shape[-1])


def positive(xp, *shape):
    x = xp.randn(*shape)
    return xp.matmul(x, x.transpose(-1, -2)) + shape[-1] * xp.eye(shape[-1])


def symmetric(xp, *shape):
    x = xp.randn(*shape)
    return x + x.transpose(-1, -2)


ROWS = {
    "inv": (general, "xp.linalg.inv(a)"),
    "solve": (general, "xp.linalg.solve(a, b)"),
    "svd": (general, "xp.linalg.svd(a, False)[1]"),
    "eigh": (symmetric, "xp.linalg.eigh(a)[0]"),
    "cholesky": (positive, "xp.linalg.cholesky(a)"),
    "qr": (general, "xp.linalg.qr(a)"),
}


def build(xp, name, shape):
    make, call = ROWS[name]
    return call, {"xp": xp, "a": make(xp, *shape), "b": xp.randn(*shape[:-1], 8)}


for name in ROWS:
    for size in SIZES:
        add(f"{name} {size}", build, group=GROUP, quick=size == 64, options={"name": name, "shape": (size, size)})
    add(f"{name} 1000 of 8", build, group=GROUP, options={"name": name, "shape": (1000, 8, 8)})
