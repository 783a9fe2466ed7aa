// rushlight.dtype and its values; rushlight.Size.
#include "bindings/python.h"

namespace rushlight::python {

PyTypeObject* dtype_type = nullptr;
PyTypeObject* size_type = nullptr;

namespace {

PyObject* dtype_objects[dtype_count] = {};

PyObject* dtype_repr(PyObject* self) { return PyUnicode_FromFormat("rushlight.%s", name_of(dtype_of(self))); }

PyObject* dtype_reduce(PyObject* self, PyObject*) {       // pickled as the name it has in the package
    return PyUnicode_FromString(name_of(dtype_of(self)));
}

PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr}, {}};

PyGetSetDef dtype_properties[] = {
    {"is_floating_point", [](PyObject* o, void*) { return PyBool_FromLong(is_floating(dtype_of(o))); }, nullptr,
     "True for float16, bfloat16, float32 and float64.", nullptr},
    {"is_complex", [](PyObject* o, void*) { return PyBool_FromLong(is_complex(dtype_of(o))); }, nullptr,
     "True for complex64 and complex128.", nullptr},
    {"is_signed", [](PyObject* o, void*) { return PyBool_FromLong(info(dtype_of(o)).is_signed); }, nullptr,
     "True when negative values can be held.", nullptr},
    {"itemsize", [](PyObject* o, void*) { return PyLong_FromLongLong(size_of(dtype_of(o))); }, nullptr,
     "Bytes per element.", nullptr},
    {"name", [](PyObject* o, void*) { return PyUnicode_FromString(name_of(dtype_of(o))); }, nullptr,
     "The name without the package.", nullptr},
    {}};

PyType_Slot dtype_slots[] = {{Py_tp_repr, reinterpret_cast<void*>(dtype_repr)},
                             {Py_tp_methods, dtype_methods},
                             {Py_tp_getset, dtype_properties},
                             {Py_tp_doc, const_cast<char*>("The type of a tensor's elements.")},
                             {0, nullptr}};
PyType_Spec dtype_spec = {
    "rushlight.dtype", sizeof(DTypeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, dtype_slots};

PyObject* size_repr(PyObject* self) {
    PyObject* list = PySequence_List(self);
    PyObject* text = list ? PyUnicode_FromFormat("rushlight.Size(%R)", list) : nullptr;
    Py_XDECREF(list);
    return text;
}

PyObject* size_numel(PyObject* self, PyObject*) {
    PyObject* n = PyLong_FromLong(1);
    for (Py_ssize_t i = 0; n && i < PyTuple_GET_SIZE(self); ++i) {
        PyObject* size = PyNumber_Index(PyTuple_GET_ITEM(self, i));
        PyObject* product = size ? PyNumber_Multiply(n, size) : nullptr;
        Py_XDECREF(size);
        Py_SETREF(n, product);
    }
    return n;
}

PyObject* size_from_tuple(PyObject* tuple) {              // steals `tuple`
    if (!tuple || !PyTuple_Check(tuple) || Py_TYPE(tuple) == size_type) return tuple;
    PyObject* made = PyObject_CallOneArg(reinterpret_cast<PyObject*>(size_type), tuple);
    Py_DECREF(tuple);
    return made;
}

PyObject* size_subscript(PyObject* self, PyObject* key) {
    return size_from_tuple(PyTuple_Type.tp_as_mapping->mp_subscript(self, key));
}

PyObject* size_concat(PyObject* self, PyObject* other) {
    return size_from_tuple(PyTuple_Type.tp_as_sequence->sq_concat(self, other));
}

PyObject* size_reduce(PyObject* self, PyObject*) {
    PyObject* plain = PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self));
    if (plain && Py_TYPE(plain) != &PyTuple_Type) {
        PyObject* list = PySequence_List(self);
        Py_DECREF(plain);
        plain = list ? PyList_AsTuple(list) : nullptr;
        Py_XDECREF(list);
    }
    return plain ? Py_BuildValue("O(N)", size_type, plain) : nullptr;
}

PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "The product of the sizes."},
                              {"__reduce__", size_reduce, METH_NOARGS, nullptr},
                              {}};

PyType_Slot size_slots[] = {{Py_tp_repr, reinterpret_cast<void*>(size_repr)},
                            {Py_tp_methods, size_methods},
                            {Py_mp_subscript, reinterpret_cast<void*>(size_subscript)},
                            {Py_sq_concat, reinterpret_cast<void*>(size_concat)},
                            {Py_tp_doc, const_cast<char*>("The shape of a tensor: a tuple of ints.")},
                            {0, nullptr}};
PyType_Spec size_spec = {"rushlight.Size", 0, 0, Py_TPFLAGS_DEFAULT, size_slots};

}  // namespace

PyObject* wrap_dtype(DType t) { return Py_NewRef(dtype_objects[int(t)]); }

PyObject* wrap_size(const Dims& sizes) {
    PyObject* made = size_type->tp_alloc(size_type, sizes.size());
    if (!made) return nullptr;
    for (int i = 0; i < sizes.size(); ++i) {
        PyObject* n = PyLong_FromLongLong(sizes[i]);
        if (!n) {
            Py_DECREF(made);
            return nullptr;
        }
        PyTuple_SET_ITEM(made, i, n);
    }
    return made;
}

bool add_dtype_type(PyObject* module) {
    dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&dtype_spec));
    if (!dtype_type || PyModule_AddObjectRef(module, "dtype", reinterpret_cast<PyObject*>(dtype_type)) < 0)
        return false;
    for (int i = 0; i < dtype_count; ++i) {
        auto* o = PyObject_New(DTypeObject, dtype_type);
        if (!o) return false;
        o->dtype = DType(i);
        dtype_objects[i] = reinterpret_cast<PyObject*>(o);
        if (PyModule_AddObjectRef(module, name_of(DType(i)), dtype_objects[i]) < 0) return false;
    }
    size_type = reinterpret_cast<PyTypeObject*>(
        PyType_FromSpecWithBases(&size_spec, reinterpret_cast<PyObject*>(&PyTuple_Type)));
    return size_type && PyModule_AddObjectRef(module, "Size", reinterpret_cast<PyObject*>(size_type)) == 0;
}

}  // namespace rushlight::python
