// An operator's signature, in Python's grammar: parsed once, then it drives argument binding, stubs, pages and errors.
//
//   sum(input: Tensor, dim: int | int[] | None = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor
//
// Types: Tensor, Tensor[], Number, int, float, bool, str, dtype, int[], float[], Generator, None, joined by `|`.
// `int[2]` takes two ints, or one int meant for both. The first int[] of a method may be spread: x.view(2, 3).
#pragma once

#include <string>
#include <vector>

#include "registry/value.h"

namespace rushlight {

enum TypeBit : uint16_t {
    type_tensor = 1, type_tensors = 2, type_number = 4, type_int = 8, type_float = 16, type_bool = 32, type_str = 64,
    type_dtype = 128, type_ints = 256, type_floats = 512, type_generator = 1024, type_none = 2048
};

struct Param {
    std::string name;
    uint16_t types = 0;
    int repeat = 0;                  // of int[n]
    bool keyword_only = false;
    bool has_default = false;
    Value default_value;             // strings and lists point into the signature's own storage
    std::string type_text;           // as written, for stubs and errors
};

struct Signature {
    std::string name, text, returns_text;
    std::vector<Param> params;
    std::vector<std::string> return_names;       // empty unless the results are named
    int positional = 0;                          // how many may be passed by position
    int spread = -1;                             // the int[] parameter that may be spread over the positional arguments
    bool returns_list = false;
    std::vector<Dims> stored_ints;
    std::vector<std::string> stored_strings;

    int find(std::string_view param) const;      // -1 when absent
};

Signature parse_signature(const char* text);

}  // namespace rushlight
