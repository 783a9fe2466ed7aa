"""Transformers (Vaswani et al., 2017)."""
import copy

from rushlight.functional._core import core
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.attention import MultiheadAttention
from rushlight.nn.modules.container import ModuleList
from rushlight.nn.modules.dropout import Dropout
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.normalization import LayerNorm

__all__ = ["Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
           "TransformerEncoderLayer"]


def _activation(given):
    if not isinstance(given, str):
        return given
    if given not in ("relu", "gelu"):
        raise RuntimeError(f"activation={given!r}: activation should be relu/gelu")
    return getattr(F, given)


def _copies(layer, count):
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _causal_mask(size, device=None, dtype=None):
    return core.full((size, size), float("-inf"), dtype=dtype, device=device).triu(1)


def _is_causal(mask, given, length):
    """Whether a mask is the causal one: as given, otherwise by its values."""
    if given is not None or mask is None:
        return bool(given)
    if tuple(mask.shape) != (length, length):
        return False
    return bool((mask == _causal_mask(length).to(mask.dtype).to(mask.device)).all())


def _floating_mask(mask, name, dtype):
    """A mask that is added to the scores."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype != core.bool:
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    return core.zeros(mask.shape, dtype=dtype).masked_fill(mask, float("-inf"))


class _Layer(Module):
    """What encoder and decoder layers share: self-attention and the order of the norms."""

    __constants__ = ["norm_first"]

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        x = self.self_attn(x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal,
                           need_weights=False)[0]
        return self.dropout1(x)

    def _add(self, x, norm, block, *args):
        """x + block, normalised before or after."""
        return x + block(norm(x), *args) if self.norm_first else norm(x + block(x, *args))

    def __setstate__(self, state):
        state.setdefault("activation", F.relu)                 # layers saved by old versions of PyTorch
        super().__setstate__(state)


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a network of two linear layers, each added to its input and normalised.

    Args:
        d_model (int): features of input and output.
        nhead (int): heads; divides d_model.
        dim_feedforward (int): features between the two linear layers. Default: 2048.
        dropout (float): probability that an element is zeroed in training. Default: 0.1.
        activation (str or callable): between the linear layers: "relu", "gelu" or a function. Default: relu.
        layer_norm_eps (float): of the normalisations. Default: 1e-5.
        batch_first (bool): tensors are (batch, positions, features). Default: False.
        norm_first (bool): normalise what enters a block rather than what leaves it. Default: False.
        bias (bool): learn biases. Default: True.
        device, dtype: where and how the parameters are made.

    Shape:
        src (S, N, d_model), (N, S, d_model) with batch_first, or (S, d_model); to the same. Masks: see
        `MultiheadAttention`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.TransformerEncoderLayer(8, 2, 16)(rl.zeros(5, 3, 8)).shape
        rushlight.Size([5, 3, 8])
    """

    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        x = self._add(src, self.norm1, self._sa_block, src_mask, src_key_padding_mask, is_causal)
        return self._add(x, self.norm2, self._ff_block)

    def _ff_block(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to an encoder's output, then a network of two linear layers, each added to its input
    and normalised.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype: see `TransformerEncoderLayer`.

    Shape:
        tgt (T, N, d_model) and memory (S, N, d_model), (N, ..., d_model) with batch_first, or without N; to the shape
        of tgt. Masks: see `MultiheadAttention`.

    Example:
        >>> import rushlight as rl
        >>> rl.nn.TransformerDecoderLayer(8, 2, 16)(rl.zeros(5, 3, 8), rl.zeros(4, 3, 8)).shape
        rushlight.Size([5, 3, 8])
    """

    def __init__(self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **made)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1, self.dropout2, self.dropout3 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
                memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False):
        x = self._add(tgt, self.norm1, self._sa_block, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        x = self._add(x, self.norm2, self._mha_block, memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        return self._add(x, self.norm3, self._ff_block)

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
        x = self.multihead_attn(x, mem, mem, attn_mask=attn_mask, key_padding_mask=key_padding_mask,
                                is_causal=is_causal, need_weights=False)[0]
        return self.dropout2(x)

    def _ff_block(self, x):
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Encoder layers one after the other.

    Args:
        encoder_layer (Module): copied for each.
        num_layers (int): how many.
        norm (Module, optional): applied at the end.
        enable_nested_tensor (bool): in inference without gradients, positions at the end that `src_key_padding_mask`
            hides come out of the layers as zeros. Default: True.
        mask_check (bool): accepted. Default: True.

    Shape:
        See `TransformerEncoderLayer`.

    Example:
        >>> import rushlight as rl
        >>> encoder = rl.nn.TransformerEncoder(rl.nn.TransformerEncoderLayer(8, 2, 16), 3)
        >>> encoder(rl.zeros(5, 3, 8)).shape
        rushlight.Size([5, 3, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        # The cases in which PyTorch leaves padding out of the computation.
        self.use_nested_tensor = enable_nested_tensor and isinstance(encoder_layer, TransformerEncoderLayer) and bool(
            not encoder_layer.norm_first and encoder_layer.self_attn.batch_first
            and encoder_layer.self_attn.in_proj_bias is not None and encoder_layer.self_attn.num_heads % 2 == 0
            and (encoder_layer.activation in (F.relu, F.gelu)
                 or type(encoder_layer.activation).__name__ in ("ReLU", "GELU")))

    def _blank(self, src, mask, padding):
        """The positions that come out as zeros; None where all are computed."""
        if not self.use_nested_tensor or self.layers[0].training or src.dim() != 3 or padding is None:
            return None
        recorded = core.is_grad_enabled() and any(x.requires_grad for x in (src, *self.layers[0].parameters()))
        if mask is not None or recorded or core._autocast():
            return None
        hidden = padding != 0
        in_order = bool((hidden[:, 1:] >= hidden[:, :-1]).all())
        return hidden.unsqueeze(-1) if in_order else None

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        padding = _floating_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype)
        mask = _floating_mask(mask, "mask", src.dtype)
        blank = self._blank(src, mask, padding)
        at = 1 if src.dim() == 3 and self.layers[0].self_attn.batch_first else 0
        is_causal = _is_causal(mask, is_causal, src.shape[at])
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        src = src if blank is None else src.masked_fill(blank, 0.0)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Decoder layers one after the other.

    Args:
        decoder_layer (Module): copied for each.
        num_layers (int): how many.
        norm (Module, optional): applied at the end.

    Shape:
        See `TransformerDecoderLayer`.

    Example:
        >>> import rushlight as rl
        >>> decoder = rl.nn.TransformerDecoder(rl.nn.TransformerDecoderLayer(8, 2, 16), 3)
        >>> decoder(rl.zeros(5, 3, 8), rl.zeros(4, 3, 8)).shape
        rushlight.Size([5, 3, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
                memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False):
        at = 1 if tgt.dim() == 3 and self.layers[0].self_attn.batch_first else 0
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal, tgt.shape[at])
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                        tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask,
                        tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder, and a decoder that attends to its output.

    Args:
        d_model (int): features of both inputs and the output. Default: 512.
        nhead (int): heads; divides d_model. Default: 8.
        num_encoder_layers, num_decoder_layers (int): Default: 6.
        dim_feedforward, dropout, activation: see `TransformerEncoderLayer`.
        custom_encoder, custom_decoder (Module, optional): instead of those that would be made.
        layer_norm_eps, batch_first, norm_first, bias, device, dtype: see `TransformerEncoderLayer`.

    Shape:
        src (S, N, d_model) and tgt (T, N, d_model), (N, ..., d_model) with batch_first, or without N; to the shape of
        tgt.

    Raises:
        RuntimeError: batches or features of src and tgt do not fit.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Transformer(8, 2, 1, 1, 16)
        >>> model(rl.zeros(5, 3, 8), rl.zeros(4, 3, 8)).shape
        rushlight.Size([4, 3, 8])
    """

    def __init__(self, d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048,
                 dropout=0.1, activation=F.relu, custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-5,
                 batch_first=False, norm_first=False, bias=True, device=None, dtype=None):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        facts = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        self.encoder = custom_encoder if custom_encoder is not None else TransformerEncoder(
            TransformerEncoderLayer(*facts, **made), num_encoder_layers, LayerNorm(d_model, layer_norm_eps, **made))
        self.decoder = custom_decoder if custom_decoder is not None else TransformerDecoder(
            TransformerDecoderLayer(*facts, **made), num_decoder_layers, LayerNorm(d_model, layer_norm_eps, **made))
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self):
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """The causal mask, (sz, sz): -inf where a key comes after the query, 0 elsewhere."""
        return _causal_mask(sz, device, dtype)

    def forward(self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None,
                tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
                memory_is_causal=False):
        batch = int(not self.batch_first)
        shapes = f"src has shape {tuple(src.shape)} and tgt {tuple(tgt.shape)}"
        if src.dim() == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(f"Transformer: {shapes}; the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(f"Transformer: {shapes}; the feature number of src and tgt must be equal to "
                               f"d_model={self.d_model}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask, memory_key_padding_mask=memory_key_padding_mask,
                            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)
