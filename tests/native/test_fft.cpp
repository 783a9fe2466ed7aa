// Fourier transforms against their definition: lengths of every way that they are done.
#include "kernels/generic/fft.h"

#include "kernels/reference/fft.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Extent;
using kernels::Fourier;

namespace {

// Complex from real, the whole spectrum.
Array whole(const Array& x) {
    Array z(x.dtype(), 2 * x.size());
    for (int64_t i = 0; i < x.size(); ++i) {
        z.set(2 * i, x[i]);
        z.set(2 * i + 1, 0);
    }
    return z;
}

// The first `rows` of n elements of `parts` numbers along the dimension.
Array rows_of(const Array& x, Extent e, int64_t rows, int64_t parts) {
    Array out(x.dtype(), e.outer * rows * e.inner * parts);
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t i = 0; i < rows * e.inner * parts; ++i)
            out.set(o * rows * e.inner * parts + i, x[o * e.n * e.inner * parts + i]);
    return out;
}

void check_forms(DType t, Extent e, bool forward) {
    const int64_t n = e.outer * e.n * e.inner, half = e.n / 2 + 1;
    const double size = std::sqrt(double(e.n)) * 0.5;
    Array x = random_array(t, 2 * n), got(t, 2 * n), wanted(t, 2 * n);
    reference::fft(x.data(), wanted.data(), t, e, forward, 0.5);
    kernels::fft(Fourier::complex_to_complex, x.data(), got.data(), t, e, forward, 0.5);
    CHECK(close(got, wanted, size, 4, "complex"));
    Array in_place = x;
    kernels::fft(Fourier::complex_to_complex, in_place.data(), in_place.data(), t, e, forward, 0.5);
    CHECK(in_place.same_bytes(got));

    Array real = random_array(t, n), spectrum(t, 2 * n), full(t, 2 * n), halves(t, 2 * e.outer * half * e.inner);
    reference::fft(whole(real).data(), spectrum.data(), t, e, forward, 1);
    kernels::fft(Fourier::real_to_full, real.data(), full.data(), t, e, forward, 1);
    CHECK(close(full, spectrum, 2 * size, 4, "real to full"));
    kernels::fft(Fourier::real_to_half, real.data(), halves.data(), t, e, forward, 1);
    CHECK(close(halves, rows_of(spectrum, e, half, 2), 2 * size, 4, "real to half"));

    Array back(t, n);
    Array given = rows_of(spectrum, e, half, 2);
    kernels::fft(Fourier::half_to_real, given.data(), back.data(), t, e, !forward, 1 / double(e.n));
    CHECK(close(back, real, 1, 4, "half to real"));
}

// What a real signal can't have is not read: the imaginary parts of the first coefficient and of the middle one.
void impossible_parts() {
    double given[6] = {1, 100, 2, 3, 4, 100}, clean[6] = {1, 0, 2, 3, 4, 0}, a[4], b[4];
    kernels::fft(Fourier::half_to_real, given, a, DType::float64, {1, 4, 1}, false, 1);
    kernels::fft(Fourier::half_to_real, clean, b, DType::float64, {1, 4, 1}, false, 1);
    CHECK(std::equal(a, a + 4, b));
}

// A pure tone of a long line, by every thread: all of it falls into one coefficient.
void long_lines(int64_t n) {
    Array x(DType::float64, 2 * n), one(DType::float64, 2 * n), three(DType::float64, 2 * n);
    for (int64_t j = 0; j < n; ++j) {
        long double turn = 2 * 3.14159265358979323846264338327950288L * (long double)(j * 7 % n) / (long double)(n);
        x.set(2 * j, std::cos(turn));
        x.set(2 * j + 1, std::sin(turn));
    }
    set_num_threads(1);
    kernels::fft(Fourier::complex_to_complex, x.data(), one.data(), DType::float64, {1, n, 1}, true, 1 / double(n));
    set_num_threads(3);
    kernels::fft(Fourier::complex_to_complex, x.data(), three.data(), DType::float64, {1, n, 1}, true, 1 / double(n));
    CHECK(one.same_bytes(three));
    bool fine = true;
    for (int64_t k = 0; k < n; ++k)
        fine = fine && std::abs(one[2 * k] - (k == 7)) < 1e-14 && std::abs(one[2 * k + 1]) < 1e-14;
    CHECK(fine);
}

void body() {
    for (DType t : {DType::float32, DType::float64})
        for (bool forward : {true, false}) {
            for (int64_t n = 1; n <= 34; ++n) check_forms(t, {3, n, 1}, forward);
            for (int64_t n : {45, 47, 53, 64, 94, 97, 101, 120, 128, 143, 210, 211, 256})
                check_forms(t, {2, n, 1}, forward);
            for (int64_t n : {5, 8, 12, 53}) {
                check_forms(t, {20, n, 1}, forward);
                check_forms(t, {1, n, 40}, forward);
                check_forms(t, {2, n, 19}, forward);
                check_forms(t, {5, n, 3}, forward);
            }
            check_forms(t, {1, 257, 1}, forward);
            check_forms(t, {1, 1021, 1}, forward);
            check_forms(t, {1, 1024, 1}, forward);
            check_forms(t, {1, 1009, 2}, forward);
            check_forms(t, {1, 900, 2}, forward);
        }
    check_forms(DType::float64, {1, 4098, 1}, true);
    check_forms(DType::float64, {1, 4099, 1}, true);
    impossible_parts();
    for (int64_t n : {1 << 18, 250047, 100003, 3 * 30011}) long_lines(n);
}

}  // namespace

int main() { return run_per_isa(body); }
