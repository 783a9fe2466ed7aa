// NumPy's files: one array (.npy), or a zip of named ones (.npz).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "files/bytes.h"

namespace rushlight::files {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// Raises Corrupt, or a type error where the array's elements are none of ours.
Tensor read_npy(const Bytes& bytes, const std::string& where);
NamedTensors read_npz(const Bytes& bytes, const std::string& where);
std::string write_npy(const Tensor& t);
std::string write_npz(const NamedTensors& tensors);

}  // namespace rushlight::files
