#include "runtime/interpret.h"

#include <chrono>

#include "base/interpreter.h"
#include "base/stack.h"
#include "graph/node_call.h"
#include "graph/passes.h"
#include "graph/values.h"
#include "registry/invoke.h"
#include "runtime/line_span.h"
#include "runtime/program.h"
#include "runtime/script.h"

namespace rushlight::runtime {

using graph::Argument;
using graph::Form;
using graph::Graph;
using graph::Node;
using graph::no_value;
using graph::PrimitiveCall;
using graph::ProgramError;
using graph::Type;
using graph::TypeKind;

namespace {

using Values = Stretch::Values;

// ---- running --------------------------------------------------------------------------------------------------------

// Asks now and then whether the user wants to stop.
class Pulse {
public:
    void beat() {
        if ((++beats_ & 63) || !graph::host.check_signals) return;
        auto now = std::chrono::steady_clock::now();
        if (now - last_ < std::chrono::milliseconds(50)) return;
        last_ = now;
        graph::host.check_signals();
    }

private:
    uint32_t beats_ = 0;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Memory for the lists of one call.
struct Lists {
    std::vector<std::vector<int64_t>> ints;
    std::vector<std::vector<double>> reals;
    std::vector<std::vector<TensorImpl*>> tensors;
};

class Run {
public:
    std::vector<Item> call(const Routine& routine, std::vector<Item> inputs) {
        Values values(routine.graph->values.size());
        for (const graph::Constant& c : routine.graph->constants) values[size_t(c.value)] = Item(c.tensor);
        for (size_t i = 0; i < inputs.size(); ++i) values[size_t(routine.body.inputs[i])] = std::move(inputs[i]);
        std::vector<Item> out;
        const Graph* before = std::exchange(graph_, routine.graph);
        run(routine.body, values, out);
        graph_ = before;
        return out;
    }

private:
    class Deeper {
    public:
        explicit Deeper(int& depth) : depth_(depth) {
            if (depth_ >= max_call_depth || !stack_has_room())
                throw ProgramError(ErrorKind::runtime, "RecursionError", "maximum recursion depth exceeded");
            ++depth_;
        }
        ~Deeper() { --depth_; }

    private:
        int& depth_;
    };

    void run(const Body& body, Values& values, std::vector<Item>& out) {
        Deeper deeper(depth_);
        size_t at = 0;
        for (const auto& stretch : body.stretches) {
            run_steps(body, at, stretch->begin, values);
            run_stretch(body, *stretch, values);
            at = stretch->end;
        }
        run_steps(body, at, body.steps.size(), values);
        out.clear();
        for (const Source& s : body.outputs) {
            if (s.last) out.push_back(std::move(values[size_t(s.value)]));
            else out.push_back(fetched(s, values));
        }
    }

    void run_steps(const Body& body, size_t begin, size_t end, Values& values) {
        LineSpan line;
        for (size_t i = begin; i < end; ++i) {
            const Step& s = body.steps[i];
            if (s.node->form != Form::primitive) line.enter([&](auto&& add) { add(s.node->source); });
            run_step(s, values);
            for (ValueId v : s.dies) values[size_t(v)] = Item();
        }
    }

    void run_stretch(const Body& body, Stretch& stretch, Values& values) {
        bool capture = false;
        if (stretch.run(*graph_, values, capture)) return;
        auto go = [&] { run_steps(body, stretch.begin, stretch.end, values); };
        if (!capture) return go();
        spoils_ = false;
        stretch.watch(*graph_, values, go, spoils_, source_);
    }

    void run_step(const Step& s, Values& values) {
        spoils_ = spoils_ || s.spoils;
        if (watched(watch_capture)) source_ = s.node->source;
        try {
            switch (s.node->form) {
                case Form::op: run_operator(s, values); break;
                case Form::primitive: run_primitive(s, values); break;
                case Form::branch: run_branch(s, values); break;
                case Form::repeat: run_repeat(s, values); break;
                case Form::walk: run_walk(s, values); break;
                case Form::call: run_call(s, values); break;
            }
        } catch (const ProgramError& e) {
            if (!e.source().empty() || s.node->source.empty()) throw;
            located(s, e.kind(), e.exception(), e.text());
        } catch (const Error& e) {
            if (s.node->source.empty()) throw;
            located(s, e.kind(), "", e.text());
        }
    }

    [[noreturn]] static void located(const Step& s, ErrorKind kind, const std::string& exception,
                                     const std::string& text) {
        throw ProgramError(kind, exception, text + " (at " + s.node->source + ")", s.node->source);
    }

    // The argument's item, which `made` keeps where it is made for this call.
    static const Item& fetched(const Source& s, const Values& values, Item& made) {
        if (s.value != no_value && s.wanted == TypeKind::any) return values[size_t(s.value)];
        if (s.value == no_value && !s.list) return s.literal;
        return made = fetched(s, values);
    }

    static Item fetched(const Source& s, const Values& values) {
        if (s.value != no_value) {
            const Item& x = values[size_t(s.value)];
            return s.wanted == TypeKind::any ? x : converted(x, {s.wanted});
        }
        if (!s.list) return s.literal;
        std::vector<Item> items = s.literal.items();
        for (size_t i = 0; i < s.parts.size(); ++i)
            if (s.parts[i] != no_value) items[i] = values[size_t(s.parts[i])];
        return Item::list(std::move(items));
    }

    // ---- operators --------------------------------------------------------------------------------------------------

    static void bind_others(const Step& s, const Values& values, Value* args, Lists& lists) {
        for (size_t i : s.others) {
            const Argument& a = s.node->args[i];
            if (a.tag == graph::tag_value) {
                args[i] = value_of(values[size_t(a.values[0])], s.node->op->parsed.params[i], lists);
            } else if (a.tag == Tag::tensors) {
                std::vector<TensorImpl*>& list = lists.tensors.emplace_back();
                for (ValueId v : a.values) list.push_back(values[size_t(v)].tensor());
                args[i] = Value(std::span<TensorImpl* const>(list));
            } else {
                std::vector<int64_t>& list = lists.ints.emplace_back(a.ints);
                for (size_t k = 0; k < a.places.size(); ++k)
                    list[a.places[k]] = values[size_t(a.values[k])].as_integer();
                args[i] = Value(std::span<const int64_t>(list));
            }
        }
    }

    static Value value_of(const Item& x, const Param& p, Lists& lists) {
        switch (x.kind()) {
            case TypeKind::tensor: return Value(x.tensor());
            case TypeKind::integer: return Value(x.integer());
            case TypeKind::real: return Value(x.real());
            case TypeKind::boolean: return Value(x.boolean());
            case TypeKind::string: return Value(std::string_view(x.text()));
            case TypeKind::dtype: return Value(x.dtype());
            case TypeKind::none: return Value();
            default: break;
        }
        const std::vector<Item>& items = x.items();
        TypeKind kind = !items.empty() ? items[0].kind() : p.types & type_ints ? TypeKind::integer
                        : p.types & type_floats ? TypeKind::real : TypeKind::tensor;
        if (kind == TypeKind::tensor) {
            std::vector<TensorImpl*>& list = lists.tensors.emplace_back();
            for (const Item& item : items) list.push_back(item.tensor());
            return Value(std::span<TensorImpl* const>(list));
        }
        if (kind == TypeKind::real) {
            std::vector<double>& list = lists.reals.emplace_back();
            for (const Item& item : items) list.push_back(item.real());
            return Value(std::span<const double>(list));
        }
        std::vector<int64_t>& list = lists.ints.emplace_back();
        for (const Item& item : items) list.push_back(item.integer());
        return Value(std::span<const int64_t>(list));
    }

    [[gnu::noinline]] static void run_operator(const Step& s, Values& values) {
        const Node& node = *s.node;
        Value args[max_params];
        Lists lists;
        std::copy(s.values.begin(), s.values.end(), args);
        for (auto [i, v] : s.tensors) args[i] = Value(values[size_t(v)].tensor());
        if (!s.others.empty()) bind_others(s, values, args, lists);
        GradMode recording(mode.grad && node.recorded);
        Call call(*node.op, args);
        if (node.into != no_value) {
            call.destination = values[size_t(node.into)].tensor();
            call.in_place = !s.tensors.empty() && s.tensors[0] == std::pair(size_t(0), node.into);
        }
        dispatch(call);
        for (const graph::Change& change : node.changes)
            values[size_t(change.new_value)] = values[size_t(change.old_value)];
        graph::each_result(node, call, [&](ValueId v, Tensor& t) { values[size_t(v)] = Item(std::move(t)); },
                           [&](ValueId v, std::vector<Tensor>& list) {
                               if (!s.types[0].is(TypeKind::list)) return false;
                               std::vector<Item> items;
                               for (Tensor& t : list) items.emplace_back(std::move(t));
                               values[size_t(v)] = Item::list(std::move(items));
                               return true;
                           });
    }

    // ---- values -----------------------------------------------------------------------------------------------------

    [[gnu::noinline]] static void run_primitive(const Step& s, Values& values) {
        constexpr size_t few = 4;
        const Item* args[few];
        Item made[few];
        if (s.args.size() > few || s.types.size() > 1) return run_long_primitive(s, values);
        for (size_t i = 0; i < s.args.size(); ++i) args[i] = &fetched(s.args[i], values, made[i]);
        Item* result = s.types.empty() ? nullptr : &values[size_t(s.node->results[0])];
        PrimitiveCall call{s.node->primitive->name, std::span(args, s.args.size()), std::span(result, s.types.size()),
                           s.types};
        s.node->primitive->run(call);
    }

    [[gnu::noinline]] static void run_long_primitive(const Step& s, Values& values) {
        std::vector<const Item*> args(s.args.size());
        std::vector<Item> made(s.args.size()), results(s.types.size());
        for (size_t i = 0; i < args.size(); ++i) args[i] = &fetched(s.args[i], values, made[i]);
        PrimitiveCall call{s.node->primitive->name, args, results, s.types};
        s.node->primitive->run(call);
        give(s, results, values);
    }

    static void give(const Step& s, std::vector<Item>& results, Values& values) {
        for (size_t i = 0; i < results.size(); ++i)
            if (s.node->results[i] != no_value) values[size_t(s.node->results[i])] = std::move(results[i]);
    }

    // ---- control ----------------------------------------------------------------------------------------------------

    void run_branch(const Step& s, Values& values) {
        Item made;
        std::vector<Item> out;
        run(s.bodies[fetched(s.args[0], values, made).boolean() ? 0 : 1], values, out);
        give(s, out, values);
    }

    // Puts what a loop goes on with into the values that its bodies read.
    static void carry(const Body& body, size_t first, std::vector<Item>& items, Values& values) {
        for (size_t i = 0; i < items.size(); ++i) values[size_t(body.inputs[first + i])] = std::move(items[i]);
    }

    static void fetch_from(const Step& s, size_t first, const Values& values, std::vector<Item>& out) {
        for (size_t i = first; i < s.args.size(); ++i) out.push_back(fetched(s.args[i], values));
    }

    void run_repeat(const Step& s, Values& values) {
        std::vector<Item> carried, condition;
        fetch_from(s, 0, values, carried);
        while (true) {
            pulse_.beat();
            carry(s.bodies[0], 0, carried, values);
            run(s.bodies[0], values, condition);
            if (!condition[0].boolean()) break;
            run(s.bodies[1], values, carried);
        }
        for (size_t i = 0; i < s.bodies[0].inputs.size(); ++i) {
            Item& x = values[size_t(s.bodies[0].inputs[i])];
            if (s.node->results[i] != no_value) values[size_t(s.node->results[i])] = std::move(x);
            x = Item();
        }
    }

    static int64_t length(const Item& sequence) {
        switch (sequence.kind()) {
            case TypeKind::integer: return sequence.integer();
            case TypeKind::tensor: {
                const TensorImpl& t = *sequence.tensor();
                require(t.rank() > 0, ErrorKind::type, "iteration over a 0-d tensor");
                return t.sizes[0];
            }
            default: return int64_t(sequence.items().size());
        }
    }

    static Item item_of(const Item& sequence, int64_t i) {
        static const Op& select = *find_op("select");
        switch (sequence.kind()) {
            case TypeKind::integer: return Item(i);
            case TypeKind::tensor: return Item(invoke(select, sequence.tensor(), int64_t(0), i));
            default: return sequence.items()[size_t(i)];
        }
    }

    void run_walk(const Step& s, Values& values) {
        const Body& body = s.bodies[0];
        std::vector<Item> carried;
        Item sequence = fetched(s.args[0], values);
        if (sequence.is(TypeKind::string)) sequence = characters(sequence);
        fetch_from(s, 1, values, carried);
        for (int64_t i = 0; i < length(sequence); ++i) {             // the body may change the list
            pulse_.beat();
            values[size_t(body.inputs[0])] = item_of(sequence, i);
            carry(body, 1, carried, values);
            run(body, values, carried);
        }
        give(s, carried, values);
    }

    static Item characters(const Item& text) {
        std::vector<Item> out;
        const graph::Primitive& length = *graph::find_primitive("str_len");
        const graph::Primitive& index = *graph::find_primitive("str_index");
        Item n, one;
        const Item* args[2] = {&text, &n};
        PrimitiveCall counted{length.name, std::span(args, 1), std::span(&n, 1), {}};
        length.run(counted);
        int64_t count = n.integer();
        for (int64_t i = 0; i < count; ++i) {
            n = Item(i);
            PrimitiveCall call{index.name, args, std::span(&one, 1), {}};
            index.run(call);
            out.push_back(one);
        }
        return Item::list(std::move(out));
    }

    void run_call(const Step& s, Values& values) {
        pulse_.beat();
        GradMode recording(mode.grad && s.node->recorded);
        std::vector<Item> inputs;
        inputs.reserve(s.args.size());
        fetch_from(s, 0, values, inputs);
        std::vector<Item> out = call(*s.callee, std::move(inputs));
        give(s, out, values);
    }

    Pulse pulse_;
    const Graph* graph_ = nullptr;       // of the routine that runs
    std::string source_;                 // of the step that runs, while it is captured
    bool spoils_ = false;                // what no plan can do has run since this was reset
    int depth_ = 0;
};

}  // namespace

// ---- scripts --------------------------------------------------------------------------------------------------------

Script::Script(std::vector<Graph> graphs) {
    graph::verify(graphs);
    graphs_ = graph::inline_calls(std::move(graphs));
    Routines named;
    for (Graph& g : graphs_) {
        graph::fold_constants(g);
        gather(g);
        routines_.push_back(std::make_unique<Routine>());
        named[g.name] = routines_.back().get();
        for (const graph::Constant& c : g.constants) {
            const graph::ValueInfo& v = g[c.value];
            require(c.tensor.defined(), ErrorKind::value, "graph ", g.name, ": constant '", c.key, "' has no tensor");
            bool right = !v.sized || (c.tensor.sizes() == v.sizes && c.tensor.dtype() == v.dtype);
            require(right, ErrorKind::value, "graph ", g.name, ": constant '", c.key, "' is ",
                    name_of(c.tensor.dtype()), " of shape ", c.tensor.sizes(), "; expected ", name_of(v.dtype),
                    " of shape ", v.sizes);
        }
    }
    for (size_t i = 0; i < graphs_.size(); ++i) prepare(graphs_[i], named, *routines_[i]);
}

Script::~Script() = default;

std::vector<Item> Script::run(std::vector<Item> inputs) const { return Run().call(*routines_[0], std::move(inputs)); }

void require_type(const Item& x, const Type& type, const std::string& who) {
    bool right = x.kind() == type.kind;
    if (type.is(TypeKind::number)) right = x.is_number();
    if (type.is(TypeKind::optional)) {
        if (!x.is_none()) require_type(x, type.items[0], who);
        return;
    }
    require(right, ErrorKind::type, who, " is ", graph::name_of(x.kind()), "; expected ", graph::to_text(type));
    if (type.is(TypeKind::list))
        for (const Item& item : x.items()) require_type(item, type.items[0], who + ": an item");
    if (type.is(TypeKind::tuple)) {
        require(x.items().size() == type.items.size(), ErrorKind::type, who, " has ", x.items().size(),
                " items; expected ", graph::to_text(type));
        for (size_t i = 0; i < type.items.size(); ++i) require_type(x.items()[i], type.items[i], who + ": an item");
    }
    if (type.is(TypeKind::dict))
        for (const auto& [key, value] : x.dict().entries) {
            require_type(key, type.items[0], who + ": a key");
            require_type(value, type.items[1], who + ": a value");
        }
}

// ---- programs of any kind -------------------------------------------------------------------------------------------

std::vector<Item> Program::run(std::vector<Item> inputs) {
    const graph::Graph& g = graph();
    require(inputs.size() == g.inputs.size(), ErrorKind::type, g.name, ": got ", inputs.size(), " inputs; expected ",
            g.inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
        const graph::ValueInfo& v = g[g.inputs[i]];
        if (v.type.is(TypeKind::real) && inputs[i].is(TypeKind::integer)) inputs[i] = Item(inputs[i].as_real());
        require_type(inputs[i], v.type, g.name + ": input " + v.name);
    }
    if (script_) {
        WithoutInterpreter unlocked(true);
        return script_->run(std::move(inputs));
    }
    std::vector<Tensor> tensors;
    std::vector<double> numbers;
    for (Item& x : inputs)
        if (x.is(TypeKind::tensor)) tensors.emplace_back(x.tensor());
        else numbers.push_back(x.real());
    std::vector<Item> out;
    for (Tensor& t : run(tensors, true, numbers)) out.emplace_back(std::move(t));
    return out;
}

}  // namespace rushlight::runtime
