"""Datasets, samplers and collation beside PyTorch's; every scenario runs with both libraries."""
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import rushlight as rl
import rushlight.utils.data

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

Pair = namedtuple("Pair", "left right")
SCENARIOS = []


def scenario(function):
    SCENARIOS.append(pytest.param(function, id=function.__name__))
    return function


def plain(value):
    if isinstance(value, (rl.Tensor, torch.Tensor)):
        return [str(value.dtype).split(".")[-1], value.tolist()]
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(part) for part in value]
    return value


def raised(action, *args, **kwargs):
    try:
        action(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
    return None


@scenario
def tensor_datasets(p):
    d = p.utils.data
    data = d.TensorDataset(p.arange(6).view(3, 2), p.tensor([1.0, 2.0, 3.0]))
    return [
        len(data),
        list(data[1]),
        list(data[0:2]),
        raised(d.TensorDataset, p.ones(2), p.ones(3)),
        list(data[-1]),
    ]


@scenario
def joined_datasets(p):
    d = p.utils.data
    both = d.ConcatDataset([range(3), "ab", [None]])
    added = d.TensorDataset(p.arange(2)) + d.TensorDataset(p.arange(3))
    return [len(both), [both[i] for i in range(6)], both[-2], both.cumulative_sizes, raised(lambda: both[-9]),
            raised(lambda: both[9]), raised(d.ConcatDataset, []), len(added), type(added).__name__]


@scenario
def subsets_and_stacks(p):
    d = p.utils.data
    subset = d.Subset(list("abcdef"), [5, 0, 3])
    stack = d.StackDataset(list("abc"), range(3))
    named = d.StackDataset(x=list("abc"), y=range(3))
    return [list(subset), len(subset), subset[1], stack[1], len(stack), named[2], raised(d.StackDataset),
            raised(d.StackDataset, [1], [1, 2]), raised(d.StackDataset, [1], x=[1])]


@scenario
def streams(p):
    d = p.utils.data

    class Count(d.IterableDataset):
        def __init__(self, end):
            self.end = end

        def __iter__(self):
            return iter(range(self.end))

        def __len__(self):
            return self.end

    chained = Count(2) + Count(3)
    return [
        list(chained),
        len(chained),
        raised(d.ConcatDataset, [Count(1)]),
        raised(list, d.ChainDataset([[1]])),
    ]


@scenario
def splits(p):
    d = p.utils.data
    results = []
    for lengths in ([3, 7], [0.5, 0.5], [0.33, 0.33, 0.34], [0.1, 0.2, 0.7], [10], [0.999, 0.001]):
        parts = d.random_split(range(10), lengths, generator=p.Generator().manual_seed(42))
        results.append([list(part) for part in parts])
    p.manual_seed(5)
    results.append([list(part) for part in d.random_split(range(7), [3, 4])])
    return [*results, raised(d.random_split, range(3), [1, 1]), raised(d.random_split, range(3), [1.5, -0.5])]


@scenario
def samplers(p):
    d = p.utils.data
    p.manual_seed(9)
    weights = [0.1, 0.9, 4.0, 7.0, 3.0, 0.6]
    return [
        list(d.SequentialSampler(range(4))),
        list(d.RandomSampler(range(9))),
        list(d.RandomSampler(range(9))),
        list(d.RandomSampler(range(5), num_samples=13)),
        list(d.RandomSampler(range(5), True, 70)),
        list(d.RandomSampler(range(9), generator=p.Generator().manual_seed(1))),
        list(d.RandomSampler(range(9), True, generator=p.Generator().manual_seed(1))),
        list(d.SubsetRandomSampler([3, 1, 4, 1, 5])),
        len(d.SubsetRandomSampler([1, 2])),
        list(d.WeightedRandomSampler(weights, 9)),
        list(d.WeightedRandomSampler(weights, 5, False)),
        list(d.BatchSampler(range(7), 3, False)),
        list(d.BatchSampler(range(7), 3, True)),
        len(d.BatchSampler(range(7), 3, False)),
        len(d.BatchSampler(range(7), 3, True)),
    ]


@scenario
def sampler_errors(p):
    d = p.utils.data
    return [
        raised(d.RandomSampler, [1], 3),
        raised(d.RandomSampler, [1], num_samples=0),
        raised(d.RandomSampler, []),
        raised(d.BatchSampler, [1], 0, False),
        raised(d.BatchSampler, [1], 1, 1),
        raised(d.BatchSampler, [1], True, False),
        raised(d.WeightedRandomSampler, [1.0], 0),
        raised(d.WeightedRandomSampler, [[1.0]], 1),
    ]


@scenario
def collation(p):
    c = p.utils.data.default_collate
    t = p.tensor
    return [
        c([1, 2]),
        c([1.5, 2]),
        c([True, False]),
        c(["a", "b"]),
        c([b"a", b"b"]),
        c([t([1, 2]), t([3, 4])]),
        c([(1, "a"), (2, "b")]),
        c([[1, 2.0], [3, 4.0]]),
        c([{"x": 1, "y": [2]}, {"x": 3, "y": [4]}]),
        c([Pair(1, t(2.0)), Pair(3, t(4.0))]),
        c([np.ones(2), np.zeros(2)]),
        c([np.float32(1), np.float32(2)]),
        c([np.int16(1), np.int16(2)]),
        c([np.float64(1), np.float64(2)]),
        c([OrderedDict(a=1), OrderedDict(a=2)]),
        c([((1, 2), 3), ((4, 5), 6)]),
        c([np.array([1, 2], dtype=np.int32)] * 2),
        c([np.bool_(True)]),
    ]


@scenario
def collation_errors(p):
    c = p.utils.data.default_collate
    return [
        raised(c, [p.ones(2), p.ones(3)]),
        raised(c, [[1], [1, 2]]),
        raised(c, [object()]),
        raised(c, [None]),
        raised(c, [np.array(["a"])]),
        raised(c, [{"a": 1}, {}]),
    ]


@scenario
def conversion(p):
    c = p.utils.data.default_convert
    return [c(np.array([1, 2])), c({"x": np.ones(1), "y": "text"}), c((1, np.zeros(1))), c([np.zeros(1), 2]),
            c(Pair(np.ones(1), "a")), c(np.float32(3)), c(3), c(np.array("text")).item(), c("text")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("run", SCENARIOS)
def test_same_as_pytorch(run):
    assert plain(run(rl)) == plain(run(torch))


def test_base_classes_ask_for_their_methods():
    data = rl.utils.data
    with pytest.raises(NotImplementedError):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError):
        iter(data.IterableDataset())
    with pytest.raises(NotImplementedError):
        iter(data.Sampler())


def test_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="index 1 is 0"):
        rl.utils.data.random_split(range(2), [0.9, 0.1, 0.0])
