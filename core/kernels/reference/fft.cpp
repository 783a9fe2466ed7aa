#include "kernels/reference/fft.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

void fft(const void* src, void* dst, DType real, kernels::Extent e, bool forward, double scale) {
    Values x{src, real};
    MutableValues y{dst, real};
    const Number step = (forward ? -2 : 2) * std::numbers::pi_v<Number> / Number(e.n);
    std::vector<Number> cosines, sines;                      // of the n-th parts of a turn
    for (int64_t k = 0; k < e.n; ++k) {
        cosines.push_back(std::cos(step * Number(k)));
        sines.push_back(std::sin(step * Number(k)));
    }
    for (int64_t o = 0; o < e.outer; ++o)
        for (int64_t i = 0; i < e.inner; ++i)
            for (int64_t k = 0; k < e.n; ++k) {
                Number re = 0, im = 0;
                for (int64_t j = 0; j < e.n; ++j) {
                    Number c = cosines[size_t(j * k % e.n)], s = sines[size_t(j * k % e.n)];
                    int64_t at = 2 * ((o * e.n + j) * e.inner + i);
                    re += x[at] * c - x[at + 1] * s;
                    im += x[at] * s + x[at + 1] * c;
                }
                int64_t at = 2 * ((o * e.n + k) * e.inner + i);
                y.set(at, re * Number(scale));
                y.set(at + 1, im * Number(scale));
            }
}

}  // namespace rushlight::reference
