"""A loader that goes on where another stopped: the batches are those of a loader that never stopped."""
import random

import numpy as np
import pytest

import rushlight as rl
from rushlight.io import TrainingState
from rushlight.utils._generators import generator_states, restore_generators
from rushlight.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    WeightedRandomSampler,
    get_worker_info,
)


class Noisy(Dataset):
    """Samples that depend on all three generators."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return index, rl.rand(()), random.random(), np.random.rand()


class Stream(IterableDataset):
    """Each worker its own part, with noise."""

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for index in range(first, 11, step):
            yield index, rl.rand(()), random.random(), np.random.rand()


def _weighted():
    return {"sampler": WeightedRandomSampler([1.0] * 11, 9), "batch_size": 2}


def _own_generator():
    return {"shuffle": True, "generator": rl.Generator().manual_seed(5), "batch_size": 3}


LOADERS = {
    "shuffled": lambda: DataLoader(Noisy(), 2, shuffle=True),
    "plain": lambda: DataLoader(Noisy(), 2),
    "weighted": lambda: DataLoader(Noisy(), **_weighted()),
    "replacement": lambda: DataLoader(Noisy(), 2, sampler=RandomSampler(Noisy(), replacement=True, num_samples=9)),
    "own generator": lambda: DataLoader(Noisy(), **_own_generator()),
    "single": lambda: DataLoader(Noisy(), None),
    "stream": lambda: DataLoader(Stream(), 2),
    "workers": lambda: DataLoader(Noisy(), 2, shuffle=True, num_workers=2),
    "workers, own generator": lambda: DataLoader(Noisy(), num_workers=2, **_own_generator()),
    "persistent": lambda: DataLoader(Noisy(), 2, shuffle=True, num_workers=2, persistent_workers=True),
    "stream, workers": lambda: DataLoader(Stream(), 2, num_workers=2),
}


def _values(batch):
    # The dice stand for what training itself draws between two batches.
    return [np.asarray(item).tolist() for item in batch], rl.rand(1).item(), random.random(), np.random.rand()


def _seed():
    rl.manual_seed(1)
    random.seed(2)
    np.random.seed(3)


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("stop", [0, 1, 3, 5, 7])
def test_a_loader_goes_on(name, stop):
    # Two passes, stopped after `stop` batches in all; then a new loader goes on.
    _seed()
    loader, seen, saved = LOADERS[name](), [], None
    loader.state_dict()
    for _ in range(2):
        batches = iter(loader)
        while True:
            if len(seen) == stop and saved is None:
                saved = loader.state_dict(), generator_states()
            batch = next(batches, None)
            if batch is None:
                break
            seen.append(_values(batch))
    passes = len(seen) // 2
    other = LOADERS[name]()
    random.seed(99)
    rl.rand(7)
    other.load_state_dict(saved[0])
    restore_generators(saved[1])
    rest = []
    for _ in range(2 - (stop - (stop > 0)) // passes):
        rest += [_values(batch) for batch in other]
    assert rest == seen[stop:] and len(rest) > 0


def test_between_loops_there_is_no_position():
    loader = DataLoader(range(4))
    assert loader.state_dict()["position"] is None
    batches = iter(loader)
    next(batches)
    assert loader.state_dict()["position"]["yielded"] == 1
    del batches
    assert loader.state_dict()["position"] is None
    list(loader)
    assert loader.state_dict()["position"] is None


def test_a_state_travels_through_a_file(tmp_path):
    loader = DataLoader(Noisy(), 2, shuffle=True, num_workers=1)
    loader.state_dict()
    batches = iter(loader)
    next(batches)
    rl.save([loader.state_dict(), generator_states()], tmp_path / "state.pth")
    rest = [_values(batch) for batch in batches]
    state, generators = rl.load(tmp_path / "state.pth")
    other = DataLoader(Noisy(), 2, shuffle=True, num_workers=1)
    other.load_state_dict(state)
    restore_generators(generators)
    assert [_values(batch) for batch in other] == rest


def test_what_cannot_be_resumed():
    loader = DataLoader(range(8), num_workers=2, in_order=False)
    batches = iter(loader)
    next(batches)
    with pytest.raises(ValueError, match="in_order=False"):
        loader.state_dict()
    batches.close()
    state = {"generators": [1], "position": None}
    with pytest.raises(ValueError, match="1 generators; expected 0"):
        loader.load_state_dict(state)
    loader = DataLoader(range(8), 2)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    for other, message in ((DataLoader(range(8), 4), "batch_size=2; expected 4"),
                           (DataLoader(range(9), 2), "samples=8; expected 9"),
                           (DataLoader(range(8), 2, drop_last=True), "drop_last=False; expected True")):
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(state)
    for damaged in (None, {}, {"position": None}, {"generators": [], "position": {}},
                    {"generators": [], "position": state["position"] | {"yielded": "x"}}):
        with pytest.raises(TypeError, match="is not the state of a loader"):
            loader.load_state_dict(damaged)
    stream = DataLoader(Stream(), 2)
    batches = iter(stream)
    next(batches)
    with pytest.raises(ValueError, match="num_workers=0; expected 2"):
        DataLoader(Stream(), 2, num_workers=2).load_state_dict(stream.state_dict())


class Odd(Dataset):
    """One sample is unlike the others."""

    def __init__(self, odd):
        self.odd = odd

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index != 4:
            return rl.ones(3), index
        return self.odd()


def _raise():
    raise OverflowError("too loud")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("odd, kind, said", [
    (_raise, OverflowError, "about sample 4 of the dataset"),
    (lambda: None, TypeError, "sample 4 of the dataset is None; sample 3 is tuple"),
    (lambda: (rl.ones(2), 4), RuntimeError, r"sample 4 of the dataset is tuple of 2 \(Tensor of shape \(2,\), int\)"),
])
def test_the_sample_at_fault_is_named(workers, odd, kind, said):
    loader = DataLoader(Odd(odd), 3, num_workers=workers)
    with pytest.raises(kind) as caught:
        list(loader)
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
    assert __import__("re").search(said, text), text


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "Philox", "SFC64"])
def test_numpy_with_another_bit_generator(kind, tmp_path):
    before = np.random.get_bit_generator()
    np.random.set_bit_generator(getattr(np.random, kind)(3))
    try:
        assert [batch.item() for batch in DataLoader(range(3))] == [0, 1, 2]
        state = TrainingState(tmp_path / "run.pth", at={"epoch": 0})
        state.save()
        first = np.random.random(3).tolist()
        assert state.resume() and np.random.random(3).tolist() == first
    finally:
        np.random.set_bit_generator(before)
