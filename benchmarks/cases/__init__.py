"""All cases; importing this fills `benchmarks.case.CASES`."""

from benchmarks.cases import (
    captured,
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
