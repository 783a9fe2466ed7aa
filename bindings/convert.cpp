// Numbers and lists between Python and the core; exceptions.
#include <string>
#include <unordered_map>

#include "bindings/python.h"

namespace rushlight::python {

PyObject* linalg_error() {
    static PyObject* type = PyErr_NewException("rushlight.linalg.LinAlgError", PyExc_RuntimeError, nullptr);
    return type;
}

namespace {

PyObject* exception_of(ErrorKind kind) {
    static PyObject* division = nullptr;
    static PyObject* memory = nullptr;
    static PyObject* not_implemented = nullptr;
    // PyTorch raises RuntimeError for these; Python programs expect the builtin. The class is both.
    auto both = [](PyObject*& slot, const char* name, PyObject* builtin) {
        if (!slot) {
            PyObject* bases = PyTuple_Pack(2, PyExc_RuntimeError, builtin);
            slot = PyErr_NewException(name, bases, nullptr);
            Py_XDECREF(bases);
        }
        return slot;
    };
    switch (kind) {
        case ErrorKind::runtime: return PyExc_RuntimeError;
        case ErrorKind::value: return PyExc_ValueError;
        case ErrorKind::index: return PyExc_IndexError;
        case ErrorKind::type: return PyExc_TypeError;
        case ErrorKind::memory: return both(memory, "rushlight.OutOfMemoryError", PyExc_MemoryError);
        case ErrorKind::not_implemented:
            return both(not_implemented, "rushlight.UnsupportedError", PyExc_NotImplementedError);
        case ErrorKind::zero_division: return both(division, "rushlight.DivisionError", PyExc_ZeroDivisionError);
        case ErrorKind::overflow: return PyExc_OverflowError;
        case ErrorKind::linalg: return linalg_error();
        case ErrorKind::key: return PyExc_KeyError;
        case ErrorKind::buffer: return PyExc_BufferError;
        case ErrorKind::io: return PyExc_OSError;
    }
    return PyExc_RuntimeError;
}

int64_t checked_long(PyObject* o) {
    int overflow = 0;
    long long x = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) return x;
    PyObject* text = PyLong_Type.tp_repr(o);            // of a subclass, too, the digits
    if (!text) PyErr_Clear();                           // more of them than Python prints
    std::string digits(text ? text_of(text) : "an integer of thousands of digits");
    Py_XDECREF(text);
    fail(ErrorKind::overflow, digits, " does not fit into a 64-bit integer");
}

}  // namespace

std::string_view text_of(PyObject* text) {
    Py_ssize_t n;
    const char* bytes = PyUnicode_AsUTF8AndSize(text, &n);
    if (!bytes) throw PythonError();
    return {bytes, size_t(n)};
}

bool is_true(PyObject* o) {
    int on = PyObject_IsTrue(o);
    if (on < 0) throw PythonError();
    return on;
}

namespace {

std::unordered_map<PyCodeObject*, std::string>& composites() {
    static auto* all = new std::unordered_map<PyCodeObject*, std::string>;  // never destroyed: it holds Python objects
    return *all;
}

bool is_library_frame(PyFrameObject* frame) {
    PyObject* globals = PyFrame_GetGlobals(frame);
    PyObject* name = PyDict_GetItemString(globals, "__name__");
    const char* text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
    Py_DECREF(globals);
    return text && std::string_view(text).starts_with("rushlight.functional.");
}

// The composite that the user called, where one is running: the outermost before code that is not the library's.
const std::string* running_composite() {
    const std::string* found = nullptr;
    PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
    while (frame && is_library_frame(frame)) {
        PyCodeObject* code = PyFrame_GetCode(frame);
        if (auto known = composites().find(code); known != composites().end()) found = &known->second;
        Py_DECREF(code);
        PyFrameObject* back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    return found;
}

}  // namespace

void name_composite(PyObject* function, std::string name) {
    auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GetCode(function));
    Py_INCREF(code);
    composites()[code] = std::move(name);
}

void set_error(const Error& given) {
    const std::string* composite = running_composite();
    Error e = composite ? spoken_by(composite->c_str(), given) : given;
    // NotImplementedError derives from RuntimeError already.
    if (e.kind() == ErrorKind::not_implemented) PyErr_SetString(PyExc_NotImplementedError, e.what());
    else PyErr_SetString(exception_of(e.kind()), e.what());
}

bool to_int(PyObject* o, int64_t* out) {
    if (PyLong_CheckExact(o)) {
        *out = checked_long(o);
        return true;
    }
    if (PyFloat_Check(o) || !PyIndex_Check(o)) return false;
    if (is_tensor(o)) {
        TensorImpl* t = impl_of(o);
        if (t->numel != 1 || !is_integral(t->dtype)) return false;
        *out = item_of(*t, "__index__").to_int();
        return true;
    }
    PyObject* n = PyNumber_Index(o);
    if (!n) {
        PyErr_Clear();
        return false;
    }
    try {
        *out = checked_long(n);
    } catch (...) {
        Py_DECREF(n);
        throw;
    }
    Py_DECREF(n);
    return true;
}

// A Python integer: beyond int64, what uint64 holds.
static Value whole_number(PyObject* o) {
    int overflow = 0;
    long long x = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow <= 0) return Value(overflow ? checked_long(o) : int64_t(x));
    unsigned long long large = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return Value(uint64_t(large));
    PyErr_Clear();
    return Value(checked_long(o));
}

// Arrays and other containers have one; NumPy's scalars are mappings to Python too, but without a length.
static bool has_length(PyObject* o) {
    PySequenceMethods* sequence = Py_TYPE(o)->tp_as_sequence;
    PyMappingMethods* mapping = Py_TYPE(o)->tp_as_mapping;
    return (sequence && sequence->sq_length) || (mapping && mapping->mp_length);
}

// NumPy's scalars, which keep their kind: a complex one or a bool converts to float as well.
static bool numpy_scalar(PyObject* o, Value* v) {
    if (!PyObject_HasAttrString(o, "dtype")) return false;
    PyObject* item = PyObject_CallMethod(o, "item", nullptr);
    if (!item) {
        PyErr_Clear();
        return false;
    }
    bool is_plain = PyFloat_CheckExact(item) || PyBool_Check(item) || PyLong_CheckExact(item) ||
                    PyComplex_CheckExact(item);
    try {
        is_plain = is_plain && to_number(item, v);
    } catch (...) {
        Py_DECREF(item);
        throw;
    }
    Py_DECREF(item);
    return is_plain;
}

bool to_number(PyObject* o, Value* v) {
    if (PyFloat_CheckExact(o)) {
        *v = Value(PyFloat_AS_DOUBLE(o));
        return true;
    }
    if (PyBool_Check(o)) {
        *v = Value(o == Py_True);
        return true;
    }
    if (PyLong_Check(o)) {
        *v = whole_number(o);
        return true;
    }
    if (PyFloat_Check(o)) {
        *v = Value(PyFloat_AS_DOUBLE(o));
        return true;
    }
    if (PyComplex_Check(o)) {
        Py_complex c = PyComplex_AsCComplex(o);
        *v = Value(std::complex<double>(c.real, c.imag));
        return true;
    }
    if (is_tensor(o)) return false;
    PyNumberMethods* m = Py_TYPE(o)->tp_as_number;
    if (!m || has_length(o)) return false;
    if (numpy_scalar(o, v)) return true;
    if (m->nb_index) {
        int64_t i;
        if (!to_int(o, &i)) return false;
        *v = Value(i);
        return true;
    }
    if (!m->nb_float) return false;
    double d = PyFloat_AsDouble(o);
    if (d == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    *v = Value(d);
    return true;
}

bool to_ints(PyObject* o, Dims* out) {
    if (!PyTuple_Check(o) && !PyList_Check(o) && (is_tensor(o) || PyUnicode_Check(o) || !PySequence_Check(o)))
        return false;
    Items items(o);
    if (!items) {
        PyErr_Clear();
        return false;
    }
    out->resize(int(items.size()));
    for (Py_ssize_t i = 0; i < items.size(); ++i)
        if (!to_int(items[i], &(*out)[int(i)])) return false;
    return true;
}

Value item_of(const TensorImpl& t, const char* op) {
    require(t.numel == 1, ErrorKind::runtime, op, ": input of shape ", t.sizes, " has numel=", t.numel,
            "; expected numel=1 to convert it to a number");
    note_escape(t, op);
    const void* p = t.data();
    return visit_dtype(t.dtype, [&](auto zero) -> Value {
        using T = decltype(zero);
        T x = *static_cast<const T*>(p);
        if constexpr (std::is_same_v<T, bool>) return Value(x);
        else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return Value(double(float(x)));
        else if constexpr (std::is_same_v<T, uint64_t>) return Value(x);
        else if constexpr (std::is_integral_v<T>) return Value(int64_t(x));
        else if constexpr (std::is_floating_point_v<T>) return Value(double(x));
        else return Value(std::complex<double>(double(x.real()), double(x.imag())));
    });
}

PyObject* wrap_number(const Value& v) {
    switch (v.tag) {
        case Tag::boolean: return PyBool_FromLong(v.boolean_);
        case Tag::integer: return PyLong_FromLongLong(v.integer_);
        case Tag::natural: return PyLong_FromUnsignedLongLong(uint64_t(v.integer_));
        case Tag::real: return PyFloat_FromDouble(v.real_);
        case Tag::complex: return PyComplex_FromDoubles(v.complex_.re, v.complex_.im);
        default: Py_RETURN_NONE;
    }
}

const Op& need_op(const char* id) {
    Op* op = find_op(id);
    require(op != nullptr, ErrorKind::not_implemented, "operator '", id, "' is not part of this build");
    return *op;
}

}  // namespace rushlight::python
