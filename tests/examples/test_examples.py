"""Every program of examples/ runs in its quick mode and reaches what its header promises.

A program's docstring has one line that begins with "Quick:" and names what `--quick` reaches, as in
`Quick: accuracy >= 0.9, loss <= 0.2 (3 s)`; what the program prints last but for pictures has the same names and the
numbers of this run: `result: accuracy 0.953, loss 0.12`.
"""

import ast
import importlib.util
import operator
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
PROMISE = re.compile(r"(\w[\w ]*?) (>=|<=|==) (-?[\d.]*\d)")


def imported_packages(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def promises(docstring: str) -> list[tuple[str, str, float]]:
    lines = [line.strip() for line in docstring.splitlines()]
    quick = [line for line in lines if line.startswith("Quick:")]
    assert len(quick) == 1, "the docstring needs one line that begins with 'Quick:'"
    found = [(name, sign, float(bound)) for name, sign, bound in PROMISE.findall(quick[0].removeprefix("Quick:"))]
    assert found, f"no promise such as 'accuracy >= 0.9' in {quick[0]!r}"
    return found


def results(output: str) -> dict[str, float]:
    lines = re.findall(r"^result: (.*)$", output, re.MULTILINE)
    assert lines, f"no line 'result: ...' in:\n{output[-3000:]}"
    return {name: float(number) for name, number in (part.rsplit(" ", 1) for part in lines[-1].split(", "))}


def test_promises_and_results_are_read():
    assert promises("What it does.\n\n    Quick: rows right == 4, final loss <= 0.05 (1 s)\n") == [
        ("rows right", "==", 4.0), ("final loss", "<=", 0.05)]
    assert results("result: accuracy 0.1\nnoise\nresult: rows right 4, final loss 1.5e-03\n") == {
        "rows right": 4.0, "final loss": 0.0015}


def test_the_index_names_every_program():
    index = (ROOT / "examples" / "README.md").read_text()
    assert [path.name for path in PROGRAMS if f"]({path.name})" not in index] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_quick_run_reaches_what_the_header_says(program, tmp_path):
    tree = ast.parse(program.read_text())
    for package in sorted(imported_packages(tree) - {path.stem for path in PROGRAMS}):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{program.name} needs {package}, which is not installed")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, str(program), "--quick"], cwd=tmp_path, env=environment, text=True,
                         capture_output=True, timeout=1800)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    reached = results(run.stdout)
    for name, sign, bound in promises(ast.get_docstring(tree)):
        assert COMPARISONS[sign](reached[name], bound), f"{name} is {reached[name]}, promised {sign} {bound}"
