// What a value of a graph holds while the program runs: a tensor, a number, a text, a list. Lists and dicts are
// references, as in Python. They can't contain themselves: the verifier knows only types that end.
#pragma once

#include <unordered_map>

#include "base/error.h"
#include "graph/type.h"
#include "tensor/tensor.h"

namespace rushlight::graph {

class Item;

struct Text : RefCounted {
    std::string text;                    // UTF-8
    explicit Text(std::string t) : text(std::move(t)) {}
    static void destroy(Text* t) { delete t; }
};

struct List : RefCounted {               // a tuple too
    std::vector<Item> items;
    static void destroy(List* l);
};

struct Dict;

// TypeKind::any says that the variable has no value: who reads it gets an error.
class Item {
public:
    Item() : integer_(0) {}
    explicit Item(bool x) : kind_(TypeKind::boolean), integer_(x) {}
    explicit Item(int64_t x) : kind_(TypeKind::integer), integer_(x) {}
    explicit Item(double x) : kind_(TypeKind::real), real_(x) {}
    explicit Item(DType x) : kind_(TypeKind::dtype), integer_(int64_t(x)) {}
    explicit Item(Tensor t)              // None of an undefined one
        : kind_(t.defined() ? TypeKind::tensor : TypeKind::none), tensor_(t.detach_reference()) {}
    explicit Item(std::string t) : Item(Ref<Text>(new Text(std::move(t)))) {}
    explicit Item(Ref<Text> t) : kind_(TypeKind::string), text_(t.detach()) {}
    explicit Item(Ref<Dict> d);
    static Item list(std::vector<Item> items) { return Item(TypeKind::list, std::move(items)); }
    static Item tuple(std::vector<Item> items) { return Item(TypeKind::tuple, std::move(items)); }
    static Item unset() {
        Item out;
        out.kind_ = TypeKind::any;
        return out;
    }
    Item(const Item& o) : kind_(o.kind_), integer_(o.integer_) { if (counted()) retain(); }
    Item(Item&& o) noexcept : kind_(std::exchange(o.kind_, TypeKind::none)), integer_(o.integer_) {}
    Item& operator=(const Item& o) { Item(o).swap(*this); return *this; }
    Item& operator=(Item&& o) noexcept { Item(std::move(o)).swap(*this); return *this; }
    ~Item() { if (counted()) drop(); }
    void swap(Item& o) noexcept {
        std::swap(kind_, o.kind_);
        std::swap(integer_, o.integer_);
    }

    TypeKind kind() const { return kind_; }
    bool is(TypeKind k) const { return kind_ == k; }
    bool is_none() const { return kind_ == TypeKind::none; }
    bool is_number() const { return kind_ >= TypeKind::integer && kind_ <= TypeKind::boolean; }

    // What it holds; a type error where it holds something else.
    int64_t integer() const { expect(TypeKind::integer); return integer_; }
    double real() const { expect(TypeKind::real); return real_; }
    bool boolean() const { expect(TypeKind::boolean); return integer_ != 0; }
    DType dtype() const { expect(TypeKind::dtype); return DType(integer_); }
    TensorImpl* tensor() const { expect(TypeKind::tensor); return tensor_; }
    const std::string& text() const { expect(TypeKind::string); return text_->text; }
    Dict& dict() const { expect(TypeKind::dict); return *dict_; }
    // Of a list or a tuple.
    std::vector<Item>& items() const {
        if (kind_ != TypeKind::tuple) expect(TypeKind::list);
        return list_->items;
    }
    // Of any number: a bool is 0 or 1.
    int64_t as_integer() const { return kind_ == TypeKind::boolean ? integer_ : integer(); }
    double as_real() const {
        return kind_ == TypeKind::integer || kind_ == TypeKind::boolean ? double(integer_) : real();
    }

private:
    Item(TypeKind kind, std::vector<Item> items) : kind_(kind), list_(new List) {
        list_->items = std::move(items);
        list_->retain();
    }
    static constexpr unsigned bit(TypeKind k) { return 1u << int(k); }
    bool counted() const {
        constexpr unsigned references = bit(TypeKind::tensor) | bit(TypeKind::string) | bit(TypeKind::list) |
                                        bit(TypeKind::tuple) | bit(TypeKind::dict);
        return references & bit(kind_);
    }
    void expect(TypeKind k) const { if (kind_ != k) [[unlikely]] refuse(k); }
    [[noreturn]] void refuse(TypeKind wanted) const;
    void retain() const;
    void drop();

    TypeKind kind_ = TypeKind::none;
    union {
        int64_t integer_;
        double real_;
        TensorImpl* tensor_;
        Text* text_;
        List* list_;
        Dict* dict_;
    };
};

// Keeps the order in which keys came.
struct Dict : RefCounted {
    std::vector<std::pair<Item, Item>> entries;
    static void destroy(Dict* d);

    const Item* find(const Item& key) const;         // null where it is missing
    void set(const Item& key, Item value);
    bool erase(const Item& key);
    void clear();

private:
    struct Hash { size_t operator()(const Item& key) const; };
    struct Equal { bool operator()(const Item& a, const Item& b) const; };
    std::unordered_map<Item, size_t, Hash, Equal> places_;
};

inline Item::Item(Ref<Dict> d) : kind_(TypeKind::dict), dict_(d.detach()) {}

const char* name_of(TypeKind kind);      // as Python calls it: "int", "NoneType"

// Python's ==, truth and order (less than). Raise a type error for what Python can't compare, and for tensors within.
bool equal(const Item& a, const Item& b);
bool is_true(const Item& x);
bool less(const Item& a, const Item& b);
// Python's str() and repr().
std::string shown(const Item& x);
std::string represented(const Item& x);

// The one element of a tensor.
Item element(const TensorImpl& t, const char* who);

// An error with the name of the Python exception that it is; `kind` says what it is to others.
class ProgramError : public Error {
public:
    ProgramError(ErrorKind kind, std::string exception, std::string text, std::string source = "")
        : Error(kind, std::move(text)), exception_(std::move(exception)), source_(std::move(source)) {}
    const std::string& exception() const { return exception_; }         // empty: the kind's own
    const std::string& source() const { return source_; }               // file:line

private:
    std::string exception_, source_;
};

}  // namespace rushlight::graph
