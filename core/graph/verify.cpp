#include <unordered_map>

#include "graph/graph.h"
#include "graph/values.h"

namespace rushlight::graph {

namespace {

constexpr ErrorKind wrong = ErrorKind::value;

uint16_t bit_of(const Argument& a) {
    switch (a.tag) {
        case Tag::none: return type_none;
        case Tag::boolean: return type_bool | type_number;
        case Tag::integer: return type_int | type_number | type_ints | type_float;
        case Tag::natural: return type_int | type_number | type_float;
        case Tag::real: return type_float | type_number;
        case Tag::complex: return type_number;
        case Tag::dtype: return type_dtype;
        case Tag::string: return type_str;
        case Tag::ints: return type_ints;
        case Tag::reals: return type_floats;
        case Tag::tensor: return type_tensor;
        case Tag::tensors: return type_tensors;
        default: return 0;
    }
}

// What a value of this type may stand for in a call of an operator.
uint16_t bit_of(const Type& type) {
    switch (type.kind) {
        case TypeKind::tensor: return type_tensor;
        case TypeKind::boolean: return type_bool | type_number;
        case TypeKind::integer: return type_int | type_number | type_ints | type_float;
        case TypeKind::real: return type_float | type_number;
        case TypeKind::number: return type_number;
        case TypeKind::string: return type_str;
        case TypeKind::dtype: return type_dtype;
        case TypeKind::none: return type_none;
        case TypeKind::list: case TypeKind::tuple: {
            if (type.items.empty()) return type_ints | type_floats | type_tensors;
            for (const Type& item : type.items)
                if (item != type.items[0]) return 0;
            if (type.items[0].is(TypeKind::integer)) return type_ints;
            if (type.items[0].is(TypeKind::real)) return type_floats;
            return type.items[0].is(TypeKind::tensor) ? type_tensors : 0;
        }
        default: return 0;
    }
}

bool accepts(const Param& p, const Type& type) {
    if (type.is(TypeKind::optional)) return p.types & type_none && p.types & bit_of(type.items[0]);
    return p.types & bit_of(type);
}

std::string listed(std::span<const Type> types) {
    std::string out;
    for (const Type& t : types) out += (out.empty() ? "" : ", ") + to_text(t);
    return "(" + out + ")";
}

// Items begin to end - 1 of a tuple, as Python's slice takes them.
Type sliced(const Type& tuple, int64_t begin, int64_t end) {
    int64_t n = int64_t(tuple.items.size());
    begin = std::clamp<int64_t>(begin < 0 ? begin + n : begin, 0, n);
    end = std::clamp<int64_t>(end < 0 ? end + n : end, begin, n);
    return {TypeKind::tuple, {tuple.items.begin() + begin, tuple.items.begin() + end}};
}

// Tuples are typed item by item, which no pattern of the table can say.
bool fits_tuples(const Node& node, std::span<const Type> args, std::span<const Type> results) {
    std::string_view name = node.primitive->name;
    const Type* wanted = results.empty() ? nullptr : &results[0];
    if (name == "tuple_make") return wanted && fits({TypeKind::tuple, {args.begin(), args.end()}}, *wanted);
    if (!name.starts_with("tuple_")) return true;
    auto tuple = [](const Type& t) { return t.is(TypeKind::tuple); };
    const Type& first = args[0];
    if (!tuple(first)) return false;
    if (name == "tuple_add") {
        Type sum = first;
        sum.items.insert(sum.items.end(), args[1].items.begin(), args[1].items.end());
        return tuple(args[1]) && fits(sum, *wanted);
    }
    if (name == "tuple_slice") {
        bool literal = node.args[1].tag == Tag::integer && node.args[2].tag == Tag::integer;
        return literal && fits(sliced(first, node.args[1].integer, node.args[2].integer), *wanted);
    }
    if (name == "tuple_unpack") return fits(first, {TypeKind::tuple, {results.begin(), results.end()}});
    if (name == "tuple_index" && node.args[1].tag == Tag::integer) {
        int64_t n = int64_t(first.items.size()), i = node.args[1].integer;
        return i >= -n && i < n && fits(first.items[size_t(i < 0 ? i + n : i)], *wanted);
    }
    const Type& item = name == "tuple_list" ? wanted->items[0] : *wanted;
    if (name == "tuple_len") return true;
    return std::all_of(first.items.begin(), first.items.end(), [&](const Type& t) { return fits(t, item); });
}

class Verifier {
public:
    explicit Verifier(const Graph& g)
        : g_(g), straight_(is_straight(g)), memory_(memory_of(g, false)), defined_(g.values.size()),
          left_(g.values.size()), writes_(g.values.size()), seen_writes_(g.values.size()) {}

    void run() {
        check_names();
        for (ValueId v : g_.inputs) define(v, "an input");
        for (const Constant& c : g_.constants) {
            define(c.value, "a constant");
            require(g_[c.value].is_tensor(), wrong, "graph ", g_.name, ": constant ", shown(c.value), " is ",
                    to_text(g_[c.value].type), "; expected a tensor");
        }
        for (const Node& node : g_.nodes) check(node, 0);
        for (ValueId v : g_.outputs) use(v, "return");
    }

    // Calls of the other graphs.
    void run(const std::unordered_map<std::string_view, const Graph*>& others) const {
        each_node(g_.nodes, [&](const Node& node) {
            if (node.form == Form::call) check_call(node, others);
        });
    }

private:
    std::string shown(ValueId v) const { return "%" + g_[v].name; }

    void check_names() const {
        std::unordered_map<std::string_view, int> names, keys;
        for (const ValueInfo& v : g_.values) {
            require(!v.name.empty() && names.emplace(v.name, 0).second, wrong, "graph ", g_.name, ": the name %",
                    v.name, " is given to two values; expected one");
            require(v.sizes.size() <= max_rank, wrong, "graph ", g_.name, ": %", v.name, " has ", v.sizes.size(),
                    " dimensions; expected at most ", max_rank);
            for (int64_t s : v.sizes)
                require(s >= unknown_size, wrong, "graph ", g_.name, ": %", v.name, " has shape ", v.sizes,
                        "; expected sizes >= 0");
            require(v.strides.empty() || v.strides.size() == v.sizes.size(), wrong, "graph ", g_.name, ": %", v.name,
                    " has ", v.strides.size(), " strides; expected ", v.sizes.size());
        }
        for (const Constant& c : g_.constants)
            require(keys.emplace(c.key, 0).second, wrong, "graph ", g_.name, ": two constants are called '", c.key,
                    "'; expected one");
    }

    void require_value(ValueId v, std::string_view who) const {
        require(v >= 0 && v < ValueId(g_.values.size()), wrong, "graph ", g_.name, ": ", who, " names value ", v,
                "; expected 0 to ", g_.values.size() - 1);
    }

    void define(ValueId v, std::string_view who) {
        require_value(v, who);
        require(!defined_[size_t(v)] && !left_[size_t(v)], wrong, "graph ", g_.name, ": ", shown(v),
                " is defined twice, now by ", who);
        defined_[size_t(v)] = true;
        scope_.push_back(v);
        seen_writes_[size_t(v)] = writes_[size_t(memory_[size_t(v)])];
    }

    void use(ValueId v, std::string_view who) const {
        require_value(v, who);
        require(!left_[size_t(v)], wrong, "graph ", g_.name, ": ", who, " uses ", shown(v),
                ", which is defined within a body; expected a value of this body or of one around it");
        require(defined_[size_t(v)], wrong, "graph ", g_.name, ": ", who, " uses ", shown(v), " before it is defined");
        bool newest = seen_writes_[size_t(v)] == writes_[size_t(memory_[size_t(v)])];
        require(newest || !straight_, wrong, "graph ", g_.name, ": ", who, " uses ", shown(v),
                ", whose memory was overwritten since; expected a view of the newest value");
    }

    void check_argument(const Node& node, size_t i) const {
        const Argument& a = node.args[i];
        const Param& p = node.op->parsed.params[i];
        check_form(node, a);
        bool right = a.tag == tag_value ? accepts(p, g_[a.values[0]].type)
                                        : (a.tag == tag_mixed ? uint16_t(type_ints) : bit_of(a)) & p.types;
        require(right, wrong, "graph ", g_.name, ": ", node.op->id, ": argument '", p.name, "' must be ", p.type_text);
    }

    // Of any argument: are its values there, and what its tag says?
    void check_form(const Node& node, const Argument& a) const {
        std::string who = name_of(node);
        for (ValueId v : a.values) use(v, who);
        bool one = a.tag == Tag::tensor || a.tag == tag_value, some = a.tag == Tag::tensors || a.tag == tag_mixed;
        require(one ? a.values.size() == 1 : some || a.values.empty(), wrong, "graph ", g_.name, ": ", who,
                ": an argument has ", a.values.size(), " values; expected ", one ? 1 : 0);
        for (ValueId v : a.values) {
            bool tensor = a.tag == Tag::tensor || a.tag == Tag::tensors;
            bool right = a.tag == tag_mixed ? g_[v].type.is(TypeKind::integer) : g_[v].is_tensor() == tensor;
            require(right, wrong, "graph ", g_.name, ": ", who, ": ", shown(v), " is ", to_text(g_[v].type),
                    "; expected ", a.tag == tag_mixed ? "int" : tensor ? "a tensor" : "a value that is no tensor");
        }
        require(a.tag != tag_mixed || a.places.size() == a.values.size(), wrong, "graph ", g_.name, ": ", who,
                ": a list of ints has ", a.places.size(), " places for ", a.values.size(), " values");
        for (size_t place : a.places)
            require(place < a.ints.size(), wrong, "graph ", g_.name, ": ", who, ": a list of ", a.ints.size(),
                    " ints has a value at place ", place);
    }

    void require_form(bool holds, const Node& node, const char* expected) const {
        require(holds, wrong, "graph ", g_.name, ": ", name_of(node), ": expected ", expected);
    }

    void check(const Node& node, int depth) {
        if (node.form == Form::op) return check_op(node);
        require_form(!node.writes() && !node.op, node, "no operator and no 'into'");
        for (const Argument& a : node.args) check_form(node, a);
        require_form((node.form == Form::primitive) == (node.primitive != nullptr), node, "a primitive");
        if (node.form == Form::primitive) check_primitive(node);
        else if (node.form != Form::call) check_bodies(node, depth);
        bool named = std::find(node.results.begin(), node.results.end(), no_value) == node.results.end();
        require_form(named || node.form == Form::call, node, "a name for each result");
        each_definition(node, [&](ValueId v) { define(v, name_of(node)); });
    }

    std::vector<Type> types_of(const std::vector<Argument>& args) const {
        std::vector<Type> out;
        for (const Argument& a : args) out.push_back(type_of(g_, a));
        return out;
    }

    std::vector<Type> types_of(const std::vector<ValueId>& values) const {
        std::vector<Type> out;
        for (ValueId v : values) out.push_back(v == no_value ? Type{TypeKind::any} : g_[v].type);
        return out;
    }

    void check_primitive(const Node& node) const {
        for (ValueId v : node.results) require_value(v, node.primitive->name);
        std::vector<Type> args = types_of(node.args), results = types_of(node.results);
        bool right = overload_for(*node.primitive, args, results) && fits_tuples(node, args, results);
        for (const Type& t : args) right = right && !t.is(TypeKind::any);
        require(right, wrong, "graph ", g_.name, ": ", node.primitive->name, " of ", listed(args), " -> ",
                listed(results), "; expected ", node.primitive->signature);
    }

    // `given` goes where `wanted` is expected, item by item.
    void check_flow(const Node& node, const char* what, std::span<const Type> given,
                    std::span<const Type> wanted) const {
        bool right = std::equal(given.begin(), given.end(), wanted.begin(), wanted.end(), fits);
        require(right, wrong, "graph ", g_.name, ": ", name_of(node), ": ", what, " ", listed(given),
                "; expected ", listed(wanted));
    }

    void check_bodies(const Node& node, int depth) {
        require_form(depth < max_block_depth, node, "bodies less deep in each other");
        require_form(node.bodies.size() == (node.form == Form::walk ? 1u : 2u), node, "its bodies");
        size_t extra = node.form == Form::walk ? 1 : 0;
        if (node.form != Form::repeat) require_form(node.args.size() >= 1, node, "an argument");
        const Type boolean{TypeKind::boolean};
        std::vector<Type> args = types_of(node.args), results = types_of(node.results);
        const std::vector<ValueId>& inputs = node.bodies[0].inputs;
        for (ValueId v : inputs) require_value(v, name_of(node));
        if (node.form == Form::branch) {
            require_form(args.size() == 1 && args[0] == boolean, node, "one bool");
            require_form(inputs.empty() && node.bodies[1].inputs.empty(), node, "bodies without inputs");
        } else {
            require_form(inputs.size() == args.size() && results.size() + extra == args.size(), node,
                         "as many results as values that it begins with");
            std::vector<Type> carried = types_of(inputs);
            auto begun = std::span(args).subspan(extra), held = std::span(carried).subspan(extra);
            check_flow(node, "begins with", begun, held);
            check_flow(node, "gives", held, results);
            if (node.form == Form::walk) check_item(node, args[0], carried[0]);
            else require_form(node.bodies[1].inputs.empty(), node, "a body without inputs");
        }
        size_t scope = scope_.size();
        for (size_t i = 0; i < node.bodies.size(); ++i) {
            bool condition = node.form == Form::repeat && i == 0;
            std::vector<Type> wanted = condition ? std::vector<Type>{boolean} : types_of(inputs);
            if (node.form == Form::branch) wanted = results;
            else if (node.form == Form::walk) wanted.erase(wanted.begin());
            check_body(node, node.bodies[i], wanted, depth);
        }
        leave(scope);
    }

    void check_body(const Node& node, const Block& body, const std::vector<Type>& wanted, int depth) {
        for (ValueId v : body.inputs) define(v, name_of(node));
        size_t scope = scope_.size();
        for (const Node& inner : body.nodes) check(inner, depth + 1);
        for (const Argument& a : body.outputs) check_form(node, a);
        check_flow(node, "yields", types_of(body.outputs), wanted);
        leave(scope);
    }

    void check_item(const Node& node, const Type& sequence, const Type& item) const {
        bool right = false;
        switch (sequence.kind) {
            case TypeKind::integer: right = item.is(TypeKind::integer); break;
            case TypeKind::string: right = item.is(TypeKind::string); break;
            case TypeKind::tensor: right = item.is(TypeKind::tensor); break;
            case TypeKind::list: right = fits(sequence.items[0], item); break;
            case TypeKind::tuple:
                right = std::all_of(sequence.items.begin(), sequence.items.end(),
                                    [&](const Type& t) { return fits(t, item); });
                break;
            default: break;
        }
        require(right, wrong, "graph ", g_.name, ": for: an item of ", to_text(sequence), " is ", to_text(item),
                "; expected items of a list, tuple, str, tensor or int");
    }

    void leave(size_t scope) {
        for (; scope_.size() > scope; scope_.pop_back()) {
            defined_[size_t(scope_.back())] = false;
            left_[size_t(scope_.back())] = true;
        }
    }

    void check_call(const Node& node, const std::unordered_map<std::string_view, const Graph*>& others) const {
        auto found = others.find(node.callee);
        require(found != others.end(), wrong, "graph ", g_.name, ": there is no graph called ", node.callee);
        const Graph& other = *found->second;
        auto types = [&](const std::vector<ValueId>& values) {
            std::vector<Type> out;
            for (ValueId v : values) out.push_back(other[v].type);
            return out;
        };
        check_flow(node, "takes", types_of(node.args), types(other.inputs));
        require_form(node.results.size() == other.outputs.size(), node, "as many results as the graph gives");
        for (size_t i = 0; i < node.results.size(); ++i) {
            ValueId v = node.results[i];
            if (v != no_value) check_flow(node, "gives", std::span(&other[other.outputs[i]].type, 1),
                                          std::span(&g_[v].type, 1));
        }
    }

    void check_op(const Node& node) {
        require(node.op != nullptr && node.bodies.empty(), wrong, "graph ", g_.name, ": a node has no operator");
        require(node.args.size() == node.op->parsed.params.size(), wrong, "graph ", g_.name, ": ", node.op->id, " has ",
                node.args.size(), " arguments; expected ", node.op->parsed.params.size());
        for (size_t i = 0; i < node.args.size(); ++i) check_argument(node, i);
        for (const Change& change : node.changes) use(change.old_value, node.op->id);
        if (node.into != no_value) {
            use(node.into, node.op->id);
            require(node.results.size() == 1 && node.results[0] != no_value, wrong, "graph ", g_.name, ": ",
                    node.op->id, " writes into ", shown(node.into), "; expected one result that takes its place");
            overwrite(node.into);
        }
        require(!node.op->writes_first || node.into != no_value, wrong, "graph ", g_.name, ": ", node.op->id,
                " writes its first argument; expected 'into' that argument");
        for (const Change& change : node.changes) overwrite(change.old_value);
        check_results(node);
        each_definition(node, [&](ValueId v) { define(v, node.op->id); });
    }

    // Operators give tensors; one that gives a list of them may give it as one value.
    void check_results(const Node& node) const {
        auto tensor = [&](ValueId v) {
            require_value(v, node.op->id);
            require(g_[v].is_tensor(), wrong, "graph ", g_.name, ": ", node.op->id, ": ", shown(v), " is ",
                    to_text(g_[v].type), "; expected a tensor");
        };
        bool list = node.op->parsed.returns_list && node.results.size() == 1 && node.results[0] != no_value &&
                    node.into == no_value && g_[node.results[0]].type == list_of({TypeKind::tensor});
        if (!list)
            for (ValueId v : node.results)
                if (v != no_value) tensor(v);
        if (node.into != no_value) tensor(node.into);
        for (const Change& change : node.changes) {
            tensor(change.old_value);
            tensor(change.new_value);
        }
    }

    void overwrite(ValueId v) { ++writes_[size_t(memory_[size_t(v)])]; }

    const Graph& g_;
    bool straight_;
    std::vector<ValueId> memory_;
    std::vector<bool> defined_;
    std::vector<bool> left_;             // of each value: was it of a body that is behind us?
    std::vector<ValueId> scope_;         // what is defined, in order
    std::vector<int> writes_;            // of each memory, so far
    std::vector<int> seen_writes_;       // of each value, when it was defined
};

}  // namespace

void verify(const Graph& g) { Verifier(g).run(); }

void verify(const std::vector<Graph>& graphs) {
    std::unordered_map<std::string_view, const Graph*> named;
    for (const Graph& g : graphs)
        require(named.emplace(g.name, &g).second, wrong, "graph ", g.name, ": two graphs have this name");
    for (const Graph& g : graphs) {
        Verifier verifier(g);
        verifier.run();
        verifier.run(named);
    }
}

}  // namespace rushlight::graph
