"""Composites: functions written in Python over primitives; everything else derives from their definition.

A composite is one decorated function with a docstring and an example. Its public names are given as paths, as in
an operator's record: "pixel_shuffle nn.functional.pixel_shuffle" appears in two namespaces, "Tensor.unflatten" is
a method, "Tensor.renorm_" the method that overwrites the tensor; "out" lets the functions take `out=`.
"""
from rushlight.functional._core import Tensor, core, native

#: Every composite, in order of definition: (function, {path: what stands there}).
COMPOSITES = []

_PLACES = {"": core, "nn.functional": native, "linalg": core.linalg}


def composite(paths, autocast=None):
    """Register a function as a composite.

    Args:
        paths (str): its public paths, separated by spaces.
        autocast (str, optional): under autocast, floating arguments are converted: 'lower' to the dtype that the
            user chose, 'widen' to float32; 'keep' keeps them, for what is called too. Default: None, they stay, and
            what is called chooses.

    Returns:
        callable: a decorator that returns the function, with `out=` where the paths say so.

    Example:
        >>> from rushlight.functional._composite import composite, in_namespace
        >>> "glu" in in_namespace("nn.functional")
        True
    """
    words = [word for word in paths.split() if word != "out"]
    name = words[0].rpartition(".")[2]

    def register(function):
        _speak(function, name)
        checked = _checking(function if autocast is None else _casting(function, name, autocast), name)
        public = _taking_out(checked, name) if "out" in paths.split() else checked
        found = {}
        for path in words:
            place, _, last = path.rpartition(".")
            in_place = last[-1] == "_" != last[-2] and function.__name__[-1] != "_"
            found[path] = _overwriting(checked, last) if in_place else checked if place == "Tensor" else public
            if place in _PLACES:
                setattr(_PLACES[place], last, found[path])
        COMPOSITES.append((public, found))
        return public
    return register


def _speak(function, name):
    """Errors of what `function` calls bear this name."""
    if function.__code__.co_name != function.__name__:
        # One of several made by the same lines: its errors and tracebacks bear its own name.
        function.__code__ = function.__code__.replace(co_name=function.__name__, co_qualname=function.__qualname__)
    core._name_composite(function, name)


def _checking(function, name):
    """The function, saying which argument it is that lacks what the function asks of it."""
    def form(*args, **named):
        try:
            return function(*args, **named)
        except AttributeError as error:
            refusal = _misplaced(function, name, args, named, error.obj) if _is_ours(error) else None
            if refusal is None:
                raise
            raise refusal from error
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if _is_ours(error):
                _speak_of(error, function, name, args, named)
            raise

    form.__wrapped__ = function
    return _like(form, function, function.__name__, function.__doc__, name)


def _is_ours(error):
    """Whether composites alone have raised it, and not a user's own code that one of them called back."""
    frame = error.__traceback__
    while frame is not None:
        if not frame.tb_frame.f_globals.get("__name__", "").startswith("rushlight.functional."):
            return False
        frame = frame.tb_next
    return True


def _speak_of(error, function, name, args, named):
    """What a composite that this one calls has refused is said in this one's name, and of this one's arguments."""
    speaker, colon, rest = str(error).partition(": ")
    if not (colon and speaker.isidentifier() and speaker.islower()):
        return
    start, apart, _ = rest.partition(" differ and neither is 1")
    error.args = (f"{name}: {start}{apart}{_shapes(function, args, named) if apart else ''}",)


def _bound(function, args, named):
    """The parameters of `function`, and what was given for them, by name."""
    from inspect import signature  # too slow to import for every program

    found = signature(function)
    return found.parameters, found.bind(*args, **named).arguments


def _shapes(function, args, named):
    _, given = _bound(function, args, named)
    shown = [f"{param} {tuple(value.shape)}" for param, value in given.items() if isinstance(value, Tensor)]
    return f" ({', '.join(shown).replace(' ', ' has shape ', 1)})" if shown else ""


def _misplaced(function, name, args, named, culprit):
    params, given = _bound(function, args, named)
    for param, value in given.items():
        if value is culprit and isinstance(value, Tensor):
            return TypeError(f"{name}: argument '{param}' must not be a Tensor")
        if value is culprit:
            return TypeError(f"{name}: argument '{param}' must be Tensor, not {type(value).__name__}")
        if isinstance(value, (list, tuple)) and any(item is culprit for item in value):
            return TypeError(f"{name}: argument '{param}' must hold tensors only, not {type(culprit).__name__}")
    if isinstance(culprit, (int, float, complex)):         # what was computed of a number where a tensor was due
        for param in params.values():
            if param.default is param.empty and isinstance(given.get(param.name), (int, float, complex)):
                kind = type(given[param.name]).__name__
                return TypeError(f"{name}: argument '{param.name}' must be Tensor, not {kind}")
    return None


def write(name, out, result):
    """Puts results where `out=` says: a tensor, or a tuple of them. Returns `out`, as a named tuple where the result is
    one.
    """
    values = result if isinstance(result, (tuple, list)) else (result,)
    targets = out if isinstance(out, (tuple, list)) else (out,)
    if len(targets) != len(values) or not all(isinstance(target, Tensor) for target in targets):
        shown = ", ".join(type(target).__name__ for target in targets)
        raise TypeError(f"{name}: out must be {len(values)} Tensor{'s' * (len(values) > 1)}, not ({shown})")
    if any(value.requires_grad for value in values):
        raise RuntimeError(
            f"{name}: out= can't be differentiated, but an argument requires grad; leave out= away, or call it "
            "under no_grad()"
        )
    for target, value in zip(targets, values, strict=True):
        _check_cast(name, value, target, "out")
        target.resize_(value.shape).copy_(value)
    return type(result)(targets) if isinstance(result, (tuple, list)) else out


def _check_cast(name, value, target, what):
    if not core._can_cast(value.dtype, target.dtype):
        raise RuntimeError(
            f"{name}: the result type {value.dtype} can't be cast to {target.dtype}, the dtype of {what}")


def _casting(function, name, how):
    def form(*args, **named):
        if not core._autocast():
            return function(*args, **named)
        lower = core._autocast_dtype()
        dtype = {"lower": lower, "widen": core.float32, "keep": None}[how]

        def cast(value):
            if dtype is None:
                return value
            if isinstance(value, core.Tensor) and value.is_floating_point() and value.dtype is not core.float64:
                return value.to(dtype)
            return [cast(item) for item in value] if isinstance(value, (list, tuple)) else value

        core._set_autocast(False, lower)
        try:
            return function(*[cast(value) for value in args], **{key: cast(value) for key, value in named.items()})
        finally:
            core._set_autocast(True, lower)

    form.__wrapped__ = function
    return _like(form, function, function.__name__, function.__doc__, name)


def _taking_out(function, name):
    def form(*args, out=None, **named):
        result = function(*args, **named)
        return result if out is None else write(name, out, result)

    form.__wrapped__, form.takes_out = function, True          # what tools/catalogue.py makes the signature of
    return _like(form, function, function.__name__, function.__doc__, name)


def _like(form, function, own_name, doc, speaker):
    form.__name__ = form.__qualname__ = own_name
    form.__module__, form.__doc__ = function.__module__, doc
    _speak(form, speaker)
    return form


def _overwriting(function, name):
    def form(self, *args, **named):
        result = function(self, *args, **named)
        _check_cast(name, result, self, "the tensor changed in place")
        if result.shape != self.shape:
            raise RuntimeError(f"{name}: the result has shape {tuple(result.shape)}; expected {tuple(self.shape)}, "
                               "the shape of the tensor changed in place")
        return self.copy_(result)

    return _like(form, function, name, f"`{name[:-1]}` that overwrites the tensor and returns it.", name)


def in_namespace(namespace):
    """The composites of one namespace by name.

    Args:
        namespace (str): "" for the top level, "nn.functional", "Tensor", ...

    Returns:
        dict: from name to function.

    Example:
        >>> from rushlight.functional._composite import in_namespace
        >>> in_namespace("nn.functional")["glu"].__name__
        'glu'
    """
    found = {}
    for _, paths in COMPOSITES:
        for path, function in paths.items():
            place, _, name = path.rpartition(".")
            if place == namespace:
                found[name] = function
    return found
