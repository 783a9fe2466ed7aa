"""Which transform leads from all real numbers to a constraint."""
from rushlight.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table from constraints to transforms.

    Example:
        >>> d = rushlight.distributions
        >>> d.transform_to(d.constraints.greater_than(1.0))(rushlight.zeros(1))
        tensor([2.])
    """

    def __init__(self):
        self._registry = {}
        super().__init__()

    def register(self, constraint, factory=None):
        """Adds a kind of constraint; without factory, a decorator for it.

        Args:
            constraint (Constraint): a class, or one of its instances.
            factory (callable): makes the Transform for such a constraint.

        Raises:
            TypeError: it is no constraint.
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, constraints.Constraint):
            raise TypeError(f"register: constraint={constraint!r}; expected a Constraint or a class of them")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint):
        """The transform whose codomain is `constraint`.

        Args:
            constraint (Constraint)

        Raises:
            NotImplementedError: none is registered for its class.
        """
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"no transform is registered for {type(constraint).__name__} constraints")
        return factory(constraint)


#: Transforms that are one to one.
biject_to = ConstraintRegistry()
#: Transforms that reach every value, perhaps from several.
transform_to = ConstraintRegistry()


def _both(*kinds):
    def add(factory):
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory
    return add


@_both(constraints.real)
def _to_real(constraint):
    return transforms.identity_transform


def _joining(registry, name, *options):
    """A factory that takes the parts of a joined constraint from the same registry."""
    def factory(constraint):
        parts = [registry(c) for c in constraint.cseq]
        return getattr(transforms, name)(parts, constraint.dim, *[getattr(constraint, o) for o in options])
    return factory


for _registry in (biject_to, transform_to):
    _registry.register(
        constraints.independent,
        lambda c, registry=_registry: transforms.IndependentTransform(
            registry(c.base_constraint), c.reinterpreted_batch_ndims
        ),
    )
    _registry.register(constraints.cat, _joining(_registry, "CatTransform", "lengths"))
    _registry.register(constraints.stack, _joining(_registry, "StackTransform"))


@_both(constraints.greater_than, constraints.greater_than_eq)
def _to_above(constraint):
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    )


@_both(constraints.less_than)
def _to_below(constraint):
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    )


@_both(constraints.interval, constraints.half_open_interval)
def _to_interval(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


@biject_to.register(constraints.simplex)
def _simplex_one_to_one(constraint):
    return transforms.StickBreakingTransform()


@transform_to.register(constraints.simplex)
def _to_simplex(constraint):
    return transforms.SoftmaxTransform()


@_both(constraints.lower_cholesky)
def _to_lower_cholesky(constraint):
    return transforms.LowerCholeskyTransform()


@_both(constraints.positive_definite, constraints.positive_semidefinite)
def _to_positive_definite(constraint):
    return transforms.PositiveDefiniteTransform()


@_both(constraints.corr_cholesky)
def _to_corr_cholesky(constraint):
    return transforms.CorrCholeskyTransform()
