// Graphs and programs as Python sees them: capture, text, runs. rushlight.jit gives them their public face.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "autograd/engine.h"
#include "base/log.h"
#include "bindings/convert.h"
#include "bindings/items.h"
#include "graph/capture.h"
#include "graph/passes.h"
#include "graph/symbolic.h"
#include "graph/values.h"
#include "runtime/program.h"
#include "runtime/step.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

using graph::Capture;
using graph::Graph;
using runtime::Program;
using runtime::Step;

std::string& own_folder() {                      // frames of our own modules do not count as the program
    static auto* folder = new std::string;
    return *folder;
}

// The line of the program that runs now.
std::string program_line() {
    Interpreter lock;
    std::string out = "<unknown>";
    PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
    while (frame) {
        PyCodeObject* code = PyFrame_GetCode(frame);
        const char* file = PyUnicode_AsUTF8(code->co_filename);
        bool ours = !file || std::string_view(file).starts_with(own_folder());
        if (!ours) out = std::string(file) + ":" + std::to_string(PyFrame_GetLineNumber(frame));
        Py_DECREF(code);
        PyFrameObject* back = ours ? PyFrame_GetBack(frame) : nullptr;
        Py_DECREF(frame);
        frame = back;
    }
    PyErr_Clear();
    return out;
}

using Named = std::vector<std::pair<std::string, Tensor>>;

nb::list described(const Graph& g, const std::vector<graph::ValueId>& values) {
    nb::list out;
    for (graph::ValueId v : values)
        if (g[v].is_tensor())
            out.append(nb::make_tuple(g[v].name, nb::steal(wrap_dtype(g[v].dtype)), nb::steal(wrap_size(g[v].sizes))));
    return out;
}

Graph bound(Graph g, const nb::dict& constants) {
    for (graph::Constant& c : g.constants) {
        require(constants.contains(c.key.c_str()), ErrorKind::value, "graph ", g.name, ": there is no tensor called '",
                c.key, "'");
        c.tensor = nb::cast<Tensor>(constants[c.key.c_str()]);
    }
    return g;
}

nb::dict constants_of(const Graph& g) {
    nb::dict out;
    for (const graph::Constant& c : g.constants) out[c.key.c_str()] = c.tensor;
    return out;
}

// The first of the graphs with what it calls, all frozen but for the constants that are `kept`.
std::vector<Graph> freeze_script(std::vector<Graph> graphs, const nb::dict& constants,
                                 const std::vector<std::string>& kept, bool numerics) {
    for (Graph& g : graphs) g = bound(std::move(g), constants);
    graphs = graph::inline_calls(std::move(graphs));
    for (Graph& g : graphs) g = graph::freeze(std::move(g), numerics, kept);
    return graphs;
}

nb::list states_of(const Graph& g) {
    nb::list out;
    std::vector<bool> written = graph::written_constants(g);
    for (size_t i = 0; i < written.size(); ++i)
        if (written[i]) out.append(g.constants[i].key);
    return out;
}

nb::list nodes_of(const Graph& g) {
    nb::list out;
    graph::each_node(g.nodes, [&](const graph::Node& n) {
        out.append(nb::make_tuple(graph::name_of(n), n.op ? name_of(n.op->kind) : "control", n.source, n.writes()));
    });
    return out;
}

std::string input_name(const Graph& g, size_t i) {
    return "input '" + (i < g.inputs.size() ? g[g.inputs[i]].name : std::to_string(i)) + "'";
}

std::vector<Tensor> tensors_of(const Graph& g, const nb::args& args) {
    std::vector<Tensor> out;
    for (size_t i = 0; i < args.size(); ++i) {
        PyObject* a = args[i].ptr();
        if (!is_tensor(a))
            fail(ErrorKind::type, g.name, ": ", input_name(g, i), " is ", Py_TYPE(a)->tp_name, "; expected Tensor");
        out.push_back(tensor_of(a));
    }
    return out;
}

nb::object tuple_of(const std::vector<Tensor>& tensors) {
    nb::object out = nb::steal(PyTuple_New(Py_ssize_t(tensors.size())));
    for (size_t i = 0; i < tensors.size(); ++i) PyTuple_SET_ITEM(out.ptr(), Py_ssize_t(i), wrap(tensors[i]));
    return out;
}

nb::list held_by(Capture& capture, const std::vector<Tensor>& outputs) {
    nb::list out;
    for (auto& [t, source] : capture.held(outputs)) out.append(nb::make_tuple(nb::steal(wrap_size(t.sizes())), source));
    return out;
}

// Where the numbers came from that were marked in this thread's capture: (dict, key, place in a tuple or -1, value).
thread_local std::vector<nb::object> sources_of_numbers;

void mark_number(nb::dict container, nb::str key, Py_ssize_t index, std::string param) {
    Capture* capture = Capture::current();
    if (!capture) return;
    nb::object value = container[key];
    if (index >= 0) value = value[index];
    capture->mark(std::move(param), nb::cast<double>(value));
    sources_of_numbers.push_back(nb::make_tuple(container, key, index, value));
}

nb::list numbers_of(const Capture& capture) {
    nb::list out;
    for (int i : capture.used_numbers()) out.append(sources_of_numbers[size_t(i)]);
    return out;
}

std::vector<graph::Item> items_of(const Graph& g, const nb::args& args) {
    std::vector<graph::Item> out;
    for (size_t i = 0; i < args.size(); ++i) {
        graph::Type type = i < g.inputs.size() ? g[g.inputs[i]].type : graph::Type{};
        out.push_back(to_item(args[i].ptr(), type, g.name + ": " + input_name(g, i)));
    }
    return out;
}

nb::object run_any(Program& program, const nb::args& args) {
    const Graph& g = program.graph();
    try {
        if (program.tensors_only()) return tuple_of(program.run(tensors_of(g, args)));
        return nb::steal(from_item(graph::Item::tuple(program.run(items_of(g, args)))));
    } catch (const graph::ProgramError& e) {
        raise(e);
    }
}

// As `run`; to the program that is being captured it is one call of the graph `name`.
nb::object run_captured(Program& program, const std::string& name, bool sized, const nb::args& args) {
    const Graph& g = program.graph();
    auto run = [&](std::vector<graph::Item> inputs) { return program.run(std::move(inputs)); };
    try {
        std::vector<graph::Item> inputs = items_of(g, args);
        require(inputs.size() == g.inputs.size(), ErrorKind::type, g.name, ": got ", inputs.size(),
                " inputs; expected ", g.inputs.size());
        return nb::steal(from_item(graph::Item::tuple(
            Capture::current()->call(g, name, sized, std::move(inputs), run))));
    } catch (const graph::ProgramError& e) {
        raise(e);
    }
}

// What is planned of a graph, and what was done for that.
nb::tuple prepared(const Graph& g) {
    std::vector<std::string> notes;
    std::optional<Graph> out = graph::prepare(g, notes);
    return nb::make_tuple(out ? *out : g, notes);
}

void add_programs(nb::module_& g) {
    nb::class_<Program>(g, "Program")
        .def(nb::init<Graph>())
        .def("__init__", [](Program* self, Graph graph, nb::dict constants, std::vector<Graph> functions) {
            for (Graph& f : functions) f = bound(std::move(f), constants);
            new (self) Program(bound(std::move(graph), constants), std::move(functions));
        }, nb::arg("graph"), nb::arg("constants"), nb::arg("functions") = std::vector<Graph>())
        .def_prop_ro("graph", &Program::graph, nb::rv_policy::copy)
        .def_prop_ro("report", &Program::report)
        .def_prop_ro("planned_bytes", &Program::planned_bytes)
        .def_prop_ro("planned", [](const Program& self) {
            auto [direct, funnel] = self.planned();
            return nb::make_tuple(direct, funnel);
        })
        .def("run", &run_any)
        .def("run_captured", &run_captured);
}

void add_steps(nb::module_& g) {
    nb::class_<Step>(g, "Step")
        .def("__init__", [](Step* self, Graph graph, const Capture& capture, nb::dict constants,
                            std::vector<Graph> functions) {
            for (Graph& f : functions) f = bound(std::move(f), constants);
            new (self) Step(std::move(graph), capture, std::move(functions));
        })
        .def("at", [](const Step& self, const Graph& graph) { return new Step(self.at(graph)); },
             nb::rv_policy::take_ownership)
        .def_prop_ro("program", &Step::program, nb::rv_policy::reference_internal)
        .def_prop_ro("walks", &Step::walks)
        .def_prop_ro("runs", &Step::runs)
        .def_prop_ro("last_run", &Step::last_run)
        .def("fits", [](Step& self, nb::args args) { return self.fits(tensors_of(self.program().graph(), args)); })
        .def("run", [](Step& self, bool recorded, const std::vector<double>& numbers, nb::args args) {
            return tuple_of(self.run(tensors_of(self.program().graph(), args), recorded, numbers));
        });
}

}  // namespace

void note_escape(const TensorImpl& t, const char* how) {
    if (watched(watch_capture)) Capture::note_escape(t, how);
}

void note_offset(const TensorImpl& t, const char* how) {
    if (watched(watch_capture)) Capture::note_offset(t, how);
}

void note_shape(const TensorImpl& t) {
    if (watched(watch_capture)) Capture::note_shape(t);
}

void note_function(const std::string& name) {
    if (watched(watch_capture)) Capture::note_function(name);
}

void add_graph(nb::module_& m) {
    nb::module_ g = m.def_submodule("graph", "Captured programs.");
    g.def("_set_own_folder", [](std::string folder) { own_folder() = std::move(folder); });
    g.def("_log", [](const std::string& text) {
        if (logging(Channel::graph)) log_line(Channel::graph, text);
    });
    g.def("_is_capturing", [] { return Capture::current() != nullptr; });
    nb::class_<Graph>(g, "Graph")
        .def("__str__", [](const Graph& self) { return graph::print(self, true); })
        .def("text", [](const Graph& self) { return graph::print(self); })
        .def_prop_ro("name", [](const Graph& self) { return self.name; })
        .def_prop_ro("inputs", [](const Graph& self) { return described(self, self.inputs); })
        .def_prop_ro("outputs", [](const Graph& self) { return described(self, self.outputs); })
        .def_prop_ro("constants", &constants_of)
        .def_prop_ro("states", &states_of)
        .def_prop_ro("nodes", &nodes_of);
    g.def("parse", [](const std::string& text) { return graph::parse(text); }, nb::arg("text"));
    g.def("parse_all", [](const std::string& text) { return graph::parse_all(text); }, nb::arg("text"));
    g.def("primitives", [] {
        nb::dict out;
        for (const graph::Primitive& p : graph::all_primitives()) out[p.name] = p.signature;
        return out;
    });
    g.def("prepare", &prepared, nb::arg("graph"));
    g.def("simplify", [](Graph self) { return graph::simplify(std::move(self)); }, nb::arg("graph"));
    g.def("instantiate", [](const std::string& text, const std::map<std::string, int64_t>& sizes) {
        return graph::instantiate(text, graph::Sizes(sizes.begin(), sizes.end()));
    }, nb::arg("text"), nb::arg("sizes"));
    g.def("solve", [](const std::string& text, const std::vector<std::vector<int64_t>>& shapes) -> nb::object {
        std::vector<Dims> dims;
        for (const auto& shape : shapes) dims.emplace_back(std::span<const int64_t>(shape));
        graph::Sizes sizes;
        if (!graph::solve(text, dims, sizes)) return nb::none();
        return nb::cast(std::map<std::string, int64_t>(sizes.begin(), sizes.end()));
    }, nb::arg("text"), nb::arg("shapes"));
    g.def("symbols", [](const std::string& text) { return graph::symbols_of(text); }, nb::arg("text"));
    g.def("freeze", [](Graph self, bool numerics) { return graph::freeze(std::move(self), numerics); },
          nb::arg("graph"), nb::arg("numerics"));
    g.def("inline_calls", [](std::vector<Graph> graphs) { return graph::inline_calls(std::move(graphs)); },
          nb::arg("graphs"));
    g.def("freeze_script", &freeze_script, nb::arg("graphs"), nb::arg("constants"), nb::arg("kept"),
          nb::arg("numerics"));
    g.def("optimize_for_inference", [](Graph self) { return graph::optimize_for_inference(std::move(self)); },
          nb::arg("graph"));
    nb::class_<Capture>(g, "Capture")
        .def("__init__", [](Capture* self, Named inputs, Named known, nb::object where) {
            auto asked = [where] {
                Interpreter lock;
                return nb::cast<std::string>(where());
            };
            new (self) Capture(std::move(inputs), std::move(known), where.is_none() ? program_line
                                                                                    : Capture::Where(asked));
        }, nb::arg(), nb::arg(), nb::arg("where") = nb::none())
        .def("finish", &Capture::finish)
        .def("close", [](Capture& self) {
            self.close();
            sources_of_numbers.clear();
        })
        .def_prop_ro("numbers", &numbers_of)
        .def("held", &held_by)
        .def("made", [](const Capture& self, const Tensor& t) { return self.made(*t.impl()); })
        .def_prop_ro("walks", &Capture::walks)
        .def_prop_ro("loses_history", &Capture::loses_history)
        .def_prop_ro("functions", &Capture::functions)
        .def_prop_ro("uses_gradients", [](const Capture& self) { return !self.gradients().empty(); })
        .def_prop_ro("escapes", [](const Capture& self) {
            nb::list out;
            for (const graph::Escape& e : self.escapes()) out.append(nb::make_tuple(e.how, e.source));
            return out;
        });
    add_programs(g);
    add_steps(g);
    g.def("_mark", &mark_number);
    g.def("_unmark", [] {
        if (Capture::current()) Capture::current()->unmark();
    });
    g.def("can_walk", [](Tensor t) { return autograd::can_walk(*t.impl()); });
    lend_to_programs();
}

}  // namespace rushlight::python
