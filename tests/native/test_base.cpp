// Checked arithmetic, lists of dimensions, 16-bit floats, the promotion lattice.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/checked.h"
#include "base/dims.h"
#include "base/dtype.h"
#include "tests/native/check.h"

using namespace rushlight;

namespace {

constexpr int64_t largest = std::numeric_limits<int64_t>::max();

void checked_arithmetic_reports_overflow() {
    CHECK(checked_mul(largest / 3, 3, "t") == largest / 3 * 3);
    CHECK(checked_mul(-1, largest, "t") == -largest);
    CHECK(checked_add(largest, -1, "t") == largest - 1);
    CHECK(fails_with(ErrorKind::runtime, [] { checked_mul(int64_t(1) << 32, int64_t(1) << 31, "t"); }));
    CHECK(fails_with(ErrorKind::runtime, [] { checked_add(largest, 1, "t"); }));
}

// Dims against std::vector, through the border between inline and heap storage.
void dims_behave_like_a_vector() {
    std::mt19937 random(1);
    Dims dims;
    std::vector<int64_t> model;
    for (int step = 0; step < 20000; ++step) {
        int64_t value = int64_t(random());
        int at = model.empty() ? 0 : int(random() % model.size());
        switch (random() % 6) {
            case 0: case 1:
                if (model.size() < 12) dims.push_back(value), model.push_back(value);
                break;
            case 2:
                if (model.size() < 12) dims.insert(at, value), model.insert(model.begin() + at, value);
                break;
            case 3:
                if (!model.empty()) dims.erase(at), model.erase(model.begin() + at);
                break;
            case 4: {
                Dims copy = dims, moved = std::move(copy);
                dims = moved;
                break;
            }
            case 5: {
                Dims taken(std::move(dims));
                CHECK(dims.empty());
                dims = std::move(taken);
                break;
            }
        }
        CHECK(dims == Dims(std::span<const int64_t>(model)));
    }
    CHECK(to_text(Dims{}) == "()");
    CHECK(to_text(Dims{3}) == "(3,)");
    CHECK(to_text(Dims{2, 5}) == "(2, 5)");
}

// The nearest value with `digits` significant bits and least exponent `least`, ties to even, by scaling and rounding.
double nearest(double x, int digits, int least) {
    int exponent;
    std::frexp(x, &exponent);
    int unit = std::max(exponent - digits, least);
    return std::ldexp(std::nearbyint(std::ldexp(x, -unit)), unit);
}

void halves_round_to_nearest_even() {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        float wide = Half::widen(uint16_t(bits));
        if (!std::isnan(wide)) CHECK(Half::round(wide) == bits);
    }
    std::mt19937 random(2);
    for (int i = 0; i < 1'000'000; ++i) {
        float x = std::bit_cast<float>(uint32_t(random()));
        if (std::isnan(x)) {
            CHECK(std::isnan(float(Half(x))) && std::isnan(float(BFloat16(x))));
            continue;
        }
        double half = nearest(x, 11, -24);
        if (std::fabs(half) > 65504) half = std::copysign(INFINITY, x);
        CHECK(double(float(Half(x))) == half);
        double brain = nearest(x, 8, -133);
        if (std::fabs(brain) > 3.3895313892515355e38) brain = std::copysign(INFINITY, x);
        CHECK(double(float(BFloat16(x))) == brain);
    }
}

bool is_signed_integer(DType t) { return is_integral(t) && !is_unsigned(t); }

bool no_integer_holds_both(DType a, DType b) {
    return (a == DType::uint64 && is_signed_integer(b)) || (b == DType::uint64 && is_signed_integer(a));
}

void promotion_is_a_lattice() {
    for (int a = 0; a < dtype_count; ++a) {
        CHECK(promote(DType(a), DType(a)) == DType(a));
        for (int b = 0; b < dtype_count; ++b) {
            if (no_integer_holds_both(DType(a), DType(b))) {
                CHECK(fails_with(ErrorKind::runtime, [&] { promote(DType(a), DType(b)); }));
                continue;
            }
            DType both = promote(DType(a), DType(b));
            CHECK(both == promote(DType(b), DType(a)));
            CHECK(promote(both, DType(a)) == both);
            CHECK(can_cast(DType(a), both));
        }
    }
    CHECK(promote(DType::uint8, DType::int8) == DType::int16);
    CHECK(promote(DType::int64, DType::float16) == DType::float16);
    CHECK(promote(DType::float16, DType::bfloat16) == DType::float32);
    CHECK(promote(DType::float64, DType::complex64) == DType::complex128);
    CHECK(!can_cast(DType::float32, DType::int64));
}

}  // namespace

int main() {
    checked_arithmetic_reports_overflow();
    dims_behave_like_a_vector();
    halves_round_to_nearest_even();
    promotion_is_a_lattice();
    return checks_failed();
}
