// What only constants decide is decided now: value primitives of literals, and branches on a literal.
#include <optional>

#include "graph/passes.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

// A literal that gives the item; nothing for what is no number, text, dtype or None.
std::optional<Argument> literal_of(const Item& x) {
    Argument a;
    switch (x.kind()) {
        case TypeKind::integer: a.tag = Tag::integer, a.integer = x.integer(); return a;
        case TypeKind::boolean: a.tag = Tag::boolean, a.integer = x.boolean(); return a;
        case TypeKind::real: a.tag = Tag::real, a.real = x.real(); return a;
        case TypeKind::string: a.tag = Tag::string, a.text = x.text(); return a;
        case TypeKind::dtype: a.tag = Tag::dtype, a.dtype = x.dtype(); return a;
        case TypeKind::none: return a;
        default: return std::nullopt;
    }
}

std::optional<Item> item_of(const Argument& a) {
    switch (a.tag) {
        case Tag::integer: return Item(a.integer);
        case Tag::boolean: return Item(a.integer != 0);
        case Tag::real: return Item(a.real);
        case Tag::string: return Item(a.text);
        case Tag::dtype: return Item(a.dtype);
        case Tag::none: return Item();
        default: return std::nullopt;
    }
}

class Folder {
public:
    explicit Folder(Graph& g) : g_(g), known_(g.values.size()) {}

    void run() {
        for (ValueId v : g_.outputs) stays_.push_back(v);
        each_node(g_.nodes, [&](const Node& node) {
            if (node.into != no_value) stays_.push_back(node.into);
            for (const Change& c : node.changes) stays_.push_back(c.old_value);
        });
        fold(g_.nodes);
    }

private:
    void fold(std::vector<Node>& nodes) {
        std::vector<Node> out;
        for (Node& node : nodes) fold(node, out);
        nodes = std::move(out);
    }

    void fold(Node& node, std::vector<Node>& out) {
        for (Argument& a : node.args) replace(a);
        if (node.form == Form::primitive && decided(node)) return;
        if (node.form == Form::branch && node.args[0].tag == Tag::boolean && !must_stay(node) &&
            can_stand(node.bodies[node.args[0].integer ? 0 : 1], node)) {
            Block& taken = node.bodies[node.args[0].integer ? 0 : 1];
            for (Node& inner : taken.nodes) fold(inner, out);
            for (size_t i = 0; i < node.results.size(); ++i) {
                replace(taken.outputs[i]);
                known_[size_t(node.results[i])] = taken.outputs[i];
            }
            return;
        }
        for (Block& body : node.bodies) {
            fold(body.nodes);
            for (Argument& a : body.outputs) replace(a);
        }
        out.push_back(std::move(node));
    }

    // May what the body yields stand wherever the results do? A literal list would be another one at each place, and a
    // narrower type may suit fewer primitives.
    bool can_stand(const Block& body, const Node& node) const {
        for (size_t i = 0; i < node.results.size(); ++i) {
            const Argument& a = body.outputs[i];
            bool value = a.tag == Tag::tensor || a.tag == tag_value;
            if ((!value && !item_of(a)) || type_of(g_, a) != g_[node.results[i]].type) return false;
        }
        return true;
    }

    // What the graph gives, and what is written, is named by its value.
    bool must_stay(const Node& node) const {
        return std::any_of(node.results.begin(), node.results.end(), [&](ValueId v) {
            return std::find(stays_.begin(), stays_.end(), v) != stays_.end();
        });
    }

    // Puts what is known into an argument.
    void replace(Argument& a) {
        if (a.tag == tag_mixed) return replace_parts(a);
        if (a.tag == Tag::tensors) {
            for (ValueId& v : a.values)
                if (known_[size_t(v)]) v = known_[size_t(v)]->values[0];
            return;
        }
        bool value = a.tag == Tag::tensor || a.tag == tag_value;
        if (value && known_[size_t(a.values[0])]) a = *known_[size_t(a.values[0])];
    }

    void replace_parts(Argument& a) {
        std::vector<ValueId> values;
        std::vector<size_t> places;
        for (size_t i = 0; i < a.values.size(); ++i) {
            const std::optional<Argument>& now = known_[size_t(a.values[i])];
            if (now && now->tag == Tag::integer) {
                a.ints[a.places[i]] = now->integer;
                continue;
            }
            values.push_back(now ? now->values[0] : a.values[i]);
            places.push_back(a.places[i]);
        }
        a.values = std::move(values);
        a.places = std::move(places);
        if (a.places.empty()) a.tag = Tag::ints;
    }

    // Computes a primitive of literals. One that raises stays: it may never be reached.
    bool decided(const Node& node) {
        if (!node.primitive->pure || node.results.size() != 1 || must_stay(node)) return false;
        std::vector<Type> types, results{g_[node.results[0]].type};
        for (const Argument& a : node.args) types.push_back(type_of(g_, a));
        const Overload* overload = overload_for(*node.primitive, types, results);
        std::vector<Item> items;
        for (const Argument& a : node.args) {
            std::optional<Item> x = item_of(a);
            if (!x || !overload) return false;
            const Type& wanted = overload->param(items.size());
            items.push_back(needs_conversion(*x, wanted) ? converted(*x, wanted) : std::move(*x));
        }
        std::vector<const Item*> args;
        for (const Item& x : items) args.push_back(&x);
        Item result;
        PrimitiveCall call{node.primitive->name, args, std::span(&result, 1), results};
        try {
            node.primitive->run(call);
        } catch (const Error&) {
            return false;
        }
        std::optional<Argument> literal = literal_of(result);
        if (!literal || type_of(g_, *literal) != results[0]) return false;
        known_[size_t(node.results[0])] = std::move(literal);
        return true;
    }

    Graph& g_;
    std::vector<std::optional<Argument>> known_;         // of each value that is gone: what stands for it
    std::vector<ValueId> stays_;
};

}  // namespace

void fold_constants(Graph& g) { Folder(g).run(); }

}  // namespace rushlight::graph
