// The gates of recurrent layers. A row of `saved` holds, `hidden` elements each: the old state; of an LSTM then the old
// cell and the gates i, f, g, o; of a GRU the gates r, z, n and the products of n.
#include "kernels/generic/recurrent_kernels.h"

#include "kernels/generic/tile.h"
#include "kernels/generic/vec_math.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// A vector at one place of several rows: a whole one, or the lanes that are left. One kind, not two, since the gates'
// functions are long, and would all be there twice.
template <class T>
struct Place {
    int64_t at, count;
    RUSHLIGHT_INLINE Vec<T> load(const T* p) const {
        return count == Vec<T>::width ? Vec<T>::load(p + at) : Vec<T>::load(p + at, count);
    }
    RUSHLIGHT_INLINE void store(T* p, Vec<T> x) const {
        if (count == Vec<T>::width) x.store(p + at);
        else x.store(p + at, count);
    }
};

// f(row, place) for each vector of each row.
template <class T, class F>
RUSHLIGHT_INLINE void for_each_place(int64_t rows, int64_t hidden, F f) {
    constexpr int64_t w = Vec<T>::width;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < hidden; i += w) f(r, Place<T>{i, hidden - i < w ? hidden - i : w});
}

template <class T> RUSHLIGHT_INLINE T* row_of(void* p, int64_t r, int64_t step) {
    return static_cast<T*>(p) + r * step;
}
template <class T> RUSHLIGHT_INLINE const T* row_of(const void* p, int64_t r, int64_t step) {
    return static_cast<const T*>(p) + r * step;
}

template <class T, bool rectified>
void plain_forward(const GateStep& s) {
    for_each_place<T>(s.rows, s.hidden, [&](int64_t r, Place<T> p) {
        T* state = row_of<T>(s.state, r, s.hidden);
        Vec<T> x = p.load(row_of<T>(s.gates, r, s.gates_row)) + p.load(row_of<T>(s.products, r, s.products_row));
        Vec<T> y = rectified ? maximum(x, Vec<T>(T(0))) : tanh(x);
        if (s.saved) p.store(row_of<T>(s.saved, r, s.saved_row), p.load(state));
        p.store(state, y);
        p.store(row_of<T>(s.out, r, s.out_row), y);
    });
}

template <class T, bool rectified>
void plain_backward(const GateSlope& s) {
    for_each_place<T>(s.rows, s.hidden, [&](int64_t r, Place<T> p) {
        Vec<T> g = p.load(row_of<T>(s.grad_state, r, s.hidden));
        if (s.grad_out) g += p.load(row_of<T>(s.grad_out, r, s.grad_out_row));
        Vec<T> y = p.load(row_of<T>(s.out, r, s.out_row));
        Vec<T> slope = rectified ? where(y <= 0, Vec<T>(T(0)), g) : g * (1 - y * y);
        p.store(row_of<T>(s.grad_gates, r, s.grad_gates_row), slope);
    });
}

template <class T>
void lstm_forward(const GateStep& s) {
    const int64_t n = s.hidden;
    for_each_place<T>(s.rows, n, [&](int64_t r, Place<T> p) {
        const T *a = row_of<T>(s.gates, r, s.gates_row), *b = row_of<T>(s.products, r, s.products_row);
        T *state = row_of<T>(s.state, r, n), *cell = row_of<T>(s.cell, r, n);
        Vec<T> i = sigmoid(p.load(a) + p.load(b)), f = sigmoid(p.load(a + n) + p.load(b + n));
        Vec<T> g = tanh(p.load(a + 2 * n) + p.load(b + 2 * n)), o = sigmoid(p.load(a + 3 * n) + p.load(b + 3 * n));
        Vec<T> old = p.load(cell), c = f * old + i * g, y = o * tanh(c);
        if (s.saved) {
            T* to = row_of<T>(s.saved, r, s.saved_row);
            p.store(to, p.load(state));
            p.store(to + n, old);
            p.store(to + 2 * n, i);
            p.store(to + 3 * n, f);
            p.store(to + 4 * n, g);
            p.store(to + 5 * n, o);
        }
        p.store(cell, c);
        p.store(state, y);
        p.store(row_of<T>(s.out, r, s.out_row), y);
    });
}

template <class T>
void lstm_backward(const GateSlope& s) {
    const int64_t n = s.hidden;
    for_each_place<T>(s.rows, n, [&](int64_t r, Place<T> p) {
        Vec<T> dy = p.load(row_of<T>(s.grad_state, r, n));
        if (s.grad_out) dy += p.load(row_of<T>(s.grad_out, r, s.grad_out_row));
        const T* from = row_of<T>(s.saved, r, s.saved_row);
        Vec<T> old = p.load(from + n), i = p.load(from + 2 * n), f = p.load(from + 3 * n), g = p.load(from + 4 * n);
        Vec<T> o = p.load(from + 5 * n), t = tanh(f * old + i * g);
        T* cell = row_of<T>(s.grad_cell, r, n);
        Vec<T> dc = p.load(cell) + dy * o * (1 - t * t);
        T* to = row_of<T>(s.grad_gates, r, s.grad_gates_row);
        p.store(to, dc * g * i * (1 - i));
        p.store(to + n, dc * old * f * (1 - f));
        p.store(to + 2 * n, dc * i * (1 - g * g));
        p.store(to + 3 * n, dy * t * o * (1 - o));
        p.store(cell, dc * f);
    });
}

template <class T>
void gru_forward(const GateStep& s) {
    const int64_t n = s.hidden;
    const T* bias = static_cast<const T*>(s.bias);
    for_each_place<T>(s.rows, n, [&](int64_t row, Place<T> p) {
        const T *a = row_of<T>(s.gates, row, s.gates_row), *b = row_of<T>(s.products, row, s.products_row);
        Vec<T> from_r = p.load(b), from_z = p.load(b + n), from_n = p.load(b + 2 * n);
        if (bias) {
            from_r += p.load(bias);
            from_z += p.load(bias + n);
            from_n += p.load(bias + 2 * n);
        }
        Vec<T> r = sigmoid(p.load(a) + from_r), z = sigmoid(p.load(a + n) + from_z);
        Vec<T> fresh = tanh(p.load(a + 2 * n) + r * from_n);
        T* state = row_of<T>(s.state, row, n);
        Vec<T> old = p.load(state), y = (old - fresh) * z + fresh;
        if (s.saved) {
            T* to = row_of<T>(s.saved, row, s.saved_row);
            p.store(to, old);
            p.store(to + n, r);
            p.store(to + 2 * n, z);
            p.store(to + 3 * n, fresh);
            p.store(to + 4 * n, from_n);
        }
        p.store(state, y);
        p.store(row_of<T>(s.out, row, s.out_row), y);
    });
}

template <class T>
void gru_backward(const GateSlope& s) {
    const int64_t n = s.hidden;
    for_each_place<T>(s.rows, n, [&](int64_t row, Place<T> p) {
        T* state = row_of<T>(s.grad_state, row, n);
        Vec<T> dy = p.load(state);
        if (s.grad_out) dy += p.load(row_of<T>(s.grad_out, row, s.grad_out_row));
        const T* from = row_of<T>(s.saved, row, s.saved_row);
        Vec<T> old = p.load(from), r = p.load(from + n), z = p.load(from + 2 * n), fresh = p.load(from + 3 * n);
        Vec<T> products = p.load(from + 4 * n);
        Vec<T> d_fresh = dy * (1 - z) * (1 - fresh * fresh), d_z = dy * (old - fresh) * z * (1 - z);
        Vec<T> d_r = d_fresh * products * r * (1 - r);
        T* gates = row_of<T>(s.grad_gates, row, s.grad_gates_row);
        T* to = row_of<T>(s.grad_products, row, s.grad_products_row);
        p.store(gates, d_r);
        p.store(gates + n, d_z);
        p.store(gates + 2 * n, d_fresh);
        p.store(to, d_r);
        p.store(to + n, d_z);
        p.store(to + 2 * n, d_fresh * r);
        p.store(state, dy * z);
    });
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(RecurrentTable, recurrent_table) = {
    {{plain_forward<float, false>, plain_forward<double, false>},
     {plain_forward<float, true>, plain_forward<double, true>},
     {lstm_forward<float>, lstm_forward<double>},
     {gru_forward<float>, gru_forward<double>}},
    {{plain_backward<float, false>, plain_backward<double, false>},
     {plain_backward<float, true>, plain_backward<double, true>},
     {lstm_backward<float>, lstm_backward<double>},
     {gru_backward<float>, gru_backward<double>}},
};

}  // namespace rushlight
