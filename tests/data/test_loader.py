"""The loader, in this process and with workers: orders and values beside PyTorch's, failures, what is left."""

import faulthandler
import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.utils import data
from rushlight.utils.data import (
    DataLoader,
    DataLoaderWorkerError,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
)

try:
    import torch
except ImportError:
    torch = None
beside_pytorch = pytest.mark.skipif(torch is None, reason="PyTorch is the reference of this test")


class Rows(Dataset):
    """Rows of various kinds, the number of the worker's process among them."""

    def __init__(self, length=23):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"number": index, "image": rl.full((3, 40, 40), float(index)), "array": np.full(5000, index),
                "text": str(index), "small": np.array([index]), "pid": os.getpid()}


class Failing(Dataset):
    def __init__(self, error, at=5):
        self.error, self.at = error, at

    def __len__(self):
        return 12

    def __getitem__(self, index):
        if index == self.at:
            raise self.error
        return index


class Awkward(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)
        self.one, self.two = one, two


class Stream(IterableDataset):
    def __init__(self, length=11):
        self.length = length

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.length, step))


def numbers(loader):
    return [batch.tolist() for batch in loader]


@beside_pytorch
@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 5, "shuffle": True},
        {"batch_size": None},
        {"batch_sampler": [[3, 1], [4], [1, 5, 9]]},
        {"sampler": [9, 8, 7], "batch_size": 2},
        {"batch_size": None, "shuffle": True},
    ],
)
def test_order_is_pytorchs(options, workers):
    found = []
    for package, count in ((rl, workers), (torch, 0)):
        package.manual_seed(13)
        loader = package.utils.data.DataLoader(range(20), num_workers=count, **options)
        epochs = [[b.tolist() if hasattr(b, "tolist") else b for b in loader] for _ in range(2)]
        found.append((epochs, len(loader), package.rand(3).tolist()))
    assert found[0] == found[1]


@beside_pytorch
@pytest.mark.parametrize("workers", [0, 2])
def test_generator_decides_the_order(workers):
    found = []
    for package in (rl, torch):
        generator = package.Generator().manual_seed(4)
        loader = package.utils.data.DataLoader(
            range(20), 6, shuffle=True, generator=generator, num_workers=workers
        )
        found.append([numbers(loader) for _ in range(3)])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


@beside_pytorch
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "options", [{"batch_size": 2}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}]
)
def test_streams(workers, options):
    class Reference(torch.utils.data.IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            return iter(range(11) if info is None else range(info.id, 11, info.num_workers))

    own = [
        b.tolist() if hasattr(b, "tolist") else b
        for b in DataLoader(Stream(), num_workers=workers, **options)
    ]
    theirs = torch.utils.data.DataLoader(Reference(), num_workers=workers, **options)
    assert own == [b.tolist() if hasattr(b, "tolist") else b for b in theirs]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_bring_what_one_process_brings(workers):
    plain = list(DataLoader(Rows(), batch_size=4))
    by_workers = list(DataLoader(Rows(), batch_size=4, num_workers=workers))
    assert len(plain) == len(by_workers) == 6
    for one, other in zip(plain, by_workers):
        assert list(one) == list(other)
        assert one["text"] == other["text"]
        for key in ("number", "image", "array", "small"):
            assert one[key].dtype == other[key].dtype and one[key].shape == other[key].shape
            assert bool((one[key] == other[key]).all())
    pids = {pid for batch in by_workers for pid in batch["pid"].tolist()}
    assert os.getpid() not in pids and len(pids) == min(workers, 6)


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_start_methods(start):
    loader = DataLoader(Rows(6), batch_size=2, num_workers=2, multiprocessing_context=start)
    assert [batch["number"].tolist() for batch in loader] == [[0, 1], [2, 3], [4, 5]]


def test_arrays_and_odd_tensors_survive_the_journey():
    big = np.arange(30000.0).reshape(100, 300)
    samples = [
        big,
        big[::2, ::3],
        np.float32(3),
        np.array(["a", "b"]),
        rl.ones(0, 3),
        rl.tensor(2.5),
        rl.arange(6).view(2, 3).t(),
        rl.ones(40000)[::2],
        rl.ones(3).requires_grad_(),
        rl.tensor([True, False]),
        {"a": (rl.ones(2, dtype=rl.float16), [None, "x"])},
        b"bytes" * 9000,
    ]
    loader = DataLoader(samples, batch_size=None, num_workers=2, collate_fn=lambda sample: sample)
    for sent, got in zip(samples, loader, strict=True):
        assert type(sent) is type(got)
        if isinstance(sent, rl.Tensor):
            assert (
                sent.dtype == got.dtype
                and sent.shape == got.shape
                and sent.requires_grad == got.requires_grad
            )
            assert sent.tolist() == got.tolist()
        elif isinstance(sent, np.ndarray):
            np.testing.assert_array_equal(sent, got)
        elif isinstance(sent, dict):
            assert got["a"][0].tolist() == [1.0, 1.0] and got["a"][1] == [None, "x"]
        else:
            assert sent == got


def test_batches_are_writable_and_outlive_the_loader():
    loader = DataLoader(Rows(8), batch_size=2, num_workers=2)
    batches = list(loader)
    del loader
    gc.collect()
    for i, batch in enumerate(batches):
        batch["image"].add_(1)
        assert batch["image"][0, 0, 0, 0].item() == 2 * i + 1


def test_many_batches_need_no_descriptors():
    before = len(os.listdir("/proc/self/fd"))
    batches = list(DataLoader(Rows(300), batch_size=1, num_workers=1))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert batches[299]["image"][0, 0, 0, 0].item() == 299


class Seeds(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        import random
        return index, random.random(), np.random.rand(), rl.rand(1).item(), get_worker_info().seed


@beside_pytorch
def test_workers_are_seeded_as_pytorchs():
    class Reference(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            import random
            return (index, random.random(), np.random.rand(), torch.rand(1).item(),
                    torch.utils.data.get_worker_info().seed)

    found = []
    for package, dataset in ((rl, Seeds()), (torch, Reference())):
        package.manual_seed(77)
        loader = package.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
        found.append([tuple(sample) for sample in loader])
    assert found[0] == found[1]


def test_worker_info_and_init_function():
    class Info(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            info = get_worker_info()
            return info.id, info.num_workers, info.dataset is self, self.prepared

    def prepare(worker_id):
        get_worker_info().dataset.prepared = worker_id * 10

    loader = DataLoader(Info(), batch_size=None, num_workers=2, worker_init_fn=prepare)
    assert [tuple(sample) for sample in loader] == [(0, 2, True, 0), (1, 2, True, 10)] * 2
    assert get_worker_info() is None


@pytest.mark.parametrize("workers", [1, 3])
def test_persistent_workers(workers):
    loader = DataLoader(Rows(9), batch_size=2, num_workers=workers, persistent_workers=True, shuffle=True)
    epochs = [list(loader) for _ in range(3)]
    pids = [{pid for batch in epoch for pid in batch["pid"].tolist()} for epoch in epochs]
    assert pids[0] == pids[1] == pids[2]
    for epoch in epochs:
        assert sorted(n for batch in epoch for n in batch["number"].tolist()) == list(range(9))
    next(iter(loader))  # an iteration that is left early
    assert sorted(n for batch in loader for n in batch["number"].tolist()) == list(range(9))


def test_persistent_workers_over_streams():
    loader = DataLoader(Stream(7), batch_size=2, num_workers=2, persistent_workers=True)
    assert numbers(loader) == numbers(loader) == [[0, 2], [1, 3], [4, 6], [5]]


def test_out_of_order():
    class Slow(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            time.sleep(0.5 if index == 0 else 0.0)
            return index

    loader = DataLoader(Slow(), batch_size=None, num_workers=2, in_order=False)
    order = list(loader)
    assert sorted(order) == list(range(6)) and order[0] != 0


@pytest.mark.parametrize("error", [
    ValueError("bad sample"), KeyError("missing"), Awkward(1, 2), StopIteration("odd"),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "reason")], ids=lambda error: type(error).__name__)
def test_a_workers_exception_arrives(error):
    loader = DataLoader(Failing(error), batch_size=2, num_workers=2)
    seen = []
    # A StopIteration must not end the loop silently.
    with pytest.raises(RuntimeError if isinstance(error, StopIteration) else type(error)) as caught:
        for batch in loader:
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    for part in (type(error).__name__, "worker process 0", "[4, 5]", "__getitem__", "raise self.error"):
        assert part in text


def test_stop_iteration_does_not_end_the_loop():
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Failing(StopIteration("odd"))))


def test_an_exception_that_does_not_pickle_arrives():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match=r"Caught .*Local in DataLoader worker process 0"):
        list(DataLoader(Failing(Local("here")), batch_size=12, num_workers=1))


def test_loading_goes_on_after_an_exception():
    iterator = iter(DataLoader(Failing(ValueError("once"), at=1), batch_size=None, num_workers=1))
    assert next(iterator) == 0
    with pytest.raises(ValueError):
        next(iterator)
    assert [next(iterator) for _ in range(3)] == [2, 3, 4]


def test_what_cannot_be_sent_is_reported():
    loader = DataLoader([1, 2], batch_size=None, num_workers=1, collate_fn=lambda value: (lambda: value))
    with pytest.raises(Exception, match="pickle"):
        next(iter(loader))
    loader = DataLoader([1, 2], batch_size=None, num_workers=1,
                        collate_fn=lambda value: rl.ones(1, requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="leaf"):
        next(iter(loader))


def test_memory_that_runs_out():
    def limit(worker_id):
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    # Nothing fits into a segment: the batches travel in the messages.
    batches = list(DataLoader([rl.ones(3, 80, 80)] * 2, batch_size=1, num_workers=1, worker_init_fn=limit))
    assert [tuple(batch.shape) for batch in batches] == [(1, 3, 80, 80)] * 2
    assert all(bool((batch == 1).all()) for batch in batches)


def test_an_init_function_that_fails():
    def fail(worker_id):
        raise OSError(f"no disk for {worker_id}")

    with pytest.raises(OSError, match="no disk for 0"):
        next(iter(DataLoader(range(4), num_workers=2, worker_init_fn=fail)))


class Dying(Dataset):
    def __init__(self, how):
        self.how = how

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            if isinstance(self.how, int):
                os._exit(self.how)
            os.kill(os.getpid(), self.how)
            time.sleep(60)
        return index


@pytest.mark.parametrize(
    "how,said", [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV"), (3, "exit code 3")]
)
def test_a_killed_worker_is_reported(how, said):
    how = int(how) if said.startswith("exit") else how
    dataset = Dying(how)
    if not said.startswith("exit"):
        dataset.how = signal.Signals(how)
        dataset.__class__ = Signalled
    begin = time.monotonic()
    with pytest.raises(DataLoaderWorkerError) as caught:
        list(DataLoader(dataset, batch_size=2, num_workers=2))
    assert time.monotonic() - begin < 10
    assert isinstance(caught.value, RuntimeError)
    for part in (said, "pid ", "[4, 5]", "worker 0"):
        assert part in str(caught.value)


class Signalled(Dying):
    def __getitem__(self, index):
        if index == 5:
            faulthandler.disable()  # pytest's would print the worker's stack
            os.kill(os.getpid(), self.how)
            time.sleep(60)
        return index


def test_a_worker_killed_while_idle_is_reported():
    iterator = iter(DataLoader(range(100), num_workers=1, prefetch_factor=1))
    next(iterator)
    time.sleep(0.3)
    os.kill(iterator._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(DataLoaderWorkerError, match="SIGKILL"):
        list(iterator)


class Sleeping(Dataset):
    def __init__(self, seconds=30.0):
        self.seconds = seconds

    def __len__(self):
        return 2

    def __getitem__(self, index):
        time.sleep(self.seconds)
        return self.seconds


def test_timeout():
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0\.5 seconds: worker 0 while loading samples \[0\]"):
        next(iter(DataLoader(Sleeping(), num_workers=1, timeout=0.5)))

    assert time.monotonic() - begin < 15


def test_a_silent_worker_is_shown(monkeypatch):
    monkeypatch.setattr("rushlight.utils.data._processes._SLOW", 0.3)
    said = r"(?s)worker 0 \(pid \d+\) has been silent.*loading samples \[0\].*__getitem__"
    with pytest.warns(UserWarning, match=said):
        assert next(iter(DataLoader(Sleeping(1.5), num_workers=1))).item() == 1.5


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone_within(pids, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_leaving_early_ends_the_workers():
    iterator = iter(DataLoader(Rows(50), num_workers=2))
    next(iterator)
    pids = [worker.process.pid for worker in iterator._workers]
    del iterator
    gc.collect()
    assert gone_within(pids, 5)


PROGRAM = """
    import os, sys, time
    import rushlight as rl
    from rushlight.utils.data import DataLoader, Dataset

    class Rows(Dataset):
        def __len__(self):
            return 10**6
        def __getitem__(self, index):
            if index % 64 == 63:
                time.sleep({pause})
            return rl.ones(3, 64, 64)

    iterator = iter(DataLoader(Rows(), batch_size=32, num_workers=3, persistent_workers={persistent}))
    next(iterator)
    print(*(worker.process.pid for worker in iterator._workers), flush=True)
    for _ in iterator:
        pass
"""


def start_program(pause=0.0, persistent=False):
    code = textwrap.dedent(PROGRAM).format(pause=pause, persistent=persistent)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore interrupts, and whatever they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    return process, [int(pid) for pid in process.stdout.readline().split()]


def segments():
    return set(os.listdir("/dev/shm"))


@pytest.mark.parametrize("pause", [0.0, 30.0], ids=["busy", "stuck"])
def test_a_killed_parent_leaves_nothing(pause):
    before = segments()
    process, pids = start_program(pause)
    assert len(pids) == 3
    time.sleep(0.5)
    process.kill()
    process.wait()
    assert gone_within(pids, 5)
    assert segments() <= before


@pytest.mark.parametrize("pause", [0.0, 30.0], ids=["busy", "stuck"])
def test_interrupting_leaves_nothing(pause):
    process, pids = start_program(pause, persistent=True)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert gone_within(pids, 5)


def test_tensor_datasets_are_read_by_rows():
    x, y = rl.arange(20.0).view(10, 2), rl.arange(10)
    for dataset in (TensorDataset(x, y), data.Subset(TensorDataset(x, y), range(10))):
        one, two = next(iter(DataLoader(dataset, sampler=[3, 1, 9], batch_size=3)))
        assert one.tolist() == [[6.0, 7.0], [2.0, 3.0], [18.0, 19.0]] and two.tolist() == [3, 1, 9]

    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * value for value in super().__getitem__(index))

    assert next(iter(DataLoader(Doubled(y), batch_size=2)))[0].tolist() == [0, 2]
    changing = TensorDataset(y)
    loader = DataLoader(changing, batch_size=2)
    changing.tensors = (y + 5,)
    assert next(iter(loader))[0].tolist() == [5, 6]


def test_getitems_is_used():
    class Batched(Dataset):
        def __len__(self):
            return 4

        def __getitems__(self, indices):
            return [index * 10 for index in indices]

    assert numbers(DataLoader(Batched(), batch_size=2)) == [[0, 10], [20, 30]]


def test_multiprocessing_is_imported_for_workers_only():
    code = ("import sys, rushlight.utils.data as d; list(d.DataLoader(range(4))); "
            "print('multiprocessing' in sys.modules, 'ctypes' in sys.modules)")
    if "torch" in type(rl.ones(1)).__module__:
        pytest.skip("runs on another core")
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split()[0] == "False"


BAD = [
    {"num_workers": -1}, {"timeout": -1}, {"prefetch_factor": 2}, {"persistent_workers": True},
    {"num_workers": 1, "prefetch_factor": -1}, {"shuffle": True, "sampler": [1]},
    {"batch_sampler": [[1]], "batch_size": 2}, {"batch_sampler": [[1]], "shuffle": True},
    {"batch_size": None, "drop_last": True}, {"batch_size": 0}, {"batch_size": -3}, {"batch_size": 2.0},
    {"multiprocessing_context": "fork"}, {"num_workers": 1, "multiprocessing_context": "spoon"}]


@pytest.mark.parametrize("options", BAD, ids=lambda options: "-".join(options))
def test_bad_arguments(options):
    with pytest.raises(ValueError):
        DataLoader(range(4), **options)
    if torch is not None:
        with pytest.raises(ValueError):
            torch.utils.data.DataLoader(range(4), **options)


@pytest.mark.parametrize("options, kind", [
    ({"num_workers": 1.5}, TypeError), ({"num_workers": 1, "prefetch_factor": 0}, AssertionError),
])
def test_bad_arguments_found_late(options, kind):
    with pytest.raises(kind):                    # PyTorch's types; its own iterator fails once more when it goes
        list(DataLoader(range(4), **options))


def test_more_bad_arguments():
    with pytest.raises(TypeError):
        DataLoader(range(4), num_workers=1, multiprocessing_context=3)
    for options in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError):
            DataLoader(Stream(), **options)
    loader = DataLoader(range(4))
    with pytest.raises(ValueError, match="batch_size"):
        loader.batch_size = 3
    with pytest.raises(TypeError):
        len(DataLoader(Stream()))


def test_a_stream_that_yields_more_than_it_says():
    class Claims(Stream):
        def __len__(self):
            return 4

    with pytest.warns(UserWarning, match="reported to be 4"):
        list(DataLoader(Claims(9), batch_size=None))


def test_persistent_workers_draw_one_seed_for_all_iterations():
    rl.manual_seed(0)
    loader = DataLoader(list(range(8)), batch_size=4, shuffle=True, num_workers=1, persistent_workers=True)
    orders = [[batch.tolist() for batch in loader] for _ in range(2)]
    assert orders == [[[2, 0, 5, 3], [1, 4, 7, 6]], [[7, 2, 0, 5], [3, 4, 6, 1]]]     # PyTorch's
