"""Starts one worker per peer and lets them take turns, batch by batch, so that all see the same machine."""

import json
import os
import select
import signal
import subprocess
import sys
import time

from benchmarks import cases  # noqa: F401  fills CASES
from benchmarks.case import CASES, Case
from benchmarks.peers import limit_threads

BATCH_SECONDS = 0.02
PATIENCE = 300  # seconds a worker may take for one answer
PAUSE = 0.003   # between turns, so that the last worker's idle threads have gone to sleep
SPIN = "while True: pass"


class Failed(Exception):
    """The peer cannot run the case; the message says why."""


class WorkerProcess:
    def __init__(self, peer: str):
        self.peer = peer
        self.version = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", self.peer],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=limit_threads(dict(os.environ)), text=True,
        )  # fmt: skip
        self.version = self.read()["version"]

    def read(self) -> dict:
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            self.stop()
            raise Failed(f"no answer within {PATIENCE} s")
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            died = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise Failed(f"the process died ({died})")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def ask(self, **request) -> dict:
        if self.process.poll() is not None:
            self.start()
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Noise:
    """A process that keeps one core busy while it is let run."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", SPIN])
        self.process.send_signal(signal.SIGSTOP)

    def run(self, busy: bool) -> None:
        self.process.send_signal(signal.SIGCONT if busy else signal.SIGSTOP)
        time.sleep(PAUSE)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def rounds_for(call: float, wanted: int) -> int:
    """As many rounds as wanted for what is quick; fewer for what takes long, but four if wanted at all."""
    return max(min(wanted, 4), min(wanted, int(10 / max(call, BATCH_SECONDS))))


class Field:
    """The workers of a run: one per peer and memory layout, started when first needed."""

    def __init__(self, peers: list[str], rounds: int, busy: bool):
        self.peers, self.rounds = peers, rounds
        self.noise = Noise() if busy else None
        self.workers: dict[tuple[str, str], WorkerProcess] = {}

    def versions(self) -> dict[str, str]:
        return {peer: worker.version for (peer, _), worker in self.workers.items()}

    def stop(self) -> None:
        for process in [*self.workers.values(), *([self.noise] if self.noise else [])]:
            process.stop()

    def worker(self, peer: str, layout: str) -> WorkerProcess:
        if (peer, layout) not in self.workers:
            self.workers[peer, layout] = WorkerProcess(peer)
        return self.workers[peer, layout]

    def prepare(self, case: Case, peer: str, layout: str) -> dict:
        """The row of a peer, with what a call takes, or with the reason why there will be no figure."""
        row = {"case": case.name, "group": case.group, "peer": peer, "layout": layout, "unit": "s"}
        row |= {"flops": case.flops, "times": [], "busy_times": []}
        try:
            return row | self.worker(peer, layout).ask(prepare=case.name, layout=layout)
        except Failed as failure:
            return row | {"error": str(failure)}

    def batch(self, row: dict, busy: bool) -> None:
        try:
            worker = self.worker(row["peer"], row["layout"])
            found = worker.ask(batch=BATCH_SECONDS, call=row["call"])
            row["busy_times" if busy else "times"] += found["times"]
        except Failed as failure:
            row["error"] = str(failure)

    def measure(self, case: Case) -> list[dict]:
        """All rows of a case. Every round starts with another peer, quiet and busy rounds alternate."""
        lanes = [(peer, layout) for peer in self.peers for layout in layouts(case, peer)]
        rows = [self.prepare(case, peer, layout) for peer, layout in lanes]
        running = [row for row in rows if "error" not in row]
        slowest = max((row["call"] for row in running), default=0)
        for turn in range(rounds_for(slowest, self.rounds) if running else 0):
            for busy in (False, True) if self.noise else (False,):
                if self.noise:
                    self.noise.run(busy)
                for row in running[turn % len(running) :] + running[: turn % len(running)]:
                    if "error" not in row:
                        self.batch(row, busy)
                    time.sleep(PAUSE)
        if self.noise:
            self.noise.run(False)
        return rows + (ready_rows(running) if case.networks else [])


def ready_rows(rows: list[dict]) -> list[dict]:
    """What capturing, compiling and the first calls took."""
    facts = [{key: row[key] for key in ("peer", "layout", "unit")} | {"times": [row["first"]]} for row in rows]
    return [fact | {"case": f"{row['case']}: ready", "group": "ready"} for fact, row in zip(facts, rows)]


def layouts(case: Case, peer: str) -> tuple[str, ...]:
    """Who knows memory formats shows the better one; the others run the program as it stands."""
    return case.layouts if peer.partition(":")[0] in ("rushlight", "torch") else ("default",)


def selected(pattern: str | None, quick: bool) -> list[Case]:
    """The cases whose name or group contains the pattern, in order."""
    wanted = [case for case in CASES.values() if case.quick or not quick]
    words = (pattern or "").lower()
    return [case for case in wanted if words in case.name.lower() or words in case.group.lower()]
