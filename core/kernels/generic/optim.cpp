// Tensors are cut into pieces of a fixed size; threads take pieces when there is enough work for them, and
// small lists stay on the calling thread.
#include "kernels/generic/optim.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/optim_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t piece_size = 1 << 15;

// f(tensor, first element, elements) for every piece of every tensor.
template <class F>
void for_each_piece(const TensorList& list, F&& f) {
    int64_t total = 0;
    for (int64_t i = 0; i < list.count; ++i) total += list.sizes[i];
    if (total <= piece_size) {
        for (int64_t i = 0; i < list.count; ++i)
            if (list.sizes[i]) f(i, int64_t(0), list.sizes[i]);
        return;
    }
    // Threads share the elements of all tensors laid end to end, in steps of a piece; a piece ends where its
    // tensor does.
    parallel_for((total + piece_size - 1) / piece_size, 1, [&](int64_t from, int64_t to) {
        int64_t begin = from * piece_size, end = std::min(total, to * piece_size), start = 0;
        for (int64_t i = 0; i < list.count && start < end; start += list.sizes[i++]) {
            int64_t first = std::max(begin, start) - start, last = std::min(end - start, list.sizes[i]);
            for (; first < last; first += piece_size) f(i, first, std::min(piece_size, last - first));
        }
    });
}

inline void* moved(void* const* list, int64_t i, int64_t offset, int64_t size) {
    return list ? at(list[i], offset, size) : nullptr;
}

}  // namespace

void sgd_step(const TensorList& list, void* const* params, const void* const* grads, void* const* momentum,
              const SgdStep& s) {
    auto update = optim_table.active().sgd[kind_of(list.dtype)];
    int64_t size = size_of(list.dtype);
    SgdUpdate u{s.lr,       s.momentum, 1 - s.dampening, s.weight_decay, s.maximize ? -1.0 : 1.0,
                s.nesterov, s.first};
    for_each_piece(list, [&](int64_t i, int64_t o, int64_t n) {
        update(at(params[i], o, size), at(grads[i], o, size), moved(momentum, i, o, size), n, u);
    });
}

void adam_step(const TensorList& list, void* const* params, const void* const* grads, void* const* exp_avg,
               void* const* exp_avg_sq, void* const* max_exp_avg_sq, const AdamStep& s) {
    auto update = optim_table.active().adam[kind_of(list.dtype)];
    int64_t size = size_of(list.dtype);
    double correction1 = 1 - std::pow(s.beta1, double(s.step)),
           correction2 = 1 - std::pow(s.beta2, double(s.step));
    AdamUpdate u{};
    u.rate = s.lr / correction1;
    u.beta1 = s.beta1;
    u.beta2 = s.beta2;
    u.eps = s.eps;
    u.weight_decay = s.decoupled ? 0 : s.weight_decay;
    u.decay = s.decoupled ? 1 - s.lr * s.weight_decay : 1;
    u.inverse_root = 1 / std::sqrt(correction2);
    u.sign = s.maximize ? -1 : 1;
    for_each_piece(list, [&](int64_t i, int64_t o, int64_t n) {
        update(at(params[i], o, size), at(grads[i], o, size), at(exp_avg[i], o, size),
               at(exp_avg_sq[i], o, size), s.amsgrad ? moved(max_exp_avg_sq, i, o, size) : nullptr, n, u);
    });
}

void rmsprop_step(const TensorList& list, void* const* params, const void* const* grads,
                  void* const* square_avg, void* const* grad_avg, void* const* momentum,
                  const RmspropStep& s) {
    auto update = optim_table.active().rmsprop[kind_of(list.dtype)];
    int64_t size = size_of(list.dtype);
    RmspropUpdate u{s.lr, s.alpha, s.eps, s.weight_decay, s.momentum, s.maximize ? -1.0 : 1.0};
    for_each_piece(list, [&](int64_t i, int64_t o, int64_t n) {
        update(at(params[i], o, size), at(grads[i], o, size), at(square_avg[i], o, size),
               s.centered ? moved(grad_avg, i, o, size) : nullptr,
               s.momentum != 0 ? moved(momentum, i, o, size) : nullptr, n, u);
    });
}

void adagrad_step(const TensorList& list, void* const* params, const void* const* grads, void* const* sum,
                  const AdagradStep& s) {
    auto update = optim_table.active().adagrad[kind_of(list.dtype)];
    int64_t size = size_of(list.dtype);
    AdagradUpdate u{s.lr / (1 + double(s.step - 1) * s.lr_decay), s.eps, s.weight_decay,
                    s.maximize ? -1.0 : 1.0};
    for_each_piece(list, [&](int64_t i, int64_t o, int64_t n) {
        update(at(params[i], o, size), at(grads[i], o, size), at(sum[i], o, size), n, u);
    });
}

}  // namespace rushlight::kernels
