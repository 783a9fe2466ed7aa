"""What all learning-rate schedules share."""
import functools
import warnings
import weakref

from rushlight.functional._core import Tensor
from rushlight.optim._checks import check_numbers, refusal
from rushlight.optim.optimizer import Optimizer

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler."
)


def values_of(optimizer, key):
    """One option of every group; tensors are copied.

    Args:
        optimizer (Optimizer): whose groups.
        key (str): the option.
    """
    return [value.clone() if isinstance(value, Tensor) else value
            for value in (group[key] for group in optimizer.param_groups)]


def set_lr(group, value):
    """Set a group's rate, in place where it is a tensor.

    Args:
        group (dict): the group.
        value (float): the rate.
    """
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value


def check_optimizer(schedule, optimizer):
    """Refuse what is no optimizer.

    Args:
        schedule (LRScheduler): that is to set its rates.
        optimizer (Optimizer): what was given.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(optimizer, Optimizer):
        raise refusal(schedule, TypeError, f"optimizer is of type {type(optimizer).__name__}; expected an Optimizer")


def check_count(schedule, name, value):
    """Refuse what is no number of steps.

    Args:
        schedule (LRScheduler): whose argument.
        name (str): the argument.
        value (int): what was given.

    Raises:
        TypeError: it is no number.
        ValueError: it is no whole number above 0.
    """
    check_numbers(schedule, **{name: value})
    if not isinstance(value, int) or value <= 0:
        raise refusal(schedule, ValueError, f"{name}={value!r}; expected a whole number above 0")


def check_choice(schedule, name, value, choices):
    """Refuse a word that is unknown.

    Args:
        schedule (LRScheduler): whose argument.
        name (str): the argument.
        value (str): what was given.
        choices (tuple of str): the words.

    Raises:
        ValueError: it is none of them.
    """
    if value not in choices:
        raise refusal(schedule, ValueError, f"{name}={value!r} is unknown; expected {' or '.join(map(repr, choices))}")


def for_each_group(schedule, name, value):
    """A value for each group, from one for all or from a list.

    Args:
        schedule (LRScheduler): of an optimizer with groups.
        name (str): the argument.
        value (Any or list): what was given.

    Raises:
        ValueError: the list has another length.
    """
    count = len(schedule.optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise refusal(schedule, ValueError, f"{name} has {len(value)} values for {count} groups of parameters; "
                                            "expected one for each, or one for all")
    return list(value)


def numbers_per_group(schedule, name, value):
    """A number for each group, from one for all or from a list.

    Args:
        schedule (LRScheduler): of an optimizer with groups.
        name (str): the argument.
        value (float or list): what was given.

    Raises:
        TypeError: one is no number.
        ValueError: the list has another length.
    """
    values = for_each_group(schedule, name, value)
    for one in values:
        check_numbers(schedule, **{name: one})
    return values


class LRScheduler:
    """Base class of the schedules; a subclass defines `get_lr`.

    Args:
        optimizer (Optimizer): whose rates to set.
        last_epoch (int): -1 to begin, else the last step of a run that is taken up again. Default: -1.

    Raises:
        TypeError: it is not an optimizer.
        KeyError: a run is taken up again, and a group has no "initial_lr".

    Example:
        >>> import rushlight as rl
        >>> optimizer = rl.optim.SGD([rl.nn.Parameter(rl.ones(1))], lr=1.0)
        >>> schedule = rl.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    _get_lr_called_within_step = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise refusal(self, KeyError, f"last_epoch={last_epoch}, but param_groups[{i}] has no 'initial_lr'; "
                                              "expected the optimizer's state to be loaded first")
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def state_dict(self):
        """Everything but the optimizer.

        Returns:
            dict: from attribute to value.
        """
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Take what `state_dict` returned.

        Args:
            state_dict (dict): of a schedule of the same kind.
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The present rate of each group."""
        return self._last_lr

    def get_lr(self):
        """The next rate of each group; called within `step`.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError

    def _current(self):
        return values_of(self.optimizer, "lr")

    def _warn_outside_step(self):
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=3,
            )

    def step(self, epoch=None):
        """Set the next rates; call it after the optimizer's step.

        Args:
            epoch (int, optional): go to this step instead of the next; deprecated.
        """
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, stacklevel=2)
        self._update_lr(epoch)

    def _check_order(self):
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
                "order: otherwise the first value of the learning rate schedule is skipped.",
                stacklevel=3,
            )

    def _update_lr(self, epoch=None):
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = getattr(self, "_get_closed_form_lr", None) if epoch is not None else None
            values = (closed or self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_lr(group, value)
        self._last_lr = self._current()


class _LRScheduler(LRScheduler):
    """The older name of `LRScheduler`.

    Args:
        optimizer, last_epoch: the same.
    """


def _note_steps(optimizer):
    # The optimizer remembers that it has stepped, for the warning about the order of the two steps.
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    # The optimizer owns what is put into it, which must therefore not own the optimizer: the method without its object.
    owner, method = weakref.ref(optimizer), getattr(optimizer.step, "__func__", None)
    replaced = optimizer.step if method is None else None

    @functools.wraps(method or replaced)
    def noted(*args, **kwargs):
        self = owner()
        self._opt_called = True
        return replaced(*args, **kwargs) if method is None else method(self, *args, **kwargs)

    noted._wrapped_by_lr_sched = True
    optimizer.step = noted
