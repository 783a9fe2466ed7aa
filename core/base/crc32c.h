// The checksum of Castagnoli, as event files carry it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

uint32_t crc32c(const void* data, size_t bytes);

}  // namespace rushlight
