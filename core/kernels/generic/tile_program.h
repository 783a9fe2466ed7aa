// Several element-wise steps over the same small piece of memory, one after another, before the next piece: what lies
// between the steps never leaves the first cache. The steps are the tile functions that single calls run, on the same
// values, so the results are theirs bit for bit.
#pragma once

#include <memory>
#include <span>

#include "base/dims.h"
#include "base/dtype.h"
#include "kernels/generic/pointwise_kernels.h"

namespace rushlight {

class TileProgram {
public:
    static constexpr int max_memories = 24;      // inputs and outputs together
    static constexpr int max_registers = 256;

    explicit TileProgram(const Dims& sizes);
    ~TileProgram();

    // Building it, in the order in which it is to run. Every step gives a register, which later steps read.
    int input(DType t, const Dims& strides);     // strides as of a tensor of the program's sizes: 0 where broadcast
    int number(DType t, const void* value);      // the same value everywhere
    int cast(int from, DType to);                // once for all who want it
    int convert(int from, DType to);             // a register of its own
    int call(TileFn fn, std::span<const int> in, DType gives, const double* params);
    // What a register holds goes to memory. `over_input` where that is an input's memory, element for element.
    void output(int from, const Dims& strides, bool over_input);
    bool finish();                               // false: it is too large, and must not run

    // The memory of inputs and outputs, in the order in which they were named. From several threads at once.
    void run(void* const* memory) const;

private:
    struct Parts;
    std::unique_ptr<Parts> p_;
};

}  // namespace rushlight
