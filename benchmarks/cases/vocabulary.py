"""The vocabulary, an operator of every kind at three sizes: what a program meets that is bound by no single one."""

from benchmarks.case import add

SIZES = {"10": 10, "1e4": 10**4, "1e6": 10**6}

#: Each over x, y (normal), p (positive), i (indices into them), b (bool), n (int64 in 0..99), s (square, row-major).
OPERATORS = {
    # element-wise
    "sub": "x - y", "div": "x / y", "pow2": "x ** 2", "pow": "p ** y", "maximum": "xp.maximum(x, y)", "eq": "x == y",
    "where": "xp.where(b, x, y)", "clamp": "x.clamp(-1, 1)", "abs": "x.abs()", "sqrt": "p.sqrt()", "rsqrt": "p.rsqrt()",
    "expm1": "x.expm1()", "log": "p.log()", "log1p": "p.log1p()", "sin": "x.sin()", "cos": "x.cos()",
    "atan": "x.atan()", "atan2": "xp.atan2(x, y)", "sigmoid": "x.sigmoid()", "relu": "x.relu()", "silu": "F.silu(x)",
    "softplus": "F.softplus(x)", "erf": "x.erf()", "lgamma": "p.lgamma()", "round": "x.round()", "floor": "x.floor()",
    "remainder": "xp.remainder(x, y)", "addcmul": "xp.addcmul(x, y, p)", "lerp": "xp.lerp(x, y, 0.3)",
    "int add": "n + i", "floor_divide": "i // 7", "bitwise_and": "n & i", "logical_and": "xp.logical_and(b, b)",
    "isnan": "x.isnan()", "to float64": "x.double()", "to int64": "x.long()", "fill_": "y.fill_(1.0)",
    # reductions and scans
    "mean": "x.mean()", "prod": "p.prod()", "var": "x.var()", "amax": "s.amax(1)", "max with index": "s.max(1)",
    "any": "b.any()", "count_nonzero": "x.count_nonzero()", "logsumexp": "s.logsumexp(1)", "norm": "x.norm()",
    "cumsum": "x.cumsum(0)", "cumsum of rows": "s.cumsum(1)", "softmax": "s.softmax(1)",
    # order
    "topk": "x.topk(5)", "median": "x.median()", "unique": "n.unique()", "bincount": "xp.bincount(n)",
    "searchsorted": "xp.searchsorted(o, x)", "argsort of rows": "s.argsort(1)", "histc": "xp.histc(x, 50)",
    # places
    "cat": "xp.cat([x, y])", "stack": "xp.stack([x, y])", "flip": "x.flip(0)", "roll": "s.roll(1, 1)",
    "tril": "s.tril()", "transpose": "s.t().contiguous()", "repeat": "x.repeat(2)", "gather": "x.gather(0, i)",
    "index_select": "x.index_select(0, i)", "masked_select": "x[b]", "nonzero": "b.nonzero()",
    "scatter_add": "y.scatter_add(0, i, x)", "index_put_": "y.index_put_((i,), x)", "pad": "F.pad(x, (3, 3))",
    "outer": "xp.outer(x[:d], y[:d])", "matrix-vector": "s @ x[:d]", "arange": "xp.arange(k)", "rand": "xp.rand(k)",
    "randperm": "xp.randperm(k)", "dropout": "F.dropout(x)", "one_hot": "F.one_hot(n[:d], 100)",
}


def operator(xp, text, size):
    side = int(size**0.5)
    names = {"xp": xp, "F": xp.nn.functional, "x": xp.randn(size), "y": xp.randn(size), "p": xp.rand(size) + 0.1,
             "i": xp.randint(0, size, (size,)), "b": xp.rand(size) > 0.5, "n": xp.randint(0, 100, (size,)),
             "s": xp.randn(side, side), "o": xp.linspace(-3, 3, 1000), "d": side, "k": size}
    return text, names


for name, text in OPERATORS.items():
    for shown, size in SIZES.items():
        add(f"{name} of {shown}", operator, group="vocabulary", bar=1.3, options={"text": text, "size": size})
