// Nodes of the tape as Python objects, and Python functions as hooks.
#include <cstring>

#include "autograd/engine.h"
#include "autograd/variable.h"
#include "bindings/autograd.h"
#include "registry/training.h"

namespace nb = nanobind;

namespace rushlight::python {

using namespace autograd;

PyTypeObject* node_type = nullptr;

PyObject* tensor_tuple(std::span<const Tensor> tensors) {
    PyObject* tuple = PyTuple_New(Py_ssize_t(tensors.size()));
    for (size_t i = 0; tuple && i < tensors.size(); ++i) {
        PyObject* item = wrap(tensors[i]);
        if (!item) Py_CLEAR(tuple);
        else PyTuple_SET_ITEM(tuple, Py_ssize_t(i), item);
    }
    return tuple;
}

// ---- hooks ---------------------------------------------------------------------------------------

namespace {

Tensor replacement(PyObject* given, const Tensor& before, const char* what) {
    require(is_tensor(given), ErrorKind::type, what, ": the hook returned ", Py_TYPE(given)->tp_name,
            "; expected a Tensor or None");
    Tensor t = tensor_of(given);
    require(!before.defined() || t.sizes() == before.sizes(), ErrorKind::runtime, what, ": the hook changed "
            "the gradient's shape from ", before.sizes(), " to ", t.sizes());
    require(!before.defined() || t.dtype() == before.dtype(), ErrorKind::runtime, what, ": the hook changed "
            "the gradient's dtype from ", name_of(before.dtype()), " to ", name_of(t.dtype()));
    return t;
}

void replace_all(PyObject* given, std::span<Tensor> grads, const char* what) {
    if (given == Py_None) return;
    if (is_tensor(given) && grads.size() == 1) {
        grads[0] = replacement(given, grads[0], what);
        return;
    }
    require(PyTuple_Check(given), ErrorKind::type, what, ": the hook returned ", Py_TYPE(given)->tp_name,
            "; expected a tuple of Tensors or None");
    require(size_t(PyTuple_GET_SIZE(given)) == grads.size(), ErrorKind::runtime, what, ": the hook returned ",
            PyTuple_GET_SIZE(given), " gradients; expected ", grads.size());
    for (size_t i = 0; i < grads.size(); ++i) {
        PyObject* item = PyTuple_GET_ITEM(given, Py_ssize_t(i));
        grads[i] = item == Py_None ? Tensor() : replacement(item, grads[i], what);
    }
}

struct PyTensorHook final : TensorHook {
    explicit PyTensorHook(PyObject* f) : function(f) {}
    void call(Tensor& grad) override {
        Interpreter lock;
        nb::object shown = checked(wrap(grad));
        nb::object given = checked(PyObject_CallOneArg(function.get(), shown.ptr()));
        shown.reset();
        if (!given.is_none()) grad = replacement(given.ptr(), grad, "register_hook");
    }
    Held function;
};

struct PyLeafHook final : LeafHook {
    explicit PyLeafHook(PyObject* f) : function(f) {}
    void call(const Tensor& leaf) override {
        Interpreter lock;
        nb::object given = checked(PyObject_CallOneArg(function.get(), checked(wrap(leaf)).ptr()));
        require(given.is_none(), ErrorKind::runtime, "register_post_accumulate_grad_hook: the hook returned ",
                Py_TYPE(given.ptr())->tp_name, "; expected None");
    }
    Held function;
};

struct PyPreHook final : PreHook {
    explicit PyPreHook(PyObject* f) : function(f) {}
    void call(std::span<Tensor> grads) override {
        Interpreter lock;
        nb::object shown = checked(tensor_tuple(grads));
        replace_all(checked(PyObject_CallOneArg(function.get(), shown.ptr())).ptr(), grads,
                    "register_prehook");
    }
    Held function;
};

struct PyPostHook final : PostHook {
    explicit PyPostHook(PyObject* f) : function(f) {}
    void call(std::span<Tensor> of_inputs, std::span<const Tensor> of_results) override {
        Interpreter lock;
        nb::object inputs = checked(tensor_tuple(of_inputs)), results = checked(tensor_tuple(of_results));
        PyObject* args[] = {inputs.ptr(), results.ptr()};
        replace_all(checked(PyObject_Vectorcall(function.get(), args, 2, nullptr)).ptr(), of_inputs,
                    "register_hook");
    }
    Held function;
};

// What registering a hook returns.
struct HookHandle {
    std::weak_ptr<Hook> hook;
    uint64_t id;
    void remove() {
        if (auto alive = hook.lock()) alive->removed = true;
        ++leaf_hook_changes;
    }
};

PyObject* require_callable(PyObject* f, const char* what) {
    require(PyCallable_Check(f), ErrorKind::type, what, ": argument 'hook' must be callable, not ",
            Py_TYPE(f)->tp_name);
    return f;
}

}  // namespace

int visit_hooks(const TensorImpl& t, visitproc visit, void* arg) {
    const TensorTape& tape = *tape_if_any(t);
    int stop = 0;
    auto show = [&](PyObject* function) { if (!stop) stop = visit(function, arg); };
    tape.hooks.visit([&](TensorHook& hook) {
        if (auto* mine = dynamic_cast<PyTensorHook*>(&hook)) show(mine->function.get());
    });
    tape.after_accumulation.visit([&](LeafHook& hook) {
        if (auto* mine = dynamic_cast<PyLeafHook*>(&hook)) show(mine->function.get());
    });
    return stop;
}

void clear_hooks(TensorImpl& t) {
    tape_of(t).hooks.clear();
    tape_of(t).after_accumulation.clear();
}

PyObject* wrap_handle(std::shared_ptr<Hook> hook) {
    static std::atomic<uint64_t> ids{0};
    return nb::cast(HookHandle{hook, ids++}).release().ptr();
}

std::shared_ptr<TensorHook> tensor_hook(PyObject* f) {
    return std::make_shared<PyTensorHook>(require_callable(f, "register_hook"));
}
std::shared_ptr<LeafHook> leaf_hook(PyObject* f) {
    return std::make_shared<PyLeafHook>(require_callable(f, "register_post_accumulate_grad_hook"));
}

// ---- the node type -------------------------------------------------------------------------------

namespace {

const char* short_name(PyObject* self) {
    const char* dot = std::strrchr(Py_TYPE(self)->tp_name, '.');
    return dot ? dot + 1 : Py_TYPE(self)->tp_name;
}

Node* need_node(PyObject* self) {
    Node* n = reinterpret_cast<NodeObject*>(self)->node;
    require(n != nullptr, ErrorKind::runtime, short_name(self), ": the graph that this function was part of "
            "is gone");
    return n;
}

void node_dealloc(PyObject* self) {
    auto* o = reinterpret_cast<NodeObject*>(self);
    PyTypeObject* type = Py_TYPE(self);
    if (PyType_IS_GC(type)) PyObject_GC_UnTrack(self);
    if (o->node && o->owned) {
        o->node->python = nullptr;
        Ref<TapeNode>::adopt(std::exchange(o->node, nullptr));
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* node_repr(PyObject* self) {
    return PyUnicode_FromFormat("<%s object at %p>", short_name(self), self);
}

PyObject* node_name(PyObject* self, PyObject*) {
    return guarded([&] {
        Node* n = reinterpret_cast<NodeObject*>(self)->node;
        return PyUnicode_FromString(n ? n->name().c_str() : short_name(self));
    });
}

PyObject* node_next(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        std::span<const Edge> edges = need_node(self)->edges();
        PyObject* tuple = PyTuple_New(Py_ssize_t(edges.size()));
        for (size_t i = 0; tuple && i < edges.size(); ++i) {
            PyObject* pair = Py_BuildValue("(NI)", wrap_node(edges[i].node.get()), edges[i].slot);
            if (!pair) Py_CLEAR(tuple);
            else PyTuple_SET_ITEM(tuple, Py_ssize_t(i), pair);
        }
        return tuple;
    });
}

PyObject* node_variable(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        if (auto* sink = dynamic_cast<AccumulateGrad*>(need_node(self)))
            return wrap(Tensor(&sink->variable()));
        PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute 'variable'", short_name(self));
        return nullptr;
    });
}

PyObject* node_sequence(PyObject* self, PyObject*) {
    return guarded([&] { return PyLong_FromUnsignedLongLong(need_node(self)->sequence()); });
}

PyObject* node_register_hook(PyObject* self, PyObject* f) {
    return guarded([&] {
        auto hook = std::make_shared<PyPostHook>(require_callable(f, "register_hook"));
        need_node(self)->extras().post_hooks.add(hook);
        return wrap_handle(hook);
    });
}

PyObject* node_register_prehook(PyObject* self, PyObject* f) {
    return guarded([&] {
        auto hook = std::make_shared<PyPreHook>(require_callable(f, "register_prehook"));
        need_node(self)->extras().pre_hooks.add(hook);
        return wrap_handle(hook);
    });
}

PyObject* node_new(PyTypeObject* type, PyObject*, PyObject*) {
    if (type == node_type) {
        PyErr_SetString(PyExc_TypeError, "Node: nodes are made by recorded operations only");
        return nullptr;
    }
    return type->tp_alloc(type, 0);                      // a function's context
}

PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "name() -> str\n\nThe name of the recorded operation."},
    {"register_hook", node_register_hook, METH_O,
     "register_hook(hook) -> handle\n\nCalls hook(grad_inputs, grad_outputs) "
     "after this node has run; a tuple it returns replaces grad_inputs."},
    {"register_prehook", node_register_prehook, METH_O,
     "register_prehook(hook) -> handle\n\nCalls hook(grad_outputs) before this "
     "node runs; a tuple it returns replaces grad_outputs."},
    {"_sequence_nr", node_sequence, METH_NOARGS, "_sequence_nr() -> int\n\nThe order of recording "
     "within a thread."},
    {}};

PyGetSetDef node_properties[] = {
    {"next_functions", node_next, nullptr, "Pairs of the nodes that the inputs came from and "
     "the results they were.", nullptr},
    {"variable", node_variable, nullptr, "The leaf, of AccumulateGrad.", nullptr},
    {}};

PyType_Slot node_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
                            {Py_tp_new, reinterpret_cast<void*>(node_new)},
                            {Py_tp_repr, reinterpret_cast<void*>(node_repr)},
                            {Py_tp_methods, node_methods},
                            {Py_tp_getset, node_properties},
                            {Py_tp_doc, const_cast<char*>("A recorded operation of the "
                                                          "autograd graph; `tensor.grad_fn`.")},
                            {0, nullptr}};
PyType_Spec node_spec = {"rushlight.autograd.graph.Node", sizeof(NodeObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, node_slots};

// One type per kind of node, so that type(x.grad_fn).__name__ tells.
PyTypeObject* type_named(const std::string& name) {
    static auto* types = new std::vector<std::pair<std::string, PyTypeObject*>>;
    for (auto& [known, type] : *types) if (known == name) return type;
    PyType_Slot slots[] = {{Py_tp_base, node_type}, {0, nullptr}};
    PyType_Spec spec = {kept_text("rushlight.autograd." + name), sizeof(NodeObject), 0, Py_TPFLAGS_DEFAULT, slots};
    auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (!type) nb::raise_python_error();
    types->emplace_back(name, type);
    return type;
}

}  // namespace

PyObject* wrap_node(Node* node) {
    if (!node) Py_RETURN_NONE;
    if (node->python) return Py_NewRef(static_cast<PyObject*>(node->python));
    PyTypeObject* type = type_named(node->name());
    auto* o = reinterpret_cast<NodeObject*>(type->tp_alloc(type, 0));
    if (!o) return nullptr;
    node->retain();
    o->node = node;
    o->owned = true;
    node->python = o;
    return reinterpret_cast<PyObject*>(o);
}

namespace {

// A node of the graph, not kept alive.
struct WatchedNode {
    std::shared_ptr<Watch> watch;
    bool will_run() const { return watch->will_run(); }
};

}  // namespace

void add_nodes(nb::module_& m) {
    node_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&node_spec));
    auto* type = reinterpret_cast<PyObject*>(node_type);
    if (!type || PyModule_AddObjectRef(m.ptr(), "Node", type) != 0) nb::raise_python_error();
    nb::class_<WatchedNode>(m, "_WatchedNode").def("will_run", &WatchedNode::will_run);
    m.def("_watch_gradient", [](nb::handle tensor) {
        require(is_tensor(tensor.ptr()), ErrorKind::type, "register_multi_grad_hook: tensors holds a value of type ",
                Py_TYPE(tensor.ptr())->tp_name, "; expected Tensors");
        return WatchedNode{watch_gradient(*impl_of(tensor.ptr()))};
    });
    nb::class_<HookHandle>(m, "RemovableHandle", "Removes a hook: `handle.remove()`, or at the end "
                           "of a `with handle:` block.")
        .def("remove", &HookHandle::remove, "Stops the hook from being called.")
        .def_ro("id", &HookHandle::id)
        .def("__enter__", [](HookHandle& h) -> HookHandle& { return h; }, nb::rv_policy::reference)
        .def("__exit__", [](HookHandle& h, nb::args) { h.remove(); });
}

}  // namespace rushlight::python
