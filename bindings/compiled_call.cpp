// The call of a compiled function: the captured call whose arguments and surroundings these are, found and run without
// Python. Where none is found, the class's `_call` decides.
#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>

#include "autograd/anomaly.h"
#include "bindings/convert.h"
#include "bindings/guards.h"
#include "registry/mode.h"
#include "registry/watch.h"
#include "runtime/step.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

using runtime::Step;

// What an argument must be: a tensor like this, or this very value.
struct Expected {
    nb::object value;                            // null of a tensor
    Dims sizes, strides;
    DType dtype = DType::float32;
    bool tracked = false;

    explicit Expected(nb::handle argument) {
        if (!is_tensor(argument.ptr())) {
            value = nb::borrow(argument);
            return;
        }
        const TensorImpl& t = *impl_of(argument.ptr());
        sizes = t.sizes, strides = t.strides, dtype = t.dtype, tracked = t.tracked();
    }

    bool accepts(PyObject* o) const {
        if (value.is_valid()) return equal_or_same(value.ptr(), o);
        if (!is_tensor(o)) return false;
        const TensorImpl& t = *impl_of(o);
        return t.sizes == sizes && t.dtype == dtype && t.strides == strides && t.tracked() == tracked;
    }
};

struct Modes {
    bool grad = mode.grad, inference = mode.inference, autocast = mode.autocast;
    DType autocast_dtype = mode.autocast_dtype, default_dtype = rushlight::default_dtype();
    bool operator==(const Modes&) const = default;
};

// A number that an optimizer read from its options: the item of a dict, or of a tuple there.
struct Number {
    nb::object container, key;
    Py_ssize_t index;                            // -1: the item itself
    bool truth;                                  // programs ask whether it is zero

    bool read(double* out) const {
        PyObject* found = PyDict_GetItemWithError(container.ptr(), key.ptr());
        if (!found) PyErr_Clear();
        if (found && index >= 0) {
            bool there = PyTuple_Check(found) && index < PyTuple_GET_SIZE(found);
            found = there ? PyTuple_GET_ITEM(found, index) : nullptr;
        }
        if (!found || !(PyFloat_CheckExact(found) || PyLong_CheckExact(found))) return false;
        *out = PyFloat_AsDouble(found);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            return false;
        }
        return (*out != 0) == truth;
    }
};

enum class Gives : uint8_t { tensor, tuple, list, other };

struct Entry {
    std::vector<Expected> arguments;
    Modes modes;
    nb::object owner, places_owner, finish;      // keep what follows; what makes other results than the simple ones
    Step* step = nullptr;
    Places* places = nullptr;
    std::vector<Number> numbers;
    bool recorded = false;
    Gives gives = Gives::other;

    bool accepts(PyObject* args, const Modes& now) const {
        if (PyTuple_GET_SIZE(args) != Py_ssize_t(arguments.size()) || !(modes == now)) return false;
        for (size_t i = 0; i < arguments.size(); ++i)
            if (!arguments[i].accepts(PyTuple_GET_ITEM(args, Py_ssize_t(i)))) return false;
        return places->epoch == touched.load(std::memory_order_relaxed) && places->hold();
    }
};

class CompiledCall {
public:
    // A captured call for arguments like `args`, which are tensors and values without structure. `numbers` are tuples
    // (dict, key, place in a tuple or -1); `finish` takes a tuple of the resulting tensors.
    void add(nb::tuple args, nb::object step, nb::object places, nb::list numbers, bool recorded, std::string gives,
             nb::object finish) {
        Entry e;
        for (nb::handle a : args) e.arguments.emplace_back(a);
        e.owner = step;
        e.step = nb::cast<Step*>(step);
        e.places_owner = places;
        e.places = nb::cast<Places*>(places);
        for (nb::handle h : numbers) {
            nb::tuple n = nb::cast<nb::tuple>(h);
            e.numbers.push_back({n[0], n[1], nb::cast<Py_ssize_t>(n[2]), nb::cast<double>(n[3]) != 0});
        }
        e.recorded = recorded;
        e.gives = gives == "tensor" ? Gives::tensor : gives == "tuple" ? Gives::tuple : gives == "list" ? Gives::list
                                                                                                    : Gives::other;
        e.finish = finish;
        entries_.push_back(std::make_shared<const Entry>(std::move(e)));
    }

    void forget() { entries_.clear(); }

    // The captured calls of a step that is let go.
    void drop(nb::handle step) {
        std::erase_if(entries_, [&](const std::shared_ptr<const Entry>& e) { return e->owner.is(step); });
    }

    // Null without an error: no captured call does.
    PyObject* call(PyObject* args) {
        if (watched(watch_capture) || autograd::anomaly.enabled || entries_.empty()) return nullptr;
        Modes now;
        for (size_t i = entries_.size(); i-- > 0;) {
            if (!entries_[i]->accepts(args, now)) continue;
            std::shared_ptr<const Entry> e = entries_[i];            // a run lets other threads in
            std::vector<Tensor> inputs;
            for (size_t a = 0; a < e->arguments.size(); ++a)
                if (!e->arguments[a].value.is_valid())
                    inputs.push_back(tensor_of(PyTuple_GET_ITEM(args, Py_ssize_t(a))));
            std::vector<double> numbers(e->numbers.size());
            bool read = true;
            for (size_t n = 0; read && n < numbers.size(); ++n) read = e->numbers[n].read(&numbers[n]);
            if (!read || !e->step->fits(inputs)) continue;
            std::rotate(entries_.begin() + std::ptrdiff_t(i), entries_.begin() + std::ptrdiff_t(i) + 1, entries_.end());
            return result(e->step->run(std::move(inputs), e->recorded, numbers), e->gives, e->finish);
        }
        return nullptr;
    }

    int traverse(visitproc visit, void* arg) const {
        for (const auto& e : entries_) {
            for (const Expected& a : e->arguments) Py_VISIT(a.value.ptr());
            Py_VISIT(e->owner.ptr());
            Py_VISIT(e->places_owner.ptr());
            Py_VISIT(e->finish.ptr());
            for (const Number& n : e->numbers) Py_VISIT(n.container.ptr());
        }
        return 0;
    }

private:
    static PyObject* result(const std::vector<Tensor>& out, Gives gives, const nb::object& finish) {
        if (gives == Gives::tensor) return wrap(out[0]);
        Py_ssize_t n = Py_ssize_t(out.size());
        bool list = gives == Gives::list;
        nb::object all = nb::steal(list ? PyList_New(n) : PyTuple_New(n));
        for (Py_ssize_t i = 0; i < n; ++i) {
            if (list) PyList_SET_ITEM(all.ptr(), i, wrap(out[size_t(i)]));
            else PyTuple_SET_ITEM(all.ptr(), i, wrap(out[size_t(i)]));
        }
        if (gives != Gives::other) return all.release().ptr();
        return PyObject_CallOneArg(finish.ptr(), all.ptr());
    }

    std::vector<std::shared_ptr<const Entry>> entries_;      // the latest used last
};

PyObject* call_compiled(PyObject* self, PyObject* args, PyObject* keywords) {
    static PyObject* slow = PyUnicode_InternFromString("_call");
    if (!keywords || PyDict_GET_SIZE(keywords) == 0) {
        bool found = false;
        PyObject* out = guarded([&]() -> PyObject* {
            PyObject* given = nb::inst_ptr<CompiledCall>(self)->call(args);
            found = given != nullptr || PyErr_Occurred();
            return found ? given : Py_NewRef(Py_None);
        });
        if (found || !out) return out;
        Py_DECREF(out);
    }
    nb::object function = nb::steal(PyObject_GetAttr(self, slow));
    return function.is_valid() ? PyObject_Call(function.ptr(), args, keywords) : nullptr;
}

int traverse_compiled(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return nb::inst_ready(self) ? nb::inst_ptr<CompiledCall>(self)->traverse(visit, arg) : 0;
}

int clear_compiled(PyObject* self) {
    nb::inst_ptr<CompiledCall>(self)->forget();
    return 0;
}

const PyType_Slot compiled_slots[] = {{Py_tp_call, reinterpret_cast<void*>(call_compiled)},
                                      {Py_tp_traverse, reinterpret_cast<void*>(traverse_compiled)},
                                      {Py_tp_clear, reinterpret_cast<void*>(clear_compiled)},
                                      {0, nullptr}};

}  // namespace

void add_compiled_call(nb::module_& m) {
    nb::module_ g = nb::cast<nb::module_>(m.attr("graph"));
    nb::class_<CompiledCall>(g, "CompiledCall", nb::type_slots(compiled_slots))
        .def(nb::init<>())
        .def("_add", &CompiledCall::add, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg().none())
        .def("_drop", &CompiledCall::drop);
}

}  // namespace rushlight::python
