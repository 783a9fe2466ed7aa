// Which implementation multiplies matrices.
#include <algorithm>
#include <string>

#include "base/events.h"
#include "base/log.h"
#include "base/parallel.h"
#include "kernels/compute/compute.h"
#include "kernels/compute/widen.h"
#include "kernels/generic/gemm.h"
#include "kernels/onednn/api.h"

namespace rushlight::compute {

namespace {

// Multiplications below which our own kernel's shorter way in wins over oneDNN's faster loop (measured on
// AVX-512).
constexpr int64_t own_below = 1 << 17;
constexpr int64_t batch_grain = 1 << 16;        // multiplications worth a piece of work for a thread

const char* offset(const void* p, int64_t elements, DType t) {
    return static_cast<const char*>(p) + elements * size_of(t);
}

generic::Gemm own(const Matmul& p) {
    return {p.dtype, p.m, p.n, p.k, p.a, p.a_row, p.a_column, p.b, p.b_row, p.b_column, p.c, p.c_row,
            p.bias, p.accumulate, p.relu};
}

Matmul item(const Matmul& p, int64_t a, int64_t b, int64_t c) {
    Matmul q = p;
    q.a = offset(p.a, a, p.dtype);
    q.b = offset(p.b, b, p.dtype);
    q.c = const_cast<char*>(offset(p.c, c, p.result()));
    q.batch_rank = 0;
    return q;
}

// The batch dimensions, none of size one, joined where all three operands walk them as one.
struct Batch {
    int rank = 0;
    int64_t size[64], a[64], b[64], c[64], count = 1;

    explicit Batch(const Matmul& p) {
        for (int i = 0; i < p.batch_rank; ++i) {
            count *= p.batch[i];
            if (p.batch[i] == 1) continue;
            int64_t n = p.batch[i];
            bool joins = rank > 0 && a[rank - 1] == n * p.a_batch[i] && b[rank - 1] == n * p.b_batch[i] &&
                         c[rank - 1] == n * p.c_batch[i];
            int at = joins ? rank - 1 : rank++;
            size[at] = joins ? size[at] * n : n;
            a[at] = p.a_batch[i], b[at] = p.b_batch[i], c[at] = p.c_batch[i];
        }
    }

    void start(int64_t index, int64_t* offsets, int dims) const {
        offsets[0] = offsets[1] = offsets[2] = 0;
        for (int i = dims - 1; i >= 0; --i) {
            int64_t at = index % size[i];
            index /= size[i];
            offsets[0] += at * a[i], offsets[1] += at * b[i], offsets[2] += at * c[i];
        }
    }
};

void note(const Matmul& p, int64_t batch, const char* who, const char* why) {
    if (!watched()) [[likely]] return;
    if (watched(watch_events)) events::set_name(std::string("matmul") + " by " + who + " (" + why + ")");
    if (!logging(Channel::dispatch)) return;
    log_line(Channel::dispatch, std::string("matmul ") + name_of(p.dtype) + " " + std::to_string(batch) + " x " +
                                    std::to_string(p.m) + "x" + std::to_string(p.k) + "x" + std::to_string(p.n) + ": " +
                                    who + " (" + why + ")");
}

// oneDNN takes matrices that run along their rows or their columns and do not overlap themselves.
bool is_regular(int64_t rows, int64_t columns, int64_t row, int64_t column) {
    return (column == 1 && (row >= columns || rows == 1)) || (row == 1 && (column >= rows || columns == 1));
}

const void* regular(const void* data, DType t, int64_t rows, int64_t columns, int64_t& row, int64_t& column,
                    Scratch& memory) {
    if (is_regular(rows, columns, row, column)) return data;
    memory = Scratch(size_t(rows * columns * size_of(t)));
    const int64_t sizes[] = {rows, columns}, from[] = {row, column}, to[] = {columns, 1};
    copy_strided(2, sizes, {memory.data(), t, to}, {const_cast<void*>(data), t, from});
    row = columns, column = 1;
    return memory.data();
}

void one_by_onednn(const onednn::Table& t, const Matmul& p, PackedWeights* packed) {
    Matmul q = p;
    Scratch a_memory, b_memory;
    q.a = regular(p.a, p.dtype, p.m, p.k, q.a_row, q.a_column, a_memory);
    q.b = regular(p.b, p.dtype, p.k, p.n, q.b_row, q.b_column, b_memory);
    t.matmul(q, packed);
}

// b is the same for all and the rows of a (and of c) follow each other through the batch: one taller product.
bool stacks(const Matmul& p, const Batch& batch) {
    return batch.rank == 1 && batch.b[0] == 0 && batch.a[0] == p.m * p.a_row && batch.c[0] == p.m * p.c_row;
}

void by_onednn(const onednn::Table& t, const Matmul& p, const Batch& batch, PackedWeights* packed) {
    Matmul q = p;
    q.batch_rank = 0;
    if (batch.rank == 0) return one_by_onednn(t, q, packed);
    bool together = is_regular(p.m, p.k, p.a_row, p.a_column) && is_regular(p.k, p.n, p.b_row, p.b_column) &&
                    batch.a[batch.rank - 1] >= 0 && batch.b[batch.rank - 1] >= 0 && batch.c[batch.rank - 1] > 0;
    int outer = together ? batch.rank - 1 : batch.rank;
    int64_t count = 1, offsets[3];
    for (int i = 0; i < outer; ++i) count *= batch.size[i];
    for (int64_t i = 0; i < count; ++i) {
        batch.start(i, offsets, outer);
        Matmul one = item(q, offsets[0], offsets[1], offsets[2]);
        if (together) {
            one.batch_rank = 1;
            one.batch = batch.size + outer, one.a_batch = batch.a + outer;
            one.b_batch = batch.b + outer, one.c_batch = batch.c + outer;
            t.matmul(one, packed);
        } else {
            one_by_onednn(t, one, packed);
        }
    }
}

void by_own(const Matmul& p, const Batch& batch) {
    if (batch.count == 1) return generic::gemm(own(p));
    double work = double(p.m) * double(p.n) * double(p.k);
    auto some = [&](int64_t begin, int64_t end, auto&& multiply) {
        int64_t offsets[3];
        for (int64_t i = begin; i < end; ++i) {
            batch.start(i, offsets, batch.rank);
            multiply(own(item(p, offsets[0], offsets[1], offsets[2])));
        }
    };
    if (work > double(16 * batch_grain)) return some(0, batch.count, generic::gemm);
    int64_t grain = std::max<int64_t>(1, batch_grain / std::max<int64_t>(1, int64_t(work)));
    parallel_for(batch.count, grain, [&](int64_t begin, int64_t end) { some(begin, end, generic::gemm_small); });
}

// 16-bit floats on a processor without instructions for them: in float32, one batch item after another.
void by_widening(const Matmul& p, const Batch& batch) {
    auto widen = [&](const void* data, int64_t rows, int64_t columns, int64_t row, int64_t column, Scratch& memory) {
        const int64_t sizes[] = {rows, columns}, from[] = {row, column}, to[] = {columns, 1};
        copy_strided(2, sizes, {memory.data(), DType::float32, to}, {const_cast<void*>(data), p.dtype, from});
    };
    Scratch a(size_t(p.m * p.k) * 4), b(size_t(p.k * p.n) * 4), c(p.wide ? 0 : size_t(p.m * p.n) * 4);
    Widened bias(p.wide ? nullptr : p.bias, p.dtype, p.n);
    int64_t offsets[3];
    for (int64_t i = 0; i < batch.count; ++i) {
        batch.start(i, offsets, batch.rank);
        Matmul q = item(p, offsets[0], offsets[1], offsets[2]);
        void* result = q.c;
        widen(q.a, p.m, p.k, p.a_row, p.a_column, a);
        widen(q.b, p.k, p.n, p.b_row, p.b_column, b);
        q.dtype = DType::float32;
        q.wide = false;
        q.a = a.data(), q.a_row = p.k, q.a_column = 1;
        q.b = b.data(), q.b_row = p.n, q.b_column = 1;
        if (p.wide) {
            matmul(q);
            continue;
        }
        if (p.accumulate) widen(result, p.m, p.n, p.c_row, 1, c);
        q.c = c.data(), q.c_row = p.n;
        q.bias = bias.read().data();
        matmul(q);
        const int64_t sizes[] = {p.m, p.n}, from[] = {p.n, 1}, to[] = {p.c_row, 1};
        copy_strided(2, sizes, {result, p.dtype, to}, {c.data(), DType::float32, from});
    }
}

// Why oneDNN does not get this product; null when it does.
const char* why_own(const Matmul& p, double work) {
    if (p.dtype != DType::float32 && !is_reduced(p.dtype)) return "dtype";
    if (p.k == 0) return "empty";
    if (p.dtype == DType::float32 && work < double(own_below)) return "small";
    if (p.dtype == DType::float32 && (p.m == 1 || p.n == 1)) return "a vector";
    const onednn::Table* t = onednn::table();
    if (!t) return onednn::why_missing();
    return t->supports(p.dtype) ? nullptr : "no native instructions";
}

}  // namespace

bool multiplies_natively(DType dtype) {
    const onednn::Table* t = is_reduced(dtype) ? onednn::table() : nullptr;
    return t && t->supports(dtype);
}

bool matmul(const Matmul& p, PackedWeights* packed) {
    if (p.m == 0 || p.n == 0) return false;
    const double work = double(p.m) * double(p.n) * double(p.k);
    if (p.batch_rank == 0 && p.dtype == DType::float32 && work < double(own_below)) {
        note(p, 1, "own", "small");
        generic::gemm_small(own(p));
        return false;
    }
    Batch batch(p);
    if (batch.count == 0) return false;
    if (stacks(p, batch)) {
        Matmul q = p;
        q.m = p.m * batch.size[0];
        q.batch_rank = 0;
        return matmul(q, packed);
    }
    const char* reason = why_own(p, work);
    if (!reason) {
        try {
            note(p, batch.count, "onednn", "large");
            by_onednn(*onednn::table(), p, batch, packed);
            return p.gelu;
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::not_implemented) throw;
            reason = "refused";
        }
    }
    note(p, batch.count, "own", reason);
    if (is_reduced(p.dtype)) by_widening(p, batch);
    else by_own(p, batch);
    return false;
}

}  // namespace rushlight::compute
