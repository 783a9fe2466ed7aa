#include "files/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_set>

#include "files/corrupt.h"

namespace rushlight::files {

namespace {

// How many bytes the UTF-8 character at the beginning has; 0 where there is none.
size_t character_length(std::string_view s) {
    auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    unsigned first = byte(0);
    if (first < 0x80) return 1;
    size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return 0;
    for (size_t i = 1; i < n; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
    bool surrogate = first == 0xED && byte(1) > 0x9F, beyond = first == 0xF4 && byte(1) > 0x8F;
    return overlong || surrogate || beyond ? 0 : n;
}

void append_character(std::string& out, uint32_t c) {
    if (c < 0x80) {
        out += char(c);
    } else if (c < 0x800) {
        out += char(0xC0 | c >> 6);
        out += char(0x80 | (c & 63));
    } else if (c < 0x10000) {
        out += char(0xE0 | c >> 12);
        out += char(0x80 | (c >> 6 & 63));
        out += char(0x80 | (c & 63));
    } else {
        out += char(0xF0 | c >> 18);
        out += char(0x80 | (c >> 12 & 63));
        out += char(0x80 | (c >> 6 & 63));
        out += char(0x80 | (c & 63));
    }
}

class Reader {
public:
    Reader(std::string_view text, std::string_view where) : text_(text), where_(where) {}

    Json run() {
        Json out = value(0);
        if (at_ != text_.size()) complain("nothing after the value");
        return out;
    }

private:
    [[noreturn]] void complain(std::string_view expected) const {
        auto line = 1 + std::count(text_.begin(), text_.begin() + std::ptrdiff_t(at_), '\n');
        corrupt(where_, "line ", line, ", byte ", at_, ": expected ", expected);
    }

    void skip() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' ||
                                      text_[at_] == '\r')) ++at_;
    }

    bool take(std::string_view token) {
        if (text_.substr(at_, token.size()) != token) return false;
        at_ += token.size();
        return true;
    }

    Json value(int depth) {
        if (depth > Json::deepest) complain("at most 64 levels of lists and objects");
        skip();
        Json out;
        if (take("{")) object(out, depth);
        else if (take("[")) list(out, depth);
        else if (take("\"")) {
            out.kind = Json::text;
            out.string = string();
        } else if (take("true")) {
            out.kind = Json::boolean;
            out.truth = true;
        } else if (take("false")) out.kind = Json::boolean;
        else if (!take("null")) number(out);
        skip();
        return out;
    }

    void object(Json& out, int depth) {
        out.kind = Json::object;
        skip();
        if (take("}")) return;
        do {
            skip();
            if (!take("\"")) complain("a name in double quotes");
            out.keys.push_back(string());
            skip();
            if (!take(":")) complain("':'");
            out.items.push_back(value(depth + 1));
        } while (take(","));
        if (!take("}")) complain("',' or '}'");
        std::unordered_set<std::string_view> known;
        for (const std::string& key : out.keys)
            if (!known.insert(key).second) complain("no name twice; '" + key + "' is, in the object before this");
    }

    void list(Json& out, int depth) {
        out.kind = Json::list;
        skip();
        if (take("]")) return;
        do out.items.push_back(value(depth + 1));
        while (take(","));
        if (!take("]")) complain("',' or ']'");
    }

    size_t digits() {
        size_t begin = at_;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
        return at_ - begin;
    }

    void number(Json& out) {
        size_t begin = at_;
        take("-");
        if (!take("0") && !digits()) complain("a value");
        bool whole = true;
        if (take(".")) {
            whole = false;
            if (!digits()) complain("a digit after the point");
        }
        if (take("e") || take("E")) {
            whole = false;
            if (!take("+")) take("-");
            if (!digits()) complain("a digit of the exponent");
        }
        const char *first = text_.data() + begin, *last = text_.data() + at_;
        out.kind = whole ? Json::integer : Json::real;
        if (whole && std::from_chars(first, last, out.whole).ec != std::errc())
            complain("an integer of 64 bits before this");
        if (std::from_chars(first, last, out.number).ec != std::errc()) complain("a number of 64 bits before this");
    }

    uint32_t hexadecimal() {
        uint32_t out = 0;
        if (at_ + 4 > text_.size()) complain("four hexadecimal digits");
        auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
        if (error != std::errc() || end != text_.data() + at_ + 4) complain("four hexadecimal digits");
        at_ += 4;
        return out;
    }

    void escape(std::string& out) {
        static constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        char c = at_ < text_.size() ? text_[at_++] : '\0';
        if (size_t found = letters.find(c); found != letters.npos) {
            out += meanings[found];
            return;
        }
        if (c != 'u') complain("an escape of JSON before this");
        uint32_t code = hexadecimal();
        if (code >= 0xD800 && code < 0xDC00) {
            if (!take("\\u")) complain("the second half of a pair");
            uint32_t low = hexadecimal();
            if (low < 0xDC00 || low > 0xDFFF) complain("the second half of a pair before this");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
            complain("no half of a pair before this");
        }
        append_character(out, code);
    }

    std::string string() {
        std::string out;
        while (true) {
            if (at_ == text_.size()) complain("the closing quote");
            char c = text_[at_];
            if (c == '"') break;
            if (static_cast<unsigned char>(c) < 0x20) complain("no control character");
            if (c == '\\') {
                ++at_;
                escape(out);
                continue;
            }
            size_t n = character_length(text_.substr(at_));
            if (n == 0) complain("UTF-8");
            out.append(text_, at_, n);
            at_ += n;
        }
        ++at_;
        return out;
    }

    std::string_view text_, where_;
    size_t at_ = 0;
};

void write_string(std::string& out, std::string_view s) {
    static constexpr char digits[] = "0123456789abcdef";
    out += '"';
    for (char c : s) {
        auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') (out += '\\') += c;
        else if (code < 0x20) ((out += "\\u00") += digits[code >> 4]) += digits[code & 15];
        else out += c;
    }
    out += '"';
}

void write(std::string& out, const Json& json) {
    char buffer[32];
    auto put = [&](auto value) { out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr); };
    switch (json.kind) {
        case Json::null: out += "null"; break;
        case Json::boolean: out += json.truth ? "true" : "false"; break;
        case Json::integer: put(json.whole); break;
        case Json::real:
            if (std::isfinite(json.number)) put(json.number);
            else out += "null";
            break;
        case Json::text: write_string(out, json.string); break;
        default:
            bool object = json.kind == Json::object;
            out += object ? '{' : '[';
            for (size_t i = 0; i < json.items.size(); ++i) {
                if (i) out += ", ";
                if (object) {
                    write_string(out, json.keys[i]);
                    out += ": ";
                }
                write(out, json.items[i]);
            }
            out += object ? '}' : ']';
    }
}

}  // namespace

const Json* Json::find(std::string_view key) const {
    auto found = std::find(keys.begin(), keys.end(), key);
    return kind != object || found == keys.end() ? nullptr : &items[size_t(found - keys.begin())];
}

Json parse_json(std::string_view text, std::string_view where) { return Reader(text, where).run(); }

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        size_t n = character_length(text);
        if (n == 0) return false;
        text.remove_prefix(n);
    }
    return true;
}

std::string write_json(const Json& json) {
    std::string out;
    write(out, json);
    return out;
}

}  // namespace rushlight::files
