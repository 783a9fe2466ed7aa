// The decoder of deflated data (RFC 1951), as compressed .npz files hold it.
#pragma once

#include <cstdint>
#include <span>

namespace rushlight::files {

// Fills `out` exactly; false where the data is damaged, or inflates to another size.
bool inflate(std::span<const uint8_t> data, std::span<uint8_t> out);

}  // namespace rushlight::files
