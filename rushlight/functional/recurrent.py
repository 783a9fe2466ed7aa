"""Recurrent layers and their cells (Elman, 1990; Hochreiter and Schmidhuber, 1997; Cho et al., 2014)."""
from rushlight.functional._composite import composite
from rushlight.functional._core import Tensor, core, native

_recurrence = core._groups["_ops"]["recurrence"]
_WIDE = (core.float32, core.float64)


def _stepwise(mode, gates, h, c, weight, bias, reverse=False, batch_sizes=None, promotes=False):
    """The steps of one layer in one direction: (output, h_n, c_n). With `promotes` they keep the state's precision,
    which autocast has not lowered.
    """
    given = [gates, h, c, weight, bias]
    narrow = gates.dtype not in _WIDE
    if narrow:
        given = [None if x is None else x.to(core.float32) for x in given]
    save = core.is_grad_enabled() and any(x is not None and x.requires_grad for x in given)
    found = _recurrence(*given, mode, reverse, batch_sizes, save)[:3]
    if not narrow or (promotes and h.dtype in _WIDE):
        return found
    return [x.to(gates.dtype) for x in found]


def _projected(gates, h, c, weight, projection, reverse, batch_sizes):
    """An LSTM's steps whose state is a projection of what leaves the gates."""
    packed = batch_sizes is not None
    steps = list(gates.split(batch_sizes) if packed else gates.unbind(0))
    outputs = []
    for step in reversed(steps) if reverse else steps:
        count = step.shape[0]
        i, f, g, o = (step + native.linear(h[:count], weight)).chunk(4, -1)
        cell = f.sigmoid() * c[:count] + i.sigmoid() * g.tanh()
        output = native.linear(o.sigmoid() * cell.tanh(), projection)
        outputs.append(output)
        h, c = ((new if count == old.shape[0] else core.cat([new, old[count:]]))
                for new, old in ((output, h), (cell, c)))
    if reverse:
        outputs.reverse()
    return (core.cat(outputs) if packed else core.stack(outputs)), h, c


def _layer(mode, x, states, weights, has_biases, reverse, batch_sizes, batch_first):
    """One layer in one direction. The input's part of all steps' gates is one product."""
    w_ih, w_hh, *rest = weights
    b_ih, b_hh = rest[:2] if has_biases else (None, None)
    if mode != "gru":                               # whose second bias stands behind a gate
        b_ih, b_hh = b_ih if b_hh is None else b_ih + b_hh, None
    # With batch_first, x is a view of memory in that order.
    gates = native.linear(x.transpose(0, 1) if batch_first else x, w_ih, b_ih)
    gates = gates.transpose(0, 1) if batch_first else gates
    h, c = states
    if len(rest) % 2:
        return _projected(gates, h, c, w_hh, rest[-1], reverse, batch_sizes)
    return _stepwise(mode, gates, h, c, w_hh, b_hh, reverse, batch_sizes, mode == "gru")


def _layers(mode, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first,
            batch_sizes=None):
    name = "rnn_" + mode if mode in ("tanh", "relu") else mode
    x = input.transpose(0, 1) if batch_first else input
    directions = 2 if bidirectional else 1
    if num_layers < 1:
        raise RuntimeError(f"{name}: num_layers={num_layers}; expected at least 1")
    states = [list(s.unbind(0)) for s in hx] + [[None] * (num_layers * directions)] * (2 - len(hx))
    each = len(params) // (num_layers * directions)
    if each * num_layers * directions != len(params) or each < 2 + 2 * has_biases:
        raise RuntimeError(f"{name}: params holds {len(params)} tensors; expected as many for each of {num_layers} "
                           f"layers and {directions} directions")
    for s in states[:len(hx)]:
        if len(s) != num_layers * directions:
            raise RuntimeError(f"{name}: hx holds states of {len(s)} layers and directions; expected "
                               f"{num_layers * directions}")
    if batch_sizes is not None:
        batch_sizes = batch_sizes.tolist()
    elif x.shape[0] == 0:
        raise RuntimeError(f"{name}: input has shape {tuple(input.shape)}; expected at least one step")
    last = [[], []]
    for layer in range(num_layers):
        outputs = []
        for at in range(layer * directions, (layer + 1) * directions):
            out, *ends = _layer(mode, x, (states[0][at], states[1][at]), params[at * each:(at + 1) * each], has_biases,
                                at % directions == 1, batch_sizes, batch_first)
            outputs.append(out)
            for where, end in zip(last, ends, strict=True):
                where.append(end)
        x = outputs[0] if directions == 1 else core.cat(outputs, -1)
        if train and dropout > 0 and layer < num_layers - 1:
            # Contiguous, so that the random stream meets step after step.
            x = native.dropout(x.contiguous(), dropout, True)
    if batch_first:
        x = x.transpose(0, 1)
    return (x, *(core.stack(states) for states in last[:len(hx)]))


def _is_packed(hx, third):
    return isinstance(hx, Tensor) and isinstance(third, Tensor)


def _bound(mode, input, args, named):
    """Both forms of PyTorch's functions: (input, hx, params, ...) and (data, batch_sizes, hx, params, ...)."""
    names = ["hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional"]
    packed = "batch_sizes" in named or (len(args) > 1 and (_is_packed(*args[:2]) or (
        isinstance(args[0], Tensor) and isinstance(args[1], (tuple, list)) and len(args) > 2
        and isinstance(args[2], (tuple, list)))))
    names = ["batch_sizes", *names] if packed else [*names, "batch_first"]
    given = dict(zip(names, args, strict=False)) | named
    name = "rnn_" + mode if mode in ("tanh", "relu") else mode
    if len(args) > len(names) or set(given) != set(names):
        raise TypeError(f"{name}: got {len(args)} arguments after input{''.join(', ' + n for n in named)}; expected "
                        f"{', '.join(names)}")
    hx = given["hx"]
    hx = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    if len(hx) != (2 if mode == "lstm" else 1):
        raise RuntimeError(f"{name}: hx holds {len(hx)} tensors; expected {'h_0 and c_0' if mode == 'lstm' else 'one'}")
    return _layers(mode, input, hx, list(given["params"]), given["has_biases"], given["num_layers"], given["dropout"],
                   given["train"], given["bidirectional"], given.get("batch_first", False), given.get("batch_sizes"))


@composite("lstm")
def lstm(input, *args, **named):
    """The layers of an LSTM: what `nn.LSTM` computes.

    Args:
        input (Tensor): (steps, batch, features), with `batch_first` (batch, steps, features); or the data of a
            `PackedSequence`, followed by its `batch_sizes`.
        hx (tuple of Tensor): the first states and cells, (layers * directions, batch, hidden).
        params (list of Tensor): of each layer and direction: the input's weights and the state's, their biases where
            `has_biases`, the projection where there is one.
        has_biases (bool), num_layers (int), dropout (float), train (bool), bidirectional (bool), batch_first (bool):
            see `nn.LSTM`; no `batch_first` for packed data.

    Returns:
        tuple: the output, the last states, the last cells.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> h, w = rl.zeros(1, 1, 2), rl.zeros(8, 2)
        >>> out, _, _ = rl.lstm(rl.zeros(3, 1, 2), (h, h), [w, w], False, 1, 0.0, False, False, False)
        >>> out.shape
        rushlight.Size([3, 1, 2])
    """
    return _bound("lstm", input, args, named)


@composite("gru")
def gru(input, *args, **named):
    """The layers of a GRU: what `nn.GRU` computes.

    Args:
        input (Tensor): see `lstm`.
        hx (Tensor): the first states, (layers * directions, batch, hidden).
        params, has_biases, num_layers, dropout, train, bidirectional, batch_first: see `lstm`.

    Returns:
        tuple: the output and the last states.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> w = rl.zeros(6, 2)
        >>> out, _ = rl.gru(rl.zeros(3, 1, 2), rl.zeros(1, 1, 2), [w, w], False, 1, 0.0, False, False, False)
        >>> out.shape
        rushlight.Size([3, 1, 2])
    """
    return _bound("gru", input, args, named)


@composite("rnn_tanh")
def rnn_tanh(input, *args, **named):
    """The layers of a plain recurrent network with tanh: what `nn.RNN` computes.

    Args:
        input (Tensor): see `lstm`.
        hx (Tensor): the first states, (layers * directions, batch, hidden).
        params, has_biases, num_layers, dropout, train, bidirectional, batch_first: see `lstm`.

    Returns:
        tuple: the output and the last states.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> w = rl.eye(2)
        >>> rl.rnn_tanh(rl.zeros(3, 1, 2), rl.zeros(1, 1, 2), [w, w], False, 1, 0.0, False, False, False)[0].shape
        rushlight.Size([3, 1, 2])
    """
    return _bound("tanh", input, args, named)


@composite("rnn_relu")
def rnn_relu(input, *args, **named):
    """The layers of a plain recurrent network with ReLU: what `nn.RNN(nonlinearity="relu")` computes.

    Args:
        input (Tensor): see `lstm`.
        hx (Tensor): the first states, (layers * directions, batch, hidden).
        params, has_biases, num_layers, dropout, train, bidirectional, batch_first: see `lstm`.

    Returns:
        tuple: the output and the last states.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> w = rl.eye(1)
        >>> rl.rnn_relu(rl.ones(3, 1, 1), rl.zeros(1, 1, 1), [w, w], False, 1, 0.0, False, False, False)[0].flatten()
        tensor([1., 2., 3.])
    """
    return _bound("relu", input, args, named)


def _cell(mode, input, h, c, w_ih, w_hh, b_ih, b_hh):
    if mode != "gru" and b_ih is not None and b_hh is not None:
        b_ih, b_hh = b_ih + b_hh, None
    elif mode != "gru":
        b_ih, b_hh = b_hh if b_ih is None else b_ih, None
    name = mode + "_cell" if mode in ("gru", "lstm") else f"rnn_{mode}_cell"
    if input.dim() != 2 or input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"{name}: input has shape {tuple(input.shape)}; expected (batch, {w_ih.shape[1]})")
    if h.dim() != 2 or h.shape[1] != w_hh.shape[1] or h.shape[0] != input.shape[0]:
        raise RuntimeError(f"{name}: hx has shape {tuple(h.shape)} for input of shape {tuple(input.shape)}; expected "
                           f"{(input.shape[0], w_hh.shape[1])}")
    gates = native.linear(input, w_ih, b_ih).unsqueeze(0)
    return _stepwise(mode, gates, h, c, w_hh, b_hh, promotes=mode in ("gru", "lstm"))[1:]


@composite("lstm_cell")
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of an LSTM: what `nn.LSTMCell` computes.

    Args:
        input (Tensor): (batch, features).
        hx (tuple of Tensor): state and cell, (batch, hidden).
        w_ih, w_hh (Tensor): (4 hidden, features) and (4 hidden, hidden): input, forget, cell and output gate.
        b_ih, b_hh (Tensor, optional): (4 hidden).

    Returns:
        tuple: the new state and cell.

    Raises:
        RuntimeError: sizes do not fit, or `hx` holds more or fewer than two.
        TypeError: `hx` is no tuple of tensors.

    Example:
        >>> import rushlight as rl
        >>> h, w = rl.zeros(1, 2), rl.zeros(8, 2)
        >>> rl.lstm_cell(h, (h, h), w, w)[0]
        tensor([[0., 0.]])
    """
    if not isinstance(hx, (tuple, list)) or not all(isinstance(x, Tensor) for x in hx):
        raise TypeError(f"lstm_cell: hx is a {type(hx).__name__}; expected a tuple of a state and a cell, both Tensors")
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell: hx holds {len(hx)} tensors; expected state and cell")
    return tuple(_cell("lstm", input, *hx, w_ih, w_hh, b_ih, b_hh))


@composite("gru_cell")
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a GRU: what `nn.GRUCell` computes.

    Args:
        input (Tensor): (batch, features).
        hx (Tensor): the state, (batch, hidden).
        w_ih, w_hh (Tensor): (3 hidden, features) and (3 hidden, hidden): reset, update and new gate.
        b_ih, b_hh (Tensor, optional): (3 hidden).

    Returns:
        Tensor: the new state.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> h, w = rl.ones(1, 2), rl.zeros(6, 2)
        >>> rl.gru_cell(h, h, w, w)
        tensor([[0.5000, 0.5000]])
    """
    return _cell("gru", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


@composite("rnn_tanh_cell")
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a plain recurrent network: tanh(input @ w_ih^T + b_ih + hx @ w_hh^T + b_hh).

    Args:
        input (Tensor): (batch, features).
        hx (Tensor): the state, (batch, hidden).
        w_ih, w_hh (Tensor): (hidden, features) and (hidden, hidden).
        b_ih, b_hh (Tensor, optional): (hidden).

    Returns:
        Tensor: the new state.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.rnn_tanh_cell(rl.zeros(1, 2), rl.zeros(1, 2), rl.eye(2), rl.eye(2))
        tensor([[0., 0.]])
    """
    return _cell("tanh", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


@composite("rnn_relu_cell")
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a plain recurrent network: relu(input @ w_ih^T + b_ih + hx @ w_hh^T + b_hh).

    Args:
        input (Tensor): (batch, features).
        hx (Tensor): the state, (batch, hidden).
        w_ih, w_hh (Tensor): (hidden, features) and (hidden, hidden).
        b_ih, b_hh (Tensor, optional): (hidden).

    Returns:
        Tensor: the new state.

    Raises:
        RuntimeError: sizes do not fit.

    Example:
        >>> import rushlight as rl
        >>> rl.rnn_relu_cell(rl.ones(1, 2), rl.ones(1, 2), rl.eye(2), rl.eye(2))
        tensor([[2., 2.]])
    """
    return _cell("relu", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]
