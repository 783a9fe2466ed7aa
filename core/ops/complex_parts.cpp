#include "ops/complex_parts.h"

#include <algorithm>

#include "ops/algebra.h"

namespace rushlight {

namespace {

Tensor part_of(const Tensor& t, int which) {
    Dims strides = t.strides();
    for (int64_t& s : strides) s *= 2;
    Tensor part = alias(t, t.sizes(), strides, t->offset * 2 + which);
    part->dtype = to_real(t.dtype());
    return part;
}

void write(const Tensor& part, const Tensor& value) { copy_values(*part.impl(), *value.impl()); }

}  // namespace

Tensor real_part(const Tensor& t) { return part_of(t, 0); }
Tensor imaginary_part(const Tensor& t) { return part_of(t, 1); }

void run_by_parts(Call& c, int param) {
    for (int which : {0, 1}) {
        Value args[max_params];
        std::copy_n(c.args, c.op.parsed.params.size(), args);
        Tensor x = part_of(Tensor(&c.tensor(param)), which);
        args[param] = Value(x);
        Call inner(c.op, args);
        dispatch(inner);
        write(part_of(c.out[0], which), inner.out[0]);
    }
}

void run_bilinear(Call& c, int first, int second, int added) {
    // Results of the parts a and b of both arguments; `add_part` is the part of the added argument that goes in.
    auto product = [&](int a, int b, int add_part) {
        Value args[max_params];
        std::copy_n(c.args, c.op.parsed.params.size(), args);
        Tensor x = part_of(Tensor(&c.tensor(first)), a), y = part_of(Tensor(&c.tensor(second)), b), z;
        args[first] = Value(x);
        args[second] = Value(y);
        if (added >= 0 && c.has(added)) {
            if (add_part >= 0) z = part_of(Tensor(&c.tensor(added)), add_part);
            args[added] = Value(z);
        }
        Call inner(c.op, args);
        dispatch(inner);
        return inner.out;
    };
    auto real_real = product(0, 0, 0), real_imaginary = product(0, 1, 1);
    write(real_part(c.out[0]), sub(real_real[0], product(1, 1, -1)[0]));
    write(imaginary_part(c.out[0]), add(real_imaginary[0], product(1, 0, -1)[0]));
    for (size_t i = 1; i < size_t(c.results); ++i) {
        write(real_part(c.out[i]), real_real[i]);
        write(imaginary_part(c.out[i]), real_imaginary[i]);
    }
}

}  // namespace rushlight
