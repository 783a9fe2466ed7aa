// Indices are checked in a pass of their own before anything is written, so that a bad index leaves the
// destination as it was. What only moves elements is compiled per element size, what adds them per dtype.
#include "kernels/generic/index.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/order.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 14;               // elements that are worth another thread

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

inline int64_t per_thread(int64_t width) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, width)); }

template <class T> inline constexpr bool is_half = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T> inline constexpr bool is_complex_type =
    std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

// a + b as the dtype adds: 16-bit floats through float32, integers wrapping, bool as `or`.
template <class T>
inline T plus(T a, T b) {
    if constexpr (is_half<T>) return T(float(a) + float(b));
    else if constexpr (std::is_same_v<T, bool>) return a || b;
    else if constexpr (std::is_integral_v<T>)
        return T(std::make_unsigned_t<T>(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b)));
    else return a + b;
}
template <class T>
inline T times(T a, T b) {
    if constexpr (is_half<T>) return T(float(a) * float(b));
    else if constexpr (std::is_same_v<T, bool>) return a && b;
    else if constexpr (std::is_integral_v<T>) return T(uint64_t(a) * uint64_t(b));
    else return a * b;
}

template <Combine combine, class T>
inline T combined(T a, T b) {
    if constexpr (combine == Combine::add) return plus(a, b);
    else if constexpr (combine == Combine::prod) return times(a, b);
    else if constexpr (combine == Combine::amax) return order_key(b) > order_key(a) ? b : a;
    else if constexpr (combine == Combine::amin) {
        if (is_nan_key<T>(order_key(a))) return a;
        return is_nan_key<T>(order_key(b)) || order_key(b) < order_key(a) ? b : a;
    } else return b;
}

// Advances `at` (an odometer over sizes[0, rank)) and the offset that goes with it.
inline void advance(int rank, const int64_t* sizes, const int64_t* strides, int64_t* at, int64_t& offset) {
    for (int d = rank - 1; d >= 0; --d) {
        offset += strides[d];
        if (++at[d] < sizes[d]) return;
        offset -= sizes[d] * strides[d];
        at[d] = 0;
    }
}
// Sets the odometer to the flat position `flat`; gives the offset.
inline int64_t seek(int rank, const int64_t* sizes, const int64_t* strides, int64_t flat, int64_t* at) {
    int64_t offset = 0;
    for (int d = rank - 1; d >= 0; --d) {
        at[d] = flat % sizes[d];
        flat /= sizes[d];
        offset += at[d] * strides[d];
    }
    return offset;
}
inline int64_t product(int rank, const int64_t* sizes) {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= sizes[d];
    return n;
}

constexpr int most_dims = 64;

// The check over a strided index; position counts in the index's own order. What an expanded index repeats is
// read once.
IndexFault check_strided(const int64_t* index, int rank, const int64_t* sizes, const int64_t* strides,
                         int64_t high) {
    int64_t n = product(rank, sizes), expected = 1, place = 1;
    if (n == 0) return {};
    bool contiguous = true;
    int64_t once[most_dims], places[most_dims], at[most_dims];
    for (int d = rank - 1; d >= 0; --d) {
        once[d] = strides[d] == 0 ? 1 : sizes[d];
        contiguous &= sizes[d] == 1 || strides[d] == expected;
        expected *= sizes[d];
        places[d] = place;
        place *= sizes[d];
    }
    if (contiguous) return check_indices(index, n, 0, high);
    int64_t count = product(rank, once), offset = seek(rank, once, strides, 0, at);
    for (int64_t i = 0; i < count; ++i, advance(rank, once, strides, at, offset)) {
        if (index[offset] >= 0 && index[offset] < high) [[likely]] continue;
        int64_t position = 0;
        for (int d = 0; d < rank; ++d) position += at[d] * places[d];
        return {position, index[offset]};
    }
    return {};
}

// The loops of gather and scatter: lines along `dim`, taken in runs over the innermost other dimension. Lines
// touch disjoint places, so threads share them out; within a line the order is the index's.
struct Lines {
    int rank = 0;                                // the dimensions outside both loops
    int64_t sizes[most_dims], data[most_dims], index[most_dims], other[most_dims];
    int64_t run = 1, run_data = 0, run_index = 0, run_other = 0;
    int64_t length, line_data, line_index, line_other;

    explicit Lines(const AlongDim& a) {
        length = a.sizes[a.dim];
        line_data = a.data_strides[a.dim];
        line_index = a.index_strides[a.dim];
        line_other = a.other_strides[a.dim];
        int last = -1;
        for (int d = 0; d < a.rank; ++d)
            if (d != a.dim && a.sizes[d] != 1) last = d;
        for (int d = 0; d < a.rank; ++d) {
            if (d == a.dim || a.sizes[d] == 1) continue;
            if (d == last) {
                run = a.sizes[d];
                run_data = a.data_strides[d];
                run_index = a.index_strides[d];
                run_other = a.other_strides[d];
            } else {
                sizes[rank] = a.sizes[d];
                data[rank] = a.data_strides[d];
                index[rank] = a.index_strides[d];
                other[rank] = a.other_strides[d];
                ++rank;
            }
        }
    }
};

// move(data offset, index offset, other offset) for every element.
template <class F>
void for_each_line(const Lines& l, F&& move) {
    int64_t outer = product(l.rank, l.sizes);
    if (outer == 0 || l.run == 0 || l.length == 0) return;
    // The dimension with the smaller steps goes inside.
    bool run_inside = l.run_data != 0 && l.run_data < l.line_data;
    parallel_for(outer * l.run, per_thread(l.length), [&](int64_t from, int64_t to) {
        int64_t at[most_dims];
        while (from < to) {
            int64_t o = from / l.run, begin = from % l.run, end = std::min(l.run, begin + (to - from));
            int64_t d = seek(l.rank, l.sizes, l.data, o, at), x = seek(l.rank, l.sizes, l.index, o, at);
            int64_t y = seek(l.rank, l.sizes, l.other, o, at);
            if (run_inside) {
                for (int64_t i = 0; i < l.length; ++i)
                    for (int64_t j = begin; j < end; ++j)
                        move(d + j * l.run_data, x + j * l.run_index + i * l.line_index,
                             y + j * l.run_other + i * l.line_other);
            } else {
                for (int64_t j = begin; j < end; ++j)
                    for (int64_t i = 0; i < l.length; ++i)
                        move(d + j * l.run_data, x + j * l.run_index + i * l.line_index,
                             y + j * l.run_other + i * l.line_other);
            }
            from += end - begin;
        }
    });
}

template <Combine combine, class T>
void scatter_elements(T* data, const int64_t* index, const T* other, const Lines& l, int64_t source_step) {
    for_each_line(l, [&](int64_t d, int64_t x, int64_t y) {
        T& place = data[d + index[x] * l.line_data];
        if constexpr (combine == Combine::set) place = other[y * source_step];
        else place = combined<combine>(place, other[y * source_step]);
    });
}

// 16-bit floats: a line's places are widened before and rounded once after, however much is combined into them.
template <Combine combine, class T>
void scatter_widened(T* data, const int64_t* index, const T* other, const Lines& l, int64_t source_step,
                     int64_t dim_size) {
    int64_t outer = product(l.rank, l.sizes);
    if (outer == 0 || l.run == 0 || l.length == 0) return;
    parallel_for(outer * l.run, per_thread(l.length), [&](int64_t from, int64_t to) {
        Scratch memory(size_t(dim_size) * sizeof(float));
        float* wide = memory.as<float>();
        int64_t at[most_dims];
        for (int64_t line = from; line < to; ++line) {
            int64_t o = line / l.run, j = line % l.run;
            T* places = data + seek(l.rank, l.sizes, l.data, o, at) + j * l.run_data;
            const int64_t* named = index + seek(l.rank, l.sizes, l.index, o, at) + j * l.run_index;
            int64_t y = seek(l.rank, l.sizes, l.other, o, at) + j * l.run_other;
            for (int64_t i = 0; i < l.length; ++i)
                wide[named[i * l.line_index]] = float(places[named[i * l.line_index] * l.line_data]);
            for (int64_t i = 0; i < l.length; ++i) {
                float& place = wide[named[i * l.line_index]];
                place = combined<combine>(place, float(other[(y + i * l.line_other) * source_step]));
            }
            for (int64_t i = 0; i < l.length; ++i)
                places[named[i * l.line_index] * l.line_data] = T(wide[named[i * l.line_index]]);
        }
    });
}

template <class T>
void scatter_combining(T* data, const int64_t* index, const T* other, const Lines& l, int64_t step,
                       Combine combine, int64_t dim_size) {
    switch (combine) {
        case Combine::add:
            if constexpr (is_half<T>) return scatter_widened<Combine::add>(data, index, other, l, step, dim_size);
            else return scatter_elements<Combine::add>(data, index, other, l, step);
        case Combine::prod:
            if constexpr (is_half<T>) return scatter_widened<Combine::prod>(data, index, other, l, step, dim_size);
            else return scatter_elements<Combine::prod>(data, index, other, l, step);
        case Combine::amax:
            if constexpr (!is_complex_type<T>) scatter_elements<Combine::amax>(data, index, other, l, step);
            return;
        case Combine::amin:
            if constexpr (!is_complex_type<T>) scatter_elements<Combine::amin>(data, index, other, l, step);
            return;
        case Combine::set: return;
    }
}

IndexFault scatter_any(void* data, DType t, const int64_t* index, const void* other, const AlongDim& a,
                       Combine combine, int64_t step) {
    if (IndexFault fault = check_strided(index, a.rank, a.sizes, a.index_strides, a.dim_size)) return fault;
    Lines l(a);
    if (combine == Combine::set)
        visit_size(t, [&](auto zero) {
            using U = decltype(zero);
            scatter_elements<Combine::set>(static_cast<U*>(data), index, static_cast<const U*>(other), l,
                                           step);
        });
    else
        visit_dtype(t, [&](auto zero) {
            using T = decltype(zero);
            scatter_combining(static_cast<T*>(data), index, static_cast<const T*>(other), l, step, combine,
                              a.dim_size);
        });
    return {};
}

inline int64_t wrapped(int64_t i, int64_t n) { return i < 0 ? i + n : i; }

}  // namespace

IndexFault check_indices(const int64_t* index, int64_t count, int64_t low, int64_t high) {
    // As unsigned distances, one comparison serves for both ends; blocks without a fault go by quickly.
    uint64_t span = uint64_t(high) - uint64_t(low);
    constexpr int64_t block = 256;
    for (int64_t b = 0; b < count; b += block) {
        int64_t end = std::min(count, b + block);
        bool bad = false;
        for (int64_t i = b; i < end; ++i) bad |= uint64_t(index[i]) - uint64_t(low) >= span;
        if (!bad) [[likely]] continue;
        for (int64_t i = b; i < end; ++i)
            if (uint64_t(index[i]) - uint64_t(low) >= span) return {i, index[i]};
    }
    return {};
}

IndexFault gather(const void* data, DType t, const int64_t* index, void* other, const AlongDim& a) {
    if (IndexFault fault = check_strided(index, a.rank, a.sizes, a.index_strides, a.dim_size)) return fault;
    Lines l(a);
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        const U* in = static_cast<const U*>(data);
        U* out = static_cast<U*>(other);
        for_each_line(l, [&](int64_t d, int64_t x, int64_t y) { out[y] = in[d + index[x] * l.line_data]; });
    });
    return {};
}

IndexFault scatter(void* data, DType t, const int64_t* index, const void* other, const AlongDim& a,
                   Combine combine) {
    return scatter_any(data, t, index, other, a, combine, 1);
}
IndexFault scatter_value(void* data, DType t, const int64_t* index, const void* value, const AlongDim& a,
                         Combine combine) {
    return scatter_any(data, t, index, value, a, combine, 0);
}

namespace {

// block(outer, i, begin, end): part [begin, end) of the inner run of entry i. Threads share outer and, where
// writes may collide
// (`ordered`), only outer and the inner run; else also the entries.
template <class F>
void for_each_entry(Extent e, int64_t count, bool ordered, F&& block) {
    if (e.outer == 0 || e.inner == 0 || count == 0) return;
    if (!ordered) {
        parallel_for(e.outer * count, per_thread(e.inner), [&](int64_t from, int64_t to) {
            for (int64_t r = from; r < to; ++r) block(r / count, r % count, int64_t(0), e.inner);
        });
        return;
    }
    int64_t piece = std::max<int64_t>(16, per_thread(count)), pieces = (e.inner + piece - 1) / piece;
    parallel_for(e.outer * pieces, std::max<int64_t>(1, per_thread(count * std::min(piece, e.inner))),
                 [&](int64_t from, int64_t to) {
                     for (int64_t r = from; r < to; ++r)
                         for (int64_t i = 0; i < count; ++i)
                             block(r / pieces, i, (r % pieces) * piece,
                                   std::min(e.inner, (r % pieces + 1) * piece));
                 });
}

// Copies a run; short ones element by element, since a call costs more than they do.
template <class U>
inline void copy_run(U* to, const U* from, int64_t n) {
    if (n <= 4)
        for (int64_t i = 0; i < n; ++i) to[i] = from[i];
    else
        std::memcpy(to, from, size_t(n) * sizeof(U));
}

}  // namespace

IndexFault index_select(const void* src, DType t, const int64_t* index, int64_t count, void* dst, Extent e,
                        bool negative) {
    if (IndexFault fault = check_indices(index, count, negative ? -e.n : 0, e.n)) return fault;
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        const U* in = static_cast<const U*>(src);
        U* out = static_cast<U*>(dst);
        if (e.inner == 1) {
            for (int64_t o = 0; o < e.outer; ++o, in += e.n, out += count)
                parallel_for(count, grain, [&](int64_t from, int64_t to) {
                    if (!negative)
                        for (int64_t i = from; i < to; ++i) out[i] = in[index[i]];
                    else
                        for (int64_t i = from; i < to; ++i) out[i] = in[wrapped(index[i], e.n)];
                });
            return;
        }
        for_each_entry(e, count, false, [&](int64_t o, int64_t i, int64_t, int64_t) {
            copy_run(out + (o * count + i) * e.inner, in + (o * e.n + wrapped(index[i], e.n)) * e.inner,
                     e.inner);
        });
    });
    return {};
}

IndexFault index_copy(void* dst, DType t, const int64_t* index, int64_t count, const void* src, Extent e,
                      bool negative) {
    if (IndexFault fault = check_indices(index, count, negative ? -e.n : 0, e.n)) return fault;
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        const U* in = static_cast<const U*>(src);
        U* out = static_cast<U*>(dst);
        for_each_entry(e, count, true, [&](int64_t o, int64_t i, int64_t begin, int64_t end) {
            copy_run(out + (o * e.n + wrapped(index[i], e.n)) * e.inner + begin,
                     in + (o * count + i) * e.inner + begin, end - begin);
        });
    });
    return {};
}

IndexFault index_fill(void* dst, DType t, const int64_t* index, int64_t count, const void* value, Extent e,
                      bool negative) {
    if (IndexFault fault = check_indices(index, count, negative ? -e.n : 0, e.n)) return fault;
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        U fill = *static_cast<const U*>(value);
        for_each_entry(e, count, true, [&](int64_t o, int64_t i, int64_t begin, int64_t end) {
            U* to = static_cast<U*>(dst) + (o * e.n + wrapped(index[i], e.n)) * e.inner;
            std::fill(to + begin, to + end, fill);
        });
    });
    return {};
}

IndexFault take(const void* src, DType t, int64_t size, const int64_t* index, int64_t count, void* dst) {
    return index_select(src, t, index, count, dst, {1, size, 1}, true);
}

IndexFault put(void* dst, DType t, int64_t size, const int64_t* index, int64_t count, const void* src,
               bool accumulate) {
    if (!accumulate) return index_copy(dst, t, index, count, src, {1, size, 1}, true);
    return index_add(dst, t, index, count, src, 1, {1, size, 1}, true);
}

int64_t count_true(const void* mask, int64_t n) {
    return count_nonzeros(mask, DType::boolean, n);
}

namespace {

constexpr int64_t block_size = 1 << 16;          // of the two-pass compactions: count per block, then write

template <class T>
inline bool is_nonzero(T x) {
    if constexpr (is_half<T>) return (x.bits & 0x7fff) != 0;
    else return x != T(0);
}

template <class T>
int64_t nonzeros_in(const T* in, int64_t from, int64_t to) {
    int64_t total = 0;
    for (; from < to; from += 128) {             // in bytes first, which the compiler adds up many at a time
        uint8_t count = 0;
        for (int64_t i = from, end = std::min(to, from + 128); i < end; ++i)
            count = uint8_t(count + is_nonzero(in[i]));
        total += count;
    }
    return total;
}

// A mask is read as bytes: storage that holds another byte than 0 and 1 must not reach a bool.
template <class F>
void visit_nonzero(DType t, F&& f) {
    if (t == DType::boolean) return f(uint8_t{});
    visit_dtype(t, [&](auto zero) {
        if constexpr (!std::is_same_v<decltype(zero), bool>) f(zero);
    });
}

// write(begin, end, count of non-zeros before begin), over blocks in parallel.
template <class T, class F>
void for_each_block(const T* in, int64_t n, F&& write) {
    int64_t blocks = (n + block_size - 1) / block_size;
    if (blocks <= 1) {
        if (n) write(int64_t(0), n, int64_t(0));
        return;
    }
    Scratch memory(size_t(blocks) * sizeof(int64_t));
    int64_t* before = memory.as<int64_t>();
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b)
            before[b] = nonzeros_in(in, b * block_size, std::min(n, (b + 1) * block_size));
    });
    int64_t total = 0;
    for (int64_t b = 0; b < blocks; ++b) {
        int64_t count = before[b];
        before[b] = total;
        total += count;
    }
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t b = from; b < to; ++b)
            write(b * block_size, std::min(n, (b + 1) * block_size), before[b]);
    });
}

}  // namespace

int64_t count_nonzeros(const void* src, DType t, int64_t n) {
    int64_t total = 0;
    visit_nonzero(t, [&](auto zero) {
        using T = decltype(zero);
        const T* in = static_cast<const T*>(src);
        int64_t blocks = (n + block_size - 1) / block_size;
        Scratch memory(size_t(blocks) * sizeof(int64_t));
        int64_t* counts = memory.as<int64_t>();
        parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
            for (int64_t b = from; b < to; ++b)
                counts[b] = nonzeros_in(in, b * block_size, std::min(n, (b + 1) * block_size));
        });
        for (int64_t b = 0; b < blocks; ++b) total += counts[b];
    });
    return total;
}

void masked_select(const void* src, DType t, const void* mask, int64_t n, void* dst) {
    const uint8_t* keep = static_cast<const uint8_t*>(mask);
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        const U* in = static_cast<const U*>(src);
        for_each_block(keep, n, [&](int64_t begin, int64_t end, int64_t before) {
            // Every element is written to a small buffer, and kept by moving on: a branch per element would
            // be mispredicted.
            constexpr int64_t chunk = 256;
            U kept[chunk + 1], *out = static_cast<U*>(dst) + before;
            for (; begin < end; begin += chunk) {
                int64_t count = 0;
                for (int64_t i = begin, stop = std::min(end, begin + chunk); i < stop; ++i) {
                    kept[count] = in[i];
                    count += keep[i] != 0;
                }
                if (count) std::memcpy(out, kept, size_t(count) * sizeof(U));   // dst is null where nothing is kept
                out += count;
            }
        });
    });
}

void masked_scatter(void* dst, DType t, const void* mask, int64_t n, const void* src) {
    const uint8_t* keep = static_cast<const uint8_t*>(mask);
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        U* out = static_cast<U*>(dst);
        for_each_block(keep, n, [&](int64_t begin, int64_t end, int64_t before) {
            const U* in = static_cast<const U*>(src) + before;
            for (int64_t i = begin; i < end; ++i)
                if (keep[i]) out[i] = *in++;
        });
    });
}

void nonzero(const void* src, DType t, const int64_t* sizes, int rank, int64_t* dst) {
    int64_t n = product(rank, sizes), no_strides[most_dims] = {};
    if (rank == 0) return;                       // [count, 0]: nothing to write
    visit_nonzero(t, [&](auto zero) {
        using T = decltype(zero);
        const T* in = static_cast<const T*>(src);
        for_each_block(in, n, [&](int64_t begin, int64_t end, int64_t before) {
            constexpr int64_t chunk = 256;
            int64_t at[most_dims], *out = dst + before * rank, width = sizes[rank - 1];
            seek(rank, sizes, no_strides, begin, at);
            for (int64_t last = begin; begin < end; begin += chunk) {
                int64_t found[chunk + 1], count = 0;
                for (int64_t i = begin, stop = std::min(end, begin + chunk); i < stop; ++i) {
                    found[count] = i;
                    count += is_nonzero(in[i]);
                }
                for (int64_t k = 0; k < count; ++k) {
                    at[rank - 1] += found[k] - last;
                    last = found[k];
                    if (at[rank - 1] >= width) seek(rank, sizes, no_strides, last, at);
                    for (int d = 0; d < rank; ++d) *out++ = at[d];
                }
            }
        });
    });
}

IndexFault embedding(const void* table, DType t, int64_t rows, int64_t width, const int64_t* index,
                     int64_t count, void* dst) {
    return index_select(table, t, index, count, dst, {1, rows, width}, false);
}

IndexFault embedding_backward(const void* grad, DType t, const int64_t* index, int64_t count,
                              void* grad_table, int64_t rows, int64_t width, int64_t padding_index,
                              bool scale_by_frequency) {
    if (IndexFault fault = check_indices(index, count, 0, rows)) return fault;
    if (width == 0) return {};                                      // however many rows there are of nothing
    // Threads own ranges of rows. To find its entries without reading all of them, the entries are first put
    // in the order of their rows by counting; within a row they keep their order, so the sums do not depend
    // on the threads.
    Scratch memory((size_t(rows) + 1 + size_t(count)) * sizeof(int64_t));
    int64_t* ends = memory.as<int64_t>();
    int64_t* entries = ends + rows + 1;
    std::fill(ends, ends + rows + 1, int64_t(0));
    for (int64_t i = 0; i < count; ++i) ++ends[index[i] + 1];
    for (int64_t r = 0; r < rows; ++r) ends[r + 1] += ends[r];
    for (int64_t i = 0; i < count; ++i) entries[ends[index[i]]++] = i;      // ends[r] is now where row r ends
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        using Acc = std::conditional_t<is_half<T>, float, T>;
        if constexpr (!std::is_integral_v<T>) {
            parallel_for(rows, per_thread(width), [&](int64_t from, int64_t to) {
                Scratch sums(is_half<T> ? size_t(width) * sizeof(Acc) : 0);
                // In one piece: most rows of a large table have no entries, and stay as they are.
                std::memset(static_cast<T*>(grad_table) + from * width, 0, size_t((to - from) * width) * sizeof(T));
                for (int64_t r = from; r < to; ++r) {
                    T* row = static_cast<T*>(grad_table) + r * width;
                    int64_t begin = r ? ends[r - 1] : 0, end = r == padding_index ? begin : ends[r];
                    if (begin == end) continue;
                    Acc* sum;
                    if constexpr (is_half<T>) {
                        sum = sums.as<Acc>();
                        std::fill(sum, sum + width, Acc(0));
                    } else {
                        sum = row;
                    }
                    for (int64_t i = begin; i < end; ++i) {
                        const T* from_row = static_cast<const T*>(grad) + entries[i] * width;
                        for (int64_t j = 0; j < width; ++j) sum[j] += Acc(from_row[j]);
                    }
                    if (scale_by_frequency && end > begin)
                        for (int64_t j = 0; j < width; ++j) sum[j] /= Acc(float(end - begin));
                    if constexpr (is_half<T>)
                        for (int64_t j = 0; j < width; ++j) row[j] = T(sum[j]);
                }
            });
        }
    });
    return {};
}

namespace {

IndexFault find_offsets(const IndexList& list, int64_t* offsets) {
    for (int a = 0; a < list.count; ++a) {
        IndexFault fault = check_indices(list.index[a], list.points, -list.sizes[a], list.sizes[a]);
        fault.which = a;
        if (fault) return fault;
    }
    for (int64_t p = 0; p < list.points; ++p) {
        int64_t offset = 0;
        for (int a = 0; a < list.count; ++a)
            offset += wrapped(list.index[a][p], list.sizes[a]) * list.strides[a];
        offsets[p] = offset;
    }
    return {};
}

// Joins inner dimensions that lie one behind the other, so that a contiguous inner block becomes one run.
int join_inner(const IndexList& list, int64_t* sizes, int64_t* strides) {
    int rank = 0;
    for (int d = 0; d < list.inner_rank; ++d) {
        if (list.inner_sizes[d] == 1) continue;
        if (rank && strides[rank - 1] == list.inner_sizes[d] * list.inner_strides[d]) {
            sizes[rank - 1] *= list.inner_sizes[d];
            strides[rank - 1] = list.inner_strides[d];
        } else {
            sizes[rank] = list.inner_sizes[d];
            strides[rank++] = list.inner_strides[d];
        }
    }
    if (rank == 0) {
        sizes[0] = 1;
        strides[rank++] = 1;
    }
    return rank;
}

// row(offset in the strided data, its stride, offset in the contiguous array, length), for every run. Where
// points may name one place twice (`ordered`), all points of an outer coordinate stay on one thread.
template <class F>
void for_each_run(const IndexList& list, const int64_t* offsets, bool ordered, F&& row) {
    int64_t sizes[most_dims], strides[most_dims];
    int rank = join_inner(list, sizes, strides);
    int64_t run = sizes[rank - 1], step = strides[rank - 1], runs = product(rank - 1, sizes);
    int64_t outer = product(list.outer_rank, list.outer_sizes);
    if (outer == 0 || list.points == 0 || run == 0 || runs == 0) return;
    int64_t items = ordered ? outer : outer * list.points, each = ordered ? list.points : 1;
    parallel_for(items, per_thread(each * run * runs), [&](int64_t from, int64_t to) {
        int64_t outer_at[most_dims], inner_at[most_dims];
        for (int64_t item = from * each; item < to * each; ++item) {
            int64_t o = item / list.points, p = item % list.points;
            int64_t base =
                seek(list.outer_rank, list.outer_sizes, list.outer_strides, o, outer_at) + offsets[p];
            int64_t inner = seek(rank - 1, sizes, strides, 0, inner_at);
            for (int64_t r = 0; r < runs; ++r, advance(rank - 1, sizes, strides, inner_at, inner))
                row(base + inner, step, (item * runs + r) * run, run);
        }
    });
}

// Adds 16-bit floats to the places that the points name, each rounded once: points of one place are summed in
// float32, in their order. Threads share out the places.
template <class T>
void put_adding(T* out, const T* in, int64_t keep, float alpha, const IndexList& list, const int64_t* offsets) {
    int64_t sizes[most_dims], strides[most_dims];
    int rank = join_inner(list, sizes, strides);
    int64_t run = sizes[rank - 1], step = strides[rank - 1], runs = product(rank - 1, sizes);
    int64_t outer = product(list.outer_rank, list.outer_sizes);
    if (outer == 0 || list.points == 0 || run == 0 || runs == 0) return;
    std::vector<int64_t> order(size_t(list.points)), starts;
    std::iota(order.begin(), order.end(), int64_t(0));
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return offsets[a] < offsets[b]; });
    for (int64_t k = 0; k < list.points; ++k)
        if (k == 0 || offsets[order[size_t(k)]] != offsets[order[size_t(k - 1)]]) starts.push_back(k);
    int64_t places = int64_t(starts.size());
    starts.push_back(list.points);
    parallel_for(outer * places, per_thread(run * runs), [&](int64_t from, int64_t to) {
        constexpr int64_t chunk = 256;
        float sums[chunk];
        int64_t at[most_dims];
        for (int64_t item = from; item < to; ++item) {
            int64_t o = item / places, place = item % places;
            int64_t begin = starts[size_t(place)], end = starts[size_t(place) + 1];
            T* base = out + offsets[order[size_t(begin)]] +
                      seek(list.outer_rank, list.outer_sizes, list.outer_strides, o, at);
            int64_t inner = seek(rank - 1, sizes, strides, 0, at);
            for (int64_t r = 0; r < runs; ++r, advance(rank - 1, sizes, strides, at, inner))
                for (int64_t j0 = 0; j0 < run; j0 += chunk) {
                    int64_t n = std::min(chunk, run - j0);
                    T* row = base + inner + j0 * step;
                    for (int64_t j = 0; j < n; ++j) sums[j] = float(row[j * step]);
                    for (int64_t k = begin; k < end; ++k) {
                        const T* source = in + (((o * list.points + order[size_t(k)]) * runs + r) * run + j0) * keep;
                        for (int64_t j = 0; j < n; ++j) sums[j] += alpha * float(source[j * keep]);
                    }
                    for (int64_t j = 0; j < n; ++j) row[j * step] = T(sums[j]);
                }
        }
    });
}

// index_add of 16-bit floats, as one index array among an outer and an inner dimension.
template <class T>
void add_halves(T* out, const T* in, const int64_t* index, int64_t count, float alpha, Extent e) {
    int64_t one = 1, block = e.n * e.inner;
    Scratch memory(size_t(count) * sizeof(int64_t));
    int64_t* offsets = memory.as<int64_t>();
    for (int64_t i = 0; i < count; ++i) offsets[i] = wrapped(index[i], e.n) * e.inner;
    put_adding(out, in, 1, alpha, {1, &index, &e.n, &e.inner, count, 1, 1, &e.outer, &block, &e.inner, &one}, offsets);
}

}  // namespace

IndexFault index_get(const void* data, DType t, void* dst, const IndexList& list, int64_t* offsets) {
    if (IndexFault fault = find_offsets(list, offsets)) return fault;
    visit_size(t, [&](auto zero) {
        using U = decltype(zero);
        const U* in = static_cast<const U*>(data);
        U* out = static_cast<U*>(dst);
        for_each_run(list, offsets, false, [&](int64_t d, int64_t step, int64_t flat, int64_t n) {
            if (step == 1) copy_run(out + flat, in + d, n);
            else
                for (int64_t j = 0; j < n; ++j) out[flat + j] = in[d + j * step];
        });
    });
    return {};
}

IndexFault index_put(void* data, DType t, const void* src, bool one_value, const IndexList& list,
                     bool accumulate, int64_t* offsets) {
    if (IndexFault fault = find_offsets(list, offsets)) return fault;
    int64_t keep = one_value ? 0 : 1;
    if (accumulate)
        visit_dtype(t, [&](auto zero) {
            using T = decltype(zero);
            const T* in = static_cast<const T*>(src);
            T* out = static_cast<T*>(data);
            if constexpr (is_half<T>) {
                put_adding(out, in, keep, 1, list, offsets);
            } else {
                for_each_run(list, offsets, true, [&](int64_t d, int64_t step, int64_t flat, int64_t n) {
                    for (int64_t j = 0; j < n; ++j)
                        out[d + j * step] = plus(out[d + j * step], in[(flat + j) * keep]);
                });
            }
        });
    else
        visit_size(t, [&](auto zero) {
            using U = decltype(zero);
            const U* in = static_cast<const U*>(src);
            U* out = static_cast<U*>(data);
            for_each_run(list, offsets, true, [&](int64_t d, int64_t step, int64_t flat, int64_t n) {
                for (int64_t j = 0; j < n; ++j) out[d + j * step] = in[(flat + j) * keep];
            });
        });
    return {};
}

namespace {

template <class T>
void add_entries(T* out, const T* in, const int64_t* index, int64_t count, double alpha, Extent e) {
    if (e.inner == 1 && alpha == 1) {
        parallel_for(e.outer, per_thread(count), [&](int64_t from, int64_t to) {
            for (int64_t o = from; o < to; ++o)
                for (int64_t i = 0; i < count; ++i) {
                    T& place = out[o * e.n + wrapped(index[i], e.n)];
                    place = plus(place, in[o * count + i]);
                }
        });
        return;
    }
    for_each_entry(e, count, true, [&](int64_t o, int64_t i, int64_t begin, int64_t end) {
        T* to = out + (o * e.n + wrapped(index[i], e.n)) * e.inner;
        const T* from = in + (o * count + i) * e.inner;
        for (int64_t k = begin; k < end; ++k) {
            if constexpr (is_complex_type<T>) to[k] += typename T::value_type(alpha) * from[k];
            else if constexpr (std::is_same_v<T, bool>) to[k] = to[k] || (from[k] && alpha != 0);
            else if constexpr (std::is_integral_v<T>)
                to[k] = plus(to[k], times(T(int64_t(alpha)), from[k]));
            else to[k] += T(alpha) * from[k];
        }
    });
}

}  // namespace

IndexFault index_add(void* dst, DType t, const int64_t* index, int64_t count, const void* src, double alpha,
                     Extent e, bool negative) {
    if (IndexFault fault = check_indices(index, count, negative ? -e.n : 0, e.n)) return fault;
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        const T* in = static_cast<const T*>(src);
        T* out = static_cast<T*>(dst);
        if constexpr (is_half<T>) add_halves(out, in, index, count, float(alpha), e);
        else add_entries(out, in, index, count, alpha, e);
    });
    return {};
}

IndexFault one_hot(const int64_t* index, int64_t count, int64_t classes, int64_t* dst) {
    if (IndexFault fault = check_indices(index, count, 0, classes)) return fault;
    std::fill_n(dst, count * classes, 0);
    for (int64_t i = 0; i < count; ++i) dst[i * classes + index[i]] = 1;
    return {};
}

}  // namespace rushlight::kernels
