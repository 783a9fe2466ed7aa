"""The C interface: what it tells of a model, what it computes, and what it answers to nonsense."""
import ctypes
import json
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from capi.interface import (
    ARGUMENT,
    CORRUPT,
    DTYPES,
    FILE,
    LIB,
    LIST,
    SIGNATURE,
    SIZE,
    Failed,
    P,
    array_of,
    error,
    free,
    free_all,
    keep,
    made,
    run,
    tensor,
)

import rushlight as rl
from tools.fuzz.files import Scripted, write_script


@pytest.fixture(autouse=True)
def handles():
    yield
    free_all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("capi")


class Pair(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = rl.nn.Linear(3, 2)

    def forward(self, x, scale):
        return {"scaled": self.inner(x) * scale, "shape": (x.sum(0), x.argmax(1))}


@pytest.fixture(scope="module")
def pair(folder):
    rl.manual_seed(0)
    module = Pair().eval()
    traced = rl.jit.trace(module, rl.randn(2, 3), example_kwarg_inputs={"scale": rl.ones(())}, strict=False)
    traced.save(folder / "pair.rush", _extra_files={"notes": "hello"}, metadata={"labels": ["a", "b"], "scale": 0.5})
    return module, str(folder / "pair.rush").encode()


@pytest.fixture
def model(pair):
    return made(LIB.rl_model_load, pair[1], 0)


def test_what_a_model_tells(model):
    assert LIB.rl_version().decode() == rl.__version__ and LIB.rl_abi_version() == 1
    assert LIB.rl_signature_count(model) == 1 and LIB.rl_signature_name(model, SIZE(0)) == b"forward"
    x, scale = (LIB.rl_input(model, SIZE(0), SIZE(i))[0] for i in range(2))
    assert (x.name, x.type, x.rank, x.sizes[:2]) == (b"input.0", b"float32[?, 3]", 2, [-1, 3])
    assert (scale.name, scale.rank, DTYPES[scale.dtype]) == (b"scale", 0, "float32")
    names = [LIB.rl_output(model, SIZE(0), SIZE(i))[0].name for i in range(3)]
    assert names == [b"scaled", b"shape.0", b"shape.1"]
    assert LIB.rl_output(model, SIZE(0), SIZE(2))[0].type == b"int64[?]"
    assert json.loads(LIB.rl_metadata(model)) == {"labels": ["a", "b"], "scale": 0.5}
    stored = [LIB.rl_stored_tensor(model, SIZE(i))[0].type for i in range(LIB.rl_tensor_count(model))]
    assert sorted(stored) == [b"float32[2, 3]", b"float32[2]"]
    assert LIB.rl_extra_count(model) == 1 and LIB.rl_extra_name(model, SIZE(0)) == b"notes"
    data, size = P(), SIZE()
    assert LIB.rl_extra_file(model, b"notes", ctypes.byref(data), ctypes.byref(size)) == 0
    assert ctypes.string_at(data, size.value) == b"hello"
    assert LIB.rl_graph_text(model, SIZE(0)).startswith(b"graph forward(%input.0: float32[<N>, 3]")


@pytest.mark.parametrize("how", ["mapped", "copied", "memory", "borrowed"])
def test_runs_equal_pythons(pair, how):
    module, path = pair
    data = Path(path.decode()).read_bytes()
    handle = {"mapped": lambda: made(LIB.rl_model_load, path, 0),
              "copied": lambda: made(LIB.rl_model_load, path, 1),
              "memory": lambda: made(LIB.rl_model_load_memory, bytes(data), SIZE(len(data)), 0),
              "borrowed": lambda: made(LIB.rl_model_load_memory, data, SIZE(len(data)), 2)}[how]()
    for n in (1, 2, 5):
        x = np.random.default_rng(n).standard_normal((n, 3), np.float32)
        scale = np.array(1.5, np.float32)
        inputs = [tensor(x, view=True), tensor(scale)]
        with rl.no_grad():
            expected = module(rl.tensor(x), scale=rl.tensor(scale))
        for _ in range(3):
            got = run(handle, *inputs, outputs=3)
            for a, b in zip(got, [expected["scaled"], *expected["shape"]], strict=True):
                np.testing.assert_array_equal(a, b.numpy())


def test_inputs_by_name(pair, model):
    x, scale = np.ones((2, 3), np.float32), np.array(2, np.float32)
    values = (P * 2)(tensor(scale).value, tensor(x).value)
    out = (P * 3)()
    names = (ctypes.c_char_p * 2)(b"scale", b"input.0")
    assert LIB.rl_run_named(model, b"forward", names, values, SIZE(2), out, SIZE(3)) == 0, error()
    keep(out)
    expected = pair[0](rl.tensor(x), rl.tensor(scale))["scaled"].detach().numpy()
    np.testing.assert_array_equal(array_of(P(out[0])), expected)
    names[0] = b"other"
    assert LIB.rl_run_named(model, b"forward", names, values, SIZE(2), out, SIZE(3)) == SIGNATURE
    assert "'forward': no input 'other'; the signature takes input.0: float32[?, 3], scale: float32[]" in error()


@pytest.mark.parametrize(("arrays", "words"), [
    ([np.ones((2, 4), np.float32), np.ones((), np.float32)],
     "got float32[2, 4], float32[]; expected input.0: float32[?, 3]"),
    ([np.ones((2, 3)), np.ones((), np.float32)], "got float64[2, 3]"),
    ([np.ones((2, 3), np.float32)], "expected input.0: float32[?, 3], scale: float32[]")])
def test_wrong_inputs(model, arrays, words):
    with pytest.raises(Failed) as failure:
        run(model, *(tensor(a) for a in arrays), outputs=3)
    assert failure.value.code == SIGNATURE and words in str(failure.value)


def test_wrong_handles_and_arguments(pair, model, folder):
    one = tensor(np.ones(1, np.float32))
    out = P()
    sizes = (ctypes.c_int64 * 1)(-1)
    huge = (ctypes.c_int64 * 2)(2**40, 2**40)
    cases = [
        (LIB.rl_model_load(None, 0, ctypes.byref(out)), "path is NULL"),
        (LIB.rl_model_load(pair[1], 8, ctypes.byref(out)), "flags=8"),
        (LIB.rl_model_load(pair[1], 0, None), "place for the model is NULL"),
        (LIB.rl_run(None, None, None, SIZE(0), None, SIZE(0)), "model is NULL"),
        (LIB.rl_run(one, None, None, SIZE(0), None, SIZE(0)), "the handle is no model"),
        (LIB.rl_run(model, None, None, SIZE(1), None, SIZE(0)), "inputs is NULL"),
        (LIB.rl_run(model, None, (P * 1)(model.value), SIZE(1), None, SIZE(0)), "the handle is no value"),
        (LIB.rl_run(model, None, (P * 1)(None), SIZE(1), None, SIZE(0)), "value is NULL"),
        (LIB.rl_tensor_copy(99, 0, None, None, ctypes.byref(out)), "dtype=99"),
        (LIB.rl_tensor_copy(6, -1, None, None, ctypes.byref(out)), "rank=-1"),
        (LIB.rl_tensor_copy(6, 1, None, None, ctypes.byref(out)), "sizes is NULL"),
        (LIB.rl_tensor_copy(6, 1, sizes, None, ctypes.byref(out)), "expected none below 0"),
        (LIB.rl_tensor_view(6, 0, None, None, ctypes.byref(out)), "data is NULL"),
        (LIB.rl_tensor_view(10, 0, None, b"\2", ctypes.byref(out)), "other bytes than 0 and 1"),
        (LIB.rl_tensor_copy(10, 0, None, b"\xff", ctypes.byref(out)), "other bytes than 0 and 1"),
        (LIB.rl_set_threads(0), "threads=0"),
        (LIB.rl_get_int(one, ctypes.byref(out)), "the value is a tensor; expected a int"),
        (LIB.rl_value_load(b"x.txt", ctypes.byref(out)), None),
    ]
    for code, words in cases[:-1]:
        assert code == ARGUMENT, words
    assert cases[-1][0] == FILE and not out.value
    for call, words in [(lambda: LIB.rl_run(one, None, None, SIZE(0), None, SIZE(0)), "the handle is no model"),
                        (lambda: LIB.rl_tensor_copy(6, 2, huge, None, ctypes.byref(out)), "overflows"),
                        (lambda: LIB.rl_find_signature(model, b"back", ctypes.byref(out)), "no signature 'back'")]:
        assert call() != 0 and words in error()
    assert LIB.rl_signature_name(model, SIZE(7)) is None and "signature=7" in error()
    assert LIB.rl_input(model, SIZE(0), SIZE(9)).__bool__() is False and "index=9" in error()
    assert LIB.rl_signature_count(None) == 0 and LIB.rl_value_kind(model) == -1
    with pytest.raises(Failed) as failure:
        run(model, tensor(np.ones((2, 3), np.float32)), tensor(np.ones((), np.float32)), outputs=2)
    assert failure.value.code == ARGUMENT and "room for 2 outputs; expected 3" in str(failure.value)
    LIB.rl_value_free(None)
    LIB.rl_model_free(None)


def test_damaged_files(pair, folder):
    data = Path(pair[1].decode()).read_bytes()
    rng = np.random.default_rng(0)
    for at in [*range(0, len(data), 97), *rng.integers(0, len(data), 200)]:
        changed = bytearray(data)
        changed[at] ^= 1 << int(rng.integers(8))
        out = P()
        code = LIB.rl_model_load_memory(bytes(changed), SIZE(len(changed)), 2, ctypes.byref(out))
        assert code == CORRUPT and not out.value and error().startswith("load: "), (at, error())
        assert LIB.rl_model_load_memory(data, SIZE(at), 0, ctypes.byref(out)) == CORRUPT
    assert LIB.rl_model_load(str(folder / "none").encode(), 0, ctypes.byref(out)) == FILE and "No such file" in error()
    assert LIB.rl_model_load(str(folder).encode(), 0, ctypes.byref(out)) == FILE


def test_many_threads_at_once(pair, model):
    module, _ = pair
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        scale = np.array(1, np.float32)
        for i in range(40):
            x = rng.standard_normal((1 + (seed + i) % 5, 3), np.float32)
            given = [tensor(x), tensor(scale)]
            got = run(model, *given, outputs=3)
            with rl.no_grad():
                expected = module(rl.tensor(x), scale=rl.tensor(scale))["scaled"].numpy()
            if not np.array_equal(got[0], expected):
                wrong.append((seed, i))
            out = P()
            if LIB.rl_find_signature(model, str(seed).encode(), ctypes.byref(out)) != ARGUMENT:
                wrong.append(seed)
            if error() != f"rl_find_signature: there is no signature '{seed}'; expected one of forward":
                wrong.append(error())
            for v in given:
                free(v)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.parametrize("program", [lambda x: x.add_(1), lambda x: x, lambda x: x.t(), lambda x: (x + 1).t()])
@pytest.mark.parametrize("view", [True, False])
def test_inputs_stay_as_they_are(program, view, folder):
    rl.jit.trace(program, rl.ones(2, 3)).save(folder / "writes.rush")
    model = made(LIB.rl_model_load, str(folder / "writes.rush").encode(), 0)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    value = tensor(x, view=view)
    for _ in range(2):
        results = run(model, value)
        np.testing.assert_array_equal(results[0], program(rl.tensor(x.copy())).numpy())
        np.testing.assert_array_equal(array_of(value), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "jit/golden_files").glob("*.rush")),
                         ids=lambda path: path.stem)
def test_golden_files(path):
    with np.load(path.with_suffix(".npz")) as kept:
        arrays = dict(kept)
    model = made(LIB.rl_model_load, str(path).encode(), 0)
    specs = [LIB.rl_input(model, SIZE(0), SIZE(i))[0] for i in range(LIB.rl_input_count(model, SIZE(0)))]
    assert {"in." + s.name.decode().removeprefix("input.").replace("input", "0") for s in specs} == {
        key for key in arrays if key.startswith("in.")}
    inputs = [tensor(a) for key, a in arrays.items() if key.startswith("in.")]
    outputs = [a for key, a in arrays.items() if key.startswith("out.")]
    for got, expected in zip(run(model, *inputs, outputs=len(outputs)), outputs, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_values_that_are_no_tensors(folder):
    write_script(folder / "script.rush")
    model = made(LIB.rl_model_load, str(folder / "script.rush").encode(), 0)
    assert [LIB.rl_input(model, SIZE(0), SIZE(i))[0].type for i in range(3)] == [b"tensor", b"int",
                                                                               b"dict[str, list[int]]"]
    x, n = np.float32([[1, 2], [3, 4]]), made(LIB.rl_int, ctypes.c_int64(3))
    names = made(LIB.rl_from_json, b'{"a": [1, 2]}', SIZE(13))
    given, out = (P * 3)(tensor(x).value, n.value, names.value), (P * 3)()
    for _ in range(2):
        assert LIB.rl_run(model, None, given, SIZE(3), out, SIZE(3)) == 0, error()
        keep(out)
        expected = x
        for _ in range(3):
            expected = np.tanh(expected + np.float32([0.5, -0.5]))
        np.testing.assert_allclose(array_of(P(out[0])), expected, rtol=1e-6)
        text, number = made(LIB.rl_to_json, P(out[2])), ctypes.c_int64()
        told = ctypes.c_char_p()
        assert LIB.rl_get_string(text, ctypes.byref(told), None) == 0 and told.value == b'{"a": [1, 2]}'
        assert LIB.rl_get_int(P(out[1]), ctypes.byref(number)) == 0 and number.value == 4
    wrong = made(LIB.rl_from_json, b'{"a": ["b"]}', SIZE(12))
    given[2] = wrong.value
    assert LIB.rl_run(model, None, given, SIZE(3), out, SIZE(3)) == SIGNATURE
    assert error() == "rl_run: input 'names': a value: an item is str; expected int"


def test_scripts(folder):
    rl.manual_seed(0)
    script = rl.jit.script(Scripted())
    script.save(folder / "scripted.rush")
    model = made(LIB.rl_model_load, str(folder / "scripted.rush").encode(), 0)
    for n in range(1, 4):
        x, scale = np.random.default_rng(n).standard_normal((n, 2), np.float32), made(LIB.rl_float, ctypes.c_double(1))
        given, out = (P * 2)(tensor(x).value, scale.value), (P * 1)()
        assert LIB.rl_run(model, None, given, SIZE(2), out, SIZE(1)) == 0, error()
        keep(out)
        expected, told = script(rl.tensor(x), 1.0)
        np.testing.assert_array_equal(array_of(P(LIB.rl_item(P(out[0]), SIZE(0)))), expected.detach().numpy())
        listed = P(LIB.rl_item(P(out[0]), SIZE(1)))
        numbers = [ctypes.c_int64() for _ in told]
        for i, number in enumerate(numbers):
            assert LIB.rl_get_int(P(LIB.rl_item(listed, SIZE(i))), ctypes.byref(number)) == 0
        assert [number.value for number in numbers] == told
    value = P(out[0])                            # a list in a tuple: what a program gives counts as it is nested
    for _ in range(62):
        value = made(LIB.rl_list, LIST, (P * 1)(value.value), SIZE(1))
    with pytest.raises(Failed, match="deeper than 64"):
        made(LIB.rl_list, LIST, (P * 1)(value.value), SIZE(1))


def test_arrays_and_json(folder):
    for array in (np.arange(6, dtype=np.int16).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.array(True),
                  np.zeros((0, 3), np.complex64)):
        np.save(folder / "a.npy", array)
        value = made(LIB.rl_value_load, str(folder / "a.npy").encode())
        np.testing.assert_array_equal(array_of(value), array)
        assert LIB.rl_value_save(str(folder / "b.npy").encode(), value) == 0, error()
        back = np.load(folder / "b.npy")
        assert back.dtype == array.dtype and np.array_equal(back, array)
    for write in (np.savez, np.savez_compressed):
        write(folder / "c.npz", x=np.arange(1000), y=np.ones((2, 2), np.float32))
        value = made(LIB.rl_value_load, str(folder / "c.npz").encode())
        assert LIB.rl_value_save(str(folder / "d.npz").encode(), value) == 0, error()
        with np.load(folder / "d.npz") as back:
            assert np.array_equal(back["x"], np.arange(1000)) and back["y"].dtype == np.float32
    text = b'{"a": [1, 2.5, true, null, "\\u00e9\\ud83d\\ude00"], "b": {}}'
    value = made(LIB.rl_from_json, text, SIZE(len(text)))
    again, out = made(LIB.rl_to_json, value), ctypes.c_char_p()
    assert LIB.rl_get_string(again, ctypes.byref(out), None) == 0
    assert json.loads(out.value.decode()) == json.loads(text)
    nested = b"[[1, 2], [3, 4.5]]"
    value = made(LIB.rl_as_tensor, made(LIB.rl_from_json, nested, SIZE(len(nested))), 6)
    np.testing.assert_array_equal(array_of(value), np.float32([[1, 2], [3, 4.5]]))


def test_lists_within_lists():
    value = tensor(np.ones(1, np.float32))
    for _ in range(64):
        value = made(LIB.rl_list, LIST, (P * 1)(value.value), SIZE(1))
    with pytest.raises(Failed, match="deeper than 64"):
        made(LIB.rl_list, LIST, (P * 1)(value.value), SIZE(1))
    assert LIB.rl_item_count(value) == 1 and LIB.rl_value_kind(P(LIB.rl_item(value, SIZE(0)))) == LIST
    assert LIB.rl_item(value, SIZE(1)) is None and "index=1; expected less than 1" in error()


def test_a_bomb_of_empty_lists(folder):
    np.save(folder / "empty.npy", np.zeros((0, 2)))
    path = folder / "empty.npy"
    path.write_bytes(path.read_bytes().replace(b"(0, 2), }" + b" " * 20, b"(1125899906842624, 0), }".ljust(29)))
    value = made(LIB.rl_value_load, str(path).encode())
    assert LIB.rl_tensor_sizes(value)[:2] == [2**50, 0]
    with pytest.raises(Failed, match=r"tensor of shape \(1125899906842624, 0\) takes more than 16777216 empty"):
        made(LIB.rl_to_json, value)


def test_a_zip_bomb(folder):
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as z:
        for name in "abc":
            with z.open(f"{name}.npy", "w") as member:
                np.save(member, np.zeros(100 << 20, np.int8))
    with pytest.raises(Failed, match="inflates to more than 268435456 bytes"):
        made(LIB.rl_value_load, str(folder / "bomb.npz").encode())


@pytest.mark.parametrize("text", [b"[1, 2", b"[1,, 2]", b"{\"a\": 1, \"a\": 2}", b"NaN", b"01", b"1.", b"\"\\ud800\"",
                                  b"\"\xff\"", b"[" * 70 + b"]" * 70, b"1e999", b"99999999999999999999", b"", b"1 2"])
def test_json_that_is_none(text):
    with pytest.raises(Failed) as failure:
        made(LIB.rl_from_json, text, SIZE(len(text)))
    assert failure.value.code == CORRUPT and "expected" in str(failure.value)


@pytest.mark.parametrize("damage", [
    lambda b: b[:40], lambda b: b.replace(b"<f8", b">f8"), lambda b: b.replace(b"(2, 3)", b"(2, 9)"),
    lambda b: b.replace(b"(2, 3)", b"(2,-3)"), lambda b: b.replace(b"<f8", b"|b1").replace(b"(2, 3)", b"(48,)"),
    lambda b: b.replace(b"'shape'", b"'shade'"), lambda b: b + b"x"])
def test_arrays_that_are_none(folder, damage):
    np.save(folder / "n.npy", np.ones((2, 3)))
    (folder / "n.npy").write_bytes(damage((folder / "n.npy").read_bytes()))
    with pytest.raises(Failed):
        made(LIB.rl_value_load, str(folder / "n.npy").encode())
