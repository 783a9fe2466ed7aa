// Padding, resizing, unfolding against their definitions.
#include "kernels/generic/spatial.h"
#include "kernels/reference/spatial.h"
#include "tests/native/kernel_check.h"

using namespace rushlight;
using kernels::Pad;
using kernels::PadMode;
using kernels::Resize;
using kernels::ResizeMode;
using kernels::Unfold;

namespace {

void check_pad(DType t, const Pad& p) {
    int64_t in = 1, out = 1;
    for (int d = 0; d < p.rank; ++d) {
        in *= p.in[d];
        out *= p.in[d] + p.before[d] + p.after[d];
    }
    Array x = random_array(t, in), value = random_array(t, 1), got(t, out), wanted(t, out);
    kernels::pad(x.data(), t, got.data(), p, value.data());
    reference::pad(x.data(), t, wanted.data(), p, value.data());
    CHECK(close(got, wanted, 1, 0, "pad"));
    if (!is_floating(t)) return;
    Array g = random_array(t, out), back(t, in), wanted_back(t, in);
    kernels::pad_backward(g.data(), t, back.data(), p);
    reference::pad_backward(g.data(), t, wanted_back.data(), p);
    CHECK(close(back, wanted_back, 2, 2, "pad_backward"));
}

void check_resize(DType t, const Resize& r) {
    int64_t in = r.planes * r.in[0] * r.in[1] * r.in[2], out = r.planes * r.out[0] * r.out[1] * r.out[2];
    // Places are computed in the dtype of the data: for float32 that moves a weight by some of its last bits.
    double slack = t == DType::float32 ? 20 : t == DType::float64 ? 100 : 2;
    Array x = random_array(t, in), got(t, out), wanted(t, out), g = random_array(t, out), back(t, in),
          wanted_back(t, in);
    kernels::resize(x.data(), t, got.data(), r);
    reference::resize(x.data(), t, wanted.data(), r);
    CHECK(close(got, wanted, 1, slack, "resize"));
    kernels::resize_backward(g.data(), t, back.data(), r);
    reference::resize_backward(g.data(), t, wanted_back.data(), r);
    CHECK(close(back, wanted_back, std::max(1.0, double(out) / double(in)), slack, "resize_backward"));
}

void check_unfold(DType t, Unfold u) {
    for (int d = 0; d < 2; ++d)
        u.blocks[d] = kernels::block_count(u.in[d], u.kernel[d], u.stride[d], u.pad[d], u.dilation[d]);
    int64_t in = u.batch * u.channels * u.in[0] * u.in[1];
    int64_t out = u.batch * u.channels * u.kernel[0] * u.kernel[1] * u.blocks[0] * u.blocks[1];
    Array x = random_array(t, in), got(t, out), wanted(t, out), back(t, in), wanted_back(t, in);
    kernels::im2col(x.data(), t, got.data(), u);
    reference::im2col(x.data(), t, wanted.data(), u);
    CHECK(close(got, wanted, 1, 0, "im2col"));
    if (!is_floating(t)) return;
    kernels::col2im(wanted.data(), t, back.data(), u);
    reference::col2im(wanted.data(), t, wanted_back.data(), u);
    CHECK(close(back, wanted_back, 4, 2, "col2im"));
}

void body() {
    for (DType t : real_dtypes)
        for (PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::replicate, PadMode::circular}) {
            check_pad(t, {1, {7}, {3}, {2}, mode});
            check_pad(t, {2, {3, 5}, {0, 4}, {0, 0}, mode});
            check_pad(t, {3, {4, 6, 9}, {0, 2, 3}, {0, 5, 1}, mode});
            check_pad(t, {4, {2, 3, 4, 70}, {0, 1, 3, 20}, {0, 2, 0, 33}, mode});
            check_pad(t, {2, {3, 9}, {0, -2}, {0, 3}, mode});
            check_pad(t, {3, {3, 9, 8}, {0, -2, -1}, {0, -3, -2}, mode});
        }
    check_pad(DType::float32, {3, {2, 3, 4}, {1, 0, 2}, {2, 1, 0}, PadMode::constant});
    for (DType t : floating_dtypes) {
        for (bool align : {false, true})
            for (ResizeMode mode : {ResizeMode::linear, ResizeMode::cubic})
                for (auto [a, b] :
                     {std::pair<int64_t, int64_t>{5, 11}, {9, 4}, {1, 3}, {6, 6}, {7, 1}, {20, 40}}) {
                    check_resize(t, {3, {1, 1, a}, {1, 1, b}, {0, 0, 0}, mode, align});
                    check_resize(t, {2, {1, a, b}, {1, b, a}, {0, 0, 0}, mode, align});
                    if (mode == ResizeMode::linear)
                        check_resize(t, {2, {3, a, b}, {4, b, a}, {0, 0, 0}, mode, align});
                }
        check_resize(t, {2, {1, 4, 5}, {1, 10, 12}, {0, 0.4, 0.4}, ResizeMode::linear, false});
        for (ResizeMode mode : {ResizeMode::nearest, ResizeMode::nearest_exact})
            for (auto [a, b] : {std::pair<int64_t, int64_t>{5, 11}, {9, 4}, {3, 6}, {1, 3}}) {
                check_resize(t, {3, {1, 1, a}, {1, 1, b}, {0, 0, 0}, mode, false});
                check_resize(t, {2, {2, a, b}, {5, b, a}, {0, 0, 0}, mode, false});
            }
    }
    for (DType t : real_dtypes) {
        check_unfold(t, {2, 3, {8, 9}, {3, 2}, {1, 2}, {1, 0}, {1, 2}, {}});
        check_unfold(t, {1, 2, {5, 5}, {5, 5}, {1, 1}, {0, 0}, {1, 1}, {}});
        check_unfold(t, {1, 1, {6, 7}, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {}});
    }
}

}  // namespace

int main() {
    body();
    return checks_failed();
}
