// Matrix products through oneDNN.
#include "kernels/onednn/engine.h"

namespace rushlight::onednn {

namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

// A stride that a dimension of one element never uses is given the value that oneDNN's pattern matching
// expects.
Desc matrix(DType dtype, int64_t batch, int64_t rows, int64_t columns, int64_t batch_stride, int64_t row,
            int64_t column) {
    if (rows == 1) row = column == 1 ? columns : 1;
    if (columns == 1) column = row == 1 && rows > 1 ? rows : 1;
    if (batch == 1) batch_stride = rows * columns;
    return {{batch, rows, columns}, onednn_type(dtype), dnnl::memory::dims{batch_stride, row, column}};
}

struct Batch {
    int64_t size = 1, a = 0, b = 0, c = 0;
    explicit Batch(const Matmul& p) {
        require(p.batch_rank <= 1, ErrorKind::runtime, "onednn: matmul: ", p.batch_rank,
                " batch dimensions; expected 0 or 1");
        if (p.batch_rank == 1) size = p.batch[0], a = p.a_batch[0], b = p.b_batch[0], c = p.c_batch[0];
    }
};

std::unique_ptr<Call> make(const Matmul& p, const Batch& batch, bool pack) {
    Desc a = matrix(p.dtype, batch.a ? batch.size : 1, p.m, p.k, batch.a, p.a_row, p.a_column);
    Desc b = matrix(p.dtype, batch.b ? batch.size : 1, p.k, p.n, batch.b, p.b_row, p.b_column);
    Desc c = matrix(p.result(), batch.size, p.m, p.n, batch.c, p.c_row, 1);
    Desc wanted_b = pack ? Desc(b.get_dims(), b.get_data_type(), Tag::any) : b;
    dnnl::primitive_attr attr = attributes();
    dnnl::post_ops post;
    if (p.accumulate) post.append_sum(1.0f);
    if (p.relu) post.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    if (p.gelu) post.append_eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
    attr.set_post_ops(post);
    auto call = std::make_unique<Call>();
    auto finish = [&](const dnnl::matmul::primitive_desc& pd) {
        call->a = Operand(a, pd.src_desc(), false);
        call->b = Operand(b, pd.weights_desc(), false);
        call->c = Operand(c, pd.dst_desc(), true);
        call->finish(pd, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS);
    };
    if (p.bias) {
        Desc bias({1, 1, p.n}, onednn_type(p.result()), Tag::abc);
        call->extra = memory_without_data(bias);
        finish({engine(), a, wanted_b, bias, c, attr});
    } else {
        finish({engine(), a, wanted_b, c, attr});
    }
    return call;
}

}  // namespace

void matmul(const Matmul& p, PackedWeights* packed) {
    Batch batch(p);
    bool pack = packed != nullptr && batch.b == 0;
    Key key;
    key.add(int64_t(0) | int64_t(p.dtype) << 4 | int64_t(p.accumulate) << 8 | int64_t(p.relu) << 9 |
            int64_t(p.bias != nullptr) << 10 | int64_t(pack) << 11 | int64_t(p.wide) << 12 | int64_t(p.gelu) << 13 |
            int64_t(members_for_call()) << 20);
    for (int64_t value :
         {p.m, p.n, p.k, p.a_row, p.a_column, p.b_row, p.b_column, p.c_row, batch.size, batch.a, batch.b, batch.c})
        key.add(value);
    auto call = cache().take(key, [&] { return prepare("matmul", [&] { return make(p, batch, pack); }); });
    call->run(p.a, p.b, p.c, p.bias, pack ? packed : nullptr);
}

}  // namespace rushlight::onednn
