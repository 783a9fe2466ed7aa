// Small triangular systems against the definition.
#include "kernels/generic/triangle.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;

namespace {

void check_triangle(DType dtype, int64_t n, int64_t columns, bool lower, bool unit) {
    Array t = random_array(dtype, n * n, 0.1), x(dtype, n * columns);
    for (int64_t i = 0; i < n; ++i) t.set(i * n + i, 2 + random_normal() * 0.1);
    for (int64_t i = 0; i < n * columns; ++i) x.set(i, random_normal());
    Array b(dtype, n * columns);                                               // what x is the solution for
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < columns; ++j) {
            long double sum = (unit ? 1.0L : t[i * n + i]) * x[i * columns + j];
            for (int64_t k = lower ? 0 : i + 1; k < (lower ? i : n); ++k) sum += t[i * n + k] * x[k * columns + j];
            b.set(i * columns + j, sum);
        }
    triangle_table.active().solve[dtype == DType::float64]({n, t.data(), lower, unit, b.data(), columns});
    CHECK(close(b, x, 1, 50, "solve"));
}

void body() {
    for (DType dtype : {DType::float32, DType::float64})
        for (int64_t n : {1, 2, 5, 33, 64})
            for (int64_t registers : {1, 3, 4, 8, 13})
                for (bool lower : {false, true})
                    for (bool unit : {false, true})
                        check_triangle(dtype, n, registers * triangle_table.active().lanes[dtype == DType::float64],
                                       lower, unit);
}

}  // namespace

int main() { return run_per_isa(body); }
