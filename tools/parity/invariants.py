"""Results that are only fixed up to a choice: what both sides compare instead.

Eigenvectors may be scaled, permuted bases are as good: each function turns a result into what every right answer
shares. It runs on PyTorch's result when exporting and on Rushlight's when replaying, in methods that both have.
"""


def _svd(result, full=True):
    u, s, v = result
    k = s.shape[-1]
    return s, (u[..., :k] * s.unsqueeze(-2)) @ v[..., :k, :], tuple(u.shape), tuple(v.shape)


def _old_svd(result):
    u, s, v = result
    k = s.shape[-1]
    return s, (u[..., :k] * s.unsqueeze(-2)) @ v[..., :k].mH, tuple(u.shape), tuple(v.shape)


def _eigh(result):
    values, vectors = result
    return values, (vectors * values.unsqueeze(-2)) @ vectors.mH


def _eig(result):
    values, vectors = result
    return values.sum(-1), (values * values).sum(-1), vectors.abs().square().sum(-2)


def _eigvals(values):
    return values.sum(-1), (values * values).sum(-1), tuple(values.shape)


def _low_rank(result):
    u, s, v = result
    return tuple(u.shape), tuple(s.shape), tuple(v.shape)


INVARIANTS = {
    "linalg.svd": _svd, "svd": _old_svd, "linalg.eigh": _eigh, "linalg.eig": _eig, "linalg.eigvals": _eigvals,
    "svd_lowrank": _low_rank, "pca_lowrank": _low_rank,
}
