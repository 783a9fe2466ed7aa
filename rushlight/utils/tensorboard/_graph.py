"""A model's graph as one call of it shows it: operators, in the modules that called them."""
import contextlib

from rushlight import _C
from rushlight.autograd.grad_mode import no_grad
from rushlight.nn.modules._global_hooks import register_module_forward_hook, register_module_forward_pre_hook
from rushlight.utils.tensorboard import _messages as messages


class _Graph:
    """Notes each operator while a model runs. Tensors are known by identity, so all are kept alive."""

    def __init__(self, model):
        self.nodes, self.names, self.used = [], {}, {}
        self.kept, self.scopes, self.depths = [], [], []
        root = type(model).__name__
        self.paths = {id(module): "/".join([root, *self._steps(model, path)])
                      for path, module in model.named_modules()}
        for kind, found in (("Parameter", model.named_parameters()), ("Buffer", model.named_buffers())):
            for path, tensor in found:
                owner, _, leaf = path.rpartition(".")
                self._add("/".join([root, *self._steps(model, owner), leaf]), kind, [], [tensor])

    @staticmethod
    def _steps(model, path):
        """Names along a dotted path, such as Linear[fc]."""
        out, module = [], model
        for name in path.split(".") if path else []:
            module = getattr(module, name)
            out.append(f"{type(module).__name__}[{name}]")
        return out

    def _add(self, name, op, inputs, results):
        count = self.used[name] = self.used.get(name, -1) + 1
        name = f"{name}_{count}" if count else name
        shapes = b"".join(messages.nested(7, messages.shape(tensor.shape)) for tensor in results)
        attribute = messages.text(1, "_output_shapes") + messages.nested(2, messages.nested(1, shapes))
        self.nodes.append(messages.nested(1, messages.text(1, name) + messages.text(2, op)
                                          + b"".join(messages.text(3, one) for one in inputs)
                                          + messages.nested(5, attribute)))
        for tensor in results:
            self.names[id(tensor)] = name
            self.kept.append(tensor)

    def _name_of(self, tensor):
        if id(tensor) not in self.names:
            scope = self.scopes[-1] if self.scopes else ""
            self._add(f"{scope}/constant".lstrip("/"), "Constant", [], [tensor])
        return self.names[id(tensor)]

    def enter(self, module, args):
        self.scopes.append(self.paths.get(id(module), type(module).__name__))

    def leave(self, module, args, output):
        self.scopes.pop()

    def before(self, name, given, depth, in_place):
        return None

    def after(self, name, given, depth, results, note):
        if depth:
            return
        inputs = [self._name_of(tensor) for tensor in _tensors(given)]
        scope = self.scopes[-1] if self.scopes else ""
        new = [tensor for tensor in results if all(tensor is not one for one in _tensors(given))]
        self._add(f"{scope}/{name}".lstrip("/"), name, inputs, new or results)

    def definition(self):
        """GraphDef."""
        return b"".join(self.nodes) + messages.nested(4, messages.integer(1, 22))


def _tensors(values):
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(values, _C.Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in _tensors(value)]


@contextlib.contextmanager
def _watched(graph):
    _C._watch_calls(graph.before, graph.after)
    try:
        yield
    finally:
        _C._watch_calls(None, None)


def graph(model, args, verbose=False):
    """The graph of `model(*args)`.

    The model runs once, in evaluation mode and without recording gradients.

    Args:
        model (Module): the model.
        args (Tensor or tuple): its input or inputs.
        verbose (bool): print the nodes' count. Default: False.

    Returns:
        bytes: a GraphDef.
    """
    args = args if isinstance(args, list | tuple) else (args,)
    noted = _Graph(model)
    for tensor in _tensors(args):
        noted._add("input/input", "IO Node", [], [tensor])
    modes = [(module, module.training) for module in model.modules()]
    handles = [register_module_forward_pre_hook(noted.enter),
               register_module_forward_hook(noted.leave, always_call=True)]
    try:
        model.eval()
        with no_grad(), _watched(noted):
            output = model(*args)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    for tensor in _tensors(output):
        noted._add("output/output", "IO Node", [noted._name_of(tensor)], [tensor])
    if verbose:
        print(f"add_graph: {len(noted.nodes)} nodes")
    return noted.definition()
