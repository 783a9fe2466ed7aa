// Lists, tuples, dicts and optionals.
#include "graph/number.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

constexpr int64_t most_items = int64_t(1) << 36;

using Items = std::vector<Item>;

std::ptrdiff_t place(int64_t i) { return std::ptrdiff_t(i); }

// ---- any value ------------------------------------------------------------------------------------------------------

void same(PrimitiveCall& c) { c.gives(c[0]); }
void value_eq(PrimitiveCall& c) { c.gives(Item(equal(c[0], c[1]))); }
void value_ne(PrimitiveCall& c) { c.gives(Item(!equal(c[0], c[1]))); }
void is_none(PrimitiveCall& c) { c.gives(Item(c[0].is_none())); }

void unwrap(PrimitiveCall& c) {
    require(!c[0].is_none(), ErrorKind::runtime, "unwrap: the value is None; expected ", to_text(c.types[0]));
    c.gives(c[0]);
}

void unset(PrimitiveCall& c) { c.gives(Item::unset()); }

ErrorKind kind_named(std::string_view exception) {
    static constexpr std::pair<std::string_view, ErrorKind> kinds[] = {
        {"ValueError", ErrorKind::value}, {"IndexError", ErrorKind::index}, {"TypeError", ErrorKind::type},
        {"MemoryError", ErrorKind::memory}, {"NotImplementedError", ErrorKind::not_implemented},
        {"ZeroDivisionError", ErrorKind::zero_division}, {"OverflowError", ErrorKind::overflow},
        {"KeyError", ErrorKind::key}, {"OSError", ErrorKind::io}};
    for (auto [name, kind] : kinds)
        if (exception == name) return kind;
    return ErrorKind::runtime;
}

void raise(PrimitiveCall& c) { throw ProgramError(kind_named(c[0].text()), c[0].text(), c[1].text()); }

// ---- lists ----------------------------------------------------------------------------------------------------------

Items copied(PrimitiveCall& c) {
    Items out;
    out.reserve(c.count());
    for (const Item* x : c.args) out.push_back(*x);
    return out;
}

void list_make(PrimitiveCall& c) { c.gives(Item::list(copied(c))); }

void len(PrimitiveCall& c) { c.gives(Item(int64_t(c[0].items().size()))); }

void list_index(PrimitiveCall& c) {
    const Items& list = c[0].items();
    c.gives(list[size_t(index_of(c[1].as_integer(), list.size(), "list"))]);
}

void list_slice(PrimitiveCall& c) {
    const Items& list = c[0].items();
    Slice s = slice_of(int64_t(list.size()), c[1], c[2], c[3]);
    Items out;
    out.reserve(size_t(s.count));
    for (int64_t k = 0; k < s.count; ++k) out.push_back(list[size_t(s.begin + k * s.step)]);
    c.gives(Item::list(std::move(out)));
}

void list_set(PrimitiveCall& c) {
    Items& list = c[0].items();
    list[size_t(index_of(c[1].as_integer(), list.size(), "list assignment"))] = c[2];
}

void list_del(PrimitiveCall& c) {
    Items& list = c[0].items();
    list.erase(list.begin() + place(index_of(c[1].as_integer(), list.size(), "list assignment")));
}

void append(PrimitiveCall& c) { c[0].items().push_back(c[1]); }

void extend(PrimitiveCall& c) {
    Items more = c[1].items();                           // which may be the same list
    c[0].items().insert(c[0].items().end(), more.begin(), more.end());
}

void insert(PrimitiveCall& c) {
    Items& list = c[0].items();
    int64_t n = int64_t(list.size()), i = c[1].as_integer();
    i = std::clamp<int64_t>(i < 0 ? i + n : i, 0, n);
    list.insert(list.begin() + place(i), c[2]);
}

void pop(PrimitiveCall& c) {
    Items& list = c[0].items();
    require(!list.empty(), ErrorKind::index, "pop from empty list");
    size_t i = size_t(index_of(c.count() > 1 ? c[1].as_integer() : -1, list.size(), "pop"));
    c.gives(std::move(list[i]));
    list.erase(list.begin() + place(int64_t(i)));
}

// Where the list has the item; its size where it does not.
size_t found(const Items& list, const Item& x) {
    return size_t(std::find_if(list.begin(), list.end(), [&](const Item& y) { return equal(y, x); }) - list.begin());
}

void remove(PrimitiveCall& c) {
    Items& list = c[0].items();
    size_t i = found(list, c[1]);
    require(i < list.size(), ErrorKind::value, "list.remove(x): x not in list");
    list.erase(list.begin() + place(int64_t(i)));
}

void find(PrimitiveCall& c) {
    size_t i = found(c[0].items(), c[1]);
    require(i < c[0].items().size(), ErrorKind::value, represented(c[1]), " is not in list");
    c.gives(Item(int64_t(i)));
}

void contains(PrimitiveCall& c) { c.gives(Item(found(c[0].items(), c[1]) < c[0].items().size())); }

void count(PrimitiveCall& c) {
    const Items& list = c[0].items();
    c.gives(Item(int64_t(std::count_if(list.begin(), list.end(), [&](const Item& y) { return equal(y, c[1]); }))));
}

void clear(PrimitiveCall& c) { c[0].items().clear(); }
void reverse(PrimitiveCall& c) { std::reverse(c[0].items().begin(), c[0].items().end()); }
void list_copy(PrimitiveCall& c) { c.gives(Item::list(c[0].items())); }

void list_add(PrimitiveCall& c) {
    Items out = c[0].items();
    const Items& more = c[1].items();
    out.insert(out.end(), more.begin(), more.end());
    c.gives(Item::list(std::move(out)));
}

void list_mul(PrimitiveCall& c) {
    const Items& list = c[0].items();
    int64_t n = std::max<int64_t>(c[1].as_integer(), 0), each = int64_t(list.size());
    require(each == 0 || n <= most_items / each, ErrorKind::memory, c.name, ": ", n, " times ", each,
            " items are too many");
    Items out;
    out.reserve(size_t(n * each));
    for (int64_t i = 0; i < n && each; ++i) out.insert(out.end(), list.begin(), list.end());
    c.gives(Item::list(std::move(out)));
}

// Stable, and safe with items that have no order (nan), as std::stable_sort is not.
Items sorted(Items list, bool descending) {
    Items other(list.size());
    auto before = [&](const Item& a, const Item& b) { return descending ? less(b, a) : less(a, b); };
    for (size_t width = 1; width < list.size(); width *= 2) {
        for (size_t begin = 0; begin < list.size(); begin += 2 * width) {
            size_t i = begin, middle = std::min(begin + width, list.size()), j = middle;
            size_t end = std::min(begin + 2 * width, list.size());
            for (size_t k = begin; k < end; ++k) {
                bool right = i == middle || (j < end && before(list[j], list[i]));
                other[k] = list[right ? j++ : i++];
            }
        }
        list.swap(other);
    }
    return list;
}

void sort(PrimitiveCall& c) { c[0].items() = sorted(c[0].items(), c[1].boolean()); }
void list_sorted(PrimitiveCall& c) { c.gives(Item::list(sorted(c[0].items(), c[1].boolean()))); }

void sum(PrimitiveCall& c) {
    if (c.types[0].is(TypeKind::real)) {
        double total = 0;
        for (const Item& x : c[0].items()) total += x.as_real();
        return c.gives(Item(total));
    }
    __int128 total = 0;
    for (const Item& x : c[0].items()) total += x.as_integer();
    require(total >= INT64_MIN && total <= INT64_MAX, ErrorKind::overflow, c.name,
            ": the result does not fit in 64 bits");
    c.gives(Item(int64_t(total)));
}

template <bool largest>
void extreme(PrimitiveCall& c) {
    const Items& list = c[0].items();
    require(!list.empty(), ErrorKind::value, largest ? "max" : "min", "() arg is an empty sequence");
    const Item* best = &list[0];
    for (const Item& x : list)
        if (largest ? less(*best, x) : less(x, *best)) best = &x;
    c.gives(*best);
}

void any(PrimitiveCall& c) { c.gives(Item(std::any_of(c[0].items().begin(), c[0].items().end(), is_true))); }
void all(PrimitiveCall& c) { c.gives(Item(std::all_of(c[0].items().begin(), c[0].items().end(), is_true))); }

void range(PrimitiveCall& c) {
    Item length;
    PrimitiveCall counted{c.name, c.args, std::span(&length, 1), c.types};
    find_primitive("range_len")->run(counted);
    int64_t n = length.integer(), start = c[0].as_integer(), step = c[2].as_integer();
    require(n <= most_items, ErrorKind::memory, c.name, ": ", n, " items are too many");
    Items out;
    out.reserve(size_t(n));
    for (int64_t i = 0; i < n; ++i) out.emplace_back(int64_t(uint64_t(start) + uint64_t(i) * uint64_t(step)));
    c.gives(Item::list(std::move(out)));
}

void unpack(PrimitiveCall& c) {
    const Items& list = c[0].items();
    size_t n = c.results.size();
    require(list.size() <= n, ErrorKind::value, "too many values to unpack (expected ", n, ")");
    require(list.size() >= n, ErrorKind::value, "not enough values to unpack (expected ", n, ", got ", list.size(),
            ")");
    for (size_t i = 0; i < n; ++i) c.results[i] = list[i];
}

// ---- tuples ---------------------------------------------------------------------------------------------------------

void tuple_make(PrimitiveCall& c) { c.gives(Item::tuple(copied(c))); }

void tuple_index(PrimitiveCall& c) {
    const Items& tuple = c[0].items();
    c.gives(tuple[size_t(index_of(c[1].as_integer(), tuple.size(), "tuple"))]);
}

void tuple_slice(PrimitiveCall& c) {
    const Items& tuple = c[0].items();
    Slice s = slice_of(int64_t(tuple.size()), c[1], c[2], Item());
    c.gives(Item::tuple({tuple.begin() + place(s.begin), tuple.begin() + place(s.begin + s.count)}));
}

void tuple_add(PrimitiveCall& c) {
    Items out = c[0].items();
    out.insert(out.end(), c[1].items().begin(), c[1].items().end());
    c.gives(Item::tuple(std::move(out)));
}

// ---- dicts ----------------------------------------------------------------------------------------------------------

void dict_make(PrimitiveCall& c) {
    Item out(Ref<Dict>(new Dict));
    for (size_t i = 0; i + 1 < c.count(); i += 2) out.dict().set(c[i], c[i + 1]);
    c.gives(std::move(out));
}

void dict_len(PrimitiveCall& c) { c.gives(Item(int64_t(c[0].dict().entries.size()))); }

[[noreturn]] void missing(const Item& key) { fail(ErrorKind::key, represented(key)); }

void dict_get(PrimitiveCall& c) {
    const Item* x = c[0].dict().find(c[1]);
    if (!x && c.count() < 3) missing(c[1]);
    c.gives(x ? *x : c[2]);
}

void dict_find(PrimitiveCall& c) {
    const Item* x = c[0].dict().find(c[1]);
    c.gives(x ? *x : Item());
}

void dict_set(PrimitiveCall& c) { c[0].dict().set(c[1], c[2]); }

void dict_set_default(PrimitiveCall& c) {
    if (!c[0].dict().find(c[1])) c[0].dict().set(c[1], c[2]);
    dict_get(c);
}

void dict_del(PrimitiveCall& c) {
    if (!c[0].dict().erase(c[1])) missing(c[1]);
}

void dict_pop(PrimitiveCall& c) {
    dict_get(c);
    c[0].dict().erase(c[1]);
}

void dict_contains(PrimitiveCall& c) { c.gives(Item(c[0].dict().find(c[1]) != nullptr)); }

template <class F>
void each_entry(PrimitiveCall& c, F&& f) {
    Items out;
    out.reserve(c[0].dict().entries.size());
    for (const auto& [key, value] : c[0].dict().entries) out.push_back(f(key, value));
    c.gives(Item::list(std::move(out)));
}
void dict_keys(PrimitiveCall& c) { each_entry(c, [](const Item& key, const Item&) { return key; }); }
void dict_values(PrimitiveCall& c) { each_entry(c, [](const Item&, const Item& value) { return value; }); }
void dict_items(PrimitiveCall& c) {
    each_entry(c, [](const Item& key, const Item& value) { return Item::tuple({key, value}); });
}

void dict_update(PrimitiveCall& c) {
    auto more = c[1].dict().entries;                     // of what may be the same dict
    for (auto& [key, value] : more) c[0].dict().set(key, value);
}

void dict_clear(PrimitiveCall& c) { c[0].dict().clear(); }

void dict_copy(PrimitiveCall& c) {
    Item out(Ref<Dict>(new Dict));
    for (const auto& [key, value] : c[0].dict().entries) out.dict().set(key, value);
    c.gives(std::move(out));
}

const char* const slicing = "(list[T], optional[int], optional[int], optional[int]) -> list[T]";
const char* const with_default = "(dict[K, V], K) -> V; (dict[K, V], K, V) -> V";

const Primitive table[] = {
    {"same", "(T) -> T", same},
    {"value_eq", "(T, T) -> bool", value_eq, effect},
    {"value_ne", "(T, T) -> bool", value_ne, effect},
    {"is_none", "(optional[T]) -> bool", is_none},
    {"unwrap", "(optional[T]) -> T", unwrap},
    {"unset", "() -> T", unset},
    {"raise", "(str, str) -> any...", raise, effect},
    {"list_make", "(T...) -> list[T]", list_make, effect},
    {"list_len", "(list[T]) -> int", len, effect},
    {"list_index", "(list[T], int) -> T", list_index, effect},
    {"list_slice", slicing, list_slice, effect},
    {"list_set", "(list[T], int, T)", list_set, effect},
    {"list_del", "(list[T], int)", list_del, effect},
    {"list_append", "(list[T], T)", append, effect},
    {"list_extend", "(list[T], list[T])", extend, effect},
    {"list_insert", "(list[T], int, T)", insert, effect},
    {"list_pop", "(list[T]) -> T; (list[T], int) -> T", pop, effect},
    {"list_remove", "(list[T], T)", remove, effect},
    {"list_clear", "(list[T])", clear, effect},
    {"list_reverse", "(list[T])", reverse, effect},
    {"list_sort", "(list[T], bool)", sort, effect},
    {"list_copy", "(list[T]) -> list[T]", list_copy, effect},
    {"list_sorted", "(list[T], bool) -> list[T]", list_sorted, effect},
    {"list_add", "(list[T], list[T]) -> list[T]", list_add, effect},
    {"list_mul", "(list[T], int) -> list[T]", list_mul, effect},
    {"list_contains", "(list[T], T) -> bool", contains, effect},
    {"list_find", "(list[T], T) -> int", find, effect},
    {"list_count", "(list[T], T) -> int", count, effect},
    {"list_sum", "(list[int]) -> int; (list[float]) -> float; (list[bool]) -> int", sum, effect},
    {"list_min", "(list[T]) -> T", extreme<false>, effect},
    {"list_max", "(list[T]) -> T", extreme<true>, effect},
    {"list_any", "(list[bool]) -> bool", any, effect},
    {"list_all", "(list[bool]) -> bool", all, effect},
    {"list_range", "(int, int, int) -> list[int]", range, effect},
    {"list_unpack", "(list[T]) -> T...", unpack, effect},
    {"tuple_make", "(any...) -> any", tuple_make},
    {"tuple_len", "(any) -> int", len},
    {"tuple_index", "(any, int) -> any", tuple_index},
    {"tuple_slice", "(any, int, int) -> any", tuple_slice},
    {"tuple_add", "(any, any) -> any", tuple_add},
    {"tuple_unpack", "(any) -> any...", unpack},
    {"tuple_list", "(any) -> list[T]", list_copy, effect},
    {"dict_make", "(K, V, ...2) -> dict[K, V]", dict_make, effect},
    {"dict_len", "(dict[K, V]) -> int", dict_len, effect},
    {"dict_get", with_default, dict_get, effect},
    {"dict_find", "(dict[K, V], K) -> optional[V]", dict_find, effect},
    {"dict_set", "(dict[K, V], K, V)", dict_set, effect},
    {"dict_setdefault", "(dict[K, V], K, V) -> V", dict_set_default, effect},
    {"dict_del", "(dict[K, V], K)", dict_del, effect},
    {"dict_pop", with_default, dict_pop, effect},
    {"dict_contains", "(dict[K, V], K) -> bool", dict_contains, effect},
    {"dict_keys", "(dict[K, V]) -> list[K]", dict_keys, effect},
    {"dict_values", "(dict[K, V]) -> list[V]", dict_values, effect},
    {"dict_items", "(dict[K, V]) -> list[tuple[K, V]]", dict_items, effect},
    {"dict_update", "(dict[K, V], dict[K, V])", dict_update, effect},
    {"dict_clear", "(dict[K, V])", dict_clear, effect},
    {"dict_copy", "(dict[K, V]) -> dict[K, V]", dict_copy, effect},
};

}  // namespace

std::span<const Primitive> container_primitives() { return table; }

}  // namespace rushlight::graph
