"""How large gradients are from layer to layer."""
from collections import namedtuple

from rushlight.utils._optional import drawn, pyplot

GradientSize = namedtuple("GradientSize", "name mean max norm")


def gradient_flow(model):
    """The sizes of the gradients that the latest backward pass left, in the model's order.

    Args:
        model (Module): the model, or an iterable of (name, parameter).

    Returns:
        list of (name, mean, max, norm): of absolute values; None for all three where a parameter got no gradient.
        Parameters that need none are left out.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Linear(2, 1)
        >>> model(rl.tensor([[3.0, -4.0]])).sum().backward()
        >>> rl.utils.inspect.gradient_flow(model)[0]
        GradientSize(name='weight', mean=3.5, max=4.0, norm=5.0)
    """
    named = model.named_parameters() if hasattr(model, "named_parameters") else model
    out = []
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            out.append(GradientSize(name, None, None, None))
            continue
        size = parameter.grad.detach().abs()
        out.append(GradientSize(name, size.mean().item(), size.max().item(), size.norm().item()))
    return out


def plot_gradient_flow(model, path=None):
    """Draws the mean and the largest absolute gradient of each parameter, after a backward pass.

    Bars that shrink towards the first layers are gradients that vanish; a name in red got no gradient at all.

    Args:
        model (Module): the model, or an iterable of (name, parameter).
        path (str, optional): where to save the picture.

    Returns:
        matplotlib's figure.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: no parameter needs a gradient.
    """
    sizes = gradient_flow(model)
    if not sizes:
        raise ValueError("plot_gradient_flow: no parameter requires grad; expected at least one")
    figure, axis = pyplot("plot_gradient_flow").subplots(figsize=(max(6, 0.35 * len(sizes)), 4.2),
                                                         layout="constrained")
    places = range(len(sizes))
    axis.bar(places, [size.max or 0 for size in sizes], color="#9ecae1", label="largest")
    axis.bar(places, [size.mean or 0 for size in sizes], color="#08519c", label="mean")
    axis.set_yscale("log" if any(size.max for size in sizes) else "linear")
    axis.set_xticks(places, [size.name for size in sizes], rotation=90, fontsize="small")
    for label, size in zip(axis.get_xticklabels(), sizes):
        if size.max is None:
            label.set_color("red")
    axis.set_ylabel("absolute gradient")
    figure.legend(loc="outside upper right", ncols=2)
    return drawn(figure, path)
