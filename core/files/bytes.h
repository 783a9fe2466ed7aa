// The bytes of a file, with whoever keeps them alive: a mapping of the file, a copy, or memory of the caller's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace rushlight::files {

struct Bytes {
    std::span<const uint8_t> data;
    std::shared_ptr<const void> owner;         // null: the caller's, alive for the call only

    Bytes part(size_t begin, size_t count) const { return {data.subspan(begin, count), owner}; }
};

// Maps the file, private and read-only. Raises an io error that names the path.
Bytes map_file(const std::string& path);
// A file of that name is replaced whole or not at all, whoever else writes it and whenever the process dies.
void write_file(const std::string& path, std::string_view contents);
// Whether bytes are bools as everything else expects them.
bool are_bools(std::span<const uint8_t> bytes);
// A read-only tensor over bytes that lie as they should; a copy where they have no owner, or are not aligned.
Tensor tensor_over(const Bytes& bytes, DType dtype, const Dims& sizes);

}  // namespace rushlight::files
