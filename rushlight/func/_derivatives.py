"""Transforms of functions into functions that compute derivatives, by the tape."""
import functools

from rushlight.autograd import enable_grad
from rushlight.autograd.functional import Linear, columns, products, reaches_others, rows
from rushlight.func._tree import flatten
from rushlight.functional._core import Tensor, core


def _tensors(name, what, tree):
    """The leaves of a tree, which must all be tensors."""
    leaves, rebuild = flatten(tree)
    for at, x in enumerate(leaves):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {what} holds a {type(x).__name__} (leaf {at}); expected Tensors only")
    return leaves, rebuild


def _aux(name, result, has_aux):
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(f"{name}: func returned {type(result).__name__} with has_aux=True; expected (output, aux)")
    return result


class Recorded:
    """One call of a function with its arguments attached to the tape.

    A derivative computed inside another one, or of something outside that requires grad, is recorded itself
    (`create_graph`); any other one is not, and its results do not require grad.
    """

    def __init__(self, name, func, primals, has_aux=False):
        outside = core.is_grad_enabled()
        self.primals, self.rebuild_in = _tensors(name, "the arguments to differentiate by", primals)
        for at, x in enumerate(self.primals):
            if not (x.is_floating_point() or x.is_complex()):
                raise RuntimeError(
                    f"{name}: argument leaf {at} has dtype {x.dtype}; expected a floating or complex dtype"
                )
        connected = outside and any(x.requires_grad for x in self.primals)
        with enable_grad():
            self.inputs = tuple(
                x.view_as(x) if outside and x.requires_grad else x.detach().requires_grad_() for x in self.primals
            )
            result, aux = _aux(name, func(self.rebuild_in(list(self.inputs))), has_aux)
        self.outputs, self.rebuild_out = _tensors(name, "the result of func", result)
        self.aux = aux
        self.create_graph = connected or (outside and reaches_others(self.outputs, self.inputs))

    def release(self, leaves):
        """Results as the caller gets them."""
        return [x if self.create_graph else x.detach() for x in leaves]

    @property
    def value(self):
        return self.rebuild_out(self.release(self.outputs))

    def released_aux(self):
        leaves, rebuild = flatten(self.aux)
        return rebuild([
            x.detach() if isinstance(x, Tensor) and x.requires_grad and not self.create_graph else x for x in leaves
        ])


def _select(name, args, argnums):
    """The arguments to differentiate by, and a function that puts others in their places."""
    many = isinstance(argnums, tuple)
    places = argnums if many else (argnums,)
    if not places:
        raise RuntimeError(f"{name}: argnums is empty; expected at least one position")
    found = []
    for place in places:
        if isinstance(place, bool) or not isinstance(place, int):
            raise RuntimeError(f"{name}: argnums={argnums!r}; expected an int or a tuple of ints")
        if not -len(args) <= place < len(args):
            raise RuntimeError(
                f"{name}: argnums={argnums!r} for {len(args)} arguments; expected positions below {len(args)}"
            )
        found.append(place % len(args))
    if len(set(found)) != len(found):
        raise RuntimeError(f"{name}: argnums={argnums!r} names an argument twice; expected different positions")

    def replaced(given):
        new = list(args)
        for place, value in zip(found, given if many else (given,), strict=True):
            new[place] = value
        return new
    return tuple(args[p] for p in found) if many else args[found[0]], replaced


def grad_and_value(func, argnums=0, has_aux=False):
    """A function that computes the gradient of `func` and its value.

    Args:
        func (callable): its result is a tensor of one number, or (that, aux) with has_aux.
        argnums (int or tuple): the arguments to differentiate by, each a tree of tensors. Default: 0.
        has_aux (bool): hand through a second result. Default: False.

    Returns:
        A function that returns (gradient, value), or (gradient, (value, aux)).

    Raises:
        RuntimeError: the result is not one number, or argnums does not fit.

    Example:
        >>> rushlight.func.grad_and_value(lambda x: x**2)(rushlight.tensor(3.0))
        (tensor(6.), tensor(9.))
    """
    return _gradient("grad_and_value", func, argnums, has_aux)


def _gradient(name, func, argnums, has_aux):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        chosen, replaced = _select(name, args, argnums)
        call = Recorded(name, lambda given: func(*replaced(given), **kwargs), chosen, has_aux)
        if len(call.outputs) != 1 or call.outputs[0].dim() != 0:
            shapes = [tuple(y.shape) for y in call.outputs]
            raise RuntimeError(f"{name}: func returned tensors of shapes {shapes}; expected a single one of shape ()")
        with enable_grad():
            found = products(call.outputs, call.inputs, (core.ones_like(call.outputs[0]),), call.create_graph)
        gradient = call.rebuild_in(call.release(found))
        return (gradient, (call.value, call.released_aux())) if has_aux else (gradient, call.value)
    return wrapper


def grad(func, argnums=0, has_aux=False):
    """A function that computes the gradient of `func`.

    Args:
        func (callable): its result is a tensor of one number, or (that, aux) with has_aux.
        argnums (int or tuple): the arguments to differentiate by, each a tree of tensors. Default: 0.
        has_aux (bool): hand through a second result. Default: False.

    Returns:
        A function that returns the gradient, or (gradient, aux). Gradients of gradients, and by what `func` uses from
        outside, are right.

    Raises:
        RuntimeError: the result is not one number, or argnums does not fit.

    Example:
        >>> rushlight.func.grad(rushlight.func.grad(lambda x: x**3))(rushlight.tensor(2.0))
        tensor(12.)
    """
    both = _gradient("grad", func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient
    return wrapper


def vjp(func, *primals, has_aux=False):
    """The value of `func`, and a function that multiplies its Jacobian from the left.

    Args:
        func (callable): of trees of tensors, to one.
        primals: its arguments.
        has_aux (bool): hand through a second result. Default: False.

    Returns:
        (value, function of a cotangent for each output), and aux. The function returns a tuple of as many as there are
        primals, or the only one.

    Raises:
        RuntimeError: cotangents do not fit the outputs.

    Example:
        >>> value, pull = rushlight.func.vjp(rushlight.sin, rushlight.tensor(0.0))
        >>> pull(rushlight.tensor(2.0))
        (tensor(2.),)
    """
    call = Recorded("vjp", lambda given: func(*given), primals, has_aux)

    def pull(*cotangents):
        given = cotangents if len(cotangents) != 1 else cotangents[0]
        leaves, _ = _tensors("vjp", "the cotangents", given)
        fit("vjp", "cotangent", leaves, call.outputs)
        recorded = core.is_grad_enabled() and (call.create_graph or any(v.requires_grad for v in leaves))
        with enable_grad():
            found = products(call.outputs, call.inputs, tuple(leaves), recorded)
        return call.rebuild_in([x if recorded else x.detach() for x in found])
    return (call.value, pull, call.released_aux()) if has_aux else (call.value, pull)


def fit(name, what, given, wanted):
    if len(given) != len(wanted):
        raise RuntimeError(f"{name}: {len(given)} {what}s for {len(wanted)} tensors; expected as many")
    for at, (v, x) in enumerate(zip(given, wanted, strict=True)):
        if v.shape != x.shape:
            raise RuntimeError(
                f"{name}: {what} {at} has shape {tuple(v.shape)}; expected {tuple(x.shape)}, that of its tensor"
            )


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """The value of `func`, and its Jacobian times tangents, by two reverse walks.

    Args:
        func (callable): of trees of tensors, to one.
        primals (tuple): its arguments.
        tangents (tuple): of the same shapes.
        strict (bool): refuse outputs that do not depend on the primals, instead of zeros. Default: False.
        has_aux (bool): hand through a second result. Default: False.

    Returns:
        (value, product), and aux.

    Raises:
        RuntimeError: tangents do not fit, or what strict forbids.

    Example:
        >>> rushlight.func.jvp(rushlight.sin, (rushlight.tensor(0.0),), (rushlight.tensor(2.0),))
        (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or not primals:
        raise RuntimeError("jvp: primals and tangents must be tuples with at least one element")
    call = Recorded("jvp", lambda given: func(*given), primals, has_aux)
    leaves, _ = _tensors("jvp", "the tangents", tangents)
    fit("jvp", "tangent", leaves, call.primals)
    if strict and not all(y.requires_grad for y in call.outputs):
        raise RuntimeError("jvp: an output of func does not depend on any primal; strict=True forbids that")
    product = _push(call, Linear(call.outputs, call.inputs), leaves)
    return (call.value, product, call.released_aux()) if has_aux else (call.value, product)


def _push(call, linear, leaves):
    recorded = core.is_grad_enabled() and (call.create_graph or any(v.requires_grad for v in leaves))
    with enable_grad():
        found = linear(tuple(leaves), recorded)
    return call.rebuild_out([x if recorded else x.detach() for x in found])


def linearize(func, *primals):
    """The value of `func`, and a function that multiplies its Jacobian there from the right.

    Args:
        func (callable): of trees of tensors, to one; called once.
        primals: its arguments.

    Returns:
        (value, function of a tangent for each primal).

    Raises:
        RuntimeError: tangents do not fit.

    Example:
        >>> value, push = rushlight.func.linearize(rushlight.sin, rushlight.tensor(0.0))
        >>> push(rushlight.tensor(2.0)), push(rushlight.tensor(3.0))
        (tensor(2.), tensor(3.))
    """
    call = Recorded("linearize", lambda given: func(*given), primals)
    linear = Linear(call.outputs, call.inputs)

    def push(*tangents):
        leaves, _ = _tensors("linearize", "the tangents", tangents)
        fit("linearize", "tangent", leaves, call.primals)
        return _push(call, linear, leaves)
    return call.value, push


def _jacobian(name, func, argnums, has_aux, table):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        chosen, replaced = _select(name, args, argnums)
        call = Recorded(name, lambda given: func(*replaced(given), **kwargs), chosen, has_aux)
        with enable_grad():
            blocks = table(call)
        result = call.rebuild_out([call.rebuild_in(call.release(one)) for one in blocks])
        return (result, call.released_aux()) if has_aux else result
    return wrapper


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that computes the Jacobian of `func` by reverse walks, one for each element of the outputs.

    Args:
        func (callable): of trees of tensors, to one.
        argnums (int or tuple): the arguments to differentiate by. Default: 0.
        has_aux (bool): hand through a second result. Default: False.
        chunk_size (int): accepted: walks run one after the other. Default: None.

    Returns:
        A function that returns the tree of outputs with the tree of arguments at each leaf: tensors of the output's
        shape followed by the argument's.

    Raises:
        ValueError: chunk_size is not above 0.

    Example:
        >>> rushlight.func.jacrev(lambda x: x**2)(rushlight.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"jacrev: chunk_size={chunk_size}; expected None or chunk_size > 0")
    return _jacobian("jacrev", func, argnums, has_aux,
                     lambda call: [rows(y, call.inputs, call.create_graph) for y in call.outputs])


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function that computes the Jacobian of `func` by forward products, one for each element of the arguments.

    Args:
        func (callable): of trees of tensors, to one; called once, whatever it draws.
        argnums (int or tuple): the arguments to differentiate by. Default: 0.
        has_aux (bool): hand through a second result. Default: False.
        randomness (str): accepted: "error", "different" or "same". Default: "error".

    Returns:
        As `jacrev`.

    Example:
        >>> rushlight.func.jacfwd(lambda x: x**2)(rushlight.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    return _jacobian("jacfwd", func, argnums, has_aux,
                     lambda call: columns(call.outputs, call.inputs, call.create_graph))


def hessian(func, argnums=0):
    """A function that computes the second derivatives of `func`: `jacfwd` of `jacrev`.

    Args:
        func (callable): of trees of tensors, to one.
        argnums (int or tuple): the arguments to differentiate by. Default: 0.

    Example:
        >>> rushlight.func.hessian(lambda x: (x**3).sum())(rushlight.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func, *, remove="mutations"):
    """Refused: nothing here needs programs without changes in place, since capture reads the operators that ran.

    Raises:
        NotImplementedError: always.

    Example:
        >>> try:
        ...     rushlight.func.functionalize(lambda x: x.add_(1))
        ... except NotImplementedError as error:
        ...     print(error)
        functionalize: changes in place need no removal here; call func itself
    """
    raise NotImplementedError("functionalize: changes in place need no removal here; call func itself")


def debug_unwrap(tensor, *, recurse=True):
    """`tensor` itself: inside the transforms tensors are ordinary ones.

    Args:
        tensor (Tensor)
        recurse (bool): accepted. Default: True.

    Example:
        >>> rushlight.func.debug_unwrap(rushlight.ones(1))
        tensor([1.])
    """
    return tensor
