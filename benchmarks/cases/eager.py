"""What one small operation costs: 8x8 float32, so that nearly all of the time is overhead."""

from benchmarks.case import add

BAR = 0.5


def inputs(xp, grad):
    """x, y, weight and bias, leaves that want gradients or not."""
    if not grad:
        return {"x": xp.randn(8, 8), "y": xp.randn(8, 8), "w": xp.randn(8, 8), "b": xp.randn(8)}
    shapes = {"x": (8, 8), "y": (8, 8), "w": (8, 8), "b": (8,)}
    return {name: xp.randn(*shape, requires_grad=True) for name, shape in shapes.items()}


def expression(text):
    """A case that times one Python expression over x, y, w, b and the namespace's functions."""

    def build(xp, grad):
        return text, inputs(xp, grad) | {"xp": xp}

    return build


def functional_linear(xp, grad):
    return "linear(x, w, b)", inputs(xp, grad) | {"linear": xp.nn.functional.linear}


def linear_module(xp, grad):
    layer = xp.nn.Linear(8, 8)
    if not grad:
        for parameter in layer.parameters():
            parameter.requires_grad_(False)
    return "layer(x)", {"layer": layer, "x": xp.randn(8, 8)}


def item(xp, grad):
    return "x.item()", {"x": xp.randn(1, requires_grad=True) if grad else xp.randn(1)}


def mul_sum_backward(xp, grad):
    x, y = xp.randn(8, 8, requires_grad=grad), xp.randn(8, 8, requires_grad=grad)

    def step():
        (x * y).sum().backward()
        x.grad = y.grad = None

    return step


OPERATIONS = {
    "add": expression("x + y"),
    "mul": expression("x * y"),
    "relu": expression("xp.relu(x)"),
    "sum": expression("x.sum()"),
    "view": expression("x.view(4, 16)"),
    "x[0]": expression("x[0]"),
    "cat": expression("xp.cat((x, y))"),
    "matmul 8x8": expression("xp.matmul(x, y)"),
    "linear": functional_linear,
    "nn.Linear": linear_module,
    "item": item,
}

for name, build in OPERATIONS.items():
    for grad in (False, True):
        shown = f"eager {name}" + (", grad" if grad else "")
        add(shown, build, group="eager", bar=BAR, quick=name in ("add", "linear"), options={"grad": grad})
add("eager mul-sum backward", mul_sum_backward, group="eager", bar=BAR, quick=True, options={"grad": True})
