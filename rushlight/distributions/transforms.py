"""Invertible maps of tensors with the logarithm of how much they stretch."""
import functools
import math
import operator
import weakref
from numbers import Number

from rushlight._dtype_info import finfo
from rushlight.distributions import constraints
from rushlight.distributions._matrix_transforms import (
    CorrCholeskyTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SoftmaxTransform,
    StickBreakingTransform,
)
from rushlight.distributions._transform_base import Plain, Transform, clipped_sigmoid
from rushlight.distributions.utils import broadcast_all, lazy_property, sum_rightmost  # noqa: F401
from rushlight.functional._core import core, native

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class ComposeTransform(Transform):
    """Several maps one after the other.

    Args:
        parts (list of Transform): the first is applied first.
        cache_size (int): see `Transform`.

    Example:
        >>> d = rushlight.distributions
        >>> d.ComposeTransform([d.ExpTransform(), d.AffineTransform(0.0, 2.0)])(rushlight.zeros(1))
        tensor([2.])
    """

    def __init__(self, parts, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else parts

    def __eq__(self, other):
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = object.__hash__

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        """What the first accepts, with as many event dimensions as the later ones need."""
        if not self.parts:
            return constraints.real
        needed = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            needed += part.domain.event_dim - part.codomain.event_dim
            needed = max(needed, part.domain.event_dim)
        return _with_event_dim(self.parts[0].domain, needed)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        """What the last gives, with as many event dimensions as the earlier ones make."""
        if not self.parts:
            return constraints.real
        made = self.parts[0].domain.event_dim
        for part in self.parts:
            made += part.codomain.event_dim - part.domain.event_dim
            made = max(made, part.codomain.event_dim)
        return _with_event_dim(self.parts[-1].codomain, made)

    @property
    def bijective(self):
        """Whether all are."""
        return all(p.bijective for p in self.parts)

    @property
    def sign(self):
        """The product of all."""
        return functools.reduce(operator.mul, [p.sign for p in self.parts], 1)

    @property
    def inv(self):
        """The inverses in reverse order."""
        inverse = self._inv() if self._inv is not None else None
        if inverse is None:
            inverse = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv, inverse._inv = weakref.ref(inverse), weakref.ref(self)
        return inverse

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        return self if self._cache_size == cache_size else ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x, y):
        """The sum of all."""
        if not self.parts:
            return core.zeros_like(x)
        places = [x]
        for part in self.parts[:-1]:
            places.append(part(places[-1]))
        places.append(y)
        total, dims = 0, self.domain.event_dim
        for part, before, after in zip(self.parts, places[:-1], places[1:], strict=True):
            total = total + sum_rightmost(part.log_abs_det_jacobian(before, after), dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
        return total

    def forward_shape(self, shape):
        """The shape after all."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        """The shape before all."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        inner = ",\n    ".join(repr(p) for p in self.parts)
        return f"ComposeTransform(\n    {inner}\n)"


def _with_event_dim(constraint, dims):
    return constraint if dims == constraint.event_dim else constraints.independent(
        constraint, dims - constraint.event_dim
    )


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A map whose rightmost batch dimensions count as part of one value.

    Args:
        base_transform (Transform): the map.
        reinterpreted_batch_ndims (int): how many dimensions join.
        cache_size (int): see `Transform`.

    Example:
        >>> d = rushlight.distributions
        >>> d.IndependentTransform(d.ExpTransform(), 1).log_abs_det_jacobian(rushlight.ones(2), None)
        tensor(2.)
    """

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        if self._cache_size == cache_size:
            return self
        return IndependentTransform(self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size)

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        """The base's, with more dimensions."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        """The base's, with more dimensions."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self):
        """As the base."""
        return self.base_transform.bijective

    @property
    def sign(self):
        """As the base."""
        return self.base_transform.sign

    def _require(self, value, dims):
        if value.dim() < dims:
            raise ValueError(
                f"IndependentTransform: value has shape {tuple(value.shape)}; expected at least {dims} dimensions"
            )

    def _call(self, x):
        self._require(x, self.domain.event_dim)
        return self.base_transform(x)

    def _inverse(self, y):
        self._require(y, self.codomain.event_dim)
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x, y):
        """The base's, summed over the joined dimensions."""
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape):
        """As the base."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        """As the base."""
        return self.base_transform.inverse_shape(shape)

    def __repr__(self):
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """Another shape of the rightmost dimensions.

    Args:
        in_shape (Size): what they are.
        out_shape (Size): what they become.
        cache_size (int): see `Transform`.

    Raises:
        ValueError: the numbers of elements differ.

    Example:
        >>> rushlight.distributions.ReshapeTransform((4,), (2, 2))(rushlight.zeros(3, 4)).shape
        rushlight.Size([3, 2, 2])
    """

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError(
                f"ReshapeTransform: in_shape={self.in_shape} and out_shape={self.out_shape} have different numbers of "
                "elements; expected the same"
            )
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self):
        """Real tensors of in_shape."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self):
        """Real tensors of out_shape."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x):
        return x.reshape(tuple(x.shape[: x.dim() - len(self.in_shape)]) + self.out_shape)

    def _inverse(self, y):
        return y.reshape(tuple(y.shape[: y.dim() - len(self.out_shape)]) + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        """0"""
        return core.zeros(x.shape[: x.dim() - len(self.in_shape)], dtype=x.dtype)

    @staticmethod
    def _replace(shape, old, new):
        kept = len(shape) - len(old)
        if kept < 0 or tuple(shape[kept:]) != old:
            raise ValueError(f"ReshapeTransform: shape={tuple(shape)}; expected {old} at its end")
        return tuple(shape[:kept]) + new

    def forward_shape(self, shape):
        """With out_shape for in_shape."""
        return self._replace(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        """With in_shape for out_shape."""
        return self._replace(shape, self.out_shape, self.in_shape)


class ExpTransform(Plain):
    """y = exp(x)

    Example:
        >>> rushlight.distributions.ExpTransform()(rushlight.zeros(1))
        tensor([1.])
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        """x"""
        return x


class PowerTransform(Transform):
    """y = x ** exponent, for x >= 0

    Args:
        exponent (Tensor or float): not 0.
        cache_size (int): see `Transform`.

    Example:
        >>> rushlight.distributions.PowerTransform(2.0)(rushlight.tensor([3.0]))
        tensor([9.])
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size=cache_size)

    @property
    def sign(self):
        """The exponent's."""
        return self.exponent.sign()

    def __eq__(self, other):
        return isinstance(other, PowerTransform) and bool(self.exponent.eq(other.exponent).all())

    __hash__ = object.__hash__

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        """log|exponent y / x|"""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape):
        """Broadcast with the exponent's."""
        return core.broadcast_shapes(shape, self.exponent.shape)

    def inverse_shape(self, shape):
        """Broadcast with the exponent's."""
        return core.broadcast_shapes(shape, self.exponent.shape)


class SigmoidTransform(Plain):
    """y = 1 / (1 + exp(-x)), kept inside (0, 1)

    Example:
        >>> rushlight.distributions.SigmoidTransform()(rushlight.zeros(1))
        tensor([0.5000])
    """

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = +1

    def _call(self, x):
        return clipped_sigmoid(x)

    def _inverse(self, y):
        info = finfo(y.dtype)
        y = y.clamp(min=info.tiny, max=1 - info.eps)
        return y.log() - core.log1p(-y)

    def log_abs_det_jacobian(self, x, y):
        """log(y (1 - y))"""
        return -native.softplus(-x) - native.softplus(x)


class SoftplusTransform(Plain):
    """y = log(1 + exp(x))

    Example:
        >>> rushlight.distributions.SoftplusTransform()(rushlight.zeros(1))
        tensor([0.6931])
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x):
        return native.softplus(x)

    def _inverse(self, y):
        return core.log(-core.expm1(-y)) + y

    def log_abs_det_jacobian(self, x, y):
        """log(sigmoid(x))"""
        return -native.softplus(-x)


class TanhTransform(Plain):
    """y = tanh(x). Near both ends the inverse loses digits: `cache_size=1` avoids it.

    Example:
        >>> rushlight.distributions.TanhTransform()(rushlight.zeros(1))
        tensor([0.])
    """

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = +1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return core.atanh(y)

    def log_abs_det_jacobian(self, x, y):
        """log(1 - y^2), written in x, where it keeps its digits"""
        return 2 * (math.log(2) - x - native.softplus(-2 * x))


class AbsTransform(Plain):
    """y = |x|, which has two preimages: the inverse gives the one above 0.

    Example:
        >>> rushlight.distributions.AbsTransform()(rushlight.tensor([-2.0]))
        tensor([2.])
    """

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale x

    Args:
        loc (Tensor or float): added.
        scale (Tensor or float): multiplied, not 0.
        event_dim (int): rightmost dimensions that make one value. Default: 0.
        cache_size (int): see `Transform`.

    Example:
        >>> rushlight.distributions.AffineTransform(1.0, 2.0)(rushlight.ones(1))
        tensor([3.])
    """

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self):
        """As given."""
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        """Real tensors of event_dim dimensions."""
        return _with_event_dim(constraints.real, self.event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        """Real tensors of event_dim dimensions."""
        return _with_event_dim(constraints.real, self.event_dim)

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other):
        return isinstance(other, AffineTransform) and all(
            bool(core.as_tensor(a == b).all()) for a, b in ((self.loc, other.loc), (self.scale, other.scale))
        )

    __hash__ = object.__hash__

    @property
    def sign(self):
        """The scale's."""
        if isinstance(self.scale, Number):
            return (self.scale > 0) - (self.scale < 0)
        return self.scale.sign()

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        """log|scale| for each value"""
        if isinstance(self.scale, Number):
            result = core.full_like(x, math.log(abs(self.scale)))
        else:
            result = self.scale.abs().log()
        return sum_rightmost(result.expand(x.shape), self.event_dim)

    def forward_shape(self, shape):
        """Broadcast with those of loc and scale."""
        return core.broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    def inverse_shape(self, shape):
        """Broadcast with those of loc and scale."""
        return self.forward_shape(shape)


class _Joined(Transform):
    """Maps side by side along a dimension."""

    def __init__(self, tseq, dim, cache_size):
        tseq = list(tseq)
        for at, one in enumerate(tseq):
            if not isinstance(one, Transform):
                raise AssertionError(
                    f"{type(self).__name__}: tseq[{at}] is of type {type(one).__name__}; expected a Transform"
                )
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else tseq
        self.dim = dim

    @property
    def bijective(self):
        """Whether all are."""
        return all(t.bijective for t in self.transforms)

    def _parts(self, x, length):
        if not -x.dim() <= self.dim < x.dim() or x.shape[self.dim] != length:
            raise AssertionError(
                f"{type(self).__name__}: value has shape {tuple(x.shape)}; expected {length} elements along "
                f"dim={self.dim}"
            )
        return self._cut(x)

    def _call(self, x):
        parts = self._parts(x, self.length)
        return self._join([t(part) for t, part in zip(self.transforms, parts, strict=True)], self.dim)

    def _inverse(self, y):
        parts = self._parts(y, self.length)
        return self._join([t.inv(part) for t, part in zip(self.transforms, parts, strict=True)], self.dim)


class CatTransform(_Joined):
    """Maps of consecutive pieces along a dimension.

    Args:
        tseq (list of Transform): a map for each piece.
        dim (int): the dimension. Default: 0.
        lengths (list of int): of the pieces. Default: 1 each.
        cache_size (int): see `Transform`.

    Example:
        >>> d = rushlight.distributions
        >>> d.CatTransform([d.ExpTransform(), d.identity_transform], lengths=[1, 2])(rushlight.zeros(3))
        tensor([1., 0., 0.])
    """

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"CatTransform: lengths has {len(self.lengths)} elements for {len(self.transforms)} transforms; "
                "expected as many"
            )

    _join = staticmethod(core.cat)

    @property
    def event_dim(self):
        """The largest."""
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self):
        """Elements along the dimension."""
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _cut(self, x):
        return x.split(self.lengths, self.dim)

    def log_abs_det_jacobian(self, x, y):
        """Those of the pieces, joined, or summed where the dimension is part of one value."""
        pieces = zip(self.transforms, self._parts(x, self.length), self._parts(y, self.length), strict=True)
        terms = [
            sum_rightmost(t.log_abs_det_jacobian(before, after), self.event_dim - t.event_dim)
            for t, before, after in pieces
        ]
        from_end = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return core.cat(terms, from_end) if from_end < 0 else sum(terms)

    @constraints.dependent_property
    def domain(self):
        """The pieces'."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        """The pieces'."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Joined):
    """A map for each place along a dimension.

    Args:
        tseq (list of Transform): as many as there are places.
        dim (int): the dimension. Default: 0.
        cache_size (int): see `Transform`.

    Example:
        >>> d = rushlight.distributions
        >>> d.StackTransform([d.ExpTransform(), d.identity_transform])(rushlight.zeros(2, 2))
        tensor([[1., 1.],
                [0., 0.]])
    """

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(tseq, dim, cache_size)

    _join = staticmethod(core.stack)

    @property
    def length(self):
        """Places along the dimension."""
        return len(self.transforms)

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _cut(self, x):
        return x.unbind(self.dim)

    def log_abs_det_jacobian(self, x, y):
        """Those of the places, stacked."""
        places = zip(self.transforms, self._parts(x, self.length), self._parts(y, self.length), strict=True)
        return core.stack([t.log_abs_det_jacobian(before, after) for t, before, after in places], self.dim)

    @constraints.dependent_property
    def domain(self):
        """The places'."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        """The places'."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)


class CumulativeDistributionTransform(Transform):
    """A distribution's cdf, which makes its draws uniform.

    Args:
        distribution (Distribution): of numbers, with cdf and icdf.
        cache_size (int): see `Transform`.

    Example:
        >>> d = rushlight.distributions
        >>> d.CumulativeDistributionTransform(d.Normal(0.0, 1.0))(rushlight.zeros(1))
        tensor([0.5000])
    """

    bijective = True
    codomain = constraints.unit_interval
    sign = +1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self):
        """The distribution's support."""
        return self.distribution.support

    def with_cache(self, cache_size=1):
        """The same map with another cache_size."""
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        """log_prob(x)"""
        return self.distribution.log_prob(x)
