"""Every operator has an oracle, and its documentation begins with a sentence. Fields of records: test_records.py."""
import pytest
from ops.samples import RECORDS
from oracles import ELSEWHERE, ORACLES

PRIMITIVES = [r for r in RECORDS.values() if r["kernel"] or r["kind"] == "view"]
IDS = [r["id"] for r in PRIMITIVES]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_documentation(record):
    assert record["doc"].split("\n\n")[0].rstrip().endswith((".", "?")), (
        f"{record['id']}: .doc does not begin with a sentence"
    )


@pytest.mark.parametrize("record", PRIMITIVES, ids=IDS)
def test_oracle(record):
    op = record["id"]
    fused = isinstance(record["differentiable"], str) and record["differentiable"].startswith("a fused gradient")
    assert fused or op in ORACLES or op in ELSEWHERE, f"{op}: no line in tests/oracles.py"


def test_no_oracle_without_operator():
    unknown = (set(ORACLES) | set(ELSEWHERE)) - set(RECORDS)
    assert not unknown - {"positive", "narrow", "diag_embed", "take_along_dim", "index_put"}, (
        f"oracles of no operator: {sorted(unknown)}"
    )
