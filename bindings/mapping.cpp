// Memory mapped from a file descriptor, as a Python object with the buffer protocol. It is unmapped without a line of
// Python: an interrupt that arrives in a finalizer would be lost.
#include <sys/mman.h>

#include "bindings/python.h"

namespace rushlight::python {

namespace {

struct MappingObject {
    PyObject_HEAD
    void* data;
    Py_ssize_t size;
};

PyObject* new_mapping(PyTypeObject* type, PyObject* args, PyObject*) {
    int descriptor = -1;
    Py_ssize_t size = 0;
    if (!PyArg_ParseTuple(args, "in:_Mapping", &descriptor, &size)) return nullptr;
    if (size <= 0) return PyErr_Format(PyExc_ValueError, "_Mapping: size=%zd; expected at least 1", size);
    auto* self = reinterpret_cast<MappingObject*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
#ifdef MAP_POPULATE
    constexpr int flags = MAP_SHARED | MAP_POPULATE;     // all pages will be used: cheaper than a fault for each
#else
    constexpr int flags = MAP_SHARED;
#endif
    Py_BEGIN_ALLOW_THREADS
    self->data = mmap(nullptr, size_t(size), PROT_READ | PROT_WRITE, flags, descriptor, 0);
    Py_END_ALLOW_THREADS
    if (self->data == MAP_FAILED) {
        self->data = nullptr;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return nullptr;
    }
    self->size = size;
    return reinterpret_cast<PyObject*>(self);
}

void free_mapping(PyObject* o) {
    auto* self = reinterpret_cast<MappingObject*>(o);
    if (self->data) munmap(self->data, size_t(self->size));
    PyTypeObject* type = Py_TYPE(o);
    type->tp_free(o);
    Py_DECREF(type);
}

int get_buffer(PyObject* o, Py_buffer* view, int flags) {
    auto* self = reinterpret_cast<MappingObject*>(o);
    return PyBuffer_FillInfo(view, o, self->data, self->size, 0, flags);
}

}  // namespace

bool add_mapping(PyObject* module) {
    PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(new_mapping)},
                           {Py_tp_dealloc, reinterpret_cast<void*>(free_mapping)},
                           {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                           {Py_tp_doc, const_cast<char*>("_Mapping(descriptor, size): memory that is shared")},
                           {0, nullptr}};
    PyType_Spec spec = {"rushlight._C._Mapping", sizeof(MappingObject), 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject* type = PyType_FromSpec(&spec);
    bool added = type && PyModule_AddObjectRef(module, "_Mapping", type) == 0;
    Py_XDECREF(type);
    return added;
}

}  // namespace rushlight::python
