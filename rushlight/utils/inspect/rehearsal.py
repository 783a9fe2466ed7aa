"""A rehearsal before a long run: can the model learn one batch by heart?"""
from rushlight.utils.inspect.rates import restored


class OverfitResult:
    """What `overfit_one_batch` saw.

    Attributes: `losses` (one per step), `reached` (whether the aim was), `without_gradient` (names of parameters that
    got none or only zeros in every step).
    """

    def __init__(self, losses, reached, without_gradient):
        self.losses, self.reached, self.without_gradient = losses, reached, without_gradient

    def __bool__(self):
        return self.reached

    def __repr__(self):
        verdict = "learned" if self.reached else "did not learn"
        text = f"{verdict} one batch: loss {self.losses[0]:.4g} to {self.losses[-1]:.4g} in {len(self.losses)} steps"
        if self.without_gradient:
            text += f"; no gradient arrived at {', '.join(self.without_gradient)}"
        return f"<{text}>"


def overfit_one_batch(model, loss_fn, optimizer, batch, steps=200, target=None, restore=True):
    """Trains on one batch again and again: a model and a loop without mistakes learn it by heart.

    Args:
        model (Module): the model, trained in the mode that it is in.
        loss_fn (callable): from outputs and targets to the loss.
        optimizer (Optimizer): how it learns.
        batch (tuple): inputs and targets.
        steps (int): how many steps at most. Default: 200.
        target (float, optional): stop when the loss is below. Default: a hundredth of the first loss.
        restore (bool): afterwards model and optimizer are what they were. Default: True.

    Returns:
        OverfitResult: true when the aim was reached; printing it names what got no gradient.

    Raises:
        ValueError: no pair of inputs and targets, or no steps.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(4, 16), rl.nn.ReLU(), rl.nn.Linear(16, 3))
        >>> optimizer = rl.optim.Adam(model.parameters(), lr=0.05)
        >>> batch = rl.randn(6, 4), rl.tensor([0, 1, 2, 0, 1, 2])
        >>> bool(rl.utils.inspect.overfit_one_batch(model, rl.nn.CrossEntropyLoss(), optimizer, batch))
        True
    """
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        raise ValueError(f"overfit_one_batch: batch is a {type(batch).__name__}; expected a pair of inputs and targets")
    if steps < 1:
        raise ValueError(f"overfit_one_batch: steps={steps}; expected at least 1")
    if not restore:
        return _rehearse(model, loss_fn, optimizer, batch, steps, target)
    with restored(model, optimizer):
        return _rehearse(model, loss_fn, optimizer, batch, steps, target)


def _rehearse(model, loss_fn, optimizer, batch, steps, target):
    inputs, targets = batch
    idle = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        losses.append(loss.item())
        if target is None:
            target = losses[0] / 100
        if losses[-1] <= target:
            break
        loss.backward()
        for name, parameter in model.named_parameters():
            if name in idle and parameter.grad is not None and bool(parameter.grad.any()):
                idle.discard(name)
        optimizer.step()
    order = [name for name, _ in model.named_parameters() if name in idle and len(losses) > 1]
    return OverfitResult(losses, losses[-1] <= target, order)
