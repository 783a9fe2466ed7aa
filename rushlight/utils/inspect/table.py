"""A model as a table: its layers, what comes out of each, and how many parameters it has."""
import contextlib

from rushlight import _C
from rushlight.autograd.grad_mode import no_grad


@contextlib.contextmanager
def evaluating(model):
    """In the block the model is in evaluation mode; afterwards every module is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes:
            module.training = mode


def tensors_in(value):
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, _C.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for one in value for tensor in tensors_in(one)]


class _Row:
    """One call of a layer: `name`, `kind`, `shapes` of its results, `parameters`, `trainable`, `bytes`."""

    def __init__(self, name, kind, results, parameters):
        self.name, self.kind = name, kind
        self.shapes = [tuple(tensor.shape) for tensor in results]
        self.batch_dims = [0] * len(results)
        self.bytes = [tensor.nbytes for tensor in results]
        self.parameters = sum(p.numel() for p in parameters)
        self.trainable = sum(p.numel() for p in parameters if p.requires_grad)

    def compare(self, other):
        """Finds the dimensions that follow the batch, from the same call with another batch size."""
        for i, (shape, grown) in enumerate(zip(self.shapes, other.shapes)):
            differs = [dim for dim, (a, b) in enumerate(zip(shape, grown)) if a != b]
            self.batch_dims[i] = differs[0] if differs else None

    @property
    def bytes_of_one(self):
        """What one example's results take."""
        return sum(size // max(shape[dim], 1) if dim is not None and shape else size
                   for size, shape, dim in zip(self.bytes, self.shapes, self.batch_dims))

    @property
    def shape_text(self):
        if not self.shapes:
            return "not called"
        texts = [str(tuple("None" if i == dim else n for i, n in enumerate(shape))).replace("'", "")
                 for shape, dim in zip(self.shapes, self.batch_dims)]
        return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


class ModelSummary:
    """What `summary` found. `str()` of it is the table.

    Attributes: `rows` (one for each call of a layer: `name`, `kind`, `shapes`, `parameters`, `trainable`),
    `total_params`, `trainable_params`, `non_trainable_params`, and in bytes `input_size`, `output_size` (of all
    layers' results), `params_size`.
    """

    def __init__(self, title, rows, parameters, inputs):
        self.title, self.rows = title, rows
        self.output_size = sum(row.bytes_of_one for row in rows)
        self.total_params = sum(p.numel() for p in parameters)
        self.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
        self.non_trainable_params = self.total_params - self.trainable_params
        self.params_size = sum(p.nbytes for p in parameters)
        self.input_size = sum(tensor.nbytes // max(tensor.shape[0], 1) if tensor.dim() else tensor.nbytes
                              for tensor in inputs)

    def __str__(self):
        heads = ("Layer (type)", "Output Shape", "Param #")
        cells = [(f"{row.name} ({row.kind})", row.shape_text, f"{row.parameters:,}") for row in self.rows]
        widths = [max(len(line[i]) for line in [heads, *cells]) + 3 for i in range(3)]
        width = sum(widths)

        def line(texts):
            return " " + "".join(text.ljust(w) for text, w in zip(texts, widths)).rstrip()

        thin, thick = "_" * (width + 1), "=" * (width + 1)
        out = [f'Model: "{self.title}"', thin, line(heads), thick]
        out += [line(texts) for texts in cells]
        out += [thick, f"Total params: {self.total_params:,}", f"Trainable params: {self.trainable_params:,}",
                f"Non-trainable params: {self.non_trainable_params:,}", thin]
        sizes = {"Input size": self.input_size, "Forward/backward pass size": 2 * self.output_size,
                 "Params size": self.params_size}
        sizes["Estimated total size"] = sum(sizes.values())
        out += [f"{name} (MB): {size / 1024**2:.2f}" for name, size in sizes.items()]
        return "\n".join([*out, thin])

    def __repr__(self):
        return f"<ModelSummary of {self.title}: {self.total_params:,} parameters>"


def _inputs(input_size, dtypes, batch):
    if input_size is None:
        raise ValueError("summary: neither input_size nor input_data was given; expected one of them")
    sizes = [input_size] if all(isinstance(n, int) for n in input_size) else list(input_size)
    dtypes = list(dtypes or [_C.get_default_dtype()] * len(sizes))
    if len(dtypes) != len(sizes):
        raise ValueError(f"summary: {len(dtypes)} dtypes for {len(sizes)} inputs; expected as many")
    return tuple([_C.zeros(batch, *size, dtype=dtype) for size, dtype in zip(sizes, dtypes)])


def _run(model, args):
    """A row for each call of a layer, and for each that was not called and whose parameters no other row has."""
    rows, seen, handles = [], set(), []

    def add(name, module, results, recurse):
        own = [p for p in module.parameters(recurse) if id(p) not in seen]
        seen.update(id(p) for p in own)
        rows.append(_Row(name, type(module).__name__, results, own))

    for name, module in model.named_modules():
        has_children = next(module.children(), None) is not None
        if has_children and next(module.parameters(recurse=False), None) is None:
            continue
        handles.append(module.register_forward_hook(
            lambda module, args, output, name=name or type(model).__name__, recurse=not has_children: add(
                name, module, tensors_in(output), recurse)))
    try:
        with evaluating(model), no_grad():
            model(*args)
    finally:
        for handle in handles:
            handle.remove()
    _add_uncalled(model, rows, seen, add)
    return rows


def _add_uncalled(model, rows, seen, add):
    # Some modules read the parameters of those inside without calling them: these count with the one around.
    first = {row.name: row for row in reversed(rows)}
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        around = name
        while around and around not in first:
            around = around.rpartition(".")[0]
        if own and around:
            seen.update(id(p) for p in own)
            first[around].parameters += sum(p.numel() for p in own)
            first[around].trainable += sum(p.numel() for p in own if p.requires_grad)
        elif own:
            add(name or type(model).__name__, module, [], False)


def summary(model, input_size=None, *, input_data=None, dtypes=None, print_table=True):
    """Prints a model's layers as Keras does: output shapes, parameters, totals, sizes for one example.

    The model runs in evaluation mode and without recording gradients, with two batch sizes: dimensions that follow
    it are shown as None. A layer that is called twice stands there twice; its parameters are counted once.

    Args:
        model (Module): the model.
        input_size (tuple or list of tuples): the shape of one example of each input, without the batch dimension.
        input_data (Tensor or tuple, optional): inputs to run instead of zeros of `input_size`.
        dtypes (list of dtype, optional): of the inputs. Default: the default dtype.
        print_table (bool): print the table. Default: True.

    Returns:
        ModelSummary: the numbers; `str()` of it is the table.

    Raises:
        ValueError: no inputs are given, or not as many dtypes as inputs.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.ReLU(), rl.nn.Linear(8, 2))
        >>> found = rl.utils.inspect.summary(model, (4,))
        Model: "Sequential"
        _________________________________________
         Layer (type)   Output Shape   Param #
        =========================================
         0 (Linear)     (None, 8)      40
         1 (ReLU)       (None, 8)      0
         2 (Linear)     (None, 2)      18
        =========================================
        Total params: 58
        Trainable params: 58
        Non-trainable params: 0
        _________________________________________
        Input size (MB): 0.00
        Forward/backward pass size (MB): 0.00
        Params size (MB): 0.00
        Estimated total size (MB): 0.00
        _________________________________________
        >>> found.total_params
        58
    """
    if input_data is not None:
        args = tuple(input_data) if isinstance(input_data, list | tuple) else (input_data,)
        rows = _run(model, args)
    else:
        args = _inputs(input_size, dtypes, 2)
        rows, grown = _run(model, args), _run(model, _inputs(input_size, dtypes, 3))
        for row, other in zip(rows, grown):
            row.compare(other)
    found = ModelSummary(type(model).__name__, rows, list(model.parameters()), args)
    if print_table:
        print(found)
    return found
