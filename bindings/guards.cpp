// What compiled functions take for granted of Python, checked before each call.
#include "bindings/guards.h"

#include <bit>

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
        Py_ssize_t index = kind == Kind::length         ? nb::cast<Py_ssize_t>(value)
                           : kind == Kind::item_of_list ? nb::cast<Py_ssize_t>(key) : 0;
        places_.push_back({kind, container, key, value, index});
    }
}

bool Places::hold() const {
    for (const Place& p : places_)
        if (p.kind == Kind::length ? length(p) != p.index : !equal_or_same(p.value.ptr(), now(p))) return false;
    return true;
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
    if (PyCell_Check(container.ptr())) return Kind::cell;
    require(PyDict_Check(container.ptr()) || PyList_Check(container.ptr()), ErrorKind::type, "Places: a place is in a ",
            Py_TYPE(container.ptr())->tp_name, "; expected a cell, dict or list");
    if (key.is_none()) return Kind::length;
    return PyDict_Check(container.ptr()) ? Kind::item_of_dict : Kind::item_of_list;
}

Py_ssize_t Places::length(const Place& p) {
    PyObject* c = p.container.ptr();
    return PyDict_Check(c) ? PyDict_GET_SIZE(c) : PyList_GET_SIZE(c);
}

// Borrowed; null where the place is gone.
PyObject* Places::now(const Place& p) {
    PyObject* c = p.container.ptr();
    if (p.kind == Kind::cell) return PyCell_GET(c);
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
        .def("release", &Places::release)
        .def_rw("epoch", &Places::epoch);
}

}  // namespace rushlight::python
