"""The samples of the operator records, as calls that tests can make."""
import numpy as np

import rushlight as rl

RECORDS = {record["id"]: record for record in rl._C.operators()}
BY_ID = {op: rl._C.operator(op) for op in RECORDS}
_NAMES = {name: value for name, value in vars(rl).items()
          if (callable(value) or isinstance(value, rl.dtype)) and not name.startswith("_")}


def expressions(record):
    """The sample calls of a record as Python expressions over T, I and the operators."""
    op, text = record["id"], record["samples"]
    needed = [p["type"] for p in record["params"] if not p["has_default"]]
    tensors = sum(kind.startswith("Tensor") for kind in needed)
    if record["no_onnx"] == "a gradient" and record["kind"] == "pointwise" and text is None:
        # It takes what its forward took and gave, which is broadcast already, and the numbers of its forward.
        return [f"{op}({', '.join(['T(3, 4)'] * tensors + ['1'] * (len(needed) - tensors))})"]
    if record["kind"] == "pointwise" and text is None:
        return [
            f"{op}({', '.join(['T(3, 4)'] * tensors)})",
            f"{op}({', '.join(['T(2, 3, 4)', 'T(3, 1)', 'T(1, 4)'][:tensors])})",
        ]
    if text is None:
        return []
    calls = [call.strip() for call in text.split(";")]
    return [f"(lambda x, y: {op}{call})(T(3, 4), T(3, 4))" if call.startswith("(") else call for call in calls]


class Maker:
    """T(shape) and I(shape, high=n) for one expression: the same values each time, in the operator's domain."""

    def __init__(self, record, dtype=None):
        self.random = np.random.default_rng(7)
        self.low, self.high = record["domain"]
        self.dtype = rl.float64 if dtype is None else dtype

    def T(self, *shape):
        values = self.random.uniform(self.low, self.high, shape)
        if not self.dtype.is_floating_point:
            values = np.rint(values) if self.low < 0 else np.ceil(values)
        return rl.tensor(values.tolist() if shape else float(values), dtype=self.dtype).reshape(shape)

    def I(self, *shape, high):  # noqa: E743
        return rl.tensor(self.random.integers(0, high, shape).tolist()).reshape(shape)


def evaluate(expression, maker, names=None):
    """The value of a sample expression with the tensors of `maker`."""
    scope = {**_NAMES, **BY_ID, "T": maker.T, "I": maker.I, "inf": float("inf"), "tensor": rl.tensor, **(names or {})}
    return eval(expression, {"__builtins__": {}, **scope})


def tensors_of(value):
    """The tensors of a result, flat."""
    if isinstance(value, rl.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in tensors_of(item)]
    return []
