"""`.rush` files: what was saved comes back, damage is noticed, and files of each format version load for ever."""
import gzip
import io
import json
import re
import struct
import subprocess
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from jit.programs import convolutional, views_and_writes

import rushlight as rl
from rushlight._files.errors import CorruptFileError
from rushlight.cli import directory
from rushlight.jit import _files as graph_files
from rushlight.jit._structure import flatten

GOLDEN = Path(__file__).parent / "golden_files"


def written(program, **options):
    file = io.BytesIO()
    rl.jit.save(program, file, **options)
    return file.getvalue()


def test_round_trip(tmp_path):
    module = convolutional()
    traced = rl.jit.trace(module, rl.randn(2, 3, 8, 8))
    traced(rl.randn(1, 3, 8, 8))
    path = tmp_path / "m.rush"
    traced.save(path)
    for options in ({}, {"mmap": True}):
        loaded = rl.jit.load(path, **options)
        assert list(loaded.state_dict()) == list(module.state_dict())
        with rl.no_grad():
            for n in (1, 2, 7):
                x = rl.randn(n, 3, 8, 8)
                np.testing.assert_array_equal(loaded(x).numpy(), module(x).numpy())
    assert written(rl.jit.load(path)) == path.read_bytes()
    with pytest.raises(ValueError, match=r"got rushlight.float32 of shape \(3, 3, 8, 9\); the program was saved for"):
        loaded(rl.ones(3, 3, 8, 9))


def test_state_and_training_of_a_loaded_module():
    module = convolutional().train()
    loaded = rl.jit.load(io.BytesIO(written(rl.jit.trace(module, rl.randn(2, 3, 8, 8)))))
    for _ in range(3):
        x = rl.randn(2, 3, 8, 8)
        loaded(x).sum().backward()
        module(x).sum().backward()
        for (name, a), b in zip(loaded.named_parameters(), module.parameters(), strict=True):
            np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy(), err_msg=name)
        for a, b in zip(loaded.buffers(), module.buffers(), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_dtypes_and_layouts_of_constants():
    constants = [rl.arange(6).reshape(2, 3).to(t) for t in (
        rl.float64, rl.float16, rl.bfloat16, rl.int8, rl.uint8, rl.int16, rl.bool, rl.complex64, rl.complex128,
        rl.uint32)]
    constants += [rl.randn(3, 2).t(), rl.ones(()), rl.zeros(0, 3)]

    def program(x):
        return *(c + 0 if c.dtype != rl.bool else c & True for c in constants), x

    loaded = rl.jit.load(io.BytesIO(written(rl.jit.trace(program, rl.ones(1)))))
    for a, b in zip(loaded(rl.ones(1)), program(rl.ones(1)), strict=True):
        assert a.dtype == b.dtype and rl.equal(a, b)


def test_functions_and_extra_files():
    function = rl.jit.trace(views_and_writes, rl.ones(2, 3))
    extra = {"labels": None}
    data = written(function, _extra_files={"labels": "cat dog"})
    loaded = rl.jit.load(io.BytesIO(data), _extra_files=extra)
    assert extra == {"labels": b"cat dog"} and isinstance(loaded, rl.jit.ScriptFunction)
    for a, b in zip(loaded(rl.ones(2, 3)), views_and_writes(rl.ones(2, 3)), strict=True):
        assert rl.equal(a, b)
    expanded = rl.ones(1).expand(3)
    with pytest.raises(ValueError, match="contiguous"):
        written(rl.jit.trace(lambda x: x + expanded, rl.ones(3)))
    with pytest.raises(TypeError, match="expected a traced"):
        rl.jit.save(convolutional(), io.BytesIO())


def check_damage_is_noticed(data):
    """Each byte changed, and the file cut at every seventh."""
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x41
        with pytest.raises(CorruptFileError):
            rl.jit.load(io.BytesIO(bytes(changed)))
    for n in range(0, len(data), 7):
        with pytest.raises(CorruptFileError):
            rl.jit.load(io.BytesIO(data[:n]))


def test_every_changed_byte_is_noticed():
    data = written(rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2)))
    check_damage_is_noticed(data)


@pytest.mark.parametrize("change", [
    {"version": 99}, {"format": "other"}, {"signatures": []}, {"signatures": 3}, {"parameters": ["no"]},
    {"strides": {"weight": [1]}}, {"strides": {"weight": [-1, 10**18]}}, {"strides": 3},
    {"strides": {"weight": [1, 10**17]}}])
def test_a_file_that_says_nonsense(change, monkeypatch):
    traced = rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2))
    real = graph_files._write
    monkeypatch.setattr(graph_files, "_write",
                        lambda write, content, tensors, extra: real(write, {**content, **change}, tensors, extra))
    data = written(traced)
    with pytest.raises((CorruptFileError, RuntimeError), match="load"):
        rl.jit.load(io.BytesIO(data))


@pytest.mark.parametrize("header", [
    {"weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 800]}},
    {"weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [-8, 0]}},
    {"weight": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}},
    {"weight": {"dtype": "F99", "shape": [1, 2], "data_offsets": [0, 8]}}, {"weight": 3}, []])
def test_weights_that_do_not_fit(header, monkeypatch):


    text = json.dumps(header).encode()
    monkeypatch.setattr(graph_files, "_safetensors", lambda tensors: struct.pack("<Q", len(text)) + text + bytes(12))
    data = written(rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2)))
    with pytest.raises(CorruptFileError):
        rl.jit.load(io.BytesIO(data))


@pytest.mark.parametrize(("change", "words"), [
    (lambda s: s.replace('"version": 1', '"version": 4'), "format version 4; this version reads 3"),
    (lambda s: s.replace('"name": "Linear"', '"name": "a", "name": "b"'), "no name twice; 'name'"),
    (lambda s: s.replace('"metadata": {}', '"metadata": ' + "[" * 70 + "]" * 70), "at most 64 levels"),
    (lambda s: s.replace('"metadata": {}', '"metadata": NaN'), "expected a value"),
    (lambda s: s.replace('"metadata": {}', '"metadata": []'), "field 'metadata' is [[][]]; expected an object"),
    (lambda s: s.replace("linear(", "liner("), "there is none called liner"),
    (lambda s: s.replace("return %", "return %x"), "a value that is defined before this"),
    (lambda s: s.replace("float32[1, 2]", "float32[1, 3]", 1), None),
    (lambda s: s.replace("float32[1, 2] = ", "float64[1, 2] = "), "tensor 'weight' is float32 of shape"),
    (lambda s: s.replace('"weight": "weight"', '"weight": "bias"'), "'weight' is float32 of shape"),
    (lambda s: s.replace('"gives": "tensor"', '"gives": ["set", []]'), "describes no structure"),
    (lambda s: s.replace('"gives": "tensor"', '"gives": "none"'), "names other tensors than its graph"),
    (lambda s: s[:-2], "expected ',' or")])
def test_what_is_wrong_is_named(change, words, monkeypatch):
    traced = rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2))
    traced._captures._example = False
    real = graph_files.json.dumps

    def changed(content, **options):
        text = real(content, **options)
        if "format" not in content:
            return text
        assert change(text) != text
        return change(text)
    monkeypatch.setattr(graph_files.json, "dumps", changed)
    data = written(traced)
    monkeypatch.undo()
    if words is None:
        loaded = rl.jit.load(io.BytesIO(data))
        with pytest.raises(RuntimeError, match="linear"):
            loaded(rl.ones(1, 3))
        return
    with pytest.raises(CorruptFileError, match=re.escape(words).replace(r"\[\]", "")):
        rl.jit.load(io.BytesIO(data))


def test_sizes_that_no_memory_has(monkeypatch):
    traced = rl.jit.trace(lambda x: x.relu().tanh().relu(), rl.ones(1, 2))
    traced._captures._example = False
    real = graph_files.json.dumps
    monkeypatch.setattr(graph_files.json, "dumps", lambda content, **options: real(content, **options).replace(
        "float32[1, 2]", f"float32[{2**62}, 2]"))
    data = written(traced)
    monkeypatch.undo()
    loaded = rl.jit.load(io.BytesIO(data))
    with pytest.raises(ValueError, match=f"the program was saved for .*{2**62}"):
        loaded(rl.ones(1, 2))


@pytest.mark.parametrize(("places", "words"), [
    ([(0, 8), (8, 12)], None), ([(4, 12), (0, 4)], None), ([(4, 12), (4, 8)], "begins at byte 4; expected 0"),
    ([(0, 8), (12, 16)], "does not fit bytes 12 to 16"), ([(0, 8), (4, 8)], "begins at byte 4; expected 8"),
    ([(0, 8), (8, 16)], "does not fit")])
def test_tensors_lie_without_gaps(places, words, monkeypatch):
    header = {"weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": places[0]},
              "bias": {"dtype": "F32", "shape": [1], "data_offsets": places[1]}}
    text = json.dumps(header).encode()
    monkeypatch.setattr(graph_files, "_safetensors", lambda tensors: struct.pack("<Q", len(text)) + text + bytes(12))
    data = written(rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2)))
    if words is None:
        assert rl.jit.load(io.BytesIO(data))(rl.ones(1, 2)).tolist() == [[0.0]]
        return
    with pytest.raises(CorruptFileError, match=words):
        rl.jit.load(io.BytesIO(data))


def test_bools_that_are_none_are_refused(monkeypatch):
    mask = rl.tensor([True, False])
    real = graph_files._safetensors
    monkeypatch.setattr(graph_files, "_safetensors", lambda tensors: real(tensors)[:-1] + b"\2")
    data = written(rl.jit.trace(lambda x: x * mask, rl.ones(2)))
    with pytest.raises(CorruptFileError, match="of bools holds other bytes than 0 and 1"):
        rl.jit.load(io.BytesIO(data))


def test_other_zip_files_are_refused():

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("program/graph.json", "{}")
    with pytest.raises(CorruptFileError, match=r"expected a \.rush file"):
        rl.jit.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.rush")), ids=lambda path: path.stem)
def test_golden_files_load_for_ever(path):
    with np.load(path.with_suffix(".npz")) as kept:
        arrays = dict(kept)
    args = [rl.tensor(arrays[f"in.{i}"]) for i in range(9) if f"in.{i}" in arrays]
    kwargs = {key[3:]: rl.tensor(a) for key, a in arrays.items() if key.startswith("in.") and not key[3:].isdigit()}
    with rl.no_grad(), warnings.catch_warnings():
        outputs, _ = flatten(rl.jit.load(path)(*args, **kwargs), "golden")
    for i, got in enumerate(outputs):
        np.testing.assert_allclose(got.numpy(), arrays[f"out.{i}"], rtol=1e-5, atol=1e-6)
    assert f"out.{len(outputs)}" not in arrays


def test_golden_files_of_each_version_are_there():
    names = [path.stem for path in GOLDEN.glob("*.rush")]
    assert [sum(name.startswith(f"version{v}_") for name in names) for v in (1, 2, 3)] == [6, 6, 2]


def test_calls_that_are_arranged_otherwise_say_so():
    loaded = rl.jit.load(io.BytesIO(written(rl.jit.trace(lambda a, b: a + b, (rl.ones(2), rl.ones(2))))))
    x = rl.ones(2)
    for call, words in ((lambda: loaded([x, x]), r"called with ([Tensor, Tensor]), expected (Tensor, Tensor)"),
                        (lambda: loaded(x, b=x), r"called with (Tensor, b=Tensor), expected (Tensor, Tensor)"),
                        (lambda: loaded({"a": (x,)}, None), r"called with ({'a': (Tensor,)}, None), expected")):
        with pytest.raises(ValueError, match=re.escape("it was " + words)):
            call()
    with pytest.raises(ValueError, match=r"saved for input.0: float32\[N\], input.1: float32\[N\]$"):
        loaded(x, rl.ones(2, 3))


class Scaled(rl.nn.Module):
    def forward(self, image, mask):
        return image * 2 - mask


def test_inputs_by_the_names_that_inspect_shows(tmp_path):
    image, mask = rl.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), rl.ones(3, 2)
    pair = (rl.ones(2, 2), rl.zeros(2, 2))
    saved = (({"example_inputs": pair}, ["input.0", "input.1"]),
             ({"example_kwarg_inputs": dict(zip(("image", "mask"), pair, strict=True))}, ["image", "mask"]),
             ({"example_inputs": pair, "dynamic_shapes": [None, None]}, ["input.0", "input.1"]))
    for i, (example, names) in enumerate(saved):
        rl.jit.trace(Scaled(), **example).save(tmp_path / "m.rush")
        told = subprocess.run([directory("bin") / "rushlight-run", tmp_path / "m.rush", "--inspect"],
                              capture_output=True, text=True).stdout
        assert re.findall(r"takes +(\S+)", told) == names
        loaded, (first, second) = rl.jit.load(tmp_path / "m.rush"), names
        for rows in (2, 3) if i < 2 else (2,):
            x, y = image[:rows], mask[:rows]
            want = (x * 2 - y).tolist()
            assert loaded(x, y).tolist() == want
            assert loaded(**{second: y, first: x}).tolist() == want
            assert loaded(x, **{second: y}).tolist() == want
        for wrong in ({first: image}, {first: image, "other": mask}, {first: image, second: mask[:, :1]}):
            with pytest.raises(ValueError, match="the program was saved for"):
                loaded(**wrong)
        with pytest.raises(ValueError, match="the program was saved for"):
            loaded(image, **{first: mask})


def test_compression_for_transport(tmp_path):
    module = rl.nn.Linear(64, 64).eval()
    with rl.no_grad():
        module.weight[8:] = 0
    traced = rl.jit.trace(module, rl.ones(1, 64))
    plain, packed = written(traced), written(traced, compress=True)
    assert gzip.decompress(packed) == plain and len(packed) < len(plain) / 3
    path, x = tmp_path / "m.rush", rl.randn(5, 64)
    traced.save(path, metadata={"labels": ["a"]}, compress=True)
    for options in ({}, {"mmap": True}):
        loaded = rl.jit.load(path, **options)
        assert rl.equal(loaded(x), module(x)) and loaded.metadata == {"labels": ["a"]}
    assert written(rl.jit.load(io.BytesIO(packed))) == plain
    scripted = rl.jit.load(io.BytesIO(written(rl.jit.script(module), compress=True)))
    assert rl.equal(scripted(x), module(x))


def test_every_changed_byte_of_a_compressed_file_is_noticed():
    data = written(rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2)), compress=True)
    check_damage_is_noticed(data)
    with pytest.raises(CorruptFileError, match=r"gzip stream that is .* of another writer"):
        rl.jit.load(io.BytesIO(gzip.compress(b"x" * 100)))


def test_a_compressed_file_that_lies_about_its_size():
    plain = written(rl.jit.trace(rl.nn.Linear(2, 1).eval(), rl.ones(1, 2)))
    packed = graph_files._packed(plain)
    for size, words in ((len(plain) - 1, "does not inflate to"), (len(plain) + 1, "does not inflate to"),
                        (2**32 - 1, "inflates to more than 268435456 bytes")):
        with pytest.raises(CorruptFileError, match=words):
            rl.jit.load(io.BytesIO(packed[:-4] + struct.pack("<I", size)))


def test_programs_by_name_and_metadata():
    linear, double = rl.nn.Linear(2, 2).eval(), rl.jit.trace(lambda x: x * 2, rl.ones(3))
    both = {"layer": rl.jit.trace(linear, rl.ones(1, 2)), "double": double}
    file = io.BytesIO()
    rl.jit.save(both, file, metadata={"labels": ["a"]})
    loaded = rl.jit.load(io.BytesIO(file.getvalue()))
    assert list(loaded) == ["layer", "double"] and loaded["double"].metadata == {"labels": ["a"]}
    x = rl.randn(3, 2)
    assert rl.equal(loaded["layer"](x), linear(x)) and rl.equal(loaded["double"](rl.ones(3)), rl.full((3,), 2.0))
    again = io.BytesIO()
    rl.jit.save(loaded, again)
    assert again.getvalue() == file.getvalue()
    for metadata, error in (({"a": float("nan")}, ValueError), ({"a": x}, TypeError), ([1], TypeError)):
        with pytest.raises(error, match="save: metadata"):
            rl.jit.save(double, io.BytesIO(), metadata=metadata)
    with pytest.raises(TypeError, match="named 'x'; expected a traced"):
        rl.jit.save({"x": linear}, io.BytesIO())


def test_load_of_state_dicts_names_the_reader_of_programs(tmp_path):
    rl.jit.trace(lambda x: x + 1, rl.ones(2)).save(tmp_path / "m.rush")
    with pytest.raises(rl.io.CorruptFileError, match=r"rushlight\.jit\.load"):
        rl.load(tmp_path / "m.rush")
