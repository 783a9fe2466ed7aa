"""`Distribution`: what every distribution is."""
import warnings

from rushlight._C import Size
from rushlight.autograd import no_grad
from rushlight.distributions import constraints
from rushlight.distributions.utils import (
    broadcast_all,
    finite_info,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
    standard_normal,
)
from rushlight.functional._core import Tensor, core

__all__ = ["Distribution"]


class Distribution:
    """Base class of distributions.

    Args:
        batch_shape (Size): the shape of independent, differently distributed draws. Default: ().
        event_shape (Size): the shape of one draw. Default: ().
        validate_args (bool): check parameters and samples. Default: what `set_default_validate_args` said, at first
            True (False under `python -O`).

    Raises:
        ValueError: a parameter is outside its constraint.

    Example:
        >>> normal = rushlight.distributions.Normal(rushlight.zeros(3), 1.0)
        >>> normal.batch_shape, normal.event_shape, normal.sample((2,)).shape
        (rushlight.Size([3]), rushlight.Size([]), rushlight.Size([2, 3]))
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    #: Tensors that `expand` expands; their leading dimensions are the batch's.
    _expandable = ()

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions made from now on check their arguments, where they are not told.

        Args:
            value (bool)

        Raises:
            ValueError: it is no bool.
        """
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: value={value!r}; expected True or False")
        Distribution._validate_args = value

    def __init__(self, batch_shape=Size(()), event_shape=Size(()), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()               # of a class beside this one

    def _take(self, validate_args, **given):
        """Broadcasts parameters with one another, keeps them and starts a distribution of single numbers."""
        for name, value in zip(given, broadcast_all(*given.values()), strict=True):
            setattr(self, name, value)
        Distribution.__init__(self, value.shape, validate_args=validate_args)

    def _check_parameters(self):
        try:
            described = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self).__name__} does not define arg_constraints; define them, {{}} for none, or pass "
                "validate_args=False",
                stacklevel=4,
            )
            return
        for name, constraint in described.items():
            lazy = name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property)
            if lazy or constraints.is_dependent(constraint):
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"{type(self).__name__}: {name} of shape {tuple(value.shape)} is outside {constraint!r}: {value}"
                )

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch expanded; nothing is copied or checked again.

        Args:
            batch_shape (Size): what the batch broadcasts to.
            _instance: a subclass's own new instance, to fill.
        """
        owner = next((c for c in type(self).__mro__ if "_expandable" in vars(c)), Distribution)
        if not owner._expandable:
            raise NotImplementedError(f"{type(self).__name__}: expand is not defined")
        new = self._get_checked_instance(owner, _instance)
        return self._expand_into(new, batch_shape)

    def _expand_into(self, new, batch_shape):
        batch_shape, old = Size(batch_shape), len(self._batch_shape)
        for name in self._expandable:
            if name in self.__dict__:
                value = self.__dict__[name]
                new.__dict__[name] = value.expand(batch_shape + value.shape[old:])
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def batch_shape(self):
        """The shape of independent, differently distributed draws."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one draw."""
        return self._event_shape

    @property
    def arg_constraints(self):
        """The constraint of each parameter, by name."""
        raise NotImplementedError(f"{type(self).__name__}: arg_constraints is not defined")

    @property
    def support(self):
        """The constraint that samples satisfy."""
        raise NotImplementedError(f"{type(self).__name__}: support is not defined")

    @property
    def mean(self):
        """The mean, of shape batch_shape + event_shape."""
        raise NotImplementedError(f"{type(self).__name__}: mean is not defined")

    @property
    def mode(self):
        """The value of highest probability or density."""
        raise NotImplementedError(f"{type(self).__name__}: mode is not defined")

    @property
    def variance(self):
        """The variance, element by element."""
        raise NotImplementedError(f"{type(self).__name__}: variance is not defined")

    @property
    def stddev(self):
        """The standard deviation, element by element."""
        return self.variance.sqrt()

    def sample(self, sample_shape=Size(())):
        """Draws without a derivative, of shape sample_shape + batch_shape + event_shape.

        Args:
            sample_shape (Size): Default: (), one draw.
        """
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=Size(())):
        """Draws through which gradients flow to the parameters.

        Args:
            sample_shape (Size): Default: (), one draw.
        """
        raise NotImplementedError(f"{type(self).__name__}: rsample is not defined")

    def sample_n(self, n):
        """The older form of `sample((n,))`.

        Args:
            n (int)
        """
        warnings.warn("sample_n(n) is an older form of sample((n,))", FutureWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value):
        """The logarithm of the density or probability at `value`.

        Args:
            value (Tensor): broadcasts with batch_shape + event_shape.

        Raises:
            ValueError: a wrong shape, or a value outside the support.
        """
        raise NotImplementedError(f"{type(self).__name__}: log_prob is not defined")

    def cdf(self, value):
        """The probability of values up to `value`.

        Args:
            value (Tensor)
        """
        raise NotImplementedError(f"{type(self).__name__}: cdf is not defined")

    def icdf(self, value):
        """The quantile at probability `value`.

        Args:
            value (Tensor): in [0, 1].
        """
        raise NotImplementedError(f"{type(self).__name__}: icdf is not defined")

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution along dimension 0.

        Args:
            expand (bool): repeat them over the batch; False leaves its dimensions at 1. Default: True.
        """
        raise NotImplementedError(f"{type(self).__name__}: enumerate_support is not defined")

    def entropy(self):
        """The entropy in nats, of shape batch_shape."""
        raise NotImplementedError(f"{type(self).__name__}: entropy is not defined")

    def perplexity(self):
        """The exponential of the entropy."""
        return core.exp(self.entropy())

    def _extended_shape(self, sample_shape=Size(())):
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def _enumerated(self, values, expand):
        """`enumerate_support`'s answer from single numbers along one dimension."""
        values = values.reshape((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values

    def _validate_sample(self, value):
        name = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: value is of type {type(value).__name__}; expected a Tensor")
        expected = tuple(self._batch_shape + self._event_shape)
        shape, events = tuple(value.shape), len(self._event_shape)
        if shape[len(shape) - events:] != tuple(self._event_shape):
            raise ValueError(
                f"{name}: value has shape {shape}; expected {tuple(self._event_shape)}, the event_shape, at its end"
            )
        for got, wanted in zip(reversed(shape), reversed(expected), strict=False):
            if got != wanted and got != 1 and wanted != 1:
                raise ValueError(
                    f"{name}: value has shape {shape}; expected one that broadcasts with batch_shape + event_shape, "
                    f"{expected}"
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{name} does not define support, so samples are not checked; pass validate_args=False", stacklevel=3
            )
            return
        if not support.check(value).all():
            raise ValueError(f"{name}: value of shape {shape} is outside the support, {support!r}: {value}")

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is not None:
            return _instance
        if type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"{type(self).__name__}: a subclass of {cls.__name__} with its own __init__ needs its own expand"
            )
        return type(self).__new__(type(self))

    def __repr__(self):
        shown = [name for name in self.arg_constraints if name in self.__dict__]
        values = ((name, self.__dict__[name]) for name in shown)
        text = ", ".join(f"{name}: {x if x.numel() == 1 else x.size()}" for name, x in values)
        return f"{type(self).__name__}({text})"


class LocationScale(Distribution):
    """Distributions of loc + scale * (a number without parameters)."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _expandable = ("loc", "scale")

    def __init__(self, loc, scale, validate_args=None):
        self._take(validate_args, loc=loc, scale=scale)

    def _standard(self, value):
        """A value as the number without parameters."""
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    def _noise(self, shape):
        return standard_normal(shape, self.loc.dtype)

    def rsample(self, sample_shape=Size(())):
        """loc + scale * noise, through which gradients flow."""
        return self.loc + self._noise(self._extended_shape(sample_shape)) * self.scale


class ProbsOrLogits(Distribution):
    """Distributions that take either probabilities or logits and derive the other at its first use."""

    _binary = True

    def _one_of(self, probs, logits):
        if (probs is None) == (logits is None):
            given = "neither" if probs is None else "both"
            raise ValueError(f"{type(self).__name__}: {given} of probs and logits given; expected one of them")
        return "logits" if probs is None else "probs"

    @lazy_property
    def logits(self):
        """Log-odds, or normalised logarithms of probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self):
        """Probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self):
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self._param.size()


def keep_above_zero(draws):
    """Brings fresh draws up to the smallest normal number of their dtype, in place and unseen by the tape."""
    draws.detach().clamp_(min=finite_info(draws).tiny)
    return draws
