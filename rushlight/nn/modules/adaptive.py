"""Softmax over many classes, cheap for frequent ones."""
from collections import namedtuple

from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn.modules.container import ModuleList, Sequential
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax in two steps: frequent classes and clusters of rare ones, then a cluster's classes (Grave et al., 2016).

    Classes are numbered from the most to the least frequent.

    Args:
        in_features (int): size of the input.
        n_classes (int): number of classes.
        cutoffs (list of int): where one cluster ends and the next begins, rising.
        div_value (float): each cluster's inner size is so many times smaller than that of the one before. Default: 4.
        head_bias (bool): add a learned bias in the first step. Default: False.
        device, dtype: where and how the parameters are made.

    Raises:
        ValueError: `cutoffs` are not rising numbers between 1 and n_classes - 1.

    Shape:
        Input (N, in_features) or (in_features), targets (N) or (); `output`, the log-probabilities of the targets, is
        of the targets' shape, and `loss` their mean, negated.

    Example:
        >>> import rushlight as rl
        >>> layer = rl.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])
        >>> layer.log_prob(rl.zeros(2, 8)).exp().sum(1).round()
        tensor([1., 1.], grad_fn=<RoundBackward0>)
    """

    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if cutoffs != sorted(set(cutoffs)) or any(int(c) != c or not 0 < c < n_classes for c in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1; they are {cutoffs} of {n_classes} classes"
            )
        options = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **options)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(self._clusters(), 1):
            inner = int(in_features // div_value**i)
            self.tail.append(Sequential(
                Linear(in_features, inner, bias=False, **options), Linear(inner, stop - start, bias=False, **options)))

    def _clusters(self):
        return zip(self.cutoffs, self.cutoffs[1:])

    def reset_parameters(self):
        """Draw new values for all layers."""
        self.head.reset_parameters()
        for inner, outer in self.tail:
            inner.reset_parameters()
            outer.reset_parameters()

    def _check(self, input, target):
        if target.dim() not in (0, 1):
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found "
                               f"inputs with size {tuple(input.shape)}")
        if target.dim() == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if target.numel() and not (int(target.min()) >= 0 and int(target.max()) < self.n_classes):
            raise RuntimeError(f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                               f"[{int(target.min())}, {int(target.max())}] were found. ")

    def forward(self, input_, target_):
        self._check(input_, target_)
        input, target = input_.reshape(-1, self.in_features), target_.reshape(-1)
        first = F.log_softmax(self.head(input), dim=1)
        place, within = target, core.zeros(target.shape, dtype=input.dtype)
        for i, (start, stop) in enumerate(self._clusters()):
            rows = ((target >= start) & (target < stop)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            place = place.index_fill(0, rows, self.shortlist_size + i)
            scores = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            chosen = scores.gather(1, (target[rows] - start).unsqueeze(1)).squeeze(1)
            within = within.index_copy(0, rows, chosen)
        output = first.gather(1, place.unsqueeze(1)).squeeze(1) + within
        loss = (-output).mean()
        return _ASMoutput(output.reshape(target_.shape), loss)

    def _all_classes(self, input, head):
        first = F.log_softmax(head, dim=1)
        parts = [first[:, : self.shortlist_size]]
        for i, layer in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(F.log_softmax(layer(input), dim=1) + first[:, place : place + 1])
        return core.cat(parts, dim=1)

    def log_prob(self, input):
        """The log-probabilities of all classes.

        Args:
            input (Tensor): (N, in_features).

        Returns:
            Tensor: (N, n_classes).
        """
        return self._all_classes(input, self.head(input))

    def predict(self, input):
        """The most likely class of each row.

        Args:
            input (Tensor): (N, in_features).

        Returns:
            Tensor: int64, (N).
        """
        head = self.head(input)
        result = head.argmax(dim=1)
        rare = result >= self.shortlist_size
        if rare.any():
            result[rare] = self._all_classes(input[rare], head[rare]).argmax(dim=1)
        return result
