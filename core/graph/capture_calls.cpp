// Calls of other graphs within a program that is being captured: each is one node, whatever the other graph does.
#include "graph/capture.h"
#include "graph/values.h"
#include "registry/invoke.h"
#include "registry/mode.h"

namespace rushlight::graph {

namespace {

Argument literal(const Item& x, const Type& wanted) {
    Argument a;
    switch (x.kind()) {
        case TypeKind::integer:
            a.tag = wanted.is(TypeKind::real) ? Tag::real : Tag::integer;
            a.integer = x.integer();
            a.real = double(x.integer());
            break;
        case TypeKind::boolean: a.tag = Tag::boolean, a.integer = x.boolean(); break;
        case TypeKind::real: a.tag = Tag::real, a.real = x.real(); break;
        case TypeKind::string: a.tag = Tag::string, a.text = x.text(); break;
        case TypeKind::dtype: a.tag = Tag::dtype, a.dtype = x.dtype(); break;
        default: break;
    }
    return a;
}

Argument read(ValueId v, const Type& type) {
    Argument a;
    a.tag = type.is(TypeKind::tensor) ? Tag::tensor : tag_value;
    a.values = {v};
    return a;
}

const Type& item_type(const Type& container, size_t i) {
    return container.items[container.is(TypeKind::tuple) ? i : container.is(TypeKind::dict) ? i % 2 : 0];
}

}  // namespace

ValueId Capture::typed_value(const Type& type) {
    ValueId v = g_.add_value(std::to_string(g_.values.size()), DType::float32, {});
    g_.values.back().type = type;
    unsized_.push_back(false);
    return v;
}

Node Capture::plain_node(Form form) const {
    Node node;
    node.form = form;
    node.recorded = mode.grad || !grad_;
    node.source = where_();
    return node;
}

// How the node gets what the call is given: containers are made anew.
Argument Capture::handed(const Item& x, const Type& wanted) {
    if (wanted.is(TypeKind::optional) && !x.is_none()) return handed(x, wanted.items[0]);
    if (x.is(TypeKind::tensor)) return read(value_of(*x.tensor(), "a scripted program"), wanted);
    std::vector<Item> items;
    const char* maker = nullptr;
    if (x.is(TypeKind::dict)) {
        maker = "dict_make";
        for (const auto& [key, value] : x.dict().entries) items.insert(items.end(), {key, value});
    } else if (x.is(TypeKind::list) || x.is(TypeKind::tuple)) {
        maker = x.is(TypeKind::list) ? "list_make" : "tuple_make";
        items = x.items();
    }
    if (!maker) return literal(x, wanted);
    Node node = plain_node(Form::primitive);
    node.primitive = find_primitive(maker);
    for (size_t i = 0; i < items.size(); ++i) node.args.push_back(handed(items[i], item_type(wanted, i)));
    node.results = {typed_value(wanted)};
    g_.nodes.push_back(node);
    return read(node.results[0], wanted);
}

// What the call gave; where that is a tensor which the program has already, another view of it: it may be another one
// at the next run.
ValueId Capture::received(Item& x, const Type& type, bool sized) {
    static const Op& view = *find_op("view");
    if (!type.is(TypeKind::tensor)) return typed_value(type);
    if (seen_.contains(x.tensor())) {
        Deeper deeper(depth_);
        x = Item(invoke(view, x.tensor(), x.tensor()->sizes));
    }
    ValueId v = new_value(*x.tensor(), sized);
    remember(*x.tensor(), v, false);
    if (x.tensor()->tracked()) call_on_tape_ = where_();
    return v;
}

void Capture::unpack_by(const char* primitive, std::vector<Argument> args, std::span<Item> items,
                        const std::vector<Type>& types, bool sized) {
    Node node = plain_node(Form::primitive);
    node.primitive = find_primitive(primitive);
    node.args = std::move(args);
    for (size_t i = 0; i < items.size(); ++i) node.results.push_back(received(items[i], types[i], sized));
    std::vector<ValueId> results = node.results;
    g_.nodes.push_back(std::move(node));
    for (size_t i = 0; i < items.size(); ++i) unpack(items[i], types[i], results[i], sized);
}

// The tensors in what a call gave. Whatever else is in it is known to the program from now on, as how many they are.
void Capture::unpack(Item& x, const Type& type, ValueId v, bool sized) {
    if (type.is(TypeKind::tensor)) return;
    if (type.is(TypeKind::optional) && !x.is_none())
        return unpack_by("unwrap", {read(v, type)}, std::span(&x, 1), {type.items[0]}, sized);
    if (type.is(TypeKind::tuple)) return unpack_by("tuple_unpack", {read(v, type)}, x.items(), type.items, sized);
    escapes_.push_back({"a scripted program", where_()});
    if (type.is(TypeKind::list)) {
        std::vector<Item>& items = x.items();
        return unpack_by("list_unpack", {read(v, type)}, items, std::vector(items.size(), type.items[0]), sized);
    }
    if (!type.is(TypeKind::dict)) return;
    for (auto& [key, value] : x.dict().entries)
        unpack_by("dict_get", {read(v, type), literal(key, type.items[0])}, std::span(&value, 1), {type.items[1]},
                  sized);
}

std::vector<Item> Capture::call(const Graph& callee, const std::string& name, bool sized, std::vector<Item> inputs,
                                const RunGraph& run) {
    forget_elsewhere();
    if (depth_ > 0 || !refusal_.empty()) return run(std::move(inputs));
    Node node = plain_node(Form::call);
    node.callee = name;
    try {
        for (size_t i = 0; i < inputs.size(); ++i)
            node.args.push_back(handed(inputs[i], callee[callee.inputs[i]].type));
    } catch (const Error& e) {
        refusal_ = e.text();
        return run(std::move(inputs));
    }
    std::vector<Item> out;
    {
        Deeper deeper(depth_);
        out = run(std::move(inputs));
    }
    calls_ = true;
    for (auto& [storage, region] : regions_) region.version = storage->version();      // what it wrote, it writes again
    for (size_t i = 0; i < out.size(); ++i)
        node.results.push_back(received(out[i], callee[callee.outputs[i]].type, sized));
    std::vector<ValueId> results = node.results;
    g_.nodes.push_back(std::move(node));
    for (size_t i = 0; i < out.size(); ++i) unpack(out[i], callee[callee.outputs[i]].type, results[i], sized);
    return out;
}

}  // namespace rushlight::graph
