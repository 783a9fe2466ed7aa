"""Modules and optimizers as plain calls: a setup goes in, everything that the run leaves behind comes out.

Both sides run these functions, each with its own library, so nothing here may differ between the two.
"""
import copy
import itertools
import warnings

#: Factors and targets of the optimizers' loss run through these, so that no two elements of a parameter move alike.
_FACTORS, _TARGETS = (0.7, 1.3), (-1.0, 1.5)


def find(lib, name):
    """What runs the entry `name` of PyTorch's module or optimizer database, or None where it is no such entry."""
    room, _, last = name.partition(".")
    if room not in ("nn", "optim") or not last[:1].isupper():
        return None
    made = getattr(getattr(lib, room), last, None)
    return False if made is None else (_module if room == "nn" else _optimizer)(lib, made)


def _module(lib, made):
    """Calls with {make: (arguments, options), state: tensors by name or None, training} and forward's arguments."""
    def run(setup, *args, **kwargs):
        options = dict(setup["make"][1])
        if options.get("inplace"):  # what is written to may be no leaf
            args, kwargs = _copies(lib, args), dict(zip(kwargs, _copies(lib, kwargs.values())))
        module = made(*setup["make"][0], **options).train(setup["training"])
        if setup["state"] is None:
            return module(*args, **kwargs)
        if made.__name__.startswith("Lazy"):
            module.to(next(v.dtype for v in setup["state"].values() if v.dtype.is_floating_point))
            with lib.no_grad():
                module(*args, **kwargs)
        state = {k: v if v.requires_grad else v.clone() for k, v in setup["state"].items()}
        module.load_state_dict({k: v.detach() for k, v in state.items()})
        result = lib.func.functional_call(module, state, args, kwargs)
        kept = module.state_dict()
        return result, [v for v in state.values() if not v.requires_grad], \
            tuple((k, tuple(v.shape)) for k, v in kept.items())

    run.made = made
    return run


def _copies(lib, values):
    made = {}
    return [made.setdefault(id(v), v.clone()) if isinstance(v, lib.Tensor) else v for v in values]


def _optimizer(lib, made):
    """Calls with {params, options, groups, steps, resume: a state dict or None}; gives parameters and state dict."""
    def run(setup):
        with warnings.catch_warnings(), lib.enable_grad():
            if setup.get("strict"):
                warnings.simplefilter("error", UserWarning)
            return _steps(lib, made, setup)

    run.made = made
    return run


def _steps(lib, made, setup):
    differentiable = setup["options"].get("differentiable")
    given = setup["params"]
    if isinstance(given, (list, tuple)) and all(isinstance(p, lib.Tensor) for p in given) and not setup.get("strict"):
        given = [p.clone() if differentiable else p.detach().clone().requires_grad_() for p in given]
    groups = [{"params": [p], **more} for p, more in zip(given, setup["groups"])] if setup["groups"] else given
    optimizer = made(groups, **setup["options"])
    if setup["resume"] is not None:
        optimizer.load_state_dict(copy.deepcopy(setup["resume"]))
    params = [p for group in optimizer.param_groups for p in group["params"]]

    def closure():
        with lib.enable_grad():
            loss = _loss(lib, params)
            wanted = all(p.requires_grad for p in params)
            grads = lib.autograd.grad(loss, params) if wanted else map(lib.ones_like, params)
        for p, g in zip(params, grads):
            p.grad = g
        return loss.detach()

    for _ in range(setup["steps"]):
        closure()
        optimizer.step(closure)
    state = optimizer.state_dict()
    if made.__name__ == "LBFGS":   # how a search keeps its place, numbers or tensors, is its own affair
        state["state"] = {k: sorted(v) for k, v in state["state"].items()}
    return params if differentiable else [p.detach() for p in params], tuple(_flat("", state))


def _loss(lib, params):
    total = middle = 0
    for p in params:
        factors, targets = (lib.linspace(*ends, p.numel(), dtype=lib.float64).reshape(p.shape).to(p.dtype)
                            for ends in (_FACTORS, _TARGETS))
        total = total + (p * factors - targets).abs().square().sum()
        middle = middle + p.mean()
    return total + middle.abs().square()


def _flat(path, tree):
    """(path, value) of every leaf of a state dict."""
    if isinstance(tree, dict):
        return itertools.chain.from_iterable(_flat(f"{path}.{k}", tree[k]) for k in sorted(tree, key=str))
    if isinstance(tree, (list, tuple)):
        return itertools.chain.from_iterable(_flat(f"{path}.{k}", v) for k, v in enumerate(tree))
    return [(path, tree)]
