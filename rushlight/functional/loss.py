"""Losses made of other operators.

All take `reduction`: "none", "mean" or "sum"; `size_average` and `reduce` are its older spelling.
"""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native
from rushlight.functional._warning import warn
from rushlight.functional.distance import pairwise_distance


def older_reduction(size_average, reduce, reduction):
    """The reduction that a call means, from PyTorch 0.4's two flags where they are given.

    Args:
        size_average (bool, optional): mean rather than sum.
        reduce (bool, optional): reduce at all.
        reduction (str): what counts when both are None.

    Returns:
        str: "none", "mean" or "sum".

    Example:
        >>> from rushlight.functional.loss import older_reduction
        >>> older_reduction(False, None, "mean")
        'sum'
    """
    if size_average is None and reduce is None:
        return reduction
    chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{chosen}' instead.")
    return chosen


def _reduced(loss, name, size_average, reduce, reduction):
    reduction = older_reduction(size_average, reduce, reduction)
    _check_reduction(name, reduction)
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _check_reduction(name, reduction):
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction={reduction!r} is not a valid value; expected 'none', 'mean' or 'sum'")


def numbered_reduction(name, number):
    """The word for a reduction that a call gives as a number.

    Args:
        name (str): the operator, for the messages.
        number (int): 0 none, 1 mean, 2 sum.

    Raises:
        TypeError: it is no integer.
        ValueError: it is another integer.

    Example:
        >>> from rushlight.functional.loss import numbered_reduction
        >>> numbered_reduction("ctc_loss", 2)
        'sum'
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name}: reduction={number!r} is of type {type(number).__name__}; expected an int")
    if number not in (0, 1, 2):
        raise ValueError(f"{name}: reduction={number} is not a valid value; expected 0 (none), 1 (mean) or 2 (sum)")
    return ("none", "mean", "sum")[number]


def _where(condition, value):
    return core.where(condition, value, core.zeros_like(value))


@composite("nn.functional.kl_div", "widen")
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """Kullback-Leibler divergence of a distribution from a target: target * (log(target) - input).

    Args:
        input (Tensor): log-probabilities.
        target (Tensor): probabilities; log-probabilities when `log_target`.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean", "sum", or "batchmean": the sum divided by the batch's size. Default:
            "mean".
        log_target (bool): Default: False.

    Raises:
        ValueError: unknown reduction.

    Example:
        >>> import rushlight as rl
        >>> p = rl.tensor([[0.5, 0.5]])
        >>> rl.nn.functional.kl_div(p.log(), p, reduction="batchmean")
        tensor(0.)
    """
    loss = target.exp() * (target - input) if log_target else core.xlogy(target, target) - target * input
    if reduction == "batchmean" and size_average is None and reduce is None:
        return loss.sum() / input.shape[0] if input.dim() else loss.sum()
    if reduction == "mean":
        warn("kl_div: reduction='mean' divides by the number of elements; 'batchmean' divides by the batch's size, as "
             "the divergence's definition asks")
    return _reduced(loss, "kl_div", size_average, reduce, reduction)


@composite("nn.functional.hinge_embedding_loss", "widen")
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where the target is 1, max(0, margin - input) where it is -1.

    Args:
        input (Tensor): distances.
        target (Tensor): 1 or -1 for each.
        margin (float): Default: 1.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.hinge_embedding_loss(rl.tensor([0.5, 0.5]), rl.tensor([1, -1]))
        tensor(0.5000)
    """
    loss = _where(target != 1, (margin - input).clamp(min=0)) + _where(target != -1, input)
    return _reduced(loss, "hinge_embedding_loss", size_average, reduce, reduction)


@composite("nn.functional.margin_ranking_loss", "widen")
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target * (input1 - input2) + margin).

    Args:
        input1, input2 (Tensor): scores.
        target (Tensor): 1 where the first should be larger, -1 where the second.
        margin (float): Default: 0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Raises:
        RuntimeError: numbers of dimensions differ.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.margin_ranking_loss(rl.tensor([1.]), rl.tensor([3.]), rl.tensor([1.]))
        tensor(2.)
    """
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            f"margin_ranking_loss: input1, input2 and target have shapes {tuple(input1.shape)}, {tuple(input2.shape)} "
            f"and {tuple(target.shape)}; expected equal numbers of dimensions"
        )
    loss = (-target * (input1 - input2) + margin).clamp(min=0)
    return _reduced(loss, "margin_ranking_loss", size_average, reduce, reduction)


@composite("nn.functional.soft_margin_loss", "widen")
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)).

    Args:
        input (Tensor): scores.
        target (Tensor): 1 or -1 for each.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.soft_margin_loss(rl.tensor([0.]), rl.tensor([1.]))
        tensor(0.6931)
    """
    return _reduced((-target * input).exp().log1p(), "soft_margin_loss", size_average, reduce, reduction)


@composite("nn.functional.cosine_embedding_loss", "widen")
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    Args:
        input1, input2 (Tensor): (N, D) or (D).
        target (Tensor): (N) or (): 1 or -1.
        margin (float): Default: 0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Raises:
        RuntimeError: numbers of dimensions do not fit.

    Example:
        >>> import rushlight as rl
        >>> x = rl.tensor([[1., 0.]])
        >>> rl.nn.functional.cosine_embedding_loss(x, x, rl.tensor([-1]))
        tensor(1.)
    """
    if target.dim() not in (0, 1) or not input1.dim() == input2.dim() == target.dim() + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: input1, input2 and target have {input1.dim()}, {input2.dim()} and "
            f"{target.dim()} dimensions; expected 2, 2 and 1, or 1, 1 and 0"
        )
    # The epsilon keeps the gradient of a zero vector finite.
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / squares.sqrt()
    loss = _where(target == 1, 1 - cosine) + _where(target == -1, (cosine - margin).clamp(min=0))
    return _reduced(loss, "cosine_embedding_loss", size_average, reduce, reduction)


@composite("nn.functional.triplet_margin_loss", "widen")
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, margin + |anchor - positive| - |anchor - negative|).

    Args:
        anchor, positive, negative (Tensor): (N, D) or (D).
        margin (float): greater than 0. Default: 1.
        p (float): the norm. Default: 2.
        eps (float): see `pairwise_distance`. Default: 1e-6.
        swap (bool): use |positive - negative| where it is smaller than |anchor - negative|. Default: False.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Raises:
        ValueError: `margin` is not positive.
        RuntimeError: numbers of dimensions differ.

    Example:
        >>> import rushlight as rl
        >>> a, p, n = rl.tensor([[0.]]), rl.tensor([[1.]]), rl.tensor([[9.]])
        >>> rl.nn.functional.triplet_margin_loss(a, p, n)
        tensor(0.)
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=older_reduction(size_average, reduce, reduction),
    )


@composite("nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative)).

    Args:
        anchor, positive, negative (Tensor): what the distance takes.
        distance_function (callable, optional): of two tensors; `pairwise_distance` when None.
        margin (float): greater than 0. Default: 1.
        swap (bool): use distance(positive, negative) where it is smaller. Default: False.
        reduction (str): Default: "mean".

    Raises:
        ValueError: `margin` is not positive.
        RuntimeError: numbers of dimensions differ.

    Example:
        >>> import rushlight as rl
        >>> a, p, n = rl.tensor([[0.]]), rl.tensor([[1.]]), rl.tensor([[1.5]])
        >>> far = lambda x, y: (x - y).abs().sum(-1)
        >>> rl.nn.functional.triplet_margin_with_distance_loss(a, p, n, distance_function=far)
        tensor(0.5000)
    """
    _check_reduction("triplet_margin_with_distance_loss", reduction)
    if margin <= 0:
        raise ValueError(f"triplet_margin_with_distance_loss: margin={margin}; expected a positive number")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            f"triplet_margin_with_distance_loss: anchor, positive and negative have {anchor.dim()}, "
            f"{positive.dim()} and {negative.dim()} dimensions; expected equal numbers"
        )
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = core.minimum(far, distance(positive, negative))
    return _reduced((margin + near - far).clamp(min=0), "triplet_margin_with_distance_loss", None, None, reduction)


@composite("nn.functional.poisson_nll_loss", "widen")
def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None,
                     reduction="mean"):
    """Negative log-likelihood of counts under Poisson distributions.

    Args:
        input (Tensor): the expected counts, or their logarithms when `log_input`.
        target (Tensor): the counts.
        log_input (bool): Default: True.
        full (bool): add Stirling's approximation of log(target!). Default: False.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        eps (float): keeps log(input) finite. Default: 1e-8.
        reduction (str): Default: "mean".

    Raises:
        ValueError: unknown reduction.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.poisson_nll_loss(rl.tensor([0.]), rl.tensor([2.]))
        tensor(1.)
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + _where(target > 1, stirling)
    return _reduced(loss, "poisson_nll_loss", size_average, reduce, reduction)


@composite("nn.functional.gaussian_nll_loss")
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood under normal distributions: (log(var) + (input - target)^2 / var) / 2.

    Args:
        input (Tensor): the means.
        target (Tensor): the observations.
        var (Tensor or float): the variances: of the shape of `input`, or with its last size 1 or missing.
        full (bool): add log(2 pi) / 2. Default: False.
        eps (float): smallest variance. Default: 1e-6.
        reduction (str): Default: "mean".

    Raises:
        ValueError: the shape of `var` does not fit, a variance is negative, or the reduction is unknown.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.gaussian_nll_loss(rl.tensor([0.]), rl.tensor([2.]), rl.tensor([1.]))
        tensor(2.)
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: var={var} is negative; expected a variance")
        var = var * core.ones_like(input)
    elif bool((var < 0).any()):
        raise ValueError(f"gaussian_nll_loss: var holds {var.min().item()}, which is negative; expected variances")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif var.dim() != input.dim() or sum(v for v, n in zip(var.shape, input.shape) if v != n) != 1:
            raise ValueError(
                f"gaussian_nll_loss: var has shape {tuple(var.shape)} and input {tuple(input.shape)}; expected that of "
                "input, or one of its sizes 1, or the last missing"
            )
    var = var + (var.clamp(min=eps) - var).detach()  # clamped, with the gradient of the variance itself
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduced(loss, "gaussian_nll_loss", None, None, reduction)


@composite("nn.functional.multi_margin_loss", "widen")
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Hinge loss of several classes: the mean over i != y of max(0, margin - x[y] + x[i]) ** p.

    Args:
        input (Tensor): scores, (N, C) or (C).
        target (Tensor): classes, (N) or ().
        p (int): 1 or 2. Default: 1.
        margin (float): Default: 1.
        weight (Tensor, optional): (C), a factor for each class.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Raises:
        ValueError: `p` is neither 1 nor 2.
        RuntimeError: shapes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.multi_margin_loss(rl.tensor([[0., 1.]]), rl.tensor([0]))
        tensor(1.)
    """
    _check_reduction("multi_margin_loss", reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p={p}; expected 1 or 2")
    if weight is not None and weight.dim() != 1:
        raise ValueError(f"multi_margin_loss: weight has shape {tuple(weight.shape)}; expected 1 dimension")
    if input.dim() > 2 or target.dim() > 1 or target.numel() != (input.shape[0] if input.dim() == 2 else 1):
        raise RuntimeError(
            f"multi_margin_loss: target has shape {tuple(target.shape)}, inconsistent with input of shape "
            f"{tuple(input.shape)}; expected one class for each row"
        )
    if target.dtype not in (core.int64, core.int32):
        raise RuntimeError(f"multi_margin_loss: target has dtype {target.dtype}; expected int64 or int32")
    scores, classes = input.reshape(-1, input.shape[-1] if input.dim() else 1), target.reshape(-1, 1)
    loss = (margin - scores.gather(1, classes) + scores).clamp(min=0)
    loss = loss if p == 1 else loss * loss
    if weight is not None:
        loss = loss * weight[classes]
    others = core.arange(scores.shape[1]) != classes
    loss = _where(others, loss).sum(1) / scores.shape[1]
    return _reduced(loss.reshape(target.shape), "multi_margin_loss", size_average, reduce, reduction)


@composite("nn.functional.multilabel_margin_loss", "widen")
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Hinge loss of several labels: over labels j and other classes i, max(0, 1 - x[j] + x[i]), over C.

    Args:
        input (Tensor): scores, (N, C) or (C).
        target (Tensor): labels of each row, int64, of the shape of `input`; the first -1 ends a row's labels.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Raises:
        RuntimeError: shapes differ.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.multilabel_margin_loss(rl.tensor([0., 0.]), rl.tensor([1, -1]))
        tensor(0.5000)
    """
    _check_reduction("multilabel_margin_loss", reduction)
    if input.dim() > 2 or input.shape != target.shape:
        raise RuntimeError(
            f"multilabel_margin_loss: target has shape {tuple(target.shape)}; expected that of input, "
            f"{tuple(input.shape)}, with at most 2 dimensions"
        )
    size = input.shape[-1] if input.dim() else 1
    scores, labels = input.reshape(-1, size), target.reshape(-1, size)
    listed = (labels < 0).cumsum(1) == 0
    labels = labels.clamp(min=0)
    is_label = core.zeros(labels.shape, dtype=core.int64).scatter_add_(1, labels, listed.to(core.int64)) > 0
    margins = (1 - scores.gather(1, labels).unsqueeze(2) + scores.unsqueeze(1)).clamp(min=0)
    counted = listed.unsqueeze(2) & ~is_label.unsqueeze(1)
    loss = _where(counted, margins).sum((1, 2)) / size
    return _reduced(loss.reshape(input.shape[:-1]), "multilabel_margin_loss", size_average, reduce, reduction)


@composite("nn.functional.multilabel_soft_margin_loss")
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Binary cross-entropy of logits, averaged over the classes (the last dimension).

    Args:
        input (Tensor): logits, (..., C).
        target (Tensor): 0 or 1 for each.
        weight (Tensor, optional): (C), a factor for each class.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.multilabel_soft_margin_loss(rl.zeros(1, 2), rl.ones(1, 2))
        tensor(0.6931)
    """
    loss = -(target * native.logsigmoid(input) + (1 - target) * native.logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return _reduced(loss.mean(-1), "multilabel_soft_margin_loss", size_average, reduce, reduction)


_ctc = core._groups["_ops"]["ctc_loss_forward"]


def _lengths(name, lengths, batch):
    if not hasattr(lengths, "dtype"):
        lengths = core.tensor(list(lengths), dtype=core.int64)
    if lengths.is_floating_point() or lengths.dtype == core.bool:
        raise RuntimeError(f"ctc_loss: {name} has dtype {lengths.dtype}; expected an integral dtype")
    lengths = lengths.to(core.int64).reshape(-1)
    if len(lengths) != batch:
        raise RuntimeError(f"ctc_loss: {name} has {len(lengths)} values; expected {batch}, one for each sample")
    return lengths


def _label_rows(targets, lengths):
    """Labels one after another, as one row for each sample."""
    counts = lengths.tolist()
    if min(counts, default=0) < 0 or sum(counts) > len(targets):
        raise RuntimeError(f"ctc_loss: target_lengths={counts} for {len(targets)} targets; expected lengths of 0 or "
                           "more that add up to no more than that")
    rows = core.zeros(len(counts), max(counts, default=0), dtype=core.int64)
    start = 0
    for row, count in zip(rows, counts, strict=True):
        row[:count] = targets[start:start + count]
        start += count
    return rows


@composite("ctc_loss nn.functional.ctc_loss", "widen")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Connectionist temporal classification: minus the log-likelihood of each labelling (Graves et al., 2006).

    Args:
        log_probs (Tensor): floating, (T, N, C) or (T, C): log-probabilities, such as log_softmax gives.
        targets (Tensor): integral, (N, S) or (S), or the labels of all samples one after another.
        input_lengths (Tensor or tuple): (N): how many steps of each sample count.
        target_lengths (Tensor or tuple): (N): how many labels each sample has.
        blank (int): the class that stands for no label. Default: 0.
        reduction (str or int): "none" (0), "mean" (1): of the losses divided by the labels' numbers, or "sum" (2).
            Default: "mean".
        zero_infinity (bool): count impossible labellings as 0, with no gradient. Default: False.

    Raises:
        RuntimeError: shapes, lengths, dtypes or `blank` do not fit.
        IndexError: a label is no class.
        ValueError: unknown reduction.

    Example:
        >>> import rushlight as rl
        >>> x = rl.zeros(2, 1, 2).log_softmax(2)
        >>> rl.nn.functional.ctc_loss(x, rl.tensor([[1]]), [2], [1])
        tensor(0.2877)
    """
    if log_probs.dim() not in (2, 3):
        raise RuntimeError(f"ctc_loss: log_probs has shape {tuple(log_probs.shape)}; expected (T, N, C) or (T, C)")
    if targets.is_floating_point() or targets.dtype == core.bool:
        raise RuntimeError(f"ctc_loss: targets has dtype {targets.dtype}; expected an integral dtype")
    if not isinstance(reduction, str):
        reduction = numbered_reduction("ctc_loss", reduction)
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    batch = log_probs.shape[1]
    input_lengths = _lengths("input_lengths", input_lengths, batch)
    target_lengths = _lengths("target_lengths", target_lengths, batch)
    if targets.dim() == 1:
        targets = _label_rows(targets, target_lengths)
    loss = _ctc(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)[0]
    if zero_infinity:
        loss = core.where(loss == math.inf, core.zeros_like(loss), loss)
    if reduction == "mean":
        loss = loss / target_lengths.clamp(min=1).to(loss.dtype)
    elif single and reduction == "none":
        return loss.squeeze(0)
    return _reduced(loss, "ctc_loss", None, None, reduction)


@composite("nn.functional.linear_cross_entropy")
def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
                         ignore_index=None, label_smoothing=0.0, options=None):
    """`cross_entropy` of `linear`.

    Args:
        input (Tensor): floating, (N, features) or (features).
        linear_weight (Tensor): (classes, ..., features), for a loss of several dimensions.
        target (Tensor): classes, (N, ...), or probabilities, (N, classes, ...).
        linear_bias (Tensor, optional): (classes, ...).
        weight, reduction, label_smoothing: see `cross_entropy`.
        ignore_index (int, optional): see `cross_entropy`; -100 when None. For targets that are classes.
        options: accepted; the result does not depend on it.

    Raises:
        RuntimeError: shapes do not fit, or `ignore_index` is given for probabilities.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.functional.linear_cross_entropy(rl.zeros(1, 2), rl.ones(2, 2), rl.tensor([0]))
        tensor(0.6931)
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"linear_cross_entropy: input has shape {tuple(input.shape)}; expected 1 or 2 dimensions")
    if linear_weight.dim() < 2 or linear_weight.shape[-1] != input.shape[-1]:
        raise RuntimeError(f"linear_cross_entropy: linear_weight has shape {tuple(linear_weight.shape)} for input of "
                           f"shape {tuple(input.shape)}; expected (classes, ..., {input.shape[-1]})")
    if linear_weight.dim() > 2 and input.dim() == 1:
        raise RuntimeError(f"linear_cross_entropy: linear_weight has shape {tuple(linear_weight.shape)} for input of "
                           f"shape {tuple(input.shape)}; expected a batch, (N, {input.shape[0]})")
    if target.is_floating_point() and ignore_index is not None:
        raise RuntimeError(f"linear_cross_entropy: ignore_index={ignore_index} for targets that are probabilities; "
                           "expected None")
    *outputs, features = linear_weight.shape
    if linear_bias is not None and list(linear_bias.shape) != outputs:
        raise RuntimeError(f"linear_cross_entropy: linear_bias has shape {tuple(linear_bias.shape)}; expected "
                           f"{tuple(outputs)}, the classes of linear_weight")
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = native.linear(input, linear_weight.reshape(-1, features), bias)
    return native.cross_entropy(scores.reshape(*input.shape[:-1], *outputs), target, weight,
                                ignore_index=-100 if ignore_index is None else ignore_index,
                                reduction=reduction, label_smoothing=label_smoothing)
