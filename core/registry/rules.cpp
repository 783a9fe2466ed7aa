#include "registry/rules.h"

namespace rushlight::rules {

const char* param_name(const Call& c, int param) { return c.op.parsed.params[size_t(param)].name.c_str(); }

int dim(const char* op, int64_t given, int rank, const Dims& shown, const char* param) {
    int64_t low = rank == 0 ? -1 : -rank, high = rank == 0 ? 0 : rank - 1;  // a zero-dimensional tensor takes -1 and 0
    require(given >= low && given <= high, ErrorKind::index, op, ": ", param, "=", given,
            " is out of range for input of shape ", shown, "; expected ", low, " <= ", param, " <= ", high);
    return int(given < 0 ? given + std::max(rank, 1) : given);
}

int dim(const Call& c, int64_t given, int rank, const Dims& shown, const char* param) {
    return dim(c.name(), given, rank, shown, param);
}

int dim(const Call& c, int64_t given, const Dims& sizes, const char* param) {
    return dim(c, given, sizes.size(), sizes, param);
}

uint64_t dim_mask(const Call& c, const Value& dims, const Dims& sizes, const char* param) {
    std::span<const int64_t> list = dims.to_ints();
    if (dims.is_none() || list.empty()) return ~uint64_t(0) >> (64 - std::max(sizes.size(), 1));
    uint64_t mask = 0;
    for (int64_t given : list) {
        uint64_t bit = uint64_t(1) << dim(c, given, sizes, param);
        require(!(mask & bit), ErrorKind::runtime, c.name(), ": ", param, "=", given,
                " names a dimension twice; expected different dims");
        mask |= bit;
    }
    return mask;
}

namespace {

constexpr const char* neither_is_one = " differ and neither is 1";

std::string shapes_of_arguments(const Call& c) {
    std::string out;
    for (int i = 0, n = int(c.op.parsed.params.size()); i < n; ++i) {
        if (!c.args[i].is_tensor()) continue;
        out += (out.empty() ? " (" : ", ") + std::string(param_name(c, i)) + (out.empty() ? " has shape " : " ") +
               to_text(c.tensor(i).sizes);
    }
    return out.empty() ? out : out + ")";
}

}  // namespace

Error of_arguments(const Call& c, const Error& e) {
    size_t at = e.text().find(neither_is_one);
    if (at == std::string::npos) return e;
    return Error(e.kind(), e.text().substr(0, at) + neither_is_one + shapes_of_arguments(c));
}

Dims broadcast(const Call& c, const Dims& a, const Dims& b) {
    if (a == b) return a;
    const Dims& longer = a.size() >= b.size() ? a : b;
    const Dims& shorter = a.size() >= b.size() ? b : a;
    Dims out = longer;
    int shift = longer.size() - shorter.size();
    for (int i = 0; i < shorter.size(); ++i) {
        int64_t x = longer[i + shift], y = shorter[i];
        if (x == y || y == 1) continue;
        if (x != 1) [[unlikely]]
            fail(ErrorKind::runtime, c.name(), ": the shapes ", a, " and ", b,
                 " can't be broadcast together; at dimension ", i + shift, " sizes ", x, " and ", y, neither_is_one,
                 shapes_of_arguments(c));
        out[i + shift] = y;
    }
    return out;
}

DType number_dtype(const Value& v) {
    switch (v.tag) {
        case Tag::boolean: return DType::boolean;
        case Tag::integer: case Tag::natural: return DType::int64;
        case Tag::complex: return to_complex(default_dtype());
        default: return default_dtype();
    }
}

void require_small_numbers(const Call& c, DType t) {
    for (int i = 0, n = int(c.op.parsed.params.size()); i < n; ++i)
        require(c.args[i].tag != Tag::natural, ErrorKind::overflow, c.name(), ": ", param_name(c, i), "=",
                uint64_t(c.args[i].integer_), " does not fit into ", name_of(t));
}

DType result_type(std::span<const Value> values) {
    // Tensors with dimensions, zero-dimensional tensors, numbers: a lower rank counts only when its category is higher.
    DType types[3] = {};
    bool seen[3] = {};
    for (const Value& v : values) {
        int rank;
        DType t;
        if (v.is_tensor()) {
            rank = v.tensor_->rank() > 0 || standard_operators ? 0 : 1;
            t = v.tensor_->dtype;
        } else if (v.is_number()) {
            rank = 2;
            t = number_dtype(v);
        } else {
            continue;
        }
        types[rank] = seen[rank] ? promote(types[rank], t) : t;
        seen[rank] = true;
    }
    bool any = false;
    DType out = DType::float32;
    for (int rank = 0; rank < 3; ++rank) {
        if (!seen[rank]) continue;
        if (!any) out = types[rank];
        else if (category(types[rank]) > category(out)) out = promote(out, types[rank]);
        any = true;
    }
    return out;
}

std::string expected_between(int64_t low, const char* what, int64_t high) {
    if (high <= 0) return "the dimension is empty";
    return "expected " + std::to_string(low) + " <= " + what + " <= " + std::to_string(high - 1);
}

void require_floating(const Call& c, int param) {
    DType t = c.tensor(param).dtype;
    require(is_floating(t), ErrorKind::runtime, c.name(), ": ", param_name(c, param), " has dtype ", name_of(t),
            "; expected a floating dtype");
}

void require_same_dtype(const Call& c, int a, int b) {
    DType x = c.tensor(a).dtype, y = c.tensor(b).dtype;
    require(x == y, ErrorKind::runtime, c.name(), ": ", param_name(c, a), " has dtype ", name_of(x), " and ",
            param_name(c, b), " has dtype ", name_of(y), "; expected the same dtype");
}

void require_same_shape(const Call& c, int a, int b) {
    const Dims &x = c.tensor(a).sizes, &y = c.tensor(b).sizes;
    require(x == y, ErrorKind::runtime, c.name(), ": ", param_name(c, a), " has shape ", x, " and ",
            param_name(c, b), " ", y, "; expected equal shapes");
}

void require_rank(const Call& c, int param, int rank) {
    const Dims& sizes = c.tensor(param).sizes;
    require(sizes.size() == rank, ErrorKind::runtime, c.name(), ": ", param_name(c, param), " has shape ", sizes,
            "; expected ", rank, rank == 1 ? " dimension" : " dimensions");
}

void require_not_complex(const Call& c, int param) {
    DType t = c.tensor(param).dtype;
    require(!is_complex(t), ErrorKind::runtime, c.name(), ": ", param_name(c, param), " has dtype ", name_of(t),
            "; complex numbers are not supported here");
}

void require_index(const Call& c, int param) {
    DType t = c.tensor(param).dtype;
    if (c.tensor(param).numel == 0) return;                    // what picks nothing may be of any dtype
    require(t == DType::int64 || t == DType::int32, ErrorKind::runtime, c.name(), ": ", param_name(c, param),
            " has dtype ", name_of(t), "; expected int64 or int32");
}

void same_as_first(Call& c) { c.result(c.tensor(0).sizes, c.tensor(0).dtype); }

void same_as_first_floating(Call& c) {
    require_floating(c, 0);
    same_as_first(c);
}

}  // namespace rushlight::rules
