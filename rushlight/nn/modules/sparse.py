"""Embeddings: rows of a table, by number, alone or in bags."""
from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


def _table_sizes(embeddings):
    if embeddings.dim() != 2:
        raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
    return embeddings.shape


class Embedding(Module):
    """A learned vector for each of a number of things.

    Args:
        num_embeddings (int): how many things there are.
        embedding_dim (int): size of the vectors.
        padding_idx (int, optional): a thing whose vector begins at zero and is not trained.
        max_norm (float, optional): vectors that are looked up are first scaled to have no larger norm.
        norm_type (float): the norm for `max_norm`. Default: 2.
        scale_grad_by_freq (bool): divide gradients by how often a thing occurs in the batch. Default: False.
        sparse (bool): accepted; gradients are dense. Default: False.
        device, dtype: where and how the table is made.

    Raises:
        AssertionError: `padding_idx` is out of range.
        RuntimeError: `num_embeddings` or `embedding_dim` is negative.

    Shape:
        (...) of integers to (..., embedding_dim).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.Embedding(10, 3)(rl.tensor([1, 2])).shape == (2, 3)
        True
    """

    __constants__ = [
        "num_embeddings",
        "embedding_dim",
        "padding_idx",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "sparse",
    ]

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        _weight=None,
        _freeze=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        for name, value in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if value < 0:
                raise RuntimeError(f"{type(self).__name__}: {name}={value} is negative; expected a size")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if _weight is None:
            table = core.empty((num_embeddings, embedding_dim), device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self):
        """Draw new vectors from the normal distribution; zero at `padding_idx`."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input):
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self):
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text + (", sparse=True" if self.sparse else "")

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None, max_norm=None, norm_type=2.0,
                        scale_grad_by_freq=False, sparse=False):
        """An embedding of given vectors.

        Args:
            embeddings (Tensor): the table, (num_embeddings, embedding_dim).
            freeze (bool): do not train it. Default: True.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for the class.

        Raises:
            AssertionError: the table is not two-dimensional.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.Embedding.from_pretrained(rl.eye(2))(rl.tensor([1]))
            tensor([[0., 1.]])
        """
        rows, columns = _table_sizes(embeddings)
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )


class EmbeddingBag(Module):
    """Learned vectors, looked up in bags and reduced by bag.

    Args:
        num_embeddings (int): how many things there are.
        embedding_dim (int): size of the vectors.
        max_norm (float, optional): vectors that are looked up are first scaled to have no larger norm.
        norm_type (float): the norm for `max_norm`. Default: 2.
        scale_grad_by_freq (bool): divide gradients by how often a thing occurs; not in mode "max". Default: False.
        mode (str): "sum", "mean" or "max". Default: "mean".
        sparse (bool): accepted; gradients are dense. Default: False.
        include_last_offset (bool): the last offset is the end of the last bag. Default: False.
        padding_idx (int, optional): a thing that counts as not being there; its vector begins at zero.
        device, dtype: where and how the table is made.

    Raises:
        AssertionError: `padding_idx` is out of range.

    Shape:
        (bags, things), or (things) with offsets, of integers to (bags, embedding_dim).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.EmbeddingBag(10, 3)(rl.tensor([1, 2, 4]), rl.tensor([0, 2])).shape == (2, 3)
        True
    """

    __constants__ = [
        "num_embeddings",
        "embedding_dim",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "mode",
        "sparse",
        "include_last_offset",
        "padding_idx",
    ]

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        if _weight is None:
            self.weight = Parameter(core.empty((num_embeddings, embedding_dim), device=device, dtype=dtype))
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
                raise AssertionError("Shape of weight does not match num_embeddings and embedding_dim")
            self.weight = Parameter(_weight)

    def reset_parameters(self):
        """Draw new vectors from the normal distribution; zero at `padding_idx`."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input, offsets=None, per_sample_weights=None):
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self):
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        return text if self.padding_idx is None else text + f", padding_idx={self.padding_idx}"

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                        mode="mean", sparse=False, include_last_offset=False, padding_idx=None):
        """Bags of given vectors.

        Args:
            embeddings (Tensor): the table, (num_embeddings, embedding_dim).
            freeze (bool): do not train it. Default: True.
            max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx: as for the class.

        Raises:
            AssertionError: the table is not two-dimensional.

        Example:
            >>> import rushlight as rl
            >>> rl.nn.EmbeddingBag.from_pretrained(rl.eye(2))(rl.tensor([[0, 1]]))
            tensor([[0.5000, 0.5000]])
        """
        rows, columns = _table_sizes(embeddings)
        bags = cls(rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, _weight=embeddings,
                   include_last_offset=include_last_offset, padding_idx=padding_idx)
        bags.weight.requires_grad = not freeze
        return bags
