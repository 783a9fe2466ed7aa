"""Selective checkpointing: which results a checkpoint keeps, and gives back when its function runs again."""
import enum

from rushlight import _C


class CheckpointPolicy(enum.Enum):
    """What a checkpoint does with an operator's result: keeps it, or has it computed again.

    Attributes:
        MUST_SAVE, PREFER_SAVE: it is kept.
        MUST_RECOMPUTE, PREFER_RECOMPUTE: it is computed again.
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


__all__ = ["CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts"]
