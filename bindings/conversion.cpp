// Methods of Tensor whose arguments are too free for a signature, x.to(...), and those that give a tensor another shape
// in place.
#include "autograd/variable.h"
#include "bindings/python.h"
#include "registry/invoke.h"

namespace rushlight::python {

namespace {

// ---- to, type ----------------------------------------------------------------------------------------------------

struct Target {
    DType dtype;
    bool has_dtype = false, copy = false;
    std::string_view memory_format;
    int flags = 0;                         // positional bools: non_blocking, then copy

    void take_dtype(DType t) {
        require(!has_dtype, ErrorKind::type, "to: two dtypes were given");
        dtype = t;
        has_dtype = true;
    }
    void take(PyObject* o, std::string_view param) {
        if (is_dtype(o)) return take_dtype(dtype_of(o));
        if (is_tensor(o)) return take_dtype(impl_of(o)->dtype);
        if (o == Py_None) return;
        if (PyBool_Check(o)) {
            if (flags++ == 1) copy = o == Py_True;
            return;
        }
        std::string_view type = Py_TYPE(o)->tp_name;
        require(PyUnicode_Check(o) || PyLong_Check(o) || type.ends_with("device"), ErrorKind::type, "to: argument '",
                param, "' must be dtype | device | Tensor, not ", type);
        require_cpu(o, "to");
    }
    void take_keyword(std::string_view key, PyObject* o) {
        if (key == "copy") copy = is_true(o);
        else if (key == "device" || key == "dtype" || key == "other") take(o, key);
        else if (key == "memory_format" && PyUnicode_Check(o)) memory_format = text_of(o);
        else
            require(key == "non_blocking" || key == "memory_format", ErrorKind::type,
                    "to: unexpected keyword argument '", key,
                    "'; expected dtype, device, other, non_blocking, copy or memory_format");
    }
};

PyObject* method_to(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* keywords) {
    return guarded([&]() -> PyObject* {
        Tensor t = tensor_of(self);
        Target target{t.dtype()};
        for (Py_ssize_t i = 0; i < n; ++i) target.take(args[i], "other");
        for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); ++i)
            target.take_keyword(text_of(PyTuple_GET_ITEM(keywords, i)), args[n + i]);
        static const Op &to_dtype = need_op("to_dtype"), &clone = need_op("clone"), &contiguous = need_op("contiguous");
        Tensor result = t;
        if (target.dtype != t.dtype()) result = invoke(to_dtype, t, target.dtype);
        else if (target.copy) result = invoke(clone, t);
        if (target.memory_format.starts_with("channels_last"))
            result = invoke(contiguous, result, target.memory_format);
        return result.impl() == t.impl() ? Py_NewRef(self) : wrap(result);
    });
}

struct TypeName {
    const char* name;
    DType dtype;
};
constexpr TypeName type_names[] = {
    {"ByteTensor", DType::uint8},
    {"CharTensor", DType::int8},
    {"ShortTensor", DType::int16},
    {"IntTensor", DType::int32},
    {"LongTensor", DType::int64},
    {"HalfTensor", DType::float16},
    {"FloatTensor", DType::float32},
    {"DoubleTensor", DType::float64},
    {"ComplexFloatTensor", DType::complex64},
    {"ComplexDoubleTensor", DType::complex128},
    {"BoolTensor", DType::boolean},
    {"BFloat16Tensor", DType::bfloat16}};

DType dtype_of_type_name(PyObject* o) {
    std::string text;
    require(PyUnicode_Check(o) || PyType_Check(o), ErrorKind::type, "type: argument 'dtype' must be dtype | str, not ",
            Py_TYPE(o)->tp_name);
    if (PyUnicode_Check(o)) text = text_of(o);
    else text = reinterpret_cast<PyTypeObject*>(o)->tp_name;
    std::string_view last = std::string_view(text).substr(text.rfind('.') + 1);
    for (const TypeName& t : type_names)
        if (last == t.name) return t.dtype;
    fail(ErrorKind::value, "type: dtype='", text,
         "' is not the name of a type; expected a dtype or a name such as 'torch.FloatTensor'");
}

PyObject* method_type(PyObject* self, PyObject* args, PyObject* keywords) {
    PyObject *wanted = Py_None, *non_blocking = nullptr;
    static const char* names[] = {"dtype", "non_blocking", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:type", const_cast<char**>(names), &wanted, &non_blocking))
        return nullptr;
    return guarded([&]() -> PyObject* {
        Tensor t = tensor_of(self);
        if (wanted == Py_None) {
            for (const TypeName& name : type_names)
                if (name.dtype == t.dtype()) return PyUnicode_FromFormat("torch.%s", name.name);
        }
        DType dtype = is_dtype(wanted) ? dtype_of(wanted) : dtype_of_type_name(wanted);
        static const Op& to_dtype = need_op("to_dtype");
        return wrap(invoke(to_dtype, t, dtype));
    });
}

PyObject* method_cpu(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) { return Py_NewRef(self); }

PyObject* method_cuda(PyObject*, PyObject* const*, Py_ssize_t, PyObject*) {
    return guarded(
        []() -> PyObject* { fail(ErrorKind::runtime, "cuda: device='cuda' is not available; expected 'cpu'"); });
}

// ---- another shape in place --------------------------------------------------------------------------------------

void take_geometry(TensorImpl& t, const Tensor& view) {
    t.sizes = view.sizes();
    t.strides = view.strides();
    t.offset = view->offset;
    t.update_geometry();
    ++t.generation;
}

// `t` becomes the view of itself that the operator gives. On the tape it takes the view's place.
PyObject* become_view(PyObject* self, const char* id, const char* name, std::initializer_list<Value> arguments) {
    Tensor t = tensor_of(self);
    bool recorded = mode.grad && t->tracked();
    if (recorded) {
        autograd::check_recorded_write(*t.impl(), name);
        require(!t->base, ErrorKind::runtime, name,
                ": the tensor is a view that takes part in gradients; use the form without '_'");
    }
    Value values[max_params];
    int n = 0;
    values[n++] = Value(t);
    for (const Value& v : arguments) values[n++] = v;
    Call c(need_op(id), values);
    invoke_raw(c, values, n);
    Tensor view = std::move(c.out[0]);
    Ref<TapeNode> node = view->grad_fn;
    take_geometry(*t.impl(), view);
    if (recorded && node) autograd::rebase(*t.impl(), Ref<autograd::Node>(static_cast<autograd::Node*>(node.get())));
    return Py_NewRef(self);
}

int64_t int_argument(PyObject* o, const char* op, const char* param) {
    int64_t i;
    bool fine = reading(op, param, [&] { return to_int(o, &i); });
    require(fine, ErrorKind::type, op, ": argument '", param, "' must be int, not ", Py_TYPE(o)->tp_name);
    return i;
}

PyObject* method_unsqueeze(PyObject* self, PyObject* dim) {
    return guarded(
        [&] { return become_view(self, "unsqueeze", "unsqueeze_", {Value(int_argument(dim, "unsqueeze_", "dim"))}); });
}

PyObject* method_squeeze(PyObject* self, PyObject* args) {
    return guarded([&]() -> PyObject* {
        if (PyTuple_GET_SIZE(args) == 0) return become_view(self, "squeeze", "squeeze_", {});
        PyObject* dim = PyTuple_GET_ITEM(args, 0);
        int64_t one;
        if (to_int(dim, &one)) return become_view(self, "squeeze", "squeeze_", {Value(one)});
        Dims dims = ints_argument(dim, "squeeze_", "dim");
        return become_view(self, "squeeze", "squeeze_", {Value(dims)});
    });
}

PyObject* exchange_dims(PyObject* self, PyObject* args, const char* name) {
    return guarded([&]() -> PyObject* {
        require(PyTuple_GET_SIZE(args) == 2, ErrorKind::type, name, ": takes 2 arguments, dim0 and dim1");
        return become_view(self, "transpose", name, {Value(int_argument(PyTuple_GET_ITEM(args, 0), name, "dim0")),
                                                     Value(int_argument(PyTuple_GET_ITEM(args, 1), name, "dim1"))});
    });
}
PyObject* method_transpose(PyObject* self, PyObject* args) { return exchange_dims(self, args, "transpose_"); }
PyObject* method_swapdims(PyObject* self, PyObject* args) { return exchange_dims(self, args, "swapdims_"); }
PyObject* method_swapaxes(PyObject* self, PyObject* args) { return exchange_dims(self, args, "swapaxes_"); }

PyObject* method_t(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        TensorImpl* t = impl_of(self);
        require(t->rank() <= 2, ErrorKind::runtime, "t_: input has shape ", t->sizes,
                "; expected at most 2 dimensions");
        return t->rank() < 2 ? Py_NewRef(self) : become_view(self, "transpose", "t_", {Value(0), Value(1)});
    });
}

PyObject* resize(PyObject* self, const Dims& sizes, const char* name) {
    resize_tensor(*impl_of(self), sizes, name);
    return Py_NewRef(self);
}

PyObject* method_resize(PyObject* self, PyObject* args) {
    return guarded([&] {
        bool one = PyTuple_GET_SIZE(args) == 1 && !PyLong_Check(PyTuple_GET_ITEM(args, 0));
        return resize(self, ints_argument(one ? PyTuple_GET_ITEM(args, 0) : args, "resize_", "size"), "resize_");
    });
}

PyObject* method_resize_as(PyObject* self, PyObject* other) {
    return guarded([&] {
        require(is_tensor(other), ErrorKind::type, "resize_as_: argument 'the_template' must be Tensor, not ",
                Py_TYPE(other)->tp_name);
        return resize(self, Dims(impl_of(other)->sizes), "resize_as_");
    });
}

template <class F>
PyCFunction as_method(F f) { return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)); }

PyMethodDef methods[] = {
    {"to", as_method(method_to), METH_FASTCALL | METH_KEYWORDS,
     "to(*args, dtype=None, device=None, non_blocking=False, copy=False) -> Tensor\n\nThe tensor in another dtype, "
     "or in that of another tensor; "
     "itself when nothing changes and copy is False.\n\nThe only device is 'cpu'. "
     "Raises RuntimeError for another one.\n\nExample:\n"
     "    >>> rushlight.tensor([1, 2]).to(rushlight.float32)\n    tensor([1., 2.])"},
    {"type", as_method(method_type), METH_VARARGS | METH_KEYWORDS,
     "type(dtype=None) -> str | Tensor\n\nThe name of the tensor's type, as PyTorch's older programs write it; "
     "with a dtype or such a name, the "
     "tensor in that dtype.\n\nExample:\n    >>> rushlight.zeros(1).type()\n    'torch.FloatTensor'"},
    {"cpu", as_method(method_cpu), METH_FASTCALL | METH_KEYWORDS,
     "cpu() -> Tensor\n\nThe tensor itself: it is on the CPU."},
    {"cuda", as_method(method_cuda), METH_FASTCALL | METH_KEYWORDS,
     "cuda()\n\nRaises RuntimeError: the only device is the CPU."},
    {"unsqueeze_", method_unsqueeze, METH_O,
     "unsqueeze_(dim) -> Tensor\n\nGives the tensor a new dimension of size 1 at `dim`, in place."},
    {"squeeze_", method_squeeze, METH_VARARGS,
     "squeeze_(dim=None) -> Tensor\n\nTakes dimensions of size 1 away, in place."},
    {"transpose_", method_transpose, METH_VARARGS,
     "transpose_(dim0, dim1) -> Tensor\n\nExchanges two dimensions, in place."},
    {"swapdims_", method_swapdims, METH_VARARGS,
     "swapdims_(dim0, dim1) -> Tensor\n\nExchanges two dimensions, in place."},
    {"swapaxes_", method_swapaxes, METH_VARARGS,
     "swapaxes_(axis0, axis1) -> Tensor\n\nExchanges two dimensions, in place."},
    {"t_", method_t, METH_NOARGS, "t_() -> Tensor\n\nTransposes a matrix, in place."},
    {"resize_", method_resize, METH_VARARGS,
     "resize_(*sizes) -> Tensor\n\nGives the tensor another shape, "
     "in place. Elements that it did not have before are uninitialised; the memory "
     "never shrinks."},
    {"resize_as_", method_resize_as, METH_O,
     "resize_as_(other) -> Tensor\n\nGives the tensor the shape of another one, in place; see resize_."},
    {}};

}  // namespace

bool add_conversion() {
    for (PyMethodDef* m = methods; m->ml_name; ++m) {
        PyObject* descriptor = PyDescr_NewMethod(tensor_type, m);
        bool fine = descriptor && PyDict_SetItemString(tensor_type->tp_dict, m->ml_name, descriptor) == 0;
        Py_XDECREF(descriptor);
        if (!fine) return false;
    }
    PyType_Modified(tensor_type);
    return true;
}

}  // namespace rushlight::python
