"""Exponential families."""
from rushlight.autograd import grad
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Base class of densities exp(<t(x), theta> - F(theta) + k(x)); their entropy comes from the gradient of F.

    Subclasses define `_natural_params`, `_log_normalizer` and, where k(x) is not zero, `_mean_carrier_measure`, the
    mean of k.

    Example:
        >>> issubclass(rushlight.distributions.Normal, rushlight.distributions.ExponentialFamily)
        True
    """

    @property
    def _natural_params(self):
        raise NotImplementedError(f"{type(self).__name__}: _natural_params is not defined")

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError(f"{type(self).__name__}: _log_normalizer is not defined")

    @property
    def _mean_carrier_measure(self):
        raise NotImplementedError(f"{type(self).__name__}: _mean_carrier_measure is not defined")

    def entropy(self):
        """F(theta) - <theta, dF/dtheta> - the mean of k."""
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        slopes = grad(normalizer.sum(), natural, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for parameter, slope in zip(natural, slopes, strict=True):
            result = result - sum_rightmost(parameter * slope, len(self._event_shape))
        return result
