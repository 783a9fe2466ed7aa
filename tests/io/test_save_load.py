"""`save` and `load`: what goes in comes out, in files that PyTorch and Rushlight read from each other."""

import collections
import io
import math
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

import rushlight
from rushlight.io import CorruptFileError

DATA = pathlib.Path(__file__).parent / "data"
DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def assert_same(a, b):
    """Equal types, values, dtypes, strides and flags, all the way down."""
    assert type(a) is type(b)
    if isinstance(a, rushlight.Tensor):
        assert (a.dtype, a.shape, a.stride(), a.requires_grad) == (
            b.dtype,
            b.shape,
            b.stride(),
            b.requires_grad,
        )
        assert a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
        if hasattr(a, "__dict__"):
            assert_same(a.__dict__, b.__dict__)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


def round_trip(value):
    buffer = io.BytesIO()
    rushlight.save(value, buffer)
    buffer.seek(0)
    return rushlight.load(buffer)


def many_things():
    base = rushlight.arange(24.0).reshape(4, 6)
    default = collections.defaultdict(list)
    default["x"].append(1)
    state = collections.OrderedDict(weight=base)
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return {
        "base": base,
        "transposed": base.t(),
        "strided": base[1:3, ::2],
        "scalar": rushlight.tensor(5),
        "expanded": rushlight.ones(1).expand(5, 3),
        "empty": rushlight.empty(0, 3),
        "state": state,
        "parameter": rushlight.nn.Parameter(rushlight.randn(3)),
        "leaf": rushlight.randn(2).requires_grad_(),
        "frozen": rushlight.nn.Parameter(rushlight.ones(1), requires_grad=False),
        "dtypes": [rushlight.ones(3).to(getattr(rushlight, name)) for name in DTYPES],
        "ints": [
            0,
            1,
            255,
            256,
            65535,
            65536,
            -1,
            -(2**31),
            2**31,
            2**63,
            -(2**63),
            2**70,
            -(2**100),
            10**400,
        ],
        "floats": [0.1, math.inf, 1e-300],
        "complex": 1 - 2j,
        "text": "héllo\n",
        "lone": "\ud800",
        "bytes": b"\x00\xff",
        "bytearray": bytearray(b"abc"),
        "none": None,
        "flags": [True, False],
        "tuples": ((), (1,), (1, (2, (3,)))),
        "set": {1, "a", (2, 3)},
        "frozenset": frozenset([1]),
        "default": default,
        "counter": collections.Counter("aab"),
        "size": base.shape,
        "dtype": rushlight.bfloat16,
        "long": list(range(3000)),
        1: 2,
        (1, 2): 3,
        None: 4,
    }


def test_everything_survives_a_round_trip(tmp_path):
    value = many_things()
    assert_same(round_trip(value), value)
    rushlight.save(value, tmp_path / "all.pth")
    assert_same(rushlight.load(str(tmp_path / "all.pth")), value)
    assert_same(
        rushlight.load(tmp_path / "all.pth", mmap=True, map_location="cpu", weights_only=False), value
    )


def test_views_and_objects_stay_shared():
    base = rushlight.zeros(6)
    inner = [1]
    back = round_trip({"base": base, "view": base[2:4], "same": base, "a": inner, "b": inner})
    back["base"][3] = 7.0
    assert back["view"].tolist() == [0.0, 7.0]
    assert back["same"] is back["base"] and back["a"] is back["b"]


def test_a_list_may_hold_itself():
    loop = [1]
    loop.append(loop)
    back = round_trip(loop)
    assert back[1] is back and back[0] == 1


def test_a_mapped_file_is_not_written(tmp_path):
    path = tmp_path / "w.pth"
    rushlight.save(rushlight.ones(1000), path)
    before = path.read_bytes()
    mapped = rushlight.load(path, mmap=True)
    mapped.zero_()
    assert mapped.sum().item() == 0 and path.read_bytes() == before


def test_a_modules_state_goes_into_another_module(tmp_path):
    nn = rushlight.nn
    first = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    second = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    rushlight.save(first.state_dict(), tmp_path / "model.pth")
    second.load_state_dict(rushlight.load(tmp_path / "model.pth"))
    assert_same(second.state_dict(), first.state_dict())


def test_an_optimizers_state_survives():
    model = rushlight.nn.Linear(3, 2)
    optimizer = rushlight.optim.Adam(model.parameters(), lr=0.1)
    model(rushlight.ones(4, 3)).sum().backward()
    optimizer.step()
    assert_same(round_trip(optimizer.state_dict()), optimizer.state_dict())


def test_members_are_stored_aligned_and_readable_by_anyone(tmp_path):
    path = tmp_path / "w.pth"
    rushlight.save({"a": rushlight.ones(5), "b": rushlight.zeros(3, dtype=rushlight.int64)}, path)
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    raw = path.read_bytes()
    for member in archive.infolist():
        assert member.compress_type == zipfile.ZIP_STORED
        at = member.header_offset
        start = (
            at
            + 30
            + int.from_bytes(raw[at + 26 : at + 28], "little")
            + int.from_bytes(raw[at + 28 : at + 30], "little")
        )
        assert start % 64 == 0
    assert archive.read("w/data/0") == rushlight.ones(5).numpy().tobytes()


def test_the_same_object_makes_the_same_file():
    value = {"a": rushlight.arange(5.0), "b": [1, "x"]}
    first, second = io.BytesIO(), io.BytesIO()
    rushlight.save(value, first)
    rushlight.save(value, second)
    assert first.getvalue() == second.getvalue()


ARRAYS = {
    "rows": np.arange(6.0).reshape(2, 3), "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "empty": np.zeros((0, 3), np.float16), "none": np.array(3, np.uint8), "bools": np.array([True, False]),
    "complex": np.array([1 + 2j, -0.0], np.complex64), "part": np.arange(10)[::3], "large": np.arange(5000.0),
    "big end first": np.arange(3, dtype=">f4"),
}


def assert_same_arrays(found):
    for name, array in ARRAYS.items():
        assert type(found[name]) is np.ndarray and found[name].dtype == array.dtype.newbyteorder("="), name
        assert found[name].shape == array.shape and found[name].tobytes() == array.astype(found[name].dtype).tobytes()


def test_numpy_arrays():
    found = round_trip({**ARRAYS, "again": [ARRAYS["rows"]], "weight": rushlight.ones(2)})
    assert_same_arrays(found)
    assert found["again"][0] is found["rows"] and found["columns"].flags.f_contiguous
    found["large"][1:3] = 7                               # its memory is its own
    assert_same_arrays(round_trip(ARRAYS))


@pytest.mark.torch
def test_numpy_arrays_beside_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rushlight.save(ARRAYS, tmp_path / "ours.pth")
    assert_same_arrays(torch.load(tmp_path / "ours.pth", weights_only=False))
    torch.save({**ARRAYS, "scalars": [np.float32(2.5), np.int64(-3), np.bool_(True)]}, tmp_path / "theirs.pth")
    found = rushlight.load(tmp_path / "theirs.pth")
    assert_same_arrays(found)
    assert found["scalars"] == [2.5, -3, True] and type(found["scalars"][0]) is np.float32
    for kind in ("objects", "texts", "records", "dates"):
        array = {"objects": np.array([[1], None], object), "texts": np.array(["a"]),
                 "records": np.zeros(2, [("x", "f4")]), "dates": np.array(["2020-01-01"], "M8[D]")}[kind]
        with pytest.raises(pickle.PicklingError, match=r"value\['a'\] is a numpy.ndarray of dtype"):
            rushlight.save({"a": array}, tmp_path / "no.pth")
        torch.save({"a": array}, tmp_path / "theirs.pth")
        with pytest.raises(pickle.UnpicklingError, match=r"it holds a NumPy array of dtype '.*'; expected numbers"):
            rushlight.load(tmp_path / "theirs.pth")


def test_numpy_scalars_become_numbers():
    assert round_trip([np.float64(0.5), np.int32(3), np.bool_(True)]) == [0.5, 3, True]


@pytest.mark.parametrize(
    "value, words",
    [
        (lambda: rushlight.nn.Linear(2, 2), r"value is a rushlight.*Linear.*state_dict"),
        (lambda: {"a": [1, rushlight.nn.ReLU()]}, r"value\['a'\]\[1\] is a rushlight.*ReLU"),
        (lambda: {"f": len}, r"value\['f'\] is a builtins.builtin_function_or_method"),
        (lambda: [object()], r"value\[0\] is a builtins.object"),
        (lambda: collections.defaultdict(lambda: 0), "factory"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, value, words):
    path = tmp_path / "w.pth"
    rushlight.save(1, path)
    before = path.read_bytes()
    with pytest.raises(pickle.PicklingError, match=words):
        rushlight.save(value(), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["w.pth"]


def test_nesting_has_a_limit():
    value = []
    for _ in range(900):
        value = [value]
    assert_depth = 0
    back = round_trip(value)
    while back:
        back, assert_depth = back[0], assert_depth + 1
    assert assert_depth == 900
    for _ in range(200):
        value = [value]
    with pytest.raises(pickle.PicklingError, match="deeper than 1000"):
        rushlight.save(value, io.BytesIO())


def test_memory_under_two_dtypes_is_refused():
    t = rushlight.ones(4)
    with pytest.raises(RuntimeError, match="float32 and int32 share memory"):
        rushlight.save([t, t.view(rushlight.int32)], io.BytesIO())


@pytest.mark.parametrize("protocol", [1, 6, "2", None])
def test_a_wrong_protocol_raises(protocol):
    with pytest.raises(ValueError, match="pickle_protocol"):
        rushlight.save(1, io.BytesIO(), pickle_protocol=protocol)


def test_wrong_targets_and_arguments_raise(tmp_path):
    with pytest.raises(AttributeError, match="expected a path"):
        rushlight.save(1, 5)
    with pytest.raises(AttributeError, match="expected a path"):
        rushlight.load(5)
    with pytest.raises(FileNotFoundError):
        rushlight.load(tmp_path / "absent.pth")
    with pytest.raises(FileNotFoundError):
        rushlight.save(1, tmp_path / "absent" / "w.pth")
    with pytest.raises(IsADirectoryError):
        rushlight.save(1, tmp_path)
    with pytest.raises(TypeError, match="unknown argument 'colour'"):
        rushlight.load(io.BytesIO(), colour=1)
    with pytest.raises(ValueError, match="mmap"):
        rushlight.load(io.BytesIO(b"x"), mmap=True)


def test_a_file_object_is_read_from_where_it_stands():
    buffer = io.BytesIO()
    buffer.write(b"header")
    rushlight.save([1, rushlight.ones(2)], buffer)
    buffer.seek(6)
    assert_same(rushlight.load(buffer), [1, rushlight.ones(2)])


# ---- PyTorch's files ----


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "protocol4.pth"])
def test_pytorchs_files_are_read(name):
    back = rushlight.load(DATA / name)
    for dtype in DTYPES:
        t = back["dtypes"][dtype]
        assert t.dtype == getattr(rushlight, dtype)
        assert t.tolist() == [bool(v) for v in (0, 1, 3)] if dtype == "bool" else [0, 1, 3]
    base = [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]]
    assert type(back["state"]) is collections.OrderedDict and list(back["state"]) == ["weight", "bias"]
    assert back["state"]["weight"].tolist() == base and back["state"]["bias"].tolist() == [0.5, -1.0, 2.0]
    assert back["state"]._metadata == {"": {"version": 1}}
    whole, transposed, part, one = back["views"]
    assert (
        whole is back["state"]["weight"]
        and transposed.stride() == (1, 4)
        and part.tolist() == [[4.0, 6.0], [8.0, 10.0]]
    )
    whole[2, 1] = -1.0
    assert one.item() == -1.0 and transposed[1, 2].item() == -1.0
    assert isinstance(back["parameter"], rushlight.nn.Parameter) and back["parameter"].tolist() == [1.5]
    assert back["parameter"].requires_grad and back["leaf"].requires_grad and back["leaf"].is_leaf
    assert tuple(back["empty"].shape) == (0, 3)
    assert back["plain"] == [
        None,
        True,
        False,
        0,
        255,
        65536,
        -1,
        2**70,
        1.5,
        1 - 2j,
        "text é",
        b"\x00\xff",
        (),
        (1,),
        {1, 2},
    ]
    assert back["size"] == rushlight.Size([2, 3]) and type(back["size"]) is rushlight.Size
    assert back["dtype"] is rushlight.float16 and str(back["device"]) == "cpu"
    assert back["counter"] == collections.Counter(a=2, b=1)
    assert back[3]["nested"][0]["deep"].item() == 7


def test_pytorchs_files_without_checksums_are_read():
    assert rushlight.load(DATA / "without_checksums.pth")["x"].tolist() == [1.0, 1.0, 1.0]


def test_whole_modules_and_programs_are_refused():
    for weights_only in (None, True, False):
        with pytest.raises(
            pickle.UnpicklingError, match=r"module\.pth'.*torch.nn.modules.linear.Linear.*state_dict"
        ):
            rushlight.load(DATA / "module.pth", weights_only=weights_only)
    with pytest.raises(CorruptFileError, match="TorchScript"):
        rushlight.load(DATA / "program.pth")


@pytest.mark.parametrize("options", [{}, {"weights_only": True}, {"mmap": True}])
def test_pytorch_reads_our_files(tmp_path, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    value = many_things()
    for unknown_to_it in ("frozenset", "default"):
        value.pop(unknown_to_it)
    path = tmp_path / "ours.pth"
    rushlight.save(value, path)
    back = torch.load(path, **options)
    torch.save(back, tmp_path / "theirs.pth")
    assert_same(rushlight.load(tmp_path / "theirs.pth"), value)
    assert back["base"].data_ptr() == back["transposed"].data_ptr()
    assert isinstance(back["parameter"], torch.nn.Parameter)


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}])
def test_pytorchs_networks_come_over(tmp_path, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth", **options)
    nn = rushlight.nn
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ours.load_state_dict(rushlight.load(tmp_path / "theirs.pth"))
    for name, value in theirs.state_dict().items():
        assert ours.state_dict()[name].tolist() == value.tolist()


# ---- where storages go ----


def saved_from_cuda():
    """A file of ours as if its storage had been on another device."""
    buffer = io.BytesIO()
    rushlight.save({"w": rushlight.ones(2)}, buffer)
    archive = zipfile.ZipFile(buffer)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as copy:
        for name in archive.namelist():
            if not name.endswith(".rushlight"):
                copy.writestr(
                    name, archive.read(name).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
                )
    return out.getvalue()


@pytest.mark.parametrize("where", ["cpu", {"cuda:0": "cpu"}, lambda storage, location: storage])
def test_map_location_brings_storages_home(where):
    assert rushlight.load(io.BytesIO(saved_from_cuda()), map_location=where)["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("where", [None, "cuda", {"cuda:1": "cpu"}, lambda storage, location: None])
def test_a_device_that_is_not_there_is_named(where):
    with pytest.raises(RuntimeError, match="map_location='cpu'"):
        rushlight.load(io.BytesIO(saved_from_cuda()), map_location=where)


def test_map_location_of_a_wrong_type_raises():
    with pytest.raises(TypeError, match="map_location"):
        rushlight.load(io.BytesIO(saved_from_cuda()), map_location=3)
