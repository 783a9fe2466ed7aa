"""Every record answers every question: the test names the field that is missing."""
import pytest
from oracles import ELSEWHERE, ORACLES

from ops.samples import RECORDS, expressions

PRIMITIVES = [r for r in RECORDS.values() if r["kernels"] or r["kind"] == "view"]
IDS = [r["id"] for r in PRIMITIVES]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_documentation(record):
    assert record["doc"], f"{record['id']}: the field .doc is missing"
    assert record["doc"].split("\n\n")[0].rstrip().endswith((".", "?")), f"{record['id']}: .doc does not begin with a sentence"
    assert record["dtypes"], f"{record['id']}: the field .dtypes is missing"


@pytest.mark.parametrize("record", PRIMITIVES, ids=IDS)
def test_fields(record):
    op = record["id"]
    assert record["differentiable"] is not None, f"{op}: .derivative is missing; give a vjp or not_differentiable(why)"
    assert record["onnx"] or record["no_onnx"], f"{op}: .onnx is missing; give a mapping or no_onnx(why)"
    assert record["version"] >= 1, f"{op}: .version is missing"


@pytest.mark.parametrize("record", PRIMITIVES, ids=IDS)
def test_samples(record):
    fused = isinstance(record["differentiable"], str) and record["differentiable"].startswith("a fused gradient")
    if record["kind"] == "random" or fused:
        return
    own = {"nll_loss_grad"}                      # needs the total weight that its forward operator gives
    assert expressions(record) or record["id"] in own, f"{record['id']}: .samples is missing"


@pytest.mark.parametrize("record", PRIMITIVES, ids=IDS)
def test_oracle(record):
    op = record["id"]
    fused = isinstance(record["differentiable"], str) and record["differentiable"].startswith("a fused gradient")
    assert fused or op in ORACLES or op in ELSEWHERE, f"{op}: no line in tests/oracles.py"


def test_no_oracle_without_operator():
    unknown = (set(ORACLES) | set(ELSEWHERE)) - set(RECORDS)
    assert not unknown - {"positive", "narrow", "diag_embed", "take_along_dim", "index_put"}, f"oracles of no operator: {sorted(unknown)}"


def test_count():
    public = [r for r in PRIMITIVES if r["names"]]
    assert len(public) >= 120
