"""Random programs of operations, views and in-place changes, for any module with PyTorch's vocabulary."""

import random


def _writable(t):
    """False where several elements share a place: what a write leaves there depends on its order."""
    reach = 0
    for stride, size in sorted(zip(t.stride(), t.shape)):
        if size > 1:
            if stride <= reach:
                return False
            reach += stride * (size - 1)
    return True


def _shapes_ok(a, b):
    return list(a.shape) == list(b.shape)


class Program:
    """A fixed sequence of steps over a growing list of tensors; the same for every module it runs in."""

    def __init__(self, seed, steps=9, many=True):
        r = random.Random(seed)
        kinds = (
            "mul add sin row part transpose flat column expand write_mul write_add write_copy write_zero write_sin "
            "assign fresh fresh_view detach unit strided quiet item step diagonal window write_item write_mask "
            "write_augment write_index write_fill"
        ).split()
        if many:
            kinds += ["many"]
        self.steps = [(r.choice(kinds), r.random(), r.random(), r.random()) for _ in range(steps)]

    def run(self, m, x, y):
        """Runs on leaves x and y, both (3, 4); returns the tensors made, in order."""
        made = [x * 1.0, y * 2.0]
        for kind, a, b, c in self.steps:
            t = made[int(a * len(made))]
            u = made[int(b * len(made))]
            if kind.startswith(("write", "assign")) and not _writable(t):
                continue
            new = getattr(self, "_" + kind)(m, t, u, c)
            if new is not None:
                made.append(new)
        return made

    def _mul(self, m, t, u, c):
        return t * u if _shapes_ok(t, u) else t * 1.5

    def _add(self, m, t, u, c):
        return t + u if _shapes_ok(t, u) else t + 0.5

    def _sin(self, m, t, u, c):
        return t.sin()

    def _row(self, m, t, u, c):
        return t.select(0, int(c * t.shape[0])) if t.dim() > 0 and t.shape[0] > 0 else None

    def _part(self, m, t, u, c):
        return t.narrow(0, 0, max(1, int(c * t.shape[0]))) if t.dim() > 0 else None

    def _transpose(self, m, t, u, c):
        return t.transpose(0, 1) if t.dim() == 2 else None

    def _flat(self, m, t, u, c):
        return t.view(-1) if t.is_contiguous() else t.reshape(-1)

    def _column(self, m, t, u, c):
        return t.select(-1, int(c * t.shape[-1])) if t.dim() == 2 else None

    def _expand(self, m, t, u, c):
        return t.unsqueeze(0).expand(2, *t.shape) if t.dim() == 1 else None

    def _unit(self, m, t, u, c):
        return t.unsqueeze(0)

    def _strided(self, m, t, u, c):
        if t.numel() >= 4 and t.is_contiguous():
            return t.as_strided((2, 2), (1, 1) if c < 0.3 else (2, 1), t.storage_offset())
        return None

    def _many(self, m, t, u, c):
        return t.unbind(0)[0] if t.dim() > 0 else None

    def _detach(self, m, t, u, c):
        return t.detach() if c < 0.5 else t.detach().clone()

    def _quiet(self, m, t, u, c):
        with m.no_grad():
            if c < 0.4:
                return t * 2.0
            if c < 0.7:
                return t.view(t.shape)
        return None

    def _fresh(self, m, t, u, c):
        return m.zeros(tuple(t.shape), dtype=m.float64)

    def _fresh_view(self, m, t, u, c):
        base = m.zeros((2, *t.shape), dtype=m.float64)
        return base[1]

    def _write_mul(self, m, t, u, c):
        t.mul_(u if _shapes_ok(t, u) else 1.25)

    def _write_add(self, m, t, u, c):
        t.add_(u if _shapes_ok(t, u) else 0.75)

    def _write_copy(self, m, t, u, c):
        if _shapes_ok(t, u):
            t.copy_(u.clone())  # both may lie in one memory

    def _write_zero(self, m, t, u, c):
        t.zero_() if c < 0.5 else t.fill_(0.3)

    def _write_sin(self, m, t, u, c):
        t.sin_()

    def _assign(self, m, t, u, c):
        if t.dim() == 2 and u.dim() == 1 and t.shape[1] == u.shape[0]:
            t.select(0, 0).copy_(u)
        elif t.dim() == 1:
            t.narrow(0, 0, 1).mul_(3.0)

    def _item(self, m, t, u, c):
        return t[..., ::2] if t.dim() > 0 and c < 0.5 else t[None]

    def _step(self, m, t, u, c):
        return t[1:, 1:] if t.dim() == 2 and t.shape[0] > 1 else None

    def _diagonal(self, m, t, u, c):
        return t.diagonal() if t.dim() == 2 else None

    def _window(self, m, t, u, c):
        return t.unfold(0, 2, 1) if t.dim() == 1 and t.shape[0] >= 2 else None

    def _write_item(self, m, t, u, c):
        if t.dim() > 0 and t.shape[0] > 0:
            t[0] = u.sum() * 0.1 if c < 0.6 else 0.7

    def _write_mask(self, m, t, u, c):
        t[t.detach() > 0.5123] = 0.1

    def _write_augment(self, m, t, u, c):
        if t.dim() > 0:
            t[..., :1] += 0.5 if c < 0.5 else u.mean()

    def _write_index(self, m, t, u, c):
        if t.dim() == 2 and t.shape[0] >= 2:
            t[[0, 1], [0, 0]] = u.sum() * 0.2

    def _write_fill(self, m, t, u, c):
        t.masked_fill_(t.detach() > 0.4071, 0.2)


def loss_of(made):
    """A sum that weights every tensor and every element differently."""
    total = None
    for i, t in enumerate(made):
        part = (t * t).sum() * (0.1 + 0.05 * i) + t.sum() * 0.3
        total = part if total is None else total + part
    return total
