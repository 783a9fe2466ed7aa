"""Parameters as one vector, and back."""
from rushlight.functional._core import Tensor, core


def parameters_to_vector(parameters):
    """All parameters, flattened and joined.

    Args:
        parameters (iterable of Tensor): the parameters.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.utils.parameters_to_vector([rl.ones(1, 2), rl.zeros(1)])
        tensor([1., 1., 0.])
    """
    return core.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters):
    """Let the parameters be pieces of a vector, in order.

    Args:
        vec (Tensor): as many elements as the parameters have.
        parameters (iterable of Tensor): the parameters; they share the vector's memory afterwards.

    Raises:
        TypeError: `vec` is not a tensor.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.zeros(2))
        >>> rl.nn.utils.vector_to_parameters(rl.ones(2), [p])
        >>> p.tolist()
        [1.0, 1.0]
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec)}")
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).data
        start = end
