"""The tables: what agrees, what does not, what is missing, and every exception with its reason."""
import json
import re
import tomllib
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from tools.parity import compare

HERE = Path(__file__).parent
RUN = ("match", "nearer", "tied", "excepted", "differs", "lint", "raised", "crashed", "timeout")
BAD = RUN[4:]
KINDS = ("samples", "forms", "errors")


def load(folder, wanted=lambda name: True):
    """{operator: records} with exceptions and scope applied, and the exceptions that met nothing."""
    exceptions = tomllib.loads((HERE / "exceptions.toml").read_text()).get("exception", [])
    outside = scope()
    used = set()
    table = {}
    for path in sorted(folder.glob("*.json")):
        operator = path.name.removesuffix(".result.parity.json")
        if not wanted(operator):
            continue
        table[operator] = records = json.loads(path.read_text())
        reason = out_of_scope(operator, outside)
        for record in records:
            if reason and record["status"] == "absent":
                record |= {"status": "outside", "detail": reason}
            elif record["status"] in BAD:
                _except(operator, record, exceptions, used)
    return table, [e for k, e in enumerate(exceptions) if k not in used]


def scope():
    """[(pattern, reason)] of what Rushlight leaves to PyTorch."""
    entries = tomllib.loads((HERE / "out_of_scope.toml").read_text()).get("outside", [])
    return [(pattern, e["reason"]) for e in entries for pattern in e["operators"]]


def out_of_scope(operator, outside):
    return next((reason for pattern, reason in outside if fnmatchcase(operator, pattern)), None)


def _except(operator, record, exceptions, used):
    if record["status"] in ("crashed", "timeout"):         # no reason is good enough for these
        return
    for k, e in enumerate(exceptions):
        if any(fnmatchcase(operator, p) for p in e["operators"]) \
                and record["dtype"] in e.get("dtypes", [record["dtype"]]) \
                and (record["kind"] == "errors") == (e.get("kind") == "errors") \
                and re.search(e.get("call", ""), record["call"]) and re.search(e.get("detail", ""), record["detail"]) \
                and _within(e, record):
            used.add(k)
            record |= {"status": "excepted", "reason": e["reason"]}
            return


def _within(exception, record):
    if "most" not in exception:
        return True
    found = compare.most(record["detail"])
    return found is not None and found <= exception["most"]


def _count(records, kind):
    """The statuses of one kind of record, with the sums that the tables show."""
    n = Counter(x["status"] for x in records if x["kind"] == kind)
    n["run"] = sum(n[s] for s in RUN)
    n["agree"] = n["match"] + n["nearer"] + n["tied"]
    n["fail"] = sum(n[s] for s in BAD)
    return n


def _share(part, whole):
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def groups(table):
    """{title: part of the table}, as the entries come from PyTorch's three databases."""
    found = {"Operators": {}, "Modules": {}, "Optimizers": {}}
    for name, records in table.items():
        module = name.startswith("nn_") and name[3].isupper()
        found["Optimizers" if name.startswith("optim_") else "Modules" if module else "Operators"][name] = records
    return {title: part for title, part in found.items() if part}


def summary(table):
    """Coverage and correctness, apart, of each database."""
    return [line for title, part in groups(table).items() for line in (f"**{title}**", "", *_summary(part), "")][:-1]


def _summary(table):
    portable = {o: r for o, r in table.items()
                if any(x["status"] != "outside" for x in r if x["kind"] == "samples")}
    claimed = {o: r for o, r in portable.items() if _count(r, "samples")["run"]}
    everything = [x for r in table.values() for x in r]
    samples, forms, errors = (_count(everything, kind) for kind in KINDS)
    no_gradient = sum(x["detail"].startswith("gradient not compared") for x in everything if x["kind"] == "samples")
    clean = [o for o, r in claimed.items() if not _count(r, "samples")["fail"]]
    lines = [
        f"- Coverage: {_share(len(claimed), len(portable))} portable ones are there; "
        f"{len(table) - len(portable)} of {len(table)} entries are outside.",
        f"- Correctness: {_share(samples['agree'], samples['run'])} samples of those agree, {samples['nearer']} of "
        "them because Rushlight's single precision is as near to the double precision result as PyTorch's, "
        f"{samples['tied']} with another of several equal elements named; "
        f"{samples['excepted']} differ with a reason given below, {samples['fail']} fail. "
        + (f"Of {no_gradient} only the values are compared, as PyTorch refuses their gradient. " if no_gradient else "")
        + f"{_share(len(clean), len(claimed))} have no failing sample."]
    if forms["run"]:
        lines.append(
            f"- Forms: {_share(forms['agree'], forms['run'])} calls as a method, in place or with `out=` agree, "
            f"{forms['excepted']} are excepted, {forms['fail']} fail.")
    return [
        *lines,
        f"- Refusals: {_share(errors['match'], errors['run'])} error inputs raise PyTorch's exception type in a "
        f"sentence that names operator, argument and value; {errors['lint']} raise it in a poorer sentence, "
        f"{errors['excepted']} are excepted, {errors['fail'] - errors['lint']} are accepted or raise another type.",
        f"- Not counted above: {samples['absent']} samples of absent ones, {samples['outside']} samples outside."]


def page(table, unused, dtypes):
    """docs/parity.md."""
    lines = [
        "# Parity with PyTorch's own samples", "",
        "Generated by `make parity`. PyTorch 2.13 ships databases of sample inputs for its operators, modules and",
        "optimizers; each is run on both and compared: dtype, shape, values (tolerances of",
        "`torch.testing.assert_close`, or wider ones that PyTorch's own tests grant the operator), strides of views,",
        "gradients where there are any. Random results are compared by dtype and shape. A module has the parameters",
        "of PyTorch's, in training and in evaluation where these differ: results, gradients by inputs and parameters,",
        "buffers afterwards, and the names and shapes of its state. An optimizer takes several steps, with groups of",
        "options and from a state dict that PyTorch wrote: parameters and the whole state dict afterwards.",
        "`python -m tools.parity failures` lists what fails, and `python -m tools.parity show NAME DTYPE INDEX` shows",
        "one sample in full.", "", f"dtypes: {', '.join(dtypes)}.", ""]
    for title, part in groups(table).items():
        lines += [f"## {title}", "", *_summary(part), "", *_rows(part), ""]
    lines += ["## Where Rushlight differs with a reason", ""]
    reasons = Counter((x["reason"], o) for o, r in table.items() for x in r if x["status"] == "excepted")
    for reason in dict.fromkeys(r for r, _ in reasons):
        who = ", ".join(f"{o} ({n})" for (r, o), n in reasons.items() if r == reason)
        lines.append(f"- {reason} Samples: {who}.")
    lines += ["", "## Outside", ""]
    for reason, operators in _outside(table).items():
        lines.append(f"- {reason}: {', '.join(operators)}.")
    if unused:
        lines += ["", "## Exceptions that met no sample", "", *(f"- {e['operators']}: {e['reason']}" for e in unused)]
    return "\n".join(lines) + "\n"


def _rows(table):
    lines = ["| name | samples | agree | excepted | fail | not implemented | outside | forms | refusals |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for name, records in table.items():
        n, forms, errors = (_count(records, kind) for kind in KINDS)
        total = n["run"] + n["absent"] + n["outside"]
        parts = [n["agree"], *(n[s] or "" for s in ("excepted", "fail", "absent", "outside")),
                 *(f"{k['agree'] + k['excepted']}/{k['run']}" if k["run"] else "" for k in (forms, errors))]
        lines.append(f"| {name} | {total} | " + " | ".join(map(str, parts)) + " |")
    return lines


def _outside(table):
    found = {}
    for operator, records in table.items():
        for detail in dict.fromkeys(x["detail"] for x in records if x["status"] == "outside"):
            found.setdefault(detail.rstrip(".").replace("\n", " ")[:160], []).append(operator)
    return found


def failures(table, limit=3):
    """The failing samples, most failures first: `limit` of each operator, one of each complaint."""
    lines = []
    bad = {o: [x for x in r if x["status"] in BAD] for o, r in table.items()}
    for operator, records in sorted(bad.items(), key=lambda item: -len(item[1])):
        if not records:
            continue
        counts = Counter(f"{x['dtype']} {x['status'] if x['kind'] == 'samples' else x['kind']}" for x in records)
        lines.append(f"{operator}: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
        shown = {}
        for x in records:
            shown.setdefault((x["status"], re.sub(r"[\d.,e+-]+", "#", x["detail"])[:80]), x)
        for x in list(shown.values())[:limit]:
            kind = x.get("form", x["kind"].removesuffix("s"))
            lines.append(f"    {kind} {x['dtype']} {x['index']}: ({x['call']}) {x['status']}: {x['detail']}")
    absent = [o for o, r in table.items() if any(x["status"] == "absent" for x in r)]
    return [*lines, "", f"absent ({len(absent)}): {', '.join(absent)}"]
