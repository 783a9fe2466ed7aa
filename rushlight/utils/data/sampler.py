"""Samplers: the order in which samples are taken. For the same seed it is PyTorch's."""
import itertools
import types

from rushlight.functional._core import core

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


class Sampler:
    """Base class: a subclass defines `__iter__`, which yields indices or lists of them, and mostly `__len__`.

    Example:
        >>> from rushlight.utils.data import DataLoader, Sampler
        >>> class Backwards(Sampler):
        ...     def __init__(self, data):
        ...         self.data = data
        ...     def __iter__(self):
        ...         return iter(range(len(self.data) - 1, -1, -1))
        ...     def __len__(self):
        ...         return len(self.data)
        >>> next(iter(DataLoader([1, 2, 3], batch_size=3, sampler=Backwards([1, 2, 3])))).tolist()
        [3, 2, 1]
    """

    __class_getitem__ = classmethod(types.GenericAlias)

    def __init__(self, data_source=None):
        pass

    def __iter__(self):
        raise NotImplementedError


class SequentialSampler(Sampler):
    """0, 1, 2, ...

    Args:
        data_source (Sized): its length counts.

    Example:
        >>> from rushlight.utils.data import SequentialSampler
        >>> list(SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """All indices in random order; or drawn with replacement.

    Args:
        data_source (Sized): its length counts.
        replacement (bool): draw each index independently. Default: False.
        num_samples (int, optional): how many; the length of the data when None.
        generator (Generator, optional): where to draw from; one seeded from the default generator when None.

    Raises:
        TypeError: `replacement` is not a bool.
        ValueError: `num_samples` is not a positive int.

    Example:
        >>> from rushlight.utils.data import RandomSampler
        >>> sorted(RandomSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement, self._num_samples = data_source, replacement, num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self):
        """How many indices there will be; the length of the data may change."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        count, wanted = len(self.data_source), self.num_samples
        generator = self.generator
        if generator is None:
            generator = core.Generator()
            generator.manual_seed(int(core.empty((), dtype=core.int64).random_().item()))
        if self.replacement:
            # In pieces of 32, as PyTorch draws them.
            for start in range(0, wanted, 32):
                size = min(32, wanted - start)
                yield from core.randint(0, count, (size,), dtype=core.int64, generator=generator).tolist()
            return
        for _ in range(wanted // count):
            yield from core.randperm(count, generator=generator).tolist()
        yield from core.randperm(count, generator=generator).tolist()[:wanted % count]

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Given indices in random order.

    Args:
        indices (sequence): the indices.
        generator (Generator, optional): where to draw from.

    Example:
        >>> from rushlight.utils.data import SubsetRandomSampler
        >>> sorted(SubsetRandomSampler([3, 5]))
        [3, 5]
    """

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in core.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with given weights.

    Args:
        weights (sequence of float): one per index; they need not sum to one.
        num_samples (int): how many.
        replacement (bool): an index may occur again. Default: True.
        generator (Generator, optional): where to draw from.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> from rushlight.utils.data import WeightedRandomSampler
        >>> list(WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        weights = core.as_tensor(weights, dtype=core.float64)
        if weights.dim() != 1:
            raise ValueError("weights should be a 1d sequence but given weights have shape "
                             f"{tuple(weights.shape)}")
        self.weights, self.num_samples, self.replacement, self.generator = (
            weights,
            num_samples,
            replacement,
            generator,
        )

    def __iter__(self):
        drawn = core.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of the indices of another sampler.

    Args:
        sampler (iterable): yields indices.
        batch_size (int): length of the lists.
        drop_last (bool): leave out a shorter last list.

    Raises:
        ValueError: `batch_size` is not a positive int, or `drop_last` not a bool.

    Example:
        >>> from rushlight.utils.data import BatchSampler
        >>> list(BatchSampler(range(5), 2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        count = len(self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
