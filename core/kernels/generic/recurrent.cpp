// Threads share the entries of the batch, which do not depend on each other: each takes its entries through all steps.
// Where there are too few entries, they share the columns of each step's product instead, and wait for each other.
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

constexpr int64_t few_rows = 16;              // of all steps: below, products with the rows of the weights as they lie
constexpr int64_t columns_pay = 1 << 16;      // multiplications of a step that are worth a thread
constexpr int64_t gates_pay = 1 << 12;        // elements of a step whose gates are worth one
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

    // f(first column, columns) for shares of `columns` columns of a step's product; inside share_out on one thread.
    template <class F>
    void share_columns(int64_t rows, int64_t columns, int64_t depth, F&& f) const {
        int64_t step = gemm_.panel_columns, panels = (columns + step - 1) / step;
        // One share for each thread, so that as a rule the same weights come back to the same cache.
        int64_t worth = std::max<int64_t>(1, columns_pay / std::max<int64_t>(1, rows * depth * step));
        int64_t shares = std::clamp<int64_t>(panels / worth, 1, get_num_threads());
        parallel_for(shares, 1, [&](int64_t begin, int64_t end) {
            int64_t from = begin * panels / shares * step, to = std::min(columns, end * panels / shares * step);
            f(from, to - from);
        });
    }
    // The same of rows, for the gates.
    template <class F>
    void share_rows(int64_t rows, F&& f) const {
        parallel_for(rows, std::max<int64_t>(1, gates_pay / p_.hidden), f);
    }

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
        packs_ = p.batch > 1 && p.batch * p.steps >= few_rows;
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
        int64_t rows = std::min(end, p_.size[t]) - begin;
        if (rows <= 0) return;
        multiply(rows, at(state_, begin * p_.hidden, size_), products);
        share_rows(rows, [&](int64_t from, int64_t to) {
            run_gates(t, begin + from, to - from, at(products, from * width_, size_));
        });
    }

    void run_gates(int64_t t, int64_t begin, int64_t rows, const void* products) {
        int64_t n = p_.hidden, first = row(t, begin);
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
        share_columns(rows, width_, n, [&](int64_t first, int64_t columns) {
            void* to = at(products, first, size_);
            if (!packs_) {
                const void* weight = at(p_.weight, first * n, size_);
                return gemm_.dots({rows, columns, n, state, n, weight, n, to, width_, 1, nullptr, 1, false, false});
            }
            GemmBlock g = product(rows, columns, n, state, n, to, width_);
            g.b = at(packed_.data(), first * n, size_), g.b_row = gemm_.panel_columns;
            g.b_panel = gemm_.panel_columns * n;
            gemm_.block(g);
        });
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
        int64_t rows = std::min(end, p_.size[t]) - begin, n = p_.hidden;
        if (rows <= 0) return;
        share_rows(rows, [&](int64_t from, int64_t to) { run_gates(t, begin + from, to - from); });
        const void* products = at(grad_products_, row(t, begin) * width_, size_);
        share_columns(rows, n, width_, [&](int64_t from, int64_t columns) {
            GemmBlock g = product(rows, columns, width_, products, p_.between * width_,
                                  at(grad_state_, begin * n + from, size_), n);
            g.b = at(p_.weight, from, size_), g.b_row = n, g.b_panel = gemm_.panel_columns;
            g.accumulate = p_.mode == Recurrent::gru;
            rows == 1 ? gemm_.row(g) : gemm_.block(g);
        });
    }

    void run_gates(int64_t t, int64_t begin, int64_t rows) {
        int64_t n = p_.hidden, first = row(t, begin);
        GateSlope s{};
        s.rows = rows, s.hidden = n;
        s.grad_out = at(grad_out_, first * n, size_), s.grad_out_row = p_.between * n;
        s.out = at(out_, first * n, size_), s.out_row = p_.between * n;
        s.saved = at(saved_from_, first * saved_, size_), s.saved_row = p_.between * saved_;
        s.grad_state = at(grad_state_, begin * n, size_), s.grad_cell = at(grad_cell_, begin * n, size_);
        s.grad_gates = at(grad_gates_, first * width_, size_), s.grad_gates_row = p_.between * width_;
        s.grad_products = at(grad_products_, first * width_, size_), s.grad_products_row = p_.between * width_;
        recurrent_table.active().backward[p_.mode][wide_](s);
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
