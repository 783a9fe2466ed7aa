// Memory shared with others: the storage object (buffer protocol), NumPy views, DLPack in and out.
#include <cstring>

#include "bindings/dlpack.h"
#include "bindings/python.h"

namespace rushlight::python {

namespace {

// ---- UntypedStorage -------------------------------------------------------------------------------------------------

struct StorageObject {
    PyObject_HEAD
    Storage* storage;
    bool shared;                 // its memory was handed out to be written
};
PyTypeObject* storage_type = nullptr;

Storage* storage_of(PyObject* o) { return reinterpret_cast<StorageObject*>(o)->storage; }

PyObject* wrap_storage(const Ref<Storage>& s) {
    auto* o = PyObject_New(StorageObject, storage_type);
    if (!o) return nullptr;
    s->retain();
    o->storage = s.get();
    o->shared = false;
    return reinterpret_cast<PyObject*>(o);
}

void storage_dealloc(PyObject* self) {
    Ref<Storage> last = Ref<Storage>::adopt(storage_of(self));
    if (reinterpret_cast<StorageObject*>(self)->shared) last->end_sharing();
    PyTypeObject* type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

int storage_getbuffer(PyObject* self, Py_buffer* view, int flags) {
    Storage* s = storage_of(self);
    static char nothing = 0;
    // NumPy keeps the object, not the buffer: until this object goes, somebody may write.
    if (bool& shared = reinterpret_cast<StorageObject*>(self)->shared; !shared && !s->read_only()) {
        s->begin_sharing();
        shared = true;
    }
    return PyBuffer_FillInfo(view, self, s->bytes() ? s->data() : &nothing, Py_ssize_t(s->bytes()), s->read_only(),
                             flags);
}

PyObject* storage_new(PyTypeObject*, PyObject* args, PyObject* keywords) {
    Py_ssize_t bytes = 0;
    static const char* names[] = {"size", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|n:UntypedStorage", const_cast<char**>(names), &bytes))
        return nullptr;
    return guarded([&] {
        require(bytes >= 0, ErrorKind::runtime, "UntypedStorage: size=", bytes, " is negative; expected size >= 0");
        Ref<Storage> s = Storage::make(size_t(bytes));
        if (bytes) std::memset(s->data(), 0, size_t(bytes));
        return wrap_storage(s);
    });
}

PyObject* storage_nbytes(PyObject* self, PyObject*) { return PyLong_FromSize_t(storage_of(self)->bytes()); }
PyObject* storage_data_ptr(PyObject* self, PyObject*) {
    return PyLong_FromUnsignedLongLong(reinterpret_cast<uintptr_t>(storage_of(self)->data()));
}
PyObject* storage_key(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(storage_of(self)); }
Py_ssize_t storage_length(PyObject* self) { return Py_ssize_t(storage_of(self)->bytes()); }

PyObject* storage_resize(PyObject* self, PyObject* size) {
    return guarded([&]() -> PyObject* {
        int64_t bytes;
        require(to_int(size, &bytes) && bytes >= 0, ErrorKind::runtime, "resize_: size must be an int >= 0");
        Storage* s = storage_of(self);
        // A view that looks past the new end would read memory that is not its own.
        require(size_t(bytes) >= s->bytes() || s->use_count() <= 1, ErrorKind::runtime, "resize_: the storage of ",
                s->bytes(), " bytes is in use by tensors and can't shrink to ", bytes, " bytes");
        s->resize(size_t(bytes));
        return Py_NewRef(self);
    });
}

PyMethodDef storage_methods[] = {
    {"nbytes", storage_nbytes, METH_NOARGS, "nbytes() -> int\n\nThe size in bytes."},
    {"size", storage_nbytes, METH_NOARGS, "size() -> int\n\nThe size in bytes."},
    {"data_ptr", storage_data_ptr, METH_NOARGS, "data_ptr() -> int\n\nThe address of the first byte."},
    {"_key", storage_key, METH_NOARGS,
     "_key() -> int\n\nThe same for all tensors that share this storage, while it lives."},
    {"resize_", storage_resize, METH_O,
     "resize_(size) -> UntypedStorage\n\nChanges the size in bytes; never shrinks under a tensor."},
    {}};
PyType_Slot storage_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(storage_dealloc)},
    {Py_tp_new, reinterpret_cast<void*>(storage_new)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(storage_getbuffer)},
    {Py_mp_length, reinterpret_cast<void*>(storage_length)},
    {Py_tp_methods, storage_methods},
    {Py_tp_doc, const_cast<char*>("The bytes that one or more tensors view. Has the buffer protocol.")},
    {0, nullptr}};
PyType_Spec storage_spec = {"rushlight.UntypedStorage", sizeof(StorageObject), 0, Py_TPFLAGS_DEFAULT, storage_slots};

PyObject* untyped_storage(PyObject* self, PyObject*) {
    note_escape(*impl_of(self), "untyped_storage");
    return wrap_storage(impl_of(self)->storage);
}

// _tensor_over(storage, dtype, offset, sizes, strides): checked against the storage's bytes.
PyObject* tensor_over(PyObject*, PyObject* args) {
    PyObject *storage, *dtype, *sizes, *strides;
    long long offset;
    if (!PyArg_ParseTuple(args, "O!O!LOO:_tensor_over", storage_type, &storage, dtype_type, &dtype, &offset, &sizes,
                          &strides))
        return nullptr;
    return guarded([&] {
        DType t = dtype_of(dtype);
        Dims shape = ints_argument(sizes, "_tensor_over", "size"),
             steps = ints_argument(strides, "_tensor_over", "stride");
        int64_t needed = bytes_needed(shape, steps, offset, size_of(t), "_tensor_over");
        require(size_t(needed) <= storage_of(storage)->bytes(), ErrorKind::runtime, "_tensor_over: size ", shape,
                ", stride ", steps, " and storage_offset=", offset, " need ", needed, " bytes; the storage has ",
                storage_of(storage)->bytes());
        Tensor out = empty_tensor({0}, t);
        out->storage = Ref<Storage>(storage_of(storage));
        out->sizes = shape;
        out->strides = steps;
        out->offset = offset;
        out->update_geometry();
        return wrap(out);
    });
}

// ---- NumPy ----------------------------------------------------------------------------------------------------------

const char* numpy_name(DType t) { return t == DType::boolean ? "bool" : name_of(t); }

PyObject* to_numpy(PyObject* self, PyObject* args, PyObject* keywords) {
    int force = 0;
    static const char* names[] = {"force", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$p:numpy", const_cast<char**>(names), &force)) return nullptr;
    return guarded([&]() -> PyObject* {
        TensorImpl* t = impl_of(self);
        note_escape(*t, "numpy");
        require(force || !t->tracked(), ErrorKind::runtime,
                "numpy: can't be called on a Tensor that requires grad; use tensor.detach().numpy()");
        require(t->dtype != DType::bfloat16, ErrorKind::type,
                "numpy: NumPy has no bfloat16; convert with .float() first");
        PyObject* numpy = PyImport_ImportModule("numpy");
        if (!numpy) throw PythonError();
        PyObject* shape = PyTuple_New(t->rank());
        PyObject* strides = PyTuple_New(t->rank());
        for (int i = 0; i < t->rank(); ++i) {
            PyTuple_SET_ITEM(shape, i, PyLong_FromLongLong(t->sizes[i]));
            PyTuple_SET_ITEM(strides, i, PyLong_FromLongLong(t->strides[i] * size_of(t->dtype)));
        }
        PyObject* storage = wrap_storage(t->storage);
        PyObject* out = t->numel == 0
                            ? PyObject_CallMethod(numpy, "empty", "NN", shape,
                                                  PyUnicode_FromString(numpy_name(t->dtype)))
                            : PyObject_CallMethod(numpy, "ndarray", "NsNLN", shape, numpy_name(t->dtype), storage,
                                                  static_cast<long long>(t->offset * size_of(t->dtype)), strides);
        if (t->numel == 0) {
            Py_XDECREF(storage);
            Py_XDECREF(strides);
        }
        Py_DECREF(numpy);
        return out;
    });
}

PyObject* to_array(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject *dtype = Py_None, *copy = Py_None;
    static const char* names[] = {"dtype", "copy", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:__array__", const_cast<char**>(names), &dtype, &copy))
        return nullptr;
    PyObject* array = PyObject_CallMethod(self, "numpy", nullptr);
    if (!array || (dtype == Py_None && copy != Py_True)) return array;
    PyObject* out = dtype == Py_None ? PyObject_CallMethod(array, "copy", nullptr)
                                     : PyObject_CallMethod(array, "astype", "OssOO", dtype, "K", "unsafe", Py_True,
                                                           copy == Py_True ? Py_True : Py_False);
    if (out && copy == Py_False && out != array) {
        PyErr_Format(PyExc_ValueError, "__array__: copy=False and dtype=%S; a tensor of another dtype needs a copy",
                     dtype);
        Py_CLEAR(out);
    }
    Py_DECREF(array);
    return out;
}

// ---- DLPack ---------------------------------------------------------------------------------------------------------

// A tensor in the hands of another library, which may write it unless it is read-only. It has a header of its own: the
// other library reads the shape from there, whatever becomes of the tensor that was given.
template <class Managed>
struct Exported {
    explicit Exported(const Tensor& t) : tensor(alias(t, t.sizes(), t.strides(), t->offset)) {
        if (!tensor->storage->read_only()) tensor->storage->begin_sharing();
    }
    ~Exported() {
        if (!tensor->storage->read_only()) tensor->storage->end_sharing();
    }
    Managed managed{};
    Tensor tensor;
};

DLDataType dl_type(DType t) {
    uint8_t code = t == DType::boolean ? kDLBool : t == DType::bfloat16 ? kDLBfloat : is_complex(t) ? kDLComplex
                   : is_floating(t) ? kDLFloat : is_unsigned(t) ? kDLUInt : kDLInt;
    return {code, uint8_t(size_of(t) * 8), 1};
}

bool from_dl_type(const DLDataType& d, DType* out) {
    for (int i = 0; i < dtype_count; ++i) {
        DLDataType mine = dl_type(DType(i));
        if (mine.code == d.code && mine.bits == d.bits && d.lanes == 1) {
            *out = DType(i);
            return true;
        }
    }
    return false;
}

void describe(DLTensor& d, const Tensor& t) {
    d.data = t.data();
    d.device = {kDLCPU, 0};
    d.ndim = t.rank();
    d.dtype = dl_type(t.dtype());
    d.shape = const_cast<int64_t*>(t.sizes().data());
    d.strides = const_cast<int64_t*>(t.strides().data());
    d.byte_offset = 0;
}

template <class Managed>
void delete_capsule(PyObject* capsule) {               // never consumed: still ours
    constexpr const char* name = std::is_same_v<Managed, DLManagedTensor> ? "dltensor" : "dltensor_versioned";
    if (!PyCapsule_IsValid(capsule, name)) return;
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
    managed->deleter(managed);
}

PyObject* to_dlpack(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject *stream = Py_None, *max_version = Py_None, *device = Py_None, *copy = Py_None;
    static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$OOOO:__dlpack__", const_cast<char**>(names), &stream,
                                     &max_version, &device, &copy))
        return nullptr;
    return guarded([&]() -> PyObject* {
        Tensor t = tensor_of(self);
        note_escape(*t.impl(), "__dlpack__");
        require(stream == Py_None, ErrorKind::value, "__dlpack__: a stream is given; expected None for the CPU");
        int type = kDLCPU, index = 0;
        require(device == Py_None || PyArg_ParseTuple(device, "ii", &type, &index), ErrorKind::type,
                "__dlpack__: dl_device must be a pair of ints");
        require(type == kDLCPU && index == 0, ErrorKind::buffer, "__dlpack__: dl_device=(", type, ", ", index,
                "); expected (1, 0): only the CPU holds tensors");
        require(!t->tracked(), ErrorKind::buffer,
                "__dlpack__: can't export a Tensor that requires grad; use tensor.detach()");
        if (copy == Py_True) {
            Tensor fresh = empty_tensor(t.sizes(), t.dtype());
            copy_values(*fresh.impl(), *t.impl());
            t = fresh;
        }
        if (PyTuple_Check(max_version) && PyTuple_GET_SIZE(max_version) == 2 &&
            PyLong_AsLong(PyTuple_GET_ITEM(max_version, 0)) >= 1) {
            auto* e = new Exported<DLManagedTensorVersioned>(t);
            e->managed.version = {1, 0};
            e->managed.manager_ctx = e;
            e->managed.deleter = [](DLManagedTensorVersioned* m) {
                delete static_cast<Exported<DLManagedTensorVersioned>*>(m->manager_ctx);
            };
            e->managed.flags = (t->storage->read_only() ? DLPACK_FLAG_BITMASK_READ_ONLY : 0) |
                               (copy == Py_True ? DLPACK_FLAG_BITMASK_IS_COPIED : 0);
            describe(e->managed.dl_tensor, e->tensor);
            return PyCapsule_New(&e->managed, "dltensor_versioned", delete_capsule<DLManagedTensorVersioned>);
        }
        require(!t->storage->read_only(), ErrorKind::buffer,
                "__dlpack__: a read-only tensor needs a consumer of DLPack 1.0 or later");
        auto* e = new Exported<DLManagedTensor>(t);
        e->managed.manager_ctx = e;
        e->managed.deleter = [](DLManagedTensor* m) { delete static_cast<Exported<DLManagedTensor>*>(m->manager_ctx); };
        describe(e->managed.dl_tensor, e->tensor);
        return PyCapsule_New(&e->managed, "dltensor", delete_capsule<DLManagedTensor>);
    });
}

PyObject* dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", int(kDLCPU), 0); }

template <class Managed>
Tensor adopt(Managed* managed, bool read_only) {
    const DLTensor& d = managed->dl_tensor;
    DType dtype;
    require(d.device.device_type == kDLCPU, ErrorKind::buffer, "from_dlpack: the data is on device type ",
            int(d.device.device_type), "; only the CPU is available");
    require(from_dl_type(d.dtype, &dtype), ErrorKind::buffer, "from_dlpack: element type (code ", int(d.dtype.code),
            ", ", int(d.dtype.bits), " bits, ", d.dtype.lanes, " lanes) has no dtype here");
    require(d.ndim >= 0 && d.ndim <= max_rank && (d.ndim == 0 || d.shape), ErrorKind::buffer, "from_dlpack: ndim is ",
            d.ndim, "; expected 0 to ", max_rank, " with a shape");
    Dims sizes(std::span<const int64_t>(d.shape, size_t(d.ndim)));
    Dims strides = d.strides ? Dims(std::span<const int64_t>(d.strides, size_t(d.ndim))) : contiguous_strides(sizes);
    for (int i = 0; i < sizes.size(); ++i)
        if (sizes[i] <= 1 && strides[i] < 0) strides[i] = 1;
    int64_t bytes = bytes_needed(sizes, strides, 0, size_of(dtype), "from_dlpack");
    require(bytes == 0 || d.data, ErrorKind::buffer, "from_dlpack: the data pointer is null; expected ", bytes,
            " bytes");
    Tensor out = empty_tensor({0}, dtype);
    out->storage = Storage::wrap(static_cast<char*>(d.data) + d.byte_offset, size_t(bytes),
                                 [](void* context) {
                                     auto* m = static_cast<Managed*>(context);
                                     Interpreter lock;
                                     if (lock.alive() && m->deleter) m->deleter(m);
                                 },
                                 managed, read_only);
    out->sizes = sizes;
    out->strides = strides;
    out->update_geometry();
    return out;
}

// A new reference to the capsule that the object gives. Producers of before DLPack 1.0 know neither of the arguments.
PyObject* capsule_of(PyObject* object, PyObject* copy) {
    if (PyCapsule_CheckExact(object)) return Py_NewRef(object);
    PyObject* method = PyObject_GetAttrString(object, "__dlpack__");
    if (!method) {
        PyErr_Clear();
        fail(ErrorKind::type, "from_dlpack: expected an object with __dlpack__, not ", Py_TYPE(object)->tp_name);
    }
    PyObject* none = PyTuple_New(0);
    PyObject* keywords = Py_BuildValue("{s(ii)}", "max_version", 1, 0);
    if (keywords && copy != Py_None) PyDict_SetItemString(keywords, "copy", copy);
    PyObject* capsule = keywords && none ? PyObject_Call(method, none, keywords) : nullptr;
    if (!capsule && copy == Py_None && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        capsule = PyObject_CallNoArgs(method);
    }
    Py_DECREF(method);
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    if (!capsule) throw PythonError();
    return capsule;
}

PyObject* from_dlpack(PyObject*, PyObject* args, PyObject* given) {
    PyObject *object, *device = Py_None, *copy = Py_None;
    static const char* names[] = {"", "device", "copy", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, given, "O|$OO:from_dlpack", const_cast<char**>(names), &object, &device,
                                     &copy))
        return nullptr;
    return guarded([&]() -> PyObject* {
        require_cpu(device, "from_dlpack");
        PyObject* capsule = capsule_of(object, copy);
        PyObject* out = nullptr;
        try {
            if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
                auto* m = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
                require(m->version.major == 1, ErrorKind::buffer, "from_dlpack: version ", m->version.major,
                        " is not known; expected 1");
                Tensor t = adopt(m, m->flags & DLPACK_FLAG_BITMASK_READ_ONLY);
                PyCapsule_SetName(capsule, "used_dltensor_versioned");
                out = wrap(t);
            } else if (PyCapsule_IsValid(capsule, "dltensor")) {
                auto* m = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
                Tensor t = adopt(m, false);
                PyCapsule_SetName(capsule, "used_dltensor");
                out = wrap(t);
            } else {
                fail(ErrorKind::runtime, "from_dlpack: the capsule was used already or is not a DLPack capsule");
            }
        } catch (...) {
            Py_DECREF(capsule);
            throw;
        }
        Py_DECREF(capsule);
        return out;
    });
}

PyMethodDef functions[] = {
    {"from_dlpack", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(from_dlpack)),
     METH_VARARGS | METH_KEYWORDS,
     "from_dlpack(ext_tensor, *, device=None, copy=None) -> Tensor\n\nA tensor over the memory of an object with "
     "__dlpack__; copied where `copy` is True."},
    {"_tensor_over", tensor_over, METH_VARARGS, nullptr},
    {}};

PyMethodDef methods[] = {
    {"numpy", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(to_numpy)), METH_VARARGS | METH_KEYWORDS,
     "numpy(*, force=False) -> numpy.ndarray\n\nAn array over the same memory."},
    {"__array__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(to_array)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(to_dlpack)), METH_VARARGS | METH_KEYWORDS,
     nullptr},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, nullptr},
    {"untyped_storage", untyped_storage, METH_NOARGS,
     "untyped_storage() -> UntypedStorage\n\nThe bytes this tensor views."},
    {}};

}  // namespace

bool add_exchange(PyObject* module) {
    storage_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&storage_spec));
    if (!storage_type || PyModule_AddObjectRef(module, "UntypedStorage", reinterpret_cast<PyObject*>(storage_type)) < 0)
        return false;
    for (PyMethodDef* m = methods; m->ml_name; ++m) {
        PyObject* descriptor = PyDescr_NewMethod(tensor_type, m);
        if (!descriptor || PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), m->ml_name, descriptor) < 0)
            return false;
        Py_DECREF(descriptor);
    }
    return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace rushlight::python
