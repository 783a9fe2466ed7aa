// Numbers: operators, builtin functions, the module math, conversions.
#include <cmath>
#include <numeric>

#include "graph/number.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

[[noreturn]] void too_large(const PrimitiveCall& c) {
    fail(ErrorKind::overflow, c.name, ": the result does not fit in 64 bits");
}

bool any_real(const PrimitiveCall& c) { return c[0].is(TypeKind::real) || c[1].is(TypeKind::real); }

// ---- operators ------------------------------------------------------------------------------------------------------

void add(PrimitiveCall& c) {
    if (any_real(c)) return c.gives(Item(c[0].as_real() + c[1].as_real()));
    int64_t out;
    if (__builtin_add_overflow(c[0].as_integer(), c[1].as_integer(), &out)) too_large(c);
    c.gives(Item(out));
}

void sub(PrimitiveCall& c) {
    if (any_real(c)) return c.gives(Item(c[0].as_real() - c[1].as_real()));
    int64_t out;
    if (__builtin_sub_overflow(c[0].as_integer(), c[1].as_integer(), &out)) too_large(c);
    c.gives(Item(out));
}

int64_t product(const PrimitiveCall& c, int64_t a, int64_t b) {
    int64_t out;
    if (__builtin_mul_overflow(a, b, &out)) too_large(c);
    return out;
}

void mul(PrimitiveCall& c) {
    if (any_real(c)) return c.gives(Item(c[0].as_real() * c[1].as_real()));
    c.gives(Item(product(c, c[0].as_integer(), c[1].as_integer())));
}

void div(PrimitiveCall& c) {
    if (!any_real(c)) return c.gives(Item(divided(c[0].as_integer(), c[1].as_integer())));
    double b = c[1].as_real();
    require(b != 0, ErrorKind::zero_division, "float division by zero");
    c.gives(Item(c[0].as_real() / b));
}

// What Python's divmod gives for floats.
std::pair<double, double> divmod(double a, double b) {
    double rest = std::fmod(a, b), quotient = (a - rest) / b;
    if (rest == 0) {
        rest = std::copysign(0.0, b);
    } else if ((b < 0) != (rest < 0)) {
        rest += b;
        quotient -= 1;
    }
    if (quotient == 0) return {std::copysign(0.0, a / b), rest};
    double down = std::floor(quotient);
    return {quotient - down > 0.5 ? down + 1 : down, rest};
}

void floordiv(PrimitiveCall& c) {
    if (any_real(c)) {
        require(c[1].as_real() != 0, ErrorKind::zero_division, "float floor division by zero");
        return c.gives(Item(divmod(c[0].as_real(), c[1].as_real()).first));
    }
    int64_t a = c[0].as_integer(), b = c[1].as_integer();
    require(b != 0, ErrorKind::zero_division, "integer division or modulo by zero");
    if (a == INT64_MIN && b == -1) too_large(c);
    c.gives(Item(a / b - ((a % b != 0) && ((a < 0) != (b < 0)))));
}

void mod(PrimitiveCall& c) {
    if (any_real(c)) {
        require(c[1].as_real() != 0, ErrorKind::zero_division, "float modulo");
        return c.gives(Item(divmod(c[0].as_real(), c[1].as_real()).second));
    }
    int64_t a = c[0].as_integer(), b = c[1].as_integer();
    require(b != 0, ErrorKind::zero_division, "integer division or modulo by zero");
    int64_t rest = b == -1 ? 0 : a % b;
    c.gives(Item(rest != 0 && ((rest < 0) != (b < 0)) ? rest + b : rest));
}

void pow(PrimitiveCall& c) {
    if (any_real(c)) return c.gives(Item(power(c[0].as_real(), c[1].as_real(), c.name)));
    int64_t a = c[0].as_integer(), n = c[1].as_integer();
    if (n < 0) {
        require(!c.types[0].is(TypeKind::integer), ErrorKind::value, c.name, ": ", a, " ** ", n,
                " is a float; expected an exponent >= 0 where the result is an int");
        return c.gives(Item(power(double(a), double(n), c.name)));
    }
    int64_t out = 1;
    for (bool first = true; n > 0; n >>= 1, first = false) {
        if (!first) a = product(c, a, a);
        if (n & 1) out = product(c, out, a);
    }
    c.gives(Item(out));
}

void neg(PrimitiveCall& c) {
    if (c[0].is(TypeKind::real)) return c.gives(Item(-c[0].real()));
    if (c[0].as_integer() == INT64_MIN) too_large(c);
    c.gives(Item(-c[0].as_integer()));
}

void abs(PrimitiveCall& c) {
    if (c[0].is(TypeKind::real)) return c.gives(Item(std::abs(c[0].real())));
    if (c[0].as_integer() == INT64_MIN) too_large(c);
    c.gives(Item(std::abs(c[0].as_integer())));
}

void round(PrimitiveCall& c) {
    if (c.count() == 1 && c[0].is(TypeKind::real)) c.gives(Item(whole(std::nearbyint(c[0].real()), c.name)));
    else if (c.count() == 1) c.gives(Item(c[0].as_integer()));
    else if (c.types[0].is(TypeKind::real)) c.gives(Item(rounded(c[0].as_real(), c[1].as_integer())));
    else c.gives(Item(rounded(c[0].as_integer(), c[1].as_integer())));
}

template <bool largest>
void extreme(PrimitiveCall& c) {
    const Item* best = c.args[0];
    for (const Item* x : c.args.subspan(1))
        if (largest ? less(*best, *x) : less(*x, *best)) best = x;
    c.gives(*best);
}

template <class Holds>
void compare(PrimitiveCall& c, Holds&& holds) { c.gives(Item(bool(holds(order(c[0], c[1]))))); }
void eq(PrimitiveCall& c) { compare(c, [](auto o) { return o == 0; }); }
void ne(PrimitiveCall& c) { compare(c, [](auto o) { return !(o == 0); }); }
void lt(PrimitiveCall& c) { compare(c, [](auto o) { return o < 0; }); }
void le(PrimitiveCall& c) { compare(c, [](auto o) { return o <= 0; }); }
void gt(PrimitiveCall& c) { compare(c, [](auto o) { return o > 0; }); }
void ge(PrimitiveCall& c) { compare(c, [](auto o) { return o >= 0; }); }

template <class F>
void bits(PrimitiveCall& c, F&& f) {
    int64_t out = f(c[0].as_integer(), c[1].as_integer());
    c.gives(c[0].is(TypeKind::boolean) && c[1].is(TypeKind::boolean) ? Item(out != 0) : Item(out));
}
void bit_and(PrimitiveCall& c) { bits(c, [](int64_t a, int64_t b) { return a & b; }); }
void bit_or(PrimitiveCall& c) { bits(c, [](int64_t a, int64_t b) { return a | b; }); }
void bit_xor(PrimitiveCall& c) { bits(c, [](int64_t a, int64_t b) { return a ^ b; }); }
void invert(PrimitiveCall& c) { c.gives(Item(~c[0].as_integer())); }
void negate(PrimitiveCall& c) { c.gives(Item(!c[0].boolean())); }

void lshift(PrimitiveCall& c) {
    int64_t a = c[0].as_integer(), n = c[1].as_integer();
    require(n >= 0, ErrorKind::value, "negative shift count");
    if (a == 0) return c.gives(Item(int64_t(0)));
    if (n > 63) too_large(c);
    __int128 out = __int128(a) * (__int128(1) << n);
    if (out < INT64_MIN || out > INT64_MAX) too_large(c);
    c.gives(Item(int64_t(out)));
}

void rshift(PrimitiveCall& c) {
    int64_t n = c[1].as_integer();
    require(n >= 0, ErrorKind::value, "negative shift count");
    c.gives(Item(c[0].as_integer() >> std::min<int64_t>(n, 63)));
}

void range_len(PrimitiveCall& c) {
    int64_t start = c[0].as_integer(), stop = c[1].as_integer(), step = c[2].as_integer();
    require(step != 0, ErrorKind::value, "range() arg 3 must not be zero");
    __int128 way = step > 0 ? __int128(stop) - start : __int128(start) - stop;
    __int128 pace = step > 0 ? __int128(step) : -__int128(step);
    __int128 n = way <= 0 ? 0 : (way + pace - 1) / pace;
    if (n > INT64_MAX) too_large(c);
    c.gives(Item(int64_t(n)));
}

// ---- the module math ------------------------------------------------------------------------------------------------

// As Python's: nan out of numbers is a domain error; an infinity out of finite ones too large, unless it is a pole.
void give_checked(PrimitiveCall& c, double out, bool pole = false) {
    bool finite = true, nan = false;
    for (const Item* x : c.args) {
        finite = finite && std::isfinite(x->as_real());
        nan = nan || std::isnan(x->as_real());
    }
    require(!std::isnan(out) || nan, ErrorKind::value, c.name, ": math domain error");
    bool large = std::isinf(out) && finite;
    require(!large || !pole, ErrorKind::value, c.name, ": math domain error");
    require(!large, ErrorKind::overflow, c.name, ": math range error");
    c.gives(Item(out));
}

template <double (*f)(double)>
void function(PrimitiveCall& c) { give_checked(c, f(c[0].as_real())); }
template <double (*f)(double)>
void logarithm(PrimitiveCall& c) { give_checked(c, f(c[0].as_real()), true); }
// As Python's it gives infinity where the result is too large.
void hypotenuse(PrimitiveCall& c) { c.gives(Item(std::hypot(c[0].as_real(), c[1].as_real()))); }
template <double (*f)(double, double)>
void function2(PrimitiveCall& c) { give_checked(c, f(c[0].as_real(), c[1].as_real())); }

void log(PrimitiveCall& c) {
    for (const Item* x : c.args)
        require(!(x->as_real() <= 0), ErrorKind::value, c.name, ": math domain error");
    if (c.count() == 1) return c.gives(Item(std::log(c[0].as_real())));
    double base = std::log(c[1].as_real());
    require(base != 0, ErrorKind::zero_division, "float division by zero");
    c.gives(Item(std::log(c[0].as_real()) / base));
}

void math_pow(PrimitiveCall& c) {
    double a = c[0].as_real(), b = c[1].as_real(), out = std::pow(a, b);
    give_checked(c, out, a == 0);
}

void fmod(PrimitiveCall& c) {
    double a = c[0].as_real(), b = c[1].as_real();
    give_checked(c, std::isinf(b) && std::isfinite(a) ? a : std::fmod(a, b));
}

void degrees(PrimitiveCall& c) { c.gives(Item(c[0].as_real() * (180.0 / M_PI))); }
void radians(PrimitiveCall& c) { c.gives(Item(c[0].as_real() * (M_PI / 180.0))); }

template <double (*f)(double)>
void to_whole(PrimitiveCall& c) {
    c.gives(Item(c[0].is(TypeKind::real) ? whole(f(c[0].real()), c.name) : c[0].as_integer()));
}

void isnan(PrimitiveCall& c) { c.gives(Item(std::isnan(c[0].as_real()))); }
void isinf(PrimitiveCall& c) { c.gives(Item(std::isinf(c[0].as_real()))); }
void isfinite(PrimitiveCall& c) { c.gives(Item(bool(std::isfinite(c[0].as_real())))); }

void gcd(PrimitiveCall& c) {
    auto magnitude = [](int64_t x) { return x < 0 ? 0 - uint64_t(x) : uint64_t(x); };
    uint64_t out = std::gcd(magnitude(c[0].as_integer()), magnitude(c[1].as_integer()));
    if (out > uint64_t(INT64_MAX)) too_large(c);
    c.gives(Item(int64_t(out)));
}

// ---- conversions ----------------------------------------------------------------------------------------------------

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

// Without blanks around it and without underscores between digits; empty where they stand elsewhere.
std::string plain_digits(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    std::string out;
    auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '_') out += text[i];
        else if (i == 0 || !digit(i - 1) || !digit(i + 1)) return "";
    }
    return out;
}

int64_t parsed_integer(const Item& x) {
    std::string digits = plain_digits(x.text());
    size_t begin = !digits.empty() && (digits[0] == '-' || digits[0] == '+');
    bool right = digits.size() > begin && digits.find_first_not_of("0123456789", begin) == std::string::npos;
    require(right, ErrorKind::value, "invalid literal for int() with base 10: ", represented(x));
    errno = 0;
    int64_t out = std::strtoll(digits.c_str(), nullptr, 10);
    require(errno == 0, ErrorKind::overflow, "int(): ", x.text(), " does not fit in 64 bits");
    return out;
}

double parsed_real(const Item& x) {
    std::string digits = plain_digits(x.text());
    for (char& c : digits) c = char(std::tolower(static_cast<unsigned char>(c)));
    std::string_view name = digits;
    if (!name.empty() && (name[0] == '-' || name[0] == '+')) name.remove_prefix(1);
    bool named = name == "inf" || name == "infinity" || name == "nan";
    bool decimal = name.find_first_not_of("0123456789.e+-") == std::string_view::npos;
    char* end = nullptr;
    double out = std::strtod(digits.c_str(), &end);
    require(!name.empty() && (named || decimal) && end == digits.c_str() + digits.size(), ErrorKind::value,
            "could not convert string to float: ", represented(x));
    return out;
}

void to_int(PrimitiveCall& c) {
    Item x = c[0].is(TypeKind::tensor) ? element(*c[0].tensor(), "int") : c[0];
    if (x.is(TypeKind::string)) c.gives(Item(parsed_integer(x)));
    else c.gives(Item(x.is(TypeKind::real) ? whole(x.real(), "int()") : x.as_integer()));
}

void to_float(PrimitiveCall& c) {
    Item x = c[0].is(TypeKind::tensor) ? element(*c[0].tensor(), "float") : c[0];
    c.gives(Item(x.is(TypeKind::string) ? parsed_real(x) : x.as_real()));
}

void to_bool(PrimitiveCall& c) { c.gives(Item(is_true(c[0]))); }

const char* const arithmetic = "(int, int) -> int; (float, float) -> float; (number, number) -> number";
const char* const single = "(int) -> int; (float) -> float; (number) -> number";
const char* const several = "(int, int, int...) -> int; (float, float, float...) -> float; "
                            "(number, number, number...) -> number";
const char* const comparison = "(number, number) -> bool";
const char* const bitwise = "(bool, bool) -> bool; (int, int) -> int";
const char* const real1 = "(float) -> float";
const char* const real2 = "(float, float) -> float";

const Primitive table[] = {
    {"num_add", arithmetic, add},
    {"num_sub", arithmetic, sub},
    {"num_mul", arithmetic, mul},
    {"num_div", "(number, number) -> float", div},
    {"num_floordiv", arithmetic, floordiv},
    {"num_mod", arithmetic, mod},
    {"num_pow", arithmetic, pow},
    {"num_neg", single, neg},
    {"num_abs", single, abs},
    {"num_round", "(number) -> int; (int, int) -> int; (float, int) -> float", round},
    {"num_min", several, extreme<false>},
    {"num_max", several, extreme<true>},
    {"num_eq", comparison, eq},
    {"num_ne", comparison, ne},
    {"num_lt", comparison, lt},
    {"num_le", comparison, le},
    {"num_gt", comparison, gt},
    {"num_ge", comparison, ge},
    {"int_and", bitwise, bit_and},
    {"int_or", bitwise, bit_or},
    {"int_xor", bitwise, bit_xor},
    {"int_invert", "(int) -> int", invert},
    {"int_lshift", "(int, int) -> int", lshift},
    {"int_rshift", "(int, int) -> int", rshift},
    {"bool_not", "(bool) -> bool", negate},
    {"range_len", "(int, int, int) -> int", range_len},
    {"math_sqrt", real1, function<std::sqrt>},
    {"math_exp", real1, function<std::exp>},
    {"math_expm1", real1, function<std::expm1>},
    {"math_log", "(float) -> float; (float, float) -> float", log},
    {"math_log2", real1, logarithm<std::log2>},
    {"math_log10", real1, logarithm<std::log10>},
    {"math_log1p", real1, logarithm<std::log1p>},
    {"math_sin", real1, function<std::sin>},
    {"math_cos", real1, function<std::cos>},
    {"math_tan", real1, function<std::tan>},
    {"math_asin", real1, function<std::asin>},
    {"math_acos", real1, function<std::acos>},
    {"math_atan", real1, function<std::atan>},
    {"math_atan2", real2, function2<std::atan2>},
    {"math_sinh", real1, function<std::sinh>},
    {"math_cosh", real1, function<std::cosh>},
    {"math_tanh", real1, function<std::tanh>},
    {"math_pow", real2, math_pow},
    {"math_fmod", real2, fmod},
    {"math_hypot", real2, hypotenuse},
    {"math_copysign", real2, function2<std::copysign>},
    {"math_erf", real1, function<std::erf>},
    {"math_degrees", real1, degrees},
    {"math_radians", real1, radians},
    {"math_floor", "(number) -> int", to_whole<std::floor>},
    {"math_ceil", "(number) -> int", to_whole<std::ceil>},
    {"math_trunc", "(number) -> int", to_whole<std::trunc>},
    {"math_isnan", "(float) -> bool", isnan},
    {"math_isinf", "(float) -> bool", isinf},
    {"math_isfinite", "(float) -> bool", isfinite},
    {"math_gcd", "(int, int) -> int", gcd},
    {"to_int", "(number) -> int; (str) -> int; (tensor) -> int", to_int, effect},
    {"to_float", "(number) -> float; (str) -> float; (tensor) -> float", to_float, effect},
    {"to_bool", "(any) -> bool", to_bool, effect},
};

}  // namespace

std::span<const Primitive> number_primitives() { return table; }

}  // namespace rushlight::graph
