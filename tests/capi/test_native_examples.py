"""The example programs in C, C++, Go and Rust: they build with the system's tools and compute what Python computes."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.cli import directory

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/native"
INCLUDE, LIBRARY = directory("include"), directory("lib")


def tool(name, *names):
    found = next((path for path in map(shutil.which, (name, *names)) if path), None)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


def call(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    call(sys.executable, EXAMPLES / "make_models.py", folder)
    loaded = rl.jit.load(folder / "classifier.rush")
    with rl.no_grad():
        scores = loaded(rl.tensor(np.load(folder / "image.npy"))).numpy()[0]
    return folder, scores


def built(*command, env=(), **options):
    """Runs a compiler; a sanitizer that is loaded before Python would find the compiler's own leaks."""
    return call(*command, env={**os.environ, "LD_PRELOAD": "", **dict(env)}, **options)


def linked(folder, source, name):
    c = source.endswith(".c")
    compiler = [tool("cc", "gcc", "clang"), "-std=c99"] if c else [tool("c++", "g++", "clang++"), "-std=c++20"]
    built(*compiler, "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", EXAMPLES / source, f"-L{LIBRARY}", "-lrushlight",
          f"-Wl,-rpath,{LIBRARY}", "-o", folder / name)
    return folder / name


def check_scores(text, scores):
    got = [np.float32(line.split()[1]) for line in text.splitlines() if len(line.split()) == 2]
    np.testing.assert_array_equal(got, scores)           # nine digits tell every float apart


def test_c(made):
    folder, scores = made
    text = call(linked(folder, "classify.c", "c"), folder / "classifier.rush", folder / "image.npy")
    assert [line.split()[0] for line in text.splitlines()] == ["circle", "cross", "square"]
    check_scores(text, scores)


def test_cpp(made):
    folder, scores = made
    image = np.load(folder / "image.npy")
    text = "8 8 " + " ".join(repr(float(p)) for p in image.ravel())
    check_scores(call(linked(folder, "classify.cpp", "cpp"), folder / "classifier.rush", input=text), scores)


def test_cpp_generation(made):
    folder, _ = made
    programs = rl.jit.load(folder / "generator.rush")
    state, told, expected = programs["begin"](), [1, 2, 3], []
    for i in range(15):
        token = told[i] if i < 3 else expected[-1]
        scores, state = programs["step"](rl.tensor([token]), state)
        if i >= 2:
            expected.append(int(scores.argmax()))
    text = call(linked(folder, "generate.cpp", "generate"), folder / "generator.rush", 12, *told)
    assert [int(line) for line in text.split()] == expected[:12]


def test_cpp_tensors(made):
    folder, _ = made
    ones, random = call(linked(folder, "tensors.cpp", "tensors"), folder / "random.rush").split("float32[2, 2]\n")
    assert ones == "1 1\n1 1\n"
    *numbers, told = random.split()
    assert told == "float32[2]"
    assert len(numbers) == 2 and all(0 <= float(n) < 1 for n in numbers) and numbers[0] != numbers[1]


def test_cpp_fizbuz(made):
    folder, _ = made
    program, loaded = linked(folder, "fizbuz.cpp", "fizbuz"), rl.jit.load(folder / "fizbuz.rush")
    words = ["number", "Fiz", "Buz", "FizBuz"]
    for number in (0, 14, 98, 1023):
        digits = [float(d) for d in reversed(f"{number:010b}")]
        with rl.no_grad():
            scores = loaded(rl.tensor([digits])).numpy()[0]
        *lines, last = call(program, folder / "fizbuz.rush", number).splitlines()
        assert [line.split()[0] for line in lines] == words
        check_scores("\n".join(lines), scores)
        assert last == f"after {number} comes: {words[scores.argmax()]}"
    assert "comes: FizBuz" in call(program, folder / "fizbuz.rush", 14)
    for wrong in ("1024", "-1", "x"):
        done = subprocess.run([program, folder / "fizbuz.rush", wrong], capture_output=True, text=True)
        assert done.returncode == 1 and f"NUMBER is {wrong}; expected 0 to 1023" in done.stderr


def test_go(made):
    folder, scores = made
    go = tool("go")
    flags = {"CGO_CFLAGS": f"-I{INCLUDE}", "CGO_LDFLAGS": f"-L{LIBRARY} -Wl,-rpath,{LIBRARY}"}
    built(go, "build", "-o", folder / "go", ".", cwd=EXAMPLES / "go", env=flags)
    check_scores(call(folder / "go", folder / "classifier.rush", folder / "image.npy"), scores)


def test_rust(made):
    folder, scores = made
    built(tool("rustc"), "-O", "-L", LIBRARY, "-C", f"link-arg=-Wl,-rpath,{LIBRARY}",
          EXAMPLES / "rust/classify.rs", "-o", folder / "rust")
    check_scores(call(folder / "rust", folder / "classifier.rush", folder / "image.npy"), scores)


def test_cmake(made, tmp_path):
    if not (LIBRARY / "cmake").exists():
        pytest.skip("the package is not installed: CMake's files are beside the installed library")
    built(tool("cmake"), "-S", EXAMPLES, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={LIBRARY / 'cmake'}")
    built("cmake", "--build", tmp_path)
    folder, scores = made
    check_scores(call(tmp_path / "classify_c", folder / "classifier.rush", folder / "image.npy"), scores)
