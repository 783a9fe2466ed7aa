"""Gradient checkpointing: memory for time. What backward needs of a segment is computed again instead of kept.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
"""
import contextlib
import enum

from rushlight import _C
from rushlight.amp import autocast, get_autocast_dtype, is_autocast_enabled
from rushlight.autograd import enable_grad
from rushlight.autograd.graph import saved_tensors_hooks
from rushlight.functional._core import Tensor, core
from rushlight.nn import Sequential
from rushlight.random import fork_rng, get_rng_state, set_rng_state

__all__ = [
    "CheckpointError",
    "CheckpointPolicy",
    "SelectiveCheckpointContext",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]


class CheckpointError(RuntimeError):
    """What was computed again is not what was computed first.

    Example:
        >>> from rushlight.utils.checkpoint import CheckpointError, checkpoint
        >>> kept = iter([slice(2), slice(1)])
        >>> x = rushlight.ones(2, requires_grad=True)
        >>> y = checkpoint(lambda t: t[next(kept)].exp(), x, use_reentrant=False)
        >>> try:
        ...     y.sum().backward()
        ... except CheckpointError:
        ...     print("another program")
        another program
    """


class _StopRecomputation(Exception):
    """All that was saved is here again; the rest of the function need not run."""


def noop_context_fn():
    """Two contexts that do nothing: the default of `checkpoint`'s `context_fn`.

    Example:
        >>> forward, recomputation = rushlight.utils.checkpoint.noop_context_fn()
        >>> with forward, recomputation:
        ...     pass
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


_override = {"early_stop": None, "debug": None}


@contextlib.contextmanager
def _overridden(name, value):
    before, _override[name] = _override[name], value
    try:
        yield
    finally:
        _override[name] = before


def set_checkpoint_early_stop(enable):
    """In the block, whether recomputation stops as soon as all that backward needs is there.

    Args:
        enable (bool): overrides the argument of `checkpoint`.

    Example:
        >>> from rushlight.utils.checkpoint import set_checkpoint_early_stop
        >>> with set_checkpoint_early_stop(False):
        ...     pass
    """
    return _overridden("early_stop", enable)


def set_checkpoint_debug_enabled(enabled):
    """In the block, whether a CheckpointError lists all that was saved both times.

    Args:
        enabled (bool or None): overrides the argument of `checkpoint`; None leaves it as it is.

    Example:
        >>> from rushlight.utils.checkpoint import set_checkpoint_debug_enabled
        >>> with set_checkpoint_debug_enabled(True):
        ...     pass
    """
    return _overridden("debug", enabled)


def _setting(name, argument):
    return argument if _override[name] is None else _override[name]


def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn, determinism_check="default",
               debug=False, early_stop=True, preserve_rng_state=True, **kwargs):
    """Calls a function without keeping what its backward needs; backward calls it again.

    The inputs need not require grad: the function's parameters get their gradients all the same. Random numbers,
    dropout's for one, are drawn again as they were, and autocast is as it was. Works with `autograd.grad`, with second
    derivatives and inside another checkpoint.

    Args:
        function (callable): of `args` and `kwargs`; it should depend on nothing that changes before backward.
        use_reentrant (bool, optional): accepted; there is one implementation, which does what both of PyTorch's do.
        context_fn (callable): returns two contexts, for the first run and for the second; see
            `create_selective_checkpoint_contexts`.
        determinism_check (str): "default" compares shapes and dtypes of what is computed again, "none" does not.
        debug (bool): a CheckpointError lists all that was saved both times. Default: False.
        early_stop (bool): end the second run when backward has all it needs. Default: True.
        preserve_rng_state (bool): draw the same random numbers in the second run. Default: True.

    Returns:
        What the function returns.

    Raises:
        ValueError: `determinism_check` is unknown.
        CheckpointError: in backward, when the second run saves something else than the first.
        RuntimeError: in backward, when an argument was changed in place since.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.utils.checkpoint import checkpoint
        >>> x = rl.ones(2, requires_grad=True)
        >>> checkpoint(lambda x: (x * x).exp().sum(), x).backward()
        >>> x.grad
        tensor([5.4366, 5.4366])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check={determinism_check!r}; expected 'default' or 'none'")
    if not core.is_grad_enabled():
        return function(*args, **kwargs)
    run = _Run(function, args, kwargs, preserve_rng_state)
    forward_context, run.again_context = context_fn()
    run.compare, run.debug = determinism_check == "default", _setting("debug", debug)
    run.early_stop = _setting("early_stop", early_stop)
    with saved_tensors_hooks(run.note, run.fetch), forward_context:
        result = function(*args, **kwargs)
    run.remember_versions()
    return result


class _Run:
    # One call of `checkpoint`: what is needed to call again, and what the second call has saved.
    def __init__(self, function, args, kwargs, preserve_rng_state):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.random_state = get_rng_state() if preserve_rng_state else None
        self.autocast = (is_autocast_enabled("cpu"), get_autocast_dtype("cpu"))
        self.noted = []                                  # (shape, dtype) of each tensor saved in the first run
        self.again = {}                                  # its number -> the tensor, between recomputing and use

    def note(self, tensor):
        self.noted.append(_described(tensor))
        return len(self.noted) - 1

    def remember_versions(self):
        arguments = (*self.args, *self.kwargs.values())
        self.versions = [(a, a._version) for a in arguments
                         if isinstance(a, Tensor) and not a.is_inference()]

    def fetch(self, number):
        if number not in self.again:
            self.recompute()
        return self.again.pop(number)

    def recompute(self):
        self.check_versions()
        self.again = {}
        saved = []

        def keep(tensor):
            # Its own history is not needed: the first run's node knows where the gradient goes on.
            self.again[len(saved)] = tensor.detach()
            saved.append(_described(tensor))
            if self.early_stop and len(saved) == len(self.noted):
                raise _StopRecomputation
            return len(saved) - 1

        def use(number):
            raise CheckpointError("checkpoint: the function runs backward through itself")

        enabled, dtype = self.autocast
        with self.random_numbers(), enable_grad(), autocast("cpu", dtype=dtype, enabled=enabled), \
                saved_tensors_hooks(keep, use), self.again_context, contextlib.suppress(_StopRecomputation):
            self.function(*self.args, **self.kwargs)
        self.check(saved)

    @contextlib.contextmanager
    def random_numbers(self):
        if self.random_state is None:
            yield
            return
        with fork_rng():
            set_rng_state(self.random_state)
            yield

    def check_versions(self):
        for place, (tensor, version) in enumerate(self.versions):
            if tensor._version != version:
                raise RuntimeError(
                    f"checkpoint: tensor argument {place} of shape {tuple(tensor.shape)} was modified by an inplace "
                    f"operation: it is at version {tensor._version}; expected version {version}, so that the function "
                    "can be run again")

    def check(self, saved):
        if len(saved) != len(self.noted):
            self.refuse(f"{len(saved)} tensors were saved; expected {len(self.noted)} as in the first run", saved)
        for number, (now, first) in enumerate(zip(saved, self.noted, strict=True)):
            if self.compare and now != first:
                self.refuse(f"saved tensor {number} is {_shown(now)}; expected {_shown(first)} as in the first run",
                            saved)

    def refuse(self, what, saved):
        text = f"checkpoint: when the function was run again, {what}. It must compute the same each time."
        if self.debug:
            text += "".join(f"\n  {title}: " + ", ".join(_shown(item) for item in items)
                            for title, items in (("first run", self.noted), ("again", saved)))
        raise CheckpointError(text)


def _described(tensor):
    return tuple(tensor.shape), tensor.dtype


def _shown(description):
    shape, dtype = description
    return f"{str(dtype).removeprefix('rushlight.')}{list(shape)}"


def checkpoint_sequential(functions, segments, input, use_reentrant=None, preserve_rng_state=True):
    """Runs a sequence of modules in segments, each of which but the last is checkpointed.

    Args:
        functions (Sequential or list of callables): run one after the other.
        segments (int): how many pieces of equal length to make.
        input (Tensor): what the first gets.
        use_reentrant (bool, optional): accepted, see `checkpoint`.
        preserve_rng_state (bool): draw the same random numbers again. Default: True.

    Returns:
        Tensor: what the last returns.

    Raises:
        ValueError: `segments` is not between 1 and the number of functions.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.utils.checkpoint import checkpoint_sequential
        >>> net = rl.nn.Sequential(rl.nn.Linear(4, 4), rl.nn.ReLU(), rl.nn.Linear(4, 1))
        >>> checkpoint_sequential(net, 2, rl.ones(3, 4)).shape
        rushlight.Size([3, 1])
    """
    if isinstance(functions, Sequential):
        functions = list(functions.children())
    if not 1 <= segments <= len(functions):
        raise ValueError(f"checkpoint_sequential: segments={segments} for {len(functions)} functions; "
                         "expected at least 1 and at most as many as there are functions")

    def part(start, end):
        def run(value):
            for function in functions[start:end]:
                value = function(value)
            return value
        return run

    size = len(functions) // segments
    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(part(start, start + size), input, use_reentrant=use_reentrant,
                           preserve_rng_state=preserve_rng_state)
    return part(last, len(functions))(input)


class CheckpointPolicy(enum.Enum):
    """What a checkpoint does with an operator's result: keeps it, or has it computed again.

    Attributes:
        MUST_SAVE, PREFER_SAVE: it is kept.
        MUST_RECOMPUTE, PREFER_RECOMPUTE: it is computed again.

    Example:
        >>> from rushlight.utils.checkpoint import CheckpointPolicy
        >>> [policy.name for policy in CheckpointPolicy]
        ['MUST_SAVE', 'PREFER_SAVE', 'MUST_RECOMPUTE', 'PREFER_RECOMPUTE']
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3


class SelectiveCheckpointContext:
    """What a policy is told besides the operator.

    Args:
        is_recompute (bool): whether the function is run again.

    Example:
        >>> from rushlight.utils.checkpoint import SelectiveCheckpointContext
        >>> SelectiveCheckpointContext(is_recompute=True).is_recompute
        True
    """

    def __init__(self, *, is_recompute):
        self.is_recompute = is_recompute


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """Two contexts for the `context_fn` of `checkpoint`: the first keeps some results, the second gives them back.

    What an operator calls in turn (`conv2d` calls `convolution`) is kept with it. Views, changes in place and random
    numbers are never kept. The profiler shows the operators' names.

    Args:
        policy_fn_or_list (callable or list): `f(context, op, *args)` from a SelectiveCheckpointContext, an operator's
            name and its tensors and numbers to a CheckpointPolicy; or the names of the operators to keep, or functions
            of these names.
        allow_cache_entry_mutation (bool): give back what was changed in place since, too. Default: False.

    Returns:
        tuple: the contexts of the first and of the second run.

    Raises:
        TypeError: the argument is neither; or the policy returns something else.
        ValueError: the list names what is no operator.
        RuntimeError: in backward, when a kept result was changed in place since, or the second run calls other
            operators than the first.

    Example:
        >>> import functools, rushlight as rl
        >>> from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
        >>> keep = functools.partial(create_selective_checkpoint_contexts, [rl.matmul])
        >>> x = rl.ones(2, 2, requires_grad=True)
        >>> checkpoint(lambda x: (x @ x).exp().sum(), x, use_reentrant=False, context_fn=keep).backward()
        >>> x.grad
        tensor([[29.5562, 29.5562],
                [29.5562, 29.5562]])
    """
    if isinstance(policy_fn_or_list, (list, tuple, set, frozenset)):
        names = frozenset(map(_name_of, policy_fn_or_list))

        def policy(context, op, *args):
            return CheckpointPolicy.MUST_SAVE if op in names else CheckpointPolicy.PREFER_RECOMPUTE
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError(f"create_selective_checkpoint_contexts: policy_fn_or_list is of type "
                        f"{type(policy_fn_or_list).__name__}; expected a function or a list of operators")
    kept = []
    return _Keeping(policy, kept), _GivingBack(policy, kept, allow_cache_entry_mutation)


def _name_of(operator):
    name = operator if isinstance(operator, str) else getattr(operator, "__name__", repr(operator))
    try:
        _C.operator(name)
    except Exception as error:
        raise ValueError(f"create_selective_checkpoint_contexts: {name!r} is no operator; expected the name of one, as "
                         "the profiler shows it") from error
    return name


class _Kept:
    # The results of one call, and the versions that their memory had.
    def __init__(self, name, results):
        self.name, self.results = name, tuple(result.detach() for result in results)
        self.versions = [result._version for result in self.results]

    def unchanged(self):
        return all(result._version == version for result, version in zip(self.results, self.versions, strict=True))


class _Watching:
    """Asks the policy about each call; what a kept operator calls in turn is kept, too."""

    is_recompute = False

    def __init__(self, policy, kept):
        self._policy, self._kept = policy, kept
        self._context = SelectiveCheckpointContext(is_recompute=self.is_recompute)

    def __enter__(self):
        self._within, self._at = 0, 0
        _C._watch_calls(self._before, self._after, answers=True)

    def __exit__(self, *error):
        _C._watch_calls(None, None)

    def _before(self, name, given, depth, answerable):
        keeps = self._within > 0 or self._decision(name, given)
        if not keeps:
            return None
        if answerable:
            return self._answer(name)
        self._within += 1
        return False

    def _after(self, name, given, depth, results, note):
        if note is False:
            self._within -= 1
        elif note is True:
            self._kept.append(_Kept(name, results))

    def _decision(self, name, given):
        found = self._policy(self._context, name, *given)
        if isinstance(found, bool):
            return found
        if not isinstance(found, CheckpointPolicy):
            raise TypeError(f"create_selective_checkpoint_contexts: the policy returned a {type(found).__name__} for "
                            f"{name}; expected a CheckpointPolicy")
        return found in (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)


class _Keeping(_Watching):
    def __enter__(self):
        self._kept.clear()
        super().__enter__()

    def _answer(self, name):
        return True


class _GivingBack(_Watching):
    is_recompute = True

    def __init__(self, policy, kept, allow_mutation):
        super().__init__(policy, kept)
        self._allow_mutation = allow_mutation

    def _answer(self, name):
        if self._at == len(self._kept) or self._kept[self._at].name != name:
            first = self._kept[self._at].name if self._at < len(self._kept) else "nothing more"
            raise RuntimeError(f"checkpoint: when the function was run again, the result of {name} was to be given "
                               f"back; expected {first}, as kept in the first run")
        kept = self._kept[self._at]
        if not (self._allow_mutation or kept.unchanged()):
            raise RuntimeError(f"checkpoint: the kept result of {name} of shape {tuple(kept.results[0].shape)} was "
                               "changed in place since; expected a policy that has it computed again, or "
                               "allow_cache_entry_mutation=True")
        self._at += 1
        return kept.results
