#include "ops/epilogue.h"

#include <cstring>

#include "registry/rules.h"

namespace rushlight {

Follows activation_of(const Call& c) {
    std::string_view name = c["activation"].to_string();
    if (name == "none") return Follows::nothing;
    if (name == "relu") return Follows::relu;
    require(name == "gelu", ErrorKind::value, c.name(), ": activation='", name, "'; expected 'none', 'relu' or 'gelu'");
    return Follows::gelu;
}

void check_addend(const Call& c, int param) {
    for (int i = 0; mode.grad && i <= param; ++i)
        require(!c[i].is_tensor() || !c.tensor(i).tracked(), ErrorKind::runtime, c.name(), ": ",
                rules::param_name(c, i), " wants a gradient, and programs of jit.optimize_for_inference have none; "
                "expected no_grad(), or the program of jit.freeze");
    if (!c.has(param)) return;
    rules::require_same_dtype(c, 0, param);
    require(c.tensor(param).sizes == c.geometry[0].sizes, ErrorKind::runtime, c.name(), ": addend has shape ",
            c.tensor(param).sizes, "; expected ", c.geometry[0].sizes, ", the shape of the result");
}

ResultMemory::ResultMemory(const Tensor& result, const Tensor& addend, compute::Layout layout) {
    if (!addend.defined()) {
        data_ = result_memory(result, layout);
        return;
    }
    bool shared = addend->storage == result->storage;
    bool there = layout == compute::Layout::plain ? addend.contiguous() : keeps_channels_last(*addend.impl());
    if (shared && there) {
        in_place_.emplace(addend, layout);
        data_ = const_cast<void*>(in_place_->data());
        return;
    }
    bool is_part = !shared && layout == compute::Layout::channels_last && part_of_channels_last(*addend.impl());
    if (is_part && copy_part(addend, data_ = result_memory(result, layout))) return;
    Activation values(addend, layout);
    data_ = result_memory(result, layout);
    if (data_ != values.data()) std::memcpy(data_, values.data(), size_t(result.numel() * size_of(result.dtype())));
}

}  // namespace rushlight
