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
        return lambda index: collate_fn(_sample(dataset, index))
    if collate_fn is default_collate:
        rows = _row_fetcher(dataset)
        if rows is not None:
            return rows
    if callable(getattr(dataset, "__getitems__", None)):
        return lambda indices: _collated(collate_fn, dataset.__getitems__(indices), indices)
    return lambda indices: _collated(collate_fn, [_sample(dataset, index) for index in indices], indices)


def _sample(dataset, index):
    try:
        return dataset[index]
    except Exception as error:
        error.add_note(f"DataLoader: this is about sample {index!r} of the dataset")
        raise


def _collated(collate_fn, samples, indices):
    try:
        return collate_fn(samples)
    except Exception as error:
        error.add_note(_odd_sample(samples, indices))
        raise


def _odd_sample(samples, indices):
    # Most batches that cannot be made have one sample that is unlike the first.
    kinds = [_kind(sample) for sample in samples]
    for index, kind in zip(indices, kinds):
        if kind != kinds[0]:
            return f"DataLoader: sample {index!r} of the dataset is {kind}; sample {indices[0]!r} is {kinds[0]}"
    return f"DataLoader: this is about the samples {indices!r} of the dataset; each is {kinds[0] if kinds else 'gone'}"


def _kind(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_kind(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        inside = ", ".join(_kind(item) for item in value[:8]) + (", ..." if len(value) > 8 else "")
        return f"{type(value).__name__} of {len(value)} ({inside})"
    shape = getattr(value, "shape", None)
    name = "None" if value is None else type(value).__name__
    return name if shape is None else f"{name} of shape {tuple(shape)}"


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
        return _collated(collate_fn, batch, range(len(batch)))

    return several if settings.auto_collation else one
