"""How the samples of a batch are taken from a dataset."""
import itertools

from rushlight.functional._core import core
from rushlight.utils.data.collate import default_collate
from rushlight.utils.data.dataset import Subset, TensorDataset


def make_fetcher(settings):
    """A function from an index, or a list of indices, to a batch.

    Args:
        settings (object): with `dataset`, `streams`, `auto_collation`, `collate_fn` and `drop_last`.

    Returns:
        callable: it raises StopIteration at the end of a stream.
    """
    if settings.streams:
        return _stream_fetcher(settings)
    dataset, collate_fn = settings.dataset, settings.collate_fn
    if not settings.auto_collation:
        return lambda index: collate_fn(dataset[index])
    if collate_fn is default_collate:
        rows = _row_fetcher(dataset)
        if rows is not None:
            return rows
    if callable(getattr(dataset, "__getitems__", None)):
        return lambda indices: collate_fn(dataset.__getitems__(indices))
    return lambda indices: collate_fn([dataset[index] for index in indices])


def _row_fetcher(dataset):
    # Rows of tensors need not be taken one by one to be stacked again.
    if type(dataset) is Subset and type(dataset.dataset) is TensorDataset:
        numbers, tensors = dataset.indices, dataset.dataset.tensors
        return lambda indices: _rows(tensors, [numbers[index] for index in indices])
    if type(dataset) is TensorDataset:
        return lambda indices: _rows(dataset.tensors, indices)
    return None


def _rows(tensors, indices):
    chosen = core.tensor(indices, dtype=core.int64)
    return [tensor[chosen] for tensor in tensors]


def _stream_fetcher(settings):
    samples, collate_fn, drop_last = iter(settings.dataset), settings.collate_fn, settings.drop_last

    def one(_):
        return collate_fn(next(samples))

    def several(indices):
        batch = list(itertools.islice(samples, len(indices)))
        if not batch or (drop_last and len(batch) < len(indices)):
            raise StopIteration
        return collate_fn(batch)

    return several if settings.auto_collation else one
