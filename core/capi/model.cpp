// Models: files that were read, their signatures, and runs.
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "capi/handles.h"
#include "files/program_file.h"
#include "graph/symbolic.h"
#include "registry/call.h"
#include "registry/mode.h"
#include "runtime/interpret.h"
#include "runtime/program.h"

using namespace rushlight;
using namespace rushlight::capi;
using rushlight::graph::ValueInfo;

namespace {

struct Spec {
    std::string name, type;
    Dims sizes;
    rl_spec shown{};

    void show(rl_kind kind, rl_dtype dtype, bool sized) {
        shown = {name.c_str(), type.c_str(), kind, dtype, sized ? sizes.size() : -1, sized ? sizes.data() : nullptr};
    }
};

using ProgramRef = std::shared_ptr<runtime::Program>;

// The programs of a graph whose sizes may vary, by these sizes: each is planned once.
struct Family {
    static constexpr size_t most = 64;         // after which they are forgotten: the sizes never come back
    std::string text;
    int64_t least;
    std::vector<graph::Constant> constants;
    std::vector<graph::Graph> called;          // the graphs that it calls
    std::mutex lock;
    std::map<graph::Sizes, ProgramRef> programs;

    bool solve(const std::vector<Dims>& shapes, graph::Sizes& sizes) const {
        if (!graph::solve(text, shapes, sizes)) return false;
        for (const auto& [name, size] : sizes)
            if (size < least) return false;
        return true;
    }

    ProgramRef program(const graph::Sizes& sizes) {
        {
            std::lock_guard guard(lock);
            auto known = programs.find(sizes);
            if (known != programs.end()) return known->second;
        }
        graph::Graph g = std::move(graph::parse_all(graph::instantiate(text, sizes)).front());
        for (size_t i = 0; i < g.constants.size(); ++i) g.constants[i].tensor = constants[i].tensor;
        auto made = std::make_shared<runtime::Program>(std::move(g), called);
        std::lock_guard guard(lock);
        if (programs.size() >= most) programs.clear();
        return programs.emplace(sizes, made).first->second;
    }
};

struct Entry {                                 // a signature that can be run
    std::string name, text;
    std::vector<std::unique_ptr<Spec>> inputs, outputs;
    std::vector<std::unique_ptr<rl_value>> defaults;     // of inputs that may be left out; null of the others
    std::vector<bool> written;                 // which inputs the program writes: it is given copies of these
    ProgramRef program;                        // for known sizes
    std::unique_ptr<Family> family;            // for sizes that vary
    std::unique_ptr<runtime::Script> script;   // with control flow, calls or containers
    std::vector<graph::Type> types;            // of a script's inputs
};

rl_kind kind_of(const graph::Type& type) {
    using graph::TypeKind;
    switch (type.kind) {
        case TypeKind::tensor: return RL_TENSOR;
        case TypeKind::integer: return RL_INT;
        case TypeKind::real: return RL_FLOAT;
        case TypeKind::boolean: return RL_BOOL;
        case TypeKind::string: return RL_STRING;
        case TypeKind::none: return RL_NONE;
        case TypeKind::list: return RL_LIST;
        case TypeKind::tuple: return RL_TUPLE;
        case TypeKind::dict: return RL_DICT;
        default: return RL_ANY;
    }
}

std::unique_ptr<Spec> tensor_spec(const std::string& name, DType dtype, const Dims& sizes) {
    auto out = std::make_unique<Spec>();
    out->name = name;
    out->sizes = sizes;
    out->type = std::string(name_of(dtype)) + "[";
    for (int i = 0; i < sizes.size(); ++i)
        out->type += (i ? ", " : "") + (sizes[i] < 0 ? "?" : std::to_string(sizes[i]));
    out->type += "]";
    out->show(RL_TENSOR, rl_dtype(dtype), true);
    return out;
}

std::unique_ptr<Spec> spec_of(const std::string& name, const ValueInfo& v) {
    if (v.is_tensor() && v.sized) return tensor_spec(name, v.dtype, v.sizes);
    auto out = std::make_unique<Spec>();
    out->name = name;
    out->type = graph::to_text(v.type);
    out->show(kind_of(v.type), RL_UNKNOWN_DTYPE, false);
    return out;
}

// Inputs have the names that the program's arguments have; positions have those of the graph.
std::vector<std::string> input_names(const files::Signature& s) {
    std::vector<std::string> paths = files::names_of(s.takes, ""), out;
    for (size_t i = 0; i < paths.size(); ++i) {
        bool named = paths[i].starts_with("1.");
        out.push_back(named ? paths[i].substr(2) : s.graph[s.graph.inputs[i]].name);
    }
    return out;
}

// The graph for other sizes than those that were read: what differs is what varies.
graph::Graph at_other_sizes(const std::string& text) {
    graph::Sizes sizes;
    for (const std::string& symbol : graph::symbols_of(text)) sizes[symbol] = 3;
    return std::move(graph::parse_all(graph::instantiate(text, sizes)).front());
}

void make_script(Entry& out, files::Signature&& s) {
    std::vector<graph::Graph> graphs = std::move(s.called);
    graphs.insert(graphs.begin(), std::move(s.graph));
    for (graph::ValueId v : graphs[0].inputs) out.types.push_back(graphs[0][v].type);
    for (const graph::Graph& g : graphs) {
        out.text += graph::print(g);
        if (files::writes(g)) out.written.assign(out.inputs.size(), true);       // perhaps, through lists and calls
    }
    out.script = std::make_unique<runtime::Script>(std::move(graphs));
}

Entry entry_of(files::Signature&& s) {
    Entry out;
    out.name = s.name;
    std::vector<std::string> inputs = input_names(s), outputs = files::names_of(s.gives, "output");
    graph::Graph other = s.text.empty() ? graph::Graph() : at_other_sizes(s.text);
    auto varying = [&](const std::vector<graph::ValueId>& values, const std::vector<graph::ValueId>& others, size_t i) {
        ValueInfo v = s.graph[values[i]];
        for (int d = 0; d < v.sizes.size() && !s.text.empty(); ++d)
            if (other[others[i]].sizes[d] != v.sizes[d]) v.sizes[d] = graph::unknown_size;
        return v;
    };
    for (size_t i = 0; i < inputs.size(); ++i)
        out.inputs.push_back(spec_of(inputs[i], varying(s.graph.inputs, other.inputs, i)));
    for (size_t i = 0; i < outputs.size(); ++i)
        out.outputs.push_back(spec_of(outputs[i], varying(s.graph.outputs, other.outputs, i)));
    for (const std::string& name : inputs) {
        const files::Json* given = s.defaults.find(name);
        out.defaults.push_back(given ? std::make_unique<rl_value>(value_of(*given)) : nullptr);
    }
    out.written = graph::written_inputs(s.graph);
    if (s.text.empty() && (!graph::is_straight(s.graph) || !s.called.empty())) {
        make_script(out, std::move(s));
        return out;
    }
    out.text = s.text.empty() ? graph::print(s.graph) : s.text;
    if (s.text.empty()) {
        out.program = std::make_shared<runtime::Program>(std::move(s.graph));
    } else {
        out.family = std::make_unique<Family>();
        out.family->text = std::move(s.text);
        out.family->least = s.least;
        out.family->constants = std::move(s.graph.constants);
        for (const graph::Graph& g : s.called)
            if (files::writes(g)) out.written.assign(out.inputs.size(), true);
        out.family->called = std::move(s.called);
    }
    return out;
}

}  // namespace

struct rl_model {
    uint32_t mark = model_mark;
    std::string name, metadata;
    std::vector<Entry> entries;
    std::vector<std::unique_ptr<Spec>> tensors;
    std::vector<std::pair<std::string, files::Bytes>> extra;

    ~rl_model() { mark = 0; }
};

namespace {

const rl_model& held(const rl_model* model, const char* who) {
    expect(model != nullptr, who, ": model is NULL; expected a model");
    expect(model->mark == model_mark, who, ": the handle is no model, or was given back");
    return *model;
}

const Entry& entry_at(const rl_model* model, size_t signature, const char* who) {
    const rl_model& m = held(model, who);
    expect(signature < m.entries.size(), who, ": signature=", signature, "; expected less than ", m.entries.size());
    return m.entries[signature];
}

template <class List>
auto& at(const List& list, size_t index, const char* who) {
    expect(index < list.size(), who, ": index=", index, "; expected less than ", list.size());
    return list[index];
}

const rl_spec* spec_at(const std::vector<std::unique_ptr<Spec>>& list, size_t index, const char* who) {
    return &at(list, index, who)->shown;
}

rl_model* model_of(files::ProgramFile file, const std::string& where) {
    auto out = std::make_unique<rl_model>();
    out->name = file.name;
    out->metadata = files::write_json(file.metadata);
    for (const auto& [name, t] : file.tensors) out->tensors.push_back(tensor_spec(name, t.dtype(), t.sizes()));
    for (files::Signature& s : file.signatures) {
        std::string name = s.name;
        try {
            out->entries.push_back(entry_of(std::move(s)));
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::memory) throw;
            files::corrupt(where, "signature '", name, "': ", error.text());
        }
    }
    out->extra = std::move(file.extra);
    return out.release();
}

std::string signature_names(const rl_model& m) {
    std::string out;
    for (size_t i = 0; i < m.entries.size(); ++i)
        if (i == 0 || m.entries[i].name != m.entries[i - 1].name) out += (i ? ", " : "") + m.entries[i].name;
    return out;
}

[[noreturn]] void wrong_input(std::initializer_list<files::Part> parts) { throw WrongInput(files::sentence(parts)); }

std::string listed(const Entry& e) {
    std::string out;
    for (size_t i = 0; i < e.inputs.size(); ++i)
        out += (i ? ", " : "") + e.inputs[i]->name + ": " + e.inputs[i]->type +
               (e.defaults[i] ? " (may be left out)" : "");
    return out.empty() ? "nothing" : out;
}

std::string shown(const rl_value& v) {
    if (v.kind != RL_TENSOR) return kind_name(v.kind);
    return tensor_spec("", v.tensor.dtype(), v.tensor.sizes())->type;
}

bool fits(const rl_value& v, const rl_spec& spec) {
    if (spec.kind == RL_ANY || (spec.kind == RL_FLOAT && v.kind == RL_INT)) return true;
    if (v.kind != spec.kind) return false;
    if (v.kind != RL_TENSOR) return true;
    if (spec.dtype != RL_UNKNOWN_DTYPE && rl_dtype(v.tensor.dtype()) != spec.dtype) return false;
    if (spec.rank < 0) return true;
    if (v.tensor.rank() != spec.rank) return false;
    for (int i = 0; i < spec.rank; ++i)
        if (spec.sizes[i] >= 0 && v.tensor.size(i) != spec.sizes[i]) return false;
    return true;
}

using Inputs = std::vector<const rl_value*>;

bool all_fit(const Entry& e, const Inputs& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i)
        if (!fits(*inputs[i], e.inputs[i]->shown)) return false;
    return true;
}

// The planned program for inputs that fit; null where sizes that vary do not.
ProgramRef planned(const Entry& e, const Inputs& inputs) {
    if (e.program) return e.program;
    std::vector<Dims> shapes;
    for (const rl_value* v : inputs)
        if (v->kind == RL_TENSOR) shapes.push_back(v->tensor.sizes());
    graph::Sizes sizes;
    return e.family->solve(shapes, sizes) ? e.family->program(sizes) : nullptr;
}

// The inputs in the entry's order, with what was left out; nothing where they are others than the entry's.
std::optional<Inputs> ordered(const Entry& e, const char* const* names, const Inputs& given) {
    Inputs out;
    size_t used = 0;
    for (size_t i = 0; i < e.inputs.size(); ++i) {
        size_t k = i;
        if (names)
            for (k = 0; k < given.size() && e.inputs[i]->name != names[k];) ++k;
        used += k < given.size();
        out.push_back(k < given.size() ? given[k] : e.defaults[i].get());
        if (!out.back()) return std::nullopt;
    }
    return used == given.size() ? std::optional(std::move(out)) : std::nullopt;
}

std::string given_text(const char* const* names, const Inputs& given) {
    std::string out;
    for (size_t i = 0; i < given.size(); ++i)
        out += (i ? ", " : "") + (names ? names[i] + std::string(": ") : std::string()) + shown(*given[i]);
    return out.empty() ? "nothing" : out;
}

struct Choice {
    const Entry* entry;
    ProgramRef program;                        // null of a script
    Inputs inputs;                             // in its order
};

// A given name that no input of the signature has; null where there is none.
const char* unknown_name(const rl_model& m, const std::string& signature, const char* const* names, size_t count) {
    for (size_t k = 0; names && k < count; ++k) {
        bool known = false;
        for (const Entry& e : m.entries)
            for (const auto& input : e.inputs) known = known || (e.name == signature && input->name == names[k]);
        if (!known) return names[k];
    }
    return nullptr;
}

// The signature of that name that the inputs fit.
Choice choose(const rl_model& m, const char* name, const char* const* names, Inputs given) {
    std::string wanted = name ? name : m.entries[0].name, expected;
    for (const Entry& e : m.entries) {
        if (e.name != wanted) continue;
        std::optional<Inputs> inputs = ordered(e, names, given);
        if (inputs && all_fit(e, *inputs)) {
            ProgramRef program = e.script ? nullptr : planned(e, *inputs);
            if (program || e.script) return {&e, std::move(program), std::move(*inputs)};
        }
        expected += (expected.empty() ? "" : "; or ") + listed(e);
    }
    if (expected.empty())
        wrong_input({"rl_run: there is no signature '", wanted, "'; expected one of ", signature_names(m)});
    if (const char* unknown = unknown_name(m, wanted, names, given.size()))
        wrong_input({"rl_run: signature '", wanted, "': no input '", unknown, "'; the signature takes ", expected});
    wrong_input({"rl_run: signature '", wanted, "' got ", given_text(names, given), "; expected ", expected});
}

Tensor copy_of(const Tensor& t) {
    Tensor copy = empty_tensor(t.sizes(), t.dtype());
    copy_values(*copy.impl(), *t.impl());
    return copy;
}

// A result keeps nothing of the caller's memory alive, nor the caller's memory the result; and what the program keeps
// and changes from run to run stays out of a result.
Tensor own_result(Tensor t, const std::vector<Tensor>& inputs, const graph::Graph& g) {
    for (const Tensor& in : inputs)
        if (t->storage == in->storage) return copy_of(t);
    for (const graph::Constant& c : g.constants)
        if (t->storage == c.tensor->storage) return copy_of(t);
    return t;
}

std::vector<rl_value> run_program(const Choice& chosen) {
    std::vector<Tensor> tensors;
    std::vector<double> numbers;
    for (size_t i = 0; i < chosen.inputs.size(); ++i) {
        const rl_value& v = *chosen.inputs[i];
        if (v.kind == RL_TENSOR) tensors.push_back(chosen.entry->written[i] ? copy_of(v.tensor) : v.tensor);
        else numbers.push_back(v.kind == RL_FLOAT ? v.real : double(v.integer));
    }
    std::vector<rl_value> out;
    bool calls = chosen.entry->family && !chosen.entry->family->called.empty();      // which may give what is theirs
    for (Tensor& t : chosen.program->run(tensors, false, numbers))
        out.push_back(value_of(calls ? copy_of(t) : own_result(std::move(t), tensors, chosen.program->graph())));
    return out;
}

// Results of a script may be its inputs, or views of them, at any depth: all tensors are copied.
void own_tensors(rl_value& v) {
    if (v.kind == RL_TENSOR) v.tensor = copy_of(v.tensor);
    for (rl_value& item : v.items) own_tensors(item);
}

// Integers where floats are wanted, at any depth: JSON writes 1 for 1.0.
void widen(rl_value& v, const graph::Type& type) {
    using graph::TypeKind;
    if (type.is(TypeKind::real) && v.kind == RL_INT) {
        v.kind = RL_FLOAT;
        v.real = double(v.integer);
    }
    if (type.is(TypeKind::optional)) widen(v, type.items[0]);
    bool each = type.is(TypeKind::tuple);
    for (size_t i = 0; i < v.items.size() && !type.items.empty() && !type.is(TypeKind::optional); ++i)
        widen(v.items[i], each ? type.items[std::min(i, type.items.size() - 1)] : type.items.back());
}

graph::Item script_input(const Entry& e, size_t i, rl_value given) {
    if (e.written[i]) own_tensors(given);
    widen(given, e.types[i]);
    graph::Item item = item_of(given);
    try {
        runtime::require_type(item, e.types[i], "rl_run: input '" + e.inputs[i]->name + "'");
    } catch (const Error& error) {
        wrong_input({error.text()});
    }
    return item;
}

std::vector<rl_value> run_script(const Choice& chosen) {
    std::vector<graph::Item> items;
    for (size_t i = 0; i < chosen.inputs.size(); ++i)
        items.push_back(script_input(*chosen.entry, i, *chosen.inputs[i]));
    std::vector<rl_value> out;
    for (const graph::Item& item : chosen.entry->script->run(std::move(items))) {
        out.push_back(value_of(item));
        own_tensors(out.back());
    }
    return out;
}

void run(rl_model* model, const char* signature, const char* const* names, const rl_value* const* inputs,
         size_t input_count, rl_value** outputs, size_t output_count) {
    const rl_model& m = held(model, "rl_run");
    expect(inputs || !input_count, "rl_run: inputs is NULL; expected ", input_count, " of them");
    Inputs given;
    for (size_t i = 0; i < input_count; ++i) given.push_back(&checked(inputs[i], "rl_run"));
    Choice chosen = choose(m, signature, names, std::move(given));
    expect(output_count >= chosen.entry->outputs.size() && (outputs || !output_count), "rl_run: there is room for ",
           output_count, " outputs; expected ", chosen.entry->outputs.size());
    GradMode off(false);
    std::vector<std::unique_ptr<rl_value>> made;
    for (rl_value& v : chosen.entry->script ? run_script(chosen) : run_program(chosen))
        made.push_back(std::make_unique<rl_value>(std::move(v)));
    for (size_t i = 0; i < made.size(); ++i) outputs[i] = made[i].release();
}

void load(const files::Bytes& bytes, const std::string& where, bool copy, rl_model** model) {
    expect(model != nullptr, "rl_model_load: the place for the model is NULL; expected where to put it");
    *model = model_of(files::read_program(bytes, where, copy), where);
}

}  // namespace

rl_status rl_model_load(const char* path, uint32_t flags, rl_model** model) {
    return guarded([&] {
        expect(path != nullptr, "rl_model_load: path is NULL; expected a file's name");
        expect((flags & ~RL_LOAD_COPY) == 0, "rl_model_load: flags=", flags, "; expected 0 or RL_LOAD_COPY");
        load(files::map_file(path), std::string("load: '") + path + "'", flags & RL_LOAD_COPY, model);
    });
}

rl_status rl_model_load_memory(const void* data, size_t bytes, uint32_t flags, rl_model** model) {
    return guarded([&] {
        expect(data != nullptr, "rl_model_load_memory: data is NULL; expected a file's bytes");
        expect((flags & ~RL_LOAD_BORROW) == 0, "rl_model_load_memory: flags=", flags, "; expected 0 or RL_LOAD_BORROW");
        files::Bytes given{{static_cast<const uint8_t*>(data), bytes}, nullptr};
        if (flags & RL_LOAD_BORROW) given.owner = std::make_shared<int>(0);
        load(given, "load", !(flags & RL_LOAD_BORROW), model);
    });
}

void rl_model_free(rl_model* model) {
    guarded([&] {
        if (model) held(model, "rl_model_free");
        delete model;
    });
}

size_t rl_signature_count(const rl_model* model) {
    return found(size_t(0), [&] { return held(model, "rl_signature_count").entries.size(); });
}
const char* rl_signature_name(const rl_model* model, size_t signature) {
    return found<const char*>(nullptr, [&] { return entry_at(model, signature, "rl_signature_name").name.c_str(); });
}
size_t rl_input_count(const rl_model* model, size_t signature) {
    return found(size_t(0), [&] { return entry_at(model, signature, "rl_input_count").inputs.size(); });
}
size_t rl_output_count(const rl_model* model, size_t signature) {
    return found(size_t(0), [&] { return entry_at(model, signature, "rl_output_count").outputs.size(); });
}
const rl_spec* rl_input(const rl_model* model, size_t signature, size_t index) {
    return found<const rl_spec*>(
        nullptr, [&] { return spec_at(entry_at(model, signature, "rl_input").inputs, index, "rl_input"); });
}
const rl_spec* rl_output(const rl_model* model, size_t signature, size_t index) {
    return found<const rl_spec*>(
        nullptr, [&] { return spec_at(entry_at(model, signature, "rl_output").outputs, index, "rl_output"); });
}
const char* rl_graph_text(const rl_model* model, size_t signature) {
    return found<const char*>(nullptr, [&] { return entry_at(model, signature, "rl_graph_text").text.c_str(); });
}

rl_status rl_find_signature(const rl_model* model, const char* name, size_t* signature) {
    return guarded([&] {
        const rl_model& m = held(model, "rl_find_signature");
        expect(signature != nullptr, "rl_find_signature: the place for the number is NULL");
        size_t i = 0;
        while (name && i < m.entries.size() && m.entries[i].name != name) ++i;
        expect(i < m.entries.size(), "rl_find_signature: there is no signature '", name ? name : "",
               "'; expected one of ", signature_names(m));
        *signature = i;
    });
}

const char* rl_model_name(const rl_model* model) {
    return found<const char*>(nullptr, [&] { return held(model, "rl_model_name").name.c_str(); });
}
const char* rl_metadata(const rl_model* model) {
    return found<const char*>(nullptr, [&] { return held(model, "rl_metadata").metadata.c_str(); });
}
size_t rl_tensor_count(const rl_model* model) {
    return found(size_t(0), [&] { return held(model, "rl_tensor_count").tensors.size(); });
}
const rl_spec* rl_stored_tensor(const rl_model* model, size_t index) {
    return found<const rl_spec*>(
        nullptr, [&] { return spec_at(held(model, "rl_stored_tensor").tensors, index, "rl_stored_tensor"); });
}
size_t rl_extra_count(const rl_model* model) {
    return found(size_t(0), [&] { return held(model, "rl_extra_count").extra.size(); });
}
const char* rl_extra_name(const rl_model* model, size_t index) {
    return found<const char*>(nullptr, [&] {
        return at(held(model, "rl_extra_name").extra, index, "rl_extra_name").first.c_str();
    });
}

rl_status rl_extra_file(const rl_model* model, const char* name, const void** data, size_t* bytes) {
    return guarded([&] {
        const rl_model& m = held(model, "rl_extra_file");
        expect(name && data && bytes, "rl_extra_file: name, data or bytes is NULL");
        for (const auto& [known, contents] : m.extra)
            if (known == name) {
                *data = contents.data.data();
                *bytes = contents.data.size();
                return;
            }
        expect(false, "rl_extra_file: there is no file '", name, "'");
    });
}

rl_status rl_run(rl_model* model, const char* signature, const rl_value* const* inputs, size_t input_count,
                 rl_value** outputs, size_t output_count) {
    return guarded([&] { run(model, signature, nullptr, inputs, input_count, outputs, output_count); });
}

rl_status rl_run_named(rl_model* model, const char* signature, const char* const* names,
                       const rl_value* const* inputs, size_t input_count, rl_value** outputs, size_t output_count) {
    return guarded([&] {
        expect(names || !input_count, "rl_run_named: names is NULL; expected ", input_count, " of them");
        for (size_t i = 0; i < input_count; ++i) expect(names[i], "rl_run_named: name ", i, " is NULL");
        run(model, signature, names, inputs, input_count, outputs, output_count);
    });
}
