"""Every operator's record is complete: the fields from which functions, pages, tests and graph nodes are derived."""

import doctest

import pytest

import rushlight
from rushlight import _C
from rushlight.functional._composite import COMPOSITES

RECORDS = _C.operators()


@pytest.mark.parametrize("record", RECORDS, ids=[r["id"] for r in RECORDS])
def test_no_field_is_missing(record):
    missing = [field for field in ("signature", "doc", "dtypes") if not record[field]]
    # A gradient's operator is exercised by the second derivative of its forward.
    if not record["samples"] and record["kind"] not in ("pointwise", "random") and record["no_onnx"] != "a gradient":
        missing.append("samples")
    if not record["composite"]:
        missing += ["derivative"] * (record["differentiable"] is None)
        missing += ["onnx"] * (record["onnx"] is None and not record["no_onnx"])
        missing += ["kernel"] * (record["kind"] != "view" and not record["kernel"])
    assert not missing, f"{record['id']} lacks {', '.join(missing)}"


@pytest.mark.parametrize("record", [r for r in RECORDS if r["doc"] and ">>>" in r["doc"]], ids=lambda r: r["id"])
def test_examples_in_records(record):
    names = {"rushlight": rushlight, "rl": rushlight}
    test = doctest.DocTestParser().get_doctest(record["doc"], names, record["id"], None, 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(test)
    assert result.attempted and not result.failed


def test_ids_and_public_names_are_unique():
    ids = [r["id"] for r in RECORDS]
    names = [name for r in RECORDS for name in r["names"]] + [path for _, paths in COMPOSITES for path in paths]
    assert len(set(ids)) == len(ids)
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", ["sort", "topk", "kthvalue", "cummax", "cummin", "max", "median"])
def test_an_operators_names_share_one_result_type(name):
    x, argument = rushlight.rand(3, 4), {"topk": (2,), "kthvalue": (2,)}.get(name, (1,))
    result = getattr(rushlight, name)(x, *argument)
    assert type(result) is type(getattr(x, name)(*argument))
    assert type(result) is not tuple and result.values.tolist() == result[0].tolist()
