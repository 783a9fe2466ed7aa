"""Jacobians, Hessians and their products with vectors, of functions of tensors."""
from rushlight import _C
from rushlight._C import Tensor
from rushlight.autograd.grad_mode import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple_of(given, name, what):
    """A tensor or tuple of tensors as a tuple, and whether it was one already."""
    many = isinstance(given, tuple)
    found = given if many else (given,)
    for at, x in enumerate(found):
        if not isinstance(x, Tensor):
            where = f"{what}[{at}]" if many else what
            raise TypeError(f"{name}: {where} is of type {type(x).__name__}; expected a Tensor or a tuple of Tensors")
    return found, many


def _single(found, many):
    return found if many else found[0]


def attach(inputs, keep_graph):
    """Inputs to differentiate by: views that stay connected to what made them, or leaves of their own."""
    return tuple(
        x.view_as(x) if keep_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs
    )


def _call(name, func, inputs, create_graph, strict):
    inputs, many_in = _tuple_of(inputs, name, "inputs")
    with enable_grad():
        inputs = attach(inputs, create_graph)
        outputs, many_out = _tuple_of(func(*inputs), name, "the result of func")
    for at, y in enumerate(outputs):
        if strict and not y.requires_grad:
            raise RuntimeError(f"{name}: output {at} of func does not depend on any input; strict=True forbids that")
    return inputs, many_in, outputs, many_out


def _vector(name, v, like, what):
    """The vector of a product: as given, or 1 for a single number."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{name}: v=None is for a single {what} of one element; expected a v for each {what}")
        return (_C.ones_like(like[0]),)
    v, _ = _tuple_of(v, name, "v")
    if len(v) != len(like):
        raise RuntimeError(f"{name}: v has {len(v)} tensors for {len(like)} {what}s; expected as many")
    for at, (x, y) in enumerate(zip(v, like, strict=True)):
        if x.shape != y.shape:
            raise RuntimeError(
                f"{name}: v[{at}] has shape {tuple(x.shape)}; expected {tuple(y.shape)}, that of the {what}"
            )
    return v


def products(outputs, inputs, vectors, create_graph=False, strict=None):
    """vector-Jacobian products with zeros where nothing depends on anything; `strict` names who forbids that."""
    used = [(y, v) for y, v in zip(outputs, vectors, strict=True) if y.requires_grad]
    found = [None] * len(inputs)
    if used:
        ys, vs = zip(*used, strict=True)
        found = _C._grad(ys, inputs, vs, True, create_graph, True)
    result = []
    for at, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if strict and g is None:
            raise RuntimeError(f"{strict}: no output of func depends on input {at}; strict=True forbids that")
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"{strict}: the derivative by input {at} does not depend on the inputs; strict=True forbids that with "
                "create_graph=True"
            )
        result.append(_C.zeros_like(x) if g is None else g)
    return tuple(result)


def reaches_others(outputs, own):
    """Whether recorded outputs come from leaves other than `own`: then their derivatives must be recorded too."""
    known, seen = {id(x) for x in own}, set()
    waiting = [y.grad_fn for y in outputs if y.grad_fn is not None]
    if any(y.requires_grad and y.grad_fn is None and id(y) not in known for y in outputs):
        return True
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) not in known:
            return True
        waiting += [below for below, _ in node.next_functions if below is not None]
    return False


class Linear:
    """The derivative of recorded outputs as a linear map of tangents of the inputs: forward products by reverse steps.

    The vector-Jacobian product is linear in its vector u, so that its own vector-Jacobian product in u is the product
    with the tangents (J. Townsend, 2017): two reverse walks, for which derivatives must be differentiable themselves.
    """

    def __init__(self, outputs, inputs):
        self.outputs = outputs
        moving = [y for y in outputs if y.requires_grad]
        with enable_grad():
            self.u = tuple(_C.zeros_like(y).requires_grad_() for y in moving)
            self.back = products(moving, inputs, self.u, create_graph=True)

    def __call__(self, tangents, create_graph=False):
        found = iter(products(self.back, self.u, tangents, create_graph))
        return tuple(next(found) if y.requires_grad else _C.zeros_like(y) for y in self.outputs)


def _finish(result, create_graph):
    return result if create_graph else tuple(x.detach() for x in result)


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), and v times its Jacobian.

    Args:
        func (callable): of tensors, to a tensor or a tuple of them.
        inputs (Tensor or tuple): where.
        v (Tensor or tuple): of the outputs' shapes. Default: 1, for a single number.
        create_graph (bool): the results can be differentiated. Default: False.
        strict (bool): refuse outputs or inputs that do not depend on one another, instead of zeros. Default: False.

    Raises:
        RuntimeError: v does not fit, or what strict forbids.
        TypeError: inputs or results are no tensors.

    Example:
        >>> rushlight.autograd.functional.vjp(lambda x: x**2, rushlight.tensor([1.0, 2.0]), rushlight.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    inputs, many_in, outputs, many_out = _call("vjp", func, inputs, create_graph, strict)
    v = _vector("vjp", v, outputs, "output")
    with enable_grad():
        result = products(outputs, inputs, v, create_graph, "vjp" if strict else None)
    return _single(_finish(outputs, create_graph), many_out), _single(_finish(result, create_graph), many_in)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), and its Jacobian times v, by two reverse walks.

    Args:
        func (callable): of tensors, to a tensor or a tuple of them.
        inputs (Tensor or tuple): where.
        v (Tensor or tuple): of the inputs' shapes. Default: 1, for a single number.
        create_graph (bool): the results can be differentiated. Default: False.
        strict (bool): refuse outputs or inputs that do not depend on one another, instead of zeros. Default: False.

    Raises:
        RuntimeError: v does not fit, or what strict forbids.
        TypeError: inputs or results are no tensors.

    Example:
        >>> rushlight.autograd.functional.jvp(lambda x: x**2, rushlight.tensor([1.0, 2.0]), rushlight.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    inputs, _, outputs, many_out = _call("jvp", func, inputs, create_graph, strict)
    v = _vector("jvp", v, inputs, "input")
    if strict:
        with enable_grad():
            products(outputs, inputs, tuple(_C.ones_like(y) for y in outputs), create_graph, "jvp")
    with enable_grad():
        result = Linear(outputs, inputs)(v, create_graph)
    return _single(_finish(outputs, create_graph), many_out), _single(_finish(result, create_graph), many_out)


def rows(y, inputs, create_graph=False, strict=None):
    """The Jacobian of one output by reverse walks, one for each of its elements."""
    found = []
    for at in range(y.numel()):
        unit = _C.zeros(y.numel(), dtype=y.dtype)
        unit[at] = 1
        found.append(products((y,), inputs, (unit.view(y.shape),), create_graph, strict))
    return tuple(
        _C.stack([row[i] for row in found]).view(y.shape + x.shape) if found
        else _C.zeros(y.shape + x.shape, dtype=x.dtype)
        for i, x in enumerate(inputs)
    )


def columns(outputs, inputs, create_graph=False):
    """The Jacobians by forward products, one for each element of the inputs: [output][input]."""
    linear, table = Linear(outputs, inputs), [[] for _ in outputs]
    for i, x in enumerate(inputs):
        found = []
        for at in range(x.numel()):
            unit = _C.zeros(x.numel(), dtype=x.dtype)
            unit[at] = 1
            tangents = [_C.zeros_like(z) for z in inputs]
            tangents[i] = unit.view(x.shape)
            found.append(linear(tuple(tangents), create_graph))
        for j, y in enumerate(outputs):
            shape = y.shape + x.shape
            block = _C.stack([one[j] for one in found], -1).view(shape) if found else _C.zeros(shape, dtype=y.dtype)
            table[j].append(block)
    return [tuple(blocks) for blocks in table]


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """The Jacobian of func at inputs.

    Args:
        func (callable): of tensors, to a tensor or a tuple of them.
        inputs (Tensor or tuple): where.
        create_graph (bool): the result can be differentiated. Default: False.
        strict (bool): refuse outputs or inputs that do not depend on one another, instead of zeros. Default: False.
        vectorize (bool): accepted; the walks run one after the other. Default: False.
        strategy (str): "reverse-mode", a walk for each output element, or "forward-mode", one for each input element,
            which needs vectorize=True. Default: "reverse-mode".

    Returns:
        A tensor of the output's shape followed by the input's; for tuples a tuple of them, over outputs, then inputs.

    Raises:
        AssertionError: another strategy.
        NotImplementedError: "forward-mode" without vectorize=True.
        RuntimeError: strict=True with vectorize=True, or what strict forbids.
        TypeError: inputs or results are no tensors.

    Example:
        >>> rushlight.autograd.functional.jacobian(lambda x: x**2, rushlight.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise AssertionError(f"jacobian: strategy={strategy!r}; expected 'reverse-mode' or 'forward-mode'")
    if strict and vectorize:
        raise RuntimeError("jacobian: strict=True and vectorize=True exclude one another; expected one of them")
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError("jacobian: strategy='forward-mode' needs vectorize=True")
    inputs, many_in, outputs, many_out = _call("jacobian", func, inputs, create_graph, strict)
    with enable_grad():
        if strategy == "forward-mode":
            table = columns(outputs, inputs, create_graph)
        else:
            table = [rows(y, inputs, create_graph, "jacobian" if strict else None) for y in outputs]
    return _single(tuple(_single(_finish(blocks, create_graph), many_in) for blocks in table), many_out)


def _number(name, func):
    """func, whose result must be one number."""
    def checked(*inputs):
        y = func(*inputs)
        if not isinstance(y, Tensor):
            raise RuntimeError(f"{name}: func returned a {type(y).__name__}; expected a Tensor of one element")
        if y.numel() != 1:
            raise RuntimeError(f"{name}: func returned a tensor of shape {tuple(y.shape)}; expected one element")
        return y.reshape(())
    return checked


def hessian(
    func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"
):
    """The second derivatives of a number.

    Args:
        func (callable): of tensors, to a tensor of one element.
        inputs (Tensor or tuple): where.
        create_graph (bool): the result can be differentiated. Default: False.
        strict (bool): refuse derivatives that do not depend on the inputs, instead of zeros. Default: False.
        vectorize (bool): see `jacobian`. Default: False.
        outer_jacobian_strategy (str): see `jacobian`'s strategy. Default: "reverse-mode".

    Returns:
        A tensor of the input's shape twice; for a tuple of inputs a tuple of tuples.

    Raises:
        RuntimeError: the result is not one number, or what strict forbids.
        TypeError: inputs are no tensors.

    Example:
        >>> rushlight.autograd.functional.hessian(lambda x: (x**3).sum(), rushlight.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    number = _number("hessian", func)
    inputs, many = _tuple_of(inputs, "hessian", "inputs")

    def slopes(*places):
        return jacobian(number, places, create_graph=True, strict=strict)

    table = jacobian(slopes, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return table if many else table[0][0]


def _slopes(name, func, inputs, create_graph, strict):
    inputs, many_in, outputs, _ = _call(name, _number(name, func), inputs, create_graph, strict)
    with enable_grad():
        slopes = products(outputs, inputs, (_C.ones_like(outputs[0]),), True, name if strict else None)
    return inputs, many_in, outputs[0], slopes


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), a number, and v times its second derivatives.

    Args:
        func (callable): of tensors, to a tensor of one element.
        inputs (Tensor or tuple): where.
        v (Tensor or tuple): of the inputs' shapes. Default: 1, for a single number.
        create_graph (bool): the results can be differentiated. Default: False.
        strict (bool): refuse derivatives that do not depend on the inputs, instead of zeros. Default: False.

    Raises:
        RuntimeError: the result is not one number, v does not fit, or what strict forbids.
        TypeError: inputs are no tensors.

    Example:
        >>> rushlight.autograd.functional.vhp(lambda x: (x**3).sum(), rushlight.tensor([1.0, 2.0]), rushlight.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("vhp", func, inputs, v, create_graph, strict)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), a number, and its second derivatives times v: they are symmetric, so that this is `vhp`.

    Args:
        func (callable): of tensors, to a tensor of one element.
        inputs (Tensor or tuple): where.
        v (Tensor or tuple): of the inputs' shapes. Default: 1, for a single number.
        create_graph (bool): the results can be differentiated. Default: False.
        strict (bool): refuse derivatives that do not depend on the inputs, instead of zeros. Default: False.

    Raises:
        RuntimeError: the result is not one number, v does not fit, or what strict forbids.
        TypeError: inputs are no tensors.

    Example:
        >>> rushlight.autograd.functional.hvp(lambda x: (x**3).sum(), rushlight.tensor([1.0, 2.0]), rushlight.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("hvp", func, inputs, v, create_graph, strict)


def _second(name, func, inputs, v, create_graph, strict):
    inputs, many_in, y, slopes = _slopes(name, func, inputs, create_graph, strict)
    v = _vector(name, v, inputs, "input")
    with enable_grad():
        result = products(slopes, inputs, v, create_graph, name if strict else None)
    return _finish((y,), create_graph)[0], _single(_finish(result, create_graph), many_in)
