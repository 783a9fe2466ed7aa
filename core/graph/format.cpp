// Python's formats: format(value, spec), "...".format(...), "..." % (...).
#include <cmath>

#include "graph/number.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

constexpr int64_t widest = 1 << 20;      // of a field: a larger one is a mistake

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct Spec {
    std::string fill = " ";
    char align = 0, sign = 0, grouping = 0, type = 0;
    bool alternate = false, zero = false;
    int64_t width = 0, precision = -1;
};

int64_t number_at(std::string_view text, size_t& i) {
    int64_t out = 0;
    for (; i < text.size() && is_digit(text[i]); ++i) {
        out = out * 10 + (text[i] - '0');
        require(out <= widest, ErrorKind::value, "Too many decimal digits in format string");
    }
    return out;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

Spec parsed(std::string_view text) {
    Spec out;
    size_t i = 0, first = text.empty() ? 0 : 1;
    while (first < text.size() && (static_cast<unsigned char>(text[first]) & 0xc0) == 0x80) ++first;   // of a character
    bool filled = first < text.size() && is_align(text[first]);
    if (filled) {
        out.fill = text.substr(0, first);
        out.align = text[first];
        i = first + 1;
    } else if (!text.empty() && is_align(text[0])) {
        out.align = text[i++];
    }
    auto next = [&](std::string_view choice) {
        return i < text.size() && choice.find(text[i]) != std::string_view::npos;
    };
    if (next("+- ")) out.sign = text[i++];
    if (next("#")) out.alternate = ++i;
    if (next("0")) {
        ++i;
        out.zero = !out.align;
        if (!filled) out.fill = "0";
        if (!out.align) out.align = '=';
    }
    out.width = number_at(text, i);
    if (next(",_")) out.grouping = text[i++];
    if (next(".")) {
        size_t begin = ++i;
        out.precision = number_at(text, i);
        require(i > begin, ErrorKind::value, "Format specifier missing precision");
    }
    if (i < text.size()) out.type = text[i++];
    require(i == text.size(), ErrorKind::value, "Invalid format specifier '", text, "'");
    return out;
}

int64_t length(const std::string& text) {
    auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    return std::count_if(text.begin(), text.end(), begins);
}

std::string repeated(const std::string& text, int64_t n) {
    std::string out;
    for (int64_t i = 0; i < n; ++i) out += text;
    return out;
}

// `sign` goes before the filling where that stands inside.
std::string padded(const std::string& sign, const std::string& body, const Spec& s, char usual) {
    int64_t free = std::max<int64_t>(s.width - length(sign) - length(body), 0);
    char align = s.align ? s.align : usual;
    int64_t left = align == '<' ? 0 : align == '^' ? free / 2 : free;
    std::string before = repeated(s.fill, left), after = repeated(s.fill, free - left);
    return align == '=' ? sign + before + body : before + sign + body + after;
}

// Separators into the digits before the point; zeros that fill the field get them too.
std::string grouped(std::string digits, const Spec& s, size_t every, int64_t taken) {
    if (!s.grouping) return digits;
    size_t whole = digits.find_first_not_of("0123456789abcdefABCDEF");
    if (every == 3) whole = std::min(whole, digits.find_first_of("eE"));
    std::string rest = whole == std::string::npos ? "" : digits.substr(whole), out;
    digits = digits.substr(0, whole);
    auto joined = [&] {
        out.clear();
        for (size_t i = 0; i < digits.size(); ++i) {
            if (i && (digits.size() - i) % every == 0) out += s.grouping;
            out += digits[i];
        }
        return int64_t(out.size() + rest.size()) + taken;
    };
    while (joined() < s.width && s.fill == "0" && s.align == '=') digits.insert(digits.begin(), '0');
    return out + rest;
}

std::string sign_of(bool negative, const Spec& s) {
    return negative ? "-" : s.sign == '+' || s.sign == ' ' ? std::string(1, s.sign) : "";
}

[[noreturn]] void unknown_code(const Spec& s, const Item& x) {
    fail(ErrorKind::value, "Unknown format code '", s.type, "' for object of type '", name_of(x.kind()), "'");
}

std::string digits_of(uint64_t x, unsigned base, bool upper) {
    const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string out;
    do {
        out.insert(out.begin(), digits[x % base]);
        x /= base;
    } while (x);
    return out;
}

std::string format_integer(int64_t x, const Spec& s, const Item& item) {
    require(s.precision < 0, ErrorKind::value, "Precision not allowed in integer format specifier");
    char type = s.type ? s.type : 'd';
    uint64_t magnitude = x < 0 ? 0 - uint64_t(x) : uint64_t(x);
    if (type == 'c') {
        require(x >= 0 && x < 128 && !s.sign && !s.alternate, ErrorKind::not_implemented, "format: code 'c' of ",
                x, "; expected a character of ASCII");
        return padded("", std::string(1, char(x)), s, '<');
    }
    if (type == 'n') type = 'd';
    unsigned base = type == 'd' ? 10 : type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 0;
    if (!base) unknown_code(s, item);
    require(!(s.grouping == ',' && base != 10), ErrorKind::value, "Cannot specify ',' with '", type, "'.");
    std::string sign = sign_of(x < 0, s);
    if (s.alternate && base != 10) (sign += '0') += type;
    return padded(sign, grouped(digits_of(magnitude, base, type == 'X'), s, base == 10 ? 3 : 4, length(sign)), s, '>');
}

std::string printed(double x, char type, int64_t precision, bool alternate) {
    char form[] = {'%', alternate ? '#' : '.', alternate ? '.' : '*', alternate ? '*' : type, alternate ? type : '\0',
                   0};
    int n = std::snprintf(nullptr, 0, form, int(precision), x);
    std::string out(size_t(n) + 1, '\0');
    std::snprintf(out.data(), out.size(), form, int(precision), x);
    out.pop_back();
    return out;
}

std::string format_real(double x, Spec s, const Item& item) {
    char type = s.type;
    if (type && std::string_view("eEfFgGn%").find(type) == std::string_view::npos) unknown_code(s, item);
    bool percent = type == '%';
    if (percent) x *= 100;
    if (percent || (type == 'F' && std::isfinite(x))) type = 'f';
    if (type == 'n') type = 'g';
    std::string sign = sign_of(std::signbit(x) && !std::isnan(x), s);
    x = std::abs(x);
    std::string body;
    if (!std::isfinite(x)) {
        body = std::isnan(x) ? "nan" : "inf";
        if (type == 'E' || type == 'F' || type == 'G')
            for (char& c : body) c = char(std::toupper(static_cast<unsigned char>(c)));
    } else if (!type && s.precision < 0) {
        body = represented(x);
        if (s.alternate && body.find('.') == std::string::npos) body.insert(body.find('e'), ".");
    } else if (!type) {                                  // as 'g', but a float is seen to be one
        int64_t digits = std::max<int64_t>(s.precision, 1);
        std::string scientific = printed(x, 'e', digits - 1, false);
        int64_t exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
        if (exponent >= -4 && exponent >= digits - 1) {
            body = printed(x, 'e', digits - 1, s.alternate);
            size_t e = body.find('e'), last = body.find_last_not_of('0', e - 1);
            bool cut = body.find('.') < e && !s.alternate;
            if (cut) body = body.substr(0, body[last] == '.' ? last : last + 1) + body.substr(e);
        } else {
            body = printed(x, 'g', digits, s.alternate);
            if (body.find_first_of(".e") == std::string::npos) body += ".0";
        }
    } else {
        body = printed(x, type, s.precision < 0 ? 6 : s.precision, s.alternate);
    }
    if (percent) body += "%";
    if (!std::isfinite(x)) return padded(sign, body, s, '>');
    return padded(sign, grouped(body, s, 3, length(sign)), s, '>');
}

std::string format_text(const std::string& text, const Spec& s, const Item& item) {
    if (s.type && s.type != 's') unknown_code(s, item);
    require(!s.sign, ErrorKind::value, "Sign not allowed in string format specifier");
    require(s.align != '=' || s.zero, ErrorKind::value, "'=' alignment not allowed in string format specifier");
    require(!s.grouping, ErrorKind::value, "Cannot specify '", s.grouping, "' with 's'.");
    require(!s.alternate, ErrorKind::value, "Alternate form (#) not allowed in string format specifier");
    std::string body = text;
    if (s.precision >= 0) {
        int64_t seen = 0;
        for (size_t i = 0; i < body.size(); ++i)
            if ((static_cast<unsigned char>(body[i]) & 0xc0) != 0x80 && seen++ == s.precision) body.resize(i);
    }
    Spec left = s;
    if (left.align == '=') left.align = '<';
    return padded("", body, left, '<');
}

}  // namespace

std::string formatted(const Item& given, std::string_view text) {
    if (text.empty()) return shown(given);
    Item x = given.is(TypeKind::tensor) && given.tensor()->rank() == 0 ? element(*given.tensor(), "format") : given;
    bool takes = x.is_number() || x.is(TypeKind::string);
    require(takes, ErrorKind::type, "unsupported format string passed to ", name_of(x.kind()), ".__format__");
    Spec s = parsed(text);
    bool real = s.type && std::string_view("eEfFgG%").find(s.type) != std::string_view::npos;
    if (x.is(TypeKind::string)) return format_text(x.text(), s, x);
    if (x.is(TypeKind::real) || real) return format_real(x.as_real(), s, x);
    return format_integer(x.as_integer(), s, x);
}

namespace {

// The fields of "...".format(...).
class Fields {
public:
    explicit Fields(std::span<const Item* const> args) : args_(args) {}

    // "0!r:>5" or ":.2f", what stands between the braces.
    std::string shown(std::string_view field) {
        size_t mark = std::min(field.find_first_of("!:"), field.size());
        Item x = argument(field.substr(0, mark));
        std::string_view rest = field.substr(mark);
        if (rest.starts_with("!")) {
            bool known = rest.size() > 1 && (rest[1] == 'r' || rest[1] == 's');
            require(known && (rest.size() == 2 || rest[2] == ':'), ErrorKind::value, "Unknown conversion in '", field,
                    "'");
            x = Item(rest[1] == 'r' ? represented(x) : graph::shown(x));
            rest.remove_prefix(2);
        }
        return formatted(x, rest.empty() ? rest : rest.substr(1));
    }

private:
    const Item& argument(std::string_view name) {
        bool number = std::all_of(name.begin(), name.end(), is_digit);
        require(number, ErrorKind::not_implemented, "str.format: field '", name,
                "'; expected a number or nothing before ! and :");
        require(!count_ || numbered_ == !name.empty(), ErrorKind::value,
                "cannot mix automatic field numbering and manual field specification");
        numbered_ = !name.empty();
        size_t digits = 0, which = numbered_ ? size_t(number_at(name, digits)) : count_;
        ++count_;
        require(which < args_.size(), ErrorKind::index, "Replacement index ", which,
                " out of range for positional args tuple");
        return *args_[which];
    }

    std::span<const Item* const> args_;
    size_t count_ = 0;                   // of fields so far
    bool numbered_ = false;
};

}  // namespace

std::string formatted_all(std::string_view form, std::span<const Item* const> args) {
    std::string out;
    Fields fields(args);
    for (size_t i = 0; i < form.size(); ++i) {
        bool brace = form[i] == '{' || form[i] == '}';
        if (brace && i + 1 < form.size() && form[i + 1] == form[i]) ++i;
        else if (brace) {
            require(form[i] == '{', ErrorKind::value, "Single '}' encountered in format string");
            size_t end = form.find('}', i);
            require(end != std::string_view::npos, ErrorKind::value, "expected '}' before end of string");
            std::string_view field = form.substr(i + 1, end - i - 1);
            require(field.find('{') == std::string_view::npos, ErrorKind::not_implemented,
                    "str.format: fields within fields; expected plain ones");
            out += fields.shown(field);
            i = end;
            continue;
        }
        out += form[i];
    }
    return out;
}

namespace {

// One conversion of "..." % (...): flags, width, precision and type are read already.
std::string percent_one(const Item& given, Spec s, bool left) {
    Item x = given.is(TypeKind::tensor) && s.type != 's' && s.type != 'r' ? element(*given.tensor(), "%") : given;
    char type = s.type;
    if (left) s.align = '<', s.fill = " ";
    if (type == 's' || type == 'r' || type == 'a') {
        Spec plain;
        plain.width = s.width;
        plain.precision = s.precision;
        plain.align = left ? '<' : '>';
        return format_text(type == 's' ? shown(x) : represented(x), plain, x);
    }
    require(x.is_number(), ErrorKind::type, "%", type, " format: a real number is required, not ", name_of(x.kind()));
    if (std::string_view("eEfFgG").find(type) != std::string_view::npos) return format_real(x.as_real(), s, x);
    s.type = type == 'i' || type == 'u' ? 'd' : type;
    require(s.type == 'd' || !x.is(TypeKind::real), ErrorKind::type, "%", type,
            " format: an integer is required, not float");
    int64_t n = x.is(TypeKind::real) ? whole(std::trunc(x.real()), "%d") : x.as_integer();
    int64_t digits = std::exchange(s.precision, -1);
    if (digits < 0) return format_integer(n, s, x);
    Spec zeros = s;                                      // a precision is the least number of digits
    zeros.align = '=', zeros.fill = "0";
    zeros.width = digits + int64_t(sign_of(n < 0, s).size()) + (s.alternate && s.type != 'd' ? 2 : 0);
    if (s.align == '=') zeros.width = std::max(zeros.width, s.width);
    return padded("", format_integer(n, zeros, x), s, '>');
}

}  // namespace

std::string percent_formatted(std::string_view form, std::span<const Item* const> args) {
    std::string out;
    size_t next = 0;
    auto take = [&]() -> const Item& {
        require(next < args.size(), ErrorKind::type, "not enough arguments for format string");
        return *args[next++];
    };
    for (size_t i = 0; i < form.size(); ++i) {
        if (form[i] != '%') {
            out += form[i];
            continue;
        }
        Spec s;
        bool left = false;
        for (++i; i < form.size() && std::string_view("-+ #0").find(form[i]) != std::string_view::npos; ++i) {
            if (form[i] == '-') left = true;
            else if (form[i] == '#') s.alternate = true;
            else if (form[i] == '0') s.align = '=', s.fill = "0";
            else if (s.sign != '+') s.sign = form[i];
        }
        s.width = number_at(form, i);
        if (i < form.size() && form[i] == '.') s.precision = number_at(form, ++i);
        require(i < form.size(), ErrorKind::value, "incomplete format");
        s.type = form[i];
        if (s.type == '%') {
            out += '%';
            continue;
        }
        require(std::string_view("diuoxXeEfFgGsra").find(s.type) != std::string_view::npos, ErrorKind::value,
                "unsupported format character '", s.type, "'");
        out += percent_one(take(), s, left);
    }
    require(next == args.size(), ErrorKind::type, "not all arguments converted during string formatting");
    return out;
}

}  // namespace rushlight::graph
