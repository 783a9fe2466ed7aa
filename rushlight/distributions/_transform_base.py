"""`Transform`, its inverse, and what the maps share."""
import weakref

from rushlight._dtype_info import finfo
from rushlight.distributions import constraints
from rushlight.functional._core import core


class Transform:
    """Base class of maps that can be inverted, at least to one of several preimages.

    Subclasses define `_call`, `_inverse` and `log_abs_det_jacobian`, `domain` and `codomain`, and `bijective` and
    `sign` where they know them.

    Args:
        cache_size (int): 1 remembers the latest pair of tensors, so that inverting costs and loses nothing. Default: 0.

    Raises:
        ValueError: cache_size is neither 0 nor 1.

    Example:
        >>> double = rushlight.distributions.AffineTransform(0.0, 2.0)
        >>> double(rushlight.ones(2)), double.inv(rushlight.ones(2))
        (tensor([2., 2.]), tensor([0.5000, 0.5000]))
    """

    bijective = False

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError(f"{type(self).__name__}: cache_size={cache_size}; expected 0 or 1")
        self._cache_size = cache_size
        self._inv = None
        self._cached_x_y = None, None
        super().__init__()

    def __getstate__(self):
        return {**self.__dict__, "_inv": None}          # a weak reference

    @property
    def event_dim(self):
        """Rightmost dimensions that make one value, where both sides agree."""
        if self.domain.event_dim == self.codomain.event_dim:
            return self.domain.event_dim
        raise ValueError(
            f"{type(self).__name__}: domain has {self.domain.event_dim} event dimensions and codomain "
            f"{self.codomain.event_dim}; ask them"
        )

    @property
    def inv(self):
        """The inverse, a transform too."""
        inverse = self._inv() if self._inv is not None else None
        if inverse is None:
            inverse = _InverseTransform(self)
            self._inv = weakref.ref(inverse)
        return inverse

    @property
    def sign(self):
        """1 or -1: whether a map of numbers rises or falls."""
        raise NotImplementedError(f"{type(self).__name__}: sign is not defined")

    def with_cache(self, cache_size=1):
        """The same map with another cache_size.

        Args:
            cache_size (int): 0 or 1. Default: 1.
        """
        if self._cache_size == cache_size:
            return self
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self).__name__}: with_cache is not defined")

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__

    def __call__(self, x):
        if self._cache_size == 0:
            return self._call(x)
        known, result = self._cached_x_y
        if x is known:
            return result
        y = self._call(x)
        self._cached_x_y = x, y
        return y

    def _inv_call(self, y):
        if self._cache_size == 0:
            return self._inverse(y)
        result, known = self._cached_x_y
        if y is known:
            return result
        x = self._inverse(y)
        self._cached_x_y = x, y
        return x

    def _call(self, x):
        raise NotImplementedError(f"{type(self).__name__}: the map is not defined")

    def _inverse(self, y):
        raise NotImplementedError(f"{type(self).__name__}: the inverse is not defined")

    def log_abs_det_jacobian(self, x, y):
        """The logarithm of the absolute value of the Jacobian's determinant.

        Args:
            x (Tensor): where.
            y (Tensor): the map of x.
        """
        raise NotImplementedError(f"{type(self).__name__}: log_abs_det_jacobian is not defined")

    def forward_shape(self, shape):
        """The shape of the result for an argument of `shape`."""
        return shape

    def inverse_shape(self, shape):
        """The shape of the argument for a result of `shape`."""
        return shape

    def __repr__(self):
        return type(self).__name__ + "()"


class _InverseTransform(Transform):
    def __init__(self, transform):
        super().__init__(cache_size=transform._cache_size)
        self._inv = transform

    # The inverse holds the map, the map holds its inverse weakly.
    @property
    def inv(self):
        return self._inv

    def __getstate__(self):
        return self.__dict__

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return self._inv.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return self._inv.domain

    @property
    def bijective(self):
        return self._inv.bijective

    @property
    def sign(self):
        return self._inv.sign

    def with_cache(self, cache_size=1):
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other):
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = object.__hash__

    def __call__(self, x):
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)

    def __repr__(self):
        return f"_InverseTransform({self._inv!r})"


class Plain(Transform):
    """Maps without options are equal to any other of their class."""

    def __eq__(self, other):
        return type(self) is type(other)

    __hash__ = object.__hash__


def clipped_sigmoid(x):
    info = finfo(x.dtype)
    return core.sigmoid(x).clamp(min=info.tiny, max=1 - info.eps)
