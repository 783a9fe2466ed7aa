// The tape's side of Tensor, the walk, and the modes.
#include "autograd/anomaly.h"
#include "autograd/engine.h"
#include "autograd/primitives.h"
#include "autograd/variable.h"
#include "bindings/autograd.h"
#include "graph/capture.h"
#include "registry/mode.h"

namespace nb = nanobind;

namespace rushlight::python {

using namespace autograd;

namespace {

// ---- properties ----------------------------------------------------------------------------------

PyObject* get_requires_grad(PyObject* self, void*) { return PyBool_FromLong(impl_of(self)->tracked()); }

template <class F>
int guarded_set(F&& f) {
    PyObject* done = guarded([&]() -> PyObject* {
        f();
        return Py_NewRef(Py_None);
    });
    Py_XDECREF(done);
    return done ? 0 : -1;
}

bool truth(PyObject* o, const char* what) {
    bool on = is_true(o);
    require(PyBool_Check(o), ErrorKind::type, what, " must be bool, not ", Py_TYPE(o)->tp_name);
    return on;
}

int set_requires_grad_property(PyObject* self, PyObject* value, void*) {
    return guarded_set([&] {
        require(value != nullptr, ErrorKind::runtime, "requires_grad: the attribute can't be deleted");
        autograd::set_requires_grad(*impl_of(self), truth(value, "requires_grad: the value"));
    });
}

PyObject* get_grad(PyObject* self, void*) {
    return guarded([&] { return wrap(gradient(*impl_of(self))); });
}

int set_grad(PyObject* self, PyObject* value, void*) {
    return guarded_set([&] {
        bool none = !value || value == Py_None;
        require(none || is_tensor(value), ErrorKind::type, "grad: assigned ",
                none ? "" : Py_TYPE(value)->tp_name, "; expected a Tensor or None");
        set_gradient(*impl_of(self), none ? Tensor() : tensor_of(value));
    });
}

PyObject* get_grad_fn(PyObject* self, void*) {
    return guarded_walk([&] { return wrap_node(grad_fn(*impl_of(self))); });
}
PyObject* get_is_leaf(PyObject* self, void*) {
    return guarded([&] { return PyBool_FromLong(is_leaf(*impl_of(self))); });
}
PyObject* get_output_nr(PyObject* self, void*) { return PyLong_FromUnsignedLong(impl_of(self)->output_nr); }
PyObject* get_retains_grad(PyObject* self, void*) { return PyBool_FromLong(retains_grad(*impl_of(self))); }
PyObject* get_base(PyObject* self, void*) { return wrap(Tensor(impl_of(self)->base)); }
PyObject* get_data(PyObject* self, void*) {
    return guarded([&] { return wrap(detach(tensor_of(self))); });
}
int set_data_property(PyObject* self, PyObject* value, void*) {
    return guarded_set([&] {
        require(value && is_tensor(value), ErrorKind::type, "data: assigned ",
                value ? Py_TYPE(value)->tp_name : "nothing", "; expected a Tensor");
        const TensorImpl &from = *impl_of(value), &to = *impl_of(self);
        bool as_it_is = from.storage == to.storage && from.offset == to.offset && from.sizes == to.sizes &&
                        from.strides == to.strides && from.dtype == to.dtype;
        if (!as_it_is) graph::Capture::refuse("giving a tensor other data");
        set_data(*impl_of(self), tensor_of(value));
    });
}

PyGetSetDef properties[] = {
    {"requires_grad", get_requires_grad, set_requires_grad_property,
     "True when gradients are recorded for this tensor.", nullptr},
    {"grad", get_grad, set_grad, "The gradient that backward() accumulated, or None.", nullptr},
    {"_grad", get_grad, set_grad, "The same as `grad`.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The recorded operation that this tensor is a result of, or None.",
     nullptr},
    {"is_leaf", get_is_leaf, nullptr, "True when no recorded operation made this tensor.", nullptr},
    {"output_nr", get_output_nr, nullptr, "Which result of grad_fn this is.", nullptr},
    {"retains_grad", get_retains_grad, nullptr, "True when retain_grad() was called on a result.", nullptr},
    {"_base", get_base, nullptr, "The tensor that this is a view of, or None.", nullptr},
    {"data", get_data, set_data_property,
     "The same memory without history. Changes through it count as changes "
     "of the tensor: a gradient that needs the old values raises.", nullptr},
    {}};

// ---- methods -------------------------------------------------------------------------------------

PyObject* method_requires_grad(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject* on = Py_True;
    static const char* names[] = {"requires_grad", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:requires_grad_", const_cast<char**>(names), &on))
        return nullptr;
    return guarded([&] {
        autograd::set_requires_grad(*impl_of(self), truth(on, "requires_grad_: argument 'requires_grad'"));
        return Py_NewRef(self);
    });
}

PyObject* method_detach_in_place(PyObject* self, PyObject*) {
    return guarded([&] {
        detach_in_place(*impl_of(self));
        return Py_NewRef(self);
    });
}

PyObject* method_retain_grad(PyObject* self, PyObject*) {
    return guarded([&] {
        retain_grad(*impl_of(self));
        return Py_NewRef(Py_None);
    });
}

PyObject* method_register_hook(PyObject* self, PyObject* f) {
    return guarded([&] {
        auto hook = tensor_hook(f);
        add_hook(*impl_of(self), hook);
        track(self);
        return wrap_handle(hook);
    });
}

PyObject* method_register_leaf_hook(PyObject* self, PyObject* f) {
    return guarded([&] {
        auto hook = leaf_hook(f);
        add_leaf_hook(*impl_of(self), hook);
        track(self);
        return wrap_handle(hook);
    });
}

PyObject* method_is_view(PyObject* self, PyObject*) { return PyBool_FromLong(bool(impl_of(self)->base)); }

// ---- the walk ------------------------------------------------------------------------------------

// One tensor, or a sequence of tensors and Nones.
std::vector<Tensor> tensors_of(PyObject* o, const char* op, const char* param) {
    if (o == Py_None) return {};
    if (is_tensor(o)) return {tensor_of(o)};
    require(PyTuple_Check(o) || PyList_Check(o), ErrorKind::type, op, ": argument '", param,
            "' must be a Tensor or a sequence of Tensors, not ", Py_TYPE(o)->tp_name);
    std::vector<Tensor> out;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, i);
        require(item == Py_None || is_tensor(item), ErrorKind::type, op, ": element ", i, " of argument '",
                param, "' must be a Tensor, not ", Py_TYPE(item)->tp_name);
        out.push_back(item == Py_None ? Tensor() : tensor_of(item));
    }
    return out;
}

void add_roots(Walk& w, const std::vector<Tensor>& roots, const std::vector<Tensor>& grads, const char* op) {
    require(grads.empty() || grads.size() == roots.size(), ErrorKind::runtime, op, ": got ", roots.size(),
            " tensors and ", grads.size(), " gradients; expected one gradient for each tensor");
    GradMode recording(w.create_graph);
    for (size_t i = 0; i < roots.size(); ++i) {
        require(roots[i].defined(), ErrorKind::type, op, ": element ", i, " of argument 'tensors' must be a "
                "Tensor, not None");
        w.grads.push_back(first_gradient(roots[i], grads.empty() ? Tensor() : grads[i], i));
        w.roots.push_back(gradient_edge(*roots[i].impl()));
    }
}

void run_backward(const std::vector<Tensor>& roots, const std::vector<Tensor>& grads, bool keep,
                  bool create, const std::vector<Tensor>* inputs) {
    Walk w;
    w.keep_graph = keep;
    w.create_graph = create;
    require(!inputs || !inputs->empty(), ErrorKind::runtime, "backward: argument 'inputs' is empty; expected "
            "at least one Tensor");
    if (inputs)
        for (size_t i = 0; i < inputs->size(); ++i) {
            const Tensor& t = (*inputs)[i];
            require(t.defined() && t->tracked(), ErrorKind::runtime, "backward: element ", i,
                    " of argument 'inputs' does not require grad");
            retain_grad(*t.impl());
            w.inputs.push_back(gradient_edge(*t.impl()));
        }
    add_roots(w, roots, grads, "backward");
    walk(std::move(w));
}

bool flag(PyObject* o, bool otherwise) {
    return o == Py_None ? otherwise : is_true(o);
}

PyObject* method_backward(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
    return guarded_walk([&] {
        static const char* known[] = {"gradient", "retain_graph", "create_graph", "inputs"};
        PyObject* given[4] = {Py_None, Py_None, Py_False, Py_None};
        require(n <= 4, ErrorKind::type, "backward: takes at most 4 arguments, got ", n);
        for (Py_ssize_t i = 0; i < n; ++i) given[i] = args[i];
        for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names); ++k) {
            PyObject* key = PyTuple_GET_ITEM(names, k);
            int place = 0;
            while (place < 4 && PyUnicode_CompareWithASCIIString(key, known[place]) != 0) ++place;
            require(place < 4, ErrorKind::type, "backward: unexpected keyword argument '", text_of(key), "'");
            require(place >= n, ErrorKind::type, "backward: argument '", known[place], "' was given twice");
            given[place] = args[n + k];
        }
        bool create = flag(given[2], false), keep = flag(given[1], create);
        require(given[0] == Py_None || is_tensor(given[0]), ErrorKind::type, "backward: argument 'gradient' "
                "must be a Tensor or None, not ", Py_TYPE(given[0])->tp_name);
        std::vector<Tensor> inputs = tensors_of(given[3], "backward", "inputs");
        std::vector<Tensor> grads;
        if (given[0] != Py_None) grads.push_back(tensor_of(given[0]));
        run_backward({tensor_of(self)}, grads, keep, create, given[3] == Py_None ? nullptr : &inputs);
        return Py_NewRef(Py_None);
    });
}

// _backward(tensors, grads, keep, create, inputs or None)
void backward(nb::object tensors, nb::object grads, bool keep, bool create, nb::object inputs) {
    std::vector<Tensor> wanted = tensors_of(inputs.ptr(), "backward", "inputs");
    run_backward(tensors_of(tensors.ptr(), "backward", "tensors"),
                 tensors_of(grads.ptr(), "backward", "grad_tensors"), keep, create,
                 inputs.is_none() ? nullptr : &wanted);
}

// _grad(outputs, inputs, grads, keep, create, allow_unused) -> list of gradients, None where an input was
// not used.
nb::object grad(nb::object outputs, nb::object inputs, nb::object grads, bool keep, bool create,
                bool allow_unused) {
    Walk w;
    w.keep_graph = keep;
    w.create_graph = create;
    w.accumulate = false;
    std::vector<Tensor> wanted = tensors_of(inputs.ptr(), "grad", "inputs");
    require(!wanted.empty(), ErrorKind::value, "grad: argument 'inputs' is empty; expected at least one "
            "Tensor");
    for (size_t i = 0; i < wanted.size(); ++i) {
        require(wanted[i].defined(), ErrorKind::type, "grad: element ", i, " of argument 'inputs' must be a "
                "Tensor, not None");
        require(wanted[i]->tracked(), ErrorKind::runtime, "grad: element ", i, " of argument 'inputs', of "
                "shape ", wanted[i].sizes(), ", does not require grad");
        w.inputs.push_back(gradient_edge(*wanted[i].impl()));
    }
    add_roots(w, tensors_of(outputs.ptr(), "grad", "outputs"),
              tensors_of(grads.ptr(), "grad", "grad_outputs"), "grad");
    std::vector<Tensor> found = walk(std::move(w));
    for (size_t i = 0; i < found.size(); ++i)
        require(allow_unused || found[i].defined(), ErrorKind::runtime, "grad: element ", i,
                " of argument 'inputs', of shape ", wanted[i].sizes(), ", appears to not have been used in "
                "the graph; set allow_unused=True if that is meant");
    return checked(tensor_tuple(found));
}

// ---- modes ---------------------------------------------------------------------------------------

std::string stack_text() {
    Interpreter lock;
    nb::object lines = nb::module_::import_("traceback").attr("format_stack")();
    return nb::str(nb::str("").attr("join")(lines)).c_str();
}

PyMethodDef methods[] = {
    {"requires_grad_", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_requires_grad)),
     METH_VARARGS | METH_KEYWORDS,
     "requires_grad_(requires_grad=True) -> Tensor\n\nSays whether gradients are recorded "
     "for this leaf; returns it.\n\n"
     "Raises RuntimeError for integer tensors, and for results when False."},
    {"detach_", method_detach_in_place, METH_NOARGS,
     "detach_() -> Tensor\n\nTakes this tensor off the tape and makes "
     "it a leaf. Raises RuntimeError for views."},
    {"retain_grad", method_retain_grad, METH_NOARGS,
     "retain_grad()\n\nKeeps the gradient of this result in `.grad`, as leaves "
     "do. Raises RuntimeError when it does not require grad."},
    {"register_hook", method_register_hook, METH_O,
     "register_hook(hook) -> handle\n\nCalls hook(grad) whenever the gradient "
     "of this tensor is computed; a Tensor it returns replaces the gradient."},
    {"register_post_accumulate_grad_hook", method_register_leaf_hook, METH_O,
     "register_post_accumulate_grad_hook(hook) -> handle\n\nCalls hook(tensor) after backward() "
     "has added to `.grad` of this leaf."},
    {"_is_view", method_is_view, METH_NOARGS, "_is_view() -> bool\n\nTrue when the tensor is "
     "a view of another one."},
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_backward)),
     METH_FASTCALL | METH_KEYWORDS,
     R"(backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)

Adds the gradient of this tensor with respect to every leaf it came from to that leaf's `.grad`.

Args:
    gradient: the gradient to start from, of this tensor's shape; not needed for one element.
    retain_graph: keep what was saved, to walk again. Default: create_graph.
    create_graph: record the derivatives, to differentiate again. A leaf and its `.grad` then keep each
        other alive until `.grad` is set to None; grad() leaves no such circle.
    inputs: only these accumulate.

Raises RuntimeError when nothing requires grad, at a second walk without retain_graph, and when a saved
tensor was changed in place.

Example:
    >>> x = rushlight.tensor([1., 2.], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.]))"},
    {}};

void add_to_tensor(PyObject* descriptor, const char* name) {
    if (!descriptor || PyDict_SetItemString(tensor_type->tp_dict, name, descriptor) != 0)
        nb::raise_python_error();
    Py_DECREF(descriptor);
}

}  // namespace

void add_autograd(nb::module_& m) {
    for (PyGetSetDef* p = properties; p->name; ++p) add_to_tensor(PyDescr_NewGetSet(tensor_type, p), p->name);
    for (PyMethodDef* p = methods; p->ml_name; ++p)
        add_to_tensor(PyDescr_NewMethod(tensor_type, p), p->ml_name);
    PyType_Modified(tensor_type);
    add_nodes(m);
    add_functions(m);
    anomaly.trace = stack_text;
    m.def("_backward", &backward, nb::arg("tensors").none(), nb::arg("grads").none(), nb::arg("keep"),
          nb::arg("create"), nb::arg("inputs").none());
    m.def("_grad", &grad, nb::arg("outputs"), nb::arg("inputs"), nb::arg("grads").none(), nb::arg("keep"),
          nb::arg("create"), nb::arg("allow_unused"));
    m.def("is_grad_enabled", [] { return mode.grad; }, "is_grad_enabled() -> bool\n\nTrue when operations "
          "on tensors that require grad are recorded.");
    m.def("is_inference_mode_enabled", [] { return mode.inference; },
          "is_inference_mode_enabled() -> bool\n\nTrue inside inference_mode().");
    m.def("_set_grad_enabled", [](bool on) { mode.grad = on; });
    m.def("_set_inference_mode", [](bool on) { mode.inference = on; });
    m.def("_autocast", [] { return mode.autocast; });
    m.def("_autocast_dtype", [] { return mode.autocast_dtype; });
    m.def("_set_autocast", [](bool on, DType dtype) {
        mode.autocast = on;
        mode.autocast_dtype = dtype;
    });
    m.def("is_anomaly_enabled", [] { return anomaly.enabled; },
          "is_anomaly_enabled() -> bool\n\nTrue when anomaly mode is on.");
    m.def("is_anomaly_check_nan_enabled", [] { return anomaly.check_nan; },
          "is_anomaly_check_nan_enabled() -> bool\n\nTrue when anomaly mode looks for NaN in gradients.");
    m.def("_set_anomaly", [](bool enabled, bool check_nan, bool check_infinite) {
        anomaly.enabled = enabled;
        anomaly.check_nan = check_nan;
        anomaly.check_infinite = check_infinite;
    }, nb::arg(), nb::arg(), nb::arg("check_infinite") = false);
    m.def("_current_walk", &current_walk);
}

}  // namespace rushlight::python
