"""The loader: batches of a dataset, in this process or by workers."""
import itertools
import warnings
import weakref
from importlib import import_module
from types import SimpleNamespace

from rushlight.functional._core import core
from rushlight.utils._generators import generator_states, restore_generators
from rushlight.utils.data._fetch import make_fetcher
from rushlight.utils.data.collate import default_collate, default_convert
from rushlight.utils.data.dataset import IterableDataset
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "DataLoaderWorkerError"]


class DataLoaderWorkerError(RuntimeError):
    """A worker process died; the message says which, how, and which samples it was loading."""


class _Endless:
    # The index sampler of a stream: every batch asks for the next samples, whatever they are.
    def __iter__(self):
        return itertools.repeat(None)


class DataLoader:
    """Batches of a dataset.

    Args:
        dataset (Dataset): by number, or a stream (`IterableDataset`).
        batch_size (int, optional): samples in a batch; None leaves samples as they are. Default: 1.
        shuffle (bool, optional): take the samples in a new random order each time. Default: False.
        sampler (iterable, optional): the order of the samples.
        batch_sampler (iterable, optional): lists of indices, one for each batch.
        num_workers (int): worker processes; 0 loads in this process. Default: 0.
        collate_fn (callable, optional): makes a batch of a list of samples; `default_collate` when None.
        pin_memory (bool): accepted; on the CPU it changes nothing. Default: False.
        drop_last (bool): leave out a shorter last batch. Default: False.
        timeout (float): seconds to wait for a batch of the workers; 0 waits for ever. Default: 0.
        worker_init_fn (callable, optional): called in each worker with its number.
        multiprocessing_context (str or context, optional): how workers are started.
        generator (Generator, optional): where the order, and the workers' seeds, are drawn from.
        prefetch_factor (int, optional): batches that each worker prepares in advance; 2 when None.
        persistent_workers (bool): keep the workers from one iteration to the next. Default: False.
        pin_memory_device (str): accepted.
        in_order (bool): yield the batches in order, whichever worker is first. Default: True.

    Raises:
        ValueError: arguments that exclude each other, or are out of range.
        TypeError: `multiprocessing_context` is neither a name nor a context.

    Example:
        >>> import rushlight as rl
        >>> from rushlight.utils.data import DataLoader, TensorDataset
        >>> for batch, in DataLoader(TensorDataset(rl.arange(5)), batch_size=2):
        ...     print(batch.tolist())
        [0, 1]
        [2, 3]
        [4]
    """

    _fixed = frozenset(
        ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    )
    _ready = False
    _tracks = False                                      # whether worker processes tell the states of their generators
    _current = staticmethod(lambda: None)                # the newest iterator, while it is there
    _resumed = None                                      # the position that the next iteration continues from

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.persistent_workers, self.in_order = (
            worker_init_fn,
            persistent_workers,
            in_order,
        )
        self.multiprocessing_context = multiprocessing_context
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            _check_stream(shuffle, sampler, batch_sampler)
        sampler, batch_size, drop_last = _checked_order(
            batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            if self._streams:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self._iterator = None
        self._ready = True

    def __setattr__(self, name, value):
        if self._ready and name in self._fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        object.__setattr__(self, name, value)

    @property
    def multiprocessing_context(self):
        """How workers are started: None, or a context of `multiprocessing`."""
        return self.__dict__.get("_context")

    @multiprocessing_context.setter
    def multiprocessing_context(self, context):
        if context is None:
            self.__dict__["_context"] = None
            return
        if self.num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                f"but got num_workers={self.num_workers}"
            )
        self.__dict__["_context"] = _checked_context(context)

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def _get_iterator(self):
        if self.num_workers == 0:
            return _InProcessIterator(self)
        # Loaded when there are workers: it brings multiprocessing, and it needs this module.
        if self.prefetch_factor < 1:
            raise AssertionError(f"DataLoader: prefetch_factor={self.prefetch_factor}; expected at least 1")
        return import_module("rushlight.utils.data._processes").WorkersIterator(self)

    def __iter__(self):
        if not self.persistent_workers or self.num_workers == 0:
            return self._get_iterator()
        if self._iterator is None or self._iterator.closed:
            self._iterator = self._get_iterator()
        else:
            self._iterator.begin(self)
        return self._iterator

    def __len__(self):
        if not self._streams:
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def state_dict(self):
        """Where the loader stands, so that a program can go on from there.

        Inside a loop it holds the number of batches that were yielded, and what decides which come next. Samples that
        worker processes make with random numbers continue exactly if this was called once before the loop began.

        Returns:
            dict: for `load_state_dict`, and for `rushlight.save`.

        Raises:
            ValueError: in a loop over workers with `in_order=False`, whose batches have no repeatable order.

        Example:
            >>> from rushlight.utils.data import DataLoader
            >>> loader = DataLoader(range(4), shuffle=True)
            >>> batches = iter(loader)
            >>> _ = next(batches)
            >>> state = loader.state_dict()
            >>> rest = [batch.item() for batch in batches]
            >>> loader.load_state_dict(state)
            >>> rest == [batch.item() for batch in loader]
            True
        """
        self._tracks = True
        iterator = self._current()
        position = None if iterator is None or iterator.position.ended else (
            iterator.position.state() | self._shape())
        if position is not None and self.num_workers > 0 and not self.in_order:
            raise ValueError("DataLoader.state_dict: in_order=False in a loop over workers; expected in_order=True, "
                             "since the order of its batches cannot be repeated")
        return {"generators": [generator.get_state() for generator in self._own_generators()], "position": position}

    def load_state_dict(self, state_dict):
        """Makes the next iteration go on where `state_dict` was taken.

        Args:
            state_dict (dict): of a loader over the same dataset with the same arguments.

        Raises:
            TypeError: it is not what `state_dict` returns.
            ValueError: it is of a loader with other generators, or was taken in a loop with another `batch_size`,
                `drop_last` or length, or over a stream with another number of workers.
        """
        _check_state(state_dict)
        own, position = self._own_generators(), state_dict["position"]
        if len(own) != len(state_dict["generators"]):
            raise ValueError(f"DataLoader.load_state_dict: the state has {len(state_dict['generators'])} generators; "
                             f"expected {len(own)}, as this loader has")
        if position is not None and self._streams and position["num_workers"] != self.num_workers:
            raise ValueError(f"DataLoader.load_state_dict: the state is of num_workers={position['num_workers']}; "
                             f"expected {self.num_workers}, since workers divide a stream among themselves")
        if position is not None:
            _check_same(position, self._shape())
        for generator, state in zip(own, state_dict["generators"]):
            generator.set_state(state)
        self._resumed, self._tracks = position, True
        self._current = lambda: None
        if self._iterator is not None:                   # its workers have gone on
            self._iterator.close()

    def _shape(self):
        # What decides which samples the batches already yielded held. A stream's length may change as it is read.
        try:
            samples = None if self._streams else len(self.dataset)
        except (TypeError, NotImplementedError):         # a dataset read by number need not know its length
            samples = None
        return {"batch_size": self.batch_size, "drop_last": bool(self.drop_last), "samples": samples}

    def _own_generators(self):
        # Those that decide the order, apart from the default one.
        holders = (self, self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", None))
        found = {id(g): g for g in (getattr(holder, "generator", None) for holder in holders) if g is not None}
        return [generator for generator in found.values() if generator is not core.default_generator]

    def check_worker_number_rationality(self):
        """Kept for older programs; it does nothing."""


def _check_state(state):
    fits = isinstance(state, dict) and isinstance(state.get("generators"), (list, tuple)) and "position" in state
    position = state["position"] if fits else None
    needed = {"yielded", "base_seed", "draws_seed", "num_workers", "start", "own_start", "workers"}
    if not fits or not (position is None or (isinstance(position, dict) and needed <= position.keys()
                                             and isinstance(position["yielded"], int) and position["yielded"] >= 0)):
        raise TypeError(f"DataLoader.load_state_dict: state_dict={str(state)[:80]} is not the state of a loader; "
                        "expected what DataLoader.state_dict returned")


def _check_same(position, shape):
    for name, value in shape.items():
        if position.get(name, value) != value:           # states of before have none of them
            raise ValueError(f"DataLoader.load_state_dict: the state is of {name}={position[name]}; expected {value}, "
                             "since what was yielded is counted in batches")


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers):
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if num_workers > 0 and prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_stream(shuffle, sampler, batch_sampler):
    if shuffle:
        raise ValueError("DataLoader with IterableDataset: expected unspecified shuffle option, "
                         f"but got shuffle={shuffle}")
    if sampler is not None:
        raise ValueError("DataLoader with IterableDataset: expected unspecified sampler option, "
                         f"but got sampler={sampler}")
    if batch_sampler is not None:
        raise ValueError("DataLoader with IterableDataset: expected unspecified batch_sampler option, "
                         f"but got batch_sampler={batch_sampler}")


def _checked_order(batch_size, shuffle, sampler, batch_sampler, drop_last):
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
            )
        return None, None, False
    if batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
    return sampler, batch_size, drop_last


def _checked_context(context):
    import multiprocessing
    import multiprocessing.context

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError("multiprocessing_context option should specify a valid start method in "
                             f"{methods!r}, but got multiprocessing_context={context!r}")
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={context}"
        )
    return context


def draw_base_seed(loader):
    """The seed of an iteration's workers; drawn without workers too, so that their number changes no stream.

    Args:
        loader (DataLoader): whose generator to draw from.
    """
    return int(core.empty((), dtype=core.int64).random_(generator=loader.generator).item())


class Position:
    """Where an iteration stands.

    Attributes:
        yielded (int): how many batches it has given.
        ended (bool): whether it has given all.
        base_seed (int): the seed of its workers.
        draws_seed (bool): whether that was drawn when it began.
        workers (dict): from a worker's number to the states of its generators after the last batch yielded.

    Args:
        loader (DataLoader): whose iteration begins.
    """

    def __init__(self, loader):
        self.yielded, self.ended, self.base_seed, self.draws_seed, self.workers = 0, False, None, True, {}
        self._num_workers = loader.num_workers
        self._start = generator_states()
        self._own_start = [generator.get_state() for generator in loader._own_generators()]

    def state(self):
        """As a dict that a file can hold."""
        return {"yielded": self.yielded, "base_seed": self.base_seed, "draws_seed": self.draws_seed,
                "num_workers": self._num_workers, "start": self._start, "own_start": self._own_start,
                "workers": dict(self.workers)}


class Iterator:
    """What the two kinds of iterators share.

    An iteration that continues an earlier one puts the generators back to where that one began, draws the same order,
    passes over what was yielded, and gives the generators back as they were.

    Args:
        loader (DataLoader): what to iterate over.
    """

    def __init__(self, loader):
        self._loader_length = loader.__len__ if loader._streams else None
        self._index_sampler = loader._index_sampler
        self._resumed, loader._resumed = loader._resumed, None
        if self._resumed is not None:
            self._states_before = generator_states()
            restore_generators(self._resumed["start"])
            for generator, state in zip(loader._own_generators(), self._resumed["own_start"]):
                generator.set_state(state)
        self.position = position = Position(loader)
        # Persistent workers keep the seed of their first iteration.
        position.draws_seed = not hasattr(self, "base_seed") if self._resumed is None else self._resumed["draws_seed"]
        if position.draws_seed:
            self.base_seed = draw_base_seed(loader)
        if self._resumed is not None:
            self.base_seed = self._resumed["base_seed"]
            position.workers = dict(self._resumed["workers"])
        position.base_seed = self.base_seed
        self._indices = iter(self._index_sampler)
        loader._current = weakref.ref(self)

    def __iter__(self):
        return self

    def __next__(self):
        shown = core._enter_range(self._shown_as)          # in profiles, under PyTorch's name
        try:
            return self._next_batch()
        finally:
            core._exit_range(shown)

    def __len__(self):
        return len(self._index_sampler)

    def _pass_over(self, indices):
        self.position.yielded = sum(1 for _ in itertools.islice(indices, self._resumed["yielded"]))

    def _resume_ended(self):
        restore_generators(self._states_before)
        self._resumed = self._states_before = None

    def _count(self):
        # A stream that claims a length and yields more is most likely one whose workers all yield everything.
        self.position.yielded += 1
        if self._loader_length is None:
            return
        try:
            length = self._loader_length()
        except TypeError:
            self._loader_length = None
            return
        if self.position.yielded > length:
            warnings.warn(
                f"Length of IterableDataset was reported to be {length} batches, but {self.position.yielded} batches "
                "have been fetched. With worker processes, each worker must yield its own part of the "
                "stream: see get_worker_info().",
                stacklevel=3,
            )


class _InProcessIterator(Iterator):
    _shown_as = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"

    def __init__(self, loader):
        if loader.timeout:
            raise ValueError(
                f"DataLoader: timeout={loader.timeout} with num_workers=0; expected num_workers > 0"
            )
        super().__init__(loader)
        self._streams = loader._streams
        self._fetch = make_fetcher(SimpleNamespace(
            dataset=loader.dataset, streams=loader._streams, auto_collation=loader._auto_collation,
            collate_fn=loader.collate_fn, drop_last=loader.drop_last))
        if self._resumed is not None:
            # What a stream has yielded can only be passed over by reading it.
            self._pass_over(self._batches() if self._streams else self._indices)
            self._resume_ended()

    def _batches(self):
        return map(self._fetch, self._indices)

    def _next_batch(self):
        try:
            index = next(self._indices)
            data = self._fetch_one(index)
        except StopIteration:
            self.position.ended = True
            raise
        self._count()
        return data

    def _fetch_one(self, index):
        try:
            return self._fetch(index)
        except StopIteration as error:
            if self._streams:
                raise
            # It would end the caller's loop as if the data were at their end.
            raise RuntimeError("DataLoader: the dataset raised StopIteration") from error
