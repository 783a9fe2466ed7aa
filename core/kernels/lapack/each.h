// What the routines of this room share: the loop over a batch, and workspaces as LAPACK asks for them.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/lapack/lapack.h"
#include "kernels/lapack/routines.h"

namespace rushlight::lapack {

// Calls `f(T{})` with the element type of matrices.
template <class F>
void visit(DType t, F&& f) {
    switch (t) {
        case DType::float32: return f(float{});
        case DType::float64: return f(double{});
        case DType::complex64: return f(std::complex<float>{});
        case DType::complex128: return f(std::complex<double>{});
        default: fail(ErrorKind::type, "linear algebra is for float32, float64 and their complex dtypes, not ",
                      name_of(t));
    }
}

inline int as_int(int64_t n) {
    require(n <= 0x7fffffff, ErrorKind::runtime, "a matrix dimension of ", n, " is too long for LAPACK");
    return int(n);
}
// Leading dimensions are at least 1.
inline int leading(int64_t rows) { return std::max(as_int(rows), 1); }

// Calls `f(begin, end)` over parts of the batch, on several threads where the work of each matrix is worth it.
template <class F>
void each_part(int64_t count, double operations, F&& f) {
    constexpr double worth = 1 << 17;
    int64_t grain = int64_t(worth / std::max(operations, 1.0)) + 1;
    parallel_for(count, grain, f);
}

// Room for LAPACK's workspace: `query(work, lwork)` is asked for its wish and memory of that many T is made.
template <class T>
class Workspace {
public:
    template <class F>
    explicit Workspace(F&& query) {
        T wish{};
        int ask = -1;
        query(&wish, &ask);
        size_ = std::max(1, int(std::nextafter(std::real(wish), Real<T>(INFINITY))));
        memory_ = Scratch(size_t(size_) * sizeof(T));
    }
    T* data() const { return memory_.as<T>(); }
    const int* size() const { return &size_; }

private:
    Scratch memory_;
    int size_;
};

template <class T>
bool all_finite(const T* a, int64_t n) {
    Real<T> sum = 0;                                   // of zeros, and of NaN for what is not finite
    const auto* values = reinterpret_cast<const Real<T>*>(a);
    for (int64_t i = 0, real = is_complex_v<T> ? 2 * n : n; i < real; ++i) sum += values[i] * 0;
    return sum == 0;
}

template <class T>
void fill_nan(void* a, int64_t n) {
    if (a) std::fill_n(static_cast<T*>(a), n, T(std::nan("")));
}

}  // namespace rushlight::lapack
