// Threads share the entries of the batch, which do not depend on each other: each takes its entries through all steps.
#include "kernels/generic/recurrent.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/gemm_kernels.h"
#include "kernels/generic/geometry.h"
#include "kernels/generic/recurrent_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t few_rows = 4;               // products by rows of the weights, as they lie
constexpr int64_t thread_pays = 1 << 18;      // multiplications that are worth a thread

class Layer {
public:
    explicit Layer(const Recurrent& p)
        : p_(p), size_(size_of(p.dtype)), width_(gate_count(p.mode) * p.hidden), saved_(saved_width(p)),
          wide_(p.dtype == DType::float64), gemm_(gemm_table.active().floating[wide_]) {}

    // f(begin, end) for shares of the batch.
    template <class F>
    void share_out(F&& f) const {
        int64_t per_entry = std::max<int64_t>(1, p_.steps * width_ * p_.hidden);
        int64_t grain = std::max<int64_t>(gemm_.panel_rows, thread_pays / per_entry);
        int64_t each = std::max(grain, (p_.batch + get_num_threads() - 1) / get_num_threads());
        parallel_for((p_.batch + each - 1) / each, 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) f(i * each, std::min(p_.batch, (i + 1) * each));
        });
    }
    int64_t step(int64_t i, bool backward) const { return p_.reverse == backward ? i : p_.steps - 1 - i; }
    int64_t row(int64_t t, int64_t entry) const { return p_.first[t] + entry * p_.between; }

    GemmBlock product(int64_t rows, int64_t columns, int64_t depth, const void* a, int64_t a_row, void* c,
                      int64_t c_row) const {
        GemmBlock g{};
        g.m = rows, g.n = columns, g.k = depth;
        g.a = a, g.a_row = a_row, g.a_column = 1, g.a_panel = gemm_.panel_rows * a_row;
        g.c = c, g.c_row = c_row;
        return g;
    }

    const Recurrent& p_;
    int64_t size_, width_, saved_;
    bool wide_;
    const GemmTable::Floating& gemm_;
};

class Forward : Layer {
public:
    Forward(const Recurrent& p, const void* gates, void* state, void* cell, void* out, void* saved)
        : Layer(p), gates_(gates), state_(state), cell_(cell), out_(out), saved_to_(saved) {
        int64_t columns = (width_ + gemm_.panel_columns - 1) / gemm_.panel_columns * gemm_.panel_columns;
        packs_ = p.batch > few_rows;
        if (!packs_) return;
        packed_ = Scratch(size_t(columns * p.hidden * size_));
        for (int64_t j = 0; j < width_; j += gemm_.panel_columns)
            copy_block(size_, p.hidden, std::min<int64_t>(gemm_.panel_columns, width_ - j),
                       at(packed_.data(), j * p.hidden, size_), gemm_.panel_columns, 1,
                       at(p.weight, j * p.hidden, size_), 1, p.hidden);
    }

    void run() {
        share_out([&](int64_t begin, int64_t end) {
            Scratch products(size_t((end - begin) * width_ * size_));
            for (int64_t i = 0; i < p_.steps; ++i) run_step(step(i, false), begin, end, products.data());
        });
    }

private:
    void run_step(int64_t t, int64_t begin, int64_t end, void* products) {
        int64_t rows = std::min(end, p_.size[t]) - begin, first = row(t, begin), n = p_.hidden;
        if (rows <= 0) return;
        multiply(rows, at(state_, begin * n, size_), products);
        GateStep s{};
        s.rows = rows, s.hidden = n;
        s.gates = at(gates_, first * width_, size_), s.gates_row = p_.between * width_;
        s.products = products, s.products_row = width_;
        s.bias = p_.bias;
        s.state = at(state_, begin * n, size_), s.cell = at(cell_, begin * n, size_);
        s.out = at(out_, first * n, size_), s.out_row = p_.between * n;
        s.saved = at(saved_to_, first * saved_, size_), s.saved_row = p_.between * saved_;
        recurrent_table.active().forward[p_.mode][wide_](s);
    }

    void multiply(int64_t rows, const void* state, void* products) {
        int64_t n = p_.hidden;
        if (!packs_)
            return gemm_.dots({rows, width_, n, state, n, p_.weight, n, products, width_, 1, nullptr, 1, false, false});
        GemmBlock g = product(rows, width_, n, state, n, products, width_);
        g.b = packed_.data(), g.b_row = gemm_.panel_columns, g.b_panel = gemm_.panel_columns * n;
        gemm_.block(g);
    }

    const void* gates_;
    void *state_, *cell_, *out_, *saved_to_;
    bool packs_;
    Scratch packed_;
};

class Backward : Layer {
public:
    Backward(const Recurrent& p, const void* grad_out, const void* out, const void* saved, void* grad_state,
             void* grad_cell, void* grad_gates, void* grad_products)
        : Layer(p), grad_out_(grad_out), out_(out), saved_from_(saved), grad_state_(grad_state), grad_cell_(grad_cell),
          grad_gates_(grad_gates), grad_products_(grad_products ? grad_products : grad_gates) {}

    void run() {
        share_out([&](int64_t begin, int64_t end) {
            for (int64_t i = 0; i < p_.steps; ++i) run_step(step(i, true), begin, end);
        });
    }

private:
    void run_step(int64_t t, int64_t begin, int64_t end) {
        int64_t rows = std::min(end, p_.size[t]) - begin, first = row(t, begin), n = p_.hidden;
        if (rows <= 0) return;
        GateSlope s{};
        s.rows = rows, s.hidden = n;
        s.grad_out = at(grad_out_, first * n, size_), s.grad_out_row = p_.between * n;
        s.out = at(out_, first * n, size_), s.out_row = p_.between * n;
        s.saved = at(saved_from_, first * saved_, size_), s.saved_row = p_.between * saved_;
        s.grad_state = at(grad_state_, begin * n, size_), s.grad_cell = at(grad_cell_, begin * n, size_);
        s.grad_gates = at(grad_gates_, first * width_, size_), s.grad_gates_row = p_.between * width_;
        s.grad_products = at(grad_products_, first * width_, size_), s.grad_products_row = p_.between * width_;
        recurrent_table.active().backward[p_.mode][wide_](s);
        GemmBlock g = product(rows, n, width_, s.grad_products, s.grad_products_row, s.grad_state, n);
        g.b = p_.weight, g.b_row = n, g.b_panel = gemm_.panel_columns;
        g.accumulate = p_.mode == Recurrent::gru;
        rows == 1 ? gemm_.row(g) : gemm_.block(g);
    }

    const void *grad_out_, *out_, *saved_from_;
    void *grad_state_, *grad_cell_, *grad_gates_, *grad_products_;
};

}  // namespace

int64_t gate_count(Recurrent::Mode mode) { return mode == Recurrent::lstm ? 4 : mode == Recurrent::gru ? 3 : 1; }

int64_t saved_width(const Recurrent& p) {
    return p.hidden * (p.mode == Recurrent::lstm ? 6 : p.mode == Recurrent::gru ? 5 : 1);
}

void recurrent(const Recurrent& p, const void* gates, void* state, void* cell, void* out, void* saved) {
    if (p.batch && p.hidden) Forward(p, gates, state, cell, out, saved).run();
}

void recurrent_backward(const Recurrent& p, const void* grad_out, const void* out, const void* saved, void* grad_state,
                        void* grad_cell, void* grad_gates, void* grad_products) {
    if (p.batch && p.hidden)
        Backward(p, grad_out, out, saved, grad_state, grad_cell, grad_gates, grad_products).run();
}

}  // namespace rushlight::kernels
