"""Limited-memory BFGS."""
import math

from rushlight.autograd import enable_grad, no_grad
from rushlight.functional._core import core
from rushlight.optim._checks import check_numbers, check_options
from rushlight.optim.optimizer import Optimizer

__all__ = ["LBFGS"]


class _Point:
    """A place along the search direction: how far, the loss there, the gradient, and its product with the direction."""

    def __init__(self, t, loss, grad, slope):
        self.t, self.loss, self.grad, self.slope = t, loss, grad, slope


def _least_of_cubic(a, b, low, high):
    """Where the cubic through two points and their slopes is least, within [low, high]; else the middle of it."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    bottom = b.slope - a.slope + 2 * d2
    if bottom == 0:
        return (low + high) / 2.0
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bottom), low), high)


def _too_high(point, start, c1):
    return point.loss > start.loss + c1 * point.t * start.slope


def _bracket(evaluate, start, t, c1, c2, most):
    """Go out along the direction until a point satisfies Wolfe's conditions or two hold one between them.

    Returns:
        tuple: the points, and how many evaluations it took.
    """
    before, point, count = start, evaluate(t), 1
    for i in range(most):
        if _too_high(point, start, c1) or (i > 1 and point.loss >= before.loss):
            return [before, point], count, i
        if abs(point.slope) <= -c2 * start.slope:
            return [point], count, i
        if point.slope >= 0:
            return [before, point], count, i
        t = _least_of_cubic(before, point, point.t + 0.01 * (point.t - before.t), point.t * 10)
        before, point, count = point, evaluate(t), count + 1
    return [start, point], count, most


def _inside(low, high, stuck):
    """The next place to try between two points, and whether the one after must keep off the ends."""
    left, right = sorted((low.t, high.t))
    t, margin = _least_of_cubic(low, high, left, right), 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if not (stuck or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False


def _strong_wolfe(evaluate, start, t, length, c1=1e-4, c2=0.9, tolerance_change=1e-9, most=25):
    """A point that satisfies the strong Wolfe conditions (Nocedal and Wright, algorithms 3.5 and 3.6).

    Returns:
        tuple: the point, and how many evaluations it took.
    """
    points, count, i = _bracket(evaluate, start, t, c1, c2, most)
    if len(points) == 1:
        return points[0], count
    low, high = sorted(points, key=lambda point: point.loss)
    stuck = False
    for _ in range(i, most):
        if abs(high.t - low.t) * length < tolerance_change:
            break
        t, stuck = _inside(low, high, stuck)
        point, count = evaluate(t), count + 1
        if _too_high(point, start, c1) or point.loss >= low.loss:
            high = point
            if low.loss > high.loss:
                low, high = high, low
            continue
        if abs(point.slope) <= -c2 * start.slope:
            return point, count
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, count


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu and Nocedal, 1989), with fixed steps or a line search for the strong Wolfe conditions.

    Its step needs the closure: it computes the loss and its gradients several times.

    Args:
        params (iterable): parameters, in one group.
        lr (float): learning rate. Default: 1.
        max_iter (int): iterations of one step. Default: 20.
        max_eval (int, optional): evaluations of one step. Default: max_iter * 5 // 4.
        tolerance_grad (float): stop when no gradient is larger. Default: 1e-7.
        tolerance_change (float): stop when neither loss nor parameters change more. Default: 1e-9.
        history_size (int): how many past changes describe the curvature. Default: 100.
        line_search_fn (str, optional): "strong_wolfe". Default: None, a fixed step.

    Raises:
        ValueError: `lr` is negative, or there are several groups.

    Example:
        >>> import rushlight as rl
        >>> p = rl.nn.Parameter(rl.tensor([3.0]))
        >>> optimizer = rl.optim.LBFGS([p], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (p - 1.0).square().sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(4., grad_fn=<SumBackward0>)
        >>> p.detach()
        tensor([1.])
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None):
        check_options(self, lr=lr)
        check_numbers(self, max_iter=max_iter, history_size=history_size, tolerance_grad=tolerance_grad,
                      tolerance_change=tolerance_change)
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: params are in {len(self.param_groups)} groups; expected one")
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self):
        grads = [core.zeros_like(param, requires_grad=False) if param.grad is None else param.grad
                 for param in self._params]
        return core.cat([(core.view_as_real(grad) if grad.is_complex() else grad).reshape(-1) for grad in grads])

    def _move(self, direction, t):
        start = 0
        for param in self._params:
            param = core.view_as_real(param) if param.is_complex() else param
            end = start + param.numel()
            param.add_(direction[start:end].view(param.shape), alpha=t)
            start = end

    def _direction(self, state, grad):
        # The gradient times the inverse of the Hessian, as far as the kept changes describe it: two loops over them.
        steps, changes, ro, group = state["old_stps"], state["old_dirs"], state["ro"], self.param_groups[0]
        change, step = grad - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = float(change.dot(step))
        if curvature > 1e-10:
            if len(changes) == group["history_size"]:
                for kept in (steps, changes, ro):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            ro.append(1.0 / curvature)
            state["H_diag"] = curvature / float(change.dot(change))
        along = state["al"] = [0.0] * group["history_size"]
        result = grad.neg()
        for i in reversed(range(len(changes))):
            along[i] = float(steps[i].dot(result)) * float(ro[i])
            result.add_(changes[i], alpha=-along[i])
        result.mul_(float(state["H_diag"]))
        for i in range(len(changes)):
            result.add_(steps[i], alpha=along[i] - float(changes[i].dot(result)) * float(ro[i]))
        return result

    def _search(self, closure, point, direction, t, most):
        # The line search; the parameters are left where they were.
        before = [param.clone() for param in self._params]

        def evaluate(t):
            self._move(direction, t)
            loss = float(closure())
            grad = self._flat_grad()
            for param, value in zip(self._params, before):
                param.copy_(value)
            return _Point(t, loss, grad, float(grad.dot(direction)))

        return _strong_wolfe(evaluate, point, t, float(direction.abs().max()), most=most)

    @no_grad()
    def step(self, closure):
        """Several iterations towards the least loss.

        Args:
            closure (callable): computes the loss and its gradients again, and returns the loss.

        Returns:
            Tensor: the loss before the step.

        Raises:
            RuntimeError: the line search has an unknown name.
        """
        closure, group = enable_grad()(closure), self.param_groups[0]
        # There is one state for all, which the first parameter keeps.
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, grad, evaluations = float(first), self._flat_grad(), 1
        state["func_evals"] += 1
        if grad.abs().max() <= group["tolerance_grad"]:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            before = loss
            d, t = self._prepare(state, grad, loss)
            slope = float(grad.dot(d))
            if slope > -group["tolerance_change"]:
                break
            last, count = iteration == group["max_iter"], 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError(f"LBFGS: line_search_fn={group['line_search_fn']!r} is unknown; expected "
                                       "'strong_wolfe'")
                most = group["max_eval"] - evaluations
                point, count = self._search(closure, _Point(0.0, loss, grad.clone(), slope), d, t, most)
                loss, grad, t = point.loss, point.grad, point.t
                self._move(d, t)
            else:
                self._move(d, t)
                if not last:
                    loss, grad, count = float(closure()), self._flat_grad(), 1
            state["t"] = t
            evaluations += count
            state["func_evals"] += count
            if last or evaluations >= group["max_eval"] or self._finished(group, grad, d, t, loss - before):
                break
        return first

    def _prepare(self, state, grad, loss):
        # The direction and the first length of the next iteration.
        state["n_iter"] += 1
        lr = float(self.param_groups[0]["lr"])
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1, d=grad.neg())
            state["t"] = min(1.0, 1.0 / float(grad.abs().sum())) * lr
        else:
            state["d"] = self._direction(state, grad)
            state["t"] = lr
        state["prev_flat_grad"] = grad.clone()
        state["prev_loss"] = loss
        return state["d"], state["t"]

    @staticmethod
    def _finished(group, grad, direction, t, change):
        return bool(grad.abs().max() <= group["tolerance_grad"]) or abs(change) < group["tolerance_change"] or \
            bool(direction.mul(t).abs().max() <= group["tolerance_change"])
