"""One peer's process: prepares cases and runs batches on request, one JSON line in and one out.

    python -m benchmarks.worker PEER

Requests: {"prepare": case, "layout": layout}, then {"batch": seconds} as often as wanted. An answer holds
"error" where the peer cannot run the case.
"""

import gc
import json
import os
import sys
import time
from itertools import repeat

import numpy

from benchmarks import cases  # noqa: F401  fills CASES
from benchmarks.case import CASES, Case
from benchmarks.deploy import Network, Training
from benchmarks.peers import PEERS, SEED, Peer

LOOP = """
def loop(number, {names}):
    begin = clock()
    for _ in repeat(None, number):
        {statement}
    return clock() - begin
"""


def namespace(peer: Peer, case: Case):
    """What the case is built over."""
    return peer.networks if case.networks and peer.networks else peer.xp


def made(program, peer: Peer):
    """What the peer makes of networks."""
    training = isinstance(program, Training)
    how = peer.train if training else peer.deploy
    if how is None:
        raise TypeError(f"this peer {'trains' if training else 'has'} no networks")
    return how(program) if training else how(program.model, program.inputs)


def timed_loop(program, peer: Peer):
    """A function of a repeat count that returns the seconds taken, and one that runs the program once."""
    if isinstance(program, Network | Training):
        program = made(program, peer)
    if callable(program):
        program = ("run()", {"run": program})
    expression, names = program
    statement = expression
    if peer.finish is not None:
        statement, names = f"finish({expression})", names | {"finish": peer.finish}
    scope = {"clock": time.perf_counter, "repeat": repeat}
    exec(LOOP.format(names=", ".join(names), statement=statement), scope)
    loop = scope["loop"]
    code = compile(statement, "<case>", "eval")
    return lambda number: loop(number, **names), lambda: eval(code, dict(names))


def summary(result) -> float | None:
    """One number that stands for a result, so that peers' answers can be compared; None where it is not a tensor."""
    if isinstance(result, tuple | list) and result:
        result = result[0]
    if isinstance(result, float | int):
        return float(result)
    try:
        if not hasattr(result, "detach"):                # an array of a runtime
            return float(abs(numpy.asarray(result, "float64")).mean())
        result = result.detach()
        return float((result.abs() if result.is_complex() else result.double().abs()).double().mean().item())
    except AttributeError:
        return None


class Worker:
    def __init__(self, peer: Peer):
        self.peer = peer
        self.loop = None

    def prepare(self, case: Case, layout: str) -> dict:
        """Builds the program, runs it for its answer, then warms it up."""
        self.loop = None
        gc.enable()
        gc.collect()
        xp = namespace(self.peer, case)
        comparable = self.peer.comparable or xp is self.peer.networks
        if comparable:
            xp.manual_seed(SEED)
        options = case.options | ({"layout": layout} if layout != "default" else {})
        program = case.build(xp, **options)
        begin = time.perf_counter()
        loop, once = timed_loop(program, self.peer)
        answers = [once() for _ in range(case.settled)]
        answer = summary(answers[case.compared - 1]) if comparable else None
        first = time.perf_counter() - begin
        calls, until = [loop(1)], time.perf_counter() + 0.2
        while len(calls) < 1000 and time.perf_counter() < until:
            calls.append(loop(1))
        self.loop = loop
        return {"answer": answer, "first": first, "call": min(calls[-5:])}

    def batch(self, seconds: float, call: float) -> dict:
        """Seconds per call: of each call where one takes long enough for the clock, else the mean of the batch."""
        number = max(1, int(seconds / max(call, 1e-8)))
        gc.disable()
        if call >= 5e-5:
            return {"times": [self.loop(1) for _ in range(number)]}
        return {"times": [self.loop(number) / number]}

    def answer(self, request: dict) -> dict:
        if "prepare" in request:
            return self.prepare(CASES[request["prepare"]], request["layout"])
        if "batch" in request:
            return self.batch(request["batch"], request["call"])
        raise ValueError(f"worker: unknown request {request}")


def main() -> None:
    # Answers have a channel of their own: what a library prints goes to stderr.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: dict) -> None:
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

    try:
        peer = PEERS[sys.argv[1]]()
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        return
    worker = Worker(peer)
    say({"version": peer.version})
    for line in sys.stdin:
        try:
            say(worker.answer(json.loads(line)))
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


if __name__ == "__main__":
    main()
