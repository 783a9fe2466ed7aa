"""Names of programs that look for an accelerator. There is none: tensors are on the CPU."""


def is_available():
    """False: there is no accelerator.

    Example:
        >>> import rushlight as rl
        >>> rl.accelerator.is_available()
        False
    """
    return False


def current_accelerator(check_available=False):
    """None: there is no accelerator.

    Example:
        >>> import rushlight as rl
        >>> rl.accelerator.current_accelerator() is None
        True
    """
    return
