"""Layers with int8 weights whose inputs are quantized as they come: floats go in, floats come out."""
import math

from rushlight.functional._core import Tensor, core
from rushlight.nn import functional as F
from rushlight.nn.modules import rnn
from rushlight.nn.modules.module import Module
from rushlight.nn.quantized._modules import weight_scales
from rushlight.nn.quantized._tensor import quantize_weight
from rushlight.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "Linear", "Linear16", "MultiheadAttention", "RNNCell"]

_product = core._groups["_ops"]["dynamic_linear"]


class Linear(Module):
    """`nn.Linear` with an int8 weight: each row of the input becomes int8 by its own largest magnitude.

    Args:
        in_features, out_features (int): sizes of the last dimension.
        bias_ (bool): add a bias. Default: True.

    Shape:
        (..., in_features) to (..., out_features), floating. `weight`: int8; `weight_scale`, `bias`: float32,
        (out_features).

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.dynamic.Linear(3, 2)(rl.ones(5, 3)).shape
        rushlight.Size([5, 2])
    """

    def __init__(self, in_features, out_features, bias_=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", core.zeros((out_features, in_features), dtype=core.int8))
        self.register_buffer("weight_scale", core.ones(out_features))
        self.register_buffer("bias", core.zeros(out_features) if bias_ else None)

    @classmethod
    def from_float(cls, module):
        return cls.from_weight(module.weight, module.bias, module.qconfig.weight())

    @classmethod
    def from_weight(cls, weight, bias, observer):
        made = cls(weight.shape[1], weight.shape[0], bias is not None)
        made.weight_scale = weight_scales(observer, weight.detach())
        made.weight = quantize_weight(weight, made.weight_scale)
        made.bias = None if bias is None else bias.detach().to(core.float32).clone()
        return made

    def forward(self, input):
        return _product(input, self.weight, self.weight_scale, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, dtype={self.weight.dtype}"


class Linear16(Module):
    """`nn.Linear` with a 16-bit weight and 16-bit arithmetic, between floats of any dtype.

    Args:
        in_features, out_features (int): sizes of the last dimension.
        bias_ (bool): add a bias. Default: True.
        dtype (dtype): bfloat16 or float16. Default: bfloat16.

    Shape:
        (..., in_features) to (..., out_features), in the input's dtype.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.quantized.dynamic.Linear16(3, 2)(rl.ones(5, 3)).dtype
        rushlight.float32
    """

    def __init__(self, in_features, out_features, bias_=True, dtype=core.bfloat16):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", core.zeros((out_features, in_features), dtype=dtype))
        self.register_buffer("bias", core.zeros(out_features, dtype=dtype) if bias_ else None)

    @classmethod
    def from_float(cls, module, dtype=core.bfloat16):
        made = cls(module.in_features, module.out_features, module.bias is not None, dtype)
        made.weight = module.weight.detach().to(dtype)
        made.bias = None if module.bias is None else module.bias.detach().to(dtype)
        return made

    def forward(self, input):
        return F.linear(input.to(self.weight.dtype), self.weight, self.bias).to(input.dtype)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, dtype={self.weight.dtype}"


def _lstm_step(given, products, state):
    i, f, g, o = (given + products).chunk(4, -1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def _gru_step(given, products, state):
    (r, z, n), (of_r, of_z, of_n) = given.chunk(3, -1), products.chunk(3, -1)
    n = (n + (r + of_r).sigmoid() * of_n).tanh()
    z = (z + of_z).sigmoid()
    return (n + z * (state[0] - n),)


def _tanh_step(given, products, state):
    return ((given + products).tanh(),)


def _relu_step(given, products, state):
    return ((given + products).relu(),)


_STEPS = {"LSTM": _lstm_step, "GRU": _gru_step, "RNN_TANH": _tanh_step, "RNN_RELU": _relu_step}


class _Recurrent(Module):
    # Subclasses set _like, the float module. Products with the input are formed for all steps at once.

    def __init__(self, module, observer):
        super().__init__()
        self.mode, self.input_size, self.hidden_size = module.mode, module.input_size, module.hidden_size
        self.num_layers, self.batch_first, self.bidirectional = (
            module.num_layers, module.batch_first, module.bidirectional)
        if module.proj_size:
            raise ValueError(f"{type(self).__name__}: proj_size={module.proj_size}; expected 0")
        for layer in range(self.num_layers):
            for suffix in self._suffixes(layer):
                for part in ("ih", "hh"):
                    bias = getattr(module, f"bias_{part}{suffix}", None)
                    weight = getattr(module, f"weight_{part}{suffix}")
                    setattr(self, part + suffix, Linear.from_weight(weight, bias, observer()))

    @classmethod
    def from_float(cls, module):
        return cls(module, module.qconfig.weight)

    def _suffixes(self, layer):
        return [f"_l{layer}", f"_l{layer}_reverse"][:1 + self.bidirectional]

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        single, across = input.dim() == 2, int(self.batch_first and input.dim() == 3)
        x = input.unsqueeze(1) if single else input.transpose(0, 1) if across else input
        x, last = self._layers(x, self._states(x, hx, single), None)
        return self._results(x.squeeze(1) if single else x.transpose(0, 1) if across else x, last, single)

    def _layers(self, x, states, seen):
        """The last layer's outputs, and the last state of each layer and direction."""
        last = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self._suffixes(layer):
                steps, state = self._run(x, [s[len(last)] for s in states], suffix, seen)
                outputs.append(steps)
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else core.cat(outputs, -1)
        return x, last

    def _states(self, x, hx, single=False):
        if hx is None:
            shape = (self.num_layers * (1 + self.bidirectional), x.shape[1], self.hidden_size)
            return [core.zeros(shape, dtype=x.dtype)] * (1 + (self.mode == "LSTM"))
        states = list(hx) if self.mode == "LSTM" else [hx]
        return [s.unsqueeze(1) for s in states] if single else states

    def _results(self, output, last, single=False):
        states = [core.stack([state[k] for state in last]) for k in range(len(last[0]))]
        states = [s.squeeze(1) for s in states] if single else states
        return output, tuple(states) if self.mode == "LSTM" else states[0]

    def _run(self, x, state, suffix, seen):
        """The outputs of all steps, and the last state. `seen` (steps, batch, 1) says which are no padding."""
        given, products = getattr(self, "ih" + suffix)(x), getattr(self, "hh" + suffix)
        step = _STEPS[self.mode]
        outputs: list[Tensor] = []
        order = range(x.shape[0] - 1, -1, -1) if suffix.endswith("reverse") else range(x.shape[0])
        for t in order:
            new = step(given[t], products(state[0]), state)
            state = list(new) if seen is None else [core.where(seen[t], n, s) for n, s in zip(new, state, strict=True)]
            outputs.append(state[0])
        return core.stack(outputs[::-1] if suffix.endswith("reverse") else outputs), state

    def _forward_packed(self, input, hx):
        data, batch_sizes, order, original = input
        x, lengths = pad_packed_sequence(PackedSequence(data, batch_sizes))
        seen = (core.arange(x.shape[0]).unsqueeze(1) < lengths).unsqueeze(-1)
        states = self._states(x, hx)
        if hx is not None and order is not None:
            states = [s.index_select(1, order) for s in states]
        x, last = self._layers(x, states, seen)
        if original is not None:
            last = [[s.index_select(0, original) for s in state] for state in last]
        packed = pack_padded_sequence(x, lengths)
        return self._results(PackedSequence(packed.data, batch_sizes, order, original), last)

    def extra_repr(self):
        given = {"num_layers": self.num_layers}
        given |= {name: True for name in ("batch_first", "bidirectional") if getattr(self, name)}
        return f"{self.input_size}, {self.hidden_size}, " + ", ".join(f"{name}={v}" for name, v in given.items())


def _recurrent(like):
    text = f"""`nn.{like.__name__}` with int8 weights; dropout does nothing.

    Args:
        module (nn.{like.__name__}): the float module; `proj_size` 0.
        observer (callable): makes the observer of a weight.

    Shape:
        As `nn.{like.__name__}`.

    Example:
        >>> import rushlight as rl
        >>> quantized = rl.quantization.quantize_dynamic(rl.nn.Sequential(rl.nn.{like.__name__}(3, 4)))
        >>> quantized(rl.ones(5, 2, 3))[0].shape
        rushlight.Size([5, 2, 4])
    """
    return type(like.__name__, (_Recurrent,), {"__doc__": text, "__module__": __name__})


class _Cell(Module):
    # One step of a recurrent layer.

    def __init__(self, module, observer):
        super().__init__()
        self.mode = {rnn.LSTMCell: "LSTM", rnn.GRUCell: "GRU"}.get(
            type(module), f"RNN_{getattr(module, 'nonlinearity', 'tanh').upper()}")
        self.input_size, self.hidden_size = module.input_size, module.hidden_size
        self.ih = Linear.from_weight(module.weight_ih, module.bias_ih, observer())
        self.hh = Linear.from_weight(module.weight_hh, module.bias_hh, observer())

    @classmethod
    def from_float(cls, module):
        return cls(module, module.qconfig.weight)

    def forward(self, input, hx=None):
        if hx is None:
            hx = [core.zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)] * 2
        state = list(hx) if isinstance(hx, (tuple, list)) else [hx]
        new = _STEPS[self.mode](self.ih(input), self.hh(state[0]), state)
        return new if self.mode == "LSTM" else new[0]

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}"


def _cell(like):
    text = f"""`nn.{like.__name__}` with int8 weights.

    Args:
        module (nn.{like.__name__}): the float module.
        observer (callable): makes the observer of a weight.

    Shape:
        As `nn.{like.__name__}`.

    Example:
        >>> import rushlight as rl
        >>> cell = rl.quantization.quantize_dynamic(rl.nn.{like.__name__}(3, 4))
        >>> type(cell).__module__
        'rushlight.nn.quantized.dynamic'
    """
    return type(like.__name__, (_Cell,), {"__doc__": text, "__module__": __name__})


RNNCell, LSTMCell, GRUCell = (_cell(like) for like in (rnn.RNNCell, rnn.LSTMCell, rnn.GRUCell))
RNN, LSTM, GRU = (_recurrent(like) for like in (rnn.RNN, rnn.LSTM, rnn.GRU))


class MultiheadAttention(Module):
    """`nn.MultiheadAttention` whose projections have int8 weights; scores and their softmax are floats.

    Args:
        module (nn.MultiheadAttention): the float module; without `add_bias_kv` and `add_zero_attn`.
        observer (callable): makes the observer of a weight.

    Shape:
        As `nn.MultiheadAttention`.

    Example:
        >>> import rushlight as rl
        >>> attention = rl.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> quantized = rl.quantization.quantize_dynamic(rl.nn.Sequential(attention))[0]
        >>> x = rl.ones(1, 5, 8)
        >>> quantized(x, x, x)[0].shape
        rushlight.Size([1, 5, 8])
    """

    def __init__(self, module, observer):
        super().__init__()
        if module.bias_k is not None or module.add_zero_attn:
            raise ValueError("MultiheadAttention: add_bias_kv or add_zero_attn; expected neither")
        self.embed_dim, self.num_heads, self.batch_first = module.embed_dim, module.num_heads, module.batch_first
        weights = (module.in_proj_weight.chunk(3) if module.in_proj_weight is not None else
                   (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight))
        biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
        self.q_proj, self.k_proj, self.v_proj = (
            Linear.from_weight(weight, bias, observer()) for weight, bias in zip(weights, biases, strict=True))
        self.out_proj = Linear.from_weight(module.out_proj.weight, module.out_proj.bias, observer())

    @classmethod
    def from_float(cls, module):
        return cls(module, module.qconfig.weight)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        single, rows_first = query.dim() == 2, self.batch_first and query.dim() == 3
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        if single:
            q, k, v = q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not rows_first:
            q, k, v = q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
        mask = self._mask(attn_mask, key_padding_mask, q)
        if need_weights:
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            out, weights = F.scaled_dot_product_attention(q, k, v, mask), None
        out = self.out_proj(out.transpose(1, 2).flatten(2))
        if single:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return out if rows_first else out.transpose(0, 1), weights

    def _mask(self, attn_mask, key_padding_mask, q):
        """Both masks as one that is added to the scores, or None."""
        total = None
        if attn_mask is not None:
            total = _added(attn_mask, q.dtype)
            total = total if total.dim() == 2 else total.unflatten(0, (q.shape[0], self.num_heads))
        if key_padding_mask is not None:
            padding = _added(key_padding_mask, q.dtype)[:, None, None, :]
            total = padding if total is None else total + padding
        return total

    def extra_repr(self):
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"


def _added(mask, dtype):
    if mask.dtype != core.bool:
        return mask.to(dtype)
    return core.zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf)
