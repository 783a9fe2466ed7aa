// Tensors out of Python data: rushlight.tensor, as_tensor, from_numpy; the storage object that buffers and files use.
#include <cstring>

#include "autograd/variable.h"
#include "bindings/python.h"
#include "registry/rules.h"

namespace rushlight::python {

namespace {

// ---- memory that another Python object owns -------------------------------------------------------------------------

struct Lease {
    Py_buffer view;
};

void end_lease(void* context) {
    Interpreter lock;
    if (!lock.alive()) return;                   // the buffer went with the interpreter
    auto* lease = static_cast<Lease*>(context);
    PyBuffer_Release(&lease->view);
    delete lease;
}

bool dtype_of_format(const char* format, Py_ssize_t size, DType* out) {
    std::string_view f(format ? format : "B");
    if (!f.empty() && (f[0] == '<' || f[0] == '=' || f[0] == '@' || (f[0] == '|'))) f.remove_prefix(1);
    auto is = [&](const char* letters) { return f.size() == 1 && std::strchr(letters, f[0]); };
    if (f == "Zf") *out = DType::complex64;
    else if (f == "Zd") *out = DType::complex128;
    else if (is("?")) *out = DType::boolean;
    else if (is("e")) *out = DType::float16;
    else if (is("f")) *out = DType::float32;
    else if (is("d")) *out = DType::float64;
    else if (is("bhilqn"))
        *out = size == 1 ? DType::int8 : size == 2 ? DType::int16 : size == 4 ? DType::int32 : DType::int64;
    else if (is("BHILQN"))
        *out = size == 1 ? DType::uint8 : size == 2 ? DType::uint16 : size == 4 ? DType::uint32 : DType::uint64;
    else return false;
    return true;
}

// Shares the memory of an object with the buffer protocol.
Tensor share_buffer(PyObject* o, const char* op) {
    auto* lease = new Lease;
    bool read_only = false;
    if (PyObject_GetBuffer(o, &lease->view, PyBUF_RECORDS) < 0) {
        PyErr_Clear();
        read_only = true;
        if (PyObject_GetBuffer(o, &lease->view, PyBUF_RECORDS_RO) < 0) {
            delete lease;
            throw PythonError();
        }
    }
    const Py_buffer& b = lease->view;
    try {
        DType dtype;
        const bool foreign = b.format && (*b.format == '>' || *b.format == '!') && b.itemsize > 1;
        require(!foreign, ErrorKind::value, op, ": data of format '", b.format ? b.format : "",
                "' is big-endian; expected native byte order: array.astype(array.dtype.newbyteorder('='))");
        require(dtype_of_format(b.format, b.itemsize, &dtype) && b.itemsize == size_of(dtype), ErrorKind::type, op,
                ": data of format '", b.format ? b.format : "",
                "' has no dtype here; expected bool, uint8/16/32/64, int8/16/32/64, float16/32/64 "
                "or complex64/128 in native byte order");
        Dims sizes, strides;
        require(b.ndim == 0 || (b.shape && b.strides), ErrorKind::type, op, ": data of type ", Py_TYPE(o)->tp_name,
                " has no shape and strides; expected an array of numbers");
        for (int i = 0; i < b.ndim; ++i) {
            sizes.push_back(b.shape[i]);
            require(b.shape[i] <= 1 || b.strides[i] >= 0, ErrorKind::value, op, ": stride ", b.strides[i],
                    " bytes of dimension ", i, " is negative; expected strides >= 0 (copy the array first)");
            require(b.shape[i] <= 1 || b.strides[i] % b.itemsize == 0, ErrorKind::value, op, ": stride ", b.strides[i],
                    " bytes of dimension ", i, " is not a multiple of the element size ", b.itemsize);
            strides.push_back(b.shape[i] <= 1 ? 1 : b.strides[i] / b.itemsize);
        }
        require(reinterpret_cast<uintptr_t>(b.buf) % std::min<size_t>(size_t(b.itemsize), 8) == 0, ErrorKind::value, op,
                ": the data is not aligned to its element size");
        int64_t bytes = bytes_needed(sizes, strides, 0, b.itemsize, op);
        Tensor t = empty_tensor({0}, dtype);
        t->storage = Storage::wrap(b.buf, size_t(bytes), end_lease, lease, read_only);
        t->sizes = sizes;
        t->strides = strides;
        t->update_geometry();
        return t;
    } catch (...) {
        if (PyErr_Occurred() == nullptr) PyBuffer_Release(&lease->view);
        delete lease;
        throw;
    }
}

// ---- nested sequences -----------------------------------------------------------------------------------------------

constexpr const char* changed = "tensor: data changed while it was read";

bool is_plain_sequence(PyObject* o) {
    return PyList_Check(o) || PyTuple_Check(o) ||
           (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !is_tensor(o) &&
            !PyObject_CheckBuffer(o) && !PyDict_Check(o));
}

// Calls f(item) for the items of a sequence. An item may run code: it is kept meanwhile, and the length must stay.
template <class F>
void each_item(PyObject* sequence, F&& f) {
    struct Owned {
        PyObject* o;
        ~Owned() { Py_DECREF(o); }
    };
    PyObject* fast = PySequence_Fast(sequence, "tensor: data must be a sequence");
    if (!fast) throw PythonError();
    Owned all{fast};
    Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
    for (Py_ssize_t i = 0; i < n; ++i) {
        require(PySequence_Fast_GET_SIZE(fast) == n, ErrorKind::runtime, changed);
        Owned item{Py_NewRef(PySequence_Fast_GET_ITEM(fast, i))};
        f(item.o);
    }
}

struct Nested {
    Dims sizes;
    DType dtype = DType::boolean;
    bool any = false;

    void see(DType t) {
        dtype = any ? promote(dtype, t) : t;
        any = true;
    }

    // First pass: the shape from the first elements, the dtype from all.
    void scan(PyObject* o, int depth) {
        require(depth <= max_rank, ErrorKind::value, "tensor: data is nested more than ", max_rank, " deep");
        if (is_tensor(o) || (PyObject_CheckBuffer(o) && !PyBytes_Check(o))) {
            Tensor t = is_tensor(o) ? tensor_of(o) : share_buffer(o, "tensor");
            see(t.dtype());
            for (int i = 0; i < t.rank(); ++i) extent(depth + i, t.size(i));
            leaf(depth + t.rank());
            return;
        }
        if (is_plain_sequence(o)) {
            Py_ssize_t n = PySequence_Size(o);
            if (n < 0) throw PythonError();
            extent(depth, n);
            each_item(o, [&](PyObject* item) { scan(item, depth + 1); });
            return;
        }
        Value v;
        if (!reading("tensor", "data", [&] { return to_number(o, &v); })) {
            bool foreign = PyObject_HasAttrString(o, "__dlpack__");
            fail(ErrorKind::type, "tensor: data of type ", Py_TYPE(o)->tp_name, foreign ? " of another library" : "",
                 " can't become an element; expected numbers, sequences of numbers, tensors or arrays",
                 foreign ? ": use from_dlpack(data)" : "");
        }
        see(rules::number_dtype(v));
        leaf(depth);
    }

private:
    bool closed_ = false;
    void extent(int depth, int64_t n) {
        if (depth < sizes.size()) {
            require(sizes[depth] == n, ErrorKind::value, "tensor: expected a sequence of length ", sizes[depth],
                    " at dimension ", depth, ", but one has length ", n);
        } else {
            require(!closed_, ErrorKind::value, "tensor: sequences and numbers are mixed at dimension ", depth);
            sizes.push_back(n);
        }
        if (n == 0) closed_ = true;
    }
    void leaf(int depth) {
        require(depth == sizes.size(), ErrorKind::value, "tensor: numbers stand at dimension ", depth,
                " where sequences were expected");
        closed_ = true;
    }
};

void store(const Value& v, char* to, DType dtype) {
    visit_dtype(dtype, [&](auto zero) {
        using T = decltype(zero);
        T x;
        if constexpr (std::is_same_v<T, bool>)
            x = v.tag == Tag::complex ? v.complex_.re != 0 || v.complex_.im != 0 : v.to_bool();
        else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) x = T(float(v.to_double()));
        else if constexpr (std::is_integral_v<T>) {
            require(v.tag != Tag::natural || std::is_same_v<T, uint64_t>, ErrorKind::overflow, "tensor: the value ",
                    uint64_t(v.integer_), " does not fit into ", name_of(dtype));
            int64_t whole = v.tag == Tag::real ? (std::abs(v.real_) < 9.2e18 ? int64_t(v.real_) : 0) : v.to_int();
            require(v.tag == Tag::real || whole == int64_t(T(whole)), ErrorKind::runtime, "tensor: the value ", whole,
                    " does not fit into ", name_of(dtype));
            x = T(whole);
        } else if constexpr (std::is_floating_point_v<T>) x = T(v.to_double());
        else x = v.tag == Tag::complex ? T(typename T::value_type(v.complex_.re), typename T::value_type(v.complex_.im))
                                       : T(typename T::value_type(v.to_double()));
        std::memcpy(to, &x, sizeof(T));
    });
}

// Second pass: the values in order. The data must still have the shape that the first pass saw.
char* fill(PyObject* o, char* to, DType dtype, const Dims& sizes, int depth) {
    if (is_tensor(o) || (PyObject_CheckBuffer(o) && !PyBytes_Check(o))) {
        Tensor t = cast(is_tensor(o) ? tensor_of(o) : share_buffer(o, "tensor"), dtype);
        bool same = t.rank() == sizes.size() - depth;
        for (int i = 0; same && i < t.rank(); ++i) same = t.size(i) == sizes[depth + i];
        require(same, ErrorKind::runtime, changed);
        size_t bytes = size_t(t.numel() * size_of(dtype));
        if (bytes) std::memcpy(to, t.data(), bytes);
        return to + bytes;
    }
    if (is_plain_sequence(o)) {
        int64_t count = 0;
        each_item(o, [&](PyObject* item) {
            require(depth < sizes.size() && count++ < sizes[depth], ErrorKind::runtime, changed);
            to = fill(item, to, dtype, sizes, depth + 1);
        });
        require(depth < sizes.size() && count == sizes[depth], ErrorKind::runtime, changed);
        return to;
    }
    Value v;
    require(depth == sizes.size() && to_number(o, &v), ErrorKind::runtime, changed);
    store(v, to, dtype);
    return to + size_of(dtype);
}

Tensor from_data(PyObject* data, bool has_dtype, DType dtype) {
    if (is_tensor(data) || PyObject_CheckBuffer(data)) {
        Tensor t = is_tensor(data) ? tensor_of(data) : share_buffer(data, "tensor");
        note_escape(*t.impl(), "tensor");
        Tensor copy = empty_tensor(t.sizes(), has_dtype ? dtype : t.dtype());
        copy_values(*copy.impl(), *t.impl());
        return copy;
    }
    if (PyObject_HasAttrString(data, "__array__") && !is_plain_sequence(data) && !PyFloat_Check(data) &&
        !PyIndex_Check(data)) {
        PyObject* array = PyObject_CallMethod(data, "__array__", nullptr);
        if (!array) throw PythonError();
        Tensor t = PyObject_CheckBuffer(array) ? from_data(array, has_dtype, dtype) : Tensor();
        Py_DECREF(array);
        if (t.defined()) return t;
    }
    Nested nested;
    nested.scan(data, 0);
    DType chosen = has_dtype ? dtype : nested.any ? nested.dtype : default_dtype();
    Tensor t = empty_tensor(nested.sizes, chosen);
    fill(data, static_cast<char*>(t.data()), chosen, nested.sizes, 0);
    return t;
}

struct Construction {          // the arguments of tensor() and as_tensor()
    PyObject* data = nullptr;
    PyObject* dtype = Py_None;
    PyObject* device = Py_None;
    int requires_grad = 0;
    int pin_memory = 0;

    bool parse_all(PyObject* args, PyObject* keywords) {
        static const char* names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", nullptr};
        return PyArg_ParseTupleAndKeywords(args, keywords, "O|$OOpp:tensor", const_cast<char**>(names), &data, &dtype,
                                           &device, &requires_grad, &pin_memory);
    }
    bool parse_few(PyObject* args, PyObject* keywords) {
        static const char* names[] = {"data", "dtype", "device", nullptr};
        return PyArg_ParseTupleAndKeywords(args, keywords, "O|OO:as_tensor", const_cast<char**>(names), &data, &dtype,
                                           &device);
    }
    bool has_dtype() const { return dtype != Py_None; }
    DType wanted(const char* op) const {
        if (!has_dtype()) return DType::float32;
        if (dtype == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::float64;
        if (dtype == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::int64;
        if (dtype == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::boolean;
        require(is_dtype(dtype), ErrorKind::type, op, ": argument 'dtype' must be dtype, not ",
                Py_TYPE(dtype)->tp_name);
        return dtype_of(dtype);
    }
};

PyObject* make_tensor(PyObject*, PyObject* args, PyObject* keywords) {
    Construction c;
    if (!c.parse_all(args, keywords)) return nullptr;
    return guarded([&] {
        require_cpu(c.device, "tensor");
        Tensor t = from_data(c.data, c.has_dtype(), c.wanted("tensor"));
        if (c.requires_grad) autograd::set_requires_grad(*t.impl(), true);
        return wrap(t);
    });
}

PyObject* make_as_tensor(PyObject*, PyObject* args, PyObject* keywords) {
    Construction c;
    if (!c.parse_few(args, keywords)) return nullptr;
    return guarded([&]() -> PyObject* {
        require_cpu(c.device, "as_tensor");
        DType dtype = c.wanted("as_tensor");
        if (is_tensor(c.data)) {
            if (!c.has_dtype() || impl_of(c.data)->dtype == dtype) return Py_NewRef(c.data);
            return PyObject_CallMethod(c.data, "to", "O", c.dtype);
        }
        if (PyObject_CheckBuffer(c.data) && !PyBytes_Check(c.data)) {
            Tensor t = share_buffer(c.data, "as_tensor");
            return wrap(c.has_dtype() ? cast(t, dtype) : t);
        }
        return wrap(from_data(c.data, c.has_dtype(), dtype));
    });
}

PyObject* make_of_default_dtype(PyObject*, PyObject* data) {
    return guarded([&] { return wrap(from_data(data, true, default_dtype())); });
}

PyObject* make_from_numpy(PyObject*, PyObject* array) {
    return guarded([&] {
        require(PyObject_CheckBuffer(array) && PyObject_HasAttrString(array, "__array_interface__"), ErrorKind::type,
                "from_numpy: expected a numpy.ndarray, not ", Py_TYPE(array)->tp_name);
        return wrap(share_buffer(array, "from_numpy"));
    });
}

PyObject* make_from_buffer(PyObject*, PyObject* args, PyObject* keywords) {
    PyObject *buffer, *dtype, *gradient = Py_False;
    Py_ssize_t count = -1, offset = 0;
    static const char* names[] = {"buffer", "dtype", "count", "offset", "requires_grad", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|$O!nnO:frombuffer", const_cast<char**>(names), &buffer,
                                     dtype_type, &dtype, &count, &offset, &gradient))
        return nullptr;
    return guarded([&] {
        DType t = dtype_of(dtype);
        PyObject* bytes = PyMemoryView_FromObject(buffer);
        if (!bytes) throw PythonError();
        PyObject* flat = PyObject_CallMethod(bytes, "cast", "s", "B");
        Py_DECREF(bytes);
        if (!flat) throw PythonError();
        Tensor raw;
        try {
            raw = share_buffer(flat, "frombuffer");
        } catch (...) {
            Py_DECREF(flat);
            throw;
        }
        Py_DECREF(flat);
        int64_t length = raw.numel(), size = size_of(t);
        require(offset >= 0 && offset < std::max<int64_t>(length, 1), ErrorKind::value, "frombuffer: offset=", offset,
                " is outside the buffer of ", length, " bytes");
        int64_t room = length - offset;
        require(count >= 0 || room % size == 0, ErrorKind::value, "frombuffer: the ", room,
                " bytes after the offset are not a multiple of ", size, ", the size of ", name_of(t));
        int64_t n = count < 0 ? room / size : count;
        require(n <= room / size, ErrorKind::value, "frombuffer: count=", n, " elements of ", size,
                " bytes do not fit into ", room, " bytes");
        Tensor out = empty_tensor({0}, t);
        char* start = static_cast<char*>(raw.data()) + offset;
        require(reinterpret_cast<uintptr_t>(start) % std::min<size_t>(size_t(size), 8) == 0, ErrorKind::value,
                "frombuffer: offset=", offset, " leaves the data unaligned for ", name_of(t));
        auto* keep = new Tensor(raw);
        out->storage = Storage::wrap(
            start, size_t(n * size), [](void* context) { delete static_cast<Tensor*>(context); }, keep,
            raw->storage->read_only());
        out->sizes = {n};
        out->strides = {1};
        out->update_geometry();
        if (gradient == Py_True) autograd::set_requires_grad(*out.impl(), true);
        return wrap(out);
    });
}

PyMethodDef functions[] = {
    {"tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_tensor)), METH_VARARGS | METH_KEYWORDS,
     "tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor\n\n"
     "A new tensor with a copy of `data`: numbers, nested sequences, tensors or arrays.\n\n"
     "Example:\n    >>> rushlight.tensor([[1.0, 2.0], [3.0, 4.0]]).shape\n    rushlight.Size([2, 2])"},
    {"as_tensor", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_as_tensor)),
     METH_VARARGS | METH_KEYWORDS,
     "as_tensor(data, dtype=None, device=None) -> Tensor\n\nLike tensor(), "
     "but shares memory with arrays and returns tensors unchanged "
     "where it can."},
    {"from_numpy", make_from_numpy, METH_O,
     "from_numpy(ndarray) -> Tensor\n\nA tensor that shares the memory of a NumPy array. "
     "A read-only array gives a tensor that can't be "
     "written."},
    {"frombuffer", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(make_from_buffer)),
     METH_VARARGS | METH_KEYWORDS,
     "frombuffer(buffer, *, dtype, count=-1, offset=0, "
     "requires_grad=False) -> Tensor\n\nA one-dimensional tensor over the memory of an "
     "object with the buffer protocol."},
    {"_tensor_of_default_dtype", make_of_default_dtype, METH_O, nullptr},
    {}};

}  // namespace

bool add_construction(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace rushlight::python
