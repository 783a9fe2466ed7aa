// Attention in blocks against the reference.
#include "kernels/generic/attention.h"
#include "kernels/reference/attention.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Attention;
using kernels::Rows;

namespace {

struct Shape {
    int64_t heads, group, length, keys, size, value_size;
};
const Shape shapes[] = {{1, 1, 1, 1, 1, 1},    {2, 1, 3, 5, 4, 2},    {4, 2, 7, 50, 17, 33}, {3, 3, 9, 48, 16, 48},
                        {1, 1, 97, 385, 8, 5}, {2, 1, 96, 384, 3, 7}, {2, 2, 2, 800, 9, 4},  {1, 1, 130, 20, 5, 64},
                        {2, 1, 4, 0, 3, 3},    {1, 1, 0, 4, 2, 2}};

// Matrices of `rows` by `width`, one per head, with a gap behind each row.
struct Matrices {
    Array values;
    std::vector<int64_t> starts;
    int64_t row;

    Matrices(DType t, int64_t heads, int64_t rows, int64_t width, bool random = true)
        : values(random ? random_array(t, heads * rows * (width + 3) + 1) : Array(t, heads * rows * (width + 3) + 1)),
          row(width + 3) {
        for (int64_t h = 0; h < heads; ++h) starts.push_back(h * rows * row);
        if (!random)
            for (int64_t i = 0; i < values.size(); ++i) values.set(i, 0);
    }
    Rows rows() const { return {values.data(), row, starts.data()}; }
};

enum class Hiding { nothing, causal, boolean, added };

void check_attention(DType t, const Shape& s, Hiding hiding) {
    int64_t shared = s.heads / s.group;
    DType wide = t == DType::float64 ? t : DType::float32;
    Matrices q(t, s.heads, s.length, s.size), k(t, shared, s.keys, s.size), v(t, shared, s.keys, s.value_size);
    Matrices mask(hiding == Hiding::boolean ? DType::boolean : wide, s.heads, s.length, s.keys);
    Attention a;
    a.dtype = t, a.heads = s.heads, a.group = s.group, a.length = s.length, a.keys = s.keys;
    a.size = s.size, a.value_size = s.value_size, a.scale = -0.4;
    a.causal = hiding == Hiding::causal, a.boolean = hiding == Hiding::boolean;
    a.query = q.rows(), a.key = k.rows(), a.value = v.rows();
    if (hiding == Hiding::boolean || hiding == Hiding::added) a.mask = mask.rows();
    Matrices out(t, s.heads, s.length, s.value_size, false), wanted = out;
    Array lse(wide, s.heads * s.length), wanted_lse(wide, s.heads * s.length);
    kernels::attention(a, out.rows(), lse.data());
    reference::attention(a, wanted.rows(), wanted_lse.data());
    CHECK(close(out.values, wanted.values, 1, 2, "attention"));
    CHECK(close(lse, wanted_lse, 4, 2, "the logarithms of sums"));

    Matrices grad(t, s.heads, s.length, s.value_size);
    Matrices gq(t, s.heads, s.length, s.size, false), gk(t, shared, s.keys, s.size, false);
    Matrices gv(t, shared, s.keys, s.value_size, false), wq = gq, wk = gk, wv = gv;
    kernels::attention_backward(a, out.rows(), grad.rows(), lse.data(), gq.rows(), gk.rows(), gv.rows());
    // Sums of 16-bit floats are formed in float32 by the kernel, but element by element by the reference.
    if (t != wide) return;
    reference::attention_backward(a, grad.rows(), wq.rows(), wk.rows(), wv.rows());
    double scale = std::sqrt(double(s.length + s.keys + s.size + s.value_size));
    CHECK(close(gq.values, wq.values, scale, 2, "the queries' gradient"));
    CHECK(close(gk.values, wk.values, scale, 2, "the keys' gradient"));
    CHECK(close(gv.values, wv.values, scale, 2, "the values' gradient"));
}

void threads_change_nothing() {
    Shape s{2, 1, 300, 700, 8, 8};
    Matrices q(DType::float32, 2, s.length, 8), k(DType::float32, 2, s.keys, 8), v(DType::float32, 2, s.keys, 8);
    Attention a;
    a.heads = 2, a.length = s.length, a.keys = s.keys, a.size = a.value_size = 8;
    a.query = q.rows(), a.key = k.rows(), a.value = v.rows();
    Matrices one(DType::float32, 2, s.length, 8, false), three = one;
    Array lse(DType::float32, 600);
    set_num_threads(1);
    kernels::attention(a, one.rows(), lse.data());
    set_num_threads(3);
    kernels::attention(a, three.rows(), lse.data());
    CHECK(one.values.same_bytes(three.values));
}

void body() {
    for (DType t : floating_dtypes)
        for (const Shape& s : shapes)
            for (Hiding hiding : {Hiding::nothing, Hiding::causal, Hiding::boolean, Hiding::added})
                check_attention(t, s, hiding);
    threads_change_nothing();
}

}  // namespace

int main() { return run_per_isa(body); }
