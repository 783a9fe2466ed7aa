#include "graph/number.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace rushlight::graph {

namespace {

constexpr double two63 = 9223372036854775808.0;

std::partial_ordering order(int64_t a, double b) {
    if (std::isnan(b)) return std::partial_ordering::unordered;
    if (b >= two63) return std::partial_ordering::less;
    if (b < -two63) return std::partial_ordering::greater;
    int64_t floor = int64_t(std::floor(b));
    if (a != floor) return a <=> floor;
    return double(floor) < b ? std::partial_ordering::less : std::partial_ordering::equivalent;
}

int bits_of(uint64_t x) { return 64 - std::countl_zero(x); }

uint64_t magnitude(int64_t x) { return x < 0 ? 0 - uint64_t(x) : uint64_t(x); }

// Rounds the decimal text of a number that is not negative at 10^places, half to even, and gives it without its point.
std::string rounded_digits(std::string digits, size_t places) {
    size_t point = digits.find('.');
    std::string fraction = digits.substr(point + 1);
    std::string whole = std::string(places + 1, '0') + digits.substr(0, point);
    std::string kept = whole.substr(0, whole.size() - places), rest = whole.substr(whole.size() - places) + fraction;
    bool above = rest[0] > '5' || (rest[0] == '5' && rest.find_first_not_of('0', 1) != std::string::npos);
    bool half = rest[0] == '5' && !above, odd = (kept.back() - '0') % 2;
    if (above || (half && odd)) {
        size_t i = kept.size() - 1;
        while (kept[i] == '9') kept[i--] = '0';          // the leading zeros end this
        ++kept[i];
    }
    return kept + std::string(places, '0');
}

}  // namespace

std::partial_ordering order(const Item& a, const Item& b) {
    if (a.is(TypeKind::real) && b.is(TypeKind::real)) return a.real() <=> b.real();
    if (b.is(TypeKind::real)) return order(a.as_integer(), b.real());
    if (a.is(TypeKind::real)) return 0 <=> order(b.as_integer(), a.real());
    return a.as_integer() <=> b.as_integer();
}

int64_t whole(double x, const char* who) {
    require(!std::isnan(x), ErrorKind::value, who, ": cannot convert float NaN to integer");
    require(!std::isinf(x), ErrorKind::overflow, who, ": cannot convert float infinity to integer");
    require(x >= -two63 && x < two63, ErrorKind::overflow, who, ": ", represented(x), " does not fit in 64 bits");
    return int64_t(x);
}

double rounded(double x, int64_t digits) {
    if (!std::isfinite(x) || digits > 323) return x;
    if (digits < -308) return 0.0 * x;
    std::string text(1500, '\0');
    int n = std::snprintf(text.data(), text.size(), "%.*f", int(std::max<int64_t>(digits, 0)), std::abs(x));
    text.resize(size_t(n));
    if (digits < 0) {
        text.resize(1500);                               // all digits that the number has
        text.resize(size_t(std::snprintf(text.data(), text.size(), "%.1074f", std::abs(x))));
        text = rounded_digits(text, size_t(-digits));
    }
    double out = std::strtod(text.c_str(), nullptr);
    require(std::isfinite(out), ErrorKind::overflow, "round: rounded value too large to represent");
    return std::copysign(out, x);
}

int64_t rounded(int64_t x, int64_t digits) {
    if (digits >= 0) return x;
    if (digits < -19) return 0;
    __int128 unit = 1;
    for (int64_t i = digits; i < 0; ++i) unit *= 10;
    __int128 down = __int128(x) / unit * unit - (x % unit < 0 ? unit : 0), rest = x - down;
    bool odd = down / unit % 2 != 0;
    if (2 * rest > unit || (2 * rest == unit && odd)) down += unit;
    require(down >= INT64_MIN && down <= INT64_MAX, ErrorKind::overflow, "round: the result does not fit in 64 bits");
    return int64_t(down);
}

double divided(int64_t a, int64_t b) {
    require(b != 0, ErrorKind::zero_division, "division by zero");
    uint64_t x = magnitude(a), y = magnitude(b);
    if (x == 0) return b < 0 ? -0.0 : 0.0;
    int shift = std::max(0, 55 + bits_of(y) - bits_of(x));           // at least 55 bits of quotient
    unsigned __int128 wide = static_cast<unsigned __int128>(x) << shift;
    uint64_t quotient = uint64_t(wide / y) | (wide % y != 0);        // the last bit tells that there is more
    double out = std::ldexp(double(quotient), -shift);
    return (a < 0) != (b < 0) ? -out : out;
}

double power(double a, double b, const char* who) {
    require(a != 0 || b >= 0 || !std::isfinite(b), ErrorKind::zero_division,
            "0.0 cannot be raised to a negative power");
    bool complex = a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::trunc(b);
    require(!complex, ErrorKind::value, who, ": ", represented(a), " ** ", represented(b),
            " is complex; expected a real result");
    double out = std::pow(a, b);
    require(!std::isinf(out) || std::isinf(a) || std::isinf(b), ErrorKind::overflow, who, ": ", represented(a), " ** ",
            represented(b), " is too large for a float");
    return out;
}

std::string represented(double x) {
    if (std::isnan(x)) return "nan";
    if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
    char buffer[40];
    bool plain = x == 0 || (std::abs(x) >= 1e-4 && std::abs(x) < 1e16);
    auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
    std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, x, format).ptr);
    return plain && out.find('.') == std::string::npos ? out + ".0" : out;
}

}  // namespace rushlight::graph
