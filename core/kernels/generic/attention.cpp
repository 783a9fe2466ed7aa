// Threads share heads, and the queries of a head where there are too few heads; whoever works on a head lays its keys
// out as a matrix product wants them once.
#include "kernels/generic/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/compute/compute.h"
#include "kernels/generic/attention_kernels.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/gemm_kernels.h"
#include "kernels/generic/geometry.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t block_rows = 96;            // queries
constexpr int64_t native_rows = 256, native_keys = 512;  // of 16-bit floats, multiplied by another library
constexpr int64_t block_keys = 384;           // a multiple of the panels of every instruction set
constexpr int64_t packing_pays = 8;           // queries from which the keys are laid out anew
constexpr int64_t thread_pays = 1 << 17;      // multiplications that are worth a thread

// A matrix as the products read it: in the compute dtype, rows apart, columns next to each other.
struct Matrix {
    const void* data = nullptr;
    int64_t row = 0;
};

class Worker {
public:
    Worker(const Attention& a, bool native)
        : a_(a), native_(native), type_(compute_dtype(a.dtype)), size_(size_of(type_)),
          table_(attention_table.active()), gemm_(gemm_table.active().floating[type_ == DType::float64]),
          keys_(std::min(native ? native_keys : block_keys, a.keys)) {}

protected:
    bool converts() const { return type_ != a_.dtype; }
    const void* start(const Rows& m, int64_t head, int64_t row, int64_t size) const {
        return at(m.data, m.head[head] + row * m.row, size);
    }

    // Rows [from, from + rows) of a head, converted where they must be; `memory` has room for them.
    Matrix rows_of(const Rows& m, int64_t head, int64_t from, int64_t rows, int64_t width,
                   const Scratch& memory) const {
        const void* first = start(m, head, from, size_of(a_.dtype));
        if (!converts()) return {first, m.row};
        for (int64_t r = 0; r < rows; ++r)
            cast(at(memory.data(), r * width, size_), type_, at(first, r * m.row, size_of(a_.dtype)), a_.dtype, width);
        return {memory.data(), width};
    }
    static void cast(void* dst, DType to, const void* src, DType from, int64_t count) {
        cast_table.active().fn[int(to)][int(from)](count, dst, src);
    }
    Scratch room(int64_t rows, int64_t width, bool wanted = true) const {
        return wanted ? Scratch(size_t(rows * width * size_)) : Scratch();
    }

    // The transpose of a matrix in panels of columns.
    void pack(const Matrix& m, int64_t width, const Scratch& to) const {
        for (int64_t j = 0; j < a_.keys; j += gemm_.panel_columns)
            copy_block(size_, width, std::min<int64_t>(gemm_.panel_columns, a_.keys - j),
                       at(to.data(), j * width, size_), gemm_.panel_columns, 1, at(m.data, j * m.row, size_), 1,
                       m.row);
    }
    Scratch packed_room(int64_t width, bool wanted = true) const {
        int64_t step = gemm_.panel_columns;
        return room((a_.keys + step - 1) / step * step, width, wanted);
    }

    // c = x @ packed, of `keys` columns from `from` on.
    void times_packed(int64_t rows, const Matrix& x, int64_t width, const Scratch& packed, int64_t from, int64_t keys,
                      void* c) const {
        GemmBlock g = block(rows, keys, width, x.data, x.row, 1, c, keys_);
        g.b = at(packed.data(), from * width, size_);
        g.b_row = gemm_.panel_columns, g.b_panel = gemm_.panel_columns * width;
        gemm_.block(g);
    }
    // c (+)= tile @ m, or its transpose @ m.
    void times(int64_t rows, int64_t depth, const void* tile, bool transposed, const Matrix& m, int64_t width, void* c,
               int64_t c_row, bool add) const {
        GemmBlock g = block(rows, width, depth, tile, transposed ? 1 : keys_, transposed ? keys_ : 1, c, c_row);
        g.b = m.data, g.b_row = m.row, g.b_panel = gemm_.panel_columns;
        g.accumulate = add;
        rows == 1 ? gemm_.row(g) : gemm_.block(g);
    }
    GemmBlock block(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_column, void* c,
                    int64_t c_row) const {
        GemmBlock g{};
        g.m = m, g.n = n, g.k = k;
        g.a = a, g.a_row = a_row, g.a_column = a_column, g.a_panel = gemm_.panel_rows * a_row;
        g.c = c, g.c_row = c_row;
        return g;
    }

    // How many of the keys [from, ...) of one block the queries up to `last` see.
    int64_t keys_from(int64_t from, int64_t last) const {
        return std::min(keys_, (a_.causal ? std::min(a_.keys, last) : a_.keys) - from);
    }
    ScoreTile tile(int64_t head, int64_t row, int64_t rows, int64_t from, int64_t keys, void* scores) const {
        ScoreTile t{};
        t.rows = rows, t.keys = keys, t.scores = t.weights = scores, t.row = keys_, t.scale = a_.scale;
        t.causal = a_.causal && row + 1 - from < keys;
        t.seen = row + 1 - from;
        t.boolean = a_.boolean, t.mask_row = a_.mask.row;
        if (a_.mask.data)
            t.mask = at(a_.mask.data, a_.mask.head[head] + row * a_.mask.row + from, a_.boolean ? 1 : size_);
        return t;
    }

    const Attention& a_;
    bool native_;                             // 16-bit floats are multiplied as they are
    DType type_;
    int64_t size_;
    const AttentionTable& table_;
    const GemmTable::Floating& gemm_;
    int64_t keys_;
};

class Forward : Worker {
public:
    Forward(const Attention& a, const Rows& out, void* lse, int64_t rows)
        : Worker(a, a.size > 0 && compute::multiplies_natively(a.dtype)), out_(out), lse_(lse),
          rows_(std::min(rows, native_ ? native_rows : block_rows)), packs_(rows >= packing_pays && !native_),
          packed_(packed_room(a.size, packs_)), key_(room(a.keys, a.size, widens())),
          value_(room(a.keys, a.value_size, widens())), query_(room(rows_, a.size, widens())),
          scores_(room(rows_, keys_)), state_(room(rows_, 2 + a.value_size)),
          weights_(native_ ? size_t(rows_ * keys_ * size_of(a.dtype)) : 0),
          kept_(native_ ? size_t((a.keys + keys_ - 1) / std::max<int64_t>(1, keys_)) : 0) {}

    // Queries [begin, end) of one head.
    void run(int64_t head, int64_t begin, int64_t end) {
        if (head / a_.group != ready_) prepare(ready_ = head / a_.group);
        for (int64_t row = begin; row < end; row += rows_) run_block(head, row, std::min(rows_, end - row));
    }

private:
    bool widens() const { return converts() && !native_; }

    void prepare(int64_t head) {
        if (native_) {
            k_ = {start(a_.key, head, 0, size_of(a_.dtype)), a_.key.row};
            v_ = {start(a_.value, head, 0, size_of(a_.dtype)), a_.value.row};
            for (Kept& block : kept_) block.key.clear(), block.value.clear();
            return;
        }
        k_ = rows_of(a_.key, head, 0, a_.keys, a_.size, key_);
        v_ = rows_of(a_.value, head, 0, a_.keys, a_.value_size, value_);
        if (packs_) pack(k_, a_.size, packed_);
    }

    // Sums in float32 of products of 16-bit floats.
    void multiply(int64_t m, int64_t n, int64_t k, const Matrix& x, const void* y, int64_t y_row, int64_t y_column,
                  void* to, int64_t to_row, bool add, compute::PackedWeights& kept) const {
        compute::Matmul p;
        p.dtype = a_.dtype, p.wide = true, p.accumulate = add;
        p.m = m, p.n = n, p.k = k;
        p.a = x.data, p.a_row = x.row;
        p.b = y, p.b_row = y_row, p.b_column = y_column;
        p.c = to, p.c_row = to_row;
        compute::matmul(p, &kept);
    }

    void products(int64_t rows, const Matrix& q, int64_t from, int64_t keys) {
        if (native_)
            return multiply(rows, keys, a_.size, q, at(k_.data, from * k_.row, size_of(a_.dtype)), 1, k_.row,
                            scores_.data(), keys_, false, kept_[size_t(from / keys_)].key);
        if (packs_) return times_packed(rows, q, a_.size, packed_, from, keys, scores_.data());
        gemm_.dots({rows, keys, a_.size, q.data, q.row, at(k_.data, from * k_.row, size_), k_.row, scores_.data(),
                    keys_, 1, nullptr, 1, false, false});
    }

    // The values so far, and the weighted ones of a block of keys.
    void add_values(int64_t rows, int64_t from, int64_t keys, void* values) {
        if (!native_)
            return times(rows, keys, scores_.data(), false, {at(v_.data, from * v_.row, size_), v_.row}, a_.value_size,
                         values, a_.value_size, true);
        multiply(rows, a_.value_size, keys, {weights_.data(), keys_},
                 at(v_.data, from * v_.row, size_of(a_.dtype)), v_.row, 1, values, a_.value_size, true,
                 kept_[size_t(from / keys_)].value);
    }

    template <class T>
    void clear(int64_t rows) {
        T* top = state_.as<T>();
        std::fill_n(top, rows, -std::numeric_limits<T>::infinity());
        std::fill_n(top + rows_, rows_ + rows * a_.value_size, T(0));
    }

    void run_block(int64_t head, int64_t row, int64_t rows) {
        Matrix q = native_ ? Matrix{start(a_.query, head, row, size_of(a_.dtype)), a_.query.row}
                           : rows_of(a_.query, head, row, rows, a_.size, query_);
        type_ == DType::float64 ? clear<double>(rows) : clear<float>(rows);
        void* values = at(state_.data(), 2 * rows_, size_);
        SoftmaxState s{state_.data(), at(state_.data(), rows_, size_), values, a_.value_size, a_.value_size};
        for (int64_t from = 0; from < a_.keys; from += keys_) {
            int64_t keys = keys_from(from, row + rows);
            if (keys <= 0) break;
            products(rows, q, from, keys);
            ScoreTile scores = tile(head, row, rows, from, keys, scores_.data());
            if (native_) scores.weights = weights_.data();
            table_.accumulate[kind_of(native_ ? a_.dtype : type_)](scores, s);
            add_values(rows, from, keys, values);
        }
        FinishedRows f{rows, const_cast<void*>(start(out_, head, row, size_of(a_.dtype))), out_.row,
                       at(lse_, head * a_.length + row, size_)};
        table_.finish[kind_of(a_.dtype)](s, f);
    }

    // A block of keys, and of values, as the products of 16-bit floats want them.
    struct Kept {
        compute::PackedWeights key, value;
    };

    const Rows& out_;
    void* lse_;
    int64_t rows_;                            // queries of a block
    bool packs_;
    Scratch packed_, key_, value_, query_, scores_, state_, weights_;
    std::vector<Kept> kept_;
    Matrix k_, v_;
    int64_t ready_ = -1;
};

class Backward : Worker {
public:
    Backward(const Attention& a, const Rows& out, const Rows& grad, const void* lse, const Rows& grad_query,
             const Rows& grad_key, const Rows& grad_value)
        : Worker(a, false), out_(out), grad_(grad), lse_(lse), to_query_(grad_query), to_key_(grad_key),
          to_value_(grad_value), packed_key_(packed_room(a.size)), packed_value_(packed_room(a.value_size)),
          key_(room(a.keys, a.size, converts())), value_(room(a.keys, a.value_size, converts())),
          query_(room(block_rows, a.size, converts())), grads_(room(block_rows, a.value_size, converts())),
          slope_query_(room(block_rows, a.size, converts())), slope_key_(room(a.keys, a.size, converts())),
          slope_value_(room(a.keys, a.value_size, converts())), scores_(room(block_rows, keys_)),
          slopes_(room(block_rows, keys_)), delta_(room(block_rows, 1)) {}

    // One head of the keys with all heads of the queries that share it.
    void run(int64_t head) {
        k_ = rows_of(a_.key, head, 0, a_.keys, a_.size, key_);
        pack(k_, a_.size, packed_key_);
        pack(rows_of(a_.value, head, 0, a_.keys, a_.value_size, value_), a_.value_size, packed_value_);
        Matrix gk = target(to_key_, head, 0, slope_key_, a_.size);
        Matrix gv = target(to_value_, head, 0, slope_value_, a_.value_size);
        clear(gk, a_.keys, a_.size);
        clear(gv, a_.keys, a_.value_size);
        for (int64_t h = head * a_.group; h < (head + 1) * a_.group; ++h)
            for (int64_t row = 0; row < a_.length; row += block_rows)
                run_block(h, row, std::min(block_rows, a_.length - row), gk, gv);
        store(to_key_, head, 0, gk, a_.keys, a_.size);
        store(to_value_, head, 0, gv, a_.keys, a_.value_size);
    }

private:
    // Where a gradient is summed up: in its place, or in memory of the compute dtype.
    Matrix target(const Rows& to, int64_t head, int64_t row, const Scratch& memory, int64_t width) const {
        if (converts()) return {memory.data(), width};
        return {start(to, head, row, size_), to.row};
    }
    void clear(const Matrix& m, int64_t rows, int64_t width) const {
        for (int64_t r = 0; r < rows; ++r) {
            char* p = static_cast<char*>(const_cast<void*>(at(m.data, r * m.row, size_)));
            std::fill_n(p, width * size_, char(0));
        }
    }
    void store(const Rows& to, int64_t head, int64_t row, const Matrix& m, int64_t rows, int64_t width) const {
        if (!converts()) return;
        for (int64_t r = 0; r < rows; ++r)
            cast(const_cast<void*>(start(to, head, row + r, size_of(a_.dtype))), a_.dtype, at(m.data, r * width, size_),
                 type_, width);
    }

    void run_block(int64_t head, int64_t row, int64_t rows, const Matrix& gk, const Matrix& gv) {
        Matrix q = rows_of(a_.query, head, row, rows, a_.size, query_);
        Matrix g = rows_of(grad_, head, row, rows, a_.value_size, grads_);
        Matrix gq = target(to_query_, head, row, slope_query_, a_.size);
        int64_t element = size_of(a_.dtype);
        table_.row_products[kind_of(a_.dtype)](rows, a_.value_size, start(grad_, head, row, element), grad_.row,
                                               start(out_, head, row, element), out_.row, delta_.data());
        if (a_.keys == 0) clear(gq, rows, a_.size);
        for (int64_t from = 0; from < a_.keys; from += keys_) {
            int64_t keys = keys_from(from, row + rows);
            if (keys <= 0) break;
            times_packed(rows, q, a_.size, packed_key_, from, keys, scores_.data());
            times_packed(rows, g, a_.value_size, packed_value_, from, keys, slopes_.data());
            table_.differentiate[type_ == DType::float64](tile(head, row, rows, from, keys, scores_.data()),
                                                          at(lse_, head * a_.length + row, size_), delta_.data(),
                                                          slopes_.data());
            add(keys, rows, scores_, g, a_.value_size, gv, from);
            add(keys, rows, slopes_, q, a_.size, gk, from);
            times(rows, keys, slopes_.data(), false, {at(k_.data, from * k_.row, size_), k_.row}, a_.size,
                  const_cast<void*>(gq.data), gq.row, from > 0);
        }
        store(to_query_, head, row, gq, rows, a_.size);
    }
    // The tile's transpose times `m`, added to the rows of `to` from `from` on.
    void add(int64_t keys, int64_t rows, const Scratch& tile, const Matrix& m, int64_t width, const Matrix& to,
             int64_t from) const {
        times(keys, rows, tile.data(), true, m, width, const_cast<void*>(at(to.data, from * to.row, size_)), to.row,
              true);
    }

    const Rows &out_, &grad_;
    const void* lse_;
    const Rows &to_query_, &to_key_, &to_value_;
    Scratch packed_key_, packed_value_, key_, value_, query_, grads_, slope_query_, slope_key_, slope_value_, scores_,
        slopes_, delta_;
    Matrix k_;
};

int64_t work_of(const Attention& a) { return a.keys * (a.size + a.value_size); }      // for one query

}  // namespace

void attention(const Attention& a, const Rows& out, void* lse) {
    if (a.heads == 0 || a.length == 0) return;
    // Too few heads for the threads: their queries are shared out too, in pieces of whole blocks.
    int64_t blocks = (a.length + block_rows - 1) / block_rows;
    int64_t parts = a.heads >= 2 * get_num_threads() ? 1 : std::min(blocks, 4 * int64_t(get_num_threads()));
    int64_t each = (blocks + parts - 1) / parts * block_rows;
    parts = (a.length + each - 1) / each;
    int64_t rows = std::min(each, a.length);
    int64_t grain = std::max<int64_t>(1, thread_pays / std::max<int64_t>(1, rows * work_of(a)));
    parallel_for(a.heads * parts, grain, [&](int64_t begin, int64_t end) {
        Forward worker(a, out, lse, rows * (a.group > 1 ? 2 : 1));
        for (int64_t unit = begin; unit < end; ++unit) {
            int64_t first = unit % parts * each;
            worker.run(unit / parts, first, std::min(a.length, first + each));
        }
    });
}

void attention_backward(const Attention& a, const Rows& out, const Rows& grad, const void* lse, const Rows& grad_query,
                        const Rows& grad_key, const Rows& grad_value) {
    if (a.heads == 0) return;
    int64_t grain = std::max<int64_t>(1, thread_pays / std::max<int64_t>(1, a.group * a.length * work_of(a)));
    parallel_for(a.heads / a.group, grain, [&](int64_t begin, int64_t end) {
        Backward worker(a, out, grad, lse, grad_query, grad_key, grad_value);
        for (int64_t head = begin; head < end; ++head) worker.run(head);
    });
}

}  // namespace rushlight::kernels
