// Texts. They are UTF-8 inside, and count characters as Python does.
#include "graph/values.h"

namespace rushlight::graph {

namespace {

constexpr size_t largest_text = size_t(1) << 40;

// Where each character begins, and the end. Bytes that are no UTF-8 count as characters.
std::vector<size_t> characters(const std::string& text) {
    std::vector<size_t> out;
    for (size_t i = 0; i < text.size(); ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80 || i == 0) out.push_back(i);
    out.push_back(text.size());
    return out;
}

bool is_ascii(const std::string& text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) > 127) return false;
    return true;
}

size_t length(const std::string& text) { return characters(text).size() - 1; }

void len(PrimitiveCall& c) { c.gives(Item(int64_t(length(c[0].text())))); }
void add(PrimitiveCall& c) { c.gives(Item(c[0].text() + c[1].text())); }

void mul(PrimitiveCall& c) {
    size_t n = size_t(std::max<int64_t>(c[1].as_integer(), 0)), each = c[0].text().size();
    require(each == 0 || n <= largest_text / each, ErrorKind::memory, c.name, ": ", n, " times a text of ", each,
            " bytes is too large");
    std::string out;
    out.reserve(n * each);
    for (size_t i = 0; i < n && each; ++i) out += c[0].text();
    c.gives(Item(std::move(out)));
}

void lt(PrimitiveCall& c) { c.gives(Item(c[0].text() < c[1].text())); }
void le(PrimitiveCall& c) { c.gives(Item(c[0].text() <= c[1].text())); }
void gt(PrimitiveCall& c) { c.gives(Item(c[0].text() > c[1].text())); }
void ge(PrimitiveCall& c) { c.gives(Item(c[0].text() >= c[1].text())); }

void index(PrimitiveCall& c) {
    const std::string& text = c[0].text();
    std::vector<size_t> at = characters(text);
    size_t i = size_t(index_of(c[1].as_integer(), at.size() - 1, "string"));
    c.gives(Item(text.substr(at[i], at[i + 1] - at[i])));
}

void slice(PrimitiveCall& c) {
    const std::string& text = c[0].text();
    std::vector<size_t> at = characters(text);
    Slice s = slice_of(int64_t(at.size()) - 1, c[1], c[2], c[3]);
    std::string out;
    for (int64_t k = 0; k < s.count; ++k) {
        size_t i = size_t(s.begin + k * s.step);
        out += text.substr(at[i], at[i + 1] - at[i]);
    }
    c.gives(Item(std::move(out)));
}

void contains(PrimitiveCall& c) { c.gives(Item(c[0].text().find(c[1].text()) != std::string::npos)); }

void find(PrimitiveCall& c) {
    size_t at = c[0].text().find(c[1].text());
    c.gives(Item(at == std::string::npos ? int64_t(-1) : int64_t(length(c[0].text().substr(0, at)))));
}

void count(PrimitiveCall& c) {
    const std::string &text = c[0].text(), &part = c[1].text();
    if (part.empty()) return c.gives(Item(int64_t(length(text)) + 1));
    int64_t n = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
    c.gives(Item(n));
}

void starts_with(PrimitiveCall& c) { c.gives(Item(c[0].text().starts_with(c[1].text()))); }
void ends_with(PrimitiveCall& c) { c.gives(Item(c[0].text().ends_with(c[1].text()))); }

template <char first, char last, int shift>
void cased(PrimitiveCall& c) {
    std::string out = c[0].text();
    require(is_ascii(out), ErrorKind::not_implemented, c.name, ": ", represented(c[0]),
            " has letters beyond ASCII; expected ASCII");
    for (char& ch : out)
        if (ch >= first && ch <= last) ch = char(ch + shift);
    c.gives(Item(std::move(out)));
}

// The characters that strip() takes away where none are named; those beyond ASCII stay.
const std::string blanks = "\t\n\v\f\r\x1c\x1d\x1e\x1f ";

template <bool left, bool right>
void strip(PrimitiveCall& c) {
    const std::string& text = c[0].text();
    const std::string& set = c[1].is_none() ? blanks : c[1].text();
    std::vector<size_t> at = characters(text);
    size_t begin = 0, end = at.size() - 1;
    auto named = [&](size_t i) { return set.find(text.substr(at[i], at[i + 1] - at[i])) != std::string::npos; };
    while (left && begin < end && named(begin)) ++begin;
    while (right && end > begin && named(end - 1)) --end;
    c.gives(Item(text.substr(at[begin], at[end] - at[begin])));
}

void replace(PrimitiveCall& c) {
    const std::string &text = c[0].text(), &old = c[1].text(), &now = c[2].text();
    std::string out;
    if (old.empty()) {
        std::vector<size_t> at = characters(text);
        for (size_t i = 0; i + 1 < at.size(); ++i) out += now + text.substr(at[i], at[i + 1] - at[i]);
        return c.gives(Item(out + now));
    }
    size_t begin = 0, at;
    for (; (at = text.find(old, begin)) != std::string::npos; begin = at + old.size())
        out += text.substr(begin, at - begin) + now;
    c.gives(Item(out + text.substr(begin)));
}

void split(PrimitiveCall& c) {
    const std::string& text = c[0].text();
    std::vector<Item> out;
    if (c[1].is_none()) {
        for (size_t begin = 0; (begin = text.find_first_not_of(blanks, begin)) != std::string::npos;) {
            size_t end = std::min(text.find_first_of(blanks, begin), text.size());
            out.emplace_back(text.substr(begin, end - begin));
            begin = end;
        }
        return c.gives(Item::list(std::move(out)));
    }
    const std::string& separator = c[1].text();
    require(!separator.empty(), ErrorKind::value, "empty separator");
    size_t begin = 0, at;
    for (; (at = text.find(separator, begin)) != std::string::npos; begin = at + separator.size())
        out.emplace_back(text.substr(begin, at - begin));
    out.emplace_back(text.substr(begin));
    c.gives(Item::list(std::move(out)));
}

void join(PrimitiveCall& c) {
    std::string out;
    bool first = true;
    for (const Item& x : c[1].items()) out += (std::exchange(first, false) ? "" : c[0].text()) + x.text();
    c.gives(Item(std::move(out)));
}

void to_str(PrimitiveCall& c) { c.gives(Item(shown(c[0]))); }
void repr(PrimitiveCall& c) { c.gives(Item(represented(c[0]))); }
void format(PrimitiveCall& c) { c.gives(Item(formatted_all(c[0].text(), c.args.subspan(1)))); }
void percent(PrimitiveCall& c) { c.gives(Item(percent_formatted(c[0].text(), c.args.subspan(1)))); }
void format_value(PrimitiveCall& c) { c.gives(Item(formatted(c[0], c[1].text()))); }

void print(PrimitiveCall& c) {
    std::string out;
    for (size_t i = 0; i < c.count(); ++i) out += (i ? " " : "") + shown(c[i]);
    host.print(out + "\n");
}

const char* const comparison = "(str, str) -> bool";
const char* const stripping = "(str, optional[str]) -> str";

const Primitive table[] = {
    {"to_str", "(any) -> str", to_str, effect},
    {"repr", "(any) -> str", repr, effect},
    {"print", "(any...)", print, effect},
    {"str_len", "(str) -> int", len},
    {"str_add", "(str, str) -> str", add},
    {"str_mul", "(str, int) -> str", mul},
    {"str_lt", comparison, lt},
    {"str_le", comparison, le},
    {"str_gt", comparison, gt},
    {"str_ge", comparison, ge},
    {"str_index", "(str, int) -> str", index},
    {"str_slice", "(str, optional[int], optional[int], optional[int]) -> str", slice},
    {"str_contains", comparison, contains},
    {"str_find", "(str, str) -> int", find},
    {"str_count", "(str, str) -> int", count},
    {"str_startswith", comparison, starts_with},
    {"str_endswith", comparison, ends_with},
    {"str_upper", "(str) -> str", cased<'a', 'z', 'A' - 'a'>},
    {"str_lower", "(str) -> str", cased<'A', 'Z', 'a' - 'A'>},
    {"str_strip", stripping, strip<true, true>},
    {"str_lstrip", stripping, strip<true, false>},
    {"str_rstrip", stripping, strip<false, true>},
    {"str_replace", "(str, str, str) -> str", replace},
    {"str_split", "(str, optional[str]) -> list[str]", split, effect},
    {"str_join", "(str, list[str]) -> str", join, effect},
    {"str_format", "(str, any...) -> str", format, effect},
    {"str_percent", "(str, any...) -> str", percent, effect},
    {"value_format", "(any, str) -> str", format_value, effect},
};

}  // namespace

std::span<const Primitive> text_primitives() { return table; }

}  // namespace rushlight::graph
