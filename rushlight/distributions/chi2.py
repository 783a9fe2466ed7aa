"""The chi-squared distribution."""
from rushlight.distributions import constraints
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.utils import broadcast_all

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The chi-squared distribution: the sum of squares of `df` normal numbers.

    Args:
        df (Tensor or float): degrees of freedom, above 0.
        validate_args (bool): see `Distribution`.

    Example:
        >>> rushlight.distributions.Chi2(4.0).mean
        tensor(4.)
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        (df,) = broadcast_all(df)
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded."""
        return super().expand(batch_shape, self._get_checked_instance(Chi2, _instance))

    @property
    def df(self):
        """Degrees of freedom."""
        return self.concentration * 2
