"""Special functions made of other operators."""
from rushlight.functional._composite import composite


@composite("polygamma special.polygamma out")
def polygamma(n, input):
    """The n-th derivative of `digamma` of each element.

    Args:
        n (int): 0 or more.
        input (Tensor): floating, integral or bool.

    Example:
        >>> import rushlight as rl
        >>> rl.polygamma(1, rl.tensor([1.0]))
        tensor([1.6449])
    """
    return input.polygamma(n)
