"""Every operator's record is complete: the fields from which functions, pages, tests and graph nodes are derived."""

import doctest

import pytest
from ops.samples import BY_ID, Maker, evaluate, expressions

import rushlight
from rushlight import _C
from rushlight.functional._composite import COMPOSITES

RECORDS = _C.operators()
KINDS = {"floating": "float16 bfloat16 float32 float64", "bool": "bool", "complex": "complex64 complex128",
         "integral": "uint8 int8 int16 int32 int64 uint16 uint32 uint64"}
KINDS |= {"real": f"{KINDS['floating']} {KINDS['integral']}", "all": " ".join(KINDS.values())}


def unlisted(record):
    """The dtypes that a record does not list."""
    listed = " ".join(KINDS.get(word, word) for word in record["dtypes"].split()).split()
    assert set(listed) <= set(KINDS["all"].split())
    return [name for name in KINDS["all"].split() if name not in listed]


def calls_of(record):
    """The arguments of the record's own calls in its samples."""
    calls = []

    def own(*args, **named):
        calls.append((args, named))
        return BY_ID[record["id"]](*args, **named)

    dtype = rushlight.int64 if record["dtypes"].startswith("integral") else rushlight.float64
    for text in expressions(record):
        evaluate(text, Maker(record, dtype), {record["id"]: own})
    return calls


def in_dtype(value, dtype, all_tensors):
    if isinstance(value, (list, tuple)):
        return [in_dtype(item, dtype, all_tensors) for item in value]
    inexact = isinstance(value, rushlight.Tensor) and (value.is_floating_point() or value.is_complex())
    return value.to(dtype) if inexact or (all_tensors and isinstance(value, rushlight.Tensor)) else value


@pytest.mark.parametrize("record", RECORDS, ids=[r["id"] for r in RECORDS])
def test_no_field_is_missing(record):
    missing = [field for field in ("signature", "doc", "dtypes") if not record[field]]
    # A gradient's operator is exercised by the second derivative of its forward, an update by tests/optim.
    without_samples = record["kind"] in ("pointwise", "random", "update") or record["no_onnx"] == "a gradient"
    if not record["samples"] and not without_samples:
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


@pytest.mark.parametrize("record", [r for r in RECORDS if unlisted(r) and any("_ops." not in n for n in r["names"])],
                         ids=lambda record: record["id"])
def test_dtypes_that_are_not_listed_are_refused_by_name(record):
    """Numbers of a sample in such a dtype; of operators on integers alone, all tensors."""
    own, all_tensors = BY_ID[record["id"]], "floating" not in record["dtypes"] and "complex" not in record["dtypes"]
    for args, named in calls_of(record)[:1]:
        for name in unlisted(record):
            dtype = getattr(rushlight, name)
            given = [in_dtype(value, dtype, all_tensors) for value in args]
            with pytest.raises((RuntimeError, TypeError), match=rf"^[\w.]+: .*\b{name}\b"):
                own(*given, **{key: in_dtype(value, dtype, all_tensors) for key, value in named.items()})
