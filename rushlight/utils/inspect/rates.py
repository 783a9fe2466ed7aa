"""The learning-rate finder."""
import contextlib
import copy
import math
import warnings
from collections import namedtuple

from rushlight.utils._optional import drawn, pyplot


@contextlib.contextmanager
def restored(model, optimizer):
    """After the block, model and optimizer are what they were: values, buffers, state, rates, mode."""
    values = copy.deepcopy(model.state_dict())
    state = copy.deepcopy(optimizer.state_dict())
    gradients = [(p, p.grad) for p in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        model.load_state_dict(values)
        optimizer.load_state_dict(state)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode


def batches_of(loader, count):
    """`count` batches (inputs, targets); the loader starts again when it ends."""
    given = 0
    while given < count:
        before = given
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                raise ValueError(f"find_lr: train_loader gave a {type(batch).__name__}; expected pairs of inputs and "
                                 "targets")
            yield batch
            given += 1
            if given == count:
                return
        if given == before:
            raise ValueError("find_lr: train_loader is empty; expected at least one batch")


class LRFinderResult(namedtuple("LRFinderResult", "log_lrs losses")):
    """What `find_lr` saw: a pair of lists, so `logs, losses = find_lr(...)` works."""

    __slots__ = ()

    def __repr__(self):
        if not self.losses:
            return "LRFinderResult(0 steps)"
        first, last = 10**self.log_lrs[0], 10**self.log_lrs[-1]
        return (f"LRFinderResult({len(self.losses)} steps, rates {first:.3g} to {last:.3g}, losses "
                f"{self.losses[0]:.4g} to {self.losses[-1]:.4g}, least {min(self.losses):.4g})")

    def suggestion(self):
        """The rate where the loss falls fastest: the steepest of the lines fitted to each sixth of the losses.

        Returns:
            float: the rate.

        Raises:
            ValueError: fewer than seven losses were seen.
        """
        if len(self.losses) < 7:
            raise ValueError(f"suggestion: {len(self.losses)} losses were seen; expected at least 7: give find_lr more "
                             "num_steps")
        half = max(2, len(self.losses) // 12)
        weights = range(-half, half + 1)                  # of a least-squares line's slope, but for a factor
        slopes = [sum(weight * self.losses[i + weight] for weight in weights)
                  for i in range(half, len(self.losses) - half)]
        return 10 ** self.log_lrs[half + slopes.index(min(slopes))]

    def plot(self, path=None):
        """Draws the loss over the learning rate.

        Args:
            path (str, optional): where to save the picture.

        Returns:
            matplotlib's figure.

        Raises:
            ImportError: matplotlib is not installed.
        """
        figure, axis = pyplot("LRFinderResult.plot").subplots(figsize=(6, 4), layout="constrained")
        axis.plot([10**x for x in self.log_lrs], self.losses)
        axis.set_xscale("log")
        axis.set_xlabel("learning rate")
        axis.set_ylabel("loss")
        if len(self.losses) >= 7:
            rate = self.suggestion()
            axis.axvline(rate, color="red", linestyle="--", label=f"steepest: {rate:.1e}")
            axis.legend()
        return drawn(figure, path)


def find_lr(model, loss_fn, optimizer, train_loader, init_value=1e-8, final_value=10.0, *, num_steps=None, beta=0.0,
            stop_at=4.0, skip_start=10, skip_end=5):
    """Trains for one pass while the learning rate grows geometrically, and says what the loss did.

    Model and optimizer are afterwards what they were before. Smith, "Cyclical Learning Rates for Training Neural
    Networks", 2017.

    Args:
        model (Module): the model.
        loss_fn (callable): from outputs and targets to the loss.
        optimizer (Optimizer): its rates are set, in all groups.
        train_loader (iterable): pairs of inputs and targets.
        init_value (float): the first rate. Default: 1e-8.
        final_value (float): the last one. Default: 10.
        num_steps (int, optional): how many batches; the loader starts again when it ends. Default: its length. A
            hundred show enough.
        beta (float): how much of the average of earlier losses to keep; 0 for none. Default: 0.
        stop_at (float): stop where the loss exceeds the best so many times. Default: 4.
        skip_start, skip_end (int): so many losses are left out at the ends; none, and a warning, where `stop_at` ended
            it before there were more. Default: 10 and 5.

    Returns:
        LRFinderResult: (base-10 logarithms of the rates, losses); `.suggestion()`, `.plot()`.

    Raises:
        ValueError: rates that do not grow, fewer than two steps, a loader that gives no pairs; fewer steps than are
            left out.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Linear(3, 1)
        >>> batches = [(rl.randn(8, 3), rl.randn(8, 1)) for _ in range(40)]
        >>> optimizer = rl.optim.SGD(model.parameters(), lr=0.5)
        >>> logs, losses = rl.utils.inspect.find_lr(model, rl.nn.MSELoss(), optimizer, batches)
        >>> len(logs) == len(losses), optimizer.param_groups[0]["lr"]
        (True, 0.5)
    """
    if not 0 < init_value < final_value:
        raise ValueError(f"find_lr: init_value={init_value} and final_value={final_value}; expected 0 < init_value < "
                         "final_value")
    steps = len(train_loader) if num_steps is None else num_steps
    if steps < 2:
        raise ValueError(f"find_lr: {steps} steps; expected at least 2: give num_steps, or more batches")
    if steps <= skip_start + skip_end:
        raise ValueError(f"find_lr: {steps} steps, of which skip_start={skip_start} and skip_end={skip_end} leave "
                         "none; expected more: give num_steps=100, say, or skip fewer")
    factor = (final_value / init_value) ** (1 / (steps - 1))
    rate, average, best = init_value, 0.0, math.inf
    logs, losses = [], []
    with restored(model, optimizer):
        model.train()
        for number, (inputs, targets) in enumerate(batches_of(train_loader, steps), 1):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            average = beta * average + (1 - beta) * loss.item()
            seen = average / (1 - beta**number)
            if number > 1 and not seen <= stop_at * best:            # not a number stops too
                break
            best = min(best, seen)
            logs.append(math.log10(rate))
            losses.append(seen)
            loss.backward()
            optimizer.step()
            rate *= factor
    if len(logs) <= skip_start + skip_end:
        warnings.warn(f"find_lr: stop_at={stop_at:g} ended it at step {number} of {steps}, so skip_start={skip_start} "
                      f"and skip_end={skip_end} leave nothing out; a smaller init_value shows more", stacklevel=2)
        skip_start = skip_end = 0
    kept = slice(skip_start, len(logs) - skip_end)
    return LRFinderResult(logs[kept], losses[kept])
