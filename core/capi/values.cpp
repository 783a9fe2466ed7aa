#include <cstring>

#include "capi/handles.h"
#include "files/arrays.h"
#include "registry/call.h"
#include "tensor/tensor.h"

namespace rushlight::capi {

using files::Json;

const rl_value& checked(const rl_value* value, const char* who) {
    expect(value != nullptr, who, ": value is NULL; expected a value");
    expect(value->mark == value_mark, who, ": the handle is no value, or was given back");
    return *value;
}

DType checked_dtype(rl_dtype dtype, const char* who) {
    expect(dtype >= 0 && dtype < dtype_count, who, ": dtype=", dtype, " is none; expected 0 to ", dtype_count - 1);
    return DType(dtype);
}

rl_value value_of(Tensor t) {
    rl_value out;
    out.kind = RL_TENSOR;
    out.tensor = contiguous(t);
    out.tensor->storage->data();               // what was put off is done now, so that reading changes nothing
    return out;
}

// Puts a part among a container's items or keys, and notes how deep the container is then.
static void put(rl_value& container, std::vector<rl_value>& parts, rl_value part) {
    container.depth = std::max(container.depth, part.depth + 1);
    parts.push_back(std::move(part));
}

static rl_value named(std::string text) {
    rl_value out;
    out.kind = RL_STRING;
    out.text = std::move(text);
    return out;
}

rl_value value_of(const Json& json) {
    static constexpr rl_kind kinds[] = {RL_NONE, RL_BOOL, RL_INT, RL_FLOAT, RL_STRING, RL_LIST, RL_DICT};
    rl_value out;
    out.kind = kinds[json.kind];
    out.integer = json.kind == Json::boolean ? json.truth : json.whole;
    out.real = json.number;
    out.text = json.string;
    for (const Json& item : json.items) put(out, out.items, value_of(item));
    for (const std::string& key : json.keys) put(out, out.keys, named(key));
    return out;
}

rl_value value_of(const graph::Item& item) {
    using graph::TypeKind;
    rl_value out;
    switch (item.kind()) {
        case TypeKind::tensor: return value_of(Tensor(item.tensor()));
        case TypeKind::boolean: out.kind = RL_BOOL; out.integer = item.boolean(); return out;
        case TypeKind::integer: out.kind = RL_INT; out.integer = item.integer(); return out;
        case TypeKind::real: out.kind = RL_FLOAT; out.real = item.real(); return out;
        case TypeKind::string: out.kind = RL_STRING; out.text = item.text(); return out;
        case TypeKind::dtype: out.kind = RL_STRING; out.text = name_of(item.dtype()); return out;
        case TypeKind::list: case TypeKind::tuple:
            out.kind = item.is(TypeKind::list) ? RL_LIST : RL_TUPLE;
            for (const graph::Item& part : item.items()) put(out, out.items, value_of(part));
            return out;
        case TypeKind::dict:
            out.kind = RL_DICT;
            for (const auto& [key, part] : item.dict().entries) {
                put(out, out.keys, value_of(key));
                put(out, out.items, value_of(part));
            }
            return out;
        default: return out;
    }
}

graph::Item item_of(const rl_value& v) {
    using graph::Item;
    std::vector<Item> parts;
    switch (v.kind) {
        case RL_BOOL: return Item(v.integer != 0);
        case RL_INT: return Item(v.integer);
        case RL_FLOAT: return Item(v.real);
        case RL_STRING: return Item(v.text);
        case RL_TENSOR: return Item(v.tensor);
        case RL_LIST: case RL_TUPLE:
            for (const rl_value& part : v.items) parts.push_back(item_of(part));
            return v.kind == RL_LIST ? Item::list(std::move(parts)) : Item::tuple(std::move(parts));
        case RL_DICT: {
            Ref<graph::Dict> dict(new graph::Dict);
            for (size_t i = 0; i < v.items.size(); ++i) dict->set(item_of(v.keys[i]), item_of(v.items[i]));
            return Item(std::move(dict));
        }
        default: return Item();
    }
}

void give(rl_value** out, rl_value value) {
    expect(out != nullptr, "the place for the result is NULL; expected where to put it");
    *out = new rl_value(std::move(value));
}

namespace {

Tensor made_tensor(rl_dtype dtype, int32_t rank, const int64_t* sizes, const void* data, bool view, const char* who) {
    DType type = checked_dtype(dtype, who);
    expect(rank >= 0 && rank <= max_rank, who, ": rank=", rank, "; expected 0 to ", max_rank);
    expect(rank == 0 || sizes, who, ": sizes is NULL; expected ", rank, " of them");
    Dims dims(std::span<const int64_t>(sizes, size_t(rank)));
    for (int64_t s : dims) expect(s >= 0, who, ": sizes are ", dims, "; expected none below 0");
    int64_t bytes = checked_mul(checked_numel(dims, who), size_of(type), who);
    auto check_bools = [&] {
        std::span<const uint8_t> given(static_cast<const uint8_t*>(data), data ? size_t(bytes) : 0);
        bool fine = type != DType::boolean || files::are_bools(given);
        expect(fine, who, ": data of bools holds other bytes than 0 and 1");
    };
    if (view && bytes) {
        expect(data != nullptr, who, ": data is NULL; expected ", bytes, " bytes");
        expect(reinterpret_cast<uintptr_t>(data) % std::min<size_t>(size_t(size_of(type)), 8) == 0, who,
               ": data is not aligned to the ", size_of(type), " bytes of ", name_of(type));
        check_bools();
        static const auto nobody = std::make_shared<int>(0);
        return files::tensor_over({{static_cast<const uint8_t*>(data), size_t(bytes)}, nobody}, type, dims);
    }
    Tensor t = empty_tensor(dims, type);                  // fails where there can't be so many bytes
    check_bools();
    if (bytes && data) std::memcpy(t.data(), data, size_t(bytes));
    else if (bytes) std::memset(t.data(), 0, size_t(bytes));
    return t;
}

// Sizes of nested lists, told by the first item at each depth.
void find_sizes(const rl_value& v, Dims& sizes) {
    if (v.kind != RL_LIST && v.kind != RL_TUPLE) return;
    expect(sizes.size() < max_rank, "rl_as_tensor: the lists are nested deeper than ", max_rank);
    sizes.push_back(int64_t(v.items.size()));
    if (!v.items.empty()) find_sizes(v.items[0], sizes);
}

void collect(const rl_value& v, const Dims& sizes, int depth, std::vector<double>& reals, std::vector<int64_t>& ints) {
    bool list = v.kind == RL_LIST || v.kind == RL_TUPLE;
    bool number = v.kind == RL_BOOL || v.kind == RL_INT || v.kind == RL_FLOAT;
    bool fits = depth < sizes.size() ? list && int64_t(v.items.size()) == sizes[depth] : number;
    std::string count = list ? " of " + std::to_string(v.items.size()) + " items" : std::string();
    expect(fits, "rl_as_tensor: there is a ", kind_name(v.kind), count, " at depth ", depth,
           " of lists whose first items have shape ", sizes, "; expected numbers in lists of equal lengths");
    if (!list) {
        ints.push_back(v.integer);
        reals.push_back(v.kind == RL_FLOAT ? v.real : double(v.integer));
    }
    for (const rl_value& item : v.items) collect(item, sizes, depth + 1, reals, ints);
}

bool holds(const rl_value& v, rl_kind kind) {
    if (v.kind == kind) return true;
    for (const rl_value& item : v.items)
        if (holds(item, kind)) return true;
    return false;
}

Tensor as_tensor(const rl_value& v, rl_dtype wanted) {
    bool real = holds(v, RL_FLOAT);
    DType natural = real ? DType::float32 : holds(v, RL_BOOL) && !holds(v, RL_INT) ? DType::boolean : DType::int64;
    if (v.kind == RL_TENSOR) natural = v.tensor.dtype();
    DType dtype = wanted == RL_UNKNOWN_DTYPE ? natural : checked_dtype(wanted, "rl_as_tensor");
    if (v.kind == RL_TENSOR) return cast(v.tensor, dtype);
    Dims sizes;
    find_sizes(v, sizes);
    std::vector<double> reals;
    std::vector<int64_t> ints;
    collect(v, sizes, 0, reals, ints);
    Tensor wide = empty_tensor(sizes, real ? DType::float64 : DType::int64);
    const void* from = real ? static_cast<const void*>(reals.data()) : ints.data();
    if (wide.numel()) std::memcpy(wide.data(), from, size_t(wide.numel()) * 8);
    return cast(wide, dtype);
}

Json number_at(const Tensor& wide, int64_t i) {
    Json out;
    if (wide.dtype() == DType::boolean) {
        out.kind = Json::boolean;
        out.truth = wide.data_as<uint8_t>()[i] != 0;
    } else if (wide.dtype() == DType::int64) {
        out.kind = Json::integer;
        out.whole = wide.data_as<int64_t>()[i];
    } else {
        out.kind = Json::real;
        out.number = wide.data_as<double>()[i];
    }
    return out;
}

// Without elements, sizes say anything: 2^50 lists that are empty.
void expect_writable(const Tensor& t) {
    constexpr int64_t most = 1 << 24;
    int64_t lists = 1;
    for (int64_t s : t.sizes()) {
        if (s == 0 || t.numel()) return;
        expect(!__builtin_mul_overflow(lists, s, &lists) && lists <= most, "rl_to_json: the tensor of shape ",
               t.sizes(), " takes more than ", most, " empty lists");
    }
}

Json nested(const Tensor& wide, int depth, int64_t& at) {
    if (depth == wide.rank()) return number_at(wide, at++);
    Json out;
    out.kind = Json::list;
    for (int64_t i = 0; i < wide.size(depth); ++i) out.items.push_back(nested(wide, depth + 1, at));
    return out;
}

Json json_of(const rl_value& v) {
    static constexpr Json::Kind kinds[] = {Json::null, Json::boolean, Json::integer, Json::real, Json::text,
                                           Json::list, Json::list, Json::list, Json::object};
    Json out;
    if (v.kind == RL_TENSOR) {
        DType type = v.tensor.dtype();
        expect(!is_complex(type), "rl_to_json: JSON has no complex numbers; expected another dtype");
        expect_writable(v.tensor);
        bool real = is_floating(type) || type == DType::uint64;
        DType wide = type == DType::boolean ? type : real ? DType::float64 : DType::int64;
        int64_t at = 0;
        return nested(cast(v.tensor, wide), 0, at);
    }
    out.kind = kinds[v.kind];
    out.truth = v.integer != 0;
    out.whole = v.integer;
    out.number = v.real;
    out.string = v.text;
    for (const rl_value& item : v.items) out.items.push_back(json_of(item));
    for (const rl_value& key : v.keys) {
        bool named = key.kind == RL_STRING;
        out.keys.push_back(named ? key.text : files::write_json(json_of(key)));
    }
    return out;
}

// Puts a copy of `part` into a container, which may be nested as deep as JSON.
void add_part(std::vector<rl_value>& parts, const rl_value* part, rl_value& container, const char* who) {
    const rl_value& v = checked(part, who);
    expect(v.depth < Json::deepest, who, ": the items are nested deeper than ", Json::deepest);
    put(container, parts, v);
}

rl_value simple(rl_kind kind, int64_t integer, double real) {
    rl_value v;
    v.kind = kind;
    v.integer = integer;
    v.real = real;
    return v;
}

const rl_value& of_kind(const rl_value* value, rl_kind kind, const char* who) {
    const rl_value& v = checked(value, who);
    expect(v.kind == kind, who, ": the value is a ", kind_name(v.kind), "; expected a ", kind_name(kind));
    return v;
}

const rl_value* item_of(const std::vector<rl_value>& items, size_t index, const char* who) {
    expect(index < items.size(), who, ": index=", index, "; expected less than ", items.size());
    return &items[index];
}

rl_value loaded_value(const std::string& path) {
    files::Bytes bytes = files::map_file(path);
    std::string where = "load: '" + path + "'";
    if (path.ends_with(".npy")) return value_of(files::read_npy(bytes, where));
    if (path.ends_with(".npz")) {
        rl_value out = simple(RL_DICT, 0, 0);
        for (auto& [name, t] : files::read_npz(bytes, where)) {
            put(out, out.keys, named(name));
            put(out, out.items, value_of(t));
        }
        return out;
    }
    expect(path.ends_with(".json"), "rl_value_load: path='", path, "'; expected .npy, .npz or .json at its end");
    return value_of(files::parse_json({reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size()}, where));
}

std::string stored_value(const std::string& path, const rl_value& v) {
    if (path.ends_with(".json")) return files::write_json(json_of(v)) + "\n";
    if (path.ends_with(".npy") && v.kind == RL_TENSOR) return files::write_npy(v.tensor);
    expect(path.ends_with(".npz") && v.kind == RL_DICT, "rl_value_save: path='", path, "' and a ", kind_name(v.kind),
           "; expected a tensor for .npy, a dict of tensors for .npz, or .json");
    files::NamedTensors tensors;
    for (size_t i = 0; i < v.items.size(); ++i) {
        expect(v.keys[i].kind == RL_STRING && v.items[i].kind == RL_TENSOR, "rl_value_save: item ", i, " is a ",
               kind_name(v.items[i].kind), "; expected a tensor with a name");
        tensors.emplace_back(v.keys[i].text, v.items[i].tensor);
    }
    return files::write_npz(tensors);
}

}  // namespace

}  // namespace rushlight::capi

using namespace rushlight;
using namespace rushlight::capi;

const char* rl_dtype_name(rl_dtype dtype) {
    return dtype >= 0 && dtype < dtype_count ? name_of(DType(dtype)) : nullptr;
}
size_t rl_dtype_size(rl_dtype dtype) { return dtype >= 0 && dtype < dtype_count ? size_t(size_of(DType(dtype))) : 0; }

rl_status rl_tensor_view(rl_dtype dtype, int32_t rank, const int64_t* sizes, const void* data, rl_value** value) {
    return guarded([&] { give(value, value_of(made_tensor(dtype, rank, sizes, data, true, "rl_tensor_view"))); });
}
rl_status rl_tensor_copy(rl_dtype dtype, int32_t rank, const int64_t* sizes, const void* data, rl_value** value) {
    return guarded([&] { give(value, value_of(made_tensor(dtype, rank, sizes, data, false, "rl_tensor_copy"))); });
}
rl_status rl_none(rl_value** value) {
    return guarded([&] { give(value, rl_value()); });
}
rl_status rl_bool(int32_t truth, rl_value** value) {
    return guarded([&] { give(value, simple(RL_BOOL, truth != 0, 0)); });
}
rl_status rl_int(int64_t number, rl_value** value) {
    return guarded([&] { give(value, simple(RL_INT, number, double(number))); });
}
rl_status rl_float(double number, rl_value** value) {
    return guarded([&] { give(value, simple(RL_FLOAT, 0, number)); });
}
rl_status rl_string(const char* text, size_t bytes, rl_value** value) {
    return guarded([&] {
        expect(text || !bytes, "rl_string: text is NULL; expected ", bytes, " bytes");
        give(value, named(bytes ? std::string(text, bytes) : std::string()));
    });
}

rl_status rl_list(rl_kind kind, const rl_value* const* items, size_t count, rl_value** value) {
    return guarded([&] {
        expect(kind == RL_LIST || kind == RL_TUPLE, "rl_list: kind=", kind, "; expected RL_LIST or RL_TUPLE");
        expect(items || !count, "rl_list: items is NULL; expected ", count, " of them");
        rl_value v = simple(kind, 0, 0);
        for (size_t i = 0; i < count; ++i) add_part(v.items, items[i], v, "rl_list");
        give(value, std::move(v));
    });
}
rl_status rl_dict(const rl_value* const* keys, const rl_value* const* items, size_t count, rl_value** value) {
    return guarded([&] {
        expect((keys && items) || !count, "rl_dict: keys or items is NULL; expected ", count, " of each");
        rl_value v = simple(RL_DICT, 0, 0);
        for (size_t i = 0; i < count; ++i) {
            add_part(v.keys, keys[i], v, "rl_dict");
            add_part(v.items, items[i], v, "rl_dict");
        }
        give(value, std::move(v));
    });
}

rl_status rl_value_copy(const rl_value* value, rl_value** copy) {
    return guarded([&] { give(copy, checked(value, "rl_value_copy")); });
}
void rl_value_free(rl_value* value) {
    guarded([&] {
        if (value) checked(value, "rl_value_free");
        delete value;
    });
}

rl_kind rl_value_kind(const rl_value* value) {
    return found(rl_kind(-1), [&] { return checked(value, "rl_value_kind").kind; });
}
rl_dtype rl_tensor_dtype(const rl_value* value) {
    return found(rl_dtype(RL_UNKNOWN_DTYPE),
                 [&] { return rl_dtype(of_kind(value, RL_TENSOR, "rl_tensor_dtype").tensor.dtype()); });
}
int32_t rl_tensor_rank(const rl_value* value) {
    return found(int32_t(-1), [&] { return int32_t(of_kind(value, RL_TENSOR, "rl_tensor_rank").tensor.rank()); });
}
const int64_t* rl_tensor_sizes(const rl_value* value) {
    return found(static_cast<const int64_t*>(nullptr),
                 [&] { return of_kind(value, RL_TENSOR, "rl_tensor_sizes").tensor.sizes().data(); });
}
const void* rl_tensor_data(const rl_value* value) {
    return found(static_cast<const void*>(nullptr), [&]() -> const void* {
        return of_kind(value, RL_TENSOR, "rl_tensor_data").tensor.data();
    });
}
size_t rl_tensor_bytes(const rl_value* value) {
    return found(size_t(0), [&] {
        const Tensor& t = of_kind(value, RL_TENSOR, "rl_tensor_bytes").tensor;
        return size_t(t.numel() * size_of(t.dtype()));
    });
}
rl_status rl_get_bool(const rl_value* value, int32_t* truth) {
    return guarded([&] {
        const rl_value& v = of_kind(value, RL_BOOL, "rl_get_bool");
        expect(truth, "rl_get_bool: truth is NULL");
        *truth = v.integer != 0;
    });
}
rl_status rl_get_int(const rl_value* value, int64_t* number) {
    return guarded([&] {
        const rl_value& v = of_kind(value, RL_INT, "rl_get_int");
        expect(number, "rl_get_int: number is NULL");
        *number = v.integer;
    });
}
rl_status rl_get_float(const rl_value* value, double* number) {
    return guarded([&] {
        const rl_value& v = checked(value, "rl_get_float");
        expect(v.kind == RL_INT || v.kind == RL_FLOAT, "rl_get_float: the value is a ", kind_name(v.kind),
               "; expected a number");
        expect(number, "rl_get_float: number is NULL");
        *number = v.kind == RL_INT ? double(v.integer) : v.real;
    });
}
rl_status rl_get_string(const rl_value* value, const char** text, size_t* bytes) {
    return guarded([&] {
        const rl_value& v = of_kind(value, RL_STRING, "rl_get_string");
        expect(text, "rl_get_string: text is NULL");
        *text = v.text.c_str();
        if (bytes) *bytes = v.text.size();
    });
}
size_t rl_item_count(const rl_value* value) {
    return found(size_t(0), [&] { return checked(value, "rl_item_count").items.size(); });
}
const rl_value* rl_item(const rl_value* value, size_t index) {
    return found(static_cast<const rl_value*>(nullptr),
                 [&] { return item_of(checked(value, "rl_item").items, index, "rl_item"); });
}
const rl_value* rl_key(const rl_value* value, size_t index) {
    return found(static_cast<const rl_value*>(nullptr),
                 [&] { return item_of(checked(value, "rl_key").keys, index, "rl_key"); });
}

rl_status rl_as_tensor(const rl_value* value, rl_dtype dtype, rl_value** tensor) {
    return guarded([&] {
        const rl_value& v = checked(value, "rl_as_tensor");
        give(tensor, value_of(as_tensor(v, dtype)));
    });
}
rl_status rl_from_json(const char* text, size_t bytes, rl_value** value) {
    return guarded([&] {
        expect(text || !bytes, "rl_from_json: text is NULL; expected ", bytes, " bytes");
        give(value, value_of(files::parse_json({text, bytes}, "rl_from_json")));
    });
}
rl_status rl_to_json(const rl_value* value, rl_value** text) {
    return guarded([&] {
        give(text, named(files::write_json(json_of(checked(value, "rl_to_json")))));
    });
}
rl_status rl_value_load(const char* path, rl_value** value) {
    return guarded([&] {
        expect(path, "rl_value_load: path is NULL");
        give(value, loaded_value(path));
    });
}
rl_status rl_value_save(const char* path, const rl_value* value) {
    return guarded([&] {
        expect(path, "rl_value_save: path is NULL");
        files::write_file(path, stored_value(path, checked(value, "rl_value_save")));
    });
}
