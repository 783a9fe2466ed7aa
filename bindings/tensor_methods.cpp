// Properties and methods of Tensor that are not operators: geometry, conversion to Python values, flags.
#include "autograd/variable.h"
#include "bindings/python.h"
#include "registry/invoke.h"
#include "registry/rules.h"

namespace rushlight::python {

namespace {

PyObject* get_shape(PyObject* self, void*) {
    note_shape(*impl_of(self));
    return wrap_size(impl_of(self)->sizes);
}
PyObject* get_dtype(PyObject* self, void*) { return wrap_dtype(impl_of(self)->dtype); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(impl_of(self)->rank()); }
PyObject* get_itemsize(PyObject* self, void*) { return PyLong_FromLongLong(size_of(impl_of(self)->dtype)); }
PyObject* get_nbytes(PyObject* self, void*) {
    return PyLong_FromLongLong(impl_of(self)->numel * size_of(impl_of(self)->dtype));
}
PyObject* get_false(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* get_version(PyObject* self, void*) { return PyLong_FromUnsignedLong(impl_of(self)->storage->version()); }
PyObject* get_true(PyObject*, void*) { Py_RETURN_TRUE; }

PyObject* transposed(PyObject* self, bool all) {
    return guarded([&]() -> PyObject* {
        TensorImpl* t = impl_of(self);
        require(all || t->rank() >= 2, ErrorKind::runtime, "mT: the tensor has shape ", t->sizes,
                "; expected at least two dimensions");
        Dims order(t->rank(), 0);
        for (int i = 0; i < t->rank(); ++i) order[i] = all ? t->rank() - 1 - i : i;
        if (!all) std::swap(order[t->rank() - 1], order[t->rank() - 2]);
        Value values[max_params] = {Value(t), Value(order)};
        Call c(need_op("permute"), values);
        dispatch(c);
        return wrap(c.out[0]);
    });
}
PyObject* get_T(PyObject* self, void*) { return transposed(self, true); }
PyObject* get_mT(PyObject* self, void*) { return transposed(self, false); }

// The argument `dim` of size and stride; -1 where it is absent or None.
int one_dim(const char* op, PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
    TensorImpl* t = impl_of(self);
    Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    require(n + named <= 1, ErrorKind::type, op, ": takes at most one argument");
    require(named == 0 || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "dim") == 0, ErrorKind::type,
            op, ": unexpected keyword argument; expected 'dim'");
    if (n + named == 0 || args[0] == Py_None) return -1;
    int64_t d;
    bool fine = reading(op, "dim", [&] { return to_int(args[0], &d); });
    require(fine, ErrorKind::type, op, ": argument 'dim' must be int, not ", Py_TYPE(args[0])->tp_name);
    require(t->rank() > 0, ErrorKind::index, op, ": dim=", d, " was given for a tensor without dimensions");
    return rules::dim(op, d, t->rank(), t->sizes, "dim");
}

PyObject* method_size(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
    return guarded([&]() -> PyObject* {
        int dim = one_dim("size", self, args, n, keywords);
        note_shape(*impl_of(self));
        return dim < 0 ? wrap_size(impl_of(self)->sizes) : PyLong_FromLongLong(impl_of(self)->sizes[dim]);
    });
}

PyObject* method_stride(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
    return guarded([&]() -> PyObject* {
        TensorImpl* t = impl_of(self);
        int dim = one_dim("stride", self, args, n, keywords);
        if (dim >= 0) return PyLong_FromLongLong(t->strides[dim]);
        PyObject* tuple = PyTuple_New(t->rank());
        for (int i = 0; tuple && i < t->rank(); ++i) PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(t->strides[i]));
        return tuple;
    });
}

PyObject* method_numel(PyObject* self, PyObject*) {
    note_shape(*impl_of(self));
    return PyLong_FromLongLong(impl_of(self)->numel);
}
PyObject* method_storage_offset(PyObject* self, PyObject*) {
    note_offset(*impl_of(self), "storage_offset");
    return PyLong_FromLongLong(impl_of(self)->offset);
}
PyObject* method_data_ptr(PyObject* self, PyObject*) {
    note_escape(*impl_of(self), "data_ptr");
    return PyLong_FromUnsignedLongLong(reinterpret_cast<uintptr_t>(impl_of(self)->data()));
}
PyObject* method_is_contiguous(PyObject* self, PyObject* args, PyObject* keywords) {
    const char *format = nullptr, *names[] = {"memory_format", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|z:is_contiguous", const_cast<char**>(names), &format))
        return nullptr;
    const TensorImpl& t = *impl_of(self);
    bool last = format && std::string_view(format).starts_with("channels_last");
    return PyBool_FromLong(last ? t.storage->arrangement() == Arrangement::channels_last : t.contiguous);
}
PyObject* method_is_floating_point(PyObject* self, PyObject*) {
    return PyBool_FromLong(is_floating(impl_of(self)->dtype));
}
PyObject* method_is_complex(PyObject* self, PyObject*) { return PyBool_FromLong(is_complex(impl_of(self)->dtype)); }
PyObject* method_is_signed(PyObject* self, PyObject*) { return PyBool_FromLong(info(impl_of(self)->dtype).is_signed); }
PyObject* method_is_inference(PyObject* self, PyObject*) { return PyBool_FromLong(impl_of(self)->inference); }

PyObject* method_item(PyObject* self, PyObject*) {
    return guarded([&] { return wrap_number(item_of(*impl_of(self), "item")); });
}

PyObject* nested_list(const TensorImpl& t, const char* data, int d) {
    if (d == t.rank()) {
        return visit_dtype(t.dtype, [&](auto zero) -> PyObject* {
            using T = decltype(zero);
            const T& x = *reinterpret_cast<const T*>(data);
            if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(x);
            else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
                return PyFloat_FromDouble(float(x));
            else if constexpr (std::is_same_v<T, uint64_t>) return PyLong_FromUnsignedLongLong(x);
            else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(x);
            else if constexpr (std::is_floating_point_v<T>) return PyFloat_FromDouble(double(x));
            else return PyComplex_FromDoubles(double(x.real()), double(x.imag()));
        });
    }
    PyObject* list = PyList_New(Py_ssize_t(t.sizes[d]));
    int64_t step = t.strides[d] * size_of(t.dtype);
    for (int64_t i = 0; list && i < t.sizes[d]; ++i) {
        PyObject* item = nested_list(t, data + i * step, d + 1);
        if (!item) {
            Py_DECREF(list);
            return nullptr;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

PyObject* method_tolist(PyObject* self, PyObject*) {
    note_escape(*impl_of(self), "tolist");
    return guarded([&] { return nested_list(*impl_of(self), static_cast<const char*>(impl_of(self)->data()), 0); });
}

// _make_subclass(cls, data, requires_grad=False): an object of a subclass, a leaf over the memory of `data`.
PyObject* make_subclass(PyObject*, PyObject* args) {
    PyObject *cls, *data;
    int requires_grad = 0;
    if (!PyArg_ParseTuple(args, "OO!|p:_make_subclass", &cls, tensor_type, &data, &requires_grad)) return nullptr;
    return guarded([&] {
        require(PyType_Check(cls) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type),
                ErrorKind::type, "_make_subclass: cls must be a subclass of Tensor");
        TensorImpl* t = impl_of(data);
        Tensor leaf = alias(Tensor(t), t->sizes, t->strides, t->offset);
        if (requires_grad) autograd::set_requires_grad(*leaf.impl(), true);
        return wrap_as(reinterpret_cast<PyTypeObject*>(cls), leaf);
    });
}

PyObject* method_as_subclass(PyObject* self, PyObject* cls) {
    return guarded([&] {
        bool is_type = PyType_Check(cls);
        auto* type = is_type ? reinterpret_cast<PyTypeObject*>(cls) : Py_TYPE(cls);
        require(is_type && PyType_IsSubtype(type, tensor_type), ErrorKind::type, "as_subclass: cls is ",
                is_type ? "" : "of type ", type->tp_name, "; expected a subclass of Tensor");
        static Op* view = find_op("view");
        return wrap_as(type, invoke(*view, tensor_of(self), impl_of(self)->sizes));
    });
}

PyObject* method_dim(PyObject* self, PyObject*) { return PyLong_FromLong(impl_of(self)->rank()); }

}  // namespace

PyMethodDef tensor_methods[] = {
    {"size", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_size)), METH_FASTCALL | METH_KEYWORDS,
     "size(dim=None) -> Size | int\n\nThe shape, or the size of one dimension.\n\nExample:\n    >>> rushlight.zeros(2, "
     "3).size(1)\n    3"},
    {"stride", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_stride)),
     METH_FASTCALL | METH_KEYWORDS,
     "stride(dim=None) -> tuple | int\n\nSteps in elements from one index to the next, for each dimension."},
    {"numel", method_numel, METH_NOARGS, "numel() -> int\n\nThe number of elements."},
    {"nelement", method_numel, METH_NOARGS, "nelement() -> int\n\nThe number of elements; the same as numel()."},
    {"dim", method_dim, METH_NOARGS, "dim() -> int\n\nThe number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "ndimension() -> int\n\nThe number of dimensions; the same as dim()."},
    {"element_size", [](PyObject* o, PyObject*) { return get_itemsize(o, nullptr); }, METH_NOARGS,
     "element_size() -> int\n\nBytes per element."},
    {"storage_offset", method_storage_offset, METH_NOARGS,
     "storage_offset() -> int\n\nWhere the tensor begins in its storage, in elements."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "data_ptr() -> int\n\nThe address of the first element."},
    {"is_contiguous", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method_is_contiguous)),
     METH_VARARGS | METH_KEYWORDS,
     "is_contiguous(memory_format=None) -> bool\n\nTrue when the elements lie in row-major order without gaps; with "
     "memory_format=channels_last, when the channels lie innermost."},
    {"is_floating_point", method_is_floating_point, METH_NOARGS,
     "is_floating_point() -> bool\n\nTrue for floating dtypes."},
    {"is_complex", method_is_complex, METH_NOARGS, "is_complex() -> bool\n\nTrue for complex dtypes."},
    {"is_signed", method_is_signed, METH_NOARGS, "is_signed() -> bool\n\nTrue when the dtype holds negative values."},
    {"is_inference", method_is_inference, METH_NOARGS,
     "is_inference() -> bool\n\nTrue for tensors made in inference mode."},
    {"as_subclass", method_as_subclass, METH_O,
     "as_subclass(cls) -> Tensor\n\nAn object of a subclass of Tensor over the same memory, at the same place of the "
     "graph.\n\nArgs:\n    cls (type): the subclass.\n\nRaises:\n    TypeError: it is none.\n\nExample:\n    >>> class "
     "Image(rushlight.Tensor):\n    ...     pass\n    >>> type(rushlight.ones(2).as_subclass(Image)).__name__\n    "
     "'Image'"},
    {"_make_subclass", make_subclass, METH_VARARGS | METH_STATIC, nullptr},
    {"item", method_item, METH_NOARGS,
     "item() -> number\n\nThe value of a tensor with one element, "
     "as a Python number.\n\nExample:\n    >>> rushlight.tensor([2.5]).item()\n    2.5"},
    {"tolist", method_tolist, METH_NOARGS,
     "tolist() -> list | number\n\nThe values as nested lists.\n\nExample:\n    >>> rushlight.tensor([[1, "
     "2]]).tolist()\n    [[1, 2]]"},
    {}};

PyGetSetDef tensor_properties[] = {
    {"shape", get_shape, nullptr, "The sizes of all dimensions.", nullptr},
    {"dtype", get_dtype, nullptr, "The type of the elements.", nullptr},
    {"ndim", get_ndim, nullptr, "The number of dimensions.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes per element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"T", get_T, nullptr, "The tensor with its dimensions reversed.", nullptr},
    {"mT", get_mT, nullptr, "The tensor with its last two dimensions exchanged.", nullptr},
    {"is_cuda", get_false, nullptr, "False: the tensor is on the CPU.", nullptr},
    {"is_sparse", get_false, nullptr, "False: the layout is strided.", nullptr},
    {"is_quantized", get_false, nullptr, "False.", nullptr},
    {"is_meta", get_false, nullptr, "False: the tensor has memory.", nullptr},
    {"is_mps", get_false, nullptr, "False: the tensor is on the CPU.", nullptr},
    {"is_cpu", get_true, nullptr, "True: the tensor is on the CPU.", nullptr},
    {"_version", get_version, nullptr, "How often the storage was written in place.", nullptr},
    {}};

}  // namespace rushlight::python
