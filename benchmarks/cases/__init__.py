"""All cases; importing this fills `benchmarks.case.CASES`."""

from benchmarks.cases import (
    captured,
    captured_steps,
    eager,
    fourier,
    inference,
    linalg,
    loading,
    memory,
    networks,
    products,
    sequences,
    updates,
    vocabulary,
)
