"""What the documentation shows is true: examples run, links lead somewhere, files that are named exist."""

import contextlib
import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight
from tools.catalogue import home, public_modules, public_names

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
MODULES = ["rushlight"] + [
    info.name for info in pkgutil.walk_packages(rushlight.__path__, "rushlight.") if not info.name.endswith("._C")
]


NAMES = {"rushlight": rushlight, "rl": rushlight}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    rushlight.manual_seed(0)
    found = doctest.testmod(importlib.import_module(name), extraglobs=NAMES, optionflags=FLAGS)
    assert found.failed == 0, f"{found.failed} of {found.attempted} examples of {name} fail"


def without_example():
    """Public classes and functions whose docstring shows no use; but for results, and the standard of arrays."""
    found, seen = [], set()
    for module in public_modules():
        room = module.__name__.removeprefix("rushlight.")
        for name, value in public_names(module).items():
            shown = (inspect.isclass(value) or inspect.isfunction(value)) and home(value).startswith("rushlight")
            if not shown or id(value) in seen or room.startswith(("array_api", "return_types")):
                continue
            seen.add(id(value))
            doc = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
            if ">>>" not in (doc or ""):
                found.append(f"{room}.{name}")
    return sorted(found)


def test_public_names_show_their_use():
    """What the list names has no example yet: it only becomes shorter."""
    listed = (Path(__file__).parent / "without_example.txt").read_text().split()
    found = without_example()
    assert not set(found) - set(listed), "these need an example in their docstring"
    assert listed == found, "these have an example now: take them from the list"


def test_examples_in_operator_records():
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for record in rushlight._C.operators():
        test = doctest.DocTestParser().get_doctest(record["doc"] or "", dict(NAMES), record["id"], None, 0)
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_first_program_of_the_readme(tmp_path):
    program = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"loss ([\d.]+)", done.stdout)[1]) < 0.05
    assert (tmp_path / "sine.pth").stat().st_size > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.partition("#")[0]
        if path and not path.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / path).exists(), f"{page.name} links to {target}, which does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page):
    folders = "core|rushlight|tools|tests|bindings|benchmarks|docs"
    for named in re.findall(rf"`((?:{folders})/[\w./-]+\.(?:cpp|h|py|md|txt))`", page.read_text()):
        assert (ROOT / named).exists(), f"{page.name} names {named}, which does not exist"


def run_python(code, names, number):
    """What a block of Python prints; its first line may name the file that it is."""
    named = re.match(r"# (\w+\.py)\n", code)
    path = Path(named[1] if named else f"block{number}.py")
    path.write_text(code)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(path), "exec"), names)
    return printed.getvalue()


def run_commands(code):
    """What a block of commands prints, on either stream."""
    code = re.sub(r"^(\S+=\S+ )?(rushlight|python) ", lambda m: (m[1] or "") + f"'{sys.executable}' " + (
        "-m rushlight " if m[2] == "rushlight" else ""), code, flags=re.MULTILINE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(["sh", "-ec", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


#: What the programs of a page take for granted.
GIVEN = {
    "graphs.md": "",
    "quantization.md": """
import rushlight as rl
from rushlight import nn
model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
inputs, targets = rl.randn(20, 8), rl.randint(0, 3, (20,))
calibration = [rl.randn(2, 16, 8, 8) for _ in range(3)]
""",
    "without-python.md": """
import rushlight
from rushlight import nn
model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
encoder = decoder = rushlight.jit.trace(nn.Linear(2, 2), rushlight.ones(1, 2))
""",
}


def own_paths(text):
    return re.sub(r"[\w./-]*/(\w+\.py)\b", r"\1", text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", GIVEN)
def test_programs_of_a_page_run_and_print_what_it_shows(page, tmp_path, monkeypatch):
    """Programs run one after the other; each line of a `text` block is among what the last one printed."""
    monkeypatch.chdir(tmp_path)
    rushlight.manual_seed(0)
    names = {"__name__": "__main__"}
    exec(GIVEN[page], names)
    printed = ""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```(python|sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for number, (language, block) in enumerate(blocks):
        if language == "python":
            printed = run_python(block, names, number)
        elif language == "sh" and page == "graphs.md":
            printed = run_commands(block)
        elif language == "text":
            lines = {line.strip() for line in own_paths(printed).splitlines()}
            missing = [line for line in block.splitlines() if line.strip() not in lines | {"", "..."}]
            assert not missing, f"{page} shows {missing}; the program before prints\n{printed}"
