"""Constraints: which values a parameter or a sample may take."""
from rushlight._dtype_info import finfo
from rushlight.functional._core import core

__all__ = [
    "Constraint",
    "MixtureSameFamilyConstraint",
    "boolean",
    "cat",
    "corr_cholesky",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_semidefinite",
    "real",
    "real_vector",
    "simplex",
    "square",
    "stack",
    "symmetric",
    "unit_interval",
]


class Constraint:
    """A region of tensors. Subclasses define `check`, and `is_discrete` and `event_dim` where they differ.

    Attributes:
        is_discrete (bool): the region is discrete.
        event_dim (int): how many rightmost dimensions make one value.

    Example:
        >>> rushlight.distributions.constraints.positive.check(rushlight.tensor([1.0, -1.0]))
        tensor([ True, False])
    """

    is_discrete = False
    event_dim = 0
    #: Names of the attributes that the representation shows.
    _shown = ()

    def check(self, value):
        """Which values are inside.

        Args:
            value (Tensor): any shape of at least `event_dim` dimensions.

        Returns:
            A bool tensor, without the `event_dim` rightmost dimensions.
        """
        raise NotImplementedError(f"{type(self).__name__}: check is not defined")

    def __repr__(self):
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__.lstrip('_')}({shown})"


def require_constraint(value, what):
    if not isinstance(value, Constraint):
        raise AssertionError(f"{what} is of type {type(value).__name__}; expected a Constraint")


class _Dependent(Constraint):
    """Stands where other parameters decide."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _known(self, name):
        value = getattr(self, "_" + name)
        if value is NotImplemented:
            raise NotImplementedError(f"dependent: {name} is known of instances only")
        return value

    @property
    def is_discrete(self):
        return self._known("is_discrete")

    @property
    def event_dim(self):
        return self._known("event_dim")

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value):
        raise ValueError("dependent: what other parameters decide can't be checked without them")


class _DependentProperty(property, _Dependent):
    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint):
    """Whether a constraint only stands for one that other parameters decide.

    Example:
        >>> rushlight.distributions.constraints.is_dependent(rushlight.distributions.constraints.real)
        False
    """
    return isinstance(constraint, _Dependent)


def flatten_last(result, kept):
    """Whether all is true beyond the first `kept` dimensions."""
    return result.reshape(result.shape[:kept] + (-1,)).all(-1)


class _IndependentConstraint(Constraint):
    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        require_constraint(base_constraint, "independent: base_constraint")
        if not isinstance(reinterpreted_batch_ndims, int) or reinterpreted_batch_ndims < 0:
            raise AssertionError(
                f"independent: reinterpreted_batch_ndims={reinterpreted_batch_ndims!r}; expected an int >= 0"
            )
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value):
        result = self.base_constraint.check(value)
        if result.dim() < self.reinterpreted_batch_ndims:
            raise ValueError(
                f"independent: value has shape {tuple(value.shape)}; expected at least {self.event_dim} dimensions"
            )
        return flatten_last(result, result.dim() - self.reinterpreted_batch_ndims)

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The support of a mixture: the components' constraint, each with a batch dimension that values lack.

    Args:
        base_constraint (Constraint): of the components.

    Example:
        >>> c = rushlight.distributions.constraints
        >>> c.MixtureSameFamilyConstraint(c.positive).check(rushlight.tensor([1.0, -1.0]))
        tensor([ True, False])
    """

    def __init__(self, base_constraint):
        require_constraint(base_constraint, "MixtureSameFamilyConstraint: base_constraint")
        self.base_constraint = base_constraint

    @property
    def is_discrete(self):
        """As the components'."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        """As the components'."""
        return self.base_constraint.event_dim

    def check(self, value):
        """Which values are inside the support of all components."""
        if value.dim() < self.event_dim:
            raise ValueError(
                f"MixtureSameFamilyConstraint: value has shape {tuple(value.shape)}; expected at least "
                f"{self.event_dim} dimensions"
            )
        result = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return flatten_last(result, value.dim() - self.event_dim)

    def __repr__(self):
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value):
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    is_discrete = True
    event_dim = 1

    def check(self, value):
        return _Boolean.check(self, value).all(-1) & (value.sum(-1) == 1)


class _Bounded(Constraint):
    def __init__(self, lower_bound, upper_bound):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    _shown = ("lower_bound", "upper_bound")


class _Above(Constraint):
    def __init__(self, lower_bound):
        self.lower_bound = lower_bound

    _shown = ("lower_bound",)


class _Below(Constraint):
    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    _shown = ("upper_bound",)


class _IntegerInterval(_Bounded):
    is_discrete = True

    def check(self, value):
        return (value % 1 == 0) & (value >= self.lower_bound) & (value <= self.upper_bound)


class _IntegerLessThan(_Below):
    is_discrete = True

    def check(self, value):
        return (value % 1 == 0) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Above):
    is_discrete = True

    def check(self, value):
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Real(Constraint):
    def check(self, value):
        return value == value               # all but NaN


class _GreaterThan(_Above):
    def check(self, value):
        return value > self.lower_bound


class _GreaterThanEq(_Above):
    def check(self, value):
        return value >= self.lower_bound


class _LessThan(_Below):
    def check(self, value):
        return value < self.upper_bound


class _Interval(_Bounded):
    def check(self, value):
        return (value >= self.lower_bound) & (value <= self.upper_bound)


class _HalfOpenInterval(_Bounded):
    def check(self, value):
        return (value >= self.lower_bound) & (value < self.upper_bound)


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value):
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(Constraint):
    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _LowerTriangular(Constraint):
    event_dim = 2

    def check(self, value):
        return flatten_last(value.tril() == value, value.dim() - 2)


class _LowerCholesky(_LowerTriangular):
    def check(self, value):
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    def check(self, value):
        tolerance = finfo(value.dtype).eps * value.shape[-1] * 10
        lengths = core.linalg.vector_norm(value.detach(), dim=-1)
        return super().check(value) & ((lengths - 1).abs() <= tolerance).all(-1)


class _Square(Constraint):
    event_dim = 2

    def check(self, value):
        return core.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=core.bool)


class _Symmetric(_Square):
    def check(self, value):
        square_ones = super().check(value)
        if not square_ones.all():
            return square_ones
        return flatten_last(core.isclose(value, value.mT, atol=1e-6), value.dim() - 2)


class _PositiveSemidefinite(_Symmetric):
    def check(self, value):
        symmetric_ones = super().check(value)
        if not symmetric_ones.all():
            return symmetric_ones
        return (core.linalg.eigvalsh(value) >= 0).all(-1)


class _PositiveDefinite(_Symmetric):
    def check(self, value):
        symmetric_ones = super().check(value)
        if not symmetric_ones.all():
            return symmetric_ones
        return core.linalg.cholesky_ex(value).info == 0


class _Joined(Constraint):
    """Constraints side by side."""

    def __init__(self, cseq, dim):
        self.cseq = list(cseq)
        for at, one in enumerate(self.cseq):
            require_constraint(one, f"{self._name}: cseq[{at}]")
        self.dim = dim

    @property
    def is_discrete(self):
        return any(c.is_discrete for c in self.cseq)

    def _require_dim(self, value):
        if not -value.dim() <= self.dim < value.dim():
            raise AssertionError(
                f"{self._name}: dim={self.dim} is out of range for value of shape {tuple(value.shape)}; expected "
                f"{-value.dim()} <= dim < {value.dim()}"
            )


class _Cat(_Joined):
    _name = "cat"

    def __init__(self, cseq, dim=0, lengths=None):
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(
                f"cat: lengths has {len(self.lengths)} elements for {len(self.cseq)} constraints; expected as many"
            )

    @property
    def event_dim(self):
        return max(c.event_dim for c in self.cseq)

    def check(self, value):
        self._require_dim(value)
        parts = value.split(self.lengths, self.dim)
        return core.cat([c.check(part) for c, part in zip(self.cseq, parts)], self.dim)


class _Stack(_Joined):
    _name = "stack"

    def __init__(self, cseq, dim=0):
        super().__init__(cseq, dim)

    @property
    def event_dim(self):
        dims = max(c.event_dim for c in self.cseq)
        return dims + 1 if self.dim + dims < 0 else dims

    def check(self, value):
        self._require_dim(value)
        return core.stack([c.check(part) for c, part in zip(self.cseq, value.unbind(self.dim))], self.dim)


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
