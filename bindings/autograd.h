// What the files that bind the tape share: nodes as Python objects, hooks, errors of Python code under the
// walk.
#pragma once

#include <nanobind/nanobind.h>

#include "autograd/node.h"
#include "bindings/convert.h"
#include "bindings/python.h"

namespace rushlight::python {

// A Python object that C++ objects own from any thread.
class Held {
public:
    explicit Held(PyObject* o) : o_(Py_NewRef(o)) {}
    ~Held() {
        Interpreter lock;
        if (lock.alive()) Py_DECREF(o_);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    PyObject* get() const { return o_; }

private:
    PyObject* o_;
};

// Errors of Python code leave the walk as exceptions that carry them.
inline nanobind::object checked(PyObject* made) {
    if (!made) nanobind::raise_python_error();
    return nanobind::steal(made);
}

// `guarded` for functions under which Python code runs.
template <class F>
PyObject* guarded_walk(F&& f) noexcept {
    return guarded([&]() -> PyObject* {
        try {
            return f();
        } catch (nanobind::python_error& e) {
            e.restore();
            throw PythonError();
        }
    });
}

struct NodeObject {
    PyObject_HEAD
    // owned by plain nodes; of a function's context: borrowed, null once the node is gone
    autograd::Node* node;
    bool owned;
};
extern PyTypeObject* node_type;
PyObject* wrap_node(autograd::Node* node);                 // new reference; None when null

PyObject* tensor_tuple(std::span<const Tensor> tensors);   // undefined ones become None
PyObject* wrap_handle(std::shared_ptr<autograd::Hook> hook);
std::shared_ptr<autograd::TensorHook> tensor_hook(PyObject* function);
std::shared_ptr<autograd::LeafHook> leaf_hook(PyObject* function);

void add_nodes(nanobind::module_& m);
void add_functions(nanobind::module_& m);

}  // namespace rushlight::python
