#include "graph/item.h"

#include <cmath>

#include "graph/capture.h"
#include "graph/number.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

[[noreturn]] void refuse_tensor(const char* what) {
    fail(ErrorKind::type, what, ": a tensor within lists, tuples and dicts; expected values that are no tensors");
}

size_t mixed(size_t a, size_t b) { return a * 1000003 ^ b; }

}  // namespace

// ---- references -----------------------------------------------------------------------------------------------------

void List::destroy(List* l) { delete l; }
void Dict::destroy(Dict* d) { delete d; }

void Item::retain() const {
    if (kind_ == TypeKind::tensor) tensor_->retain();
    else if (kind_ == TypeKind::string) text_->retain();
    else if (kind_ == TypeKind::dict) dict_->retain();
    else list_->retain();
}

void Item::drop() {
    if (kind_ == TypeKind::tensor) {
        if (tensor_->release()) TensorImpl::destroy(tensor_);
    } else if (kind_ == TypeKind::string) {
        if (text_->release()) Text::destroy(text_);
    } else if (kind_ == TypeKind::dict) {
        if (dict_->release()) Dict::destroy(dict_);
    } else if (list_->release()) {
        List::destroy(list_);
    }
}

void Item::refuse(TypeKind wanted) const {
    if (kind_ == TypeKind::any)
        throw ProgramError(ErrorKind::runtime, "UnboundLocalError", "a variable is read before it has a value");
    fail(ErrorKind::type, "a value is ", name_of(kind_), "; expected ", name_of(wanted));
}

const char* name_of(TypeKind kind) {
    static constexpr const char* names[] = {"Tensor", "int", "float", "bool", "number", "str", "dtype", "NoneType",
                                            "list", "tuple", "dict", "optional", "variable", "no value"};
    return names[int(kind)];
}

// ---- dicts ----------------------------------------------------------------------------------------------------------

size_t Dict::Hash::operator()(const Item& key) const {
    switch (key.kind()) {
        case TypeKind::integer: case TypeKind::boolean: return std::hash<int64_t>()(key.as_integer());
        case TypeKind::real: {           // equal numbers have equal hashes
            double x = key.real();
            bool whole = x == std::trunc(x) && std::abs(x) < 9.2e18;
            return whole ? std::hash<int64_t>()(int64_t(x)) : std::hash<double>()(x);
        }
        case TypeKind::string: return std::hash<std::string>()(key.text());
        case TypeKind::dtype: return size_t(key.dtype());
        case TypeKind::none: return 7;
        case TypeKind::tuple: {
            size_t out = key.items().size();
            for (const Item& item : key.items()) out = mixed(out, (*this)(item));
            return out;
        }
        default: fail(ErrorKind::type, "unhashable type: '", name_of(key.kind()), "'");
    }
}

bool Dict::Equal::operator()(const Item& a, const Item& b) const { return equal(a, b); }

const Item* Dict::find(const Item& key) const {
    auto at = places_.find(key);
    return at == places_.end() ? nullptr : &entries[at->second].second;
}

void Dict::set(const Item& key, Item value) {
    auto [at, fresh] = places_.emplace(key, entries.size());
    if (fresh) entries.emplace_back(key, std::move(value));
    else entries[at->second].second = std::move(value);
}

bool Dict::erase(const Item& key) {
    auto at = places_.find(key);
    if (at == places_.end()) return false;
    size_t place = at->second;
    places_.erase(at);
    entries.erase(entries.begin() + std::ptrdiff_t(place));
    for (auto& [other, p] : places_)
        if (p > place) --p;
    return true;
}

void Dict::clear() {
    places_.clear();
    entries.clear();
}

// ---- comparisons ----------------------------------------------------------------------------------------------------

bool equal(const Item& a, const Item& b) {
    if (a.is_number() && b.is_number()) return order(a, b) == std::partial_ordering::equivalent;
    if (a.is(TypeKind::tensor) || b.is(TypeKind::tensor)) refuse_tensor("==");
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
        case TypeKind::string: return a.text() == b.text();
        case TypeKind::dtype: return a.dtype() == b.dtype();
        case TypeKind::none: return true;
        case TypeKind::list: case TypeKind::tuple:
            return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), equal);
        case TypeKind::dict: {
            if (a.dict().entries.size() != b.dict().entries.size()) return false;
            for (const auto& [key, value] : a.dict().entries) {
                const Item* other = b.dict().find(key);
                if (!other || !equal(value, *other)) return false;
            }
            return true;
        }
        default: a.integer(); return false;              // unset: raises
    }
}

bool less(const Item& a, const Item& b) {
    if (a.is_number() && b.is_number()) return order(a, b) == std::partial_ordering::less;
    if (a.is(TypeKind::string) && b.is(TypeKind::string)) return a.text() < b.text();
    bool lists = a.kind() == b.kind() && (a.is(TypeKind::list) || a.is(TypeKind::tuple));
    require(lists, ErrorKind::type, "'<' not supported between instances of '", name_of(a.kind()), "' and '",
            name_of(b.kind()), "'");
    const std::vector<Item>&x = a.items(), &y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i)
        if (!equal(x[i], y[i])) return less(x[i], y[i]);
    return x.size() < y.size();
}

bool is_true(const Item& x) {
    switch (x.kind()) {
        case TypeKind::boolean: return x.boolean();
        case TypeKind::integer: return x.integer() != 0;
        case TypeKind::real: return x.real() != 0;
        case TypeKind::string: return !x.text().empty();
        case TypeKind::list: case TypeKind::tuple: return !x.items().empty();
        case TypeKind::dict: return !x.dict().entries.empty();
        case TypeKind::none: return false;
        case TypeKind::tensor: return is_true(element(*x.tensor(), "bool"));
        case TypeKind::dtype: return true;
        default: x.integer(); return false;              // unset: raises
    }
}

// ---- texts ----------------------------------------------------------------------------------------------------------

namespace {

// How Python writes a character of repr() that it does not show as it is; empty where it does.
std::string escaped(unsigned char c) {
    static constexpr const char* digits = "0123456789abcdef";
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if (c == '\\') return "\\\\";
    if (c < 0x20 || c == 0x7f) return std::string("\\x") + digits[c >> 4] + digits[c & 15];
    return "";
}

std::string represented_text(const std::string& text) {
    char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
    std::string out(1, quote);
    for (size_t i = 0; i < text.size(); ++i) {
        unsigned char c = static_cast<unsigned char>(text[i]), next = static_cast<unsigned char>(text[i + 1]);
        std::string code = escaped(c);
        if (c == 0xc2 && (next < 0xa1 || next == 0xad)) {            // controls and blanks of Latin-1
            code = std::string("\\x") + (next < 0x90 ? "8" : next < 0xa0 ? "9" : "a") + "0123456789abcdef"[next & 15];
            ++i;
        }
        if (c == static_cast<unsigned char>(quote)) code = std::string("\\") + quote;
        out += code.empty() ? std::string(1, char(c)) : code;
    }
    return out + quote;
}

}  // namespace

std::string shown(const Item& x) { return x.is(TypeKind::string) ? x.text() : represented(x); }

std::string represented(const Item& x) {
    auto joined = [](const auto& items, auto&& one) {
        std::string out;
        for (const auto& item : items) out += (out.empty() ? "" : ", ") + one(item);
        return out;
    };
    auto plain = [](const Item& item) { return represented(item); };
    switch (x.kind()) {
        case TypeKind::boolean: return x.boolean() ? "True" : "False";
        case TypeKind::integer: return std::to_string(x.integer());
        case TypeKind::real: return represented(x.real());
        case TypeKind::string: return represented_text(x.text());
        case TypeKind::dtype: return std::string("rushlight.") + name_of(x.dtype());
        case TypeKind::none: return "None";
        case TypeKind::tensor: return host.show(*x.tensor());
        case TypeKind::list: return "[" + joined(x.items(), plain) + "]";
        case TypeKind::tuple: return "(" + joined(x.items(), plain) + (x.items().size() == 1 ? ",)" : ")");
        case TypeKind::dict:
            return "{" + joined(x.dict().entries, [](const auto& entry) {
                return represented(entry.first) + ": " + represented(entry.second);
            }) + "}";
        default: x.integer(); return "";                 // unset: raises
    }
}

// ---- tensors --------------------------------------------------------------------------------------------------------

Item element(const TensorImpl& t, const char* who) {
    require(t.numel == 1, ErrorKind::runtime, who, ": input of shape ", t.sizes, " has numel=", t.numel,
            "; expected numel=1 to convert it to a number");
    if (watched(watch_capture)) Capture::note_escape(t, who);
    const void* p = t.data();
    return visit_dtype(t.dtype, [&](auto zero) -> Item {
        using T = decltype(zero);
        if constexpr (std::is_same_v<T, bool>) return Item(*static_cast<const uint8_t*>(p) != 0);    // memory may say 2
        T x = *static_cast<const T*>(p);
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return Item(double(float(x)));
        else if constexpr (std::is_same_v<T, uint64_t>) {
            require(x <= uint64_t(INT64_MAX), ErrorKind::overflow, who, ": ", x, " does not fit in 64 bits");
            return Item(int64_t(x));
        } else if constexpr (std::is_integral_v<T>) return Item(int64_t(x));
        else if constexpr (std::is_floating_point_v<T>) return Item(double(x));
        else fail(ErrorKind::type, who, ": input has dtype ", name_of(t.dtype), "; expected a real number");
    });
}

}  // namespace rushlight::graph
