// Files as Python sees them: the one reader of zip archives, programs, and what the writers write around data.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/convert.h"
#include "files/crc32.h"
#include "files/program_file.h"
#include "files/zip.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

using files::Member;
using files::Zip;

// The bytes of any object that lends them.
class Lent {
public:
    explicit Lent(const nb::object& from) {
        if (PyObject_GetBuffer(from.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nb::python_error();
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    ~Lent() { PyBuffer_Release(&view_); }
    std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(view_.buf), size_t(view_.len)}; }

private:
    Py_buffer view_;
};

nb::bytes bytes_of(std::string_view text) { return nb::bytes(text.data(), text.size()); }

nb::object python_of(const files::Json& json) {
    using files::Json;
    switch (json.kind) {
        case Json::null: return nb::none();
        case Json::boolean: return nb::bool_(json.truth);
        case Json::integer: return nb::int_(json.whole);
        case Json::real: return nb::float_(json.number);
        case Json::text: return nb::str(json.string.c_str(), json.string.size());
        default: break;
    }
    nb::list items;
    for (const Json& item : json.items) items.append(python_of(item));
    if (json.kind == Json::list) return items;
    nb::dict out;
    for (size_t i = 0; i < json.keys.size(); ++i)
        out[nb::str(json.keys[i].c_str(), json.keys[i].size())] = items[i];
    return out;
}

// The contents of a `.rush` file, given as its path or its bytes.
nb::dict read_program(const nb::object& source, const std::string& where, bool copy) {
    files::Bytes bytes;
    if (nb::isinstance<nb::bytes>(source)) {
        auto given = nb::borrow<nb::bytes>(source);
        bytes.data = {static_cast<const uint8_t*>(given.data()), given.size()};
    } else {
        bytes = files::map_file(nb::cast<std::string>(source));
    }
    files::ProgramFile file = files::read_program(bytes, where, copy);
    nb::dict out, tensors, extra;
    nb::list signatures;
    for (const auto& [name, t] : file.tensors) tensors[name.c_str()] = t;
    for (const auto& [name, data] : file.extra) extra[name.c_str()] = nb::bytes(data.data.data(), data.data.size());
    for (files::Signature& s : file.signatures)
        signatures.append(nb::make_tuple(s.name, std::move(s.graph), python_of(s.takes), python_of(s.gives), s.text,
                                         s.least, std::move(s.called)));
    out["name"] = file.name;
    out["original_name"] = file.original_name;
    out["module"] = file.module;
    out["training"] = file.training;
    out["parameters"] = file.parameters;
    out["buffers"] = file.buffers;
    out["requires_grad"] = file.requires_grad;
    out["tensors"] = tensors;
    out["signatures"] = signatures;
    out["metadata"] = python_of(file.metadata);
    out["script"] = python_of(file.script);
    out["extra"] = extra;
    return out;
}

// `read` gives bytes of a file: where they begin, and how many.
void open_zip(Zip* self, uint64_t size, nb::callable read, const std::string& where) {
    auto source = [read](uint64_t begin, uint64_t count) {
        auto held = std::make_shared<nb::bytes>(nb::cast<nb::bytes>(read(begin, count)));
        auto data = static_cast<const uint8_t*>(held->data());
        return files::Bytes{{data, held->size()}, std::shared_ptr<const void>(held, data)};
    };
    new (self) Zip(size, source, where);
}

nb::list members_of(const Zip& zip) {
    nb::list out;
    for (const Member& m : zip.members()) out.append(nb::make_tuple(m.name, m.method == 0, m.data, m.size));
    return out;
}

const Member& member_at(const Zip& zip, size_t index) { return zip.members().at(index); }

uint32_t checksum(const nb::object& data) {
    Lent lent(data);
    nb::gil_scoped_release others_run;
    return files::crc32(lent.bytes());
}

bool fits(const Zip& zip, size_t index, const nb::object& data) {
    Lent lent(data);
    const Member& m = member_at(zip, index);
    nb::gil_scoped_release others_run;
    return zip.fits(m, lent.bytes());
}

Member stored(std::string name, uint32_t crc, uint64_t size, uint64_t offset) {
    Member m;
    m.name = std::move(name);
    m.crc = crc;
    m.size = m.stored = size;
    m.offset = offset;
    return m;
}

}  // namespace

void add_files(nb::module_& m) {
    nb::module_ f = m.def_submodule("files", "Files that are checked.");
    f.def("read_program", &read_program, nb::arg("source"), nb::arg("where"), nb::arg("copy"));
    f.def("is_storable", [](const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
        return files::is_storable(Dims(std::span<const int64_t>(sizes)), Dims(std::span<const int64_t>(strides)));
    }, nb::arg("sizes"), nb::arg("strides"));
    nb::dict names;
    for (int i = 0; i < dtype_count; ++i)
        names[nb::steal(wrap_dtype(DType(i)))] = nb::str(files::dtype_names[i].data(), files::dtype_names[i].size());
    f.attr("dtype_names") = names;
    f.def("checksum", &checksum, nb::arg("data"));
    nb::class_<Member>(f, "Member").def("__init__", [](Member* self, std::string name, uint32_t crc, uint64_t size,
                                                      uint64_t offset) {
        new (self) Member(stored(std::move(name), crc, size, offset));
    }, nb::arg("name"), nb::arg("crc"), nb::arg("size"), nb::arg("offset"));
    f.def("header_of", [](const Member& member) { return bytes_of(files::header_of(member)); }, nb::arg("member"));
    f.def("directory_of", [](const std::vector<Member>& members, uint64_t offset) {
        return bytes_of(files::directory_of(members, offset));
    }, nb::arg("members"), nb::arg("offset"));
    nb::class_<Zip>(f, "Zip")
        .def("__init__", &open_zip, nb::arg("size"), nb::arg("read"), nb::arg("where"))
        .def_prop_ro("members", &members_of)
        .def("fits", &fits, nb::arg("index"), nb::arg("data"))
        .def("read", [](Zip& self, size_t index, uint64_t most) {
            files::Bytes data = self.read(member_at(self, index), most);
            return nb::bytes(data.data.data(), data.data.size());
        }, nb::arg("index"), nb::arg("most"));
}

}  // namespace rushlight::python
