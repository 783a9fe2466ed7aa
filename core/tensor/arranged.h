// Which tensors their storages keep with the channels last.
#pragma once

#include "tensor/tensor.h"

namespace rushlight {

// Does `t` hold all of its storage's bytes, in row-major order?
bool is_whole_storage(const TensorImpl& t);

// Is `t` exactly the tensor that its storage keeps with channels last?
bool keeps_channels_last(const TensorImpl& t);

// The product of the dimensions behind the channels.
int64_t spatial_of(const TensorImpl& t);

}  // namespace rushlight
