// The decoder of deflated data (RFC 1951), as compressed .npz files hold it.
#pragma once

#include <cstdint>
#include <span>

namespace rushlight::files {

// Fills `out` exactly; false where the data is damaged, or inflates to another size.
bool inflate(std::span<const uint8_t> data, std::span<uint8_t> out);

// A few bytes can inflate to a thousand times as many: what a file of `bytes` holds may come to a hundred times the
// file, or to as much as zeros may honestly be.
constexpr uint64_t most_inflated(uint64_t bytes) { return bytes > (1 << 28) / 100 ? 100 * bytes : 1 << 28; }

}  // namespace rushlight::files
