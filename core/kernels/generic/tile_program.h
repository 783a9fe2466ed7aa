// Several element-wise steps over the same small piece of memory, one after another, before the next piece: what lies
// between the steps never leaves the first cache. The steps are the tile functions that single calls run, on the same
// values, so the results are theirs bit for bit.
//
// Where a program reduces, its trailing dimensions are a row. A row that the cache holds is worked on as a whole, and
// what it was reduced to can be read by later steps. A longer one is the only one: it is reduced by the blocks that
// the reduction itself would take, and nothing comes after.
#pragma once

#include <memory>
#include <span>

#include "base/dims.h"
#include "base/dtype.h"
#include "kernels/generic/pointwise_kernels.h"
#include "kernels/generic/reduce.h"

namespace rushlight {

class TileProgram {
public:
    static constexpr int max_memories = 24;      // inputs and outputs together
    static constexpr int max_registers = 256;
    static constexpr int64_t most_of_a_row = 8192;

    // `reduced` trailing dimensions are a row.
    explicit TileProgram(const Dims& sizes, int reduced = 0);
    ~TileProgram();

    // Building it, in the order in which it is to run. Every step gives a register, which later steps read: an element
    // for each of the program's sizes, or one for each row. Steps read registers of one kind.
    // Strides as of a tensor of the program's sizes: 0 where broadcast. `by_row` takes one element of each row.
    int input(DType t, const Dims& strides, bool by_row = false);
    int number(DType t, const void* value);      // the same value everywhere
    int cast(int from, DType to);                // once for all who want it
    int convert(int from, DType to);             // a register of its own
    int call(TileFn fn, std::span<const int> in, DType gives, const double* params);
    int reduce(kernels::Reduction op, int from, DType gives);
    int spread(int from);                        // of one element for each row, a whole row
    // What a register holds goes to memory. `over_input` where that is an input's memory, element for element.
    void output(int from, const Dims& strides, bool over_input);
    bool finish();                               // false: it can't run so

    // The memory of inputs and outputs, in the order in which they were named. From several threads at once.
    void run(void* const* memory) const;

private:
    struct Parts;
    std::unique_ptr<Parts> p_;
};

}  // namespace rushlight
