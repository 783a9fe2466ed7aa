// The checksum of zip files. Folds 64 bytes at a time where the processor multiplies polynomials.
#pragma once

#include <cstdint>
#include <span>

namespace rushlight::files {

uint32_t crc32(std::span<const uint8_t> data);

}  // namespace rushlight::files
