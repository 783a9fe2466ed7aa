// Value primitives: what a scripted program does with numbers, texts, lists, tuples and dicts. They mean what Python
// means. Tables, one for each topic, say of each its name, what it takes and gives, and what runs it.
#pragma once

#include <span>

#include "graph/item.h"

namespace rushlight::graph {

// One way of calling a primitive. Where a float is wanted an int will do, and where an int is wanted a bool: they are
// converted. A last parameter that repeats may be given any number of times.
struct Overload {
    std::vector<Type> params;
    std::vector<Type> results;           // none: the call gives nothing
    bool repeats = false;                // the last parameters, `period` of them
    size_t period = 1;
    bool any_results = false;            // as many results as the program wants, each of type results[0]

    // The parameter that argument `i` stands for.
    const Type& param(size_t i) const {
        return params[i < params.size() ? i : params.size() - period + (i - params.size()) % period];
    }
};

struct PrimitiveCall {
    const char* name;
    std::span<const Item* const> args;
    std::span<Item> results;
    std::span<const Type> types;         // of the results

    const Item& operator[](size_t i) const { return *args[i]; }
    size_t count() const { return args.size(); }
    void gives(Item x) { results[0] = std::move(x); }
};

struct Primitive {
    const char* name = nullptr;
    const char* signature = nullptr;     // "(int, int) -> int; (float, float) -> float"
    void (*run)(PrimitiveCall&) = nullptr;
    bool pure = true;                    // the same arguments give the same results, and nothing else happens
    std::vector<Overload> overloads = {};
};
inline constexpr bool effect = false;    // not pure: it changes or makes a container, prints, or reads what may change

const std::vector<Primitive>& all_primitives();
const Primitive* find_primitive(std::string_view name);        // null when unknown

// The overload that takes these arguments and gives these results; null where none does.
const Overload* overload_for(const Primitive& p, std::span<const Type> args, std::span<const Type> results);
// The argument as the parameter wants it: an int where a float is wanted becomes one.
bool needs_conversion(const Item& x, const Type& param);
Item converted(const Item& x, const Type& param);

// The tables.
std::span<const Primitive> number_primitives();
std::span<const Primitive> text_primitives();
std::span<const Primitive> container_primitives();
std::span<const Primitive> tensor_primitives();

// Python's format(value, spec), and the texts of "...".format() and "..." % (...).
std::string formatted(const Item& x, std::string_view spec);
std::string formatted_all(std::string_view form, std::span<const Item* const> args);
std::string percent_formatted(std::string_view form, std::span<const Item* const> args);

// Where Python's slice begins, and how many items it has, of `n` items. None stands for a missing bound.
struct Slice { int64_t begin, count, step; };
Slice slice_of(int64_t n, const Item& start, const Item& stop, const Item& step);
// The item that a negative or positive index means; an index error in the name of `what`.
int64_t index_of(int64_t i, size_t n, const char* what);

// What the surrounding program lends: Python's signals, its output, and how it shows tensors.
struct Host {
    void (*check_signals)() = nullptr;                         // throws where the user wants to stop
    void (*print)(const std::string& text);
    std::string (*show)(const TensorImpl& t);
};
extern Host host;

}  // namespace rushlight::graph
