"""A small typed user program: `make lint` has mypy check it against the public stubs. It also runs."""

import rushlight as rl


def standardize(x: rl.Tensor, dim: int = 0) -> rl.Tensor:
    """Zero mean and unit variance along a dimension."""
    centred = x - x.mean(dim, keepdim=True)
    return centred / (centred * centred).mean(dim, keepdim=True).sqrt().clamp(min=1e-6)


def best(scores: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
    """The largest score of each row, and where it stands."""
    found = rl.topk(scores, 1, dim=1)
    return found.values.squeeze(1), found.indices.squeeze(1)


def main() -> None:
    rl.manual_seed(0)
    x: rl.Tensor = rl.randn(8, 4)
    weight = rl.zeros(3, 4, dtype=rl.float32, requires_grad=True)
    scores: rl.Tensor = rl.nn.functional.linear(standardize(x), weight)
    loss: rl.Tensor = rl.exp(scores).sum() + 2 * weight.view(-1).sum()
    loss.backward()
    values, places = best(scores)
    pieces: tuple[rl.Tensor, ...] = x.chunk(2)
    rows: int = x.shape[0]
    assert rows == 8 and len(pieces) == 2 and values.dtype == rl.float32
    print(loss.item(), places.tolist())


if __name__ == "__main__":
    main()
