// rushlight.Generator and the default generator.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstring>

#include "bindings/convert.h"
#include "graph/capture.h"
#include "tensor/generator.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

uint64_t seed_of(nb::handle seed) {
    // Any 64-bit integer, negative ones counted from the top, as PyTorch's manual_seed takes them.
    int64_t value;
    int overflow = 0;
    PyObject* index = PyNumber_Index(seed.ptr());
    if (!index) throw nb::python_error();
    value = PyLong_AsLongLongAndOverflow(index, &overflow);
    uint64_t out = overflow > 0 ? PyLong_AsUnsignedLongLong(index) : uint64_t(value);
    Py_DECREF(index);
    if (PyErr_Occurred()) PyErr_Clear(), overflow = -1;
    require(overflow >= 0, ErrorKind::runtime, "manual_seed: the seed does not fit into 64 bits");
    return out;
}

// A graph holds draws and nothing else that is done to a stream.
void refuse_capture() { graph::Capture::refuse("setting or reading the state of the random stream"); }

Tensor state_of(const Generator& g) {
    refuse_capture();
    Tensor state = empty_tensor({Generator::state_size}, DType::uint8);
    g.get_state(state.data_as<uint8_t>());
    return state;
}

void restore(Generator& g, const Tensor& state) {
    refuse_capture();
    require(state.defined() && state.dtype() == DType::uint8, ErrorKind::type,
            "set_state: new_state must be a uint8 Tensor");
    Tensor plain = contiguous(state);
    g.set_state(plain.data_as<uint8_t>(), plain.numel());
}

}  // namespace

Generator* generator_of(PyObject* o) {
    Generator* g = nullptr;
    if (o == Py_None || !nb::try_cast<Generator*>(nb::handle(o), g)) return nullptr;
    return g;
}

void add_random(nb::module_& m) {
    nb::class_<Generator>(m, "Generator",
                          "A stream of random numbers with a state of its own.\n\nArgs:\n    device: 'cpu'.")
        .def(
            "__init__",
            [](Generator* self, nb::object device) {
                require_cpu(device.ptr(), "Generator");
                new (self) Generator();
            },
            nb::arg("device") = nb::none())
        .def(
            "manual_seed",
            [](nb::object self, nb::handle seed) {
                refuse_capture();
                nb::cast<Generator&>(self).manual_seed(seed_of(seed));
                return self;
            },
            nb::arg("seed"), "Restarts the stream from a 64-bit seed; returns the generator.")
        .def("seed", [](Generator& g) {
            refuse_capture();
            return g.seed();
        }, "Restarts the stream from a seed of the operating system and returns it.")
        .def("initial_seed", &Generator::initial_seed, "The seed the stream was started from.")
        .def("get_state", &state_of, "The state as a uint8 Tensor of 5,056 elements.")
        .def("set_state", &restore, nb::arg("new_state"), "Continues from a state that get_state gave.")
        .def(
            "clone_state", [](const Generator& g) { return new Generator(g); }, "A generator with the same state.")
        .def_prop_ro("device", [](const Generator&) { return nb::str("cpu"); });
    m.attr("default_generator") = nb::cast(default_generator());
}

}  // namespace rushlight::python
