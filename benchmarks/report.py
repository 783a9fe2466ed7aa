"""From raw times to rows with minima, medians and ratios, and from those to a table."""

import math
import statistics
from collections.abc import Iterable

from benchmarks.case import CASES, GROUP_BARS
from benchmarks.process import LIMITS, RATIO_BARS

BUSY_LIMIT = 3.0


def summarize(row: dict) -> dict:
    """The row with its figures instead of its raw times."""
    times, busy = row.pop("times", []), row.pop("busy_times", [])
    row.pop("call", None)
    if times and "error" not in row:
        row |= {"min": min(times), "median": statistics.median(times), "samples": len(times)}
        if busy:
            row |= {"busy_min": min(busy), "busy_median": statistics.median(busy), "busy_mean": statistics.fmean(busy)}
    return row


def bar_of(case: str) -> float | None:
    return CASES[case].bar if case in CASES else RATIO_BARS.get(case)


def best(rows: Iterable[dict], figure: str) -> dict | None:
    measured = [row for row in rows if "error" not in row]
    return min(measured, key=lambda row: row[figure], default=None)


def compare(rows: list[dict], peer: str) -> list[dict]:
    """One line per case: the figures of Rushlight's and of the peer's better layout, their ratios, the bar."""
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == case and row["peer"] == "rushlight"]
        other = [row for row in rows if row["case"] == case and row["peer"] == peer]
        line = {"case": case, "group": (own + other or [{"group": ""}])[0]["group"], "bar": bar_of(case)}
        line["rushlight"], line["peer"] = best(own, "min"), best(other, "min")
        line["errors"] = [f"{row['peer']} cannot run it: {row['error']}" for row in own + other if "error" in row]
        if line["rushlight"] and line["peer"]:
            line["ratio"] = line["rushlight"]["min"] / line["peer"]["min"]
            line["median_ratio"] = best(own, "median")["median"] / best(other, "median")["median"]
            line["disagreement"] = disagreement(line["rushlight"], line["peer"])
        lines.append(line)
    return lines


def disagreement(one: dict, other: dict) -> float | None:
    """How far two peers' answers are apart, where both have comparable ones and they are too far."""
    a, b = one.get("answer"), other.get("answer")
    if a is None or b is None:
        return None
    apart = abs(a - b) / max(abs(a), abs(b), 1e-12)
    return apart if not apart <= CASES[one["case"]].agreement else None


def geometric_mean(values: Iterable[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in values))


def shown(value: float, unit: str) -> str:
    if unit == "MB":
        return f"{value:.1f} MB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}" if value * factor < 1000 else f"{value * factor:.0f} {name}"
    return f"{value * 1e9:.0f} ns"


def figure(row: dict | None) -> str:
    if row is None:
        return "-"
    layout = f" [{row['layout']}]" if row["layout"] != "default" else ""
    return f"{shown(row['min'], row['unit'])} / {shown(row['median'], row['unit'])}{layout}"


def verdict(line: dict, peer: str) -> str:
    """Whether a promise is kept; all promises are relative to PyTorch or absolute."""
    if line.get("disagreement") is not None:
        return f"RESULTS DIFFER by {line['disagreement']:.1e}"
    limit = LIMITS.get(line["case"])
    if limit is not None and line["rushlight"]:
        return f"{'ok' if line['rushlight']['min'] <= limit else 'OVER'} (limit {limit:g})"
    if line["bar"] is None or "ratio" not in line or peer != "torch":
        return ""
    return f"{'ok' if line['ratio'] <= line['bar'] else 'OVER'} (bar {line['bar']:g})"


def table(rows: list[dict], peer: str) -> str:
    """The comparison with one peer, as aligned text, with what could not be run and the groups' means."""
    lines = compare(rows, peer)
    cells = [["case", "rushlight min / median", f"{peer} min / median", "ratio (of medians)", ""]]
    for line in lines:
        ratio = f"{line['ratio']:.2f} ({line['median_ratio']:.2f})" if "ratio" in line else "-"
        figures = [figure(line["rushlight"]), figure(line["peer"])]
        cells.append([line["case"], *figures, ratio, verdict(line, peer)])
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    text.insert(1, "-" * len(text[0]))
    return "\n".join([*text, "", *refusals(lines), *group_means(lines, peer)])


def refusals(lines: list[dict]) -> list[str]:
    """Each reason why a peer could not run something, once, with the cases it concerns."""
    cases: dict[str, list[str]] = {}
    for line in lines:
        for error in line["errors"]:
            cases.setdefault(error, []).append(line["case"])
    return [f"{error}\n    {'; '.join(names)}" for error, names in cases.items()] + [""] * bool(cases)


def group_means(lines: list[dict], peer: str) -> list[str]:
    text = []
    for group in dict.fromkeys(line["group"] for line in lines):
        ratios = [line["ratio"] for line in lines if line["group"] == group and "ratio" in line]
        if not ratios or group == "process":
            continue
        mean, bar = geometric_mean(ratios), GROUP_BARS.get(group) if peer == "torch" else None
        said = "" if bar is None else f"  {'ok' if mean <= bar else 'OVER'} (bar {bar:g})"
        text.append(f"geometric mean of {len(ratios)} ratios, {group}: {mean:.2f}{said}")
    return text


def busy_table(rows: list[dict]) -> str:
    """What a busy core does to each row, against its own quiet time in the same minutes."""
    text = [f"{'case':44} {'peer':10} {'quiet median':>14} {'busy median':>14} {'ratio':>6} {'of means':>8}"]
    for row in rows:
        if "busy_median" not in row:
            continue
        ratio, of_means = row["busy_median"] / row["median"], row["busy_mean"] / row["median"]
        over = "  OVER" if row["peer"] == "rushlight" and ratio > BUSY_LIMIT else ""
        quiet, busy = shown(row["median"], row["unit"]), shown(row["busy_median"], row["unit"])
        text.append(f"{row['case']:44} {row['peer']:10} {quiet:>14} {busy:>14} {ratio:6.2f} {of_means:8.2f}{over}")
    return "\n".join(text)
