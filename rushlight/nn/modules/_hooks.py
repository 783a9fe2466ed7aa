"""Handles of registered hooks, and the gates that watch gradients pass into and out of a module."""
import warnings
import weakref

from rushlight.autograd import Function
from rushlight.functional._core import Tensor
from rushlight.nn.modules._members import touch


class RemovableHandle:
    """Removes a hook from the dictionaries it was put into; also usable as a context manager.

    Args:
        hooks (OrderedDict): where the hook is kept under the handle's `id`.
        extra_dict (dict or list of dict, optional): further dictionaries keyed by the same `id`.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.Identity()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(rl.tensor(1))
        tensor(2)
        >>> layer(rl.tensor(1))
        tensor(1)
    """

    id = 0
    next_id = 0

    def __init__(self, hooks, *, extra_dict=None):
        self.hooks_dict_ref = weakref.ref(hooks)
        touch()
        extras = [extra_dict] if isinstance(extra_dict, dict) else (extra_dict or [])
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1

    def remove(self):
        """Take the hook away; removing twice is harmless."""
        touch()
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state):
        hooks, self.id, extras = state
        # A handle whose dictionaries are gone points at fresh ones that nothing else holds, so remove() does
        # nothing.
        self.hooks_dict_ref = _reference(hooks)
        self.extra_dict_ref = tuple(_reference(extra) for extra in extras)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.remove()


def _reference(hooks):
    return (lambda: None) if hooks is None else weakref.ref(hooks)


class _Gate(Function):
    """Passes tensors through unchanged and hands their gradients to a callback on the way back."""

    @staticmethod
    def forward(ctx, on_gradients, *tensors):
        ctx.on_gradients = on_gradients
        passed = tuple(tensor.view_as(tensor) for tensor in tensors)
        ctx.mark_non_differentiable(
            *[out for out, tensor in zip(passed, tensors) if not tensor.requires_grad]
        )
        return passed

    @staticmethod
    def backward(ctx, *gradients):
        return (None, *ctx.on_gradients(gradients))


def _through_gate(on_gradients, values):
    """`values` with its tensors led through a gate, and their places: () when none needs a gradient."""
    places = tuple(i for i, value in enumerate(values) if isinstance(value, Tensor))
    if not any(values[i].requires_grad for i in places):
        return values, ()
    passed = _Gate.apply(on_gradients, *[values[i] for i in places])
    values = list(values)
    for i, tensor in zip(places, passed):
        values[i] = tensor
    return tuple(values), places


class BackwardWatch:
    """One call of a module whose full backward hooks want to see the gradients of its inputs and outputs."""

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_output = None
        self.input_count = 0
        self.input_places = self.output_places = ()
        self.output_count = 0

    def watch_inputs(self, args):
        """The positional inputs, led through the gate that reports their gradients."""
        self.input_count = len(args)
        args, self.input_places = _through_gate(self._inputs_arrived, args)
        return args

    def watch_output(self, output):
        """The output, led through the gate that reports its gradients."""
        values = output if isinstance(output, tuple) else (output,)
        self.output_count = len(values)
        passed, self.output_places = _through_gate(self._outputs_arrived, values)
        if not isinstance(output, tuple):
            return passed[0]
        return passed if type(output) is tuple else type(output)(*passed)

    def _outputs_arrived(self, gradients):
        full = _spread(gradients, self.output_places, self.output_count)
        for hook in self.pre_hooks:
            full = _replaced(hook(self.module, full), full, "full_backward_pre_hook")
        self.grad_output = full
        if not self.input_places:
            if self.hooks:
                warnings.warn(
                    f"full_backward_hook: no input of this {type(self.module).__name__} requires grad, so its hooks "
                    "run when the gradients of the outputs arrive, and see None for those of the inputs")
            for hook in self.hooks:
                if hook(self.module, (None,) * self.input_count, full) is not None:
                    raise RuntimeError(
                        "full_backward_hook: returned gradients where no input requires them; expected None")
        return [full[i] for i in self.output_places]

    def _inputs_arrived(self, gradients):
        if self.grad_output is None:
            raise RuntimeError(
                "full_backward_hook: the gradient of an input arrived before that of the output; "
                "expected the output to be the result of the module's own inputs"
            )
        full = _spread(gradients, self.input_places, self.input_count)
        for hook in self.hooks:
            full = _replaced(hook(self.module, full, self.grad_output), full, "full_backward_hook")
        self.grad_output = None
        return [full[i] for i in self.input_places]


def _spread(gradients, places, count):
    full = [None] * count
    for place, gradient in zip(places, gradients):
        full[place] = gradient
    return tuple(full)


def _replaced(returned, current, what):
    if returned is None:
        return current
    if not isinstance(returned, tuple):
        returned = (returned,)
    if len(returned) != len(current):
        raise RuntimeError(f"{what}: returned {len(returned)} gradients; expected {len(current)}")
    return returned
