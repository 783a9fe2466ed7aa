"""Runs every benchmark beside the peers that are installed, prints a table of ratios and writes a JSON.

    python -m benchmarks                         everything; some 20 minutes on two cores
    python -m benchmarks --quick                 one minute: a few rows of each kind
    python -m benchmarks --only conv             the cases whose name or group contains "conv"
    python -m benchmarks --busy --only eager     each row quiet, and with another process keeping one core busy
    python -m benchmarks --list                  the names of all cases
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import machine, process, report
from benchmarks.coordinator import Field, selected
from benchmarks.peers import PEERS, THREADS, installed

RESULTS = Path(__file__).parent / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name or group contains this")
    parser.add_argument("--quick", action="store_true", help="a few cases of each kind, few rounds")
    parser.add_argument("--rounds", type=int, help="turns each peer gets (default 20; 6 with --quick)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go (default benchmarks/results/)")
    parser.add_argument("--peers", default="torch", help="beside Rushlight, by commas: torch,numpy,jax (default torch)")
    parser.add_argument("--busy", action="store_true", help="also with another process keeping one core busy")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    options = parser.parse_args()
    options.rounds = options.rounds or (6 if options.quick else 20)
    return options


def chosen_peers(names: str) -> list[str]:
    """Rushlight and the named peers that are installed; says which are not."""
    wanted = [name for name in names.split(",") if name]
    for name in wanted:
        if name not in PEERS:
            sys.exit(f"benchmarks: --peers names {name!r}; known are {', '.join(PEERS)}")
        if not installed(name):
            print(f"{name} is not installed and left out")
    return ["rushlight"] + [name for name in wanted if name != "rushlight" and installed(name)]


def process_rows(options: argparse.Namespace, peers: list[str]) -> list[dict]:
    """The figures that need fresh processes, where the pattern asks for them."""
    parts = {
        "import memory process": lambda: process.imports(peers, 3 if options.quick else 7),
        "installed size process": lambda: process.sizes(peers),
        "captured resnet-50 step peak memory process": lambda: process.step_memory(peers),
    }
    wanted = (options.only or "").lower()
    names = [name for name in parts if wanted in name and not options.busy]
    if options.quick:
        names = [name for name in names if "resnet" not in name]
    return [row for name in names for row in parts[name]()]


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> int:
    options = arguments()
    cases = selected(options.only, options.quick)
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    peers = chosen_peers(options.peers)
    target = options.json or RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    result = {"begun": time.strftime("%Y-%m-%dT%H:%M:%S"), "machine": machine.facts(), "threads": THREADS}
    rows = [report.summarize(row) for row in process_rows(options, peers)]
    field = Field(peers, options.rounds, options.busy)
    try:
        for index, case in enumerate(cases, 1):
            progress(f"{index}/{len(cases)} {case.name}")
            rows += [report.summarize(row) for row in field.measure(case)]
            write(target, result | {"versions": field.versions(), "rows": rows})
    except KeyboardInterrupt:
        print("\nstopped; the table shows what was measured", file=sys.stderr)
    finally:
        field.stop()
        progress("")
    versions = field.versions()
    write(target, result | {"versions": versions, "rows": rows})
    show(peers, versions, rows, options)
    print(f"\nFigures: {target}")
    return 0


def write(target: Path, result: dict) -> None:
    """The figures so far: a run that is stopped leaves what it measured."""
    result["machine"]["load_average_at_end"] = machine.facts()["load_average"]
    target.write_text(json.dumps(result, indent=1))


def show(peers: list[str], versions: dict[str, str], rows: list[dict], options: argparse.Namespace) -> None:
    """The tables: Rushlight beside each peer, and what a busy core does."""
    for peer in peers[1:]:
        print(f"\nRushlight beside {peer} {versions.get(peer, '')}, {THREADS} threads; a ratio below 1 is faster\n")
        print(report.table(rows, peer))
    if options.busy:
        print("\nWith another process keeping one core busy\n\n" + report.busy_table(rows))
    if len(peers) == 1:
        print("\n".join(f"{row['case']:44} {report.figure(row) if 'min' in row else row.get('error')}" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
