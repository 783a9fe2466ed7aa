"""The command: python -m tools.fuzz [--calls N] [--seconds S] [--seed S] [--only NAME] [--replay NAME SEED NUMBER]."""

import argparse
import mmap
import os
import random
import resource
import signal
import struct
import sys
import time
import traceback

from tqdm import tqdm

from tools.fuzz.arguments import arguments, shown, targets
from tools.fuzz.checks import Finding, check

PER_CHILD = 250                                           # calls in one process
CALL_SECONDS = 60                                         # after which a call counts as hanging
MEMORY = 3 << 30                                          # bytes, of address space


class Progress:
    """What a child did, in memory that outlives it: the call it is at, and how many were answered."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 16)

    def put(self, number, answered):
        self.memory[:] = struct.pack("qq", number, answered)

    def get(self):
        return struct.unpack("qq", self.memory[:])


def run_child(target, seed, first, count, progress, findings):
    """In the child: the calls, one after the other; findings go to a pipe as lines."""
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seen, answered = set(), 0
    for number in range(first, first + count):
        progress.put(number, answered)
        signal.alarm(CALL_SECONDS)
        try:
            answered += check(target, seed, number) == "answered"
        except Finding as finding:
            kind = finding.args[0]
            if kind not in seen:
                findings.write(f"{target.name} {seed} {number}: " + " | ".join(finding.args).replace("\n", " ") + "\n")
                findings.flush()
            seen.add(kind)
    progress.put(first + count, answered)


def fork_child(target, seed, first, count, progress, log):
    """Runs calls in a child; returns (calls made, calls answered, lines of findings)."""
    reading, writing = os.pipe()
    progress.put(first, 0)
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.dup2(log.fileno(), 2)
        status = 1
        try:
            with os.fdopen(writing, "w") as findings:
                run_child(target, seed, first, count, progress, findings)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as findings:
        lines = findings.read().splitlines()
    status = os.waitpid(pid, 0)[1]
    number, answered = progress.get()
    if status == 0:
        return count, answered, lines
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {os.WEXITSTATUS(status)}"
    return number - first + 1, answered, [*lines, f"{target.name} {seed} {number}: the process ended with {how}"]


def replay(target, seed, number):
    args, kwargs, _ = arguments(target, seed, number)
    print(target.name, [shown(a) for a in args], {name: shown(value) for name, value in kwargs.items()}, flush=True)
    print(check(target, seed, number))


def fuzz(options, chosen):
    """All calls; returns the findings."""
    progress, rng = Progress(), random.Random(options.seed)
    rng.shuffle(chosen)
    made = answered = 0
    findings, ends = [], time.monotonic() + (options.seconds or 1e9)
    share = min(PER_CHILD, max(1, options.calls // len(chosen)))
    bar = tqdm(total=options.calls, unit=" calls", disable=None)
    numbers = dict.fromkeys((t.name for t in chosen), 0)
    with open(options.log, "w") as log:
        while made < options.calls and time.monotonic() < ends:
            for target in chosen:
                if made >= options.calls or time.monotonic() >= ends:
                    break
                count = min(share, options.calls - made)
                done, good, lines = fork_child(target, options.seed, numbers[target.name], count, progress, log)
                numbers[target.name] += done
                made, answered = made + done, answered + good
                findings += lines
                for line in lines:
                    bar.write(line[:1200])
                bar.update(done)
    bar.close()
    print(f"{made} calls of {sum(n > 0 for n in numbers.values())} operators: {answered} answered, "
          f"{made - answered} refused, {len(findings)} findings")
    return findings


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", help="operators whose name contains this")
    parser.add_argument("--log", default=os.devnull, help="where the children's own error output goes")
    parser.add_argument("--replay", nargs=3, metavar=("NAME", "SEED", "NUMBER"), help="make one call again")
    options = parser.parse_args()
    known = targets()
    if options.replay:
        name, seed, number = options.replay
        return replay(known[name], seed, int(number))
    chosen = [t for name, t in sorted(known.items()) if not options.only or options.only in name]
    return 1 if fuzz(options, chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
