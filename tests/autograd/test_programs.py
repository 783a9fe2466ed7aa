"""Random programs of views and in-place changes: gradients against finite differences and against PyTorch."""

import pytest
from programs import Program, loss_of

import rushlight

X = [[0.1 * (i * 4 + j) + 0.2 for j in range(4)] for i in range(3)]
Y = [[0.9 - 0.13 * (i * 4 + j) for j in range(4)] for i in range(3)]


def _gradients(m, program):
    x = m.tensor(X, dtype=m.float64, requires_grad=True)
    y = m.tensor(Y, dtype=m.float64, requires_grad=True)
    loss_of(program.run(m, x, y)).backward()
    zeros = m.zeros((3, 4), dtype=m.float64)
    return [(zeros if t.grad is None else t.grad).reshape(-1).tolist() for t in (x, y)]


def _differences(program, step=1e-6):
    found = []
    for which in range(2):
        column = []
        for position in range(12):
            values = []
            for sign in (1, -1):
                leaves = [rushlight.tensor(data, dtype=rushlight.float64) for data in (X, Y)]
                leaves[which].view(-1)[position] += sign * step
                values.append(loss_of(program.run(rushlight, *leaves)).item())
            column.append((values[0] - values[1]) / (2 * step))
        found.append(column)
    return found


@pytest.mark.parametrize("start", range(0, 240, 20))
def test_gradients_of_random_programs_are_right_or_refused(start):
    refused = 0
    for seed in range(start, start + 20):
        program = Program(seed, steps=10)
        if any(kind in ("detach", "quiet") for kind, *_ in program.steps):
            continue  # finite differences see through what these hide
        try:
            got = _gradients(rushlight, program)
        except RuntimeError as error:
            assert "inplace operation" in str(error) or "changed in place" in str(error)
            refused += 1
            continue
        for a, b in zip(got, _differences(program)):
            assert a == pytest.approx(b, rel=1e-5, abs=1e-5), f"program {seed}"
    assert refused < 20


@pytest.mark.torch
@pytest.mark.parametrize("start", range(0, 600, 50))
def test_gradients_of_random_programs_equal_pytorch(start):
    torch = pytest.importorskip("torch")
    compared = 0
    for seed in range(start, start + 50):
        program = Program(seed, steps=9)
        try:
            expected = _gradients(torch, program)
        except RuntimeError:
            continue  # what PyTorch refuses, the test above checks by finite differences
        for a, b in zip(_gradients(rushlight, program), expected):
            assert a == pytest.approx(b, rel=1e-9, abs=1e-9), f"program {seed}"
        compared += 1
    assert compared > 20
