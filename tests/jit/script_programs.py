# ruff: noqa: C416, C419, RUF021, SIM300, SIM401
"""Programs for the tests of `jit.script`: each with arguments to call it with; the Python function is the reference."""
import enum
import io
import math
from typing import Dict, List, NamedTuple, Optional, Tuple  # noqa: UP035  as programs write them

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import Tensor

PROGRAMS = []


def plain(value):
    """A result as nested Python values, tensors with their dtypes; sizes are lists as scripted programs give them."""
    if isinstance(value, rl.Tensor):
        return str(value.dtype), list(value.shape), value.detach().tolist()
    if isinstance(value, rl.Size):
        return [plain(int(n)) for n in value]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return type(value).__name__, repr(value)


def same(a, b):
    a, b = plain(a), plain(b)
    return repr(a) == repr(b)


def reloaded(program):
    file = io.BytesIO()
    rl.jit.save(program, file)
    return rl.jit.load(io.BytesIO(file.getvalue()))


def with_arguments(*calls):
    """Registers a program with the arguments of some calls: functions that make them."""
    def register(function):
        PROGRAMS.extend((function, make) for make in calls)
        return function
    return register


def _x():
    return rl.arange(6.0).reshape(2, 3) - 2


# -- conditions

@with_arguments(lambda: (_x(), _x()), lambda: (-_x(), _x()))
def branch_on_values(x, y):
    if x.sum() > y.mean():
        z = x + y
    elif x[0, 0] > 0:
        z = x - y
    else:
        z = x * 2 - y
    return z


@with_arguments(lambda: (_x(),), lambda: (rl.ones(2, 2),))
def example(x):
    if x.mean() > 0.5:
        return x.relu()
    return x.exp() - 1


@with_arguments(lambda: (1,), lambda: (-1,), lambda: (0,), lambda: (7,))
def early_returns(n: int) -> int:
    if n == 0:
        return 100
    if n > 0:
        if n > 5:
            return 5
        n += 1
    else:
        return -n
    return n * 10


@with_arguments(lambda: (3, 4.5), lambda: (-3, 0.5))
def ternaries(a: int, b: float):
    c = a if a > 0 else -a
    return c if b > 1 else c + 1, b if a > 0 and not b < 1 else 0.0


@with_arguments(lambda: (1, 2, 3), lambda: (3, 2, 1), lambda: (2, 2, 2))
def comparisons(a: int, b: int, c: int):
    return a < b < c, a <= b <= c != 4, a == b == c, not a > b, a != b, (a < b) == (b < c)


@with_arguments(lambda: (0,), lambda: (5,))
def short_circuit(n: int) -> bool:
    return n != 0 and 10 // n > 1 or n == 0


@with_arguments(lambda: (_x(),), lambda: (None,))
def optional(x: Optional[Tensor]):  # noqa: UP045
    if x is None:
        return rl.zeros(1)
    return x * 2


@with_arguments(lambda: (_x(), None), lambda: (_x(), 3))
def optional_default(x, n: Optional[int] = None) -> Tensor:  # noqa: UP045
    if n is not None and n > 2:
        x = x + n
    k = n if n is not None else 10
    y: Optional[Tensor] = None  # noqa: UP045
    if k > 5:
        y = x
    assert y is None or k > 5, "never"
    return x * k


@with_arguments(lambda: (_x(), [1, 2]), lambda: (_x(), None))
def isinstance_of_optional(x: Tensor, sizes: Optional[List[int]]) -> int:  # noqa: UP006, UP045
    if isinstance(sizes, list):
        return len(sizes)
    assert isinstance(x, Tensor)
    return x.dim()


# -- loops

@with_arguments(lambda: (_x(), 0), lambda: (_x(), 1), lambda: (_x(), 6))
def for_range(x: Tensor, n: int) -> Tensor:
    for i in range(n):
        if i % 2 == 0:
            continue
        x = x * 2 + i
    return x


@with_arguments(lambda: (10,), lambda: (0,))
def while_break(n: int) -> int:
    i = 0
    total = 0
    while True:
        i += 1
        if i > n:
            break
        if i % 3 == 0:
            continue
        total += i
    return total * 100 + i


@with_arguments(lambda: (rl.ones(2), 2), lambda: (rl.ones(2), 9))
def return_in_loop(x, n: int):
    for i in range(n):
        for j in range(i):
            if i * j == 6:
                return x * i + j
            x = x + 1
        if i == 7:
            break
    return x


@with_arguments(lambda: (1, 20, 3), lambda: (20, 1, -4), lambda: (3, 3, 1))
def ranges(a: int, b: int, c: int) -> List[int]:  # noqa: UP006
    out: List[int] = []  # noqa: UP006
    for i in range(a, b, c):
        out.append(i)
    for i in range(b, a):
        out.append(-i)
    for i in reversed(range(2)):
        out.append(i)
    return out


@with_arguments(lambda: ([_x(), _x() + 1, _x() * 2],), lambda: ([_x()],))
def over_lists(xs: List[Tensor]):  # noqa: UP006
    total = rl.zeros(2, 3)
    for i, x in enumerate(xs):
        total = total + i * x
    for a, b in zip(xs, xs[1:]):  # noqa: B905, RUF007
        total = total - a * b
    for x in xs[::-1]:
        total = total * 0.5 + x
    return total


@with_arguments(lambda: (_x(),))
def over_tensor(x):
    out = []
    for row in x:
        out.append(row.sum())
    a, b = x
    return rl.stack(out) + a[0] - b[1]


@with_arguments(lambda: ({"a": 1, "b": 5}, "a"), lambda: ({"a": 2}, "c"))
def over_dict(d: Dict[str, int], s: str) -> Tuple[int, str]:  # noqa: UP006
    t = 0
    for k, v in d.items():
        t += v * len(k)
    for k in d:
        t += d[k]
    for k in d.keys():  # noqa: SIM118
        s += k
    for v in d.values():
        t -= v
    return (d[s[0]] if s[0] in d else -1) + t, s.upper() + "!"


@with_arguments(lambda: (27,), lambda: (1,))
def collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@with_arguments(lambda: (rl.tensor(100.0),), lambda: (rl.tensor(0.5),))
def while_tensor(x):
    n = 0
    while x > 1:
        x = x / 2
        n += 1
    return x, n


@with_arguments(lambda: (3,))
def nested_loops(n: int) -> int:
    count = 0
    for i in range(n):
        j = 0
        while j < i + 2:
            j += 1
            if j == 3:
                break
            for k in range(j):
                if k > 1:
                    continue
                count += k + i * j
        else_count = j
        count += else_count
    return count


# -- numbers

@with_arguments(lambda: (7, -2, 2.5), lambda: (-7, 3, -0.5), lambda: (6, 4, 1.0))
def arithmetic(a: int, b: int, c: float):
    return (a + b, a - b, a * b, a / b, a // b, a % b, -a, abs(b), a ** 2, c ** 2, a + c, c - b, c * a, a / c, c // b,
            c % b, min(a, b), max(a, b, 1), round(c), int(c), float(a), bool(a), a & b, a | b, a ^ b, ~a, a << 2,
            a >> 1)


@with_arguments(lambda: (2.0,), lambda: (0.3,))
def mathematics(x: float):
    return (math.sqrt(x), math.exp(x), math.log(x), math.sin(x), math.floor(x), math.ceil(x), math.pi * x,
            math.pow(x, 3), math.isnan(x), math.atan2(x, 1.0))


@with_arguments(lambda: (True, False), lambda: (False, False))
def booleans(a: bool, b: bool):
    return a and b, a or b, not a, a == b, a != b, a & b, a | b, int(a) + int(b), bool(1) and a


@with_arguments(lambda: (rl.tensor([3]), rl.tensor(2.5)))
def conversions(a, b):
    n = int(a)
    return n + 1, float(b) * 2, bool(a > 2), n * b, float(a.item()), a.item() == 3


# -- lists, tuples, dicts, texts

@with_arguments(lambda: ([3, 1, 2],))
def list_methods(xs: List[int]):  # noqa: UP006
    ys = xs.copy()
    ys.append(7)
    ys.extend([8, 9])
    ys.insert(0, -1)
    last = ys.pop()
    first = ys.pop(0)
    ys.reverse()
    zs = sorted(ys)
    ys.sort()
    same = ys == zs
    ys[0] = 100
    ys[-1] += 5
    del ys[1]
    total = sum(ys) + min(ys) + max(ys) + ys.index(100) + ys.count(3)
    zs.remove(7)
    zs += [5]
    return ys, zs, last, first, same, total, 3 in ys, 4 not in ys, ys[1:], ys[::2], ys + zs, zs * 2, len(zs), [0] * 3


@with_arguments(lambda: ([1, 2, 3, 4], 2))
def comprehensions(xs: List[int], n: int):  # noqa: UP006
    doubled = [2 * x for x in xs]
    odd = [x for x in xs if x % 2 == 1 and x < n + 5]
    pairs = [(i, float(x)) for i, x in enumerate(xs)]
    table = {x: x * n for x in xs}
    return doubled, odd, pairs, table, [i for i in range(n)], any([x > 3 for x in xs]), all([x > 3 for x in xs])


@with_arguments(lambda: (1, 2.0))
def tuples(a: int, b: float):
    t = (a, b, "x")
    c, d, s = t
    u = t + (True,)
    (p, q), r = (a, b), s
    first, *rest = (1, 2, 3)
    a, b2 = a + 1, a
    return t[0], t[-1], u[1:], len(t), c + p, d + q, r, first, rest[0], a, b2, (1, 2) == (1, 2)


@with_arguments(lambda: ({"a": 1.0},))
def dict_methods(d: Dict[str, float]):  # noqa: UP006
    e = d.copy()
    e["b"] = 2.0
    e["a"] += 1
    e.update({"c": 3.0})
    gone = e.pop("b")
    made = e.setdefault("z", 5.0)
    found = e.get("q")
    missing = found is None
    other = e.get("a", 0.0)
    del e["c"]
    f = {"k": [1, 2], "l": [3]}
    f["k"].append(4)
    return e, gone, made, missing, other, len(e), "a" in e, "y" in e, list(e.keys()), f, dict(d)


@with_arguments(lambda: ("Hello", 3, 2.5))
def texts(s: str, n: int, x: float):
    return (s + "!", s * 2, s[1], s[1:3], s[::-1], len(s), s.upper(), s.lower(), s.replace("l", "L"), s.find("l"),
            s.startswith("He"), s.endswith("x"), "ell" in s, " a b ".strip(), "a,b".split(","), "-".join([s, s]),
            f"{s} {n:03d} {x:.2f} {n!r} {{}}", "{} and {}".format(s, n), "%d %s" % (n, s),  # noqa: UP031, UP032
            str(n), str(x), str(True), s == "Hello", s < "b", s.count("l"))


@with_arguments(lambda: ("abc",))
def letters(s: str) -> int:
    n = 0
    for c in s:
        if c == "b":
            n += 10
        n += 1
    return n


# -- tensors

@with_arguments(lambda: (rl.arange(24.0).reshape(2, 3, 4), 1))
def indexing(x, n: int):
    return (x[0], x[-1, n], x[:, 1:], x[..., n], x[None], x[:, None, 0], x[..., None, -1:], x[0, ::2, 1:3], x[n:],
            x[x > 5], x[rl.tensor([1, 0])], x[:, rl.tensor([0, 2]), 1], x[:, x[0, :, 0] > 3], x[[1, 0]])


@with_arguments(lambda: (rl.arange(12.0).reshape(3, 4), 1))
def assignment(x, n: int):
    y = x.clone()
    y[0] = 3.0
    y[n, 1:] = x[2, :-1]
    y[:, 0] += 10
    y[y > 15] = -1
    y[rl.tensor([0, 2]), 1] = rl.tensor([7.0, 8.0])
    y[..., -1] *= 2
    return y


@with_arguments(lambda: (rl.arange(4.0),))
def in_place(x):
    y = x.clone()
    v = y[1:]
    y += 1
    y.mul_(2)
    v -= 1
    z = y
    z /= 2
    return y, v, z


@with_arguments(lambda: (_x(), _x()))
def operators(x, y):
    return (x + y, x - 1, 2 - x, x * y, x / 2, x // 2, x % 2, x ** 2, 2 ** x, -x, x @ y.t(), x > y, x == y, 1 <= x,
            (x > 0) & (y > 1), (x > 0) | (y > 1), ~(x > 0), abs(x), x.T, x.mT)


@with_arguments(lambda: (_x(),))
def attributes(x):
    a, b = x.shape
    return (x.shape[0], x.size(1), x.size(), x.dim(), x.ndim, x.numel(), len(x), a * b, x.dtype == rl.float32,
            x.is_floating_point(), x.view(-1, 2), x.reshape(x.size(1), -1), x.permute(1, 0), x.expand(2, 2, 3),
            x.new_zeros(2), x.to(rl.int64), x.double().float(), x.type_as(x), rl.zeros(x.shape), rl.zeros_like(x))


@with_arguments(lambda: (_x(),))
def several_results(x):
    values, indices = x.max(1)
    best = x.max(1)
    a, b, c = x.split(1, dim=1)
    parts = x.chunk(2)
    return values, indices, best.values, best[1], a + c - b, parts[0], len(parts), x.topk(2).indices, x.sort().values


@with_arguments(lambda: (3, 2.5))
def creation(n: int, v: float):
    return (rl.zeros(n), rl.ones(n, 2), rl.full((2, n), v), rl.arange(n), rl.arange(1, n, dtype=rl.float32),
            rl.tensor(v), rl.tensor([1, n]), rl.tensor([[1.0, v], [0.0, 2.0]]), rl.tensor(n, dtype=rl.float32),
            rl.eye(n), rl.linspace(0, 1, n), rl.cat([rl.ones(n), rl.zeros(1)]), rl.stack([rl.ones(n)] * 2))


@with_arguments(lambda: (_x(),))
def functions(x):
    return (F.relu(x), F.softmax(x, dim=1), F.log_softmax(x, -1), F.gelu(x), F.pad(x, [1, 1]), F.layer_norm(x, [3]),
            F.dropout(x, 0.5, False), F.normalize(x, dim=1), F.one_hot(x.long() + 2, 6), F.mse_loss(x, x * 2),
            F.cross_entropy(x, rl.tensor([0, 2])), F.linear(x, x), F.cosine_similarity(x, x + 1),
            x.softmax(1), rl.where(x > 0, x, -x), rl.clamp(x, min=0.0), rl.einsum("ij,kj->ik", x, x))


@with_arguments(lambda: (rl.arange(64.0).reshape(1, 1, 8, 8),))
def images(x):
    y = F.max_pool2d(x, 2)
    z = F.avg_pool2d(x, 3, stride=2, padding=1)
    w = F.interpolate(x, scale_factor=2.0, mode="nearest")
    u = F.conv2d(x, rl.ones(2, 1, 3, 3), padding=1)
    return y, z, w, u, F.adaptive_avg_pool2d(x, (2, 2)), F.unfold(x, 2).shape[1]


@with_arguments(lambda: (_x().requires_grad_(),))
def without_gradients(x):
    with rl.no_grad():
        y = x * 2
    return y + 1, (x * 3).sum()


@with_arguments(lambda: (_x(),))
def random_numbers(x):
    rl_noise = rl.randn(2, 3)
    return x + rl_noise, F.dropout(x, 0.5, True), rl.rand_like(x)


# -- functions, classes, named tuples

def raises(x, n: int):
    assert n != 1, f"n is {n}"
    if n == 2:
        raise ValueError(f"got {x.size(0)} rows")
    return x[n]


def helper(x, by: float = 2.0):
    return x * by


def factorial(n: int) -> int:
    if n <= 1:
        return 1
    return n * factorial(n - 1)


@with_arguments(lambda: (_x(), 4))
def calls(x, n: int):
    y = helper(x)
    z = helper(x, by=0.5)
    return helper(y, 3.0) + z, factorial(n), _pair(n)[1]


def _pair(n: int) -> Tuple[int, str]:  # noqa: UP006
    return n, str(n)


class Point(NamedTuple):
    x: Tensor
    n: int = 3


@with_arguments(lambda: (Point(_x(), 2),))
def named_tuples(p: Point):
    q = Point(p.x * p.n)
    a, b = q
    return q, p.x + a, p[1] + b + q.n


@rl.jit.script
class Counter:
    def __init__(self, start: int):
        self.count = start
        self.seen: List[int] = []  # noqa: UP006

    def add(self, n: int) -> int:
        self.count += n
        self.seen.append(n)
        return self.count

    @property
    def twice(self) -> int:
        return 2 * self.count


@with_arguments(lambda: (5,))
def classes(n: int):
    counter = Counter(1)
    same = counter
    for i in range(n):
        if i % 2 == 0:
            counter.add(i)
        else:
            same.count -= 1
    return counter.count, same.seen, counter.twice


# -- the books' programs

@with_arguments(lambda: (_x(), _x() + 1), lambda: (rl.ones(2), rl.zeros(2)))
def book_example(x, y):
    if x.mean() > y.mean():
        out = x
    else:
        out = y
    return out


@with_arguments(lambda: (1, 2))
def add_int(x: int, y: int) -> int:
    return x + y


@with_arguments(lambda: (_x(), _x()))
def add_tensors(x, y):
    return x + y


@with_arguments(lambda: (rl.randn(5, 2, 3), rl.randn(2, 4), rl.randn(12, 3), rl.randn(12, 4)))
def minimal_gated(xs, h, w, u):
    for t in range(xs.size(0)):
        a, b, c = (xs[t] @ w.t() + h @ u.t()).chunk(3, 1)
        h = rl.sigmoid(a) * h + (1 - rl.sigmoid(a)) * rl.tanh(b + c)
    return h


# -- further constructs

class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@with_arguments(lambda: (_x(), 3))
def type_comment(x, n):
    # type: (Tensor, int) -> Tensor
    y = rl.jit.annotate(List[Tensor], [])  # noqa: UP006
    for i in range(n):
        y.append(x * i)
    return rl.stack(y).sum(0)


@with_arguments(lambda: (2,), lambda: (-2,))
def enums(n: int) -> int:
    mode = Mode.FAST
    if mode == Mode.FAST and mode != Mode.SLOW:
        n += Mode.SLOW.value
    return n + len(mode.name)


@with_arguments(lambda: ([1, 2],))
def shared_lists(xs: List[int]):  # noqa: UP006
    a = [0]
    b = a
    if len(xs) > 1:
        b.append(5)
        a = a + [7]
    table = {"a": a, "b": b}
    table["b"].append(9)
    for row in [a, b]:
        row.append(1)
    rows = [[0] * 2 for _ in range(2)]
    rows[0][1] = 3
    return a, b, table, rows, xs is not None


@with_arguments(lambda: (_x(), 2))
def shared_memory(x, n: int):
    x = x.clone()
    row, flat = x[0], x.view(-1)
    if n > 1:
        row.add_(1)
    for i in range(n):
        flat[i] = -1.0
        x[1] += flat[0:3]
    y = x
    y *= 2
    return x, row, flat, y


@with_arguments(lambda: (_x(),))
def gradients_off(x):
    y = x.detach() * 2
    with rl.no_grad():
        with rl.enable_grad():  # noqa: SIM117
            z = x * 2
        w = z + 1
    return y.requires_grad, z.requires_grad, w.requires_grad, rl.is_grad_enabled()


@with_arguments(lambda: (_x().requires_grad_(), 4))
def objects_in_loops(x, n: int):
    a, b = Counter(0), Counter(10)
    for i in range(n):
        if i == 2:
            continue
        a.add(i)
        b.count = a.count + b.twice
    total = count_all(a, n) + count_all(b, 1)
    return x * total, a.seen, b.count


def count_all(counter: Counter, n: int) -> int:
    for i in range(n):
        counter.add(i)
    return counter.count


@with_arguments(lambda: (5,), lambda: (0,))
def loop_results(n: int):
    found: Optional[int] = None  # noqa: UP045
    pair = (0, 1.5)
    for i in range(n):
        if i * i > 5 and found is None:
            found = i
        pair = (pair[0] + i, pair[1] / 2)
    if found is None:
        found = -1
    return found, pair


@with_arguments(lambda: (_x(), "sum"), lambda: (_x(), "mean"))
def by_name(x, how: str):
    table = {"sum": 1.0, "mean": float(x.numel())}
    if how not in table:
        raise KeyError(how)
    return x.sum() / table[how], [k for k in table], [v * 2 for v in table.values()]


@with_arguments(lambda: (3,))
def unusual(n: int):
    a = b = n
    a, (b, c) = b + 1, (a, [n, n])
    c[0], d = c[1] + 1, (yes := n > 2)
    first, *_ = c
    x = 1 if n else 2
    while n > 0: n -= 1  # noqa: E701
    del c[0]
    return a, b, c, d, yes, first, x, n, -7 // 2, -7 % 3, 2 ** -1, 7 / 2, 0.1 + 0.2, 1e300 * 1e10, not 0
