// The C interface of Rushlight for C++20: handles that give themselves back, errors as exceptions, spans.
//
//     rl::Model model("resnet.rush");
//     rl::Value image = rl::Value::view<float>(pixels, {1, 3, 224, 224});
//     std::vector<rl::Value> scores = model.run({image});
//     std::span<const float> s = scores[0].data<float>();
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "rushlight.h"

namespace rl {

class Error : public std::runtime_error {
public:
    explicit Error(rl_status status) : std::runtime_error(rl_last_error()), status_(status) {}
    rl_status status() const noexcept { return status_; }

private:
    rl_status status_;
};

inline void check(rl_status status) {
    if (status != RL_OK) throw Error(status);
}

template <class T>
constexpr rl_dtype dtype_of() {
    if constexpr (std::is_same_v<T, float>) return RL_FLOAT32;
    else if constexpr (std::is_same_v<T, double>) return RL_FLOAT64;
    else if constexpr (std::is_same_v<T, bool>) return RL_BOOLEAN;
    else if constexpr (std::is_same_v<T, std::uint8_t>) return RL_UINT8;
    else if constexpr (std::is_same_v<T, std::int8_t>) return RL_INT8;
    else if constexpr (std::is_same_v<T, std::int16_t>) return RL_INT16;
    else if constexpr (std::is_same_v<T, std::int32_t>) return RL_INT32;
    else if constexpr (std::is_same_v<T, std::int64_t>) return RL_INT64;
    else if constexpr (std::is_same_v<T, std::uint16_t>) return RL_UINT16;
    else if constexpr (std::is_same_v<T, std::uint32_t>) return RL_UINT32;
    else if constexpr (std::is_same_v<T, std::uint64_t>) return RL_UINT64;
    else return RL_UNKNOWN_DTYPE;
}

// A tensor, number, text or container. Copies share it; it never changes.
class Value {
public:
    Value() = default;
    explicit Value(rl_value* handle) : handle_(handle, rl_value_free) {}
    Value(bool truth) : Value(made(rl_bool, std::int32_t(truth))) {}
    Value(std::int64_t number) : Value(made(rl_int, number)) {}
    Value(int number) : Value(std::int64_t(number)) {}
    Value(double number) : Value(made(rl_float, number)) {}
    Value(std::string_view text) : Value(made(rl_string, text.data(), text.size())) {}
    Value(const char* text) : Value(std::string_view(text)) {}

    // A tensor over memory that stays where it is as long as the value.
    template <class T>
    static Value view(std::span<const T> data, std::span<const std::int64_t> sizes) {
        return tensor<T>(rl_tensor_view, data, sizes);
    }
    template <class T>
    static Value view(std::span<const T> data, std::initializer_list<std::int64_t> sizes) {
        return view<T>(data, std::span(sizes.begin(), sizes.size()));
    }
    // A tensor with memory of its own.
    template <class T>
    static Value copy(std::span<const T> data, std::span<const std::int64_t> sizes) {
        return tensor<T>(rl_tensor_copy, data, sizes);
    }
    template <class T>
    static Value copy(std::span<const T> data, std::initializer_list<std::int64_t> sizes) {
        return copy<T>(data, std::span(sizes.begin(), sizes.size()));
    }
    static Value list(std::span<const Value> items, rl_kind kind = RL_LIST) {
        std::vector<const rl_value*> handles;
        for (const Value& v : items) handles.push_back(v.handle());
        return Value(made(rl_list, kind, handles.data(), handles.size()));
    }
    static Value load(const std::string& path) { return Value(made(rl_value_load, path.c_str())); }
    static Value from_json(std::string_view text) { return Value(made(rl_from_json, text.data(), text.size())); }

    // Of a list, tuple or dict.
    std::vector<Value> items() const { return parts(rl_item); }
    std::vector<Value> keys() const { return parts(rl_key); }

    const rl_value* handle() const { return handle_.get(); }
    rl_kind kind() const { return rl_value_kind(handle()); }
    rl_dtype dtype() const { return rl_tensor_dtype(handle()); }
    std::span<const std::int64_t> sizes() const {
        std::int32_t rank = rl_tensor_rank(handle());
        if (rank < 0) throw Error(RL_ERROR_ARGUMENT);
        return {rl_tensor_sizes(handle()), std::size_t(rank)};
    }
    // The elements, row-major; T must be the tensor's type.
    template <class T>
    std::span<const T> data() const {
        if (rl_tensor_dtype(handle()) != dtype_of<T>() || dtype_of<T>() == RL_UNKNOWN_DTYPE)
            throw std::invalid_argument("rl::Value::data: the value is no tensor of that type");
        return {static_cast<const T*>(rl_tensor_data(handle())), rl_tensor_bytes(handle()) / sizeof(T)};
    }
    std::int64_t to_int() const { return got<std::int64_t>(rl_get_int); }
    double to_float() const { return got<double>(rl_get_float); }
    bool to_bool() const { return got<std::int32_t>(rl_get_bool) != 0; }
    std::string_view to_string() const {
        const char* text = nullptr;
        std::size_t bytes = 0;
        check(rl_get_string(handle(), &text, &bytes));
        return {text, bytes};
    }
    Value as_tensor(rl_dtype dtype) const { return Value(made(rl_as_tensor, handle(), dtype)); }
    std::string json() const { return std::string(Value(made(rl_to_json, handle())).to_string()); }
    void save(const std::string& path) const { check(rl_value_save(path.c_str(), handle())); }

private:
    template <class F>
    std::vector<Value> parts(F* part) const {
        std::vector<Value> out;
        for (std::size_t i = 0; i < rl_item_count(handle()); ++i)
            out.push_back(Value(made(rl_value_copy, part(handle(), i))));
        return out;
    }
    template <class F, class... Arguments>
    static rl_value* made(F* make, Arguments... arguments) {
        rl_value* out = nullptr;
        check(make(arguments..., &out));
        return out;
    }
    template <class T, class F>
    T got(F* get) const {
        T out{};
        check(get(handle(), &out));
        return out;
    }
    template <class T, class F>
    static Value tensor(F* make, std::span<const T> data, std::span<const std::int64_t> sizes) {
        std::size_t expected = 1;
        for (std::int64_t s : sizes) expected *= std::size_t(s);
        if (expected != data.size())
            throw std::invalid_argument("rl::Value: " + std::to_string(data.size()) + " elements do not fit the sizes");
        return Value(made(make, dtype_of<T>(), std::int32_t(sizes.size()), sizes.data(), data.data()));
    }

    std::shared_ptr<rl_value> handle_;
};

class Model {
public:
    explicit Model(const std::string& path, std::uint32_t flags = 0) {
        rl_model* made = nullptr;
        check(rl_model_load(path.c_str(), flags, &made));
        handle_.reset(made, rl_model_free);
    }
    explicit Model(std::span<const std::byte> file, std::uint32_t flags = 0) {
        rl_model* made = nullptr;
        check(rl_model_load_memory(file.data(), file.size(), flags, &made));
        handle_.reset(made, rl_model_free);
    }

    rl_model* handle() const { return handle_.get(); }
    std::size_t signatures() const { return rl_signature_count(handle()); }
    std::string name(std::size_t signature) const { return rl_signature_name(handle(), signature); }
    std::vector<const rl_spec*> inputs(std::size_t signature = 0) const {
        return specs(rl_input_count(handle(), signature), signature, rl_input);
    }
    std::vector<const rl_spec*> outputs(std::size_t signature = 0) const {
        return specs(rl_output_count(handle(), signature), signature, rl_output);
    }
    std::string metadata() const { return rl_metadata(handle()); }
    std::string_view extra(const std::string& name) const {
        const void* data = nullptr;
        std::size_t bytes = 0;
        check(rl_extra_file(handle(), name.c_str(), &data, &bytes));
        return {static_cast<const char*>(data), bytes};
    }

    // Runs the signature of that name, or the first; may be called by many threads at once.
    std::vector<Value> run(std::span<const Value> inputs, const char* signature = nullptr) const {
        std::vector<const rl_value*> given;
        for (const Value& v : inputs) given.push_back(v.handle());
        return results(signature, [&](rl_value** outputs, std::size_t count) {
            return rl_run(handle(), signature, given.data(), given.size(), outputs, count);
        });
    }
    std::vector<Value> run(std::initializer_list<Value> inputs, const char* signature = nullptr) const {
        return run(std::span(inputs.begin(), inputs.size()), signature);
    }
    std::vector<Value> run_named(std::span<const std::pair<std::string, Value>> inputs,
                                 const char* signature = nullptr) const {
        std::vector<const rl_value*> given;
        std::vector<const char*> names;
        for (const auto& [name, value] : inputs) {
            names.push_back(name.c_str());
            given.push_back(value.handle());
        }
        return results(signature, [&](rl_value** outputs, std::size_t count) {
            return rl_run_named(handle(), signature, names.data(), given.data(), given.size(), outputs, count);
        });
    }

private:
    template <class F>
    std::vector<const rl_spec*> specs(std::size_t count, std::size_t signature, F* get) const {
        std::vector<const rl_spec*> out;
        for (std::size_t i = 0; i < count; ++i) out.push_back(get(handle(), signature, i));
        return out;
    }
    template <class F>
    std::vector<Value> results(const char* signature, F&& run) const {
        std::size_t number = 0;
        check(rl_find_signature(handle(), signature, &number));
        std::vector<rl_value*> made(rl_output_count(handle(), number));
        check(run(made.data(), made.size()));
        std::vector<Value> out;
        for (rl_value* v : made) out.emplace_back(v);
        return out;
    }

    std::shared_ptr<rl_model> handle_;
};

}  // namespace rl
