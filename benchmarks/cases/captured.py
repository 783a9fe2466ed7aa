"""Chains of element-wise operators: Rushlight's captured, JAX's jitted, PyTorch's as they are written."""

from benchmarks.case import add


def gelu_chain(xp):
    gelu = xp.nn.functional.gelu
    return lambda a, b: gelu(a * b + a) * b


def tanh_gelu(xp):
    return lambda a, b: 0.5 * a * (1 + xp.tanh(0.7978845608 * (a + 0.044715 * a * a * a)))


def adam(xp):
    def step(p, g):
        first, second = 0.9 * p + 0.1 * g, 0.999 * p * p + 0.001 * g * g
        return p - 0.001 * first / (xp.sqrt(second) + 1e-8)

    return step


def layer_norm(xp):
    def norm(x, w):
        centred = x - xp.mean(x, -1, True)
        return centred * xp.rsqrt(xp.mean(centred * centred, -1, True) + 1e-5) * w + 1

    return norm


def lstm_cell(xp):
    def cell(gates, c):
        i, f, g, o = xp.chunk(gates, 4, -1)
        c = c * xp.sigmoid(f) + xp.sigmoid(i) * xp.tanh(g)
        return xp.sigmoid(o) * xp.tanh(c)

    return cell


def huber_loss(xp):
    return lambda a, b: xp.where(xp.abs(a - b) < 1, 0.5 * (a - b) * (a - b), xp.abs(a - b) - 0.5).mean()


def build(xp, chain, shapes):
    function = chain(xp)
    if xp.__name__ == "rushlight":
        function = xp.compile(function, fullgraph=True)
    if xp.__name__ == "jax":
        function = xp.jit(function)
    return "function(x, y)", {"function": function, "x": xp.randn(*shapes[0]), "y": xp.randn(*shapes[1])}


SIZES = {8: "8", 1000: "1000", 10**5: "1e5", 10**6: "1e6", 10**7: "1e7"}
for chain, name in ((gelu_chain, "gelu(a*b+a)*b"), (tanh_gelu, "tanh gelu by hand"), (adam, "Adam by hand"),
                    (huber_loss, "Huber loss by hand")):
    for size, shown in SIZES.items():
        promised = chain is gelu_chain and size == 10**7
        add(f"captured {name} {shown}", build, group="captured", bar=0.2 if promised else 0.6, quick=promised,
            options={"chain": chain, "shapes": ((size,), (size,))})
for rows in (1, 130, 1300):
    add(f"captured layer norm by hand {rows}x768", build, group="captured", bar=0.6,
        options={"chain": layer_norm, "shapes": ((rows, 768), (768,))})
    add(f"captured LSTM cell {rows}x256", build, group="captured", bar=0.6,
        options={"chain": lstm_cell, "shapes": ((rows, 1024), (rows, 256))})


def recurrence(x, h, w, u, b):
    for i in range(x.shape[0]):
        h = (x[i] @ w + h @ u + b).tanh()
    return h


def build_loop(xp, batch, size):
    scripts = getattr(xp, "__name__", "") in ("rushlight", "torch")
    shapes = {"x": (100, batch, size), "h": (batch, size), "w": (size, size), "u": (size, size), "b": (size,)}
    function = xp.jit.script(recurrence) if scripts else recurrence
    return "function(x, h, w, u, b)", {"function": function} | {
        name: xp.randn(*shape) * 0.1 for name, shape in shapes.items()}


for rows, width in ((1, 32), (16, 32), (16, 128)):
    add(f"scripted recurrent loop 100x{rows}x{width}", build_loop, group="captured", bar=0.6 if width < 128 else 1,
        options={"batch": rows, "size": width})
