// Each output index is traced back to its inputs once per dimension, in tables; the loops then run over rows.
#include "kernels/generic/spatial.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/order.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 14;                   // elements that are worth another thread

inline int64_t per_thread(int64_t width) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, width)); }

struct Sixteen { uint64_t a, b; };
// Calls f(U{}) with an unsigned type of the element's size.
template <class F>
inline void visit_size(DType t, F&& f) {
    switch (size_of(t)) {
        case 1: return f(uint8_t{});
        case 2: return f(uint16_t{});
        case 4: return f(uint32_t{});
        case 8: return f(uint64_t{});
        default: return f(Sixteen{});
    }
}
// Calls f(T{}) for the floating dtypes.
template <class F>
inline void visit_floating(DType t, F&& f) {
    switch (t) {
        case DType::float64: return f(double{});
        case DType::float16: return f(Half{});
        case DType::bfloat16: return f(BFloat16{});
        default: return f(float{});
    }
}
template <class T> using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// An accumulator for n values of T: T's own memory where T is computed as itself, else scratch that `finish`
// rounds into it.
template <class T>
class Accumulator {
public:
    using A = Compute<T>;
    Accumulator(T* to, int64_t n)
        : memory_(std::is_same_v<T, A> ? 0 : size_t(n) * sizeof(A)), to_(to), n_(n) {
        if constexpr (std::is_same_v<T, A>) sum = to;
        else sum = memory_.template as<A>();
        std::fill(sum, sum + n, A(0));
    }
    void finish() {
        if constexpr (!std::is_same_v<T, A>)
            for (int64_t i = 0; i < n_; ++i) to_[i] = T(sum[i]);
    }
    A* sum;

private:
    Scratch memory_;
    T* to_;
    int64_t n_;
};

// ---- padding --------------------------------------------------------------------------------------------------------

// The input index of a padded index, -1 for the constant.
inline int64_t source_of(const Pad& p, int d, int64_t o) {
    int64_t in = p.in[d], i = o - p.before[d];
    if (i >= 0 && i < in) return i;
    switch (p.mode) {
        case PadMode::constant: return -1;
        case PadMode::reflect: return i < 0 ? -i : 2 * (in - 1) - i;
        case PadMode::replicate: return i < 0 ? 0 : in - 1;
        case PadMode::circular: {                        // around what negative amounts have left
            int64_t first = std::max<int64_t>(-p.before[d], 0), left = in - first - std::max<int64_t>(-p.after[d], 0);
            int64_t at = (i - first) % left;
            return first + at + (at < 0 ? left : 0);
        }
    }
    return -1;
}

struct PadRows {
    const Pad& p;
    int last;                                // the dimension of the rows
    int64_t width, in_width, begin, end;     // of a row; [begin, end) is copied as it is
    int64_t rows = 1;

    explicit PadRows(const Pad& pad) : p(pad), last(pad.rank - 1) {
        in_width = p.in[last];
        width = out(last);
        begin = std::clamp<int64_t>(p.before[last], 0, width);
        end = std::clamp<int64_t>(p.before[last] + in_width, begin, width);
        for (int d = 0; d < last; ++d) rows *= out(d);
    }
    int64_t out(int d) const { return p.in[d] + p.before[d] + p.after[d]; }
    // The input row of an output row, -1 where it is all constant.
    int64_t source(int64_t row) const {
        int64_t at = 0, step = 1;
        for (int d = last - 1; d >= 0; --d) {
            int64_t i = source_of(p, d, row % out(d));
            if (i < 0) return -1;
            at += i * step;
            step *= p.in[d];
            row /= out(d);
        }
        return at;
    }
    int64_t column(int64_t o) const { return source_of(p, last, o); }
};

}  // namespace

void pad(const void* src, DType t, void* dst, const Pad& p, const void* value) {
    PadRows r(p);
    if (r.rows == 0 || r.width == 0) return;
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        U fill = value ? *static_cast<const U*>(value) : U{};
        parallel_for(r.rows, per_thread(r.width), [&](int64_t from, int64_t to) {
            for (int64_t row = from; row < to; ++row) {
                U* out = static_cast<U*>(dst) + row * r.width;
                int64_t source = r.source(row);
                if (source < 0) {
                    std::fill(out, out + r.width, fill);
                    continue;
                }
                const U* in = static_cast<const U*>(src) + source * r.in_width;
                auto edge = [&](int64_t o) {
                    int64_t i = r.column(o);
                    out[o] = i < 0 ? fill : in[i];
                };
                for (int64_t o = 0; o < r.begin; ++o) edge(o);
                const U* middle = in + (r.begin - p.before[r.last]);
                parallel_for(r.end - r.begin, 1 << 17, [&](int64_t first, int64_t last) {
                    std::memcpy(out + r.begin + first, middle + first, size_t(last - first) * sizeof(U));
                });
                for (int64_t o = r.end; o < r.width; ++o) edge(o);
            }
        });
    });
}

void pad_backward(const void* grad, DType t, void* grad_in, const Pad& p) {
    PadRows r(p);
    int64_t size = 1;
    for (int d = 0; d < p.rank; ++d) size *= p.in[d];
    if (size == 0) return;
    // Where the first dimension is left as it is, its entries are apart from each other, and threads share
    // them.
    bool apart = p.rank > 1 && p.before[0] == 0 && p.after[0] == 0;
    int64_t parts = apart ? p.in[0] : 1, rows = r.rows / parts, part_size = size / parts;
    visit_floating(t, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(parts, per_thread(part_size), [&](int64_t from, int64_t to) {
            for (int64_t part = from; part < to; ++part) {
                Accumulator<T> acc(static_cast<T*>(grad_in) + part * part_size, part_size);
                for (int64_t row = part * rows; row < (part + 1) * rows; ++row) {
                    int64_t source = r.source(row);
                    if (source < 0) continue;
                    const T* g = static_cast<const T*>(grad) + row * r.width;
                    auto* out = acc.sum + source * r.in_width - part * part_size;
                    for (int64_t o = 0; o < r.width; ++o) {
                        int64_t i = o >= r.begin && o < r.end ? o - p.before[r.last] : r.column(o);
                        if (i >= 0) out[i] += Compute<T>(g[o]);
                    }
                }
                acc.finish();
            }
        });
    });
}

// ---- resizing -------------------------------------------------------------------------------------------------------

namespace {

// The size of an input step per output step.
double step_of(const Resize& r, int d) {
    if (r.align_corners) return r.out[d] > 1 ? double(r.in[d] - 1) / double(r.out[d] - 1) : 0;
    return r.scale[d] > 0 ? r.scale[d] : double(r.in[d]) / double(r.out[d]);
}

// Half the width of an antialiasing filter.
double support_of(const Resize& r, int d) {
    double width = r.mode == ResizeMode::linear ? 1 : r.mode == ResizeMode::cubic ? 2 : 3;
    return width * std::max(step_of(r, d), 1.0);
}

int taps_of(const Resize& r, int d) {
    if (r.in[d] == 1 && r.out[d] == 1) return 1;
    if (r.antialias) return int(std::min<double>(std::ceil(support_of(r, d)) * 2 + 1, double(r.in[d])));
    return r.mode == ResizeMode::linear ? 2 : r.mode == ResizeMode::cubic ? 4 : 1;
}

// An antialiasing filter at distance t from its middle. The cubic one is Keys' with a = -1/2.
template <class A>
A filter(ResizeMode mode, A t) {
    t = std::abs(t);
    if (mode == ResizeMode::linear) return std::max(A(1) - t, A(0));
    if (mode == ResizeMode::cubic)
        return t < 1   ? (A(1.5) * t - A(2.5)) * t * t + 1
               : t < 2 ? ((A(-0.5) * t + A(2.5)) * t - 4) * t + 2
                       : A(0);
    if (t == 0 || t >= 3) return t == 0;
    A x = A(3.14159265358979323846) * t;
    return 3 * std::sin(x) * std::sin(x / 3) / (x * x);
}

// Keys' cubic weights at distance t from the second of four points.
template <class A>
void cubic_weights(A t, A* w) {
    constexpr A a = A(-0.75);
    auto near = [](A x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    auto far = [](A x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    w[0] = far(t + 1);
    w[1] = near(t);
    w[2] = near(1 - t);
    w[3] = far(2 - t);
}

// For each output index of a dimension, its inputs and their weights.
template <class A>
struct Taps {
    int count;
    int64_t* place;
    A* weight;

    static size_t bytes(const Resize& r, int d) {
        return size_t(r.out[d]) * size_t(taps_of(r, d)) * 8 * 2;              // places and weights, aligned
    }
    void fill(const Resize& r, int d, char* memory) {
        place = reinterpret_cast<int64_t*>(memory);
        count = taps_of(r, d);
        weight = reinterpret_cast<A*>(place + r.out[d] * count);
        for (int64_t o = 0; o < r.out[d]; ++o) set(r, d, o, place + o * count, weight + o * count);
    }

private:
    void set(const Resize& r, int d, int64_t o, int64_t* at, A* w) const {
        int64_t in = r.in[d], out = r.out[d];
        w[0] = 1;
        at[0] = 0;
        if (count == 1 && in == 1) return;
        if (r.antialias) return set_filtered(r, d, o, at, w);
        if (count == 1) {  // nearest: in float32, as the size of the result was
            float scale = r.scale[d] > 0 ? float(r.scale[d]) : float(in) / float(out);
            float x = r.mode == ResizeMode::nearest_exact ? (float(o) + 0.5f) * scale : float(o) * scale;
            at[0] = std::min<int64_t>(int64_t(std::floor(x)), in - 1);
            return;
        }
        A scale = r.align_corners  ? (out > 1 ? A(in - 1) / A(out - 1) : A(0))
                  : r.scale[d] > 0 ? A(r.scale[d])
                                   : A(in) / A(out);
        A x = r.align_corners ? A(o) * scale : (A(o) + A(0.5)) * scale - A(0.5);
        if (count == 2) {
            x = std::max(x, A(0));
            at[0] = std::min<int64_t>(int64_t(x), in - 1);
            at[1] = std::min(at[0] + 1, in - 1);
            w[1] = std::min(x - A(at[0]), A(1));
            w[0] = 1 - w[1];
            return;
        }
        int64_t i = int64_t(std::floor(x));
        cubic_weights(A(x - A(i)), w);
        for (int k = 0; k < 4; ++k) at[k] = std::clamp<int64_t>(i - 1 + k, 0, in - 1);
    }

    // Weights over all that the filter covers, scaled to sum to one.
    void set_filtered(const Resize& r, int d, int64_t o, int64_t* at, A* w) const {
        A step = A(step_of(r, d)), support = A(support_of(r, d)), center = step * (A(o) + A(0.5)), sum = 0;
        int64_t first = std::max<int64_t>(int64_t(center - support + A(0.5)), 0);
        int64_t end = std::min<int64_t>({int64_t(center + support + A(0.5)), r.in[d], first + count});
        for (int k = 0; k < count; ++k) {
            at[k] = std::min(first + k, r.in[d] - 1);
            w[k] = first + k < end ? filter<A>(r.mode, (A(first + k) - center + A(0.5)) / std::max(step, A(1))) : A(0);
            sum += w[k];
        }
        for (int k = 0; k < count; ++k) w[k] = sum != 0 ? w[k] / sum : w[k];
    }
};

template <class A>
struct ResizeTables {
    Scratch memory;
    Taps<A> taps[3];

    explicit ResizeTables(const Resize& r)
        : memory(Taps<A>::bytes(r, 0) + Taps<A>::bytes(r, 1) + Taps<A>::bytes(r, 2)) {
        char* next = memory.as<char>();
        for (int d = 0; d < 3; ++d) {
            taps[d].fill(r, d, next);
            next += Taps<A>::bytes(r, d);
        }
    }
    // f(input row, weight) for the rows that an output row (o0, o1) is made of.
    template <class F>
    void for_rows(const Resize& r, int64_t row, F&& f) const {
        int64_t o0 = row / r.out[1], o1 = row % r.out[1];
        for (int a = 0; a < taps[0].count; ++a)
            for (int b = 0; b < taps[1].count; ++b) {
                int64_t i0 = o0 * taps[0].count + a, i1 = o1 * taps[1].count + b;
                f(taps[0].place[i0] * r.in[1] + taps[1].place[i1], taps[0].weight[i0] * taps[1].weight[i1]);
            }
    }
};

// `fixed` is the number of taps, 0 where it is known only now.
template <int fixed, class A, class T>
void combine_columns(const A* row, const Taps<A>& taps, T* out, int64_t n) {
    const int count = fixed ? fixed : taps.count;
    for (int64_t o = 0; o < n; ++o) {
        A sum = 0;
        for (int k = 0; k < count; ++k) sum += taps.weight[o * count + k] * row[taps.place[o * count + k]];
        out[o] = T(sum);
    }
}

// Joins the input rows of each output row, then the columns of each output.
template <class T>
void resize_planes(const T* src, T* dst, const Resize& r, const ResizeTables<Compute<T>>& tables,
                   int64_t from, int64_t to) {
    using A = Compute<T>;
    int64_t rows = r.out[0] * r.out[1], width = r.in[2], plane_size = r.in[0] * r.in[1] * width;
    Scratch memory(size_t(width) * sizeof(A));
    A* sum = memory.as<A>();
    const Taps<A>& last = tables.taps[2];
    for (int64_t task = from; task < to; ++task) {
        const T* plane = src + task / rows * plane_size;
        bool first = true;
        tables.for_rows(r, task % rows, [&](int64_t row, A weight) {
            const T* in = plane + row * width;
            if (first)
                for (int64_t j = 0; j < width; ++j) sum[j] = weight * A(in[j]);
            else
                for (int64_t j = 0; j < width; ++j) sum[j] += weight * A(in[j]);
            first = false;
        });
        T* out = dst + task * r.out[2];
        if (last.count == 1) combine_columns<1>(sum, last, out, r.out[2]);
        else if (last.count == 2) combine_columns<2>(sum, last, out, r.out[2]);
        else if (last.count == 4) combine_columns<4>(sum, last, out, r.out[2]);
        else combine_columns<0>(sum, last, out, r.out[2]);
    }
}

template <int fixed, class A, class T>
void spread_columns(const T* grad, const Taps<A>& taps, A* row, int64_t n) {
    const int count = fixed ? fixed : taps.count;
    for (int64_t o = 0; o < n; ++o)
        for (int k = 0; k < count; ++k)
            row[taps.place[o * count + k]] += taps.weight[o * count + k] * A(grad[o]);
}

template <class T>
void resize_plane_backward(const T* grad, T* grad_in, const Resize& r,
                           const ResizeTables<Compute<T>>& tables) {
    using A = Compute<T>;
    int64_t rows = r.out[0] * r.out[1], width = r.in[2];
    const Taps<A>& last = tables.taps[2];
    Accumulator<T> acc(grad_in, r.in[0] * r.in[1] * width);
    Scratch memory(size_t(width) * sizeof(A));
    A* sum = memory.as<A>();
    for (int64_t row = 0; row < rows; ++row) {
        std::fill(sum, sum + width, A(0));
        const T* g = grad + row * r.out[2];
        if (last.count == 1) spread_columns<1>(g, last, sum, r.out[2]);
        else if (last.count == 2) spread_columns<2>(g, last, sum, r.out[2]);
        else if (last.count == 4) spread_columns<4>(g, last, sum, r.out[2]);
        else spread_columns<0>(g, last, sum, r.out[2]);
        tables.for_rows(r, row, [&](int64_t at, A weight) {
            A* out = acc.sum + at * width;
            for (int64_t j = 0; j < width; ++j) out[j] += weight * sum[j];
        });
    }
    acc.finish();
}

// Nearest neighbours are copied, whatever the dtype.
template <class U>
void copy_nearest(const U* src, U* dst, const Resize& r) {
    ResizeTables<float> tables(r);
    int64_t rows = r.out[0] * r.out[1], plane_size = r.in[0] * r.in[1] * r.in[2];
    parallel_for(r.planes * rows, per_thread(r.out[2]), [&](int64_t from, int64_t to) {
        for (int64_t task = from; task < to; ++task) {
            const U* in = src + task / rows * plane_size;
            tables.for_rows(r, task % rows, [&](int64_t row, float) { in += row * r.in[2]; });
            U* out = dst + task * r.out[2];
            for (int64_t o = 0; o < r.out[2]; ++o) out[o] = in[tables.taps[2].place[o]];
        }
    });
}

}  // namespace

void resize(const void* src, DType t, void* dst, const Resize& r) {
    if (r.mode == ResizeMode::nearest || r.mode == ResizeMode::nearest_exact) {
        visit_size(t, [&](auto zero) {
            using U = decltype(zero);
            copy_nearest(static_cast<const U*>(src), static_cast<U*>(dst), r);
        });
        return;
    }
    visit_floating(t, [&](auto zero) {
        using T = decltype(zero);
        ResizeTables<Compute<T>> tables(r);
        parallel_for(r.planes * r.out[0] * r.out[1], per_thread(4 * (r.in[2] + r.out[2])),
                     [&](int64_t from, int64_t to) {
                         resize_planes(static_cast<const T*>(src), static_cast<T*>(dst), r, tables, from, to);
                     });
    });
}

void resize_backward(const void* grad, DType t, void* grad_in, const Resize& r) {
    visit_floating(t, [&](auto zero) {
        using T = decltype(zero);
        ResizeTables<Compute<T>> tables(r);
        int64_t in = r.in[0] * r.in[1] * r.in[2], out = r.out[0] * r.out[1] * r.out[2];
        parallel_for(r.planes, per_thread(in + out), [&](int64_t from, int64_t to) {
            for (int64_t p = from; p < to; ++p)
                resize_plane_backward(static_cast<const T*>(grad) + p * out,
                                      static_cast<T*>(grad_in) + p * in, r, tables);
        });
    });
}

// ---- columns --------------------------------------------------------------------------------------------------------

int64_t block_count(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
    return span < 0 ? 0 : span / stride + 1;
}

namespace {

// f(place in the plane or -1 for padding, number of the block) for one row of columns (k0, k1), row of blocks
// by row.
template <class F>
inline void for_blocks(const Unfold& u, int64_t k0, int64_t k1, F&& f) {
    for (int64_t b0 = 0; b0 < u.blocks[0]; ++b0) {
        int64_t i0 = b0 * u.stride[0] - u.pad[0] + k0 * u.dilation[0];
        bool inside = i0 >= 0 && i0 < u.in[0];
        for (int64_t b1 = 0; b1 < u.blocks[1]; ++b1) {
            int64_t i1 = b1 * u.stride[1] - u.pad[1] + k1 * u.dilation[1];
            f(inside && i1 >= 0 && i1 < u.in[1] ? i0 * u.in[1] + i1 : -1, b0 * u.blocks[1] + b1);
        }
    }
}

}  // namespace

void im2col(const void* src, DType t, void* dst, const Unfold& u) {
    int64_t plane = u.in[0] * u.in[1], kernel = u.kernel[0] * u.kernel[1], blocks = u.blocks[0] * u.blocks[1];
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        parallel_for(u.batch * u.channels * kernel, per_thread(blocks), [&](int64_t from, int64_t to) {
            for (int64_t row = from; row < to; ++row) {
                const U* in = static_cast<const U*>(src) + row / kernel * plane;
                U* out = static_cast<U*>(dst) + row * blocks;
                int64_t k = row % kernel;
                for_blocks(u, k / u.kernel[1], k % u.kernel[1],
                           [&](int64_t at, int64_t block) { out[block] = at < 0 ? U{} : in[at]; });
            }
        });
    });
}

void col2im(const void* src, DType t, void* dst, const Unfold& u) {
    int64_t plane = u.in[0] * u.in[1], kernel = u.kernel[0] * u.kernel[1], blocks = u.blocks[0] * u.blocks[1];
    visit_floating(t, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(u.batch * u.channels, per_thread(kernel * blocks), [&](int64_t from, int64_t to) {
            for (int64_t p = from; p < to; ++p) {
                Accumulator<T> acc(static_cast<T*>(dst) + p * plane, plane);
                for (int64_t k = 0; k < kernel; ++k) {
                    const T* in = static_cast<const T*>(src) + (p * kernel + k) * blocks;
                    for_blocks(u, k / u.kernel[1], k % u.kernel[1], [&](int64_t at, int64_t block) {
                        if (at >= 0) acc.sum[at] += Compute<T>(in[block]);
                    });
                }
                acc.finish();
            }
        });
    });
}

}  // namespace rushlight::kernels
