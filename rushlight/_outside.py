"""Names of PyTorch that are out of scope: each refuses with an error that names it. docs/out-of-scope.md says why."""
from types import SimpleNamespace

#: What they belong to: (functions of the front page, methods of Tensor).
OUTSIDE = {
    "sparse layouts": (
        "sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor "
        "sparse_compressed_tensor hspmm hsmm smm sspaddmm saddmm resize_as_sparse_ ccol_indices_copy col_indices_copy "
        "crow_indices_copy indices_copy row_indices_copy values_copy",
        "to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc coalesce is_coalesced indices "
        "values crow_indices col_indices ccol_indices row_indices sparse_mask sparse_resize_ sparse_resize_and_clear_ "
        "smm sspaddmm resize_as_sparse_",
    ),
    "nested tensors": ("", "to_padded_tensor"),
    "named dimensions": ("", "refine_names rename rename_ align_to align_as"),
    "quantized tensors": (
        "quantize_per_tensor quantize_per_tensor_dynamic quantize_per_channel dequantize empty_quantized int_repr "
        "q_scale q_zero_point q_per_channel_axis q_per_channel_scales q_per_channel_zero_points "
        "choose_qparams_optimized quantized_batch_norm quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d "
        "quantized_lstm_cell quantized_gru_cell quantized_rnn_relu_cell quantized_rnn_tanh_cell",
        "dequantize int_repr q_scale q_zero_point q_per_channel_axis q_per_channel_scales q_per_channel_zero_points "
        "qscheme",
    ),
    "kernels of one vendor's library": (
        "cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu "
        "cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler miopen_batch_norm miopen_convolution "
        "miopen_convolution_add_relu miopen_convolution_relu miopen_convolution_transpose miopen_ctc_loss "
        "miopen_depthwise_convolution miopen_rnn mkldnn_adaptive_avg_pool2d mkldnn_convolution "
        "mkldnn_linear_backward_weights mkldnn_max_pool2d mkldnn_max_pool3d mkldnn_rnn_layer "
        "fbgemm_linear_fp16_weight fbgemm_linear_int8_weight fbgemm_linear_quantize_weight "
        "fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix",
        "to_mkldnn",
    ),
    "other devices": ("Stream Event", "xpu ipu mtia record_stream"),
    "tensors in shared memory": ("from_file", "share_memory_"),
}

#: Of rooms other than the front page.
ROOMS = {
    "masked": ("masked tensors", "MaskedTensor as_masked_tensor is_masked_tensor masked_tensor"),
    "nested": ("nested tensors",
               "as_nested_tensor masked_select narrow nested_tensor nested_tensor_from_jagged to_padded_tensor"),
    "sparse": ("sparse layouts",
               "addmm as_sparse_gradcheck check_sparse_tensor_invariants log_softmax mm sampled_addmm softmax spdiags "
               "spsolve sum"),
}

#: dtypes without elements here: programs may name and compare them; no operator takes them.
DTYPES = {
    "complex32": 4, "chalf": 4, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "float4_e2m1fn_x2": 1, "quint8": 1, "qint8": 1,
    "qint32": 4, "quint4x2": 1, "quint2x4": 1, "bits8": 1, "bits16": 2,
}


class dtype_out_of_scope:
    """A dtype that tensors can't have: a name to compare with."""

    def __init__(self, name, itemsize):
        self.name, self.itemsize = name, itemsize
        self.is_floating_point, self.is_complex = name.startswith("float"), name in ("complex32", "chalf")
        self.is_signed = not name.startswith(("uint", "quint", "bits"))

    def __repr__(self):
        return f"rushlight.{self.name}"

    def __reduce__(self):
        return self.name


def _refusing(name, topic):
    def refuse(*args, **named):
        raise NotImplementedError(f"{name}: {topic} are out of scope; docs/out-of-scope.md says why")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Refuses: {topic} are out of scope.\n\nRaises:\n    NotImplementedError: always."
    return refuse


#: Functions by name, as the front page finds them.
FUNCTIONS = {name: _refusing(name, topic) for topic, (names, _) in OUTSIDE.items() for name in names.split()}
METHODS = {name: _refusing(name, topic) for topic, (_, names) in OUTSIDE.items() for name in names.split()}
IN_ROOMS = {room: {name: _refusing(f"{room}.{name}", topic) for name in names.split()}
            for room, (topic, names) in ROOMS.items()}
FUNCTIONS |= {room: SimpleNamespace(**IN_ROOMS[room]) for room in ("nested", "sparse")}
FUNCTIONS |= {name: dtype_out_of_scope(name, size) for name, size in DTYPES.items()}
