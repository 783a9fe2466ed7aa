"""Each fault of training once; `python tests/data/faults.py 50` tries them again and again."""
import faults
import pytest


@pytest.mark.parametrize("name", faults.FAULTS)
def test_fault(name):
    assert faults.problem_of(name, 0.2) is None
