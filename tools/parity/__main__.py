"""`python -m tools.parity`: export, replay, report, show."""
import argparse
import os
import subprocess
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path

from tools.parity import wire

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument("step", choices=["export", "replay", "report", "failures", "show", "all"],
                        help="export: what PyTorch gives, to the cache; replay: run it here; report: docs/parity.md; "
                        "failures: list them; show: one sample's values; all: export, replay, report")
    parser.add_argument("sample", nargs="*", help="show: operator dtype index [errors]")
    parser.add_argument("--only", default="*", help="patterns of operators, by commas: nn.functional.*pool*,add")
    parser.add_argument("--dtypes", default=",".join(wire.DTYPES))
    parser.add_argument("--cache", type=Path, help="where exported samples live (build/parity)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--samples", type=int, help="at most so many of each operator and dtype")
    parser.add_argument("--limit", type=int, default=3, help="failures shown of each operator")
    parser.add_argument("--write", action="store_true", help="report: write docs/parity.md instead of the summary only")
    options = parser.parse_args()
    root = (options.cache or Path(os.environ.get("RUSHLIGHT_PARITY_CACHE", ROOT / "build" / "parity"))).resolve()
    options.samples_in = root / f"samples-{wire.FORMAT}"
    options.results_in = ROOT / "build" / "parity" / "results"
    options.wanted = lambda name: any(fnmatchcase(name, p) or fnmatchcase(name.replace("_", "."), p.replace("_", "."))
                                      for p in options.only.split(","))
    for step in ["export", "replay", "report"] if options.step == "all" else [options.step]:
        STEPS[step](options)


def _export(options):
    """In a process of its own: torch stays out of the one that replays."""
    if options.step == "export":
        try:
            from tools.parity import export
        except ImportError as e:
            raise SystemExit(f"parity: exporting needs torch 2.13 and expecttest: {e}") from None
        export.export(options.samples_in, options.dtypes.split(","), options.wanted, options.jobs, options.samples)
        return
    start = time.monotonic()
    again = ["export", *(a for a in sys.argv[1:] if a != "all")]
    subprocess.run([sys.executable, "-m", "tools.parity", *again], cwd=ROOT, check=True)
    print(f"exported to {options.samples_in} in {time.monotonic() - start:.0f} s")


def _files(options):
    files = {}
    for dtype in options.dtypes.split(","):
        for path in sorted(options.samples_in.glob(f"*.{dtype}.parity")):
            operator = path.name.removesuffix(f".{dtype}.parity")
            if options.wanted(operator):
                files.setdefault(operator, []).append(path)
    return files


def _replay(options):
    from tools.parity import replay
    start = time.monotonic()
    files = _files(options)
    replay.replay(files, options.results_in, options.jobs)
    print(f"replayed {len(files)} operators in {time.monotonic() - start:.0f} s")


def _report(options):
    from tools.parity import report
    table, unused = report.load(options.results_in, options.wanted)
    print("\n".join(report.summary(table)))
    if options.write or (options.step == "all" and options.only == "*"):
        (ROOT / "docs" / "parity.md").write_text(report.page(table, unused, options.dtypes.split(",")))


def _failures(options):
    from tools.parity import report
    table, _ = report.load(options.results_in, options.wanted)
    print("\n".join(report.failures(table, options.limit)))


def _show(options):
    from tools.parity import show
    show.show(options.samples_in, *options.sample)


STEPS = {"export": _export, "replay": _replay, "report": _report, "failures": _failures, "show": _show}

if __name__ == "__main__":
    main()
