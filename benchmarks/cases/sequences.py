"""Attention and recurrent layers, alone and in networks."""

from functools import cache

from benchmarks.case import add
from benchmarks.cases.networks import training_step

# batch, heads, queries, keys, size of a head, is_causal
SHAPES = {
    "attention 4x8x64x32": (4, 8, 64, 64, 32, False),
    "attention 16x4x128x64": (16, 4, 128, 128, 64, False),
    "attention 8x12x512x64 causal": (8, 12, 512, 512, 64, True),
    "attention 2x8x1024x128": (2, 8, 1024, 1024, 128, False),
    "attention 1x8x4096x64": (1, 8, 4096, 4096, 64, False),
    "attention 1x8x4096x64 causal": (1, 8, 4096, 4096, 64, True),
    "attention of one query to 1000 keys, 16 heads": (1, 16, 1, 1000, 64, False),
}


def attention(xp, shape, backward=False, dropout=0.0):
    batch, heads, queries, keys, size, causal = shape
    q, k, v = (xp.randn(batch, heads, n, size, requires_grad=backward) for n in (queries, keys, keys))
    function = xp.nn.functional.scaled_dot_product_attention
    if not backward:
        return "f(q, k, v, is_causal=causal)", {"f": function, "q": q, "k": k, "v": v, "causal": causal}
    gradient = xp.randn(batch, heads, queries, size)

    def step():
        function(q, k, v, dropout_p=dropout, is_causal=causal).backward(gradient)
        found = q.grad
        q.grad = k.grad = v.grad = None
        return found

    return step


def padded_attention(xp, shape):
    batch, heads, tokens, _, size, _ = shape
    q, k, v = (xp.randn(batch, heads, tokens, size) for _ in range(3))
    mask = (xp.arange(tokens) < xp.randint(tokens // 2, tokens, (batch, 1))).reshape(batch, 1, 1, tokens)
    return "f(q, k, v, mask)", {"f": xp.nn.functional.scaled_dot_product_attention, "q": q, "k": k, "v": v,
                                "mask": mask}


for name, shape in SHAPES.items():
    facts = {"group": "sequences", "bar": 1.0}
    add(name, attention, options={"shape": shape}, quick="causal" in name and "512" in name, **facts)
    if shape[2] > 1:
        add(f"{name} forward+backward", attention, options={"shape": shape, "backward": True}, **facts)

add("attention 4x12x256x64 causal with dropout, forward+backward", attention, group="sequences", bar=1.0,
    options={"shape": (4, 12, 256, 256, 64, True), "backward": True, "dropout": 0.1})
add("attention 8x12x512x64 with padding", padded_attention, group="sequences", bar=1.0,
    options={"shape": (8, 12, 512, 512, 64, False)})


@cache
def lstm_classifier(nn):
    """Words to two classes, as PyTorch's tutorials write it."""

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(20000, 300)
            self.encoder = nn.LSTM(300, 100)
            self.predictor = nn.Linear(100, 2)

        def forward(self, words):
            _, (hidden, _) = self.encoder(self.embedding(words))
            return self.predictor(hidden.squeeze(0))

    return Classifier


def lstm_step(xp, fused):
    model = lstm_classifier(xp.nn)()
    optimizer = xp.optim.Adam(model.parameters(), lr=1e-3, **({"fused": True} if fused else {}))
    return training_step(xp, model, xp.randint(0, 20000, (40, 32)), xp.randint(0, 2, (32,)), optimizer)


def recurrent(xp, kind, steps, batch, features, hidden, **facts):
    layer = getattr(xp.nn, kind)(features, hidden, **facts)
    x = xp.randn(steps, batch, features, requires_grad=True)
    gradient = xp.randn(steps, batch, hidden * (1 + facts.get("bidirectional", False)))

    def step():
        layer(x)[0].backward(gradient)
        found = x.grad
        x.grad = None
        layer.zero_grad()
        return found

    return step


add("LSTM classifier step, Adam", lstm_step, group="sequences", bar=0.25, options={"fused": False}, quick=True)
add("LSTM classifier step, fused Adam", lstm_step, group="sequences", bar=0.8, options={"fused": True})
LAYERS = {
    "LSTM 40x32x300-100": {"kind": "LSTM", "steps": 40, "batch": 32, "features": 300, "hidden": 100},
    "GRU 40x32x300-100": {"kind": "GRU", "steps": 40, "batch": 32, "features": 300, "hidden": 100},
    "RNN 40x32x300-100": {"kind": "RNN", "steps": 40, "batch": 32, "features": 300, "hidden": 100},
    "LSTM 100x1x64-64": {"kind": "LSTM", "steps": 100, "batch": 1, "features": 64, "hidden": 64},
    "LSTM 50x8x512-512": {"kind": "LSTM", "steps": 50, "batch": 8, "features": 512, "hidden": 512},
    "LSTM of 2 layers both ways 50x64x256-256": {"kind": "LSTM", "steps": 50, "batch": 64, "features": 256,
                                                  "hidden": 256, "num_layers": 2, "bidirectional": True},
}
for name, options in LAYERS.items():
    add(f"{name} forward+backward", recurrent, group="sequences", bar=1.0, options=options)


def encoder_step(xp, layers, size, heads, tokens, batch):
    nn = xp.nn
    layer = nn.TransformerEncoderLayer(size, heads, 4 * size, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
    optimizer = xp.optim.SGD(model.parameters(), lr=0.01)
    x, target = xp.randn(batch, tokens, size), xp.randn(batch, tokens, size)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def encoder_inference(xp, layers, size, heads, tokens, batch):
    nn = xp.nn
    layer = nn.TransformerEncoderLayer(size, heads, 4 * size, activation="gelu", batch_first=True)
    model = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
    words, places = nn.Embedding(30522, size), nn.Embedding(512, size)
    norm, tokens_in = nn.LayerNorm(size), xp.randint(0, 30522, (batch, tokens))

    def infer():
        with xp.no_grad():
            return model(norm(words(tokens_in) + places(xp.arange(tokens))))

    return infer


SMALL = {"layers": 4, "size": 256, "heads": 4, "tokens": 128, "batch": 16}
BERT = {"layers": 12, "size": 768, "heads": 12, "tokens": 128, "batch": 1}
add("Transformer encoder step, 4 layers of 256, 128 tokens, batch 16", encoder_step, group="sequences", bar=0.8,
    options=SMALL)
add("BERT-base-shape inference, 128 tokens, batch 1", encoder_inference, group="sequences", bar=0.8, options=BERT)


def recurrent_inference(xp, kind, steps, batch, features, hidden):
    layer, x = getattr(xp.nn, kind)(features, hidden), xp.randn(steps, batch, features)

    def infer():
        with xp.no_grad():
            return layer(x)[0]

    return infer


def cell_step(xp, kind, batch, features, hidden):
    cell, x = getattr(xp.nn, kind)(features, hidden), xp.randn(batch, features)
    return "cell(x)", {"cell": cell, "x": x}


for kind in ("LSTM", "GRU"):
    for steps, batch, features, hidden in ((40, 32, 300, 100), (100, 1, 64, 64)):
        add(f"{kind} {steps}x{batch}x{features}-{hidden} inference", recurrent_inference, group="sequences", bar=0.8,
            options={"kind": kind, "steps": steps, "batch": batch, "features": features, "hidden": hidden})
    add(f"{kind}Cell 32x64-64, recorded", cell_step, group="sequences", bar=0.8,
        options={"kind": f"{kind}Cell", "batch": 32, "features": 64, "hidden": 64})
