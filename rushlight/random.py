"""The default generator's seed and state."""
import contextlib

from rushlight._C import default_generator

_goes_on = False


@contextlib.contextmanager
def _going_on():
    """In the block `manual_seed` restarts nothing: there is one stream for all samples of `vmap`."""
    global _goes_on  # noqa: PLW0603  there is one default generator
    before, _goes_on = _goes_on, True
    try:
        yield
    finally:
        _goes_on = before


def manual_seed(seed):
    """Restarts the default generator from `seed`.

    Args:
        seed (int): any 64-bit integer.

    Returns:
        Generator: the default generator.

    Raises:
        RuntimeError: the seed does not fit into 64 bits.

    Example:
        >>> import rushlight as rl
        >>> _ = rl.manual_seed(0)
        >>> rl.rand(1).item()
        0.49625658988952637
    """
    return default_generator if _goes_on else default_generator.manual_seed(seed)


def seed():
    """Restarts the default generator from a seed of the operating system and returns it.

    Example:
        >>> import rushlight as rl
        >>> isinstance(rl.seed(), int)
        True
    """
    return default_generator.seed()


def initial_seed():
    """The seed that the default generator was started from.

    Example:
        >>> import rushlight as rl
        >>> _ = rl.manual_seed(7)
        >>> rl.initial_seed()
        7
    """
    return default_generator.initial_seed()


def get_rng_state():
    """The default generator's state: a uint8 tensor of 5,056 elements.

    Example:
        >>> import rushlight as rl
        >>> rl.get_rng_state().shape
        rushlight.Size([5056])
    """
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continues the default generator from a state that `get_rng_state` gave.

    Args:
        new_state (Tensor): the state.

    Raises:
        RuntimeError: it is not a state.

    Example:
        >>> import rushlight as rl
        >>> state = rl.get_rng_state()
        >>> a = rl.rand(2)
        >>> rl.set_rng_state(state)
        >>> rl.equal(a, rl.rand(2))
        True
    """
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, _caller="fork_rng", _devices_kw="devices", device_type=None):
    """After the block, the default generator continues as if the block had not drawn from it.

    Args:
        devices (iterable of int, optional): other devices whose generators are restored; there are none.
        enabled (bool): False makes the block an ordinary one. Default: True.
        device_type (str, optional): the kind of `devices`.

    Example:
        >>> import rushlight as rl
        >>> _ = rl.manual_seed(0)
        >>> with rl.random.fork_rng():
        ...     inside = rl.rand(2)
        >>> rl.equal(inside, rl.rand(2))
        True
    """
    if not enabled or device_type == "meta":
        yield
        return
    for device in devices or ():
        raise RuntimeError(f"{_caller}: {_devices_kw} has {device!r}, which is not available; expected none")
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def thread_safe_generator():
    """The generator of the loader's worker thread that asks; None elsewhere: workers are processes here.

    Returns:
        None: what `generator=` takes for the default generator.

    Example:
        >>> import rushlight as rl
        >>> rl.randint(0, 10, (2,), generator=rl.random.thread_safe_generator()).shape
        rushlight.Size([2])
    """
