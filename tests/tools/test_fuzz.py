"""The fuzzer finds what is broken on purpose, and nothing in a short run over all operators."""
import os
from types import SimpleNamespace

import pytest

import rushlight as rl
from tools.catalogue import Param
from tools.fuzz.__main__ import fuzz
from tools.fuzz.arguments import Target, targets


def options(tmp_path, calls, seconds=None):
    return SimpleNamespace(calls=calls, seconds=seconds, seed="ci", log=tmp_path / "log")


def broken(function, name="broken"):
    return [Target(name, function, (Param("input", "Tensor", None, False),))]


def overwrites(x):
    if x.numel():
        x.detach().fill_(3)
    return x + 0


def looks_at_strides(x):
    return rl.tensor(x.stride())


def leaks_an_inner_error(x):
    return x.no_such_method()


def speaks_to_nobody(x):
    raise RuntimeError("std::vector::_M_range_check")


@pytest.mark.parametrize(("function", "words"), [
    (overwrites, "changed its input"), (looks_at_strides, "depends on the layout"),
    (leaks_an_inner_error, "an exception of the inside"), (speaks_to_nobody, "a message for nobody"),
    (lambda x: os.abort(), "the process ended with signal 6"),
], ids=lambda value: getattr(value, "__name__", None))
def test_what_is_broken_is_found(tmp_path, function, words):
    findings = fuzz(options(tmp_path, 60), broken(function))
    assert any(words in line for line in findings), findings


def test_a_finding_can_be_made_again(tmp_path):
    first, second = (fuzz(options(tmp_path, 60), broken(looks_at_strides)) for _ in range(2))
    assert first == second


def test_no_operator_breaks_a_promise(tmp_path):
    findings = fuzz(options(tmp_path, 8000, seconds=60), list(targets().values()))
    assert not findings, "\n".join(findings)
