// Threads share rows, or strips of columns; losses are added up in float64 over blocks of rows that do not
// depend on the threads.
#include "kernels/generic/softmax.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/softmax_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t grain = 1 << 13;  // elements that are worth another thread: an exponential each
constexpr int64_t batch = softmax_width;

inline int64_t items_per_thread(int64_t width) {
    return std::max<int64_t>(1, grain / std::max<int64_t>(1, width));
}

// rows(first, count) where the dimension is last, else columns(outer, first column, count).
template <class Rows, class Columns>
void share_out(Extent e, Rows&& rows, Columns&& columns) {
    if (e.outer == 0 || e.n == 0 || e.inner == 0) return;
    if (e.inner == 1) {
        parallel_for(e.outer, items_per_thread(e.n),
                     [&](int64_t from, int64_t to) { rows(from, to - from); });
        return;
    }
    int64_t strips = (e.inner + batch - 1) / batch;
    parallel_for(e.outer * strips, items_per_thread(e.n * std::min(batch, e.inner)),
                 [&](int64_t from, int64_t to) {
                     for (int64_t task = from; task < to; ++task) {
                         int64_t j = task % strips * batch;
                         columns(task / strips, j, std::min(batch, e.inner - j));
                     }
                 });
}

}  // namespace

void softmax(const void* src, DType t, void* dst, Extent e, bool log) {
    auto rows = softmax_table.active().rows[log][kind_of(t)];
    auto columns = softmax_table.active().columns[log][kind_of(t)];
    int64_t size = size_of(t);
    share_out(
        e,
        [&](int64_t r, int64_t count) { rows(at(src, r * e.n, size), at(dst, r * e.n, size), count, e.n); },
        [&](int64_t o, int64_t j, int64_t count) {
            int64_t first = o * e.n * e.inner + j;
            columns(at(src, first, size), at(dst, first, size), e.n, e.inner, count);
        });
}

void softmax_backward(const void* grad, const void* output, DType t, void* grad_in, Extent e, bool log) {
    auto rows = softmax_table.active().back_rows[log][kind_of(t)];
    auto columns = softmax_table.active().back_columns[log][kind_of(t)];
    int64_t size = size_of(t);
    share_out(
        e,
        [&](int64_t r, int64_t count) {
            rows(at(grad, r * e.n, size), at(output, r * e.n, size), at(grad_in, r * e.n, size), count, e.n);
        },
        [&](int64_t o, int64_t j, int64_t count) {
            int64_t first = o * e.n * e.inner + j;
            columns(at(grad, first, size), at(output, first, size), at(grad_in, first, size), e.n, e.inner,
                    count);
        });
}

IndexFault check_targets(const ClassLoss& s) {
    for (int64_t i = 0; i < s.batch * s.inner; ++i) {
        int64_t t = s.target[i];
        if (t != s.ignore_index && (t < 0 || t >= s.classes)) return {i, t};
    }
    return {};
}

namespace {

// Reading and writing numbers of a dtype known only at run time, for what is done once per row.
double load_number(const void* p, DType t, int64_t i) {
    switch (t) {
        case DType::float64: return static_cast<const double*>(p)[i];
        case DType::float16: return double(float(static_cast<const Half*>(p)[i]));
        case DType::bfloat16: return double(float(static_cast<const BFloat16*>(p)[i]));
        default: return double(static_cast<const float*>(p)[i]);
    }
}
void store_number(void* p, DType t, int64_t i, double x) {
    switch (t) {
        case DType::float64: static_cast<double*>(p)[i] = x; return;
        case DType::float16: static_cast<Half*>(p)[i] = Half(float(x)); return;
        case DType::bfloat16: static_cast<BFloat16*>(p)[i] = BFloat16(float(x)); return;
        default: static_cast<float*>(p)[i] = float(x);
    }
}

double weight_of(const ClassLoss& s, DType t, int64_t target) {
    return s.weight ? load_number(s.weight, t, target) : 1;
}

double sum_of_weights(const ClassLoss& s, DType t) {
    if (!s.weight) return double(s.classes);
    double sum = 0;
    for (int64_t c = 0; c < s.classes; ++c) sum += load_number(s.weight, t, c);
    return sum;
}

// Blocks of entries: whole rows, or strips of one sample's columns. Every function below walks them alike.
struct Blocks {
    int64_t strips, each, count;

    explicit Blocks(const ClassLoss& s) {
        strips = s.inner == 1 ? 1 : (s.inner + batch - 1) / batch;
        each = s.inner == 1 ? batch : 1;                     // samples per block
        count = (s.batch + each - 1) / each * strips;
    }
    // f(first entry, entries, offset of the first score).
    template <class F>
    void visit(const ClassLoss& s, int64_t block, F&& f) const {
        if (s.inner == 1) {
            int64_t first = block * each;
            f(first, std::min(each, s.batch - first), first * s.classes);
        } else {
            int64_t o = block / strips, j = block % strips * batch;
            f(o * s.inner + j, std::min(batch, s.inner - j), o * s.classes * s.inner + j);
        }
    }
};

struct LossPart { double loss, weight; };

// loss_of(entries, first entry, offset, losses): fills the losses of one block. Adds them up with the
// weights, or stores them.
template <class F>
void sum_losses(const ClassLoss& s, DType t, void* loss, void* total_weight, int64_t cost, F&& loss_of) {
    Blocks blocks(s);
    Scratch memory(size_t(blocks.count) * sizeof(LossPart));
    LossPart* parts = memory.as<LossPart>();
    parallel_for(blocks.count, items_per_thread(cost * blocks.each * (s.inner == 1 ? 1 : batch)),
                 [&](int64_t from, int64_t to) {
                     double losses[batch];
                     for (int64_t b = from; b < to; ++b) {
                         blocks.visit(s, b, [&](int64_t first, int64_t count, int64_t offset) {
                             loss_of(count, first, offset, losses);
                             LossPart part{0, 0};
                             for (int64_t k = 0; k < count; ++k) {
                                 int64_t target = s.target[first + k];
                                 if (target == s.ignore_index)
                                     losses[k] = 0;
                                 else
                                     part.weight += weight_of(s, t, target);
                                 part.loss += losses[k];
                                 if (s.reduction == LossReduction::none)
                                     store_number(loss, t, first + k, losses[k]);
                             }
                             parts[b] = part;
                         });
                     }
                 });
    LossPart all{0, 0};
    for (int64_t b = 0; b < blocks.count; ++b) {
        all.loss += parts[b].loss;
        all.weight += parts[b].weight;
    }
    store_number(total_weight, compute_dtype(t), 0, all.weight);
    if (s.reduction == LossReduction::mean) store_number(loss, t, 0, all.loss / all.weight);
    else if (s.reduction == LossReduction::sum) store_number(loss, t, 0, all.loss);
}

// What the loss of entry i contributes to the gradient of its scores.
double gradient_scale(const void* grad_loss, DType t, const ClassLoss& s, const void* total_weight,
                      int64_t i) {
    if (s.reduction == LossReduction::none) return load_number(grad_loss, t, i);
    double g = load_number(grad_loss, t, 0);
    return s.reduction == LossReduction::sum ? g : g / load_number(total_weight, compute_dtype(t), 0);
}

}  // namespace

void cross_entropy(const void* logits, DType t, const ClassLoss& s, void* loss, void* lse,
                   void* total_weight) {
    auto lse_rows = softmax_table.active().lse_rows[kind_of(t)];
    auto lse_columns = softmax_table.active().lse_columns[kind_of(t)];
    int64_t size = size_of(t);
    bool smooth = s.label_smoothing != 0;
    double keep = 1 - s.label_smoothing, share = s.label_smoothing / double(s.classes);
    double all_weights = smooth ? sum_of_weights(s, t) : 0;
    DType stat = compute_dtype(t);
    sum_losses(s, t, loss, total_weight, s.classes,
               [&](int64_t count, int64_t first, int64_t offset, double* losses) {
                   double logs[batch], weighted[batch];
                   const void* scores = at(logits, offset, size);
                   if (s.inner == 1)
                       lse_rows(scores, s.weight, count, s.classes, logs, smooth ? weighted : nullptr);
                   else
                       lse_columns(scores, s.weight, s.classes, s.inner, count, logs,
                                   smooth ? weighted : nullptr);
                   for (int64_t k = 0; k < count; ++k) {
                       store_number(lse, stat, first + k, logs[k]);
                       int64_t target = s.target[first + k];
                       if (target == s.ignore_index) continue;
                       int64_t place = s.inner == 1 ? k * s.classes + target : target * s.inner + k;
                       losses[k] = keep * weight_of(s, t, target) * (logs[k] - load_number(scores, t, place));
                       if (smooth) losses[k] += share * (all_weights * logs[k] - weighted[k]);
                   }
               });
}

void cross_entropy_backward(const void* grad_loss, const void* logits, DType t, const ClassLoss& s,
                            const void* lse, const void* total_weight, void* grad_logits) {
    auto rows = softmax_table.active().gradient_rows[kind_of(t)];
    auto columns = softmax_table.active().gradient_columns[kind_of(t)];
    int64_t size = size_of(t);
    double keep = 1 - s.label_smoothing, share = s.label_smoothing / double(s.classes);
    double all_weights = s.label_smoothing != 0 ? sum_of_weights(s, t) : 0;
    DType stat = compute_dtype(t);
    Blocks blocks(s);
    int64_t cost = s.classes * blocks.each * (s.inner == 1 ? 1 : batch);
    parallel_for(blocks.count, items_per_thread(cost), [&](int64_t from, int64_t to) {
        double logs[batch], factor[batch], smooth[batch], hit[batch];
        int64_t target[batch];
        for (int64_t b = from; b < to; ++b)
            blocks.visit(s, b, [&](int64_t first, int64_t count, int64_t offset) {
                for (int64_t k = 0; k < count; ++k) {
                    logs[k] = load_number(lse, stat, first + k);
                    target[k] = s.target[first + k] == s.ignore_index ? -1 : s.target[first + k];
                    bool counts = target[k] >= 0;
                    double g = counts ? gradient_scale(grad_loss, t, s, total_weight, first + k) : 0;
                    hit[k] = counts ? g * keep * weight_of(s, t, target[k]) : 0;
                    smooth[k] = g * share;
                    factor[k] = hit[k] + smooth[k] * all_weights;
                }
                ClassGradient call{at(logits, offset, size),
                                   at(grad_logits, offset, size),
                                   count,
                                   s.classes,
                                   s.inner,
                                   target,
                                   logs,
                                   factor,
                                   smooth,
                                   hit,
                                   s.weight};
                s.inner == 1 ? rows(call) : columns(call);
            });
    });
}

void nll_loss(const void* log_probs, DType t, const ClassLoss& s, void* loss, void* total_weight) {
    sum_losses(
        s, t, loss, total_weight, 8, [&](int64_t count, int64_t first, int64_t offset, double* losses) {
            for (int64_t k = 0; k < count; ++k) {
                int64_t target = s.target[first + k];
                if (target == s.ignore_index) continue;
                int64_t place = offset + (s.inner == 1 ? k * s.classes + target : target * s.inner + k);
                losses[k] = -weight_of(s, t, target) * load_number(log_probs, t, place);
            }
        });
}

void nll_loss_backward(const void* grad_loss, DType t, const ClassLoss& s, const void* total_weight,
                       void* grad_log_probs) {
    int64_t size = size_of(t), sample = s.classes * s.inner;
    parallel_for(s.batch, items_per_thread(sample), [&](int64_t from, int64_t to) {
        std::memset(at(grad_log_probs, from * sample, size), 0, size_t((to - from) * sample * size));
        for (int64_t i = from * s.inner; i < to * s.inner; ++i) {
            int64_t target = s.target[i];
            if (target == s.ignore_index) continue;
            double g = gradient_scale(grad_loss, t, s, total_weight, i);
            store_number(grad_log_probs, t, (i / s.inner * s.classes + target) * s.inner + i % s.inner,
                         -g * weight_of(s, t, target));
        }
    });
}

}  // namespace rushlight::kernels
