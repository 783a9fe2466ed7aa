// Each point of the grid gives one to four places per dimension with their weights; their products are the taps of the
// point, which all channels share.
#include "kernels/generic/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace rushlight::kernels {

namespace {

// The places that one coordinate reads, -1 outside the image; `slope` is the weight's derivative by the coordinate.
template <class A>
struct Axis {
    int count = 1;
    int64_t place[4] = {-1, -1, -1, -1};
    A weight[4] = {1, 0, 0, 0}, slope[4] = {};
};

// A coordinate brought into the image, and by what its change is multiplied on the way.
template <class A>
struct Place {
    A at, factor;
};

template <class A>
Place<A> clipped(Place<A> p, int64_t size) {
    if (p.at <= 0) return {0, 0};
    if (p.at >= A(size - 1)) return {A(size - 1), 0};
    return p;
}

template <class A>
Place<A> reflected(Place<A> p, int64_t size, bool align) {
    A low = align ? A(0) : A(-0.5), span = align ? A(size - 1) : A(size);
    if (span == 0) return {0, 0};
    A distance = std::fabs(p.at - low), rest = std::fmod(distance, span);
    bool odd = std::fmod(std::floor(distance / span), A(2)) != 0;
    A sign = (p.at < low) != odd ? A(-1) : A(1);
    return clipped<A>({(odd ? span - rest : rest) + low, p.factor * sign}, size);
}

template <class A>
Place<A> padded(Place<A> p, int64_t size, const GridSample& s) {
    if (s.padding == SamplePadding::border) return clipped(p, size);
    if (s.padding == SamplePadding::reflection) return reflected(p, size, s.align_corners);
    return p;
}

int64_t inside(int64_t i, int64_t size) { return i >= 0 && i < size ? i : -1; }

// Keys' cubic weights at distance t from the second of four points, and their derivatives.
template <class A>
void cubic(A t, A* w, A* slope) {
    constexpr A a = A(-0.75);
    auto near = [](A x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    auto far = [](A x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
    auto near_slope = [](A x) { return (3 * (a + 2) * x - 2 * (a + 3)) * x; };
    auto far_slope = [](A x) { return (3 * a * x - 10 * a) * x + 8 * a; };
    w[0] = far(t + 1), w[1] = near(t), w[2] = near(1 - t), w[3] = far(2 - t);
    slope[0] = far_slope(t + 1), slope[1] = near_slope(t), slope[2] = -near_slope(1 - t), slope[3] = -far_slope(2 - t);
}

template <class A>
Axis<A> axis_of(A v, int64_t size, const GridSample& s) {
    Axis<A> axis;
    Place<A> p = s.align_corners ? Place<A>{(v + 1) / 2 * A(size - 1), A(size - 1) / 2}
                                 : Place<A>{((v + 1) * A(size) - 1) / 2, A(size) / 2};
    if (!(std::fabs(p.at) < A(1e15))) p.at = std::isfinite(p.at) ? std::copysign(A(1e15), p.at) : A(-100);
    if (s.mode == SampleMode::cubic) {                   // its four places are padded one by one
        A floor = std::floor(p.at);
        axis.count = 4;
        cubic(p.at - floor, axis.weight, axis.slope);
        for (int k = 0; k < 4; ++k) {
            Place<A> own = padded<A>({floor + A(k - 1), 0}, size, s);
            axis.place[k] = inside(int64_t(own.at), size);
            axis.slope[k] *= p.factor;
        }
        return axis;
    }
    p = padded(p, size, s);
    if (s.mode == SampleMode::nearest) {
        axis.place[0] = inside(int64_t(std::nearbyint(p.at)), size);
        return axis;
    }
    A floor = std::floor(p.at), t = p.at - floor;
    axis.count = 2;
    for (int k = 0; k < 2; ++k) {
        axis.place[k] = inside(int64_t(floor) + k, size);
        axis.weight[k] = k ? t : 1 - t;
        axis.slope[k] = k ? p.factor : -p.factor;
    }
    return axis;
}

template <class A>
struct Taps {
    static constexpr int most = 16;
    int count = 0;
    int64_t at[most];
    A weight[most], slope[3][most];      // slopes by the grid's coordinates: the last dimension first

    Taps(const A* grid, const GridSample& s) {
        Axis<A> x = axis_of(grid[0], s.in[2], s), y = axis_of(grid[1], s.in[1], s), z;
        if (s.rank == 3) z = axis_of(grid[2], s.in[0], s);
        else z.place[0] = 0;
        for (int k = 0; k < z.count; ++k)
            for (int j = 0; j < y.count; ++j)
                for (int i = 0; i < x.count; ++i) {
                    if (x.place[i] < 0 || y.place[j] < 0 || z.place[k] < 0) continue;
                    at[count] = (z.place[k] * s.in[1] + y.place[j]) * s.in[2] + x.place[i];
                    weight[count] = z.weight[k] * y.weight[j] * x.weight[i];
                    slope[0][count] = z.weight[k] * y.weight[j] * x.slope[i];
                    slope[1][count] = z.weight[k] * y.slope[j] * x.weight[i];
                    slope[2][count++] = z.slope[k] * y.weight[j] * x.weight[i];
                }
    }
};

template <class A>
void forward(const A* input, const A* grid, A* out, const GridSample& s) {
    int64_t plane = s.in[0] * s.in[1] * s.in[2], grain = std::max<int64_t>(1, 4096 / (s.channels + 8));
    parallel_for(s.batch * s.points, grain, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
            Taps<A> taps(grid + i * s.rank, s);
            int64_t n = i / s.points;
            const A* x = input + n * s.channels * plane;
            A* y = out + n * s.channels * s.points + i % s.points;
            for (int64_t c = 0; c < s.channels; ++c, x += plane, y += s.points) {
                A sum = 0;
                for (int k = 0; k < taps.count; ++k) sum += taps.weight[k] * x[taps.at[k]];
                *y = sum;
            }
        }
    });
}

template <class A>
void backward_point(const A* g, const A* x, A* grad_input, A* grad_grid, const Taps<A>& taps, const GridSample& s) {
    int64_t plane = s.in[0] * s.in[1] * s.in[2];
    A sums[3] = {};
    for (int64_t c = 0; c < s.channels; ++c, g += s.points) {
        for (int k = 0; k < taps.count; ++k) {
            int64_t at = c * plane + taps.at[k];
            if (grad_input) grad_input[at] += taps.weight[k] * *g;
            for (int d = 0; d < s.rank; ++d) sums[d] += taps.slope[d][k] * x[at] * *g;
        }
    }
    if (grad_grid) std::copy(sums, sums + s.rank, grad_grid);
}

template <class A>
void backward(const A* grad, const A* input, const A* grid, A* grad_input, A* grad_grid, const GridSample& s) {
    int64_t image = s.channels * s.in[0] * s.in[1] * s.in[2];
    parallel_for(s.batch, 1, [&](int64_t from, int64_t to) {
        for (int64_t n = from; n < to; ++n)
            for (int64_t i = 0; i < s.points; ++i) {
                int64_t at = (n * s.points + i) * s.rank;
                backward_point(grad + n * s.channels * s.points + i, input + n * image,
                               grad_input ? grad_input + n * image : nullptr, grad_grid ? grad_grid + at : nullptr,
                               Taps<A>(grid + at, s), s);
            }
    });
}

}  // namespace

void grid_sample(const void* input, const void* grid, DType t, void* out, const GridSample& s) {
    auto run = [&](auto zero) {
        using A = decltype(zero);
        forward(static_cast<const A*>(input), static_cast<const A*>(grid), static_cast<A*>(out), s);
    };
    t == DType::float64 ? run(double{}) : run(float{});
}

void grid_sample_backward(const void* grad, const void* input, const void* grid, DType t, void* grad_input,
                          void* grad_grid, const GridSample& s) {
    auto run = [&](auto zero) {
        using A = decltype(zero);
        backward(static_cast<const A*>(grad), static_cast<const A*>(input), static_cast<const A*>(grid),
                 static_cast<A*>(grad_input), static_cast<A*>(grad_grid), s);
    };
    t == DType::float64 ? run(double{}) : run(float{});
}

}  // namespace rushlight::kernels
