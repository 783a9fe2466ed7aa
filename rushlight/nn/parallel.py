"""Names of PyTorch's parallel execution over several GPUs; with the CPU alone they run the module itself."""
from rushlight.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Runs a module on parts of the batch, one for each GPU: with none, on the whole batch, as PyTorch does.

    State dicts have "module." before every name, so that files of models trained so fit.

    Args:
        module (Module): the module.
        device_ids, output_device, dim: accepted; there are no devices to share the batch.

    Example:
        >>> import rushlight as rl
        >>> list(rl.nn.DataParallel(rl.nn.Linear(1, 1)).state_dict())
        ['module.weight', 'module.bias']
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module, self.device_ids, self.output_device, self.dim = module, [], output_device, dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """Call a module on the whole batch: there are no devices to share it.

    Args:
        module (Module): the module.
        inputs (tuple or object): its arguments; anything else than a tuple is the only one.
        device_ids, output_device, dim: accepted; they have no effect.
        module_kwargs (dict, optional): its keyword arguments.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.parallel.data_parallel(rl.nn.ReLU(), rl.tensor([-1.0, 1.0]))
        tensor([0., 1.])
    """
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))
