"""Differentiation: `backward`, `grad`, modes, custom functions, and what looks into the recorded graph."""

from rushlight import _C
from rushlight._C import Tensor, is_anomaly_check_nan_enabled, is_anomaly_enabled
from rushlight.autograd import anomaly_mode, forward_ad, function, functional, grad_mode, graph
from rushlight.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from rushlight.autograd.function import Function
from rushlight.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from rushlight.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from rushlight.autograd.variable import Variable


def _sequence(given):
    if given is None or isinstance(given, Tensor):
        return given
    return tuple(given)


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Adds the gradients of `tensors` with respect to the leaves they came from to the leaves' `.grad`.

    Args:
        tensors: a tensor, or a sequence of them.
        grad_tensors: the gradient each starts from, of its shape; None for tensors with one element.
        retain_graph: keep what was saved, to walk again. Default: create_graph.
        create_graph: record the derivatives, to differentiate again. A leaf and its `.grad` then keep each
            other alive until `.grad` is set to None; grad() leaves no such circle.
        grad_variables: the older name of grad_tensors.
        inputs: only these accumulate; a tensor or a sequence.

    Raises:
        RuntimeError: nothing requires grad, shapes differ, the graph was freed, or a saved tensor was
            changed in place.

    Example:
        >>> x = rushlight.tensor([1., 2.], requires_grad=True)
        >>> rushlight.autograd.backward([(x * x).sum(), x.sum()])
        >>> x.grad
        tensor([3., 5.])
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "backward: grad_tensors and its older name grad_variables were both given; "
                    "expected one of them"
            )
        grad_tensors = grad_variables
    keep = create_graph if retain_graph is None else retain_graph
    _C._backward(
        _sequence(tensors), _sequence(grad_tensors), bool(keep), bool(create_graph), _sequence(inputs)
    )


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of the sum of `outputs` with respect to `inputs`; `.grad` stays as it is.

    Args:
        outputs: a tensor, or a sequence of them.
        inputs: a tensor that requires grad, or a sequence of them.
        grad_outputs: the gradient each output starts from; None for outputs with one element.
        retain_graph: keep what was saved, to walk again. Default: create_graph.
        create_graph: record the derivatives, to differentiate again.
        only_inputs: accepted for PyTorch's programs.
        allow_unused: None instead of an error for inputs that the outputs do not depend on. Default:
            materialize_grads.
        is_grads_batched: grad_outputs have a first dimension more; the results get it too.
        materialize_grads: zeros for inputs that the outputs do not depend on.

    Returns:
        A tuple of tensors, one for each input.

    Raises:
        RuntimeError: as `backward`, and for an input that the outputs do not depend on.

    Example:
        >>> x = rushlight.tensor([1., 2.], requires_grad=True)
        >>> rushlight.autograd.grad((x**3).sum(), x)
        (tensor([ 3., 12.]),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: materialize_grads=True needs allow_unused=True or None, got allow_unused=False"
        )
    outputs, inputs, grad_outputs = _sequence(outputs), _sequence(inputs), _sequence(grad_outputs)
    unused = bool(allow_unused) or materialize_grads
    if is_grads_batched:
        return _batched_grad(outputs, inputs, grad_outputs, bool(create_graph), unused)
    keep = create_graph if retain_graph is None else retain_graph
    found = _C._grad(outputs, inputs, grad_outputs, bool(keep), bool(create_graph), unused)
    if materialize_grads:
        wanted = (inputs,) if isinstance(inputs, Tensor) else inputs
        found = tuple(
            [_C.zeros_like(x, requires_grad=True) if g is None else g for g, x in zip(found, wanted)]
        )
    return found


def _batched_grad(outputs, inputs, grad_outputs, create_graph, unused):
    outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
    grads = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs
    if grads is None or any(g is None for g in grads):
        raise RuntimeError("grad: is_grads_batched=True needs a tensor in grad_outputs for each output")
    rows = [
        _C._grad(outputs, inputs, tuple([g[i] for g in grads]), True, create_graph, unused)
        for i in range(grads[0].shape[0])
    ]
    return tuple([None if column[0] is None else _C.stack(column) for column in zip(*rows)])


def __getattr__(name):
    if name not in ("profiler", "ProfilerActivity"):
        raise AttributeError(f"module 'rushlight.autograd' has no attribute '{name}'")
    from importlib import import_module
    module = import_module("rushlight.autograd.profiler")
    return module if name == "profiler" else module.ProfilerActivity
