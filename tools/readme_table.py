"""Writes the ratio table of the README from a benchmark's JSON, between its two markers.

    python -m tools.readme_table benchmarks/results/20260101-120000.json
"""

import json
import re
import sys
from pathlib import Path

from benchmarks.report import compare, geometric_mean, shown

ROOT = Path(__file__).resolve().parent.parent
MARKERS = re.compile(r"(<!-- ratios: [^>]*-->\n).*?(<!-- /ratios -->)", re.DOTALL)

# What the first screen shows: a title, and the cases whose ratios it sums up (a regular expression for their names).
ROWS = [
    ("import", r"import"),
    ("memory after import", r"memory after import"),
    ("installed size, dependencies excluded", r"installed size.*"),
    ("one small operation (mean of 11)", r"eager (?!.*(grad|backward)).*"),
    ("the same, recorded for a gradient", r"eager .*(grad|backward)"),
    ("`a + b`, 1e7 floats, fresh result", r"add 1e7"),
    ("`argmax`, 1e7 floats", r"argmax 1e7"),
    ("sort, 1e6 floats", r"sort 1e6"),
    ("512 x 512 product", r"matmul 512"),
    ("ResNet-50's convolutions, forward and backward (mean)", r"conv .* forward\+backward"),
    ("MLP 4-64-2 step, batch 32, Adam", r"MLP .*"),
    ("the same step, compiled", r"captured MLP 4-64-2 step, batch 32, Adam"),
    ("LeNet step, batch 64", r"LeNet .*"),
    ("LSTM classifier step, batch 32, Adam", r"LSTM classifier step, Adam"),
    ("Transformer encoder step, 4 layers of 256, 128 tokens, batch 16", r"Transformer encoder step.*"),
    ("WaveNet step, 4096 samples, batch 2", r"WaveNet step.*"),
    ("Adam update, 25 million parameters", r"Adam update.*"),
    ("an epoch of 256 images by 2 workers", r"DataLoader.*224x224"),
    ("ResNet-50 step, batch 8", r"ResNet-50 step, batch 8"),
    ("ResNet-50 inference, batch 1", r"ResNet-50 inference, batch 1"),
    ("ResNet-50 inference, batch 8", r"ResNet-50 inference, batch 8"),
    ("ResNet-50 deployed, batch 1", r"deployed ResNet-50, batch 1"),
    ("peak memory of the ResNet-50 step", r"ResNet-50 step.*peak memory"),
]


def row(title: str, pattern: str, lines: list[dict]) -> str | None:
    found = [line for line in lines if re.fullmatch(pattern, line["case"]) and "ratio" in line]
    if not found:
        return None
    ratio = geometric_mean(line["ratio"] for line in found)
    unit = found[0]["rushlight"]["unit"]
    own = shown(geometric_mean(line["rushlight"]["min"] for line in found), unit)
    other = shown(geometric_mean(line["peer"]["min"] for line in found), unit)
    return f"| {title} | {own} | {other} | {ratio:.2f} |"


def table(result: dict) -> str:
    lines = compare(result["rows"], "torch")
    rows = [made for title, pattern in ROWS if (made := row(title, pattern, lines))]
    machine = result["machine"]
    about = (
        f"Best of the turns in one run, {result['threads']} threads of {machine['processor']}, "
        f"PyTorch {result['versions']['torch']} in its better memory format, {result['begun'][:10]}. "
        "Yours: `make test-torch bench`."
    )
    return "\n".join(["| | Rushlight | PyTorch | ratio |", "| --- | --- | --- | --- |", *rows, "", about]) + "\n"


def main() -> None:
    result = json.loads(Path(sys.argv[1]).read_text())
    readme = ROOT / "README.md"
    text = readme.read_text()
    if not MARKERS.search(text):
        sys.exit("readme_table: README.md has no markers for the table")
    readme.write_text(MARKERS.sub(lambda found: found[1] + "\n" + table(result) + "\n" + found[2], text))


if __name__ == "__main__":
    main()
