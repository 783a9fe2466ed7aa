#include "kernels/generic/arrange.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/parallel.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain_bytes = 1 << 17;       // below this a copy is over before a second thread has woken

int64_t rows_per_task(int64_t row_bytes) { return std::max<int64_t>(grain_bytes / std::max<int64_t>(row_bytes, 1), 1); }

template <class T>
void reverse_elements(const char* src, char* dst, int64_t n) {
    auto* from = reinterpret_cast<const T*>(src);
    auto* to = reinterpret_cast<T*>(dst);
    for (int64_t i = 0; i < n; ++i) to[i] = from[n - 1 - i];
}

struct Bytes16 {
    uint64_t a, b;
};

void reverse_row(const char* src, char* dst, int64_t element, int64_t n) {
    switch (element) {
        case 1: return reverse_elements<uint8_t>(src, dst, n);
        case 2: return reverse_elements<uint16_t>(src, dst, n);
        case 4: return reverse_elements<uint32_t>(src, dst, n);
        case 8: return reverse_elements<uint64_t>(src, dst, n);
        case 16: return reverse_elements<Bytes16>(src, dst, n);
        default:
            for (int64_t i = 0; i < n; ++i)
                std::memcpy(dst + i * element, src + (n - 1 - i) * element, size_t(element));
    }
}

// A double in a dtype, without undefined conversions: integers saturate, NaN becomes 0.
template <class T>
T number(double x) {
    if constexpr (std::is_same_v<T, bool>) {
        return x != 0;
    } else if constexpr (std::is_integral_v<T>) {
        constexpr double low = double(std::numeric_limits<T>::min()), high = double(std::numeric_limits<T>::max());
        if (x != x) return 0;
        return x <= low ? std::numeric_limits<T>::min() : x >= high ? std::numeric_limits<T>::max() : T(x);
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        return T(float(x));
    } else {
        return T(x);
    }
}

template <class T>
T add(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a || b;
    else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(float(a) + float(b));
    else if constexpr (std::is_integral_v<T>) return T(uint64_t(a) + uint64_t(b));       // wraps
    else return a + b;
}

}  // namespace

void join_rows(void* dst, int64_t rows, const std::vector<Part>& parts) {
    int64_t row_bytes = 0;
    for (const Part& p : parts) row_bytes += p.row_bytes;
    if (rows == 1) {
        char* to = static_cast<char*>(dst);
        for (const Part& p : parts) {
            parallel_for(p.row_bytes, 1 << 20, [&](int64_t begin, int64_t end) {
                std::memcpy(to + begin, static_cast<const char*>(p.data) + begin, size_t(end - begin));
            });
            to += p.row_bytes;
        }
        return;
    }
    parallel_for(rows, rows_per_task(row_bytes), [&](int64_t begin, int64_t end) {
        char* to = static_cast<char*>(dst) + begin * row_bytes;
        for (int64_t r = begin; r < end; ++r)
            for (const Part& p : parts) {
                if (!p.row_bytes) continue;
                std::memcpy(to, static_cast<const char*>(p.data) + r * p.row_bytes, size_t(p.row_bytes));
                to += p.row_bytes;
            }
    });
}

void flip(const void* src, void* dst, int64_t element_bytes, const Dims& sizes, uint64_t dims) {
    int rank = sizes.size(), inner = rank;
    int64_t block = element_bytes;                         // bytes behind the last reversed dimension move together
    while (inner > 0 && !(dims >> (inner - 1) & 1)) block *= sizes[--inner];
    if (inner == 0) {
        if (block) std::memcpy(dst, src, size_t(block));
        return;
    }
    int64_t n = sizes[inner - 1], row_bytes = n * block, rows = 1;
    for (int i = 0; i < inner - 1; ++i) rows *= sizes[i];
    if (rows == 0 || row_bytes == 0) return;
    parallel_for(rows, rows_per_task(row_bytes), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            int64_t rest = r, from = 0, scale = 1;
            for (int i = inner - 2; i >= 0; --i) {
                int64_t at = rest % sizes[i];
                rest /= sizes[i];
                from += (dims >> i & 1 ? sizes[i] - 1 - at : at) * scale;
                scale *= sizes[i];
            }
            const char* row = static_cast<const char*>(src) + from * row_bytes;
            char* to = static_cast<char*>(dst) + r * row_bytes;
            parallel_for(n, grain_bytes / block + 1, [&](int64_t first, int64_t last) {
                reverse_row(row + (n - last) * block, to + first * block, block, last - first);
            });
        }
    });
}

void triangle(const void* src, void* dst, int64_t element_bytes, int64_t batch, int64_t rows, int64_t columns,
              int64_t diagonal, bool lower) {
    int64_t row_bytes = columns * element_bytes;
    if (row_bytes == 0) return;
    diagonal = std::clamp(diagonal, -rows - 1, columns + 1);
    parallel_for(batch * rows, rows_per_task(row_bytes), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            int64_t edge = std::clamp<int64_t>(r % rows + diagonal + (lower ? 1 : 0), 0, columns) * element_bytes;
            const char* from = static_cast<const char*>(src) + r * row_bytes;
            char* to = static_cast<char*>(dst) + r * row_bytes;
            int64_t kept = lower ? 0 : edge, dropped = lower ? edge : 0, kept_end = lower ? edge : row_bytes,
                    dropped_end = lower ? row_bytes : edge;
            std::memcpy(to + kept, from + kept, size_t(kept_end - kept));
            std::memset(to + dropped, 0, size_t(dropped_end - dropped));
        }
    });
}

void add_strided(void* data, DType t, const Dims& strides, const void* src, const Dims& sizes) {
    int64_t n = 1;
    for (int64_t s : sizes) n *= s;
    int rank = sizes.size();
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto* to = static_cast<T*>(data);
        auto* from = static_cast<const T*>(src);
        int64_t inner = rank ? sizes[rank - 1] : 1, step = rank ? strides[rank - 1] : 0, offset = 0;
        Dims at(std::max(rank - 1, 0), 0);
        for (int64_t i = 0; i < n; i += inner) {
            for (int64_t k = 0; k < inner; ++k) to[offset + k * step] = add(to[offset + k * step], from[i + k]);
            for (int d = rank - 2; d >= 0; --d) {
                offset += strides[d];
                if (++at[d] < sizes[d]) break;
                offset -= strides[d] * sizes[d];
                at[d] = 0;
            }
        }
    });
}

// to[i] = convert(start + i * step), with four running values: the compiler keeps them in registers side by side.
template <class T, class Number, class Convert>
static void count_up(T* to, int64_t n, Number start, Number step, Convert convert) {
    Number lanes[4] = {start, start + step, start + 2 * step, start + 3 * step}, stride = 4 * step;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; ++k) {
            to[i + k] = convert(lanes[k]);
            lanes[k] += stride;
        }
    for (int k = 0; i < n; ++i, ++k) to[i] = convert(lanes[k]);
}

void arange(void* dst, DType t, int64_t n, int64_t start, int64_t step) {
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto* to = static_cast<T*>(dst);
        parallel_for(n, 1 << 17, [&](int64_t begin, int64_t end) {
            uint64_t first = uint64_t(start) + uint64_t(begin) * uint64_t(step);  // wraps, as two's complement does
            count_up(to + begin, end - begin, first, uint64_t(step), [](uint64_t x) {
                if constexpr (std::is_same_v<T, bool>) return x != 0;
                else if constexpr (std::is_integral_v<T>) return static_cast<T>(x);
                else return number<T>(double(int64_t(x)));
            });
        });
    });
}

void arange(void* dst, DType t, int64_t n, double start, double step) {
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto* to = static_cast<T*>(dst);
        parallel_for(n, 1 << 17, [&](int64_t begin, int64_t end) {
            // Counts are exact in double, so that no error accumulates.
            count_up(to + begin, end - begin, double(begin), 1.0,
                     [=](double i) { return number<T>(start + i * step); });
        });
    });
}

void linspace(void* dst, DType t, int64_t n, double start, double end, bool powers, double base) {
    double step = n > 1 ? (end - start) / double(n - 1) : 0;
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto* to = static_cast<T*>(dst);
        parallel_for(n, 1 << 15, [&](int64_t begin, int64_t stop) {
            for (int64_t i = begin; i < stop; ++i) {
                double x = i < n / 2 || n == 1 ? start + double(i) * step
                                               : end - double(n - 1 - i) * step;  // both ends exact
                to[i] = number<T>(powers ? std::pow(base, x) : x);
            }
        });
    });
}

void eye(void* dst, DType t, int64_t rows, int64_t columns) {
    if (rows * columns == 0) return;
    std::memset(dst, 0, size_t(rows * columns * size_of(t)));
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < std::min(rows, columns); ++i) static_cast<T*>(dst)[i * columns + i] = number<T>(1);
    });
}

static std::pair<int64_t, int64_t> triangle_row(int64_t row, int64_t columns, int64_t diagonal, bool lower) {
    int64_t edge = std::clamp<int64_t>(row + diagonal + (lower ? 1 : 0), 0, columns);
    return lower ? std::pair<int64_t, int64_t>(0, edge) : std::pair(edge, columns);
}

int64_t count_triangle(int64_t rows, int64_t columns, int64_t diagonal, bool lower) {
    if (rows == 0 || columns == 0) return 0;
    if (!lower)
        return rows * columns - count_triangle(rows, columns, std::clamp(diagonal, -rows - 1, columns + 1) - 1, true);
    diagonal = std::clamp(diagonal, -rows - 1, columns + 1);
    // Rows before `first` have nothing, rows from `full` on everything; between them each row has one more than the
    // last.
    int64_t first = std::clamp<int64_t>(-diagonal, 0, rows),
            full = std::clamp<int64_t>(columns - diagonal - 1, first, rows);
    auto ramp = static_cast<__int128>(full - first) * (first + full + 2 * diagonal + 1) / 2;
    return int64_t(ramp) + (rows - full) * columns;
}

void triangle_indices(void* dst, DType t, int64_t rows, int64_t columns, int64_t diagonal, bool lower, int64_t count) {
    diagonal = std::clamp(diagonal, -rows - 1, columns + 1);
    visit_dtype(t, [&](auto zero) {
        using T = decltype(zero);
        auto* to = static_cast<T*>(dst);
        int64_t i = 0;
        int64_t first = lower ? std::clamp<int64_t>(-diagonal, 0, rows) : 0,
                last = lower ? rows : std::clamp<int64_t>(columns - diagonal, 0, rows);
        for (int64_t r = first; r < last; ++r) {               // the rows that have entries
            auto [begin, end] = triangle_row(r, columns, diagonal, lower);
            for (int64_t k = begin; k < end; ++k, ++i) {
                to[i] = number<T>(double(r));
                to[count + i] = number<T>(double(k));
            }
        }
    });
}

void repeat_indices(const int64_t* repeats, int64_t n, int64_t* dst) {
    for (int64_t i = 0; i < n; ++i)
        for (int64_t k = 0; k < repeats[i]; ++k) *dst++ = i;
}

}  // namespace rushlight::kernels
