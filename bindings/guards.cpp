// What compiled functions take for granted of Python, checked before each call.
#include "bindings/guards.h"

#include <structmember.h>

#include <bit>
#include <cstring>

#include "bindings/convert.h"

namespace nb = nanobind;

namespace rushlight::python {

std::atomic<uint64_t> touched{0};

namespace {

bool is_number_or_text(PyObject* o) {
    return PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyUnicode_CheckExact(o) || PyComplex_CheckExact(o);
}

// 0.0 and -0.0 are equal, and results of programs differ by them.
bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

// Items of a list as those of a tuple, or of two dicts, in their order.
bool same_items(PyObject* now, PyObject* before) {
    if (PyList_Check(now)) {
        Py_ssize_t n = PyTuple_GET_SIZE(before);
        bool same = PyList_GET_SIZE(now) == n;
        for (Py_ssize_t i = 0; same && i < n && i < PyList_GET_SIZE(now); ++i)
            same = equal_or_same(PyTuple_GET_ITEM(before, i), PyList_GET_ITEM(now, i));
        return same;
    }
    Py_ssize_t at = 0, at_before = 0;
    PyObject *key, *value, *key_before, *value_before;
    bool same = PyDict_GET_SIZE(now) == PyDict_GET_SIZE(before);
    while (same && PyDict_Next(before, &at_before, &key_before, &value_before))
        same = PyDict_Next(now, &at, &key, &value) && equal_or_same(key_before, key) &&
               equal_or_same(value_before, value);
    return same;
}

class Contents {                                 // of an array
public:
    explicit Contents(PyObject* o) { fine_ = PyObject_GetBuffer(o, &view_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0; }
    ~Contents() {
        if (fine_) PyBuffer_Release(&view_);
        else PyErr_Clear();
    }
    bool operator==(const Contents& other) const {
        const Py_buffer &a = view_, &b = other.view_;
        return fine_ && other.fine_ && a.ndim == b.ndim && a.len == b.len &&
               std::equal(a.shape, a.shape + a.ndim, b.shape) && std::strcmp(a.format, b.format) == 0 &&
               std::memcmp(a.buf, b.buf, size_t(a.len)) == 0;
    }

private:
    Py_buffer view_;
    bool fine_;
};

bool same_elements(PyObject* now, PyObject* before) {
    if (!PyAnySet_Check(now)) return Contents(now) == Contents(before);
    int same = PyObject_RichCompareBool(now, before, Py_EQ);
    if (same < 0) PyErr_Clear();
    return same > 0;
}

// Zero where the class has changed and nothing was looked up since.
Py_ssize_t version_of(PyObject* type) { return Py_ssize_t(reinterpret_cast<PyTypeObject*>(type)->tp_version_tag); }

bool as_defined(PyObject* function, PyObject* parts) {
    auto* f = reinterpret_cast<PyFunctionObject*>(function);
    auto part = [&](Py_ssize_t i) { return PyTuple_GET_ITEM(parts, i); };
    auto or_none = [](PyObject* o) { return o ? o : Py_None; };
    return f->func_code == part(0) && or_none(f->func_defaults) == part(1) && or_none(f->func_kwdefaults) == part(2);
}

}  // namespace

bool equal_or_same(PyObject* a, PyObject* b) {
    if (a == b) return true;
    if (!a || !b || Py_TYPE(a) != Py_TYPE(b) || !is_number_or_text(a)) return false;
    if (PyFloat_CheckExact(a)) return same_bits(PyFloat_AS_DOUBLE(a), PyFloat_AS_DOUBLE(b));
    if (PyComplex_CheckExact(a)) {
        Py_complex x = PyComplex_AsCComplex(a), y = PyComplex_AsCComplex(b);
        return same_bits(x.real, y.real) && same_bits(x.imag, y.imag);
    }
    int same = PyObject_RichCompareBool(a, b, Py_EQ);
    if (same < 0) PyErr_Clear();
    return same > 0;
}

Places::Places(nb::list places) {
    for (nb::handle h : places) {
        nb::tuple t = nb::cast<nb::tuple>(h);
        nb::object container = t[0], key = t[1], value = t[2];
        Kind kind = kind_of(container, key);
        places_.push_back({kind, container, key, value, index_of(kind, container, key, value)});
    }
}

Py_ssize_t Places::index_of(Kind kind, const nb::object& container, const nb::object& key, const nb::object& value) {
    switch (kind) {
        case Kind::length: return nb::cast<Py_ssize_t>(value);
        case Kind::item_of_list: return nb::cast<Py_ssize_t>(key);
        case Kind::type:
            PyObject_HasAttrString(container.ptr(), "_no_such_name");      // looking something up gives it a version
            return version_of(container.ptr());
        case Kind::slot: {
            nb::object slot = nb::steal(PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(container.ptr())),
                                                         key.ptr()));
            require(slot.is_valid() && Py_IS_TYPE(slot.ptr(), &PyMemberDescr_Type), ErrorKind::type,
                    "Places: an object has no such slot");
            return reinterpret_cast<PyMemberDescrObject*>(slot.ptr())->d_member->offset;
        }
        default: return 0;
    }
}

bool Places::holds(const Place& p) {
    PyObject* c = p.container.ptr();
    switch (p.kind) {
        case Kind::length: return length(p) == p.index;
        case Kind::items: return same_items(c, p.value.ptr());
        case Kind::elements: return same_elements(c, p.value.ptr());
        case Kind::function: return as_defined(c, p.value.ptr());
        case Kind::type: return p.index != 0 && version_of(c) == p.index;
        case Kind::class_of: return reinterpret_cast<PyObject*>(Py_TYPE(c)) == p.value.ptr();
        default: {
            PyObject* found = now(p);
            return found ? equal_or_same(p.value.ptr(), found) : p.value.ptr() == Py_Ellipsis;
        }
    }
}

int Places::changed() const {
    for (const Place& p : places_)
        if (!holds(p)) return int(&p - places_.data());
    return -1;
}

void Places::release(nb::handle container, nb::handle key) {
    std::erase_if(places_, [&](const Place& p) {
        return p.container.is(container) && p.kind == Kind::item_of_dict && equal_or_same(p.key.ptr(), key.ptr());
    });
}

int Places::traverse(visitproc visit, void* arg) const {
    for (const Place& p : places_) {
        Py_VISIT(p.container.ptr());
        Py_VISIT(p.key.ptr());
        Py_VISIT(p.value.ptr());
    }
    return 0;
}

Places::Kind Places::kind_of(const nb::object& container, const nb::object& key) {
    PyObject* c = container.ptr();
    bool dict = PyDict_Check(c), list = PyList_Check(c);
    if (PyCell_Check(c)) return Kind::cell;
    if (PyFunction_Check(c)) return Kind::function;
    if (PyType_Check(c)) return Kind::type;
    if (key.is(nb::ellipsis())) return dict || list ? Kind::items : Kind::elements;
    if (!PyDict_CheckExact(c) && PyUnicode_Check(key.ptr()) &&
        PyUnicode_CompareWithASCIIString(key.ptr(), "__class__") == 0)
        return Kind::class_of;
    if (!dict && !list) return Kind::slot;
    if (key.is_none()) return Kind::length;
    return dict ? Kind::item_of_dict : Kind::item_of_list;
}

Py_ssize_t Places::length(const Place& p) {
    PyObject* c = p.container.ptr();
    return PyDict_Check(c) ? PyDict_GET_SIZE(c) : PyList_GET_SIZE(c);
}

// Borrowed; null where the place is gone.
PyObject* Places::now(const Place& p) {
    PyObject* c = p.container.ptr();
    if (p.kind == Kind::cell) return PyCell_GET(c);
    if (p.kind == Kind::slot) return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(c) + p.index);
    if (p.kind == Kind::item_of_list) return p.index < PyList_GET_SIZE(c) ? PyList_GET_ITEM(c, p.index) : nullptr;
    PyObject* found = PyDict_GetItemWithError(c, p.key.ptr());
    if (!found) PyErr_Clear();
    return found;
}

namespace {

int traverse_places(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return nb::inst_ready(self) ? nb::inst_ptr<Places>(self)->traverse(visit, arg) : 0;
}

int clear_places(PyObject* self) {
    nb::inst_ptr<Places>(self)->clear();
    return 0;
}

const PyType_Slot places_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_places)},
                                    {Py_tp_clear, reinterpret_cast<void*>(clear_places)},
                                    {0, nullptr}};

}  // namespace

void add_guards(nb::module_& m) {
    nb::module_ g = nb::cast<nb::module_>(m.attr("graph"));
    g.def("_touch", [] { touched.fetch_add(1, std::memory_order_relaxed); });
    g.def("_touched", [] { return touched.load(std::memory_order_relaxed); });
    nb::class_<Places>(g, "Places", nb::type_slots(places_slots))
        .def(nb::init<nb::list>())
        .def("hold", &Places::hold)
        .def("changed", &Places::changed)
        .def("release", &Places::release)
        .def_rw("epoch", &Places::epoch);
}

}  // namespace rushlight::python
