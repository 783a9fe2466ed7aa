#include "tensor/arranged.h"

namespace rushlight {

int64_t spatial_of(const TensorImpl& t) {
    int64_t n = 1;
    for (int i = 2; i < t.rank(); ++i) n *= t.sizes[i];
    return n;
}

bool is_whole_storage(const TensorImpl& t) {
    return t.contiguous && t.offset == 0 && size_t(t.numel * size_of(t.dtype)) == t.storage->bytes();
}

bool keeps_channels_last(const TensorImpl& t) {
    return t.storage->arrangement() == Arrangement::channels_last && t.rank() >= 3 && is_whole_storage(t) &&
           t.storage->arranged_as(t.sizes[0], t.sizes[1], spatial_of(t));
}

}  // namespace rushlight
