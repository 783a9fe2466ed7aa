"""Attention (Vaswani et al., 2017)."""
import math

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native

_INFINITY = float("inf")
_attention = core._groups["_ops"]["attention_forward"]

#: What may run, the first that fits: `nn.attention.sdpa_kernel` changes it.
implementations = ["FLASH_ATTENTION", "MATH"]


@composite("nn.functional.scaled_dot_product_attention", "lower")
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                                 enable_gqa=False):
    """softmax(query @ key^T * scale + mask) @ value.

    A query that the mask keeps from every key gives zeros. Memory grows with L + S: the scores are worked on in blocks,
    in the gradient too. Where weights are dropped, where `attn_mask` needs a gradient and in second derivatives, all
    scores, L x S, are in memory.

    Args:
        query (Tensor): floating, (..., L, E).
        key (Tensor): (..., S, E).
        value (Tensor): (..., S, Ev).
        attn_mask (Tensor, optional): broadcasts to (..., L, S): bool, True where a query sees a key, or floating, added
            to the scores.
        dropout_p (float): probability that a weight is dropped, in evaluation too. Default: 0.
        is_causal (bool): query i sees the keys 0 to i. Default: False.
        scale (float, optional): 1 / sqrt(E) when None.
        enable_gqa (bool): key and value have fewer heads (dimension -3), each for several of the query's. Default:
            False.

    Returns:
        Tensor: (..., L, Ev).

    Raises:
        RuntimeError: shapes or dtypes do not fit, or both a mask and `is_causal` are given.

    Example:
        >>> import rushlight as rl
        >>> x = rl.eye(2).unsqueeze(0)
        >>> rl.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)[0, 0]
        tensor([1., 0.])
    """
    _check_attention(query, key, value, attn_mask, is_causal)
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"scaled_dot_product_attention: dropout_p={dropout_p} is out of range; expected "
                           "0 <= dropout_p <= 1")
    in_blocks = _takes_blocks(dropout_p)
    if enable_gqa and (key.shape[:-2] != value.shape[:-2] or not in_blocks):
        key, value = _shared_heads(query, key, "key"), _shared_heads(query, value, "value")
    elif enable_gqa:
        _check_heads_shared(query, key, "key")
    scale = 1 / math.sqrt(max(1, query.shape[-1])) if scale is None else scale
    if not in_blocks:
        return _with_all_scores(query, key, value, attn_mask, dropout_p, is_causal, scale)
    query, key, value = _same_batches(query, key, value, attn_mask, enable_gqa)
    return _attention(query, key, value, attn_mask, is_causal, scale)[0]


def _takes_blocks(dropout_p):
    """Whether the kernel runs, which has no dropout: the random stream decides about each weight, in order."""
    for name in implementations:
        if name == "MATH" or (name == "FLASH_ATTENTION" and not dropout_p > 0):
            return name != "MATH"
    raise RuntimeError(
        f"scaled_dot_product_attention: dropout_p={dropout_p} and the backends {implementations} of sdpa_kernel; "
        "expected SDPBackend.MATH among them, or SDPBackend.FLASH_ATTENTION without dropout"
    )


def _with_all_scores(query, key, value, attn_mask, dropout_p, is_causal, scale):
    narrow = query.dtype if query.dtype in (core.float16, core.bfloat16) else None
    if narrow is not None:                          # as in blocks: rounded once, at the end
        query, key, value = query.float(), key.float(), value.float()
    scores = (query * scale) @ key.transpose(-2, -1)
    blind = None
    if is_causal:
        hidden = core.ones(query.shape[-2], key.shape[-2], dtype=core.bool).triu(1)
        scores = scores.masked_fill(hidden, -_INFINITY)
    elif attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -_INFINITY) if attn_mask.dtype == core.bool else scores + attn_mask
        # A row of nothing but -inf has a softmax of NaN, whose gradient is NaN whatever comes after it.
        blind = (scores == -_INFINITY).all(-1, keepdim=True)
    scores = scores if blind is None else scores.masked_fill(blind, 0.0)
    weights = native.softmax(scores, -1)
    weights = weights if blind is None else weights.masked_fill(blind, 0.0)
    found = (native.dropout(weights, dropout_p, True) if dropout_p > 0 else weights) @ value
    return found if narrow is None else found.to(narrow)


def _same_batches(query, key, value, attn_mask, enable_gqa):
    batches = [tuple(x.shape[:-2]) for x in (query, key, value)]
    # Heads that are shared are left to the kernel.
    apart = [batch[:-1] for batch in batches] if enable_gqa else batches
    masks = () if attn_mask is None else tuple(attn_mask.shape[:-2])
    if len(set(apart)) == 1 and len(masks) <= len(batches[0]):
        return query, key, value
    try:
        batch = tuple(core.broadcast_shapes(*apart, masks[:-1] if enable_gqa else masks))
    except RuntimeError:
        raise RuntimeError(
            f"scaled_dot_product_attention: query, key and value have shapes {tuple(query.shape)}, {tuple(key.shape)} "
            f"and {tuple(value.shape)}; expected batches that broadcast"
        ) from None
    kept = 3 if enable_gqa else 2
    return [x.expand(*batch, *x.shape[-kept:]) for x in (query, key, value)]


def _check_attention(query, key, value, attn_mask, is_causal):
    name = "scaled_dot_product_attention"
    for what, x in (("query", query), ("key", key), ("value", value)):
        if x.dim() < 2:
            raise RuntimeError(f"{name}: {what} has shape {tuple(x.shape)}; expected at least 2 dimensions")
        if x.dtype != query.dtype:
            raise RuntimeError(f"{name}: {what} has dtype {x.dtype} and query {query.dtype}; expected the same dtype")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"{name}: query, key and value have shapes {tuple(query.shape)}, {tuple(key.shape)} and "
            f"{tuple(value.shape)}; expected (..., L, E), (..., S, E) and (..., S, Ev)"
        )
    if attn_mask is None:
        return
    if is_causal:
        raise RuntimeError(f"{name}: attn_mask and is_causal=True are both given; expected one of them")
    if attn_mask.dtype not in (core.bool, query.dtype, core.float32):
        raise RuntimeError(f"{name}: attn_mask has dtype {attn_mask.dtype}; expected bool or {query.dtype}")


def _shared_heads(query, x, what):
    return x.repeat_interleave(_check_heads_shared(query, x, what), -3)


def _check_heads_shared(query, x, what):
    if query.dim() < 3 or x.dim() < 3:
        raise RuntimeError(f"scaled_dot_product_attention: enable_gqa=True for {what} of shape {tuple(x.shape)} and "
                           f"query {tuple(query.shape)}; expected (..., heads, S, E)")
    heads, own = query.shape[-3], x.shape[-3]
    if own == 0 or heads % own:
        raise RuntimeError(
            f"scaled_dot_product_attention: {what} has {own} heads and query {heads}; expected a number that divides "
            "the query's"
        )
    return heads // own


@composite("nn.functional.multi_head_attention_forward")
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
    dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None,
    static_v=None, average_attn_weights=True, is_causal=False,
):
    """Attention of several heads with projections before and after it: what `nn.MultiheadAttention` computes.

    Args:
        query (Tensor): (L, N, E) or (L, E).
        key, value (Tensor): (S, N, ...) or (S, ...).
        embed_dim_to_check (int): E.
        num_heads (int): divides E.
        in_proj_weight (Tensor, optional): (3 E, E): the projections of query, key and value; or
            `use_separate_proj_weight` with `q_proj_weight`, `k_proj_weight` and `v_proj_weight`.
        in_proj_bias (Tensor, optional): (3 E).
        bias_k, bias_v (Tensor, optional): one more key and value, (1, 1, E).
        add_zero_attn (bool): one more key and value of zeros.
        dropout_p (float): probability that an attention weight is dropped while `training`.
        out_proj_weight (Tensor): (E, E).
        out_proj_bias (Tensor, optional): (E).
        training (bool): Default: True.
        key_padding_mask (Tensor, optional): (N, S) or (S): True where a key is padding, or floating, added to the
            scores.
        need_weights (bool): also return the attention weights. Default: True.
        attn_mask (Tensor, optional): (L, S) or (N * num_heads, L, S): True where a query does not see a key, or
            floating, added to the scores.
        static_k, static_v (Tensor, optional): (N * num_heads, S, E / num_heads), instead of the projected ones.
        average_attn_weights (bool): the weights' mean over the heads rather than each. Default: True.
        is_causal (bool): says that `attn_mask` is the causal one. Default: False.

    Returns:
        tuple: (L, N, E) or (L, E), and the weights (N, L, S), (N, num_heads, L, S), without N, or None.

    Raises:
        AssertionError: shapes do not fit.
        RuntimeError: `is_causal` without `attn_mask`, or keys and queries of different batches.

    Example:
        >>> import rushlight as rl
        >>> x, w = rl.eye(2), rl.eye(2).repeat(3, 1)
        >>> out, weights = rl.nn.functional.multi_head_attention_forward(
        ...     x, x, x, 2, 1, w, None, None, None, False, 0.0, rl.eye(2), None)
        >>> out.shape, weights.shape
        (rushlight.Size([2, 2]), rushlight.Size([2, 2]))
    """
    batched = query.dim() == 3
    widths = [w.shape[-1] for w in (k_proj_weight, v_proj_weight)] if use_separate_proj_weight else ()
    check_heads("multi_head_attention_forward", query, key, value, num_heads,
                (embed_dim_to_check, *widths) if widths else (embed_dim_to_check,) * 3)
    _check_masks(attn_mask, key_padding_mask, is_causal)
    if not batched:
        one = query.unsqueeze(1)
        query, key, value = (one if x is query else x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, size = query.shape
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = _projected(query, key, value, weights, in_proj_bias)
    if bias_k is not None:
        k, v = core.cat([k, bias_k.repeat(1, batch, 1)]), core.cat([v, bias_v.repeat(1, batch, 1)])
    # (batch, heads, positions, size of a head)
    q, k, v = (x.unflatten(-1, (num_heads, -1)).permute(1, 2, 0, 3) for x in (q, k, v))
    k, v = (made if given is None else given.unflatten(0, (batch, num_heads))
            for made, given in ((k, static_k), (v, static_v)))
    if add_zero_attn:
        k, v = (core.cat([x, core.zeros(batch, num_heads, 1, x.shape[-1], dtype=x.dtype)], 2) for x in (k, v))
    added = (bias_k is not None) + add_zero_attn
    is_causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if is_causal else _joined_mask(
        attn_mask, key_padding_mask, query, (batch, num_heads, length, k.shape[-2] - added), added)
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        scores = (q * math.sqrt(1 / q.shape[-1])) @ k.transpose(-2, -1)
        scores = native.softmax(scores if mask is None else scores + mask, -1)
        scores = native.dropout(scores, dropout_p, True) if dropout_p > 0 else scores
        out, scores = scores @ v, scores.mean(1) if average_attn_weights else scores
    else:
        out, scores = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
    out = _linear(out.permute(2, 0, 1, 3).reshape(length, batch, size), out_proj_weight, out_proj_bias)
    if batched:
        return out, scores
    return out.squeeze(1), None if scores is None else scores.squeeze(0)


def _linear(x, weight, bias):
    """`linear` of (positions, batch, features), in whichever of the two orders lies in memory."""
    if x.is_contiguous() or not x.transpose(0, 1).is_contiguous():
        return native.linear(x, weight, bias)
    return native.linear(x.transpose(0, 1), weight, bias).transpose(0, 1)


def _projected(query, key, value, weights, bias):
    """Queries, keys and values. One product serves all that have the same input and weights side by side."""
    if not isinstance(weights, tuple) and query is key and key is value:
        return _linear(query, weights, bias).chunk(3, -1)
    if not isinstance(weights, tuple) and key is value:
        size = query.shape[-1]
        own, rest = weights.split([size, 2 * size])
        of_own, of_rest = (None, None) if bias is None else bias.split([size, 2 * size])
        return _linear(query, own, of_own), *_linear(key, rest, of_rest).chunk(2, -1)
    weights = weights if isinstance(weights, tuple) else weights.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return [_linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def _check_masks(attn_mask, key_padding_mask, is_causal):
    name = "multi_head_attention_forward"
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{name}: is_causal=True without attn_mask; expected the causal mask")
    for what, mask in (("attn_mask", attn_mask), ("key_padding_mask", key_padding_mask)):
        if mask is not None and mask.dtype != core.bool and not mask.is_floating_point():
            raise AssertionError(f"{name}: {what} has dtype {mask.dtype}; expected bool or a floating dtype")


def check_heads(name, query, key, value, num_heads, widths, batch_first=False):
    """Refuse queries, keys and values that do not fit together.

    Args:
        name (str): who speaks.
        query, key, value (Tensor): (positions, batch, features), or without the batch.
        num_heads (int): how many heads share the query's features.
        widths (tuple of int): the features of query, key and value.
        batch_first (bool): they are (batch, positions, features). Default: False.

    Raises:
        AssertionError: dimensions, the query's features, or shapes of key and value do not fit.
        RuntimeError: key and query are of different batches, or features of key and value do not fit.
    """
    shapes = [tuple(x.shape) for x in (query, key, value)]
    of_query, of_key, of_value = shapes
    if len(of_query) not in (2, 3) or len(of_key) != len(of_query) or len(of_value) != len(of_query):
        raise AssertionError(
            f"{name}: query, key and value have {len(of_query)}, {len(of_key)} and {len(of_value)} dimensions; "
            "expected 3 each (batched) or 2"
        )
    size, batch_dim = widths[0], 0 if batch_first else 1
    if of_query[-1] != size:
        raise AssertionError(f"{name}: query has shape {of_query}; expected a last size of {size}")
    if num_heads < 1 or size % num_heads:
        raise AssertionError(f"{name}: num_heads={num_heads}; expected a number that divides embed_dim={size}")
    if len(of_query) == 3 and of_key[batch_dim] != of_query[batch_dim]:
        raise RuntimeError(f"{name}: key has shape {of_key} for query of shape {of_query}; expected a batch of "
                           f"{of_query[batch_dim]}")
    if of_key[:-1] != of_value[:-1]:
        raise AssertionError(f"{name}: key has shape {of_key} and value {of_value}; expected equal lengths and "
                             "batches")
    for what, shape, width in zip(("key", "value"), shapes[1:], widths[1:], strict=True):
        if shape[-1] != width:
            raise RuntimeError(f"{name}: {what} has shape {shape}; expected a last size of {width}")


def _joined_mask(attn_mask, key_padding_mask, query, shape, added):
    """Both masks as one that is added to the scores, with room for `added` further keys, which every query sees."""
    batch, heads, length, keys = shape
    parts = []
    if attn_mask is not None:
        fits = (length, keys) if attn_mask.dim() == 2 else (batch * heads, length, keys)
        if tuple(attn_mask.shape) != fits:
            raise RuntimeError(f"multi_head_attention_forward: attn_mask has shape {tuple(attn_mask.shape)}; expected "
                               f"{(length, keys)} or {(batch * heads, length, keys)}")
        parts.append(attn_mask if attn_mask.dim() == 2 else attn_mask.reshape(shape))
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (batch, keys):
            raise AssertionError(f"multi_head_attention_forward: key_padding_mask has shape "
                                 f"{tuple(key_padding_mask.shape)}; expected {(batch, keys)}")
        parts.append(key_padding_mask.reshape(batch, 1, 1, keys))
    total = None
    for part in parts:
        if part.dtype == core.bool:
            part = core.zeros(part.shape, dtype=query.dtype).masked_fill(part, -_INFINITY)
        total = part if total is None else total + part
    return total if total is None or not added else native.pad(total, (0, added))
