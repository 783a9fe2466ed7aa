#include "kernels/reference/spatial.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "kernels/reference/values.h"

namespace rushlight::reference {

using kernels::Pad;
using kernels::PadMode;
using kernels::Resize;
using kernels::ResizeMode;
using kernels::Unfold;

namespace {

// Every operator here is linear: output o is a sum of weight * input i. f(o, i, weight) lists the terms; i is
// -1 for the constant.
using Terms = std::function<void(int64_t o, int64_t i, Number weight)>;

void apply(int64_t outputs, const Values& x, const MutableValues& y, Number constant,
           const std::function<void(Terms)>& list) {
    std::vector<Number> sum(static_cast<size_t>(outputs));
    list([&](int64_t o, int64_t i, Number w) { sum[size_t(o)] += w * (i < 0 ? constant : x[i]); });
    for (int64_t o = 0; o < outputs; ++o) y.set(o, sum[size_t(o)]);
}
void apply_backward(int64_t inputs, const Values& g, const MutableValues& out,
                    const std::function<void(Terms)>& list) {
    std::vector<Number> sum(static_cast<size_t>(inputs));
    list([&](int64_t o, int64_t i, Number w) {
        if (i >= 0) sum[size_t(i)] += w * g[o];
    });
    for (int64_t i = 0; i < inputs; ++i) out.set(i, sum[size_t(i)]);
}

int64_t pad_source(const Pad& p, int d, int64_t i) {
    const int64_t n = p.in[d];
    switch (p.mode) {
        case PadMode::constant: return i < 0 || i >= n ? -1 : i;
        case PadMode::replicate: return std::clamp<int64_t>(i, 0, n - 1);
        case PadMode::circular: {                            // negative amounts cut first
            const int64_t begin = p.before[d] < 0 ? -p.before[d] : 0, end = p.after[d] < 0 ? n + p.after[d] : n;
            while (i < begin) i += end - begin;
            while (i >= end) i -= end - begin;
            return i;
        }
        case PadMode::reflect:
            while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
            return i;
    }
    return -1;
}

struct Sizes { int64_t in = 1, out = 1; };
Sizes sizes_of(const Pad& p) {
    Sizes s;
    for (int d = 0; d < p.rank; ++d) {
        s.in *= p.in[d];
        s.out *= p.in[d] + p.before[d] + p.after[d];
    }
    return s;
}

void pad_terms(const Pad& p, const Terms& f) {
    for (int64_t o = 0; o < sizes_of(p).out; ++o) {
        int64_t rest = o, i = 0, step = 1;
        bool inside = true;
        for (int d = p.rank - 1; d >= 0; --d) {
            int64_t size = p.in[d] + p.before[d] + p.after[d], at = pad_source(p, d, rest % size - p.before[d]);
            inside &= at >= 0;
            i += at * step;
            step *= p.in[d];
            rest /= size;
        }
        f(o, inside ? i : -1, 1);
    }
}

struct Tap { int64_t at; Number weight; };

Number cubic(Number x) {
    const Number a = -0.75L;
    x = std::abs(x);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

std::vector<Tap> taps(const Resize& r, int d, int64_t o) {
    int64_t in = r.in[d], out = r.out[d];
    if (r.mode == ResizeMode::nearest || r.mode == ResizeMode::nearest_exact) {
        float scale = r.scale[d] > 0 ? float(r.scale[d]) : float(in) / float(out);
        float offset = r.mode == ResizeMode::nearest_exact ? 0.5f : 0.0f;
        return {{std::min<int64_t>(int64_t((float(o) + offset) * scale), in - 1), 1}};
    }
    Number scale = r.scale[d] > 0 ? Number(r.scale[d]) : Number(in) / Number(out);
    Number x = r.align_corners ? (out > 1 ? Number(o) * Number(in - 1) / Number(out - 1) : 0)
                               : (Number(o) + 0.5L) * scale - 0.5L;
    std::vector<Tap> list;
    if (r.mode == ResizeMode::linear) {
        x = std::max<Number>(x, 0);
        for (int64_t i = 0; i < in; ++i)
            if (std::abs(Number(i) - std::min(x, Number(in - 1))) < 1)
                list.push_back({i, 1 - std::abs(Number(i) - std::min(x, Number(in - 1)))});
    } else {
        int64_t base = int64_t(std::floor(x));
        for (int64_t i = base - 1; i <= base + 2; ++i)
            list.push_back({std::clamp<int64_t>(i, 0, in - 1), cubic(x - Number(i))});
    }
    return list;
}

void resize_terms(const Resize& r, const Terms& f) {
    for (int64_t plane = 0; plane < r.planes; ++plane)
        for (int64_t a = 0; a < r.out[0]; ++a)
            for (int64_t b = 0; b < r.out[1]; ++b)
                for (int64_t c = 0; c < r.out[2]; ++c) {
                    int64_t o = ((plane * r.out[0] + a) * r.out[1] + b) * r.out[2] + c;
                    for (Tap x : r.in[0] == 1 && r.out[0] == 1 ? std::vector<Tap>{{0, 1}} : taps(r, 0, a))
                        for (Tap y : r.in[1] == 1 && r.out[1] == 1 ? std::vector<Tap>{{0, 1}} : taps(r, 1, b))
                            for (Tap z : taps(r, 2, c))
                                f(o, ((plane * r.in[0] + x.at) * r.in[1] + y.at) * r.in[2] + z.at,
                                  x.weight * y.weight * z.weight);
                }
}

void unfold_terms(const Unfold& u, const Terms& f) {
    int64_t o = 0;
    for (int64_t plane = 0; plane < u.batch * u.channels; ++plane)
        for (int64_t k0 = 0; k0 < u.kernel[0]; ++k0)
            for (int64_t k1 = 0; k1 < u.kernel[1]; ++k1)
                for (int64_t b0 = 0; b0 < u.blocks[0]; ++b0)
                    for (int64_t b1 = 0; b1 < u.blocks[1]; ++b1, ++o) {
                        int64_t i0 = b0 * u.stride[0] - u.pad[0] + k0 * u.dilation[0];
                        int64_t i1 = b1 * u.stride[1] - u.pad[1] + k1 * u.dilation[1];
                        bool inside = i0 >= 0 && i0 < u.in[0] && i1 >= 0 && i1 < u.in[1];
                        f(o, inside ? (plane * u.in[0] + i0) * u.in[1] + i1 : -1, 1);
                    }
}

}  // namespace

void pad(const void* src, DType t, void* dst, const Pad& p, const void* value) {
    apply(sizes_of(p).out, {src, t}, {dst, t}, value ? Values{value, t}[0] : 0,
          [&](Terms f) { pad_terms(p, f); });
}
void pad_backward(const void* grad, DType t, void* grad_in, const Pad& p) {
    apply_backward(sizes_of(p).in, {grad, t}, {grad_in, t}, [&](Terms f) { pad_terms(p, f); });
}

void resize(const void* src, DType t, void* dst, const Resize& r) {
    apply(r.planes * r.out[0] * r.out[1] * r.out[2], {src, t}, {dst, t}, 0,
          [&](Terms f) { resize_terms(r, f); });
}
void resize_backward(const void* grad, DType t, void* grad_in, const Resize& r) {
    apply_backward(r.planes * r.in[0] * r.in[1] * r.in[2], {grad, t}, {grad_in, t},
                   [&](Terms f) { resize_terms(r, f); });
}

void im2col(const void* src, DType t, void* dst, const Unfold& u) {
    int64_t n = u.batch * u.channels * u.kernel[0] * u.kernel[1] * u.blocks[0] * u.blocks[1];
    apply(n, {src, t}, {dst, t}, 0, [&](Terms f) { unfold_terms(u, f); });
}
void col2im(const void* src, DType t, void* dst, const Unfold& u) {
    apply_backward(u.batch * u.channels * u.in[0] * u.in[1], {src, t}, {dst, t},
                   [&](Terms f) { unfold_terms(u, f); });
}

}  // namespace rushlight::reference
