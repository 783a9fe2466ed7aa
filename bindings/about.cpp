// What `python -m rushlight` tells of the native library: how it was built and what it runs on.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "base/parallel.h"
#include "bindings/python.h"
#include "kernels/generic/isa.h"
#include "kernels/onednn/api.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

std::string compiler() {
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

nb::dict about() {
    nb::dict d;
    d["compiler"] = compiler();
    d["build_type"] = RUSHLIGHT_BUILD_TYPE;
    d["isa"] = isa_name(active_isa());
    nb::list available;
    for (int i = 0; i < isa_count; ++i)
        if (isa_available(Isa(i))) available.append(isa_name(Isa(i)));
    d["isas"] = available;
    d["threads"] = get_num_threads();
    if (const onednn::Table* table = onednn::table()) {
        d["onednn"] = table->version;
        d["onednn_isa"] = table->isa;
        d["onednn_threads"] = table->own_team ? "Rushlight's" : "OpenMP's";
    } else {
        d["onednn"] = nb::none();
        d["onednn_missing"] = onednn::why_missing();
    }
    return d;
}

}  // namespace

void add_about(nb::module_& m) {
    m.def("about", &about, "about() -> dict\n\nHow the native library was built and what it runs on.");
}

}  // namespace rushlight::python
