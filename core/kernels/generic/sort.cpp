// Radix sort on order keys with the index as payload: stable, two passes over 16 bits, four over 32, and
// passes in which all keys agree are skipped. Long rows are sorted by all threads together, short rows each
// by one thread.
#include "kernels/generic/sort.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/order.h"

namespace rushlight::kernels {

namespace {

constexpr int digit_bits = 8, digits = 1 << digit_bits;
constexpr int64_t long_row = 1 << 16;  // from here rows are sorted one after another, by all threads
constexpr int64_t radix_from = 80;               // below, comparison sort wins
constexpr int64_t max_blocks = 64;

template <class I> inline unsigned digit(I item, int pass) {
    return unsigned(item.key() >> (pass * digit_bits)) & (digits - 1);
}

// One stable pass from `a` to `b`, the row cut in blocks.
template <class I>
void radix_pass(const I* a, I* b, int64_t n, int pass, int64_t blocks, uint32_t* starts) {
    int64_t block = (n + blocks - 1) / blocks;
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t j = from; j < to; ++j) {
            uint32_t* count = starts + j * digits;
            std::fill(count, count + digits, 0u);
            for (int64_t i = j * block, end = std::min(n, i + block); i < end; ++i)
                ++count[digit(a[i], pass)];
        }
    });
    uint32_t total = 0;
    for (int d = 0; d < digits; ++d)
        for (int64_t j = 0; j < blocks; ++j) total += std::exchange(starts[j * digits + d], total);
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t j = from; j < to; ++j) {
            uint32_t* start = starts + j * digits;
            for (int64_t i = j * block, end = std::min(n, i + block); i < end; ++i)
                b[start[digit(a[i], pass)]++] = a[i];
        }
    });
}

// Sorts a[n], with b[n] as the other buffer; returns the one that holds the result.
template <class I>
I* radix_sort(I* a, I* b, int64_t n, int key_bytes) {
    auto any = a[0].key() ^ a[0].key();
    for (int64_t i = 1; i < n; ++i) any |= a[i].key() ^ a[0].key();
    int64_t blocks = n < long_row ? 1 : std::min<int64_t>(get_num_threads(), max_blocks);
    Scratch starts(size_t(blocks) * digits * sizeof(uint32_t));
    for (int pass = 0; pass < key_bytes; ++pass) {
        if (((any >> (pass * digit_bits)) & (digits - 1)) == 0) continue;
        radix_pass(a, b, n, pass, blocks, starts.as<uint32_t>());
        std::swap(a, b);
    }
    return a;
}

template <class I>
I* sort_items(I* a, I* b, int64_t n, int key_bytes) {
    if (n >= radix_from) return radix_sort(a, b, n, key_bytes);
    std::sort(a, a + n);
    return a;
}

template <class T, class I>
void load_items(const T* src, int64_t n, int64_t stride, bool flip, I* items) {
    using Key = decltype(order_key(T{}));
    Key mask = flip ? Key(~Key(0)) : Key(0);
    parallel_for(n, long_row, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i)
            items[i] = I::of(Key(order_key(src[i * stride]) ^ mask), uint64_t(i));
    });
}

// The value of an item; `src` is asked where the key has lost something.
template <class T, class I>
inline T item_value(I item, bool flip, const T* src, int64_t stride) {
    using Key = decltype(order_key(T{}));
    Key key = Key(item.key());
    if (flip) key = Key(~key);
    if (is_lossy_key<T>(key)) [[unlikely]] return src[int64_t(item.index()) * stride];
    return order_value<T>(key);
}

template <class T, class I>
void sort_row(const T* src, T* values, int64_t* indices, int64_t n, int64_t stride, bool flip, I* a, I* b) {
    load_items(src, n, stride, flip, a);
    const I* sorted = sort_items(a, b, n, int(sizeof(T)));
    // In place, the zeros and NaN that are looked up may already be overwritten: such rows keep the plain
    // zero and NaN.
    bool in_place = values == src;
    parallel_for(n, long_row, [&](int64_t from, int64_t to) {
        if (indices)
            for (int64_t i = from; i < to; ++i) indices[i * stride] = int64_t(sorted[i].index());
        if (!values) return;
        using Key = decltype(order_key(T{}));
        Key mask = flip ? Key(~Key(0)) : Key(0);
        if (in_place || std::is_integral_v<T>)
            for (int64_t i = from; i < to; ++i)
                values[i * stride] = order_value<T>(Key(Key(sorted[i].key()) ^ mask));
        else
            for (int64_t i = from; i < to; ++i)
                values[i * stride] = item_value<T>(sorted[i], flip, src, stride);
    });
}

// Calls row(offset of the row's first element in src, and in the result, buffer of `bytes`): long rows one by
// one on `workspace`, short ones in parallel on scratch memory.
template <class F>
void for_each_row(Extent e, int64_t out_n, size_t bytes, bool is_long, void* workspace, F&& row) {
    int64_t rows = e.outer * e.inner;
    auto one = [&](int64_t r, void* buffer) {
        int64_t o = r / e.inner, k = r % e.inner;
        row(o * e.n * e.inner + k, o * out_n * e.inner + k, buffer);
    };
    if (is_long) {
        for (int64_t r = 0; r < rows; ++r) one(r, workspace);
        return;
    }
    int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, e.n));
    parallel_for(rows, grain, [&](int64_t from, int64_t to) {
        Scratch buffer(bytes);
        for (int64_t r = from; r < to; ++r) one(r, buffer.as<void>());
    });
}

size_t item_bytes(DType t) { return size_of(t) == 8 ? sizeof(WideItem) : sizeof(NarrowItem); }

}  // namespace

size_t sort_workspace(DType t, Extent e) { return e.n >= long_row ? 2 * size_t(e.n) * item_bytes(t) : 0; }

void sort(const void* src, DType t, void* values, int64_t* indices, Extent e, bool descending,
          void* workspace) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        using I = Item<T>;
        for_each_row(
            e, e.n, 2 * size_t(e.n) * sizeof(I), e.n >= long_row, workspace,
            [&](int64_t from, int64_t to, void* buffer) {
                I* items = static_cast<I*>(buffer);
                sort_row(static_cast<const T*>(src) + from, values ? static_cast<T*>(values) + to : nullptr,
                         indices ? indices + to : nullptr, e.n, e.inner, descending, items, items + e.n);
            });
    });
}

namespace {

// Where k is a good part of n, the row is sorted. Else candidates are collected until the buffer is full,
// then cut back to the k least; what is not below the k-th so far is passed over.
bool topk_sorts(int64_t n, int64_t k) { return 4 * k >= n; }
int64_t topk_items(int64_t n, int64_t k) {
    return topk_sorts(n, k) ? 2 * n : std::min(n, std::max<int64_t>(2 * k, k + 128));
}

template <class T, class I>
void store_items(const I* items, int64_t k, const T* src, int64_t stride, bool flip, T* values,
                 int64_t* indices) {
    for (int64_t j = 0; j < k; ++j) {
        values[j * stride] = item_value<T>(items[j], flip, src, stride);
        indices[j * stride] = int64_t(items[j].index());
    }
}

template <class T, class I>
void topk_row(const T* src, int64_t n, int64_t stride, int64_t k, bool flip, T* values, int64_t* indices,
              I* kept) {
    using Key = decltype(order_key(T{}));
    Key mask = flip ? Key(~Key(0)) : Key(0);
    int64_t capacity = topk_items(n, k), count = 0;
    if (topk_sorts(n, k)) {
        load_items(src, n, stride, flip, kept);
        kept = sort_items(kept, kept + n, n, int(sizeof(T)));
        return store_items(kept, k, src, stride, flip, values, indices);
    }
    Key limit = Key(~Key(0));
    bool limited = false;
    for (int64_t i = 0; i < n; ++i) {
        Key key = Key(order_key(src[i * stride]) ^ mask);
        if (limited && key >= limit) continue;       // an equal key comes later, so it ranks behind
        if (count == capacity) {
            std::nth_element(kept, kept + k - 1, kept + count);
            limit = Key(kept[k - 1].key());
            limited = true;
            count = k;
            if (key >= limit) continue;
        }
        kept[count++] = I::of(key, uint64_t(i));
    }
    if (count > k) std::nth_element(kept, kept + k - 1, kept + count);
    std::sort(kept, kept + k);
    store_items(kept, k, src, stride, flip, values, indices);
}

bool topk_is_long(Extent e, int64_t k) { return topk_items(e.n, k) >= long_row; }

}  // namespace

size_t topk_workspace(DType t, Extent e, int64_t k) {
    return topk_is_long(e, k) ? size_t(topk_items(e.n, k)) * item_bytes(t) : 0;
}

void topk(const void* src, DType t, void* values, int64_t* indices, Extent e, int64_t k, bool largest,
          void* workspace) {
    if (k == 0) return;
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        using I = Item<T>;
        size_t bytes = size_t(topk_items(e.n, k)) * sizeof(I);
        for_each_row(e, k, bytes, topk_is_long(e, k), workspace, [&](int64_t from, int64_t to, void* buffer) {
            topk_row(static_cast<const T*>(src) + from, e.n, e.inner, k, largest,
                     static_cast<T*>(values) + to, indices + to, static_cast<I*>(buffer));
        });
    });
}

namespace {

template <class T>
inline bool same_value(T a, T b) {
    if constexpr (std::is_integral_v<T>) return a == b;
    else return !is_nan_key<T>(order_key(a)) && order_key(a) == order_key(b);
}

template <class T>
int64_t mark_runs(const T* src, int64_t n, T* values, int64_t* inverse, int64_t* counts) {
    int64_t found = 0, start = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (i == 0 || !same_value(src[i], src[i - 1])) {
            if (i && counts) counts[found - 1] = i - start;
            start = i;
            values[found++] = src[i];
        }
        if (inverse) inverse[i] = found - 1;
    }
    if (n && counts) counts[found - 1] = n - start;
    return found;
}

}  // namespace

int64_t unique_consecutive(const void* src, DType t, int64_t n, void* values, int64_t* inverse,
                           int64_t* counts) {
    int64_t found = 0;
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        found = mark_runs(static_cast<const T*>(src), n, static_cast<T*>(values), inverse, counts);
    });
    return found;
}

// Two buffers of items, for rows of any length.
size_t unique_workspace(DType t, int64_t n) { return 2 * size_t(n) * item_bytes(t); }

int64_t unique(const void* src, DType t, int64_t n, void* values, int64_t* inverse, int64_t* counts,
               void* workspace) {
    int64_t found = 0;
    if (n == 0) return 0;
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        using I = Item<T>;
        I* items = static_cast<I*>(workspace);
        const T* in = static_cast<const T*>(src);
        load_items(in, n, 1, false, items);
        const I* sorted = sort_items(items, items + n, n, int(sizeof(T)));
        int64_t start = 0;
        for (int64_t i = 0; i < n; ++i) {
            T value = in[sorted[i].index()];
            bool fresh = i == 0 || sorted[i].key() != sorted[i - 1].key() ||
                         is_nan_key<T>(decltype(order_key(T{}))(sorted[i].key()));
            if (fresh) {
                if (i && counts) counts[found - 1] = i - start;
                start = i;
                static_cast<T*>(values)[found++] = value;
            }
            if (inverse) inverse[sorted[i].index()] = found - 1;
        }
        if (counts) counts[found - 1] = n - start;
    });
    return found;
}

namespace {

// Rows of a matrix, by their place. Only these two know the dtype: the sort around them is one for all.
struct Rows {
    const void* data;
    int64_t width;
    int (*compare)(const Rows&, int64_t, int64_t);         // -1, 0, 1
    bool (*has_nan)(const Rows&, int64_t);
};

template <class T>
int compare_rows(const Rows& rows, int64_t a, int64_t b) {
    const T* in = static_cast<const T*>(rows.data);
    for (int64_t j = 0; j < rows.width; ++j) {
        auto x = order_key(in[a * rows.width + j]), y = order_key(in[b * rows.width + j]);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

template <class T>
bool row_has_nan(const Rows& rows, int64_t a) {
    const T* in = static_cast<const T*>(rows.data);
    bool found = false;
    for (int64_t j = 0; j < rows.width; ++j) found |= is_nan_key<T>(order_key(in[a * rows.width + j]));
    return found;
}

}  // namespace

int64_t unique_rows(const void* src, DType t, int64_t rows, int64_t width, bool consecutive, int64_t* first,
                    int64_t* inverse, int64_t* counts) {
    Rows all{src, width, nullptr, nullptr};
    visit_real(t, [&](auto zero) {
        all.compare = compare_rows<decltype(zero)>;
        all.has_nan = row_has_nan<decltype(zero)>;
    });
    Scratch order_memory(size_t(rows) * sizeof(int64_t));
    int64_t* order = order_memory.as<int64_t>();
    for (int64_t i = 0; i < rows; ++i) order[i] = i;
    if (!consecutive)
        std::sort(order, order + rows, [&](int64_t a, int64_t b) {
            int c = all.compare(all, a, b);
            return c ? c < 0 : a < b;
        });
    int64_t found = 0, start = 0;
    for (int64_t i = 0; i < rows; ++i) {
        if (i == 0 || all.has_nan(all, order[i]) || all.compare(all, order[i - 1], order[i]) != 0) {
            if (i && counts) counts[found - 1] = i - start;
            start = i;
            first[found++] = order[i];
        }
        if (inverse) inverse[order[i]] = found - 1;
    }
    if (rows && counts) counts[found - 1] = rows - start;
    return found;
}

void searchsorted(const void* sorted, const void* values, DType t, int64_t* dst, int64_t rows, int64_t n,
                  int64_t m, bool one_row, bool right, const int64_t* sorter) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(rows * m, 2048, [&](int64_t from, int64_t to) {
            for (int64_t q = from; q < to; ++q) {
                int64_t start = one_row ? 0 : (q / m) * n;
                const T* row = static_cast<const T*>(sorted) + start;
                const int64_t* order = sorter ? sorter + start : nullptr;
                auto wanted = order_key(static_cast<const T*>(values)[q]);
                bool past = right || is_nan_key<T>(wanted);          // a NaN goes behind all
                if (past) ++wanted;
                bool behind_all = past && wanted == 0;               // there is no larger key
                int64_t low = 0, count = n;
                while (count > 0 && !behind_all) {
                    int64_t half = count / 2;
                    bool below = order_key(row[order ? order[low + half] : low + half]) < wanted;
                    low = below ? low + half + 1 : low;
                    count = below ? count - half - 1 : half;
                }
                dst[q] = behind_all ? n : low;
            }
        });
    });
}

void bincount(const void* src, DType t, int64_t n, const void* weights, DType w, void* dst, int64_t bins) {
    std::memset(dst, 0, size_t(bins) * 8 / (weights && w == DType::float32 ? 2 : 1));
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>) {
            const T* in = static_cast<const T*>(src);
            auto add = [&](auto* out, const auto* weight) {
                for (int64_t i = 0; i < n; ++i) out[in[i]] += weight[i];
            };
            if (!weights)
                for (int64_t i = 0; i < n; ++i) ++static_cast<int64_t*>(dst)[in[i]];
            else if (w == DType::float32) add(static_cast<float*>(dst), static_cast<const float*>(weights));
            else add(static_cast<double*>(dst), static_cast<const double*>(weights));
        }
    });
}

IntegerRange integer_range(const void* src, DType t, int64_t n) {
    IntegerRange range{0, -1};
    if (n == 0) return range;
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>) {
            const T* in = static_cast<const T*>(src);
            T low = in[0], high = in[0];
            for (int64_t i = 1; i < n; ++i) {
                low = std::min(low, in[i]);
                high = std::max(high, in[i]);
            }
            range = {int64_t(low), int64_t(high)};
        }
    });
    return range;
}

void histc(const void* src, DType t, int64_t n, void* dst, int64_t bins, double low, double high) {
    visit_real(t, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_integral_v<T>) {
            using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;
            const T* in = static_cast<const T*>(src);
            Scratch memory(size_t(bins) * sizeof(int64_t));
            int64_t* counts = memory.as<int64_t>();
            std::fill(counts, counts + bins, int64_t(0));
            Acc a = Acc(low), b = Acc(high);
            for (int64_t i = 0; i < n; ++i) {
                Acc x = Acc(in[i]);
                if (!(x >= a && x <= b)) continue;
                Acc place = (x - a) * Acc(bins) / (b - a);       // NaN where the range is wider than the dtype
                ++counts[place < Acc(bins) ? std::min(int64_t(place), bins - 1) : bins - 1];
            }
            for (int64_t j = 0; j < bins; ++j) static_cast<T*>(dst)[j] = T(Acc(counts[j]));
        }
    });
}

}  // namespace rushlight::kernels
