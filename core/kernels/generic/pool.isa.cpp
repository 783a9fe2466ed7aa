// Pooling. Planes: the window's rows are joined first, a vector of columns at a time, then the few columns of
// each window. Channels-last: a vector of channels at a time. Gradients are gathered: each input adds up the
// outputs that cover it, so that nothing is cleared first and no two threads write one place.
#include "kernels/generic/pool_kernels.h"

#include "kernels/generic/tile.h"

namespace rushlight {
inline namespace RUSHLIGHT_ISA_SPACE {
namespace {

// ---- planes ---------------------------------------------------------------------------------------------------------

// For each column of one output row: the largest value in the window's rows, and its row (as its first
// element's place).
template <class S, bool indexed>
RUSHLIGHT_INLINE void join_rows_max(const PoolWindows& w, const S* plane, int64_t o0, int64_t o1,
                                    Compute<S>* best, SignedFor<Compute<S>>* row) {
    using T = Compute<S>;
    using Index = SignedFor<T>;
    const PoolDim &d0 = w.dim[0], &d1 = w.dim[1];
    int64_t width = w.dim[2].in;
    bool first = true;
    for (int64_t i0 = d0.begin[o0]; i0 < d0.end[o0]; i0 += d0.step)
        for (int64_t i1 = d1.begin[o1]; i1 < d1.end[o1]; i1 += d1.step) {
            int64_t start = (i0 * d1.in + i1) * width;
            const Vec<Index> place{Index(start)};
            auto one = [&](auto load, auto get, auto get_row, auto put, auto put_row) {
                Vec<T> x = load();
                if (first) {
                    put(x);
                    if (indexed) put_row(place);
                    return;
                }
                Vec<T> b = get();
                Mask<T> better = (x > b) | isnan(x);
                put(where(better, x, b));
                if (indexed) put_row(where(Mask<Index>{better.v}, place, Vec<Index>(get_row())));
            };
            for_each_tile<lanes_of<S>>(
                width,
                [&](int64_t j) {
                    one([&] { return load_tile(plane + start + j); }, [&] { return Vec<T>::load(best + j); },
                        [&] { return Vec<Index>::load(row + j); }, [&](Vec<T> x) { x.store(best + j); },
                        [&](Vec<Index> x) { x.store(row + j); });
                },
                [&](int64_t j, int64_t c) {
                    one([&] { return load_tile(plane + start + j, c); },
                        [&] { return Vec<T>::load(best + j, c); },
                        [&] { return Vec<Index>::load(row + j, c); }, [&](Vec<T> x) { x.store(best + j, c); },
                        [&](Vec<Index> x) { x.store(row + j, c); });
                });
            first = false;
        }
}

// The rows of a window joined, then runs of `taps` columns: best[j] of `joined` is the largest of the columns
// j, j + step, ..., and `place` where it stands. Of equal values the one that comes first in the plane.
template <class S> struct JoinedRows {
    using T = Compute<S>;
    using Index = SignedFor<T>;
    T *best, *run_best;
    Index *row, *run_place;

    JoinedRows(void* scratch, int64_t width) {
        best = static_cast<T*>(scratch);
        run_best = best + width;
        row = reinterpret_cast<Index*>(run_best + width);
        run_place = row + width;
    }
};

template <class S, bool indexed>
RUSHLIGHT_INLINE void join_columns_max(const JoinedRows<S>& b, int64_t count, int64_t taps, int64_t step) {
    using T = Compute<S>;
    using Index = SignedFor<T>;
    auto one = [&](int64_t j, auto get, auto get_place, auto put, auto put_place) {
        Vec<T> x = get(b.best + j);
        Vec<Index> at =
            indexed ? get_place(b.row + j) + lane_index<T>() + Vec<Index>(Index(j)) : Vec<Index>(0);
        for (int64_t k = 1; k < taps; ++k) {
            int64_t i = j + k * step;
            Vec<T> y = get(b.best + i);
            if constexpr (indexed) {
                Vec<Index> here = get_place(b.row + i) + lane_index<T>() + Vec<Index>(Index(i));
                Mask<T> better = (y > x) | isnan(y) | ((y == x) & Mask<T>{(here < at).v});
                x = where(better, y, x);
                at = where(Mask<Index>{better.v}, here, at);
            } else {
                x = maximum(x, y);
            }
        }
        put(b.run_best + j, x);
        if constexpr (indexed) put_place(b.run_place + j, at);
    };
    for_each_tile<Vec<T>::width>(
        count,
        [&](int64_t j) {
            one(
                j, [](const T* p) { return Vec<T>::load(p); },
                [](const Index* p) { return Vec<Index>::load(p); }, [](T* p, Vec<T> x) { x.store(p); },
                [](Index* p, Vec<Index> x) { x.store(p); });
        },
        [&](int64_t j, int64_t c) {
            one(
                j, [c](const T* p) { return Vec<T>::load(p, c); },
                [c](const Index* p) { return Vec<Index>::load(p, c); },
                [c](T* p, Vec<T> x) { x.store(p, c); }, [c](Index* p, Vec<Index> x) { x.store(p, c); });
        });
}

// One window of the joined rows, column by column: for those that the plane's border cuts.
template <class S, bool indexed>
RUSHLIGHT_INLINE void max_of_window(const JoinedRows<S>& b, int64_t i, int64_t end, int64_t step,
                                    Compute<S>& x, int64_t& at) {
    x = b.best[i];
    at = indexed ? int64_t(b.row[i]) + i : 0;
    for (i += step; i < end; i += step) {
        bool better = b.best[i] > x || b.best[i] != b.best[i];
        if (indexed) {
            int64_t here = int64_t(b.row[i]) + i;
            better |= b.best[i] == x && here < at;
            at = better ? here : at;
        }
        x = better ? b.best[i] : x;
    }
}

template <class S, bool indexed>
RUSHLIGHT_INLINE void max_plane(const PoolWindows& w, const S* plane, S* out, int64_t* indices,
                                void* scratch) {
    const PoolDim& d2 = w.dim[2];
    const JoinedRows<S> b(scratch, d2.in);
    int64_t taps = 0;
    for (int64_t o2 = 0; o2 < d2.out; ++o2) {
        int64_t n = (d2.end[o2] - d2.begin[o2] + d2.step - 1) / d2.step;
        taps = n > taps ? n : taps;
    }
    int64_t span = (taps - 1) * d2.step, whole = taps <= 16 && d2.out > 1 ? d2.in - span : 0;
    for (int64_t o0 = 0; o0 < w.dim[0].out; ++o0)
        for (int64_t o1 = 0; o1 < w.dim[1].out; ++o1) {
            bool empty = w.dim[0].begin[o0] >= w.dim[0].end[o0] || w.dim[1].begin[o1] >= w.dim[1].end[o1];
            if (!empty) {
                join_rows_max<S, indexed>(w, plane, o0, o1, b.best, b.row);
                join_columns_max<S, indexed>(b, whole, taps, d2.step);
            }
            for (int64_t o2 = 0; o2 < d2.out; ++o2) {
                int64_t i = d2.begin[o2], at = 0;
                Compute<S> x = -infinity<Compute<S>>;
                // All of a dilated window may lie in the padding.
                if (!empty && i < d2.end[o2]) {
                    if (i < whole && d2.end[o2] - i > span) {
                        x = b.run_best[i];
                        at = indexed ? int64_t(b.run_place[i]) : 0;
                    } else {
                        max_of_window<S, indexed>(b, i, d2.end[o2], d2.step, x, at);
                    }
                }
                store_one(out++, x);
                if (indexed) *indices++ = at;
            }
        }
}
template <class S>
void max_planes(const PoolWindows& w, const void* src, void* dst, int64_t* indices, int64_t from, int64_t to,
                void* scratch) {
    for (int64_t p = from; p < to; ++p) {
        const S* plane = static_cast<const S*>(src) + p * w.inputs();
        S* out = static_cast<S*>(dst) + p * w.outputs();
        if (indices) max_plane<S, true>(w, plane, out, indices + p * w.outputs(), scratch);
        else max_plane<S, false>(w, plane, out, nullptr, scratch);
    }
}

// Is there one window, of everything?
RUSHLIGHT_INLINE bool covers_all(const PoolWindows& w) {
    bool all = w.outputs() == 1;
    for (int d = 0; d < 3 && all; ++d) all = w.dim[d].begin[0] == 0 && w.dim[d].end[0] == w.dim[d].in;
    return all;
}

template <class S>
void avg_planes(const PoolWindows& w, const void* src, void* dst, int64_t from, int64_t to, void* scratch) {
    using T = Compute<S>;
    using V = Vec<T>;
    T* sums = static_cast<T*>(scratch);
    const PoolDim &d0 = w.dim[0], &d1 = w.dim[1], &d2 = w.dim[2];
    S* out = static_cast<S*>(dst) + from * w.outputs();
    if (covers_all(w)) {                                     // one number per plane
        const double scale = d0.scale[0] * d1.scale[0] * d2.scale[0];
        for (int64_t p = from; p < to; ++p) {
            const S* x = static_cast<const S*>(src) + p * w.inputs();
            T sum = lane_sum(sum_tiles<T>(
                w.inputs(), [&](int64_t i) { return load_tile(x + i); },
                [&](int64_t i, int64_t c) { return load_tile(x + i, c); }));
            store_one(out++, T(double(sum) * scale));
        }
        return;
    }
    for (int64_t p = from; p < to; ++p)
        for (int64_t o0 = 0; o0 < d0.out; ++o0)
            for (int64_t o1 = 0; o1 < d1.out; ++o1) {
                const S* plane = static_cast<const S*>(src) + p * w.inputs();
                auto column = [&](auto load) {
                    V sum(0);
                    for (int64_t i0 = d0.begin[o0]; i0 < d0.end[o0]; ++i0)
                        for (int64_t i1 = d1.begin[o1]; i1 < d1.end[o1]; ++i1)
                            sum += load(plane + (i0 * d1.in + i1) * d2.in);
                    return sum;
                };
                for_each_tile<V::width>(
                    d2.in,
                    [&](int64_t j) { column([&](const S* q) { return load_tile(q + j); }).store(sums + j); },
                    [&](int64_t j, int64_t c) {
                        column([&](const S* q) { return load_tile(q + j, c); }).store(sums + j, c);
                    });
                double scale = d0.scale[o0] * d1.scale[o1];
                for (int64_t o2 = 0; o2 < d2.out; ++o2) {
                    T sum = 0;
                    for (int64_t i = d2.begin[o2]; i < d2.end[o2]; ++i) sum += sums[i];
                    store_one(out++, T(double(sum) * (scale * d2.scale[o2])));
                }
            }
}

template <class S>
void avg_back_planes(const PoolWindows& w, const void* grad, void* grad_in, int64_t from, int64_t to,
                     void* scratch) {
    using T = Compute<S>;
    using V = Vec<T>;
    T* sums = static_cast<T*>(scratch);
    const PoolDim &d0 = w.dim[0], &d1 = w.dim[1], &d2 = w.dim[2];
    S* out = static_cast<S*>(grad_in) + from * w.inputs();
    if (covers_all(w)) {
        const double scale = d0.scale[0] * d1.scale[0] * d2.scale[0];
        for (int64_t p = from; p < to; ++p, out += w.inputs()) {
            const V each(double(load_one(static_cast<const S*>(grad) + p)) * scale);
            for_each_tile<V::width>(
                w.inputs(), [&](int64_t i) { store_tile(out + i, each); },
                [&](int64_t i, int64_t c) { store_tile(out + i, each, c); });
        }
        return;
    }
    for (int64_t p = from; p < to; ++p)
        for (int64_t i0 = 0; i0 < d0.in; ++i0)
            for (int64_t i1 = 0; i1 < d1.in; ++i1) {
                const S* plane = static_cast<const S*>(grad) + p * w.outputs();
                auto column = [&](auto load) {
                    V sum(0);
                    for (int64_t o0 = d0.covered_from[i0]; o0 < d0.covered_to[i0]; ++o0)
                        for (int64_t o1 = d1.covered_from[i1]; o1 < d1.covered_to[i1]; ++o1)
                            sum = multiply_add(V(load(plane + (o0 * d1.out + o1) * d2.out)),
                                               V(d0.scale[o0] * d1.scale[o1]), sum);
                    return sum;
                };
                for_each_tile<V::width>(
                    d2.out,
                    [&](int64_t j) { column([&](const S* q) { return load_tile(q + j); }).store(sums + j); },
                    [&](int64_t j, int64_t c) {
                        column([&](const S* q) { return load_tile(q + j, c); }).store(sums + j, c);
                    });
                for (int64_t o2 = 0; o2 < d2.out; ++o2) sums[o2] *= T(d2.scale[o2]);
                for (int64_t i2 = 0; i2 < d2.in; ++i2) {
                    T sum = 0;
                    for (int64_t o2 = d2.covered_from[i2]; o2 < d2.covered_to[i2]; ++o2) sum += sums[o2];
                    store_one(out++, sum);
                }
            }
}

// ---- channels-last --------------------------------------------------------------------------------------------------

template <class Index, int width>
RUSHLIGHT_INLINE void store_places(int64_t* p, Vec<Index> x, int64_t count) {
    using Wide = typename RawVector<int64_t, 8 * width>::type;
    Wide wide = __builtin_convertvector(x.v, Wide);
    if (count == width) __builtin_memcpy(p, &wide, sizeof(wide));
    else __builtin_memcpy(p, &wide, size_t(count) * 8);
}
template <class Index, int width> RUSHLIGHT_INLINE Vec<Index> load_places(const int64_t* p, int64_t count) {
    using Wide = typename RawVector<int64_t, 8 * width>::type;
    Wide wide = {};
    if (count == width) __builtin_memcpy(&wide, p, sizeof(wide));
    else __builtin_memcpy(&wide, p, size_t(count) * 8);
    return Vec<Index>::raw(__builtin_convertvector(wide, Raw<Index>));
}

// The window of one output: f(place in the input) for each of its inputs.
template <class F>
RUSHLIGHT_INLINE void for_window(const PoolWindows& w, int64_t o0, int64_t o1, int64_t o2, F f) {
    const PoolDim &d0 = w.dim[0], &d1 = w.dim[1], &d2 = w.dim[2];
    for (int64_t i0 = d0.begin[o0]; i0 < d0.end[o0]; i0 += d0.step)
        for (int64_t i1 = d1.begin[o1]; i1 < d1.end[o1]; i1 += d1.step)
            for (int64_t i2 = d2.begin[o2]; i2 < d2.end[o2]; i2 += d2.step) f((i0 * d1.in + i1) * d2.in + i2);
}
// The outputs that cover one input: f(place in the output, o0, o1, o2).
template <class F>
RUSHLIGHT_INLINE void for_cover(const PoolWindows& w, int64_t i0, int64_t i1, int64_t i2, F f) {
    const PoolDim &d0 = w.dim[0], &d1 = w.dim[1], &d2 = w.dim[2];
    for (int64_t o0 = d0.covered_from[i0]; o0 < d0.covered_to[i0]; ++o0)
        for (int64_t o1 = d1.covered_from[i1]; o1 < d1.covered_to[i1]; ++o1)
            for (int64_t o2 = d2.covered_from[i2]; o2 < d2.covered_to[i2]; ++o2)
                f((o0 * d1.out + o1) * d2.out + o2, d0.scale[o0] * d1.scale[o1] * d2.scale[o2]);
}

template <class S, bool indexed>
RUSHLIGHT_INLINE void max_tile(const PoolWindows& w, const S* sample, int64_t o0, int64_t o1, int64_t o2,
                               int64_t count, S* out, int64_t* indices) {
    using T = Compute<S>;
    using Index = SignedFor<T>;
    constexpr int width = Vec<T>::width;
    Vec<T> best(-infinity<T>);
    Vec<Index> at(0);
    bool first = true;
    for_window(w, o0, o1, o2, [&](int64_t place) {
        const S* p = sample + place * w.channels;
        Vec<T> x = count == width ? load_tile(p) : load_tile(p, count);
        if (indexed) {
            Mask<T> better = first ? Mask<T>::of(true) : (x > best) | isnan(x);
            best = where(better, x, best);
            at = where(Mask<Index>{better.v}, Vec<Index>(Index(place)), at);
            first = false;
        } else {
            best = maximum(best, x);
        }
    });
    if (count == width) store_tile(out, best);
    else store_tile(out, best, count);
    if (indexed) store_places<Index, width>(indices, at, count);
}

template <class S, bool indexed>
RUSHLIGHT_INLINE void max_row(const PoolWindows& w, const S* src, S* dst, int64_t* indices, int64_t row) {
    constexpr int64_t width = lanes_of<S>;
    int64_t o1 = row % w.dim[1].out, o0 = row / w.dim[1].out % w.dim[0].out,
            n = row / w.dim[1].out / w.dim[0].out;
    const S* sample = src + n * w.inputs() * w.channels;
    for (int64_t o2 = 0; o2 < w.dim[2].out; ++o2) {
        int64_t start = (row * w.dim[2].out + o2) * w.channels;
        for (int64_t c = 0; c < w.channels; c += width)
            max_tile<S, indexed>(w, sample + c, o0, o1, o2, w.channels - c < width ? w.channels - c : width,
                                 dst + start + c, indexed ? indices + start + c : nullptr);
    }
}
template <class S>
void max_rows(const PoolWindows& w, const void* src, void* dst, int64_t* indices, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
        if (indices) max_row<S, true>(w, static_cast<const S*>(src), static_cast<S*>(dst), indices, row);
        else max_row<S, false>(w, static_cast<const S*>(src), static_cast<S*>(dst), nullptr, row);
    }
}

// out(tile of channels) = value(load) for every tile.
template <class S, class F>
RUSHLIGHT_INLINE void for_channels(int64_t channels, S* out, F value) {
    for_each_tile<lanes_of<S>>(
        channels,
        [&](int64_t c) {
            store_tile(out + c, value(c, [c](const S* p) { return load_tile(p + c); }, int64_t(lanes_of<S>)));
        },
        [&](int64_t c, int64_t k) {
            store_tile(out + c, value(c, [c, k](const S* p) { return load_tile(p + c, k); }, k), k);
        });
}

template <class S>
void avg_rows(const PoolWindows& w, const void* src, void* dst, int64_t from, int64_t to) {
    using V = Vec<Compute<S>>;
    for (int64_t row = from; row < to; ++row) {
        int64_t o1 = row % w.dim[1].out, o0 = row / w.dim[1].out % w.dim[0].out,
                n = row / w.dim[1].out / w.dim[0].out;
        const S* sample = static_cast<const S*>(src) + n * w.inputs() * w.channels;
        for (int64_t o2 = 0; o2 < w.dim[2].out; ++o2) {
            const V scale(w.dim[0].scale[o0] * w.dim[1].scale[o1] * w.dim[2].scale[o2]);
            for_channels(w.channels, static_cast<S*>(dst) + (row * w.dim[2].out + o2) * w.channels,
                         [&](int64_t, auto load, int64_t) {
                             V sum(0);
                             for_window(w, o0, o1, o2,
                                        [&](int64_t place) { sum += load(sample + place * w.channels); });
                             return sum * scale;
                         });
        }
    }
}

template <class S>
void avg_back_rows(const PoolWindows& w, const void* grad, void* grad_in, int64_t from, int64_t to) {
    using V = Vec<Compute<S>>;
    for (int64_t row = from; row < to; ++row) {
        int64_t i1 = row % w.dim[1].in, i0 = row / w.dim[1].in % w.dim[0].in,
                n = row / w.dim[1].in / w.dim[0].in;
        const S* sample = static_cast<const S*>(grad) + n * w.outputs() * w.channels;
        for (int64_t i2 = 0; i2 < w.dim[2].in; ++i2)
            for_channels(w.channels, static_cast<S*>(grad_in) + (row * w.dim[2].in + i2) * w.channels,
                         [&](int64_t, auto load, int64_t) {
                             V sum(0);
                             for_cover(w, i0, i1, i2, [&](int64_t place, double scale) {
                                 sum = multiply_add(V(load(sample + place * w.channels)), V(scale), sum);
                             });
                             return sum;
                         });
    }
}

template <class S>
void max_back_rows(const PoolWindows& w, const void* grad, const int64_t* indices, void* grad_in,
                   int64_t from, int64_t to) {
    using T = Compute<S>;
    using V = Vec<T>;
    using Index = SignedFor<T>;
    for (int64_t row = from; row < to; ++row) {
        int64_t i1 = row % w.dim[1].in, i0 = row / w.dim[1].in % w.dim[0].in,
                n = row / w.dim[1].in / w.dim[0].in;
        int64_t start = n * w.outputs() * w.channels;
        const S* sample = static_cast<const S*>(grad) + start;
        const int64_t* places = indices + start;
        for (int64_t i2 = 0; i2 < w.dim[2].in; ++i2) {
            const Vec<Index> here(Index((i0 * w.dim[1].in + i1) * w.dim[2].in + i2));
            for_channels(w.channels, static_cast<S*>(grad_in) + (row * w.dim[2].in + i2) * w.channels,
                         [&](int64_t c, auto load, int64_t count) {
                             V sum(0);
                             for_cover(w, i0, i1, i2, [&](int64_t place, double) {
                                 auto chosen = load_places<Index, V::width>(places + place * w.channels + c,
                                                                            count) == here;
                                 sum += where(Mask<T>{chosen.v}, V(load(sample + place * w.channels)), V(0));
                             });
                             return sum;
                         });
        }
    }
}

}  // namespace
}  // namespace isa

EXPORT_ISA_TABLE(PoolTable, pool_table) = {
    PER_FLOAT(max_planes), PER_FLOAT(avg_planes),    PER_FLOAT(avg_back_planes), PER_FLOAT(max_rows),
    PER_FLOAT(avg_rows),   PER_FLOAT(avg_back_rows), PER_FLOAT(max_back_rows),
};

}  // namespace rushlight
