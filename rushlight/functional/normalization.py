"""Normalisations made of other operators."""
from rushlight.functional._composite import composite
from rushlight.functional._core import core, native

_ops = core._groups["_ops"]


@composite("nn.functional.instance_norm")
def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Normalise each channel of each sample over its places.

    Args:
        input (Tensor): floating, (N, C, ...).
        running_mean, running_var (Tensor, optional): (C), updated with the batch's means when
            `use_input_stats`.
        weight, bias (Tensor, optional): (C), applied after normalising.
        use_input_stats (bool): use each sample's own statistics rather than the running ones. Default: True.
        momentum (float): share of the new statistics in the update. Default: 0.1.
        eps (float): added to the variance. Default: 1e-5.

    Raises:
        ValueError: there is only one place per channel.
        RuntimeError: running statistics are needed and missing, or sizes do not agree.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.instance_norm(rl.tensor([[[1., 3.]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    if use_input_stats and input.numel() == input.shape[0] * input.shape[1]:
        raise ValueError(f"instance_norm: input has shape {tuple(input.shape)}; expected several places per channel")
    if not use_input_stats and (running_mean is None or running_var is None):
        missing = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"instance_norm: {missing}=None with use_input_stats=False; expected running statistics")
    batch, channels = input.shape[:2]

    def per_sample(values):
        return None if values is None else values.repeat(batch)

    # Every channel of every sample is a channel of one large batch normalisation.
    mean, var = per_sample(running_mean), per_sample(running_var)
    flat = input.reshape(1, batch * channels, *input.shape[2:])
    result = _ops["batch_norm_forward"](
        flat, per_sample(weight), per_sample(bias), mean, var, use_input_stats, momentum, eps
    )[0]
    if use_input_stats:
        for running, updated in ((running_mean, mean), (running_var, var)):
            if running is not None:
                running.copy_(updated.view(batch, channels).mean(0))
    return result.view(input.shape)


@composite("nn.functional.local_response_norm")
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide each element by (k + alpha * mean of squares over neighbouring channels) ** beta.

    Args:
        input (Tensor): floating, (N, C, ...), three dimensions or more.
        size (int): how many channels are neighbours.
        alpha (float): Default: 1e-4.
        beta (float): Default: 0.75.
        k (float): Default: 1.

    Raises:
        ValueError: fewer than three dimensions.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.local_response_norm(rl.zeros(1, 2, 1), 2)
        tensor([[[0.],
                 [0.]]])
    """
    if input.dim() < 3:
        raise ValueError(
            f"local_response_norm: input has shape {tuple(input.shape)}; expected at least three dimensions")
    if input.numel() == 0:
        return input
    square = input.mul(input).flatten(2).transpose(1, 2)
    padded = native.pad(square, (size // 2, (size - 1) // 2))
    windows = padded.unfold(2, size, 1)
    mean = windows.mean(-1) if input.dtype.is_floating_point else windows.sum(-1).div(size, rounding_mode="trunc")
    mean = mean.transpose(1, 2).reshape(input.shape)
    return input / mean.mul(alpha).add(k).pow(beta)
