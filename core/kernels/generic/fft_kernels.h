// What the passes of fft.isa.cpp export: transforms of as many lines at once as a vector has lanes.
#pragma once

#include "kernels/generic/isa.h"

namespace rushlight {

// One step of a transform by Stockham's method: radix * groups * span is its length. For each group p < groups and
// each place q < span, points q + span * (p + groups * k), k < radix, are combined, turned by twiddle[p][k - 1] and
// go to q + span * (radix * p + k).
template <class T>
struct FftStage {
    int64_t radix, groups, span;
    const T* twiddle;                    // [groups][radix - 1] complex
    const T* roots;                      // of odd radices: cos and sin of 2 pi k / radix
};

inline constexpr int64_t fft_largest_radix = 47;
inline constexpr int fft_most_stages = 40;

template <class T>
struct FftPlan {
    int64_t n = 1;
    int stages = 0;
    FftStage<T> stage[fft_most_stages];
    // Bluestein's method, for lengths with a large prime factor: a convolution by a transform of a better length.
    const FftPlan* convolution = nullptr;
    const T* chirp = nullptr;            // exp(-pi i j^2 / n), n of them
    const T* kernel = nullptr;           // the transform of its conjugate, divided by the length
    int64_t points() const { return convolution ? convolution->n : n; }
};

// Where lines lie. Distances count elements of T; lane l begins at lane[l].
template <class T>
struct FftPlace {
    T* data;
    const int64_t* lane;
    int64_t row;                         // from one point of a line to the next
    bool complex;                        // pairs, or single numbers
    bool adjacent;                       // the lanes lie side by side
};

enum class FftForm : uint8_t { complex, real_to_half, real_to_full, half_to_real };

// `count` lines at once. Real transforms of an even length have the plan of half the length.
template <class T>
struct FftBlock {
    const FftPlan<T>* plan;
    FftForm form;
    bool forward;                        // of the real ones
    bool swap_in, swap_out;              // real and imaginary parts, of the complex one: both for the inverse
    int64_t n;                           // of the transform
    int64_t count;
    T scale;
    FftPlace<T> in, out;
    const T* half_roots;                 // of real transforms of even length: exp(-2 pi i k / n), k <= n / 4
    T* work;                             // fft_work_size numbers
    // Where the lines are columns column..column + count of a matrix whose rows come next: coefficient k of column j is
    // turned by exp(-2 pi i k j / whole). lane_roots[k] has that for column 0's lanes; coarse[x >> bits] and
    // fine[x & mask] multiply to exp(-2 pi i x / whole).
    int64_t whole = 0, column = 0;
    const T* lane_roots = nullptr;
    const double *coarse = nullptr, *fine = nullptr;
    int bits = 0;
};

struct FftTable {
    int lanes[2];                        // of float, double
    void (*single)(const FftBlock<float>& block);
    void (*twice)(const FftBlock<double>& block);
};

#ifndef RUSHLIGHT_ISA
DECLARE_ISA_TABLE(FftTable, fft_table);
#endif

}  // namespace rushlight
