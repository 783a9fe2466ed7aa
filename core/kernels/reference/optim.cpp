#include "kernels/reference/optim.h"

#include <algorithm>
#include <cmath>

namespace rushlight::reference {

namespace {

Number towards(const Direction& h, Number p, Number g) { return h.sign * g + h.weight_decay * p; }
Number mean_of(Number keep, Number mean, Number x) { return keep * mean + (1 - keep) * x; }

}  // namespace

Number sgd(Number p, Number g, Number* s, const SgdNumbers& h) {
    Number d = towards(h.direction, p, g);
    if (h.buffered) {
        s[0] = h.momentum * s[0] + h.keep * d;
        d = h.nesterov ? d + h.momentum * s[0] : s[0];
    }
    return p - h.rate * d;
}

Number adam(Number p, Number g, Number* s, const AdamNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.beta1, s[0], d);
    s[1] = mean_of(h.beta2, s[1], d * d);
    s[2] = std::max(s[2], s[1]);
    return h.decay * p - h.rate * s[0] / (std::sqrt(s[h.amsgrad ? 2 : 1]) * h.inverse_root + h.eps);
}

Number nadam(Number p, Number g, Number* s, const NadamNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.beta1, s[0], d);
    s[1] = mean_of(h.beta2, s[1], d * d);
    return h.decay * p - (h.grad_rate * d + h.mean_rate * s[0]) / (std::sqrt(s[1]) * h.inverse_root + h.eps);
}

Number radam(Number p, Number g, Number* s, const RadamNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.beta1, s[0], d);
    s[1] = mean_of(h.beta2, s[1], d * d);
    return h.decay * p - h.rate * (h.rectified ? s[0] / (std::sqrt(s[1]) + h.eps) : s[0]);
}

Number adamax(Number p, Number g, Number* s, const AdamaxNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.beta1, s[0], d);
    s[1] = std::max(h.beta2 * s[1], std::fabs(d) + h.eps);
    return p - h.rate * s[0] / s[1];
}

Number rmsprop(Number p, Number g, Number* s, const RmspropNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.alpha, s[0], d * d);
    Number spread = s[0];
    if (h.centered) {
        s[1] = mean_of(h.alpha, s[1], d);
        spread -= s[1] * s[1];
    }
    Number move = d / (std::sqrt(spread) + h.eps);
    if (h.momentum != 0) move = s[2] = h.momentum * s[2] + move;
    return p - h.rate * move;
}

Number adagrad(Number p, Number g, Number* s, const AdagradNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] += d * d;
    return p - h.rate * d / (std::sqrt(s[0]) + h.eps);
}

Number adadelta(Number p, Number g, Number* s, const AdadeltaNumbers& h) {
    Number d = towards(h.direction, p, g);
    s[0] = mean_of(h.rho, s[0], d * d);
    Number move = std::sqrt(s[1] + h.eps) / std::sqrt(s[0] + h.eps) * d;
    s[1] = mean_of(h.rho, s[1], move * move);
    return p - h.rate * move;
}

Number asgd(Number p, Number g, Number* s, const AsgdNumbers& h) {
    Number moved = h.decay * p - h.eta * towards(h.direction, p, g);
    s[0] += h.mu * (moved - s[0]);
    return moved;
}

Number rprop(Number p, Number g, Number* s, const RpropNumbers& h) {
    Number d = h.sign * g, same = d * s[0];
    Number factor = same > 0 ? h.plus : same < 0 ? h.minus : 1;
    s[1] = std::min(std::max(s[1] * factor, Number(h.smallest)), Number(h.largest));
    s[0] = same < 0 ? 0 : d;
    return p - (s[0] > 0 ? s[1] : s[0] < 0 ? -s[1] : 0);
}

Number lerp(Number p, Number other, Number*, const LerpNumbers& h) { return p + h.weight * (other - p); }
Number scale(Number p, Number, Number*, const ScaleNumbers& h) { return p * h.factor; }
Number clamp(Number p, Number, Number*, const ClampNumbers& h) {
    return std::min(std::max(p, Number(h.low)), Number(h.high));
}

}  // namespace rushlight::reference
