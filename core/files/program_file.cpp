#include "files/program_file.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "files/corrupt.h"
#include "files/crc32.h"
#include "files/inflate.h"
#include "files/zip.h"
#include "graph/symbolic.h"
#include "registry/call.h"

namespace rushlight::files {

namespace {

constexpr std::string_view folder = "program/", extra_folder = "extra/";

std::string_view text(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size()};
}

bool dtype_of(std::string_view name, DType* out) {
    auto found = std::find(std::begin(dtype_names), std::end(dtype_names), name);
    *out = DType(found - std::begin(dtype_names));
    return found != std::end(dtype_names);
}

std::string start_of(const Json& json) { return write_json(json).substr(0, 100); }

// Reads the members of one file; complaints name the member and the field.
class FileReader {
public:
    FileReader(const Bytes& bytes, const std::string& where, bool copy)
        : where_(where), json_where_(where + ": graph.json"), weights_where_(where + ": weights.safetensors"),
          zip_(bytes, where), copy_(copy) {}

    ProgramFile run() {
        expect(zip_.is_ours(), where_, "it was not written as a program; expected a .rush file");
        Bytes graph, weights;
        for (const Member& m : zip_.members()) {
            Bytes data = zip_.read(m);
            std::string_view name = m.name;
            expect(name.starts_with(folder), where_, "member '", name, "' is not in the folder ", folder);
            name.remove_prefix(folder.size());
            if (name == "graph.json") graph = data;
            else if (name == "weights.safetensors") weights = data;
            else if (name.starts_with(extra_folder))
                out_.extra.emplace_back(name.substr(extra_folder.size()), kept(data));
        }
        content_ = parse_json(text(graph), json_where_);
        read_head();
        read_tensors(weights);
        arrange_tensors();
        for (const Json& one : list(content_, "signatures").items) read_signature(one);
        if (content_.find("script")) read_script();
        expect(!out_.signatures.empty(), json_where_, "there is no signature");
        return std::move(out_);
    }

private:
    // Bytes that stay when the file's are gone.
    static Bytes kept(const Bytes& bytes) {
        if (bytes.owner) return bytes;
        auto copy = std::make_shared<std::vector<uint8_t>>(bytes.data.begin(), bytes.data.end());
        return {*copy, copy};
    }

    const Json& field(const Json& of, std::string_view key, Json::Kind kind, const char* what) const {
        const Json* found = of.find(key);
        expect(found != nullptr, json_where_, "there is no field '", key, "'");
        expect(found->kind == kind, json_where_, "field '", key, "' is ", start_of(*found), "; expected ", what);
        return *found;
    }
    const Json& list(const Json& of, std::string_view key) const { return field(of, key, Json::list, "a list"); }
    const Json& object(const Json& of, std::string_view key) const {
        return field(of, key, Json::object, "an object");
    }
    const std::string& string(const Json& of, std::string_view key) const {
        return field(of, key, Json::text, "a text").string;
    }

    std::vector<std::string> strings(std::string_view key) const {
        std::vector<std::string> out;
        for (const Json& item : list(content_, key).items) {
            expect(item.kind == Json::text, json_where_, "field '", key, "' holds ", start_of(item),
                   "; expected names of tensors");
            out.push_back(item.string);
        }
        return out;
    }

    void read_head() {
        const Json* format = content_.find("format");
        expect(format && format->string == "rushlight graph", json_where_, "it is not a program");
        int64_t version = field(content_, "version", Json::integer, "an integer").whole;
        expect(version >= 1 && version <= newest_version, where_, "format version ", version, "; this version reads ",
               newest_version);
        out_.name = string(content_, "name");
        out_.original_name = string(content_, "original_name");
        out_.module = field(content_, "module", Json::boolean, "true or false").truth;
        if (content_.find("training"))
            out_.training = field(content_, "training", Json::boolean, "true or false").truth;
        out_.parameters = strings("parameters");
        out_.buffers = strings("buffers");
        out_.requires_grad = strings("requires_grad");
        out_.metadata.kind = Json::object;
        if (content_.find("metadata")) out_.metadata = object(content_, "metadata");
    }

    // The header: its length, then names with dtype, shape and place. Places follow each other without gaps.
    void read_tensors(const Bytes& weights) {
        size_t size = weights.data.size();
        expect(size >= 8, weights_where_, "it has ", size, " bytes; expected a header");
        uint64_t length;
        std::memcpy(&length, weights.data.data(), 8);
        expect(length <= size - 8, weights_where_, "the header of ", length, " bytes does not fit into ", size);
        Json header = parse_json(text(weights.part(8, length)), weights_where_);
        expect(header.kind == Json::object, weights_where_, "the header is no object");
        Bytes body = weights.part(8 + length, size - 8 - length);
        std::vector<std::pair<int64_t, int64_t>> places;
        for (size_t i = 0; i < header.items.size(); ++i) {
            if (header.keys[i] == "__metadata__") continue;
            read_tensor(header.keys[i], header.items[i], body, places);
        }
        std::sort(places.begin(), places.end());
        int64_t end = 0;
        for (auto [first, last] : places) {
            expect(first == end, weights_where_, "a tensor begins at byte ", first, "; expected ", end);
            end = last;
        }
        expect(uint64_t(end) == body.data.size(), weights_where_, "the tensors take ", end, " bytes; expected ",
               body.data.size());
    }

    void read_tensor(const std::string& name, const Json& record, const Bytes& body,
                     std::vector<std::pair<int64_t, int64_t>>& places) {
        const Json *type = record.find("dtype"), *shape = record.find("shape"), *place = record.find("data_offsets");
        auto whole = [](const Json& j) { return j.kind == Json::integer; };
        bool well = type && shape && place && shape->kind == Json::list && place->kind == Json::list &&
                    place->items.size() == 2 && std::all_of(shape->items.begin(), shape->items.end(), whole) &&
                    std::all_of(place->items.begin(), place->items.end(), whole);
        expect(well, weights_where_, "tensor '", name, "' lacks a dtype, shape or place");
        DType dtype;
        expect(dtype_of(type->string, &dtype), weights_where_, "tensor '", name, "' has the dtype '",
               type->string.substr(0, 60), "', which is unknown");
        expect(shape->items.size() <= size_t(max_rank), weights_where_, "tensor '", name, "' has ",
               shape->items.size(), " dimensions; expected at most ", max_rank);
        Dims sizes;
        int64_t bytes = size_of(dtype), begin = place->items[0].whole, end = place->items[1].whole;
        bool fits = true, empty = false;
        for (const Json& s : shape->items) {
            sizes.push_back(s.whole);
            fits = fits && s.whole >= 0;
            empty = empty || s.whole == 0;
        }
        for (int64_t s : sizes) fits = fits && !__builtin_mul_overflow(bytes, empty ? 1 : s, &bytes);
        if (empty) bytes = 0;
        fits = fits && begin >= 0 && begin <= end && uint64_t(end) <= body.data.size() && end - begin == bytes;
        expect(fits, weights_where_, "tensor '", name, "' of shape ", start_of(*shape), " does not fit bytes ",
               begin, " to ", end);
        places.emplace_back(begin, end);
        Bytes part = body.part(size_t(begin), size_t(bytes));
        expect(dtype != DType::boolean || are_bools(part.data), weights_where_, "tensor '", name,
               "' of bools holds other bytes than 0 and 1");
        if (copy_) part.owner = nullptr;
        index_.emplace(name, out_.tensors.size());
        out_.tensors.emplace_back(name, tensor_over(part, dtype, sizes));
    }

    Tensor& tensor(const std::string& name) {
        auto found = index_.find(name);
        expect(found != index_.end(), json_where_, "there is no tensor '", name, "'");
        return out_.tensors[found->second].second;
    }

    // Tensors that were captured in another arrangement than row-major get it back.
    void arrange_tensors() {
        for (const auto& names : {out_.parameters, out_.buffers, out_.requires_grad})
            for (const std::string& name : names) tensor(name);
        const Json& strided = object(content_, "strides");
        for (size_t i = 0; i < strided.items.size(); ++i) {
            Tensor& t = tensor(strided.keys[i]);
            Dims strides;
            bool whole = strided.items[i].kind == Json::list && strided.items[i].items.size() <= size_t(max_rank);
            for (const Json& s : strided.items[i].items) {
                whole = whole && s.kind == Json::integer;
                if (whole) strides.push_back(s.whole);
            }
            expect(whole && is_storable(t.sizes(), strides), json_where_, "tensor '", strided.keys[i],
                   "' of shape ", t.sizes(), " has strides ", start_of(strided.items[i]),
                   "; expected elements with places of their own");
            Tensor arranged = empty_strided_tensor(t.sizes(), strides, t.dtype());
            copy_values(*arranged.impl(), *t.impl());
            t = arranged;
        }
    }

    void read_signature(const Json& one) {
        Signature s;
        s.name = string(one, "name");
        const Json *takes = one.find("takes"), *gives = one.find("gives");
        expect(takes && gives, json_where_, "signature '", s.name, "' lacks what it takes or gives");
        s.takes = *takes;
        s.gives = *gives;
        if (one.find("defaults")) s.defaults = object(one, "defaults");
        try {
            s.text = string(one, "graph");
            graph::Sizes sizes;
            for (const std::string& symbol : graph::symbols_of(s.text)) sizes[symbol] = 2;
            if (const Json* least = one.find("least"))
                s.least = least->kind == Json::integer ? std::clamp<int64_t>(least->whole, 1, 2) : 1;
            s.called = graph::parse_all(sizes.empty() ? s.text : graph::instantiate(s.text, sizes));
            s.graph = std::move(s.called.front());
            s.called.erase(s.called.begin());
            if (sizes.empty()) s.text.clear();
            bool any = !s.called.empty() || !graph::is_straight(s.graph);
            bool somewhere = writes(s.graph) || std::any_of(s.called.begin(), s.called.end(), writes);
            bind(s, s.graph, object(one, "tensors"), any && somewhere);
            for (graph::Graph& g : s.called) bind(s, g, object(one, "tensors"), somewhere);
            expect(count_values(s.takes) == s.graph.inputs.size() && count_values(s.gives) == s.graph.outputs.size(),
                   json_where_, "signature '", s.name, "' names other tensors than its graph");
        } catch (const Corrupt&) {
            throw;
        } catch (const Error& error) {
            corrupt(json_where_, "signature '", s.name, "': ", error.text());
        }
        out_.signatures.push_back(std::move(s));
    }

    // `any` constant may be written: through lists and calls there is no telling which.
    void bind(const Signature& s, graph::Graph& g, const Json& names, bool any) {
        std::vector<bool> written = graph::written_constants(g);
        for (size_t i = 0; i < g.constants.size(); ++i) {
            graph::Constant& c = g.constants[i];
            Tensor& t = tensor(string(names, c.key));
            const graph::ValueInfo& v = g[c.value];
            bool fits = !v.sized || (t.sizes() == v.sizes && t.dtype() == v.dtype);
            expect(fits, json_where_, "signature '", s.name, "': tensor '",
                   c.key, "' is ", name_of(t.dtype()), " of shape ", t.sizes(), "; expected ", name_of(v.dtype),
                   " of shape ", v.sizes);
            if ((written[i] || any) && t->storage->read_only()) own(t);
            c.tensor = t;
        }
    }

    // What Python knows of a scripted program. It may write whatever is no parameter: attributes are tensors too.
    void read_script() {
        out_.script = object(content_, "script");
        const Json& names = object(out_.script, "tensors");
        std::unordered_set<std::string_view> parameters(out_.parameters.begin(), out_.parameters.end());
        for (const std::string& key : names.keys) {
            const std::string& name = string(names, key);
            Tensor& t = tensor(name);
            if (t->storage->read_only() && !parameters.contains(name)) own(t);
        }
    }

    // Memory of its own for a tensor that the program writes, in all signatures.
    void own(Tensor& t) {
        Tensor mapped = t;
        t = empty_like_geometry(mapped, mapped.dtype());
        copy_values(*t.impl(), *mapped.impl());
        auto replace = [&](graph::Graph& g) {
            for (graph::Constant& c : g.constants)
                if (c.tensor.defined() && c.tensor.same(mapped)) c.tensor = t;
        };
        for (Signature& before : out_.signatures) {
            replace(before.graph);
            for (graph::Graph& g : before.called) replace(g);
        }
    }

    const std::string &where_, json_where_, weights_where_;
    Zip zip_;
    bool copy_;
    Json content_;
    ProgramFile out_;
    std::unordered_map<std::string, size_t> index_;
};

// A gzip stream as jit.save(compress=True) writes it: its head up to the extra field, the checksum of what is deflated,
// that, the checksum and size of what it inflates to.
Bytes unpacked(const Bytes& bytes, const std::string& where) {
    constexpr std::string_view head("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0RL\x04\0", 16);
    if (!text(bytes).starts_with(head.substr(0, 2))) return bytes;
    size_t all = bytes.data.size();
    expect(text(bytes).starts_with(head) && all >= 28, where,
           "it is a gzip stream that is truncated, damaged or of another writer; expected one of jit.save, or gunzip "
           "first");
    auto number = [&](size_t at) {
        uint32_t n;
        std::memcpy(&n, bytes.data.data() + at, 4);
        return n;
    };
    Bytes deflated = bytes.part(20, all - 28);
    expect(crc32(deflated.data) == number(16), where, "truncated or damaged: checksum mismatch of the compressed file");
    uint32_t size = number(all - 4);
    expect(size <= most_inflated(all), where, "the file inflates to more than ", most_inflated(all), " bytes");
    auto plain = std::make_shared<std::vector<uint8_t>>(size);
    expect(inflate(deflated.data, *plain) && crc32(*plain) == number(all - 8), where,
           "the compressed file does not inflate to the ", size, " bytes that its end says");
    return {*plain, plain};
}

[[noreturn]] void no_structure(const Json& form) {
    throw Error(ErrorKind::value, start_of(form) + " describes no structure");
}

// The parts of a structure, each with its name.
std::vector<std::pair<std::string, const Json*>> parts_of(const Json& form) {
    bool pair = form.kind == Json::list && form.items.size() == 2 && form.items[1].kind == Json::list;
    if (!pair) no_structure(form);
    const std::string& kind = form.items[0].string;
    std::vector<std::pair<std::string, const Json*>> out;
    for (const Json& part : form.items[1].items) {
        if (kind == "list" || kind == "tuple") {
            out.emplace_back(std::to_string(out.size()), &part);
            continue;
        }
        bool named = kind == "dict" && part.items.size() == 2 && part.items[0].kind == Json::text;
        if (!named) no_structure(form);
        out.emplace_back(part.items[0].string, &part.items[1]);
    }
    if (kind != "list" && kind != "tuple" && kind != "dict") no_structure(form);
    return out;
}

bool is_leaf(const Json& form) {
    return form.kind == Json::text && (form.string == "tensor" || form.string == "value" || form.string == "none");
}

void add_names(const Json& form, const std::string& path, std::vector<std::string>& out) {
    if (is_leaf(form)) {
        if (form.string != "none") out.push_back(path);
        return;
    }
    for (const auto& [name, part] : parts_of(form)) add_names(*part, path.empty() ? name : path + "." + name, out);
}

}  // namespace

bool is_storable(const Dims& sizes, const Dims& strides) {
    int64_t numel = checked_numel(sizes, "strides");
    if (strides.size() != sizes.size()) return false;
    std::vector<std::pair<int64_t, int64_t>> order;
    for (int i = 0; i < sizes.size(); ++i) order.emplace_back(strides[i], sizes[i]);
    std::sort(order.begin(), order.end());
    int64_t reach = 1;
    for (auto [stride, size] : order) {
        if (stride < 1 || (size > 1 && stride < reach)) return false;
        int64_t more;
        if (__builtin_mul_overflow(std::max<int64_t>(size, 1) - 1, stride, &more) ||
            __builtin_add_overflow(reach, more, &reach)) return false;
    }
    return numel <= (INT64_MAX - 1024) / 4 && reach <= 4 * numel + 1024;
}

bool writes(const graph::Graph& g) {
    bool found = false;
    graph::each_node(g.nodes, [&](const graph::Node& node) { found = found || node.writes(); });
    return found;
}

size_t count_values(const Json& form) {
    if (is_leaf(form)) return form.string != "none";
    size_t n = 0;
    for (const auto& [name, part] : parts_of(form)) n += count_values(*part);
    return n;
}

std::vector<std::string> names_of(const Json& form, const std::string& plain) {
    std::vector<std::string> out;
    bool dict = form.kind == Json::list && !form.items.empty() && form.items[0].string == "dict";
    add_names(form, dict ? "" : plain, out);
    return out;
}

ProgramFile read_program(const Bytes& bytes, const std::string& where, bool copy) {
    return FileReader(unpacked(bytes, where), where, copy).run();
}

}  // namespace rushlight::files
