"""Operations that the memory bounds: element-wise, reductions, sorting, norms, losses; each result is fresh."""

from benchmarks.case import add

SIZES = {f"1e{power}": 10**power for power in range(1, 8)}
SORT_LIMIT = 10**6  # one PyTorch sort of 1e7 takes seconds


def expression(text):
    def build(xp, size):
        return text, {"xp": xp, "x": xp.randn(size), "y": xp.randn(size)}

    return build


def gelu(xp, size):
    return "gelu(x)", {"gelu": xp.nn.functional.gelu, "x": xp.randn(size)}


def mean_of_rows(xp, size):
    rows = max(1, int(size**0.5))
    return "x.mean(0)", {"x": xp.randn(rows, size // rows)}


ELEMENTWISE = {
    "add": expression("x + y"),
    "mul": expression("x * y"),
    "exp": expression("xp.exp(x)"),
    "tanh": expression("xp.tanh(x)"),
    "gelu": gelu,
}
REDUCTIONS = {"sum": expression("x.sum()"), "mean(0)": mean_of_rows}
ORDERED = {"argmax": expression("x.argmax()"), "sort": expression("xp.sort(x)")}


def add_sizes(operations, group, bar_of):
    for name, build in operations.items():
        for shown, size in SIZES.items():
            if name == "sort" and size > SORT_LIMIT:
                continue
            quick = name in ("add", "sum", "argmax") and size in (10**3, 10**6)
            add(f"{name} {shown}", build, group=group, bar=bar_of(size), quick=quick, options={"size": size})


# The bars are promised for large inputs; small ones are the eager group's business.
add_sizes(ELEMENTWISE, "element-wise", lambda size: 0.5 if size >= 10**6 else None)
add_sizes(REDUCTIONS, "reductions", lambda size: 1.05 if size >= 10**6 else None)
add_sizes(ORDERED, "ordering", lambda size: 0.5 if size >= 10**6 else None)


def softmax(xp):
    return "softmax(x, 1)", {"softmax": xp.softmax, "x": xp.randn(4096, 1024)}


def layer_norm(xp):
    norm = xp.nn.LayerNorm(1024)
    for parameter in norm.parameters():
        parameter.requires_grad_(False)
    return "norm(x)", {"norm": norm, "x": xp.randn(4096, 1024)}


def with_backward(function, *leaves):
    """A step that runs `function` and sends ones back through its result."""

    def step():
        function().sum().backward()
        for leaf in leaves:
            leaf.grad = None

    return step


def softmax_backward(xp):
    x, weight = xp.randn(4096, 1024, requires_grad=True), xp.randn(4096, 1024)
    return with_backward(lambda: xp.softmax(x, 1) * weight, x)


def layer_norm_backward(xp):
    norm, x = xp.nn.LayerNorm(1024), xp.randn(4096, 1024, requires_grad=True)
    weight = xp.randn(4096, 1024)
    return with_backward(lambda: norm(x) * weight, x, *norm.parameters())


def transpose(xp):
    return "x.t().contiguous()", {"x": xp.randn(2048, 2048)}


def embedding(xp):
    table, index = xp.randn(50_000, 512), xp.randint(0, 50_000, (8192,))
    return "embedding(index, table)", {"embedding": xp.nn.functional.embedding, "index": index, "table": table}


def cross_entropy(xp):
    scores, target = xp.randn(128, 32_000), xp.randint(0, 32_000, (128,))
    return "loss(scores, target)", {"loss": xp.nn.functional.cross_entropy, "scores": scores, "target": target}


def cross_entropy_backward(xp):
    scores, target = xp.randn(128, 32_000, requires_grad=True), xp.randint(0, 32_000, (128,))
    return with_backward(lambda: xp.nn.functional.cross_entropy(scores, target), scores)


def batch_norm_backward(xp):
    norm, x = xp.nn.BatchNorm2d(64), xp.randn(32, 64, 56, 56, requires_grad=True)
    weight = xp.randn(32, 64, 56, 56)
    return with_backward(lambda: norm(x) * weight, x, *norm.parameters())


PASSES = {
    "softmax 4096x1024": softmax,
    "softmax forward+backward 4096x1024": softmax_backward,
    "layer_norm 4096x1024": layer_norm,
    "layer_norm forward+backward 4096x1024": layer_norm_backward,
    "transpose().contiguous() 2048x2048": transpose,
    "embedding 8192 of 50000x512": embedding,
    "cross_entropy 128x32000": cross_entropy,
    "cross_entropy forward+backward 128x32000": cross_entropy_backward,
    "batch_norm forward+backward 32x64x56x56": batch_norm_backward,
}
for name, build in PASSES.items():
    add(name, build, group="norms and losses", bar=1.05, quick=name.startswith(("softmax 4", "batch_norm")))
