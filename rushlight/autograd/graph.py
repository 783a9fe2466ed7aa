"""The recorded graph: its nodes, and hooks on what it saves."""

import contextlib
import functools
import threading
import weakref

from rushlight import _C
from rushlight._C import Node  # noqa: F401
from rushlight.autograd.grad_mode import enable_grad, no_grad


class GradientEdge(tuple):
    """Where the gradient of a tensor enters the graph: a pair of a node, and which of its results.

    Example:
        >>> y = rushlight.ones(2, requires_grad=True) * 2
        >>> node, number = rushlight.autograd.graph.get_gradient_edge(y)
        >>> node is y.grad_fn, number
        (True, 0)
    """

    __slots__ = ()

    def __new__(cls, node, output_nr):
        return super().__new__(cls, (node, output_nr))

    @property
    def node(self):
        """The node."""
        return self[0]

    @property
    def output_nr(self):
        """Which of the node's results."""
        return self[1]


def get_gradient_edge(tensor):
    """The edge at which the gradient of a tensor arrives.

    Args:
        tensor: a tensor that requires grad.

    Raises:
        RuntimeError: when it does not.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> rushlight.autograd.graph.get_gradient_edge(x * 3).node.name()
        'MulBackward0'
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            f"get_gradient_edge: the tensor of shape {tuple(tensor.shape)} does not require grad"
        )
    node = tensor.grad_fn
    if node is not None:
        return GradientEdge(node, tensor.output_nr)
    with enable_grad():
        return GradientEdge(tensor.view_as(tensor).grad_fn.next_functions[0][0], 0)


class _MultiHandle:
    """Takes several hooks away together."""

    def __init__(self, handles):
        self.handles = tuple(handles)

    def remove(self):
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls a function when the gradients of several tensors have been computed, or that of the first of them.

    Args:
        tensors (sequence of Tensor): they require grad.
        fn (callable): with mode "all" it gets a list of gradients, None for tensors that the backward pass did not
            reach; with mode "any" the first gradient.
        mode (str): "all" or "any". Default: "all".

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        ValueError: another mode.
        RuntimeError: a tensor that does not require grad.

    Example:
        >>> a, b = rushlight.ones(2, requires_grad=True), rushlight.ones(2, requires_grad=True)
        >>> c, d = a * b, a + b
        >>> handle = rushlight.autograd.graph.register_multi_grad_hook(
        ...     (a, c, d), lambda grads: print([g is not None for g in grads]))
        >>> c.sum().backward()
        [True, True, False]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"register_multi_grad_hook: mode={mode!r}; expected 'all' or 'any'")
    tensors = tuple(tensors)
    # The graph owns its hooks: they must own nothing of it, or nobody would ever free it.
    nodes = [_C._watch_gradient(tensor) for tensor in tensors]
    latest = threading.local()                             # the backward pass of this thread: its gradients so far

    def arrived(place, gradient):
        walk = _C._current_walk()
        is_first = getattr(latest, "walk", None) != walk
        if is_first:
            latest.walk, latest.gradients = walk, [None] * len(nodes)
            latest.left = sum([node.will_run() for node in nodes])
        if mode == "any":
            if is_first:
                fn(gradient)
            return
        latest.gradients[place] = gradient
        latest.left -= 1
        if latest.left == 0:
            gradients, latest.gradients = latest.gradients, None
            fn(gradients)

    return _MultiHandle(tensor.register_hook(functools.partial(arrived, i)) for i, tensor in enumerate(tensors))


class _Refusal(threading.local):
    message = None


_refusal = _Refusal()


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """In the block, hooks on saved tensors are refused.

    Args:
        error_message: str, what the RuntimeError says.

    Example:
        >>> with rushlight.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
        ...     with rushlight.autograd.graph.save_on_cpu():
        ...         pass
        Traceback (most recent call last):
        ...
        RuntimeError: no hooks here
    """
    before, _refusal.message = _refusal.message, error_message
    try:
        yield
    finally:
        _refusal.message = before


def increment_version(tensor):
    """Tells the tape that the values of tensors were changed by something that it does not see.

    Args:
        tensor: a tensor, or an iterable of tensors.

    Raises:
        TypeError: when something else is among them.

    Example:
        >>> x = rushlight.ones(2)
        >>> rushlight.autograd.graph.increment_version(x)
        >>> x._version
        1
    """
    for t in (tensor,) if isinstance(tensor, _C.Tensor) else tensor:
        if not isinstance(t, _C.Tensor):
            raise TypeError(f"increment_version: tensor holds a {type(t).__name__}; expected tensors")
        if not t.is_inference():
            _C._bump_version(t)


class saved_tensors_hooks:
    """In the block, each tensor saved for backward goes through `pack_hook`, and returns by `unpack_hook`.

    Args:
        pack_hook: takes a tensor, returns anything.
        unpack_hook: takes what pack_hook returned, returns a tensor with the same values.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> with rushlight.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), rushlight.tensor):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self):
        if _refusal.message is not None:
            raise RuntimeError(_refusal.message)
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *error):
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps saved tensors in the main memory, as copies.

    Args:
        pin_memory: accepted and without effect.

    Example:
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> with rushlight.autograd.graph.save_on_cpu():
        ...     y = x.exp()
        >>> y.sum().backward()
    """

    def __init__(self, pin_memory=False, device_type="cpu"):
        super().__init__(lambda t: t.detach().clone(), lambda t: t)


class _Kept:
    """A saved tensor, with its values from before the first change in place."""

    def __init__(self, tensor):
        self.tensor, self.version, self.copy = tensor, tensor._version, None

    def values(self):
        if self.copy is None and self.tensor._version != self.version:
            raise RuntimeError(
                f"allow_mutation_on_saved_tensors: a saved tensor of shape {tuple(self.tensor.shape)} was "
                "changed by something that is no call in place; expected calls in place only")
        return self.tensor if self.copy is None else self.copy


class allow_mutation_on_saved_tensors:
    """In the block, tensors that were saved for backward may be changed in place: their old values are kept.

    Forward and backward pass both belong into the block. It looks at every call of its thread, which takes time.

    Raises:
        RuntimeError: another tool watches this thread's calls; a saved tensor was changed by something else, such as
            a call with `out=`.

    Example:
        >>> with rushlight.autograd.graph.allow_mutation_on_saved_tensors():
        ...     a = rushlight.ones(2, requires_grad=True)
        ...     b = a.clone()
        ...     out = (b**2).sum()
        ...     b = b.zero_()
        ...     out.backward()
        >>> a.grad
        tensor([2., 2.])
    """

    def __enter__(self):
        self._by_storage = {}                              # weakly: a freed graph frees what it kept
        self._hooks = saved_tensors_hooks(self._pack, _Kept.values)
        _C._watch_calls(self._before, lambda *told: None)
        try:
            self._hooks.__enter__()
        except RuntimeError:
            _C._watch_calls(None, None)
            raise
        return self

    def __exit__(self, *error):
        self._hooks.__exit__(*error)
        _C._watch_calls(None, None)

    def _pack(self, tensor):
        kept = _Kept(tensor)
        self._by_storage.setdefault(tensor.untyped_storage().data_ptr(), weakref.WeakSet()).add(kept)
        return kept

    def _before(self, name, given, depth, in_place):
        if not in_place:
            return
        for kept in self._by_storage.pop(given[0].untyped_storage().data_ptr(), ()):
            if kept.copy is None and kept.tensor._version == kept.version:
                with no_grad():
                    kept.copy = kept.tensor.detach().clone()
