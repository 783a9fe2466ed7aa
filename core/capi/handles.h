// What stands behind the handles of rushlight.h, and the way in: no exception leaves, and errors become codes and text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "capi/rushlight.h"
#include "files/corrupt.h"
#include "files/json.h"
#include "graph/item.h"
#include "tensor/tensor.h"

// A word at the beginning tells handles of one kind from those of another, and from most that were given back.
inline constexpr uint32_t value_mark = 0x52'4C'56'31, model_mark = 0x52'4C'4D'31;

struct rl_value {
    uint32_t mark = value_mark;
    rl_kind kind = RL_NONE;
    int depth = 0;                             // of containers within containers
    int64_t integer = 0;                       // of booleans too
    double real = 0;
    std::string text;
    rushlight::Tensor tensor;                  // row-major, its bytes plain
    std::vector<rl_value> items, keys;

    ~rl_value() { mark = 0; }
    rl_value() = default;
    rl_value(const rl_value&) = default;
    rl_value& operator=(const rl_value&) = default;
};

namespace rushlight::capi {

// An argument of the C functions that is not what it has to be.
class WrongArgument : public Error {
public:
    explicit WrongArgument(std::string text) : Error(ErrorKind::value, std::move(text)) {}
};
class WrongInput : public Error {
public:
    explicit WrongInput(std::string text) : Error(ErrorKind::value, std::move(text)) {}
};

[[noreturn]] void throw_wrong(std::initializer_list<files::Part> parts);

template <class... Parts>
inline void expect(bool holds, const Parts&... parts) {
    if (!holds) [[unlikely]] throw_wrong({files::Part(parts)...});
}

// Notes the exception that is being handled as the thread's last error.
rl_status note_exception() noexcept;

template <class F>
rl_status guarded(F&& f) noexcept {
    try {
        f();
        return RL_OK;
    } catch (...) {
        return note_exception();
    }
}

// For functions that return what they find: `missing` where something is wrong.
template <class T, class F>
T found(T missing, F&& f) noexcept {
    T out = missing;
    guarded([&] { out = f(); });
    return out;
}

const rl_value& checked(const rl_value* value, const char* who);
DType checked_dtype(rl_dtype dtype, const char* who);
rl_value value_of(Tensor t);
rl_value value_of(const files::Json& json);
rl_value value_of(const graph::Item& item);
graph::Item item_of(const rl_value& value);
// A new handle for the caller.
void give(rl_value** out, rl_value value);
inline const char* kind_name(rl_kind kind) {
    static constexpr const char* names[] = {"None", "bool", "int", "float", "str", "tensor", "list", "tuple", "dict",
                                            "any"};
    return kind >= 0 && kind <= RL_ANY ? names[kind] : "unknown";
}

}  // namespace rushlight::capi
