"""Statistics of what layers put out while a model runs."""
from rushlight.autograd.grad_mode import no_grad
from rushlight.utils._optional import drawn, pyplot
from rushlight.utils.inspect.table import tensors_in


class ActivationStats:
    """Records mean, standard deviation, extremes and the share of zeros of layers' outputs, call by call.

    Forward hooks do it; they are there from the construction to `remove()`, or to the end of a `with` block.

    Args:
        model (Module): the model.
        layers (list of str, optional): names of its modules to watch. Default: those without modules inside.
        every (int): record one in so many calls. Default: 1.

    Attributes: `stats`: for each name a dict of lists, `mean`, `std`, `min`, `max`, `zeros` (share of elements that are
    exactly 0: units that are dead behind a ReLU), one entry per recorded call.

    Raises:
        ValueError: the model has no module of such a name, or `every` is below 1.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.ReLU())
        >>> with rl.utils.inspect.ActivationStats(model, ["1"]) as watched, rl.no_grad():
        ...     model[0].weight.fill_(1); model[0].bias.fill_(0)
        ...     y = model(rl.tensor([[1.0, 2.0], [-4.0, 1.0]]))
        Parameter containing:
        ...
        >>> watched.stats["1"]["mean"], watched.stats["1"]["zeros"]
        ([1.5], [0.5])
    """

    def __init__(self, model, layers=None, every=1):
        if every < 1:
            raise ValueError(f"ActivationStats: every={every}; expected at least 1")
        modules = dict(model.named_modules())
        if layers is None:
            layers = [name for name, module in modules.items() if next(module.children(), None) is None]
        unknown = [name for name in layers if name not in modules]
        if unknown:
            raise ValueError(f"ActivationStats: layers names {unknown[0]!r}, which the model does not have; expected "
                             f"names such as {', '.join(repr(name) for name in list(modules)[1:4])}")
        self.every, self._calls = every, dict.fromkeys(layers, 0)
        self.stats = {name: {key: [] for key in ("mean", "std", "min", "max", "zeros")} for name in layers}
        self._handles = [modules[name].register_forward_hook(
            lambda module, args, output, name=name: self._note(name, output)) for name in layers]

    def _note(self, name, output):
        self._calls[name] += 1
        found = tensors_in(output)
        if (self._calls[name] - 1) % self.every or not found or found[0].numel() == 0:
            return
        with no_grad():
            values = found[0].detach()
            values = values if values.is_floating_point() else values.float()
            lists = self.stats[name]
            lists["mean"].append(values.mean().item())
            lists["std"].append(values.std(correction=0).item())
            lists["min"].append(values.min().item())
            lists["max"].append(values.max().item())
            lists["zeros"].append((values == 0).float().mean().item())

    def remove(self):
        """Takes the hooks away; what was recorded stays."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()

    def table(self):
        """The latest statistics of each layer, as text."""
        keys = ("mean", "std", "min", "max", "zeros")
        width = max([len(name) for name in self.stats] + [5])
        lines = ["  ".join(["layer".ljust(width), *[key.rjust(10) for key in keys]])]
        for name, lists in self.stats.items():
            numbers = [f"{lists[key][-1]:10.4f}" if lists[key] else "--".rjust(10) for key in keys]
            lines.append("  ".join([name.ljust(width), *numbers]))
        return "\n".join(lines)

    def plot(self, path=None):
        """Draws mean, standard deviation and share of zeros of each layer, call by call.

        Args:
            path (str, optional): where to save the picture.

        Returns:
            matplotlib's figure.

        Raises:
            ImportError: matplotlib is not installed.
        """
        figure, axes = pyplot("ActivationStats.plot").subplots(1, 3, figsize=(13, 3.6), layout="constrained")
        for axis, key in zip(axes, ("mean", "std", "zeros")):
            for name, lists in self.stats.items():
                axis.plot(lists[key], label=name)
            axis.set_title({"mean": "mean", "std": "standard deviation", "zeros": "share of zeros"}[key])
            axis.set_xlabel("recorded call")
            axis.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
        return drawn(figure, path)
