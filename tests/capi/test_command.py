"""The commands rushlight-run and rushlight: what they print, write and refuse."""
import json
import subprocess
import sys

import numpy as np
import pytest

import rushlight as rl
from rushlight.cli import directory, main

COMMAND = directory("bin") / "rushlight-run"


def command(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    rl.manual_seed(0)
    module = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.Tanh()).eval()
    rl.jit.trace(module, rl.randn(2, 3)).save(folder / "m.rush", metadata={"unit": "mm"})
    return folder, module


def test_runs_on_files_and_json(saved):
    folder, module = saved
    x = np.random.default_rng(0).standard_normal((4, 3), np.float32)
    expected = module(rl.tensor(x)).detach().numpy()
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", input=x)
    (folder / "x.json").write_text(json.dumps({"input": x.tolist()}))
    (folder / "list.json").write_text(json.dumps(x.tolist()))
    for given in ("x.npy", "x.npz", "x.json", "list.json", "input=" + str(folder / "x.npy")):
        done = command(folder / "m.rush", "--input", given if "=" in given else folder / given,
                       "--output", folder / "y.npz")
        assert done.returncode == 0, done.stderr
        with np.load(folder / "y.npz") as got:
            np.testing.assert_array_equal(got["output"], expected)
    done = command(folder / "m.rush", "--json", '{"input": [[1, 2, 3]]}', "--threads", 1)
    assert np.shape(json.loads(done.stdout)["output"]) == (1, 4)
    done = command(folder / "m.rush", "--input", folder / "x.npy", "--output", folder / "y.npy", "--time", 3)
    assert "best of 3 more" in done.stderr and np.array_equal(np.load(folder / "y.npy"), expected)
    np.save(folder / "wide.npy", x.astype(np.float64))
    done = command(folder / "m.rush", "--input", folder / "wide.npy")
    assert done.returncode == 1
    assert done.stderr.endswith("expected input: float32[?, 3]; --cast converts input to float32\n")
    assert command(folder / "m.rush", "--input", folder / "wide.npy", "--cast").returncode == 0


def bounded(x, limit: float):
    assert x.sum() < limit, "too large"
    return x * limit


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64, rl.float16, rl.int64])
def test_numbers_in_json_have_no_dtype(tmp_path, dtype):
    rl.jit.trace(lambda input: input * 2, rl.ones(2, dtype=dtype)).save(tmp_path / "m.rush")
    (tmp_path / "x.json").write_text('{"input": [1, 2, 3]}')
    for given in (("--json", '{"input": [1, 2, 3]}'), ("--input", tmp_path / "x.json")):
        done = command(tmp_path / "m.rush", *given, "--output", tmp_path / "y.npy")
        assert done.returncode == 0, done.stderr
        got = np.load(tmp_path / "y.npy")
        assert got.tolist() == [2, 4, 6] and str(got.dtype) == str(dtype)[10:]


def test_errors_of_scripted_programs_name_their_line_once(tmp_path):
    rl.jit.script(bounded).save(tmp_path / "m.rush")
    done = command(tmp_path / "m.rush", "--json", '{"x": [1, 2], "limit": 4}')
    assert json.loads(done.stdout) == {"output": [4, 8]}, done.stderr
    done = command(tmp_path / "m.rush", "--json", '{"x": [1.5, 2], "limit": 2}')
    line = bounded.__code__.co_firstlineno + 1
    assert done.returncode == 1 and done.stderr.count("test_command.py") == 1
    assert done.stderr.startswith("rushlight-run: AssertionError: too large (at ")
    assert done.stderr.endswith(f"test_command.py:{line})\n")


def test_inspect(saved):
    folder, _ = saved
    text = command(folder / "m.rush", "--graph").stdout
    for line in ("signature forward", "takes    input                    float32[?, 3]", "metadata", '{"unit": "mm"}',
                 "0.weight", "graph forward(", "2 tensors, 64 bytes"):
        assert line in text


@pytest.mark.parametrize(("arguments", "status", "words"), [
    (["MODEL", "--json", '{"input": [[1, 2], [3]]}'], 1,
     "input 'input': rl_as_tensor: there is a list of 1 items at depth 1 of lists whose first items have shape (2, 2); "
     "expected numbers in lists of equal lengths; the signature takes float32[?, 3]"),
    (["MODEL", "--json", '{"input": null}'], 1, "input 'input': rl_as_tensor: there is a None at depth 0"),
    ([], 2, "MODEL.rush"), (["--no"], 2, "unknown option"), (["nothing.rush"], 1, "No such file"),
    (["MODEL", "x.npy"], 2, "inputs come after --input"),
    (["MODEL"], 1, "got nothing; expected input: float32[?, 3]"), (["MODEL", "--json"], 2, "expected something after"),
    (["MODEL", "--json", "[1]"], 2, "inputs must have names"), (["MODEL", "--json", '{"x": 1}'], 1,
     "signature 'forward': no input 'x'; the signature takes input: float32[?, 3]\n"),
    (["MODEL", "--json", '{"input": [[1, 2, 3]], "x": 1}'], 1, "no input 'x'; the signature takes input: float32"),
    (["MODEL", "--signature", "other"], 1, "no signature 'other'; expected one of forward"),
    (["MODEL", "--threads", "0"], 2, "from 1")])
def test_refusals(saved, arguments, status, words):
    done = command(*(saved[0] / "m.rush" if a == "MODEL" else a for a in arguments))
    assert done.returncode == status and words in done.stderr


def test_the_python_command(saved, capfd):
    folder, _ = saved
    assert main(["inspect", str(folder / "m.rush")]) == 0 and "signature forward" in capfd.readouterr().out
    assert main(["run-graph", str(folder / "m.rush"), "--json", '{"input": [[1, 2, 3]]}']) == 0
    assert "output" in json.loads(capfd.readouterr().out)
    assert main(["--include-dir"]) == 0 and capfd.readouterr().out.strip() == str(directory("include"))
    assert main([]) == 0 and "Rushlight" in capfd.readouterr().out
    assert main(["no-such-command"]) == 2
    done = subprocess.run([sys.executable, "-m", "rushlight", "--library-dir"], capture_output=True, text=True)
    assert done.stdout.strip() == str(directory("lib"))
