// Calling operators from C++: `Tensor y = invoke(op_add, a, b)`. Missing trailing arguments take the signature's
// defaults.
#pragma once

#include "registry/call.h"

namespace rushlight {

// Completes `args` with defaults and dispatches. Raises when an argument without default is missing.
void invoke_raw(Call& call, Value* args, int given);

template <class... Args>
Call invoke_call(const Op& op, const Args&... args) {
    static_assert(sizeof...(Args) <= max_params);
    Value values[max_params] = {Value(args)...};
    Call call(op, values);
    invoke_raw(call, values, int(sizeof...(Args)));
    call.args = nullptr;                 // the values end here
    return call;
}

template <class... Args>
Tensor invoke(const Op& op, const Args&... args) {
    return std::move(invoke_call(op, args...).out[0]);
}

// The in-place form: writes the result into the first argument and returns it.
template <class... Args>
Tensor invoke_in_place(const Op& op, const Tensor& self, const Args&... args) {
    Value values[max_params] = {Value(self), Value(args)...};
    Call call(op, values);
    call.destination = self.impl();
    call.in_place = true;
    invoke_raw(call, values, int(sizeof...(Args)) + 1);
    return self;
}

}  // namespace rushlight
