"""An optimizer that steps other parameters than its own for a while."""
import contextlib
from collections import defaultdict

from rushlight.functional._core import Tensor

__all__ = ["swap_in_optimizer_params_and_state"]


def _require(fits, text):
    if not fits:
        raise RuntimeError(f"swap_in_optimizer_params_and_state: {text}")


def _check(optimizer, parameters, given):
    """The state by number and the groups of the state dict, found to fit the optimizer."""
    _require(optimizer.state, "the optimizer has no state; expected one that has stepped")
    _require(isinstance(given, dict), f"swapin_optim_state is a {type(given).__name__}; expected a state dict")
    state, groups = given.get("state"), given.get("param_groups")
    _require(isinstance(state, dict) and not any(isinstance(key, Tensor) for key in state),
             "swapin_optim_state['state'] must be a dict by the parameters' numbers")
    _require(all(isinstance(values, dict) for key, values in state.items() if isinstance(key, int)),
             "swapin_optim_state['state'] must hold a dict for each parameter")
    _require(isinstance(groups, list) and len(groups) == len(optimizer.param_groups),
             "swapin_optim_state['param_groups'] must be a list of as many groups as the optimizer has")
    numbers = []
    for i, (own, group) in enumerate(zip(optimizer.param_groups, groups)):
        _require(isinstance(group, dict) and isinstance(group.get("params"), list)
                 and all(isinstance(number, int) for number in group["params"]),
                 f"group {i} of swapin_optim_state must be a dict with the numbers of its parameters")
        _require(len(group["params"]) == len(own["params"]),
                 f"group {i} has {len(group['params'])} parameters; expected {len(own['params'])}")
        _require(group.keys() == own.keys(),
                 f"group {i} has the options {sorted(group)}; expected {sorted(own)}")
        numbers += group["params"]
    _require(len(parameters) >= len(numbers),
             f"swapin_parameters has {len(parameters)} tensors; expected {len(numbers)}")
    unknown = [key for key in state if key not in numbers]
    _require(not unknown, f"swapin_optim_state['state'] has the keys {unknown}, which no group has")
    return state, groups


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(optimizer, swapin_parameters, swapin_optim_state):
    """Within this context an optimizer has other parameters, state and options; its own come back unchanged.

    The tensors given are changed in place by a step; other changes of the dicts are forgotten.

    Args:
        optimizer (Optimizer): one that has stepped.
        swapin_parameters (dict): tensors in the order of the optimizer's parameters.
        swapin_optim_state (dict): as `Optimizer.state_dict` returns it.

    Raises:
        RuntimeError: numbers of groups or parameters, or names of options, differ.

    Example:
        >>> import rushlight as rl
        >>> p, other = rl.nn.Parameter(rl.ones(1)), rl.nn.Parameter(rl.zeros(1))
        >>> optimizer = rl.optim.SGD([p], lr=0.5, momentum=0.9)
        >>> p.grad = other.grad = rl.ones(1)
        >>> optimizer.step()
        >>> with rl.optim.swap_in_optimizer_params_and_state(optimizer, {"p": other}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> p.item(), round(other.item(), 2)
        (0.5, -0.95)
    """
    parameters = list(swapin_parameters.values())
    state, groups = _check(optimizer, parameters, swapin_optim_state)
    kept, kept_groups = optimizer.state, [dict(group) for group in optimizer.param_groups]
    try:
        swapped, start = defaultdict(dict), 0
        for own, group in zip(optimizer.param_groups, groups):
            chosen = parameters[start : start + len(group["params"])]
            start += len(chosen)
            own.update(group, params=chosen)
            swapped.update((param, dict(state.get(number, {}))) for param, number in zip(chosen, group["params"]))
        optimizer.state = swapped
        yield
    finally:
        for own, before in zip(optimizer.param_groups, kept_groups):
            own.clear()
            own.update(before)
        optimizer.state = kept
