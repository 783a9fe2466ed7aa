"""Derivatives checked against finite differences."""

import warnings

from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.function import Function
from rushlight.autograd.grad_mode import enable_grad, no_grad


class GradcheckError(RuntimeError):
    """A derivative differs from finite differences."""


def _tuple(given):
    if isinstance(given, tuple):
        return given
    return tuple(given) if isinstance(given, list) else (given,)


def _differentiable(x):
    return isinstance(x, Tensor) and x.requires_grad and (x.is_floating_point() or x.is_complex())


def _with(values, replaced, requires_grad):
    """Fresh copies of all tensor arguments, for functions that change them; those at `replaced` are given."""
    out = []
    for i, v in enumerate(values):
        if i in replaced:
            v = replaced[i]
        elif isinstance(v, Tensor):
            wanted = v.requires_grad and requires_grad
            v = v.detach().clone()
            if wanted:
                v.requires_grad_()
        out.append(v)
    return out


def _outputs(func, values):
    """The floating results of func as real tensors: a complex one counts as its real and imaginary parts."""
    found = []
    for y in _tuple(func(*values)):
        if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex()):
            found.append(_C.view_as_real(y) if y.is_complex() else y)
    return found


def _sum(values):
    total = values[0]
    for v in values[1:]:
        total = total + v
    return total


def _perturbed(x, direction, step):
    with no_grad():
        return x.detach().clone() + step * direction


def _difference(func, values, i, direction, eps):
    """The directional derivative of all outputs along `direction` of argument i, by central differences."""
    with no_grad():
        x = values[i]
        above = _outputs(func, _with(values, {i: _perturbed(x, direction, eps)}, False))
        above = [y.detach().clone() for y in above]
        below = _outputs(func, _with(values, {i: _perturbed(x, direction, -eps)}, False))
        return [(a - b.detach()) / (2 * eps) for a, b in zip(above, below)]


def _one_hot(x, position, value=1.0):
    flat = _C.zeros(max(x.numel(), 1), dtype=x.dtype)
    flat[position] = value
    return flat[: x.numel()].reshape(x.shape)


def _numerical(func, values, i, eps):
    """Jacobians of all outputs by argument i: rows are elements of the argument, columns of the output."""
    x = values[i]
    rows = []
    for position in range(x.numel()):
        row = [d.reshape(-1) for d in _difference(func, values, i, _one_hot(x, position), eps)]
        if x.is_complex():
            turned = [d.reshape(-1) for d in _difference(func, values, i, _one_hot(x, position, 1j), eps)]
            row = [a + 1j * b for a, b in zip(row, turned)]
        rows.append(row)
    count = len(rows[0]) if rows else len(_outputs(func, _with(values, {}, False)))
    return [_C.stack([row[k] for row in rows]) if rows else None for k in range(count)]


def _analytical(func, values, where):
    """The same from backward: by output, then by argument."""
    with enable_grad():
        fresh = _with(values, {}, True)
        inputs = [fresh[i] for i in where]
        outputs = _outputs(func, fresh)
    found = []
    for y in outputs:
        columns = [[] for _ in where]
        for position in range(y.numel()):
            if y.requires_grad:
                grads = _C._grad(y, inputs, _one_hot(y, position), True, False, True)
            else:
                grads = [None] * len(inputs)
            for k, (g, x) in enumerate(zip(grads, inputs)):
                columns[k].append((_C.zeros_like(x) if g is None else g).detach().clone().reshape(-1))
        found.append([_C.stack(c, 1) if c else None for c in columns])
    return found, outputs, inputs


def _close(a, b, rtol, atol):
    if a is None or b is None or a.numel() == 0:
        return True
    a, b = (a.cdouble(), b.cdouble()) if a.is_complex() or b.is_complex() else (a.double(), b.double())
    same = ((a - b).abs() <= atol + rtol * b.abs()) | (a == b)
    return bool(same.all())


def _require(holds, *parts):
    if not holds:
        raise GradcheckError("gradcheck: " + "".join(str(p) for p in parts))


def _check_inputs(values):
    where = [i for i, v in enumerate(values) if _differentiable(v)]
    if not where:
        raise ValueError(
            "gradcheck: no input requires grad; expected at least one floating tensor with requires_grad=True"
        )
    for i in where:
        x = values[i]
        if x.dtype not in (_C.float64, _C.complex128):
            warnings.warn(
                f"gradcheck: input {i} has dtype {x.dtype}; finite differences are "
                    f"reliable in double precision only",
                stacklevel=4,
            )
        if any(stride == 0 and size > 1 for stride, size in zip(x.stride(), x.shape)):
            raise RuntimeError(
                f"gradcheck: input {i} has several elements in one place (a stride "
                    f"of 0); expected memory of its own, use clone()"
            )
    return where


def _check_slow(func, values, where, eps, atol, rtol, nondet_tol):
    analytical, outputs, _ = _analytical(func, values, where)
    again, _, _ = _analytical(func, values, where)
    for k, i in enumerate(where):
        numerical = _numerical(func, values, i, eps)
        for o in range(len(outputs)):
            n, a = numerical[o], analytical[o][k]
            _require(
                n is None or n.numel() == 0 or _close(a, n, rtol, atol),
                "Jacobian mismatch for output ",
                o,
                " with respect to input ",
                i,
                ",\nnumerical:",
                n,
                "\nanalytical:",
                a,
            )
            _require(
                _close(a, again[o][k], 0.0, nondet_tol),
                "Backward is not reentrant: two runs of it differ for output ",
                o,
                " with respect to input ",
                i,
                " by more than nondet_tol=",
                nondet_tol,
                "\nfirst:",
                a,
                "\nsecond:",
                again[o][k],
            )


def _spread(count, seed):
    """Numbers in [0, 1) without a pattern that a derivative could share; the same at every call."""
    return [((i + 1) * 0.6180339887498949 + seed * 0.3819660112501051) % 1.0 for i in range(count)]


def _direction(x, seed):
    flat = [v + 0.1 for v in _spread(x.numel(), seed)]
    norm = sum(v * v for v in flat) ** 0.5 or 1.0
    if x.is_complex():
        flat = [complex(v, w - 0.4) for v, w in zip(flat, _spread(x.numel(), seed + 3))]
    return _C.tensor([v / norm for v in flat], dtype=x.dtype).reshape(x.shape)


def _check_fast(func, values, where, eps, atol, rtol, nondet_tol):
    """One direction for each input against one mixture of each output's elements."""
    with enable_grad():
        fresh = _with(values, {}, True)
        inputs = [fresh[i] for i in where]
        outputs = _outputs(func, fresh)
    mixtures = [_direction(y, o + 1) for o, y in enumerate(outputs)]
    for k, i in enumerate(where):
        direction = _direction(values[i], -i - 1)
        numerical = _difference(func, values, i, direction, eps)
        for o, (y, u) in enumerate(zip(outputs, mixtures)):
            grad = _C._grad(y, [inputs[k]], u, True, False, True)[0] if y.requires_grad else None
            a = _C.zeros((), dtype=_C.float64) if grad is None else _real(grad * direction.conj()).sum()
            n = (numerical[o] * u).sum()
            allowed = atol * float(u.sum()) * float(direction.abs().sum())
            if not _close(a, n, rtol, max(allowed, atol)):
                _check_slow(func, values, where, eps, atol, rtol, nondet_tol)
                raise GradcheckError(
                    f"gradcheck: the directional derivative of output {o} with respect "
                        f"to input {i} is {float(n)} by finite "
                    f"differences and {float(a)} by backward; set fast_mode=False for the full comparison"
                )


def _real(x):
    return _C.view_as_real(x).select(-1, 0) if x.is_complex() else x


class _Undefined(Function):
    """The identity, whose gradient is not there at all."""

    @staticmethod
    def forward(ctx, *tensors):
        return tuple([t.detach() for t in tensors])

    @staticmethod
    def backward(ctx, *grads):
        return (None,) * len(grads)


def _check_undefined(func, values, where):
    """A backward that no gradient reaches must give none, or zeros."""
    with enable_grad():
        fresh = _with(values, {}, True)
        inputs = [fresh[i] for i in where]
        outputs = [y for y in _outputs(func, fresh) if y.requires_grad]
        if not outputs:
            return
        for held_back in [range(len(outputs))] + (
            [[o] for o in range(len(outputs))] if len(outputs) > 1 else []
        ):
            hidden = _Undefined.apply(*[outputs[o] for o in held_back])
            total = _sum([y.sum() for y in hidden])
            grads = _C._grad(total, inputs, None, True, False, True)
            for k, g in enumerate(grads):
                _require(
                    g is None or bool((g == 0).all()),
                    "input ",
                    where[k],
                    " got a gradient that is not zero although none reached the outputs",
                )


def _check_zero(func, values, where):
    """Backward is linear: a zero gradient must stay zero."""
    with enable_grad():
        fresh = _with(values, {}, True)
        inputs = [fresh[i] for i in where]
        outputs = [y for y in _outputs(func, fresh) if y.requires_grad]
    if not outputs:
        return
    grads = _C._grad(outputs, inputs, [_C.zeros_like(y) for y in outputs], True, False, True)
    for k, g in enumerate(grads):
        if g is None:
            continue
        _require(
            bool((g == 0).all()), "Backward is not multiplied by the gradient it is given: input ", where[k]
        )
        _require(
            g.dtype == inputs[k].dtype,
            "the gradient of input ",
            where[k],
            " has dtype ",
            g.dtype,
            "; expected ",
            inputs[k].dtype,
        )
        _require(
            g.shape == inputs[k].shape,
            "the gradient of input ",
            where[k],
            " has shape ",
            tuple(g.shape),
            "; expected ",
            tuple(inputs[k].shape),
        )


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Compares the gradients that backward gives with central finite differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require grad are checked, and should be float64.
        eps: the step of the differences.
        atol, rtol: the absolute and relative difference allowed.
        raise_exception: False to return False instead of raising.
        nondet_tol: the difference allowed between two runs of backward.
        check_undefined_grad: also check that missing gradients are taken for zeros.
        fast_mode: one random direction for each input instead of every element.
        check_grad_dtypes, check_batched_grad, check_batched_forward_grad, check_forward_ad,
            check_backward_ad, masked: accepted
            for PyTorch's programs; dtypes are always checked, forward mode does not exist.

    Returns:
        True when all gradients agree.

    Raises:
        GradcheckError: they differ; the message shows both Jacobians.
        ValueError: no input requires grad.

    Example:
        >>> x = rushlight.tensor([1., 2.], dtype=rushlight.float64, requires_grad=True)
        >>> rushlight.autograd.gradcheck(lambda x: x * x, x)
        True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError(
            "gradcheck: forward-mode differentiation is not available; leave check_forward_ad out"
        )
    values = list(_tuple(inputs))
    try:
        where = _check_inputs(values)
        check = _check_fast if fast_mode else _check_slow
        check(func, values, where, eps, atol, rtol, nondet_tol)
        _check_zero(func, values, where)
        if check_undefined_grad:
            _check_undefined(func, values, where)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_fwd_over_rev=False,
    check_rev_over_rev=True,
    fast_mode=False,
    masked=False,
):
    """Compares second derivatives with finite differences of the first.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require grad are checked, and should be float64.
        grad_outputs: the gradients of the outputs; random ones by default.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.
        eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad, fast_mode and the rest: as
            `gradcheck`.

    Returns:
        True when all agree.

    Raises:
        GradcheckError: they differ.

    Example:
        >>> x = rushlight.tensor([1., 2.], dtype=rushlight.float64, requires_grad=True)
        >>> rushlight.autograd.gradgradcheck(lambda x: x**3, x)
        True
    """
    values = _tuple(inputs)
    with no_grad():
        shown = [
            y
            for y in _tuple(func(*_with(values, {}, False)))
            if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex())
        ]
    if grad_outputs is None:
        grad_outputs = []
        for seed, y in enumerate(shown):
            g = _C.tensor([2 * v - 1 for v in _spread(y.numel(), seed)], dtype=y.dtype).reshape(y.shape)
            if gen_non_contig_grad_outputs and g.dim() > 0:
                g = _C.stack([g, g], -1).select(-1, 0)
            grad_outputs.append(g.requires_grad_())
    grad_outputs = _tuple(grad_outputs)
    count = len(grad_outputs)

    def first_derivative(*given):
        arguments, grads = given[:-count], given[-count:]
        with enable_grad():
            arguments = [
                x.view_as(x)
                if _differentiable(x)
                else x.requires_grad_()
                if _differentiable(v) and isinstance(x, Tensor)
                else x
                for x, v in zip(arguments, values)
            ]
            ys = [
                y
                for y in _tuple(func(*arguments))
                if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex())
            ]
            pairs = [(y, g) for y, g in zip(ys, grads) if y.requires_grad]
            wanted = [x for x, v in zip(arguments, values) if _differentiable(v)]
            found = _C._grad([y for y, _ in pairs], wanted, [g for _, g in pairs], True, True, True)
        return tuple([g for g in found if g is not None])

    return gradcheck(
        first_derivative,
        tuple(values) + grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        fast_mode=fast_mode,
    )
