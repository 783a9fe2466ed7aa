#include "autograd/anomaly.h"

#include "autograd/primitives.h"
#include "base/dtype.h"

namespace rushlight::autograd {

Anomaly anomaly;

void note_origin(Node& node) {
    if (anomaly.trace) node.extras().trace = anomaly.trace();
}

// Whether an element is NaN, or with `infinite` no finite number: x - x is 0 of those alone.
static bool is_refused(const Tensor& t, bool infinite) {
    Tensor flat = contiguous(t);
    return visit_dtype(t.dtype(), [&](auto zero) {
        using T = decltype(zero);
        auto* p = flat.data_as<T>();
        for (int64_t i = 0; i < flat.numel(); ++i) {
            if constexpr (std::is_integral_v<T>) return false;
            else if constexpr (sizeof(T) == 2) {
                auto x = float(p[i]);
                if (infinite ? x - x != 0 : x != x) return true;
            } else if (infinite ? p[i] - p[i] != T(0) : p[i] != p[i]) return true;
        }
        return false;
    });
}

void refuse_nan(const Node& node, std::span<const Tensor> grads) {
    for (size_t i = 0; i < grads.size(); ++i) {
        if (!grads[i].defined() || !is_refused(grads[i], anomaly.check_infinite)) continue;
        const NodeExtras* extras = node.extras_if_any();
        bool traced = extras && !extras->trace.empty();
        fail(ErrorKind::runtime, "Function '", node.name(), "' returned nan ", anomaly.check_infinite ? "or inf " : "",
             "values in its ", i, "th output. ",
             traced ? "It was recorded at:\n" : "It was recorded while anomaly mode was off.",
             traced ? extras->trace : "");
    }
}

}  // namespace rushlight::autograd
