"""Attention: the function alone, then networks made of it."""

from benchmarks.case import add

# batch, heads, queries, keys, size of a head, is_causal
SHAPES = {
    "attention 16x4x128x64": (16, 4, 128, 128, 64, False),
    "attention 8x12x512x64 causal": (8, 12, 512, 512, 64, True),
    "attention 2x8x1024x128": (2, 8, 1024, 1024, 128, False),
    "attention 1x8x4096x64": (1, 8, 4096, 4096, 64, False),
    "attention 1x8x4096x64 causal": (1, 8, 4096, 4096, 64, True),
    "attention of one query to 1000 keys, 16 heads": (1, 16, 1, 1000, 64, False),
}


def attention(xp, shape, backward=False):
    batch, heads, queries, keys, size, causal = shape
    q, k, v = (xp.randn(batch, heads, n, size, requires_grad=backward) for n in (queries, keys, keys))
    function = xp.nn.functional.scaled_dot_product_attention
    if not backward:
        return "f(q, k, v, is_causal=causal)", {"f": function, "q": q, "k": k, "v": v, "causal": causal}
    gradient = xp.randn(batch, heads, queries, size)

    def step():
        function(q, k, v, is_causal=causal).backward(gradient)
        found = q.grad
        q.grad = k.grad = v.grad = None
        return found

    return step


for name, shape in SHAPES.items():
    facts = {"group": "sequences", "bar": 1.0}
    add(name, attention, options={"shape": shape}, quick="causal" in name and "512" in name, **facts)
    if shape[2] > 1:
        add(f"{name} forward+backward", attention, options={"shape": shape, "backward": True}, **facts)
