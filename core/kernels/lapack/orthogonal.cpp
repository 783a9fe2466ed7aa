// Householder factors and least squares.
#include "kernels/lapack/large.h"

namespace rushlight::lapack {

void qr(const Batch& b, void* a, void* tau) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int m = as_int(b.m), n = as_int(b.n), ld = leading(b.m);
        const int64_t k = std::min(b.m, b.n);
        each_part(b.count, 2.0 * m * n * double(k), [&](int64_t begin, int64_t end) {
            if (k >= large_qr_rows) {
                for (int64_t i = begin; i < end; ++i)
                    large_qr(b.m, b.n, static_cast<T*>(a) + i * b.m * b.n, static_cast<T*>(tau) + i * k);
                return;
            }
            int info;
            Workspace<T> work([&](T* wish, In ask) { l.geqrf(&m, &n, nullptr, &ld, nullptr, wish, ask, &info); });
            for (int64_t i = begin; i < end; ++i)
                l.geqrf(&m, &n, static_cast<T*>(a) + i * b.m * b.n, &ld, static_cast<T*>(tau) + i * k, work.data(),
                        work.size(), &info);
        });
    });
}

void householder(const Batch& b, void* a, const void* tau, int64_t reflections) {
    visit(b.dtype, [&]<class T>(T) {
        const auto& l = routines<T>();
        const int m = as_int(b.m), n = as_int(b.n), k = as_int(reflections), ld = leading(b.m);
        each_part(b.count, 4.0 * m * n * k, [&](int64_t begin, int64_t end) {
            if (k >= large_qr_rows) {
                for (int64_t i = begin; i < end; ++i)
                    large_householder(b.m, b.n, static_cast<T*>(a) + i * b.m * b.n,
                                      static_cast<const T*>(tau) + i * reflections, reflections);
                return;
            }
            int info;
            Workspace<T> work([&](T* wish, In ask) { l.orgqr(&m, &n, &k, nullptr, &ld, nullptr, wish, ask, &info); });
            for (int64_t i = begin; i < end; ++i)
                l.orgqr(&m, &n, &k, static_cast<T*>(a) + i * b.m * b.n, &ld,
                        static_cast<const T*>(tau) + i * reflections, work.data(), work.size(), &info);
        });
    });
}

namespace {

// One driver for matrices of one shape: asks for its workspace once, then solves one after another.
template <class T>
class LeastSquares {
public:
    using R = Real<T>;

    LeastSquares(const Batch& b, int64_t right, double rcond, Driver driver)
        : m_(as_int(b.m)), n_(as_int(b.n)), right_(as_int(right)), lda_(leading(b.m)),
          ldb_(leading(std::max(b.m, b.n))), rcond_(R(rcond)), driver_(driver) {
        T wish{};
        R real_wish = 0;
        int integer_wish = 0, ask = -1, rank, info;
        call(nullptr, nullptr, nullptr, nullptr, &rank, &wish, ask, &real_wish, &integer_wish, &info);
        size_ = std::max(1, int(std::nextafter(std::real(wish), R(INFINITY))));
        size_t k = size_t(std::min(m_, n_));
        work_ = Scratch(sizeof(T) * size_t(size_));
        real_ = Scratch(sizeof(R) * (driver == Driver::gelsd ? size_t(real_wish) + 1
                                     : driver == Driver::gelsy ? 2 * size_t(n_) + 1 : 5 * k + 1));
        integer_ = Scratch(sizeof(int) * (size_t(integer_wish) + 1));
        columns_ = Scratch(sizeof(int) * (size_t(n_) + 1));
    }

    void solve(T* a, T* x, R* singular, int* rank, int* info) {
        std::fill_n(columns_.as<int>(), n_, 0);
        call(a, x, singular, columns_.as<int>(), rank, work_.as<T>(), size_, real_.as<R>(), integer_.as<int>(), info);
    }

private:
    void call(T* a, T* x, R* s, int* columns, int* rank, T* work, int lwork, R* real, int* integer, int* info) {
        const auto& l = routines<T>();
        if (driver_ == Driver::gels) {
            l.gels("N", &m_, &n_, &right_, a, &lda_, x, &ldb_, work, &lwork, info, 1);
            *rank = std::min(m_, n_);
            return;
        }
        if constexpr (is_complex_v<T>) {
            if (driver_ == Driver::gelsy)
                l.gelsy(&m_, &n_, &right_, a, &lda_, x, &ldb_, columns, &rcond_, rank, work, &lwork, real, info);
            else if (driver_ == Driver::gelsd)
                l.gelsd(&m_, &n_, &right_, a, &lda_, x, &ldb_, s, &rcond_, rank, work, &lwork, real, integer, info);
            else l.gelss(&m_, &n_, &right_, a, &lda_, x, &ldb_, s, &rcond_, rank, work, &lwork, real, info);
        } else {
            if (driver_ == Driver::gelsy)
                l.gelsy(&m_, &n_, &right_, a, &lda_, x, &ldb_, columns, &rcond_, rank, work, &lwork, info);
            else if (driver_ == Driver::gelsd)
                l.gelsd(&m_, &n_, &right_, a, &lda_, x, &ldb_, s, &rcond_, rank, work, &lwork, integer, info);
            else l.gelss(&m_, &n_, &right_, a, &lda_, x, &ldb_, s, &rcond_, rank, work, &lwork, info);
        }
    }

    int m_, n_, right_, lda_, ldb_;
    R rcond_;
    Driver driver_;
    int size_ = 1;
    Scratch work_, real_, integer_, columns_;
};

}  // namespace

void least_squares(const Batch& b, void* a, void* x, int64_t right, double rcond, Driver driver, int* rank,
                   void* singular, int* info) {
    visit(b.dtype, [&]<class T>(T) {
        const int64_t k = std::min(b.m, b.n), rows = std::max(b.m, b.n);
        each_part(b.count, 4.0 * double(b.m) * double(b.n) * double(k), [&](int64_t begin, int64_t end) {
            LeastSquares<T> driver_for_these(b, right, rcond, driver);
            for (int64_t i = begin; i < end; ++i) {
                T *one = static_cast<T*>(a) + i * b.m * b.n, *own = static_cast<T*>(x) + i * rows * right;
                Real<T>* s = singular ? static_cast<Real<T>*>(singular) + i * k : nullptr;
                if (all_finite(one, b.m * b.n) && all_finite(own, rows * right)) {
                    driver_for_these.solve(one, own, s, rank + i, info + i);
                    continue;
                }
                info[i] = not_finite, rank[i] = 0;
                fill_nan<T>(own, rows * right);
                fill_nan<Real<T>>(s, k);
            }
        });
    });
}

}  // namespace rushlight::lapack
