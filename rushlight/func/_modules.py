"""Modules as functions of their parameters."""
from rushlight.functional._core import core
from rushlight.nn.modules.batchnorm import BatchNorm1d
from rushlight.nn.utils.stateless import functional_call as _call


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls a module with other parameters and buffers, which it has for this call only.

    Args:
        module (Module): to call.
        parameter_and_buffer_dicts (dict or tuple of dicts): tensors by name, as `named_parameters` names them.
        args (tuple or object): its arguments; anything else than a tuple is the only one.
        kwargs (dict): its keyword arguments.
        tie_weights (bool): what replaces one of several tied parameters replaces all. Default: True.
        strict (bool): require every name, and no others. Default: False.

    Raises:
        ValueError: two dicts hold the same name.
        RuntimeError: what strict forbids, or tied parameters that differ.

    Example:
        >>> layer = rushlight.nn.Linear(2, 1)
        >>> weights = {"weight": rushlight.ones(1, 2), "bias": rushlight.zeros(1)}
        >>> rushlight.func.functional_call(layer, weights, rushlight.ones(2))
        tensor([2.])
    """
    dicts = parameter_and_buffer_dicts
    if isinstance(dicts, dict):
        dicts = (dicts,)
    if not isinstance(dicts, list | tuple) or not all(isinstance(one, dict) for one in dicts):
        raise ValueError(
            f"functional_call: parameter_and_buffer_dicts is of type {type(parameter_and_buffer_dicts).__name__}; "
            "expected a dict or a sequence of dicts"
        )
    merged = {}
    for one in dicts:
        if twice := sorted(merged.keys() & one.keys()):
            raise ValueError(f"functional_call: several dicts hold {twice}; expected each name once")
        merged |= one
    return _call(module, merged, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models):
    """The parameters and buffers of modules of one class, each stacked along a first dimension.

    Args:
        models (list of Module): of the same class, all training or all not.

    Returns:
        (parameters, buffers), dicts by name; the parameters are leaves that require grad as the modules' do.

    Raises:
        RuntimeError: no modules, or different ones.

    Example:
        >>> parameters, buffers = rushlight.func.stack_module_state([rushlight.nn.Linear(2, 1) for _ in range(3)])
        >>> parameters["weight"].shape
        rushlight.Size([3, 1, 2])
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: models is empty; expected at least one")
    if len({type(m) for m in models}) != 1:
        raise RuntimeError("stack_module_state: models of different classes; expected the same class")
    if len({m.training for m in models}) != 1:
        raise RuntimeError("stack_module_state: some models train and some do not; expected the same mode")

    def stacked(tables):
        return {name: [table[name] for table in tables] for name in tables[0]}

    parameters = {}
    for name, values in stacked([dict(m.named_parameters()) for m in models]).items():
        if len({v.requires_grad for v in values}) != 1:
            raise RuntimeError(f"stack_module_state: {name} requires grad in some models; expected the same in all")
        parameters[name] = core.stack(values).detach().requires_grad_(values[0].requires_grad)
    buffers = stacked([dict(m.named_buffers()) for m in models])
    return parameters, {name: core.stack(values) for name, values in buffers.items()}


def replace_all_batch_norm_modules_(root):
    """Takes the running statistics from all batch norms of a module: they change in place, which samples must not.

    Args:
        root (Module): changed, and returned.

    Example:
        >>> net = rushlight.func.replace_all_batch_norm_modules_(rushlight.nn.Sequential(rushlight.nn.BatchNorm1d(2)))
        >>> net[0].running_mean is None
        True
    """
    base = next(c for c in BatchNorm1d.__mro__ if c.__name__ == "_BatchNorm")
    for module in root.modules():
        if isinstance(module, base):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
