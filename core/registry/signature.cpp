#include "registry/signature.h"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace rushlight {

namespace {

class Parser {
public:
    explicit Parser(const char* text) : text_(text), at_(text) { out_.text = text; }

    Signature run() {
        out_.stored_ints.reserve(16);            // defaults point into these lists: they must not move
        out_.stored_strings.reserve(16);
        out_.name = word();
        expect('(');
        bool keyword_only = false;
        while (!accept(')')) {
            if (accept('*')) keyword_only = true;
            else parameter(keyword_only);
            accept(',');
        }
        skip();
        expect('-');
        expect('>');
        results();
        return std::move(out_);
    }

private:
    void parameter(bool keyword_only) {
        Param p;
        p.keyword_only = keyword_only;
        p.name = word();
        expect(':');
        const char* begin = (skip(), at_);
        do type(p); while (accept('|'));
        const char* end = at_;
        while (end > begin && std::isspace(static_cast<unsigned char>(end[-1]))) --end;
        p.type_text.assign(begin, end);
        if (accept('=')) {
            p.has_default = true;
            p.default_value = value();
        }
        int index = int(out_.params.size());
        if (!keyword_only) {
            out_.positional = index + 1;
            if (out_.spread < 0 && (p.types & type_ints) && p.repeat == 0) out_.spread = index;
        }
        out_.params.push_back(std::move(p));
    }

    void type(Param& p) {
        std::string name = word();
        bool list = false;
        if (accept('[')) {
            list = true;
            skip();
            if (std::isdigit(static_cast<unsigned char>(*at_)))
                p.repeat = int(std::strtol(at_, const_cast<char**>(&at_), 10));
            expect(']');
        }
        if (name == "Tensor") p.types |= list ? type_tensors : type_tensor;
        else if (name == "Number") p.types |= type_number;
        else if (name == "int") p.types |= list ? type_ints : type_int;
        else if (name == "float") p.types |= list ? type_floats : type_float;
        else if (name == "bool") p.types |= type_bool;
        else if (name == "str") p.types |= type_str;
        else if (name == "dtype") p.types |= type_dtype;
        else if (name == "Generator") p.types |= type_generator;
        else if (name == "None") p.types |= type_none;
        else broken("unknown type", name);
    }

    Value value() {
        skip();
        if (*at_ == '\'' || *at_ == '"') {
            char quote = *at_++;
            const char* begin = at_;
            while (*at_ && *at_ != quote) ++at_;
            out_.stored_strings.emplace_back(begin, at_++);
            return Value(std::string_view(out_.stored_strings.back()));
        }
        if (accept('(') || accept('[')) {
            Dims list;
            while (!accept(')') && !accept(']')) {
                list.push_back(std::strtoll((skip(), at_), const_cast<char**>(&at_), 10));
                accept(',');
            }
            out_.stored_ints.push_back(list);
            return Value(out_.stored_ints.back());
        }
        if (std::isalpha(static_cast<unsigned char>(*at_))) {
            std::string name = word();
            if (name == "None") return Value();
            if (name == "True") return Value(true);
            if (name == "False") return Value(false);
            if (name == "inf") return Value(std::numeric_limits<double>::infinity());
            broken("unknown default", name);
        }
        const char* begin = at_;
        double number = std::strtod(at_, const_cast<char**>(&at_));
        if (at_ == begin) broken("no default value at", at_);
        std::string_view written(begin, size_t(at_ - begin));
        if (written.find_first_of(".ein") == std::string_view::npos) return Value(int64_t(number));
        return Value(number);
    }

    void results() {
        skip();
        out_.returns_text = at_;
        if (accept('(')) {
            while (!accept(')')) {
                out_.return_names.push_back(word());
                expect(':');
                word();
                accept(',');
            }
            return;
        }
        word();
        out_.returns_list = accept('[');
    }

    std::string word() {
        skip();
        const char* begin = at_;
        while (std::isalnum(static_cast<unsigned char>(*at_)) || *at_ == '_') ++at_;
        if (at_ == begin) broken("a name was expected at", at_);
        return std::string(begin, at_);
    }
    void skip() { while (std::isspace(static_cast<unsigned char>(*at_))) ++at_; }
    bool accept(char c) {
        skip();
        if (*at_ != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) { if (!accept(c)) broken("missing", std::string(1, c)); }
    template <class T> [[noreturn]] void broken(const char* what, const T& detail) {
        fail(ErrorKind::runtime, "signature '", text_, "': ", what, " '", detail, "'");
    }

    const char* text_;
    const char* at_;
    Signature out_;
};

}  // namespace

int Signature::find(std::string_view param) const {
    for (size_t i = 0; i < params.size(); ++i)
        if (params[i].name == param) return int(i);
    return -1;
}

Signature parse_signature(const char* text) { return Parser(text).run(); }

}  // namespace rushlight
