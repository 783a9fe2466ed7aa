"""Recurrent layers and cells."""
import math
import numbers
import warnings

from rushlight.functional._core import Tensor, core
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_FUNCTIONS = {"RNN_TANH": core.rnn_tanh, "RNN_RELU": core.rnn_relu, "LSTM": core.lstm, "GRU": core.gru}


def _unknown(speaker, mode):
    return f"{speaker}: mode={mode!r} is unknown; expected one of {', '.join(_GATES)}"


def _check_number(speaker, name, value, kind):
    if not isinstance(value, kind):
        raise TypeError(f"{speaker}: {name}={value!r} is of type {type(value).__name__}; expected {kind.__name__}")


class RNNBase(Module):
    """What recurrent layers share: parameters of each layer and direction, checks, packed input.

    Args:
        mode (str): "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype: see
            `LSTM`.

    Example:
        >>> import rushlight as rl
        >>> [name for name, _ in rl.nn.RNNBase("GRU", 2, 3).named_parameters()]
        ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
    """

    __constants__ = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
                     "bidirectional", "proj_size"]

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None):
        super().__init__()
        self._check_arguments(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        gates, state, made = _GATES[mode] * hidden_size, proj_size or hidden_size, {"device": device, "dtype": dtype}
        self._all_weights = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else state * (1 + bidirectional)
            for direction in range(1 + bidirectional):
                shapes = {"weight_ih": (gates, features), "weight_hh": (gates, state)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                suffix = f"_l{layer}" + "_reverse" * direction
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(core.empty(shape, **made)))
                self._all_weights.append([name + suffix for name in shapes])
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self.reset_parameters()

    def _check_arguments(self, mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size):
        speaker = type(self).__name__
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{speaker}: dropout={dropout!r}: dropout should be a number in range [0, 1], the "
                             "probability of an element being zeroed")
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"dropout={dropout} has no effect with num_layers=1: it stands between layers", stacklevel=4)
        _check_number(speaker, "bias", bias, bool)
        _check_number(speaker, "batch_first", batch_first, bool)
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
            _check_number(speaker, name, value, int)
            if value <= 0:
                raise ValueError(f"{speaker}: {name}={value}: {name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError(f"{speaker}: num_layers={num_layers}: num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError(f"{speaker}: proj_size={proj_size}: proj_size should be a positive integer or zero")
        if proj_size >= hidden_size:
            raise ValueError(f"{speaker}: proj_size={proj_size}: proj_size has to be smaller than "
                             f"hidden_size={hidden_size}")
        if mode not in _GATES:
            raise ValueError(_unknown(speaker, mode))

    def flatten_parameters(self):
        """Accepted: parameters may lie where they like."""

    def reset_parameters(self):
        """Draw new values: all uniform within 1 / sqrt(hidden_size) of zero."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self):
        """The parameters, by layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self):
        return [getattr(self, name) for name in self._flat_weights_names]

    def check_input(self, input, batch_sizes):
        """Raise unless dtype and sizes of an input fit."""
        dtype, dims = getattr(self, self._flat_weights_names[0]).dtype, 3 if batch_sizes is None else 2
        if input.dtype != dtype and not core._autocast():
            raise ValueError(f"{type(self).__name__}: RNN input dtype ({input.dtype}) does not match weight dtype "
                             f"({dtype}). Convert input: input.to({dtype}), or convert model: model.to({input.dtype})")
        if input.dim() != dims:
            raise RuntimeError(f"{type(self).__name__}: input must have {dims} dimensions, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{type(self).__name__}: input.size(-1) must be equal to input_size. Expected "
                               f"{self.input_size}, got {input.shape[-1]}")

    def get_expected_hidden_size(self, input, batch_sizes):
        """The shape of the states for an input."""
        batch = input.shape[int(not self.batch_first)] if batch_sizes is None else int(batch_sizes[0])
        return self.num_layers * (1 + self.bidirectional), batch, self.proj_size or self.hidden_size

    def check_hidden_size(self, hx, expected_hidden_size, msg="Expected hidden size {}, got {}"):
        """Raise unless a state has the expected shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(f"{type(self).__name__}: " + msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input, hidden, batch_sizes):
        """Raise unless input and states fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation):
        """The states of a batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _zeros(self, input, batch_sizes):
        return core.zeros(self.get_expected_hidden_size(input, batch_sizes), dtype=input.dtype)

    def _check_dims(self, input, hx):
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        if hx is not None and hx.dim() != input.dim():
            kind = "batched 3-D" if input.dim() == 3 else "unbatched 2-D"
            raise RuntimeError(f"{type(self).__name__}: For {kind} input, hx should also be {input.dim()}-D but got "
                               f"{hx.dim()}-D tensor")

    @staticmethod
    def _of_each(hx, function):
        """`function` of a state, or of state and cell."""
        return tuple(map(function, hx)) if isinstance(hx, (tuple, list)) else function(hx)

    def _function(self):
        if self.mode not in _FUNCTIONS:
            raise AssertionError(_unknown(type(self).__name__, self.mode))
        return _FUNCTIONS[self.mode]

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_dims(input, hx)
        single, batch_dim = input.dim() == 2, int(not self.batch_first)
        if single:
            input = input.unsqueeze(batch_dim)
            hx = None if hx is None else self._of_each(hx, lambda state: state.unsqueeze(1))
        if hx is None:
            self.check_input(input, None)
            hx = self._zeros(input, None)
        self.check_forward_args(input, hx, None)
        output, *last = self._function()(input, hx, self._flat_weights, self.bias, self.num_layers, self.dropout,
                                         self.training, self.bidirectional, self.batch_first)
        hidden = last[0] if len(last) == 1 else tuple(last)
        if single:
            output, hidden = output.squeeze(batch_dim), self._of_each(hidden, lambda state: state.squeeze(1))
        return output, hidden

    def _forward_packed(self, input, hx):
        data, batch_sizes, order, original = input
        if hx is None:
            self.check_input(data, batch_sizes)
            hx = self._zeros(data, batch_sizes)
        else:
            hx = self.permute_hidden(hx, order)
        self.check_forward_args(data, hx, batch_sizes)
        output, *last = self._function()(data, batch_sizes, hx, self._flat_weights, self.bias, self.num_layers,
                                         self.dropout, self.training, self.bidirectional)
        hidden = last[0] if len(last) == 1 else tuple(last)
        return PackedSequence(output, batch_sizes, order, original), self.permute_hidden(hidden, original)

    def extra_repr(self):
        shown = f"{self.input_size}, {self.hidden_size}"
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
                    "bidirectional": False}
        for name, default in defaults.items():
            value = getattr(self, name)
            shown += "" if value == default else f", {name}={value}"
        return shown

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)          # layers saved by old versions of PyTorch


class RNN(RNNBase):
    """Layers with h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or ReLU.

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of the state.
        num_layers (int): the outputs of one are the input of the next. Default: 1.
        nonlinearity (str): "tanh" or "relu". Default: "tanh".
        bias (bool): learn biases. Default: True.
        batch_first (bool): input and output are (batch, steps, features). Default: False.
        dropout (float): probability that an element between two layers is zeroed in training. Default: 0.
        bidirectional (bool): a second set of layers goes from the last step to the first. Default: False.
        device, dtype: where and how the parameters are made.

    Shape:
        Input (steps, batch, input_size), (steps, input_size) for one sequence, or a `PackedSequence`; first states
        (num_layers * directions, batch, hidden_size), zeros by default. Output (steps, batch, directions *
        hidden_size), and the last states.

    Example:
        >>> import rushlight as rl
        >>> output, last = rl.nn.RNN(10, 20, 2)(rl.zeros(5, 3, 10))
        >>> output.shape, last.shape
        (rushlight.Size([5, 3, 20]), rushlight.Size([2, 3, 20]))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError(f"{type(self).__name__}: proj_size argument is only supported for LSTM, not RNN or GRU")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_" + nonlinearity.upper(), input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: layers whose cells c' = f c + i g are guarded by gates i, f and o; h' = o tanh(c').

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of the cell.
        num_layers (int): the outputs of one are the input of the next. Default: 1.
        bias (bool): learn biases. Default: True.
        batch_first (bool): input and output are (batch, steps, features). Default: False.
        dropout (float): probability that an element between two layers is zeroed in training. Default: 0.
        bidirectional (bool): a second set of layers goes from the last step to the first. Default: False.
        proj_size (int): the state is a projection to this size, less than hidden_size. Default: 0, none.
        device, dtype: where and how the parameters are made.

    Shape:
        Input (steps, batch, input_size), (steps, input_size) for one sequence, or a `PackedSequence`; first states and
        cells, (num_layers * directions, batch, hidden_size) each, zeros by default. Output (steps, batch, directions *
        hidden_size), and the last states and cells.

    Example:
        >>> import rushlight as rl
        >>> output, (state, cell) = rl.nn.LSTM(10, 20, bidirectional=True)(rl.zeros(5, 3, 10))
        >>> output.shape, cell.shape
        (rushlight.Size([5, 3, 40]), rushlight.Size([2, 3, 20]))
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input, batch_sizes):
        """The shape of the cells for an input."""
        return *self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size

    def check_forward_args(self, input, hidden, batch_sizes):
        """Raise unless input, states and cells fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden[0], self.get_expected_hidden_size(input, batch_sizes),
                               "Expected hidden[0] size {}, got {}")
        self.check_hidden_size(hidden[1], self.get_expected_cell_size(input, batch_sizes),
                               "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx, permutation):
        """The states and cells of a batch in another order."""
        return hx if permutation is None else tuple(state.index_select(1, permutation) for state in hx)

    def _zeros(self, input, batch_sizes):
        return (super()._zeros(input, batch_sizes),
                core.zeros(self.get_expected_cell_size(input, batch_sizes), dtype=input.dtype))

    @staticmethod
    def _check_pair(hx):
        if isinstance(hx, Tensor):
            raise TypeError(f"LSTM: hx is a Tensor of shape {tuple(hx.shape)}; expected a tuple of states and cells")

    def _forward_packed(self, input, hx):
        self._check_pair(hx)
        return super()._forward_packed(input, hx)

    def _check_dims(self, input, hx):
        super()._check_dims(input, None)
        self._check_pair(hx)
        if hx is not None and any(state.dim() != input.dim() for state in hx):
            kind = "batched 3-D" if input.dim() == 3 else "unbatched 2-D"
            raise RuntimeError(f"LSTM: For {kind} input, hx and cx should also be {input.dim()}-D but got "
                               f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors")


class GRU(RNNBase):
    """Gated recurrent units: h' = (1 - z) n + z h, with n = tanh(W x + b + r (U h + d)) and gates r and z.

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of the state.
        num_layers, bias, batch_first, dropout, bidirectional, device, dtype: see `LSTM`.

    Shape:
        Input (steps, batch, input_size), (steps, input_size) for one sequence, or a `PackedSequence`; first states
        (num_layers * directions, batch, hidden_size), zeros by default. Output (steps, batch, directions *
        hidden_size), and the last states.

    Example:
        >>> import rushlight as rl
        >>> output, last = rl.nn.GRU(10, 20, batch_first=True)(rl.zeros(3, 5, 10))
        >>> output.shape, last.shape
        (rushlight.Size([3, 5, 20]), rushlight.Size([1, 3, 20]))
    """

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError(f"{type(self).__name__}: proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the cells share: their parameters.

    Args:
        input_size, hidden_size, bias, device, dtype: see `LSTMCell`.
        num_chunks (int): gates.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.RNNCellBase(2, 3, True, 4).weight_ih.shape
        rushlight.Size([12, 2])
    """

    __constants__ = ["input_size", "hidden_size", "bias"]

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        made, gates = {"device": device, "dtype": dtype}, num_chunks * hidden_size
        self.weight_ih = Parameter(core.empty((gates, input_size), **made))
        self.weight_hh = Parameter(core.empty((gates, hidden_size), **made))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(core.empty(gates, **made)) if bias else None)
        self.reset_parameters()

    def extra_repr(self):
        shown = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        plain = getattr(self, "nonlinearity", "tanh") == "tanh"
        return shown if plain else f"{shown}, nonlinearity={self.nonlinearity}"

    def reset_parameters(self):
        """Draw new values: all uniform within 1 / sqrt(hidden_size) of zero."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _check(self, input, **states):
        for what, x in (("input", input), *states.items()):
            if x is not None and x.dim() not in (1, 2):
                raise ValueError(f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {x.dim()}D instead")

    def _zeros(self, input):
        return core.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype)

    def _step(self, function, input, hx):
        single = input.dim() == 1
        if single:
            input, hx = input.unsqueeze(0), RNNBase._of_each(hx, lambda state: state.unsqueeze(0))
        found = function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return RNNBase._of_each(found, lambda x: x.squeeze(0)) if single else found


class RNNCell(RNNCellBase):
    """One step of an `RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or ReLU.

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of the state.
        bias (bool): learn biases. Default: True.
        nonlinearity (str): "tanh" or "relu". Default: "tanh".
        device, dtype: where and how the parameters are made.

    Shape:
        Input (batch, input_size) and state (batch, hidden_size), zeros by default, or both without batch; to the new
        state.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.RNNCell(10, 20)(rl.zeros(3, 10)).shape
        rushlight.Size([3, 20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        self._check(input, hx=hx)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}")
        function = core.rnn_tanh_cell if self.nonlinearity == "tanh" else core.rnn_relu_cell
        return self._step(function, input, self._zeros(input) if hx is None else hx)


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`.

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of state and cell.
        bias (bool): learn biases. Default: True.
        device, dtype: where and how the parameters are made.

    Shape:
        Input (batch, input_size), state and cell (batch, hidden_size), zeros by default, or all without batch; to the
        new state and cell.

    Example:
        >>> import rushlight as rl
        >>> state, cell = rl.nn.LSTMCell(10, 20)(rl.zeros(3, 10))
        >>> cell.shape
        rushlight.Size([3, 20])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        hx = (self._zeros(input),) * 2 if hx is None else hx
        if not isinstance(hx, (tuple, list)) or not all(isinstance(x, Tensor) for x in hx):
            raise TypeError(f"LSTMCell: hx is a {type(hx).__name__}; expected a tuple of a state and a cell, both "
                            "Tensors")
        self._check(input, **{f"hx[{i}]": x for i, x in enumerate(hx)})
        return self._step(core.lstm_cell, input, hx)


class GRUCell(RNNCellBase):
    """One step of a `GRU`.

    Args:
        input_size (int): features of the input.
        hidden_size (int): features of the state.
        bias (bool): learn biases. Default: True.
        device, dtype: where and how the parameters are made.

    Shape:
        Input (batch, input_size) and state (batch, hidden_size), zeros by default, or both without batch; to the new
        state.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.GRUCell(10, 20)(rl.zeros(3, 10)).shape
        rushlight.Size([3, 20])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        self._check(input, hx=hx)
        return self._step(core.gru_cell, input, self._zeros(input) if hx is None else hx)
