#include "kernels/reference/norm.h"

#include <cmath>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

void normalize(const void* src, DType t, void* dst, const Sets& s, const void* weight, const void* bias,
               double eps, double* mean, double* rstd) {
    Values x{src, t}, w{weight, t}, b{bias, t};
    MutableValues y{dst, t};
    std::vector<Number> sum(size_t(s.sets)), squares(size_t(s.sets)), count(size_t(s.sets));
    for (int64_t i = 0; i < s.entries; ++i) {
        size_t k = size_t(s.set_of(i, s.context));
        sum[k] += x[i];
        count[k] += 1;
    }
    for (size_t k = 0; k < sum.size(); ++k) mean[k] = s.centered ? double(sum[k] / count[k]) : 0;
    for (int64_t i = 0; i < s.entries; ++i) {
        size_t k = size_t(s.set_of(i, s.context));
        Number center = s.centered ? sum[k] / count[k] : 0;
        squares[k] += (x[i] - center) * (x[i] - center);
    }
    for (size_t k = 0; k < sum.size(); ++k)
        rstd[k] = double(1 / std::sqrt(squares[k] / count[k] + Number(eps)));
    for (int64_t i = 0; i < s.entries; ++i) {
        int64_t k = s.set_of(i, s.context), c = s.weight_of(i, s.context);
        y.set(i, (x[i] - Number(mean[k])) * Number(rstd[k]) * (weight ? w[c] : 1) + (bias ? b[c] : 0));
    }
}

void normalize_backward(const void* grad, const void* src, DType t, void* grad_src, const Sets& s,
                        const void* weight, const double* mean, const double* rstd, bool through_statistics,
                        void* grad_weight, void* grad_bias) {
    Values g{grad, t}, x{src, t}, w{weight, t};
    MutableValues out{grad_src, t}, gw{grad_weight, t}, gb{grad_bias, t};
    std::vector<Number> count(size_t(s.sets)), sum(size_t(s.sets)), product(size_t(s.sets)),
        dw(size_t(s.weights)), db(size_t(s.weights));
    auto normal = [&](int64_t i) {
        int64_t k = s.set_of(i, s.context);
        return (x[i] - Number(mean[k])) * Number(rstd[k]);
    };
    auto weighted = [&](int64_t i) { return g[i] * (weight ? w[s.weight_of(i, s.context)] : 1); };
    for (int64_t i = 0; i < s.entries; ++i) {
        size_t k = size_t(s.set_of(i, s.context)), c = size_t(s.weight_of(i, s.context));
        count[k] += 1;
        sum[k] += weighted(i);
        product[k] += weighted(i) * normal(i);
        dw[c] += g[i] * normal(i);
        db[c] += g[i];
    }
    for (int64_t i = 0; i < s.entries; ++i) {
        size_t k = size_t(s.set_of(i, s.context));
        Number d = weighted(i);
        if (through_statistics) d -= (s.centered ? sum[k] / count[k] : 0) + normal(i) * product[k] / count[k];
        out.set(i, d * Number(rstd[k]));
    }
    for (int64_t c = 0; c < s.weights; ++c) {
        if (gw) gw.set(c, dw[size_t(c)]);
        if (gb) gb.set(c, db[size_t(c)]);
    }
}

}  // namespace rushlight::reference
