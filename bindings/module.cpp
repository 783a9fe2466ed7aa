// The native module rushlight._C: conversion only. Each file of this room adds its share.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <utility>

#include "base/interpreter.h"
#include "base/parallel.h"
#include "bindings/convert.h"
#include "bindings/python.h"
#include "registry/rules.h"
#include "tensor/allocator.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

void* release_interpreter() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void acquire_interpreter(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

// Python's own function finds the program's line.
void show_warning(const std::string& text) {
    Interpreter held;
    if (!held.alive()) return;
    PyObject* room = PyImport_ImportModule("rushlight.functional._warning");
    PyObject* shown = room ? PyObject_CallMethod(room, "warn", "s", text.c_str()) : nullptr;
    Py_XDECREF(room);
    Py_XDECREF(shown);
    if (!shown) throw PythonError();
}

nb::dict describe(const Op& op) {
    nb::dict d;
    d["id"] = op.id;
    d["name"] = op.parsed.name;
    d["signature"] = op.signature;
    nb::list names;
    for (const std::string& path : op.paths) names.append(path);
    d["names"] = names;
    d["out"] = op.has_out;
    d["in_place"] = op.has_in_place;
    d["writes_first"] = op.writes_first;
    d["overwrites"] = op.overwrites;
    d["version"] = op.version;
    d["kind"] = name_of(op.kind);
    d["dtypes"] = op.dtypes;
    d["composite"] = op.compose != nullptr;
    d["differentiable"] = op.derivative.vjp       ? nb::object(nb::bool_(true))
                          : op.derivative.why_not ? nb::object(nb::str(op.derivative.why_not))
                                                  : nb::none();
    d["saves"] = op.derivative.saves;
    d["onnx"] = op.onnx.type ? nb::object(nb::make_tuple(op.onnx.type, op.onnx.opset)) : nb::none();
    d["no_onnx"] = op.onnx.why_not ? nb::object(nb::str(op.onnx.why_not)) : nb::none();
    d["domain"] = nb::make_tuple(op.samples.low, op.samples.high);
    d["samples"] = op.samples.calls ? nb::object(nb::str(op.samples.calls)) : nb::none();
    d["doc"] = op.doc ? nb::object(nb::str(op.doc)) : nb::none();
    d["kernel"] = op.kernel.run ? nb::object(nb::str(op.kernel.name)) : nb::none();
    nb::list params;
    for (const Param& p : op.parsed.params) {
        nb::dict one;
        one["name"] = p.name;
        one["type"] = p.type_text;
        one["keyword_only"] = p.keyword_only;
        one["has_default"] = p.has_default;
        params.append(one);
    }
    d["params"] = params;
    d["returns"] = op.parsed.returns_text;
    return d;
}

nb::dict memory() {
    MemoryStatistics s = memory_statistics();
    nb::dict d;
    d["in_use"] = s.in_use;
    d["peak_in_use"] = s.peak_in_use;
    d["cached"] = s.cached;
    d["system_allocations"] = s.system_allocations;
    return d;
}

}  // namespace

void require_cpu(PyObject* device, const char* op) {
    if (device == Py_None) return;
    PyObject* text = PyObject_Str(device);
    if (!text) throw PythonError();
    nb::object kept = nb::steal(text);
    std::string_view name = text_of(text);
    require(name == "cpu" || name == "cpu:0", ErrorKind::runtime, op, ": device='", name,
            "' is not available; expected 'cpu'");
}

Dims ints_argument(PyObject* o, const char* op, const char* param) {
    Dims out;
    bool fine = reading(op, param, [&] { return to_ints(o, &out); });
    require(fine, ErrorKind::type, op, ": argument '", param, "' must be a tuple of ints, not ", Py_TYPE(o)->tp_name);
    return out;
}

}  // namespace rushlight::python

namespace rushlight::python {
void add_random(nb::module_& m);
void add_device(nb::module_& m);
void add_about(nb::module_& m);
void add_autograd(nb::module_& m);
void add_watching(nb::module_& m);
void add_files(nb::module_& m);
void add_graph(nb::module_& m);
void add_guards(nb::module_& m);
void add_compiled_call(nb::module_& m);
}

NB_MODULE(_C, m) {
    using namespace rushlight;
    using namespace rushlight::python;
    nb::set_leak_warnings(false);
    interpreter_hooks = {release_interpreter, acquire_interpreter, show_warning};
    if (!add_dtype_type(m.ptr()) || !add_tensor_type(m.ptr()) || !add_exchange(m.ptr()) || !add_construction(m.ptr()) ||
        !add_conversion() || !add_mapping(m.ptr()) || !add_operators(m.ptr()))
        throw nb::python_error();
    nb::register_exception_translator([](const std::exception_ptr& p, void*) {
        try {
            std::rethrow_exception(p);
        } catch (const Error& e) {
            set_error(e);
        } catch (const PythonError&) {
        }
    });
    add_device(m);
    add_random(m);
    add_about(m);
    add_autograd(m);
    add_watching(m);
    add_graph(m);
    add_files(m);
    add_guards(m);
    add_compiled_call(m);
    m.attr("version") = RUSHLIGHT_VERSION;
    m.def("operators", [] {
        nb::list out;
        for (Op* op : all_ops()) out.append(describe(*op));
        return out;
    });
    m.def("_name_composite",
          [](nb::handle function, std::string name) { name_composite(function.ptr(), std::move(name)); });
    m.def("_named_results", [](const std::string& name, nb::args fields) {
        std::vector<std::string> names;
        for (nb::handle field : fields) names.push_back(nb::cast<std::string>(field));
        PyObject* type = new_result_type(name, names);
        if (!type) throw nb::python_error();
        return nb::steal(type);
    });
    m.attr("LinAlgError") = nb::borrow(linalg_error());
    m.def("_promote", &promote);
    m.def("_can_cast", &can_cast);
    m.def("_result_type", [](nb::handle a, nb::handle b) {
        Value values[2];
        nb::handle given[2] = {a, b};
        for (int i = 0; i < 2; ++i) {
            if (is_tensor(given[i].ptr())) values[i] = Value(impl_of(given[i].ptr()));
            else if (!to_number(given[i].ptr(), &values[i]))
                fail(ErrorKind::type, "result_type: expected tensors or numbers");
        }
        return rules::result_type(values);
    });
    // Returns what it was before.
    m.def("_set_standard_operators", [](bool on) { return std::exchange(standard_operators, on); });
    m.def("get_num_threads", &get_num_threads);
    m.def("set_num_threads", &set_num_threads);
    m.def("memory_statistics", &memory);
    m.def("reset_peak_memory", &reset_peak_memory);
    m.def("release_cached_memory", &release_cached_memory);
    m.def("get_default_dtype", &default_dtype);
    m.def("set_default_dtype", &set_default_dtype);
}
