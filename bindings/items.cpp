#include "bindings/items.h"

#include "graph/values.h"

namespace rushlight::python {

using graph::Item;
using graph::ProgramError;
using graph::Type;
using graph::TypeKind;

namespace {

PyObject* to_str(const std::string& text) {
    return PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "replace");
}

// A reference that is given back at the end.
class Held {
public:
    explicit Held(PyObject* o) : o_(o) { if (!o_) throw PythonError(); }
    ~Held() { Py_DECREF(o_); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    PyObject* get() const { return o_; }

private:
    PyObject* o_;
};

[[noreturn]] void refuse(PyObject* o, const Type& type, const std::string& who) {
    fail(ErrorKind::type, who, " is ", Py_TYPE(o)->tp_name, "; expected ",
         type.is(TypeKind::tensor) ? "Tensor" : to_text(type));
}

std::vector<Item> to_items(PyObject* o, const Type& type, const std::string& who) {
    Items items(o);
    if (!items) throw PythonError();
    bool tuple = type.is(TypeKind::tuple);
    require(!tuple || size_t(items.size()) == type.items.size(), ErrorKind::type, who, " has ", items.size(),
            " items; expected ", to_text(type));
    std::vector<Item> out;
    for (Py_ssize_t i = 0; i < items.size(); ++i)
        out.push_back(to_item(items[i], type.items[tuple ? size_t(i) : 0], who + ": an item"));
    return out;
}

Item to_dict(PyObject* o, const Type& type, const std::string& who) {
    Held pairs(PyDict_Items(o));
    Item out(Ref<graph::Dict>(new graph::Dict));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs.get()); ++i) {
        PyObject* pair = PyList_GET_ITEM(pairs.get(), i);
        Item key = to_item(PyTuple_GET_ITEM(pair, 0), type.items[0], who + ": a key");
        out.dict().set(key, to_item(PyTuple_GET_ITEM(pair, 1), type.items[1], who + ": a value"));
    }
    return out;
}

Item to_number(PyObject* o, const Type& type, const std::string& who) {
    Value v;
    bool flag = PyBool_Check(o), whole = PyLong_Check(o) && !flag;
    if (!python::to_number(o, &v)) refuse(o, type, who);
    bool any = type.is(TypeKind::number);
    if (v.tag == Tag::boolean && (any || type.is(TypeKind::boolean))) return Item(v.boolean_);
    if (v.tag == Tag::integer && (any || type.is(TypeKind::integer))) return Item(v.integer_);
    if (v.tag == Tag::real && (any || type.is(TypeKind::real))) return Item(v.real_);
    if (type.is(TypeKind::real) && whole) return Item(v.to_double());
    refuse(o, type, who);
}

PyObject* filled(PyObject* sequence, const std::vector<Item>& items) {
    for (size_t i = 0; sequence && i < items.size(); ++i) {
        PyObject* one = nullptr;
        try {
            one = from_item(items[i]);
        } catch (...) {
            Py_DECREF(sequence);
            throw;
        }
        if (PyList_Check(sequence)) PyList_SET_ITEM(sequence, Py_ssize_t(i), one);
        else PyTuple_SET_ITEM(sequence, Py_ssize_t(i), one);
    }
    return sequence;
}

PyObject* from_dict(const graph::Dict& dict) {
    Held out(PyDict_New());
    for (const auto& [key, value] : dict.entries) {
        Held k(from_item(key)), v(from_item(value));
        if (PyDict_SetItem(out.get(), k.get(), v.get()) < 0) throw PythonError();
    }
    return Py_NewRef(out.get());
}

void check_signals() {
    Interpreter lock;
    if (lock.alive() && PyErr_CheckSignals() < 0) throw PythonError();
}

void print(const std::string& text) {
    Interpreter lock;
    PyObject* out = PySys_GetObject("stdout");           // borrowed
    if (!out || out == Py_None) return;
    Held kept(Py_NewRef(out)), said(to_str(text));
    if (PyFile_WriteObject(said.get(), out, Py_PRINT_RAW) < 0) throw PythonError();
}

std::string show(const TensorImpl& t) {
    Interpreter lock;
    Held tensor(wrap(Tensor(const_cast<TensorImpl*>(&t))));
    Held shown(PyObject_Str(tensor.get()));
    return std::string(text_of(shown.get()));
}

}  // namespace

Item to_item(PyObject* o, const Type& type, const std::string& who) {
    switch (type.kind) {
        case TypeKind::tensor:
            if (!is_tensor(o)) break;
            return Item(tensor_of(o));
        case TypeKind::integer: case TypeKind::real: case TypeKind::boolean: case TypeKind::number:
            return to_number(o, type, who);
        case TypeKind::string:
            if (!PyUnicode_Check(o)) break;
            return Item(std::string(text_of(o)));
        case TypeKind::dtype:
            if (!is_dtype(o)) break;
            return Item(dtype_of(o));
        case TypeKind::none:
            if (o != Py_None) break;
            return Item();
        case TypeKind::optional: return o == Py_None ? Item() : to_item(o, type.items[0], who);
        case TypeKind::list:
            if (!PyList_Check(o) && !PyTuple_Check(o)) break;
            return Item::list(to_items(o, type, who));
        case TypeKind::tuple:
            if (!PyTuple_Check(o) && !PyList_Check(o)) break;
            return Item::tuple(to_items(o, type, who));
        case TypeKind::dict:
            if (!PyDict_Check(o)) break;
            return to_dict(o, type, who);
        default: break;
    }
    refuse(o, type, who);
}

PyObject* from_item(const Item& x) {
    PyObject* out = nullptr;
    switch (x.kind()) {
        case TypeKind::tensor: out = wrap(Tensor(x.tensor())); break;
        case TypeKind::integer: out = PyLong_FromLongLong(x.integer()); break;
        case TypeKind::real: out = PyFloat_FromDouble(x.real()); break;
        case TypeKind::boolean: out = PyBool_FromLong(x.boolean()); break;
        case TypeKind::string: out = to_str(x.text()); break;
        case TypeKind::dtype: out = wrap_dtype(x.dtype()); break;
        case TypeKind::none: out = Py_NewRef(Py_None); break;
        case TypeKind::list: out = filled(PyList_New(Py_ssize_t(x.items().size())), x.items()); break;
        case TypeKind::tuple: out = filled(PyTuple_New(Py_ssize_t(x.items().size())), x.items()); break;
        case TypeKind::dict: out = from_dict(x.dict()); break;
        default: x.integer();                            // no value: raises
    }
    if (!out) throw PythonError();
    return out;
}

void raise(const ProgramError& e) {
    const char* name = e.exception().c_str();
    PyObject* type = *name ? PyDict_GetItemString(PyEval_GetBuiltins(), name) : nullptr;
    bool exception = type && PyExceptionClass_Check(type) && PyObject_IsSubclass(type, PyExc_Exception) == 1;
    if (!exception) throw e;
    PyErr_SetString(type, e.what());
    throw PythonError();
}

void lend_to_programs() {
    graph::host.check_signals = check_signals;
    graph::host.print = print;
    graph::host.show = show;
}

}  // namespace rushlight::python
