"""Damaged and hostile files: always an error, never a wrong value, never anything run, memory bounded by the file."""

import collections
import io
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

import rushlight
from rushlight.io import CorruptFileError

DATA = pathlib.Path(__file__).parent / "data"
REFUSALS = (CorruptFileError, pickle.UnpicklingError)


def load(data):
    return rushlight.load(io.BytesIO(bytes(data)))


@pytest.fixture(scope="module")
def ours():
    buffer = io.BytesIO()
    state = collections.OrderedDict(
        [("fc.weight", rushlight.arange(12.0).reshape(3, 4)), ("fc.bias", rushlight.ones(3))]
    )
    rushlight.save({"model": state, "epoch": 3, "none": rushlight.empty(0)}, buffer)
    return buffer.getvalue()


def archive_of(pickled, members=(), compression=zipfile.ZIP_STORED):
    """A zip file of PyTorch's layout around a pickle of the caller's making."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled, compression)
        for name, data in members:
            archive.writestr(f"archive/{name}", data)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


# ---- damage ----


def test_every_flipped_bit_is_noticed(ours):
    load(ours)
    silent = []
    for bit in range(8 * len(ours)):
        damaged = bytearray(ours)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        try:
            load(damaged)
        except CorruptFileError:
            continue
        silent.append(bit)
    assert silent == []


def test_every_truncation_is_noticed(ours):
    for length in range(len(ours)):
        with pytest.raises(CorruptFileError):
            load(ours[:length])


@pytest.mark.parametrize("tail", [b"\0", b"PK", b"\n" * 70000])
def test_added_bytes_are_noticed(ours, tail):
    with pytest.raises(CorruptFileError):
        load(ours + tail)
    with pytest.raises(REFUSALS):
        load(tail + ours)
    with pytest.raises(CorruptFileError):
        load(ours + ours)


def test_random_damage_is_noticed(ours):
    rnd = random.Random(3)
    for _ in range(2000):
        damaged = bytearray(ours)
        for _ in range(rnd.randint(1, 4)):
            at, count = rnd.randrange(len(ours)), rnd.randint(1, 40)
            damaged[at : at + count] = rnd.randbytes(rnd.choice([count, count, 0, 2 * count]))
        if bytes(damaged) != ours:
            with pytest.raises(CorruptFileError):
                load(damaged)


def test_damage_of_pytorchs_files_never_escapes():
    rnd = random.Random(4)
    for name in ("zip.pth", "legacy.pth", "protocol4.pth"):
        whole = (DATA / name).read_bytes()
        for _ in range(1500):
            damaged = bytearray(whole)
            for _ in range(rnd.randint(1, 6)):
                damaged[rnd.randrange(len(whole))] = rnd.randrange(256)
            try:
                load(damaged[: rnd.choice([len(whole), rnd.randrange(len(whole))])])
            except REFUSALS:
                pass
            except RuntimeError as error:  # the name of a device may be what was hit
                assert "map_location" in str(error)


def test_the_damaged_tensor_is_named(ours):
    at = ours.index(struct.pack("<4f", 4, 5, 6, 7))
    damaged = bytearray(ours)
    damaged[at] ^= 1
    with pytest.raises(
        CorruptFileError, match=r"load: the BytesIO: tensor 'model.fc.weight': checksum mismatch"
    ):
        load(damaged)


def test_the_file_is_named(tmp_path, ours):
    path = tmp_path / "w.pth"
    path.write_bytes(ours[:-9])
    with pytest.raises(CorruptFileError, match=r"load: '.*w\.pth': truncated"):
        rushlight.load(path)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b"hello", "expected a zip file"),
        (b"PK\3\4", "truncated"),
        (b"\0" * 257 + b"ustar" + b"\0" * 250, "tar file"),
        (b"\x80\x02]q\x00.", "expected a zip file"),
    ],
)
def test_other_files_are_told_apart(data, words):
    with pytest.raises(CorruptFileError, match=words):
        load(data)


def test_a_storage_of_the_wrong_size_is_named():
    buffer = io.BytesIO()
    rushlight.save({"fc": rushlight.ones(4)}, buffer)
    pickled = zipfile.ZipFile(buffer).read("archive/data.pkl")
    for members, words in (
        ([("data/0", b"\0" * 12)], "tensor 'fc'.*has 12 bytes; expected 4 elements of 4"),
        ([("data/0", b"\0" * 20)], "tensor 'fc'.*has 20 bytes"),
        ([], "tensor 'fc'.*is missing"),
    ):
        with pytest.raises(CorruptFileError, match=words):
            load(archive_of(pickled, members))


# ---- archives ----


def test_a_member_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
        archive.writestr("archive/data.pkl", b"\x80\x02K\x01.")
    with pytest.raises(CorruptFileError, match="appears twice"):
        load(buffer.getvalue())


def test_overlapping_members_are_refused():
    raw = bytearray(archive_of(b"\x80\x02N.", [("data/0", b"\0" * 100)]))
    second = raw.rindex(b"PK\1\2", 0, raw.rindex(b"PK\1\2"))
    raw[second + 42 : second + 46] = struct.pack("<I", 0)
    with pytest.raises(CorruptFileError):
        load(raw)


def test_an_archive_that_inflates_too_far_is_refused():
    bomb = b"\x80\x02" + b"N0" * 20_000_000 + b"N."
    raw = archive_of(bomb, compression=zipfile.ZIP_DEFLATED)
    assert len(raw) < 200_000
    with pytest.raises(CorruptFileError, match="inflates"):
        load(raw)


def test_a_lie_about_the_inflated_size_is_refused():
    raw = bytearray(archive_of(b"\x80\x02" + b"N0" * 30000 + b"N.", compression=zipfile.ZIP_DEFLATED))
    for signature, at in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        begin = raw.index(signature)
        raw[begin + at : begin + at + 4] = struct.pack("<I", 50)
    with pytest.raises(CorruptFileError):
        load(raw)


def test_a_modest_compressed_pickle_is_read():
    assert load(archive_of(pickle.dumps(["text" * 50], 2), compression=zipfile.ZIP_DEFLATED)) == ["text" * 50]


def test_a_compressed_tensor_is_refused():
    buffer = io.BytesIO()
    rushlight.save({"fc": rushlight.ones(4)}, buffer)
    pickled = zipfile.ZipFile(buffer).read("archive/data.pkl")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", struct.pack("<4f", 1, 1, 1, 1), zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptFileError, match="tensor 'fc': the record is compressed"):
        load(out.getvalue())


# ---- pickles ----


def hostile_globals():
    yield b"cos\nsystem\n(X\x07\x00\x00\x00echo hitR."
    yield b"cposix\nsystem\n(X\x04\x00\x00\x00truetR."
    yield b"c__builtin__\neval\n(X\x03\x00\x00\x001+1tR."
    yield b"cbuiltins\ngetattr\n(NX\x01\x00\x00\x00atR."
    yield b"c__builtin__\n__import__\n(X\x02\x00\x00\x00ostR."
    yield b"csubprocess\nPopen\n(X\x04\x00\x00\x00truetR."
    yield b"ctorch\nload\n(X\x01\x00\x00\x00atR."
    yield b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n."
    yield b"crushlight\nload\n(X\x01\x00\x00\x00atR."
    yield b"ccopyreg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR."
    yield b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93."
    yield b"(X\x04\x00\x00\x00trueios\nsystem\n."
    yield b"(cos\nsystem\nX\x04\x00\x00\x00trueo."


@pytest.mark.parametrize("code", list(hostile_globals()))
def test_code_is_never_run(code, monkeypatch):
    import os

    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("the file ran a command"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("the file started a process"))
    with pytest.raises(pickle.UnpicklingError):
        load(archive_of(b"\x80\x02" + code))


def test_the_refused_global_is_named():
    with pytest.raises(pickle.UnpicklingError, match=r"'os\.system'"):
        load(archive_of(b"\x80\x02cos\nsystem\n."))


MALFORMED = {
    "cut": b"\x80\x02",
    "no stop": b"\x80\x02N",
    "empty stack": b"\x80\x02.",
    "values left": b"\x80\x02NN.",
    "mark left": b"\x80\x02(N.",
    "no mark": b"\x80\x02t.",
    "append to none": b"\x80\x02NNa.",
    "append to tuple": b"\x80\x02)Na.",
    "extend a dict": b"\x80\x02}(Ne.",
    "set an item of a list": b"\x80\x02]NNs.",
    "set an item of none": b"\x80\x02N(NNu.",
    "key without value": b"\x80\x02}(Nu.",
    "list as a key": b"\x80\x02}]Ns.",
    "dict as a key": b"\x80\x02}}Ns.",
    "tuple of lists as a key": b"\x80\x02}]\x85Ns.",
    "unknown memo": b"\x80\x02h\x05.",
    "unknown long memo": b"\x80\x02j\xff\xff\xff\xff.",
    "put nothing": b"\x80\x02q\x00.",
    "4 GB text": b"\x80\x02X\xff\xff\xff\xffab.",
    "2^64 text": b"\x80\x04\x8d" + b"\xff" * 8 + b"a.",
    "long of -1 bytes": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "long of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "2^64 bytes": b"\x80\x04\x8e" + b"\xff" * 8 + b"a.",
    "2^62 bytearray": b"\x80\x05\x96" + b"\xff" * 7 + b"\x3f.",
    "bad text": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "call a list": b"\x80\x02])R.",
    "call a number": b"\x80\x02K\x01)R.",
    "call with a list": b"\x80\x02ccollections\nOrderedDict\n]R.",
    "call a dtype": b"\x80\x02ctorch\nfloat32\n)R.",
    "call a storage": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "call list": b"\x80\x02c__builtin__\nlist\n)R.",
    "build a list": b"\x80\x02]}b.",
    "build with a list": b"\x80\x02ccollections\nOrderedDict\n)R]b.",
    "build a class": b"\x80\x02ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00__class__Nsb.",
    "newobj of int": b"\x80\x02K\x01)\x81.",
    "persistent text": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "persistent list": b"\x80\x02]Q.",
    "persistent module": b"\x80\x02(X\x06\x00\x00\x00moduleNNNNtQ.",
    "storage of nothing": b"\x80\x02(X\x07\x00\x00\x00storageNNNNtQ.",
    "storage as the value": b"\x80\x02ctorch\nFloatStorage\n.",
    "function as the value": b"\x80\x02ccollections\nOrderedDict\n.",
    "function in a list": b"\x80\x02](c__builtin__\nset\ne.",
    "huge bytearray": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "bytearray of ints": b"\x80\x02cbuiltins\nbytearray\n]\x85R.",
    "complex of text": b"\x80\x02cbuiltins\ncomplex\nX\x01\x00\x00\x001K\x01\x86R.",
    "set of lists": b"\x80\x02cbuiltins\nset\n](]e\x85R.",
    "set of a number": b"\x80\x02cbuiltins\nset\nK\x01\x85R.",
    "encode to another": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
    "encode a number": b"\x80\x02c_codecs\nencode\nK\x01X\x06\x00\x00\x00latin1\x86R.",
    "size of text": b"\x80\x02ctorch\nSize\nX\x01\x00\x00\x00a\x85R.",
    "negative size": b"\x80\x02ctorch\nSize\nJ\xff\xff\xff\xff\x85\x85R.",
    "rebuild nothing": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    "rebuild none": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR.",
    "parameter of a number": b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01\x88N\x87R.",
    "factory that runs": b"\x80\x02ccollections\ndefaultdict\nccollections\nOrderedDict\n\x85R.",
    "counter of text": b"\x80\x02ccollections\nCounter\nX\x01\x00\x00\x00a\x85R.",
    "pairs that are none": b"\x80\x02ccollections\nOrderedDict\n](]e\x85R.",
    "old protocol": b"\x80\x01N.",
    "new protocol": b"\x80\x06N.",
    "ext": b"\x80\x02\x82\x01.",
    "text int": b"\x80\x02I1\n.",
    "persid line": b"\x80\x02P1\n.",
    "out of band": b"\x80\x05\x97.",
    "endless name": b"\x80\x02c" + b"a" * 5000,
    "set of itself": b"\x80\x04\x8f\x94(h\x00\x90.",
    "type from a value": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(ccollections\nOrderedDict\nN)}tR.",
}


@pytest.mark.parametrize("code", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_pickles_are_refused(code):
    with pytest.raises(REFUSALS):
        load(archive_of(code))


def tensor_pickle(
    dtype=b"FloatStorage",
    count=b"K\x04",
    offset=b"K\x00",
    size=b"K\x04\x85",
    stride=b"K\x01\x85",
    rest=b"\x89N",
):
    return (
        b"\x80\x02}X\x02\x00\x00\x00fcctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        + dtype
        + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + count
        + b"tQ"
        + offset
        + size
        + stride
        + rest
        + b"tRs."
    )


def long8(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def test_the_pickle_of_the_next_tests_is_right():
    assert load(archive_of(tensor_pickle(), [("data/0", struct.pack("<4f", 1, 2, 3, 4))]))["fc"].tolist() == [
        1,
        2,
        3,
        4,
    ]


WRONG_TENSORS = {
    "size too large": {"size": b"K\x05\x85"},
    "offset too large": {"offset": b"K\x01"},
    "stride too large": {"stride": b"K\x02\x85"},
    "negative size": {"size": long8(-4) + b"\x85"},
    "negative offset": {"offset": long8(-1)},
    "negative stride": {"stride": long8(-1) + b"\x85"},
    "size of floats": {"size": b"G" + struct.pack(">d", 4.0) + b"\x85"},
    "size of bools": {"size": b"\x88\x85"},
    "size is none": {"size": b"N"},
    "size and stride differ": {"stride": b"K\x01K\x01\x86"},
    "product wraps": {
        "size": long8(4194305) + long8(4194305) + long8(211106198978564) + b"\x87",
        "stride": b"K\x01K\x01K\x01\x87",
    },
    "offset of 2^63": {"offset": b"\x8a\x09" + (2**63).to_bytes(9, "little")},
    "offset near 2^63": {"offset": long8(2**63 - 1)},
    "stride near 2^63": {"stride": long8(2**63 - 1) + b"\x85"},
    "requires_grad is none": {"rest": b"NN"},
    "hooks": {"rest": b"\x89]K\x01a"},
    "too many elements": {"count": b"K\x05"},
    "count of 2^62": {"count": long8(2**62)},
    "negative count": {"count": long8(-1)},
    "count is text": {"count": b"X\x01\x00\x00\x004"},
    "integers that require grad": {"dtype": b"IntStorage", "rest": b"\x88N"},
    "unknown dtype": {"dtype": b"QInt8Storage"},
}


@pytest.mark.parametrize("wrong", WRONG_TENSORS.values(), ids=WRONG_TENSORS.keys())
def test_wrong_tensors_are_refused(wrong):
    with pytest.raises(REFUSALS):
        load(archive_of(tensor_pickle(**wrong), [("data/0", struct.pack("<4f", 1, 2, 3, 4))]))


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b".",
        b"\x80\x02)" + b"\x85" * 300_000 + b".",
        b"\x80\x02" + b"]" * 1002 + b"a" * 1001 + b".",
        b"\x80\x04\x8c\x00" + b"\x85" * 2000 + b"}\x8c\x00h\x00s.",
        b"\x80\x02}" + b"(]N" + b"\x85" * 5000 + b"Ku.",
    ],
    ids=["lists", "tuples", "just too deep", "tuple", "key"],
)
def test_deep_nesting_is_refused(code):
    with pytest.raises(pickle.UnpicklingError):
        load(archive_of(code))


def test_a_key_that_takes_for_ever_to_hash_is_refused():
    # Each tuple holds the one before it twice: 60 operations, 2^60 parts.
    doubling = b"".join(b"q\x00h\x00\x86" for _ in range(60))
    with pytest.raises(pickle.UnpicklingError, match="parts"):
        load(archive_of(b"\x80\x02})" + doubling + b"Ns."))


class _State:
    """Pickles as an array with a state of the test's making."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return (*np.arange(3).__reduce__()[:2], self.state)


@pytest.mark.parametrize("state", [
    (1, (4,), np.dtype("f8"), False, b"12345678"), (1, (2**62, 4), np.dtype("i1"), False, b""),
    (1, (-1,), np.dtype("i1"), False, b""), (1, (0, 2**62, 2**62), np.dtype("f8"), False, b""),
    (1, (1,) * 80, np.dtype("i1"), False, b"x"), (1, (1,), "f8", False, b"12345678"),
    (1, (1,), np.dtype("O"), False, [None]), (1, [1], np.dtype("i1"), False, b"x"), {"data": 3}, (),
])
def test_malformed_arrays_are_refused(state):
    with pytest.raises(pickle.UnpicklingError):
        load(archive_of(pickle.dumps(_State(state), 2)))


def test_random_pickles_never_escape():
    rnd = random.Random(5)
    arrays = [pickle.dumps([np.arange(3), np.float32(2)], protocol) for protocol in (2, 4)]
    seeds = [pickle.dumps([1, {"a": (2.5, b"x")}, {3}], 4), tensor_pickle(), *arrays, *MALFORMED.values()]
    codes = b"()]}N.\x85\x86\x87tasueRQbqhXKJGc\x93\x94\x8f\x90\x91\x81"
    for _ in range(5000):
        code = bytearray(rnd.choice(seeds))
        for _ in range(rnd.randint(1, 8)):
            at = rnd.randrange(2, len(code) + 1)
            code[at : at + rnd.randint(0, 2)] = bytes([rnd.choice(codes)])
        try:
            load(archive_of(bytes(code), [("data/0", struct.pack("<4f", 1, 2, 3, 4))]))
        except REFUSALS:
            pass


def bomb():
    """A file of about 300 kB whose pickle inflates to 300 MB."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    crc, size, packed = 0, 0, bytearray()
    for piece in (b"\x80\x02", *([b"N0" * 500_000] * 300), b"N."):
        crc, size = zlib.crc32(piece, crc), size + len(piece)
        packed += machine.compress(piece)
    packed += machine.flush()
    name = b"archive/data.pkl"
    rest = (20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", *rest) + name + packed
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *rest, 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)


LITTLE_MEMORY = """
import io, pathlib, pickle, resource, sys
import rushlight
rushlight.load(io.BytesIO(pathlib.Path(sys.argv[1], "0").read_bytes()))
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (64 << 20), now + (64 << 20)))
for path in sorted(pathlib.Path(sys.argv[1]).iterdir())[1:]:
    try:
        rushlight.load(path)
    except (rushlight.io.CorruptFileError, pickle.UnpicklingError):
        print("refused", path.name)
"""


def test_memory_stays_in_proportion_to_the_file(tmp_path):
    """A process with 64 MB to spare refuses each file in its own way, not for want of memory."""
    files = [
        archive_of(b"\x80\x02N."),
        bomb(),
        archive_of(tensor_pickle(count=long8(2**36)), [("data/0", b"1234")]),
        archive_of(b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"a."),
        archive_of(b"\x80\x02cbuiltins\nbytearray\n" + long8(2**38) + b"\x85R."),
    ]
    for i, data in enumerate(files):
        assert len(data) < 400_000
        (tmp_path / str(i)).write_bytes(data)
    # Under the address sanitizer its search for leaks would not find the memory that it needs.
    environment = os.environ | {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, str(tmp_path)], capture_output=True, text=True, timeout=120,
        env=environment,
    )
    assert done.stdout.split() == ["refused", "1", "refused", "2", "refused", "3", "refused", "4"], (
        done.stdout + done.stderr
    )
