"""Signatures of records as the generators read them, the stubs they make of them, and the report for bugs."""

import subprocess
import sys

from rushlight import _C
from tools.catalogue import Callable, Param, parse
from tools.gen_stubs import function, python_type


def test_signature_is_read_whole():
    text = "f(a: Tensor, b: int | int[] | None = None, *, c: str = 'x, y', d: int[] = (1, 2)) -> (u: Tensor, v: Tensor)"
    found = parse(text)
    assert found.params == (
        Param("a", "Tensor", None, False),
        Param("b", "int | int[] | None", "None", False),
        Param("c", "str", "'x, y'", True),
        Param("d", "int[]", "(1, 2)", True),
    )
    assert found.returns == "(u: Tensor, v: Tensor)"


def test_signatures_agree_with_the_core():
    for record in _C.operators():
        read = parse(record["signature"])
        core = [(p["name"], p["keyword_only"], p["has_default"]) for p in record["params"]]
        assert [(p.name, p.keyword_only, p.default is not None) for p in read.params] == core, record["id"]


def test_types():
    assert python_type("Tensor | Number") == "Tensor | Number"
    assert python_type("int | int[] | None") == "_int | Sequence[_int] | None"
    assert python_type("Tensor[]") == "Sequence[Tensor]"


def test_spread_list_and_out_become_overloads():
    record = {"id": "f", "out": True, "writes_first": False}
    one = Callable(record, "", "f", parse("f(input: Tensor, size: int[]) -> Tensor"))
    assert function(one) == (
        "@overload\ndef f(input: Tensor, size: _int | Sequence[_int], *, out: Any = None) -> Tensor: ...\n"
        "@overload\ndef f(input: Tensor, *size: _int, out: Any = None) -> Tensor: ...\n"
    )
    method = Callable(record, "Tensor", "f", one.signature)
    assert "def f(self, *size: _int) -> Tensor" in function(method)


def test_report_for_bugs():
    done = subprocess.run([sys.executable, "-m", "rushlight"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in (_C.version, "instruction set:", "threads:", "oneDNN:", "NumPy:", "extra [vision]:"):
        assert word in done.stdout
