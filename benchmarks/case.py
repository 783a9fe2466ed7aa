"""What a benchmark is: a program written once over a namespace `xp` that every peer fills with its own functions."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One row of the table.

    `build(xp, **options)` prepares the inputs and returns what is timed: a function without arguments, or a pair of
    (Python expression, names it uses), which is timed without the cost of a function call around it, or a `Network`
    or `Training`, of which each peer makes the program in its own way.
    """

    name: str
    build: Callable
    group: str
    bar: float | None = None  # the largest ratio to the best peer that is good enough; None where nothing was promised
    layouts: tuple[str, ...] = ("default",)  # Rushlight and PyTorch run the case once in each of these memory formats
    flops: float = 0
    quick: bool = False  # also run by --quick
    networks: bool = False  # built where the peer's networks are made; what it takes to be ready is a row of its own
    settled: int = 1  # the calls after which it is ready
    compared: int = 1  # the call among them whose answer is compared with the peers'
    agreement: float = 2e-3  # the largest relative difference of two peers' answers that is none
    options: dict = field(default_factory=dict)


# The largest geometric mean of the ratios that is good enough, where one was promised for a group.
GROUP_BARS = {"eager": 0.35, "products and convolutions": 0.8, "vocabulary": 0.6}

CASES: dict[str, Case] = {}


def add(name: str, build: Callable, **facts) -> None:
    """Registers a case."""
    if name in CASES:
        raise ValueError(f"benchmarks: two cases are called {name!r}")
    CASES[name] = Case(name, build, **facts)
