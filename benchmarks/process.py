"""Figures that need a fresh process for each sample: import time and memory, installed size, peak memory of a step."""

import json
import os
import subprocess
import sys

from benchmarks.machine import installed_bytes
from benchmarks.peers import limit_threads

IMPORT = """
import time
begin = time.perf_counter()
import {peer}
taken = time.perf_counter() - begin
import json, re
resident = int(re.search(r"VmRSS:\\s*(\\d+)", open("/proc/self/status").read())[1])
print(json.dumps([taken, resident / 1024]))
"""

STEP_MEMORY = """
import json, resource
from benchmarks import cases
from benchmarks.case import CASES
from benchmarks.peers import PEERS
from benchmarks.worker import namespace, timed_loop
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
peer, case = PEERS[{peer!r}](), CASES[{case!r}]
imported = peak()
loop, _ = timed_loop(case.build(namespace(peer, case), **case.options, **{options!r}), peer)
loop({calls})
print(json.dumps([peak(), peak() - imported]))
"""


def run(program: str) -> list[float] | str:
    """What a fresh interpreter prints after running `program`, or why it failed."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=limit_threads(dict(os.environ))
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return (lines[-1] if lines else f"ended with status {done.returncode}")[:200]
    return json.loads(done.stdout.strip().splitlines()[-1])


def imports(peers: list[str], rounds: int) -> list[dict]:
    """Import time and resident memory afterwards, one fresh process per sample, peers in turn."""
    samples: dict[str, list] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            samples[peer].append(run(IMPORT.format(peer=peer)))
    rows = []
    for index, (name, unit) in enumerate((("import", "s"), ("memory after import", "MB"))):
        for peer in peers:
            bad = [sample for sample in samples[peer] if isinstance(sample, str)]
            row = {"case": name, "group": "process", "peer": peer, "unit": unit, "layout": "default"}
            rows.append(row | ({"error": bad[0]} if bad else {"times": [sample[index] for sample in samples[peer]]}))
    return rows


def sizes(peers: list[str]) -> list[dict]:
    row = {"case": "installed size, dependencies excluded", "group": "process", "unit": "MB", "layout": "default"}
    return [row | {"peer": peer, "times": [installed_bytes(peer) / 1e6]} for peer in peers]


def step_memory(peers: list[str]) -> list[dict]:
    """The most memory a process held that ran training steps of ResNet-50, in all and since its imports."""
    rows = []
    for case, calls in STEPS.items():
        for peer in peers:
            for layout in ("default", "channels_last") if peer.startswith("torch") else ("default",):
                options = {} if layout == "default" else {"layout": layout}
                found = run(STEP_MEMORY.format(peer=peer, case=case, options=options, calls=calls))
                for index, counted in enumerate(("peak memory", "peak memory without imports")):
                    row = {"case": f"{case}: {counted}", "group": "process", "unit": "MB"}
                    row |= {"peer": peer, "layout": layout}
                    rows.append(row | ({"error": found} if isinstance(found, str) else {"times": [found[index]]}))
    return rows


STEPS = {"ResNet-50 step, batch 8": 2, "captured ResNet-50 step, batch 8": 4}

# The promises of this group: rows that are compared with PyTorch, and absolute limits.
RATIO_BARS = {"ResNet-50 step, batch 8: peak memory": 1.0, "captured ResNet-50 step, batch 8: peak memory": 0.8}
LIMITS = {"import": 0.05, "memory after import": 30.0, "installed size, dependencies excluded": 80.0}
