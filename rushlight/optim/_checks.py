"""What optimizers and schedules refuse, in sentences that name the class and the argument."""
from rushlight.functional._core import Tensor


def refusal(owner, kind, text):
    """An exception whose sentence begins with the name of the owner's class.

    Args:
        owner (object): an optimizer or a schedule.
        kind (type): of the exception.
        text (str): the sentence.
    """
    return kind(f"{type(owner).__name__}: {text}")


def check_numbers(owner, **arguments):
    """Refuse arguments that are no numbers.

    Args:
        owner (object): an optimizer or a schedule.
        arguments: by name.

    Raises:
        TypeError: one is no number.
    """
    for name, value in arguments.items():
        if not hasattr(value, "__float__"):
            raise refusal(owner, TypeError, f"{name}={value!r} is of type {type(value).__name__}; expected a number")


def check_pair(owner, name, values, may_lack=False):
    """Refuse an argument that is not two numbers.

    Args:
        owner (Optimizer): whose argument.
        name (str): the argument.
        values (tuple of float): what was given.
        may_lack (bool): the first may be None. Default: False.

    Raises:
        TypeError: it is no sequence, or its values are no numbers.
        IndexError: it is too short.
        ValueError: it is too long.
    """
    if not isinstance(values, (tuple, list, Tensor)):
        raise refusal(owner, TypeError, f"{name}={values!r} is of type {type(values).__name__}; expected two numbers")
    if len(values) != 2:
        raise refusal(owner, IndexError if len(values) < 2 else ValueError,
                      f"{name}={values!r} has {len(values)} values; expected two")
    check_numbers(owner, **{f"{name}[{i}]": value for i, value in enumerate(values)
                            if not (may_lack and i == 0 and value is None)})


def check_options(optimizer, **options):
    """Refuse options that are out of range, as PyTorch does.

    Args:
        optimizer (Optimizer): whose options.
        options: by name; `betas` are two in [0, 1), all others at least 0.

    Raises:
        TypeError: one is no number.
        IndexError: `betas` is too short.
        ValueError: one is out of range, `betas` is too long, or a rate in a tensor is not one number.
    """
    for option, value in options.items():
        if option == "betas":
            check_pair(optimizer, option, value)
            for i, beta in enumerate(value):
                if not 0.0 <= beta < 1.0:
                    raise refusal(optimizer, ValueError, f"betas[{i}]={beta} is out of range; expected 0 <= "
                                                         f"betas[{i}] < 1")
            continue
        if isinstance(value, Tensor) and value.numel() != 1:
            raise refusal(optimizer, ValueError, f"{option} is a tensor of shape {tuple(value.shape)}; expected one "
                                                 "number")
        check_numbers(optimizer, **{option: value})
        if not float(value) >= 0.0:
            raise refusal(optimizer, ValueError, f"{option}={float(value)} is out of range; expected {option} >= 0")
