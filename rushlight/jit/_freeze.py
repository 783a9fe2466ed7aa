"""`freeze` and `optimize_for_inference`: programs whose weights are taken for constants."""
from rushlight import _C
from rushlight.jit._captured import CaptureError, capture
from rushlight.jit._trace import Captures, ScriptFunction, ScriptModule


class Frozen(Captures):
    """Captured calls changed by a pass, for other sizes too; other shapes are captured anew. Both only while the
    module's tensors are as they were."""

    def __init__(self, source, change):
        super().__init__(source.name, source.function, source.known)
        self._change = change
        self._source = source
        self._example = True                         # generalize() has something to do
        tensors = [t for _, t in source.known] + [t for f in source.families for t in f.constants.values()]
        self._watched = [(t, t._version) for t in tensors]
        for found in source.captured:
            self.add(self._changed(found))
        if not source.captured:
            self.generalize()

    def _changed(self, found):
        return found.changed(self._change)

    def _check_tensors(self):
        if any(t._version != version for t, version in self._watched):
            raise RuntimeError(f"{self.name}: tensors of the module have changed since it was frozen, and the frozen "
                               "program has not been captured for these shapes; freeze the module again")

    def generalize(self):
        """Changes the graphs that do for all sizes, if the program that was frozen has some."""
        if self._example:
            self._check_tensors()
            self._example = False
            self._source.generalize()
            changed = [family.changed(self._change) for family in self._source.families]
            self.families = [family for family in changed if family is not None]

    def trace(self, args, kwargs):
        self._check_tensors()
        found, result = capture(self.function, args, kwargs, self.known, "freeze")
        if isinstance(found, CaptureError):
            raise found
        found = self._changed(found)
        self.add(found)
        return found, result


def _is_scripted(program):
    return not isinstance(program._captures, Captures)


def _changed(program, change, tensors=()):
    captures = Frozen(program._captures, change)
    if isinstance(program, ScriptFunction):
        return ScriptFunction(captures)
    out = ScriptModule(captures, list(tensors), program.original_name)
    out.training = program.training
    return out


def freeze(mod, preserved_attrs=None, optimize_numerics=True):
    """A traced or scripted module whose parameters and attributes are constants of its graph.

    What depends on constants only is worked out once, and batch norm joins the convolution or linear layer before it.
    Of a scripted module the methods that it calls become part of `forward`, branches on attributes (`self.training`)
    are decided, and dropout goes. The frozen module has copies: it does not see when the module's weights change. Other
    shapes than it was traced for are captured when they come, as long as the module's tensors are as they were.

    Args:
        mod (ScriptModule): what to freeze, in evaluation mode.
        preserved_attrs (list of str, optional): parameters and buffers that the result shows under their names; of
            scripted modules also numbers, and exported methods. A traced module computes without them; a scripted one
            reads them when it runs.
        optimize_numerics (bool): fold batch norm, with factors worked out in float64; results change by rounding.
            Without it they are those of the module bit for bit. Default: True.

    Returns:
        ScriptModule.

    Raises:
        RuntimeError: `mod` is no traced or scripted module, or it is in training mode.
        AttributeError: it has nothing with a preserved name.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3, bias=False), rl.nn.BatchNorm2d(4)).eval()
        >>> frozen = rl.jit.freeze(rl.jit.trace(model, rl.ones(1, 3, 8, 8)))
        >>> [node[0] for node in frozen.graph.nodes], list(frozen.parameters())
        (['convolution'], [])
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(f"freeze: mod is a {type(mod).__name__}; expected a module that jit.trace or "
                           "jit.script gave")
    if _is_scripted(mod):
        return mod._captures.freeze(mod, list(preserved_attrs or ()), optimize_numerics)
    if mod.training:
        raise RuntimeError(f"freeze: {mod.original_name} is in training mode; call eval() before it is traced, or "
                           "where it was loaded")
    tensors = dict([*mod.named_parameters(), *mod.named_buffers()])
    missing = [name for name in preserved_attrs or () if name not in tensors]
    if missing:
        raise AttributeError(f"freeze: preserved_attrs names {missing[0]!r}; {mod.original_name} has no such tensor")
    kept = [(name, tensors[name]) for name in preserved_attrs or ()]
    return _changed(mod, lambda graph: _C.graph.freeze(graph, optimize_numerics), kept)


def optimize_for_inference(mod, other_methods=None):
    """A frozen module whose operators are joined for speed.

    Additions and activations (relu; gelu after linear layers) join the convolution or linear layer before them. Results
    change by rounding; where relu joins, a NaN may come out as 0. A traced program has no derivatives then, and refuses
    inputs that want one. A scripted one joins them in the plans that it makes from the second call with the same shapes
    on, where no gradient is wanted.

    Args:
        mod (ScriptModule or ScriptFunction): what to optimize; a module that has tensors is frozen first.
        other_methods (list of str, optional): names of exported methods and tensors that freezing preserves.

    Returns:
        ScriptModule or ScriptFunction.

    Raises:
        RuntimeError: `mod` is no traced or scripted program.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(4, 4), rl.nn.ReLU()).eval()
        >>> fast = rl.jit.optimize_for_inference(rl.jit.trace(model, rl.ones(1, 4)))
        >>> [node[0] for node in fast.graph.nodes]
        ['linear_fused']
    """
    if not isinstance(mod, ScriptModule | ScriptFunction):
        raise RuntimeError(f"optimize_for_inference: mod is a {type(mod).__name__}; expected a program that jit.trace "
                           "or jit.script gave")
    if _is_scripted(mod):
        if isinstance(mod, ScriptModule) and not mod._captures.is_frozen:
            mod = freeze(mod.eval(), preserved_attrs=other_methods)
        return mod._captures.optimize(mod)
    if isinstance(mod, ScriptModule) and not isinstance(mod._captures, Frozen):
        mod = freeze(mod.eval(), preserved_attrs=other_methods)
    change = getattr(mod._captures, "_change", lambda graph: graph)
    fused = _changed(mod, _C.graph.optimize_for_inference, [*mod.named_parameters(), *mod.named_buffers()]
                     if isinstance(mod, ScriptModule) else ())
    fused._captures._change = lambda graph: _C.graph.optimize_for_inference(change(graph))
    return fused
