"""How an entry of PyTorch's operator database is called on Rushlight.

Most are functions under the entry's own name, or methods of a tensor. The rest stand here: entries whose arguments come
in another order than the function takes them, and what is no plain call.
"""
from tools.parity import stateful


def _methods(lib, names):
    return {name: (lambda x, *args, _name=name, **kwargs: getattr(x, _name)(*args, **kwargs)) for name in names}


def _attributes(names):
    return {name: (lambda x, _name=name: getattr(x, _name)) for name in names}


def _table(lib):
    F = lib.nn.functional
    return {
        **_methods(lib, "byte char short int long half float double bfloat16 bool chalf cfloat cdouble".split()),
        **_attributes(["T", "H", "mT", "mH"]),
        "cauchy": lambda x, *a, **k: x.cauchy_(*a, **k),
        "exponential": lambda x, *a, **k: x.exponential_(*a, **k),
        "geometric": lambda x, *a, **k: x.geometric_(*a, **k),
        "log_normal": lambda x, *a, **k: x.log_normal_(*a, **k),
        "normal_in_place": lambda x, *a, **k: x.normal_(*a, **k),
        "uniform": lambda x, *a, **k: x.uniform_(*a, **k),
        "einsum": lambda tensors, equation: lib.einsum(equation, tensors),
        "linalg_lstsq_grad_oriented": lambda a, b, driver: lib.linalg.lstsq(a, b, driver=driver)[:2],
        "linalg_pinv_singular": lambda a, b: lib.linalg.pinv(a @ b.mT),
        "nn_functional_embedding": lambda weight, idx, **k: F.embedding(idx, weight, **k),
        "nn_functional_embedding_bag": lambda weight, idx, **k: F.embedding_bag(idx, weight, **k),
        "normal_number_mean": lambda std, mean, *a, **k: lib.normal(mean, std, *a, **k),
        "pca_lowrank": lambda a, b, **k: lib.pca_lowrank(a @ b.mT, **k),
        "polygamma": lambda x, n, **k: lib.polygamma(n, x, **k),
        "resize_": lambda x, shape: x.clone().resize_(shape),
        "resize_as_": lambda x, other: x.clone().resize_as_(other),
        "special.polygamma": lambda x, n, **k: lib.special.polygamma(n, x, **k),
        "svd_lowrank": lambda a, b, **k: lib.svd_lowrank(a @ b.mT, **k),
        "where": lambda self, condition, other, **k: lib.where(condition, self, other, **k),
        "zero_": lambda x: x.clone().zero_(),
    }


#: What the entries of the table need to be there, where it is not their own name.
NEEDS = {
    "cauchy": "Tensor.cauchy_", "exponential": "Tensor.exponential_", "geometric": "Tensor.geometric_",
    "log_normal": "Tensor.log_normal_", "normal_in_place": "Tensor.normal_", "uniform": "Tensor.uniform_",
    "linalg_lstsq_grad_oriented": "linalg.lstsq", "linalg_pinv_singular": "linalg.pinv",
    "nn_functional_embedding": "nn.functional.embedding", "nn_functional_embedding_bag": "nn.functional.embedding_bag",
    "normal_number_mean": "normal",
}


def lookup(lib, path):
    """The object at a dotted path, or None."""
    found = lib
    for part in path.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


def find(lib, name, formatted):
    """What to call with a sample's arguments, or None where Rushlight lacks the operator."""
    run = stateful.find(lib, name)
    if run is not None:
        return run or None
    table = _table(lib)
    for key in (formatted, name):
        if key in table:
            there = any(lookup(lib, p) is not None for p in (NEEDS.get(key, name), "Tensor." + NEEDS.get(key, name)))
            return table[key] if there else None
    function = lookup(lib, name)
    if function is not None and callable(function):
        return function
    if "." not in name and hasattr(lib.Tensor, name):
        return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)
    return None
