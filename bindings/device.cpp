// rushlight.device: where a tensor's memory is. Other devices can be named, but only the CPU holds tensors.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "bindings/python.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

struct Device {
    std::string type;
    int index = -1;

    std::string text() const { return index < 0 ? type : type + ":" + std::to_string(index); }
    bool operator==(const Device& o) const { return type == o.type && index == o.index; }
};

Device parse(const std::string& text, std::optional<int> index) {
    Device d;
    size_t colon = text.find(':');
    d.type = text.substr(0, colon);
    const char* const known[] = {"cpu", "cuda", "mps", "xpu", "meta", "hpu", "xla", "mtia", "ipu", "vulkan"};
    bool fine = false;
    for (const char* k : known) fine = fine || d.type == k;
    require(fine, ErrorKind::runtime, "device: '", text,
            "' names no device type; expected cpu, cuda, mps, xpu or meta");
    if (colon != std::string::npos) {
        std::string digits = text.substr(colon + 1);
        bool number = !digits.empty() && digits.size() < 6 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
        require(number && !index, ErrorKind::runtime, "device: '", text,
                "' has a bad index; expected a form like 'cuda:0'");
        d.index = std::stoi(digits);
    }
    if (index) d.index = *index;
    require(!index || *index >= 0, ErrorKind::runtime, "device: index=", index ? *index : 0, " is negative");
    return d;
}

nb::object cpu;                        // the device of every tensor

PyObject* get_device(PyObject*, void*) { return Py_NewRef(cpu.ptr()); }
PyGetSetDef property[] = {{"device", get_device, nullptr, "Where the memory is: device(type='cpu').", nullptr}, {}};

}  // namespace

void add_device(nb::module_& m) {
    nb::class_<Device>(m, "device",
                       "Where a tensor's memory is.\n\nArgs:\n    type: 'cpu', or a string such as 'cuda:0'.\n    "
                       "index: number of the device.")
        .def(
            "__init__",
            [](Device* self, const std::string& type, std::optional<int> index) {
                new (self) Device(parse(type, index));
            },
            nb::arg("type"), nb::arg("index") = nb::none())
        .def("__init__", [](Device* self, const Device& other) { new (self) Device(other); })
        .def("__init__", [](Device* self, int index) { new (self) Device{"cuda", index}; })
        .def_prop_ro("type", [](const Device& d) { return d.type; })
        .def_prop_ro("index", [](const Device& d) { return d.index < 0 ? nb::none() : nb::object(nb::int_(d.index)); })
        .def("__repr__",
             [](const Device& d) {
                 return "device(type='" + d.type + "'" + (d.index < 0 ? "" : ", index=" + std::to_string(d.index)) +
                        ")";
             })
        .def("__str__", &Device::text)
        .def("__eq__",
             [](const Device& a, nb::handle b) { return nb::isinstance<Device>(b) && a == nb::cast<const Device&>(b); })
        .def("__hash__", [](const Device& d) { return std::hash<std::string>()(d.text()); })
        .def("__reduce__", [](nb::object self) {
            return nb::make_tuple(self.type(), nb::make_tuple(nb::str(nb::cast<Device&>(self).text().c_str())));
        });
    cpu = nb::cast(Device{"cpu", -1});
    PyObject* descriptor = PyDescr_NewGetSet(tensor_type, property);
    if (!descriptor || PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), "device", descriptor) < 0)
        throw nb::python_error();
    Py_DECREF(descriptor);
    cpu.inc_ref();                     // kept until the process ends
}

}  // namespace rushlight::python
