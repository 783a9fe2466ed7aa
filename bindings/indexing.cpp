// x[...] and x[...] = v. A Python index is taken apart into views of the tensor and, where it holds arrays, one read or
// write by index. Views and writes go through the funnel like any other operator.
#include "bindings/python.h"
#include "registry/invoke.h"
#include "registry/rules.h"

namespace rushlight::python {

namespace {

struct Operators {
    const Op &select = need_op("select"), &slice = need_op("slice"), &unsqueeze = need_op("unsqueeze"),
             &view = need_op("view"), &index = need_op("index"), &index_write = need_op("index_write"),
             &nonzero = need_op("nonzero"), &masked_select = need_op("masked_select"),
             &masked_fill = need_op("masked_fill"), &copy = need_op("copy_"), &fill = need_op("fill_"),
             &to_dtype = need_op("to_dtype"), &reshape = need_op("reshape");
};

const Operators& ops() {
    static const Operators all;
    return all;
}

// One entry of an index, classified.
struct Entry {
    enum Kind : uint8_t { integer, slice, none, ellipsis, boolean, array } kind;
    int64_t number = 0;                    // of integer and boolean
    int64_t start = 0, stop = 0, step = 1; // of slice
    Tensor array_value;                    // int64, int32, or bool
    int taken() const {                    // dimensions of the tensor that it uses up
        return kind == integer || kind == slice        ? 1
               : kind != array                         ? 0
               : array_value.dtype() == DType::boolean ? array_value.rank()
                                                       : 1;
    }
};

[[noreturn]] void fail_kind(PyObject* o) {
    fail(ErrorKind::index, "index: an entry is of type ", Py_TYPE(o)->tp_name,
         "; expected integers, slices, `...`, None, bools, or arrays of integers or bools");
}

}  // namespace

Tensor tensor_from(PyObject* o) {
    static PyObject* as_tensor = [] {
        PyObject* module = PyImport_ImportModule("rushlight._C");
        PyObject* f = module ? PyObject_GetAttrString(module, "as_tensor") : nullptr;
        Py_XDECREF(module);
        return f;
    }();
    PyObject* made = as_tensor ? PyObject_CallOneArg(as_tensor, o) : nullptr;
    if (!made) throw PythonError();
    Tensor t = tensor_of(made);
    Py_DECREF(made);
    bool empty_list = t.numel() == 0 && !PyObject_CheckBuffer(o);
    return empty_list ? cast(t, DType::int64) : t;
}

namespace {

bool is_numpy_bool(PyObject* o) {
    std::string_view name = Py_TYPE(o)->tp_name;
    return name == "numpy.bool" || name == "numpy.bool_";
}

Entry entry_of_tensor(const Tensor& t) {
    DType d = t.dtype();
    bool flag = d == DType::boolean || d == DType::uint8;
    require(flag || d == DType::int64 || d == DType::int32, ErrorKind::index, "index: an array has dtype ", name_of(d),
            "; expected int64, int32, bool or uint8");
    if (t.rank() == 0) {
        int64_t value = item_of(*t.impl(), "index").to_int();
        return {flag ? Entry::boolean : Entry::integer, flag ? value != 0 : value};
    }
    Entry e{Entry::array};
    e.array_value = d == DType::uint8 ? cast(t, DType::boolean) : t;
    return e;
}

Entry entry_of_slice(PyObject* o) {
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(o, &start, &stop, &step) < 0) throw PythonError();
    require(step > 0, ErrorKind::value, "index: a slice has step ", step, "; expected step >= 1 (use flip to reverse)");
    Entry e{Entry::slice};
    e.start = start;
    e.stop = stop;
    e.step = step;
    return e;
}

Entry classify(PyObject* o) {
    int64_t i;
    if (PyLong_CheckExact(o)) {
        to_int(o, &i);
        return {Entry::integer, i};
    }
    if (PySlice_Check(o)) return entry_of_slice(o);
    if (o == Py_None) return {Entry::none};
    if (o == Py_Ellipsis) return {Entry::ellipsis};
    if (PyBool_Check(o)) return {Entry::boolean, o == Py_True};
    if (is_tensor(o)) return entry_of_tensor(tensor_of(o));
    if (is_numpy_bool(o)) return {Entry::boolean, is_true(o)};
    if (PyFloat_Check(o) || PyUnicode_Check(o) || PyBytes_Check(o)) fail_kind(o);
    if (PyObject_HasAttrString(o, "__array_interface__") && !PyObject_HasAttrString(o, "__len__")) {
        if (to_int(o, &i)) return {Entry::integer, i};                      // a NumPy scalar
    }
    if (PySequence_Check(o) || PyObject_CheckBuffer(o)) return entry_of_tensor(tensor_from(o));
    if (to_int(o, &i)) return {Entry::integer, i};
    fail_kind(o);
}

// A short list with a slice, None, `...`, a tensor or a sequence inside is read as a tuple, as PyTorch does.
bool list_means_tuple(PyObject* list) {
    Py_ssize_t n = PyList_GET_SIZE(list);
    if (n >= 32) return false;
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* o = PyList_GET_ITEM(list, i);
        if (PySlice_Check(o) || o == Py_None || o == Py_Ellipsis || is_tensor(o) || PyList_Check(o) || PyTuple_Check(o))
            return true;
    }
    return false;
}

// The tensor after all views, and the arrays that index it with the dimensions they apply to.
struct Taken {
    Tensor view;
    std::vector<Tensor> arrays;
    Dims dims;
    Tensor mask;                 // instead of arrays, where the only one is a mask of all dimensions
    bool plain() const { return arrays.empty() && !mask.defined(); }
};

Tensor select(const Tensor& whole, const Tensor& t, int dim, int whole_dim, int64_t i) {
    int64_t size = t.size(dim);
    require(i >= -size && i < size, ErrorKind::index, "index: ", i, " is out of range for dimension ", whole_dim,
            " of a tensor of shape ", whole.sizes(), "; ", rules::expected_between(-size, "index", size));
    Value values[3] = {Value(t), Value(dim), Value(i)};
    Call c(ops().select, values);
    dispatch(c);
    return std::move(c.out[0]);
}

Tensor slice(const Tensor& t, int dim, const Entry& e) {
    int64_t size = t.size(dim);
    if (e.start == 0 && e.step == 1 && e.stop >= size) return t;
    Value values[5] = {Value(t), Value(dim), Value(e.start), Value(e.stop), Value(e.step)};
    Call c(ops().slice, values);
    dispatch(c);
    return std::move(c.out[0]);
}

Tensor flag_index(bool on) {                     // True takes the one entry of a new dimension, False none
    Tensor t = empty_tensor({on ? 1 : 0}, DType::int64);
    if (on) *t.data_as<int64_t>() = 0;
    return t;
}

// A mask as index arrays: the places where it is true.
void spread_mask(Taken& taken, const Tensor& mask, int dim) {
    Tensor found = invoke(ops().nonzero, mask);
    for (int i = 0; i < mask.rank(); ++i) {
        taken.arrays.push_back(invoke(ops().select, found, 1, i));
        taken.dims.push_back(dim + i);
    }
}

void take_mask(const Tensor& whole, Taken& taken, const Tensor& mask, int dim, int whole_dim, bool alone) {
    const Tensor& t = taken.view;
    for (int i = 0; i < mask.rank(); ++i)
        require(mask.size(i) == t.size(dim + i), ErrorKind::index, "index: a mask of shape ", mask.sizes(),
                " does not match dimension ", whole_dim + i, " of a tensor of shape ", whole.sizes());
    if (alone && mask.rank() == t.rank()) taken.mask = mask;
    else spread_mask(taken, mask, dim);
}

Taken take(const Tensor& whole, const std::vector<Entry>& entries) {
    int used = 0, ellipses = 0, arrays = 0;
    for (const Entry& e : entries) {
        used += e.taken();
        ellipses += e.kind == Entry::ellipsis;
        arrays += e.kind == Entry::array || e.kind == Entry::boolean;
    }
    require(used <= whole.rank(), ErrorKind::index, "index: ", used, " indices for a tensor of shape ", whole.sizes(),
            ", which has ", whole.rank(), whole.rank() == 1 ? " dimension" : " dimensions",
            whole.rank() == 0 ? "; use item() to read its value" : "");
    Taken taken{whole, {}, {}, {}};
    int dim = 0, whole_dim = 0;
    bool skipped = false;
    for (const Entry& e : entries) {
        switch (e.kind) {
            case Entry::integer: taken.view = select(whole, taken.view, dim, whole_dim++, e.number); break;
            case Entry::slice: taken.view = slice(taken.view, dim++, e), ++whole_dim; break;
            case Entry::none: taken.view = invoke(ops().unsqueeze, taken.view, dim++); break;
            case Entry::ellipsis:
                if (skipped) break;                                        // further ones stand for nothing
                skipped = true;
                dim += whole.rank() - used;
                whole_dim += whole.rank() - used;
                break;
            case Entry::boolean:
                taken.view = invoke(ops().unsqueeze, taken.view, dim);
                taken.arrays.push_back(flag_index(e.number));
                taken.dims.push_back(dim++);
                break;
            case Entry::array:
                if (e.array_value.dtype() == DType::boolean) {
                    take_mask(whole, taken, e.array_value, dim, whole_dim, arrays == 1);
                } else {
                    taken.arrays.push_back(e.array_value);
                    taken.dims.push_back(dim);
                }
                dim += e.taken();
                whole_dim += e.taken();
                break;
        }
    }
    return taken;
}

std::vector<Entry> entries_of(PyObject* key) {
    std::vector<Entry> entries;
    bool tuple = PyTuple_Check(key);
    if (!tuple && PyList_Check(key) && list_means_tuple(key)) {
        Items items(key);
        if (!items) throw PythonError();
        entries.reserve(size_t(items.size()));
        for (Py_ssize_t i = 0; i < items.size(); ++i) entries.push_back(classify(items[i]));
        return entries;
    }
    if (!tuple) {
        entries.push_back(classify(key));
        return entries;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(key);
    entries.reserve(size_t(n));
    for (Py_ssize_t i = 0; i < n; ++i) entries.push_back(classify(PyTuple_GET_ITEM(key, i)));
    return entries;
}

// The view of an index without arrays, by the shortest way for the common ones. Undefined when the index needs more.
Tensor plain_view(const Tensor& t, PyObject* key) {
    if (PyLong_CheckExact(key) && t.rank() > 0) {
        int64_t i;
        to_int(key, &i);
        return select(t, t, 0, 0, i);
    }
    if (PySlice_Check(key) && t.rank() > 0) {
        Tensor view = slice(t, 0, entry_of_slice(key));
        return view.same(t) ? invoke(ops().view, t, t.sizes()) : view;
    }
    if (!PyTuple_CheckExact(key)) return {};
    Py_ssize_t n = PyTuple_GET_SIZE(key);
    if (n == 0 || n > t.rank()) return {};
    for (Py_ssize_t i = 0; i < n; ++i)
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(key, i))) return {};
    Tensor view = t;
    for (Py_ssize_t i = 0; i < n; ++i) {
        int64_t at;
        to_int(PyTuple_GET_ITEM(key, i), &at);
        view = select(t, view, 0, int(i), at);
    }
    return view;
}

struct ArrayList {
    std::vector<TensorImpl*> list;
    explicit ArrayList(const std::vector<Tensor>& arrays) {
        for (const Tensor& t : arrays) list.push_back(t.impl());
    }
    operator std::span<TensorImpl* const>() const { return list; }
};

// Leading dimensions of one element, beyond what the destination has, do not count.
Tensor without_leading_ones(const Tensor& value, int rank) {
    int extra = 0;
    while (value.rank() - extra > rank && value.size(extra) == 1) ++extra;
    if (extra == 0) return value;
    return invoke(ops().reshape, value, Dims(std::span<const int64_t>(value.sizes()).subspan(size_t(extra))));
}

int indexed_rank(const Taken& taken) {
    int points = 0;
    for (const Tensor& t : taken.arrays) points = std::max(points, t.rank());
    return taken.view.rank() - int(taken.arrays.size()) + points;
}

void assign(const Tensor& view, const Value& number, const Tensor& value) {
    if (value.defined()) {
        invoke_in_place(ops().copy, view, without_leading_ones(value, view.rank()));
        return;
    }
    // fill_ would take it, as PyTorch's does; x[...] = v is a copy, which does not.
    require(!overlaps_itself(*view.impl()), ErrorKind::runtime, "index: the tensor that is written, of shape ",
            view.sizes(), " and stride ", view.strides(), ", has several elements in one place; clone() it first");
    invoke_in_place(ops().fill, view, number);
}

void assign_by_index(Taken& taken, const Value& number, const Tensor& value) {
    const Tensor& view = taken.view;
    bool one = !value.defined() || (value.rank() == 0 && value.dtype() == view.dtype());
    if (taken.mask.defined() && one) {
        invoke_in_place(ops().masked_fill, view, taken.mask, value.defined() ? Value(value) : number);
        return;
    }
    if (taken.mask.defined()) spread_mask(taken, taken.mask, 0);
    Tensor source = value;
    if (source.defined()) {
        source = invoke(ops().to_dtype, without_leading_ones(source, indexed_rank(taken)), view.dtype());
    } else {
        source = empty_tensor({}, view.dtype());
        invoke_in_place(ops().fill, source, number);
    }
    invoke_in_place(ops().index_write, view, std::span<TensorImpl* const>(ArrayList(taken.arrays)), source, taken.dims,
                    false);
}

// `index` is what the user called, whichever operators do it.
template <class F>
PyObject* as_index(F&& f) {
    return guarded([&]() -> PyObject* {
        try {
            return f();
        } catch (const Error& e) {
            if (e.kind() == ErrorKind::overflow) fail(ErrorKind::overflow, "index: ", e.text());
            throw spoken_by("index", e);
        }
    });
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
    return as_index([&] {
        Tensor t = tensor_of(self);
        if (Tensor view = plain_view(t, key); view.defined()) return wrap(view);
        Taken taken = take(t, entries_of(key));
        if (taken.mask.defined()) return wrap(invoke(ops().masked_select, taken.view, taken.mask));
        if (!taken.arrays.empty())
            return wrap(
                invoke(ops().index, taken.view, std::span<TensorImpl* const>(ArrayList(taken.arrays)), taken.dims));
        return wrap(taken.view.same(t) ? invoke(ops().view, t, t.sizes()) : taken.view);
    });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "a Tensor's elements can't be deleted");
        return -1;
    }
    PyObject* done = as_index([&]() -> PyObject* {
        Tensor t = tensor_of(self), source;
        Value number;
        if (is_tensor(value)) source = tensor_of(value);
        else if (!to_number(value, &number)) source = tensor_from(value);
        if (Tensor view = plain_view(t, key); view.defined()) {
            assign(view, number, source);
            Py_RETURN_NONE;
        }
        Taken taken = take(t, entries_of(key));
        if (taken.plain()) assign(taken.view, number, source);
        else assign_by_index(taken, number, source);
        Py_RETURN_NONE;
    });
    Py_XDECREF(done);
    return done ? 0 : -1;
}

}  // namespace rushlight::python
