"""Attention with its projections."""
from rushlight.functional._core import core
from rushlight.functional.attention import check_heads
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.linear import NonDynamicallyQuantizableLinear
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads, each with its own projections of queries, keys and values (Vaswani et al., 2017).

    Args:
        embed_dim (int): features of the queries and of the output; `num_heads` divides it.
        num_heads (int): heads, of embed_dim / num_heads features each.
        dropout (float): probability that an attention weight is dropped in training. Default: 0.
        bias (bool): learn biases of the projections. Default: True.
        add_bias_kv (bool): learn one more key and value. Default: False.
        add_zero_attn (bool): one more key and value of zeros. Default: False.
        kdim, vdim (int, optional): features of keys and values; embed_dim when None.
        batch_first (bool): tensors are (batch, positions, features). Default: False.
        device, dtype: where and how the parameters are made.

    Shape:
        Query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), or all without N; to the output (L, N,
        embed_dim) and the weights (N, L, S), or None. `key_padding_mask`: (N, S); `attn_mask`: (L, S) or
        (N * num_heads, L, S). Masks are bool, True where a key is not seen, or floating, added to the scores.

    Example:
        >>> import rushlight as rl
        >>> x = rl.zeros(5, 2, 8)
        >>> out, weights = rl.nn.MultiheadAttention(8, 4)(x, x, x)
        >>> out.shape, weights.shape
        (rushlight.Size([5, 2, 8]), rushlight.Size([2, 5, 5]))
    """

    __constants__ = ["batch_first"]

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
                 vdim=None, batch_first=False, device=None, dtype=None):
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(f"MultiheadAttention: embed_dim={embed_dim} and num_heads={num_heads}; expected both "
                             "above 0")
        if embed_dim % num_heads:
            raise AssertionError(f"MultiheadAttention: num_heads={num_heads}; expected a number that divides "
                                 f"embed_dim={embed_dim}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        made = {"device": device, "dtype": dtype}
        apart = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(core.empty((3 * embed_dim, embed_dim), **made))
        for name, features in apart.items():
            needed = not self._qkv_same_embed_dim
            self.register_parameter(name, Parameter(core.empty((embed_dim, features), **made)) if needed else None)
        if not self._qkv_same_embed_dim:
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", Parameter(core.empty(3 * embed_dim, **made)) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **made)
        self.bias_k = Parameter(core.empty((1, 1, embed_dim), **made)) if add_bias_kv else None
        self.bias_v = Parameter(core.empty((1, 1, embed_dim), **made)) if add_bias_kv else None
        self._reset_parameters()

    def _reset_parameters(self):
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def __setstate__(self, state):
        state.setdefault("_qkv_same_embed_dim", True)          # modules saved by old versions of PyTorch
        super().__setstate__(state)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        turned = self.batch_first and query.dim() == 3
        if turned:
            check_heads("MultiheadAttention", query, key, value, self.num_heads,
                        (self.embed_dim, self.kdim, self.vdim), batch_first=True)
            # What is one tensor stays one: its projections are one product.
            same_key, same_value = key is query, value is key
            query = query.transpose(0, 1)
            key = query if same_key else key.transpose(0, 1)
            value = key if same_value else value.transpose(0, 1)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim, q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight, v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal)
        return out.transpose(0, 1) if turned else out, weights

    def merge_masks(self, attn_mask, key_padding_mask, query):
        """Both masks as one, and which there are.

        Args:
            attn_mask (Tensor, optional): floating, (L, L) or (N * num_heads, L, L).
            key_padding_mask (Tensor, optional): floating, (N, L).
            query (Tensor): (N, L, embed_dim).

        Returns:
            tuple: the mask (N, num_heads, L, L), the `key_padding_mask` alone as it is, or None; and 2, 1 or None.

        Example:
            >>> import rushlight as rl
            >>> mask, kind = rl.nn.MultiheadAttention(4, 2).merge_masks(rl.zeros(3, 3), None, rl.zeros(1, 3, 4))
            >>> mask.shape, kind
            (rushlight.Size([1, 2, 3, 3]), 2)
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length = query.shape[:2]
        batches = 1 if attn_mask.dim() == 2 else batch
        merged = attn_mask.reshape(batches, -1, length, length).expand(batch, self.num_heads, length, length)
        return merged if key_padding_mask is None else merged + key_padding_mask.reshape(batch, 1, 1, length), 2
