"""Custom differentiable operations, written in Python."""

from rushlight import _C


class FunctionCtx(_C.Node):
    """What `forward` and `backward` of one call share. It is also the call's node: `result.grad_fn`."""

    materialize_grads = True
    needs_input_grad = ()
    to_save = ()
    dirty_tensors = ()
    non_differentiable = ()

    def save_for_backward(self, *tensors):
        """Keeps tensors (or None) for `backward`, which finds them in `saved_tensors`. Once, in forward.

        Only tensors saved here are safe: a change in place before backward raises there.
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        """Accepted for PyTorch's programs; forward products are made of `backward`."""

    def mark_dirty(self, *args):
        """Names the arguments that forward changed in place; it must return them."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args):
        """Names the results through which no gradient flows."""
        self.non_differentiable = args

    def set_materialize_grads(self, value):
        """False: backward gets None instead of zeros for results that no gradient reached."""
        self.materialize_grads = value

    @property
    def saved_tensors(self):
        """The tensors given to `save_for_backward`.

        Raises RuntimeError when one was changed in place since, or when they were freed by an earlier
        backward.
        """
        opened = _C._open_saved(self)
        return self.to_save if opened is None else opened

    @property
    def saved_variables(self):
        """The older name of `saved_tensors`."""
        return self.saved_tensors

    def _run_backward(self, grads):
        cls = self._forward_cls
        if cls.vjp is not Function.vjp:
            return cls.vjp(self, *grads)
        return cls.backward(self, *grads)


class _FunctionMeta(type):
    def __init__(cls, name, bases, attrs):
        super().__init__(name, bases, attrs)
        cls._backward_cls = type(name + "Backward", (FunctionCtx,), {"_forward_cls": cls})


class Function(metaclass=_FunctionMeta):
    """Base class of custom operations: subclasses define `forward` and `backward`, callers use `apply`.

    Example:
        >>> class Cube(rushlight.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x**2 * grad
        >>> x = rushlight.tensor(2., requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            f"{type(self).__name__}: call the function as {type(self).__name__}.apply(...), "
                f"without making an instance"
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Computes the results: `forward(ctx, *args)`, or `forward(*args)` beside `setup_context`."""
        raise NotImplementedError("Function: forward is not defined")

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Fills `ctx` after a `forward` that does not take it."""
        raise NotImplementedError("Function: setup_context is not defined")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """From the gradients of the results to those of the arguments: one for each, or None."""
        raise NotImplementedError(f"{ctx.name()}: backward is not defined")

    @staticmethod
    def vjp(ctx, *grad_outputs):
        """The same as `backward`, under its other name."""
        raise NotImplementedError(f"{ctx.name()}: vjp is not defined")

    @classmethod
    def apply(cls, *args):
        """Runs `forward` without recording, and records this call as one operation.

        Args:
            args: what forward takes; gradients flow to those that are tensors.

        Returns:
            What forward returns, a tensor or a tuple.
        """
        ctx = cls._backward_cls()
        needs = tuple([isinstance(a, _C.Tensor) and a.requires_grad for a in args])
        ctx.needs_input_grad = needs
        recording = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            if cls.setup_context is Function.setup_context:
                results = cls.forward(ctx, *args)
            else:
                results = cls.forward(*args)
                cls.setup_context(ctx, args, results)
        finally:
            _C._set_grad_enabled(recording)
        if not recording or True not in needs:
            return results
        many = isinstance(results, tuple)
        placed = _C._link_function(
            ctx,
            type(ctx).__name__,
            args,
            results if many else (results,),
            tuple(ctx.dirty_tensors),
            tuple(ctx.non_differentiable),
            tuple(ctx.to_save),
            bool(ctx.materialize_grads),
        )
        ctx.to_save = ctx.dirty_tensors = ctx.non_differentiable = ()
        return placed if many else placed[0]


class _RefuseSecondDerivative(Function):
    @staticmethod
    def forward(ctx, *tensors):
        return tuple([t.detach() for t in tensors])

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "once_differentiable: trying to differentiate twice a backward that is "
                "marked with @once_differentiable"
        )


def once_differentiable(fn):
    """Decorates a `backward` that can't be differentiated: it runs unrecorded, a second derivative raises.

    Args:
        fn: the backward function.
    """

    def wrapper(ctx, *args):
        recording = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            results = fn(ctx, *args)
        finally:
            _C._set_grad_enabled(recording)
        if not recording or not any(isinstance(a, _C.Tensor) and a.requires_grad for a in args):
            return results
        many = isinstance(results, tuple)
        results = results if many else (results,)
        tensors = [
            r.detach().requires_grad_() for r in results if isinstance(r, _C.Tensor) and r.is_floating_point()
        ]
        refusing = iter(_RefuseSecondDerivative.apply(*tensors) if tensors else ())
        out = tuple(
            [next(refusing) if isinstance(r, _C.Tensor) and r.is_floating_point() else r for r in results]
        )
        return out if many else out[0]

    wrapper.__name__ = getattr(fn, "__name__", "backward")
    wrapper.__doc__ = fn.__doc__
    return wrapper
