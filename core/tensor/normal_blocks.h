// Box-Muller over blocks of 16 uniform numbers: the first 8 give the radii, the last 8 the angles.
#pragma once

#include <cstdint>

namespace rushlight::random {

// Turns `blocks` blocks of uniform numbers of [0, 1) into normal ones, in place.
void normal_blocks(float* data, int64_t blocks, float mean, float std);
void normal_blocks(double* data, int64_t blocks, double mean, double std);

}  // namespace rushlight::random
