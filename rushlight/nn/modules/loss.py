"""Losses as modules."""
import dataclasses
import math
import warnings

from rushlight.functional.loss import older_reduction
from rushlight.nn import functional as F
from rushlight.nn.modules.distance import PairwiseDistance
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "LinearCrossEntropyOptions",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Module):
    __constants__ = ["reduction"]

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        self.reduction = older_reduction(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """|input - target|.

    Args:
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.L1Loss()(rl.tensor([1.]), rl.tensor([3.]))
        tensor(2.)
    """

    def forward(self, input, target):
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """(input - target)^2.

    Args:
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MSELoss()(rl.tensor([1.]), rl.tensor([3.]))
        tensor(4.)
    """

    def forward(self, input, target):
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(input - target)^2 / (2 * beta) below `beta`, |input - target| - beta / 2 above.

    Args:
        beta (float): where it becomes linear. Default: 1.0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.SmoothL1Loss()(rl.tensor([1.]), rl.tensor([3.]))
        tensor(1.5000)
    """

    __constants__ = ["beta", "reduction"]

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(_Loss):
    """(input - target)^2 / 2 below `delta`, delta * (|input - target| - delta / 2) above.

    Args:
        delta (float): where it becomes linear. Default: 1.0.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Raises:
        TypeError: `delta` is no real number.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.HuberLoss()(rl.tensor([1.]), rl.tensor([3.]))
        tensor(1.5000)
    """

    __constants__ = ["delta", "reduction"]

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction=reduction)
        if not isinstance(delta, (int, float)):
            raise TypeError(f"HuberLoss: delta={delta!r} is a {type(delta).__name__}; expected a float or an int")
        self.delta = delta

    def forward(self, input, target):
        return F.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """-input[target]: negative log-likelihood of classes, given log-probabilities.

    Args:
        weight (Tensor, optional): a factor for each class (or element).
        ignore_index (int): a target that does not count. Default: -100.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.NLLLoss()(rl.tensor([[-1., -2.]]), rl.tensor([1]))
        tensor(2.)
    """

    __constants__ = ["ignore_index", "reduction"]

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index,
                          reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """The older name of `NLLLoss`.

    Args:
        weight, size_average, ignore_index, reduce, reduction: the same.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.NLLLoss2d()(rl.zeros(1, 3, 2, 2), rl.zeros(1, 2, 2, dtype=rl.long))
        tensor(0.)
    """

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        warnings.warn("`NLLLoss2d` is deprecated: use `NLLLoss`, which takes images too", FutureWarning, stacklevel=2)
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """-log(softmax(input)[target]): cross-entropy of logits with classes or class probabilities.

    Args:
        weight (Tensor, optional): a factor for each class (or element).
        ignore_index (int): a target that does not count. Default: -100.
        label_smoothing (float): share of the target that is spread over all classes. Default: 0.0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CrossEntropyLoss()(rl.zeros(1, 2), rl.tensor([1]))
        tensor(0.6931)
    """

    __constants__ = ["ignore_index", "label_smoothing", "reduction"]

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                 label_smoothing=0.0):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(input, target, weight=self.weight, ignore_index=self.ignore_index,
                               label_smoothing=self.label_smoothing, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """-(t * log(x) + (1 - t) * log(1 - x)): binary cross-entropy of probabilities.

    Args:
        weight (Tensor, optional): a factor for each class (or element).
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.BCELoss()(rl.tensor([0.5]), rl.tensor([1.]))
        tensor(0.6931)
    """

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross-entropy of logits.

    Args:
        weight (Tensor, optional): a factor for each class (or element).
        pos_weight (Tensor, optional): a factor for the positive part of each class.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.BCEWithLogitsLoss()(rl.tensor([0.]), rl.tensor([1.]))
        tensor(0.6931)
    """

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, weight=self.weight,
                                                  pos_weight=self.pos_weight, reduction=self.reduction)


class KLDivLoss(_Loss):
    """target * (log(target) - input): Kullback-Leibler divergence, given log-probabilities.

    Args:
        log_target (bool): the target holds log-probabilities too. Default: False.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.KLDivLoss(reduction="batchmean")(rl.zeros(1, 1), rl.ones(1, 1))
        tensor(0.)
    """

    __constants__ = ["log_target", "reduction"]

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input, target):
        return F.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts under Poisson distributions.

    Args:
        log_input (bool): the input is the logarithm of the expected count. Default: True.
        full (bool): add Stirling's approximation of log(target!). Default: False.
        eps (float): keeps log(input) finite. Default: 1e-8.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.PoissonNLLLoss()(rl.tensor([0.]), rl.tensor([2.]))
        tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]

    def __init__(self, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None,
                 reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input, target):
        return F.poisson_nll_loss(input, target, log_input=self.log_input, full=self.full, eps=self.eps,
                                  reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """(log(var) + (input - target)^2 / var) / 2: negative log-likelihood under normal distributions.

    Args:
        full (bool): add log(2 pi) / 2. Default: False.
        eps (float): smallest variance. Default: 1e-6.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.GaussianNLLLoss()(rl.tensor([0.]), rl.tensor([2.]), rl.tensor([1.]))
        tensor(2.)
    """

    __constants__ = ["full", "eps", "reduction"]

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input, target, var):
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """input where the target is 1, max(0, margin - input) where it is -1.

    Args:
        margin (float): the distance wanted between unlike things. Default: 1.0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.HingeEmbeddingLoss()(rl.tensor([0.5, 0.5]), rl.tensor([1, -1]))
        tensor(0.5000)
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=1.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """max(0, 1 - x[label] + x[other]) over all pairs, divided by the number of classes.

    Args:
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MultiLabelMarginLoss()(rl.tensor([0., 0.]), rl.tensor([1, -1]))
        tensor(0.5000)
    """

    def forward(self, input, target):
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross-entropy of logits, averaged over the classes.

    Args:
        weight (Tensor, optional): a factor for each class (or element).
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MultiLabelSoftMarginLoss()(rl.zeros(1, 2), rl.ones(1, 2))
        tensor(0.6931)
    """

    def forward(self, input, target):
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target * input)).

    Args:
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.SoftMarginLoss()(rl.tensor([0.]), rl.tensor([1.]))
        tensor(0.6931)
    """

    def forward(self, input, target):
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    Args:
        margin (float): smallest cosine that counts between unlike things. Default: 0.0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CosineEmbeddingLoss()(rl.ones(1, 2), rl.ones(1, 2), rl.tensor([-1]))
        tensor(1.)
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, -target * (input1 - input2) + margin).

    Args:
        margin (float): smallest difference wanted. Default: 0.0.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MarginRankingLoss()(rl.tensor([1.]), rl.tensor([3.]), rl.tensor([1.]))
        tensor(2.)
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Mean over the other classes i of max(0, margin - x[target] + x[i]) ** p.

    Args:
        p (int): 1 or 2. Default: 1.
        margin (float): smallest difference wanted. Default: 1.0.
        weight (Tensor, optional): a factor for each class (or element).
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.MultiMarginLoss()(rl.tensor([[0., 1.]]), rl.tensor([0]))
        tensor(1.)
    """

    __constants__ = ["p", "margin", "reduction"]

    def __init__(self, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        super().__init__(weight, size_average, reduce, reduction)
        self.p = p
        self.margin = margin

    def forward(self, input, target):
        return F.multi_margin_loss(input, target, p=self.p, margin=self.margin, weight=self.weight,
                                   reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, margin + |anchor - positive| - |anchor - negative|).

    Args:
        margin (float): smallest difference wanted; greater than 0. Default: 1.0.
        p (float): the norm. Default: 2.0.
        eps (float): keeps the gradient finite where vectors are equal. Default: 1e-6.
        swap (bool): measure from the positive to the negative where that is smaller. Default: False.
        size_average, reduce (bool, optional): older spelling of `reduction`.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.TripletMarginLoss()(rl.tensor([[0.]]), rl.tensor([[1.]]), rl.tensor([[9.]]))
        tensor(0.)
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, size_average=None, reduce=None,
                 reduction="mean"):
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        super().__init__(size_average, reduce, reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(anchor, positive, negative, margin=self.margin, p=self.p,
                                     eps=self.eps, swap=self.swap, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative)).

    Args:
        distance_function (callable, optional): of two tensors; `pairwise_distance` when None.
        margin (float): smallest difference wanted; greater than 0. Default: 1.0.
        swap (bool): measure from the positive to the negative where that is smaller. Default: False.
        reduction (str): "none", "mean" or "sum". Default: "mean".

    Example:
        >>> import rushlight as rl
        >>> rl.nn.TripletMarginWithDistanceLoss()(rl.tensor([[0.]]), rl.tensor([[1.]]), rl.tensor([[9.]]))
        tensor(0.)
    """

    __constants__ = ["margin", "swap", "reduction"]

    def __init__(self, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, "
                             f"got {margin} instead")
        super().__init__(reduction=reduction)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(_Loss):
    """Connectionist temporal classification: minus the log-likelihood of labellings (Graves et al., 2006).

    Args:
        blank (int): the class that stands for no label. Default: 0.
        reduction (str): "none", "mean" (of the losses divided by the labels' numbers) or "sum". Default: "mean".
        zero_infinity (bool): count impossible labellings as 0, with no gradient. Default: False.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.CTCLoss()(rl.zeros(2, 1, 2).log_softmax(2), rl.tensor([[1]]), [2], [1])
        tensor(0.2877)
    """

    __constants__ = ["blank", "reduction"]

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
                          self.zero_infinity)


@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch computes `LinearCrossEntropyLoss` in pieces: accepted, and the result does not depend on it.

    Args:
        allow_retain_graph (bool): Default: False.
        batch_chunk_size (int, optional): rows of a piece.
        chunking_method (str, optional): how that number is found. Default: "auto".
        acc_policy (str): "accurate", "balanced", "compact" or "auto". Default: "auto".
        acc_dtype (dtype, optional): in which sums are kept.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.LinearCrossEntropyOptions(batch_chunk_size=8, chunking_method=None).batch_chunk_size
        8
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: object = None


class LinearCrossEntropyLoss(_WeightedLoss):
    """A linear layer and `CrossEntropyLoss` of what it computes.

    Args:
        in_features (int): size of the last dimension of the input.
        num_classes (int): number of classes.
        out_features (tuple of int): further dimensions of the targets. Default: ().
        bias (bool): add a learned bias. Default: False.
        device, dtype: where and how the parameters are made.
        reduction (str): "none", "mean" or "sum". Default: "mean".
        weight (Tensor, optional): a factor for each class.
        ignore_index (int, optional): a target that does not count; -100 when None.
        label_smoothing (float): between 0 and 1. Default: 0.
        options (LinearCrossEntropyOptions, optional): accepted; the result does not depend on it.

    Raises:
        RuntimeError: `weight` has another shape than (num_classes,), or the smoothing is out of range.

    Example:
        >>> import rushlight as rl
        >>> round(rl.nn.LinearCrossEntropyLoss(4, 3)(rl.zeros(2, 4), rl.tensor([0, 2])).item(), 4)
        1.0986
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]

    def __init__(self, in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None,
                 reduction="mean", weight=None, ignore_index=None, label_smoothing=0.0, options=None):
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(f"LinearCrossEntropyLoss: weight has shape {tuple(weight.shape)}; expected "
                               f"{(num_classes,)}, one number for each class")
        if label_smoothing < 0 or label_smoothing > 1.0:
            raise RuntimeError(f"LinearCrossEntropyLoss: label_smoothing={label_smoothing}; expected 0 to 1")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias=bias, device=device,
                             dtype=dtype)
        self.options = options

    def forward(self, input, target):
        outputs, bias = (self.num_classes, *self.out_features), self.linear.bias
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(*outputs, self.linear.in_features), target,
            linear_bias=None if bias is None else bias.reshape(outputs), weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options)

    def extra_repr(self):
        return (f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
                f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
                f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}")
