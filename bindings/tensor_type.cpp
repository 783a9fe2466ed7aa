// rushlight.Tensor: the Python object that shows a TensorImpl. One impl has at most one object at a time, so that
// `x.grad is x.grad`. The object is known to the garbage collector only once it can refer to other Python objects.
#include "bindings/python.h"

#include <structmember.h>

namespace rushlight::python {

PyTypeObject* tensor_type = nullptr;

namespace {

constexpr int free_capacity = 64;
TensorObject* free_objects[free_capacity];
int free_count = 0;

TensorObject* fresh_object() {
    if (free_count > 0) {
        TensorObject* o = free_objects[--free_count];
        PyObject_Init(reinterpret_cast<PyObject*>(o), tensor_type);
        return o;
    }
    return PyObject_GC_New(TensorObject, tensor_type);
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    auto* o = reinterpret_cast<TensorObject*>(self);
    Py_VISIT(o->dict);
    // Hooks belong to the impl: they go with this object only when nothing else holds it.
    return o->impl && o->impl->tape && o->impl->use_count() == 1 ? visit_hooks(*o->impl, visit, arg) : 0;
}

int tensor_clear(PyObject* self) {
    auto* o = reinterpret_cast<TensorObject*>(self);
    Py_CLEAR(o->dict);
    if (o->impl && o->impl->tape && o->impl->use_count() == 1) clear_hooks(*o->impl);
    return 0;
}

void tensor_dealloc(PyObject* self) {
    auto* o = reinterpret_cast<TensorObject*>(self);
    if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (o->weak_references) PyObject_ClearWeakRefs(self);
    Py_CLEAR(o->dict);
    if (o->impl) {
        if (o->impl->python == self) o->impl->python = nullptr;
        Ref<TensorImpl>::adopt(o->impl);                  // drops the count
        o->impl = nullptr;
    }
    PyTypeObject* type = Py_TYPE(self);
    if (type == tensor_type && free_count < free_capacity) free_objects[free_count++] = o;
    else type->tp_free(self);
    Py_DECREF(type);
}

PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* keywords);

PyObject* tensor_get_dict(PyObject* self, void*) {
    auto* o = reinterpret_cast<TensorObject*>(self);
    if (!o->dict) {
        o->dict = PyDict_New();
        track(self);
    }
    return Py_XNewRef(o->dict);
}

int tensor_setattr(PyObject* self, PyObject* name, PyObject* value) {
    int status = PyObject_GenericSetAttr(self, name, value);
    if (status == 0 && reinterpret_cast<TensorObject*>(self)->dict) track(self);
    return status;
}

PyMemberDef tensor_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
    {}};

PyGetSetDef dict_property[] = {{"__dict__", tensor_get_dict, nullptr, nullptr, nullptr}, {}};

Py_ssize_t tensor_length(PyObject* self) {
    TensorImpl* t = impl_of(self);
    note_shape(*t);
    if (t->rank() == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
        return -1;
    }
    return Py_ssize_t(t->sizes[0]);
}

// Indexing, printing and iteration come from Python or from other binding files through these names.
PyObject* call_hook(PyObject* self, const char* name) { return PyObject_CallMethod(self, name, nullptr); }

PyObject* tensor_repr(PyObject* self) { return call_hook(self, "_repr"); }

PyObject* tensor_iter(PyObject* self) {
    if (impl_of(self)->rank() == 0) {
        PyErr_SetString(PyExc_TypeError, "iteration over a 0-d tensor");
        return nullptr;
    }
    PyObject* parts = PyObject_CallMethod(self, "unbind", "i", 0);
    PyObject* iterator = parts ? PyObject_GetIter(parts) : nullptr;
    Py_XDECREF(parts);
    return iterator;
}

Py_hash_t tensor_hash(PyObject* self) { return Py_hash_t(reinterpret_cast<uintptr_t>(self) >> 4); }

const char tensor_doc[] =
    "A multi-dimensional array of one dtype, on the CPU, that can take part in differentiation.\n\n"
    "Made by `tensor`, `zeros`, `randn`, `from_numpy` and other factories; "
    "`Tensor(*sizes)` and `Tensor(data)` make float tensors.";

// The object `Tensor(...)` of the older programs: sizes, or data of the default dtype.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* keywords) {
    if (keywords && PyDict_GET_SIZE(keywords) > 0 && type == tensor_type) {
        PyErr_SetString(PyExc_TypeError, "Tensor: takes sizes or one sequence; for keywords use rushlight.tensor");
        return nullptr;
    }
    return guarded([&]() -> PyObject* {
        Py_ssize_t n = PyTuple_GET_SIZE(args);
        if (n == 1 && is_tensor(PyTuple_GET_ITEM(args, 0))) {
            Tensor t = tensor_of(PyTuple_GET_ITEM(args, 0));
            return wrap_as(type, alias(t, t.sizes(), t.strides(), t->offset));
        }
        Dims sizes;
        if (n == 0 || (!PySequence_Check(PyTuple_GET_ITEM(args, 0)) && to_ints(args, &sizes)) ||
            (n == 1 && Py_TYPE(PyTuple_GET_ITEM(args, 0)) == size_type && to_ints(PyTuple_GET_ITEM(args, 0), &sizes)))
            return wrap_as(type, empty_tensor(n == 0 ? Dims{0} : sizes, default_dtype()));
        PyObject* module = PyImport_ImportModule("rushlight._C");
        PyObject* made = module
                             ? PyObject_CallMethod(module, "_tensor_of_default_dtype", "O", PyTuple_GET_ITEM(args, 0))
                             : nullptr;
        Py_XDECREF(module);
        if (!made || type == tensor_type) return made;
        PyObject* out = wrap_as(type, alias(tensor_of(made), impl_of(made)->sizes, impl_of(made)->strides, 0));
        Py_DECREF(made);
        return out;
    });
}

const PyType_Slot object_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(tensor_clear)},
                              {Py_tp_new, reinterpret_cast<void*>(tensor_new)},
                              {Py_tp_members, tensor_members},
                              {Py_tp_setattro, reinterpret_cast<void*>(tensor_setattr)},
                              {Py_tp_repr, reinterpret_cast<void*>(tensor_repr)},
                              {Py_tp_iter, reinterpret_cast<void*>(tensor_iter)},
                              {Py_tp_hash, reinterpret_cast<void*>(tensor_hash)},
                              {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
                              {Py_mp_length, reinterpret_cast<void*>(tensor_length)},
                              {Py_mp_subscript, reinterpret_cast<void*>(get_item)},
                              {Py_mp_ass_subscript, reinterpret_cast<void*>(set_item)},
                              {Py_tp_methods, tensor_methods},
                              {Py_tp_getset, tensor_properties},
                              {Py_tp_doc, const_cast<char*>(tensor_doc)}};

}  // namespace

void track(PyObject* tensor) {
    if (!PyObject_GC_IsTracked(tensor)) PyObject_GC_Track(tensor);
}

PyObject* wrap(const Tensor& t) {
    TensorImpl* impl = t.impl();
    if (!impl) Py_RETURN_NONE;
    if (impl->python) return Py_NewRef(static_cast<PyObject*>(impl->python));
    TensorObject* o = fresh_object();
    if (!o) return nullptr;
    impl->retain();
    o->impl = impl;
    o->dict = nullptr;
    o->weak_references = nullptr;
    impl->python = o;
    return reinterpret_cast<PyObject*>(o);
}

PyObject* wrap_as(PyTypeObject* type, const Tensor& t) {
    if (type == tensor_type) return wrap(t);
    auto* o = reinterpret_cast<TensorObject*>(type->tp_alloc(type, 0));
    if (!o) return nullptr;
    t.impl()->retain();
    o->impl = t.impl();
    o->impl->python = o;
    return reinterpret_cast<PyObject*>(o);
}

bool add_tensor_type(PyObject* module) {
    static std::vector<PyType_Slot> slots(std::begin(object_slots), std::end(object_slots));
    append_number_slots(slots);
    slots.push_back({0, nullptr});
    PyType_Spec spec = {"rushlight.Tensor", sizeof(TensorObject), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
    tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (!tensor_type) return false;
    PyObject* descriptor = PyDescr_NewGetSet(tensor_type, dict_property);
    bool fine = descriptor && PyDict_SetItemString(tensor_type->tp_dict, "__dict__", descriptor) == 0;
    Py_XDECREF(descriptor);
    PyType_Modified(tensor_type);
    return fine && PyModule_AddObjectRef(module, "Tensor", reinterpret_cast<PyObject*>(tensor_type)) == 0;
}

}  // namespace rushlight::python
