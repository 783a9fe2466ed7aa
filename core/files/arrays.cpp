#include "files/arrays.h"

#include <charconv>
#include <cstring>

#include "files/corrupt.h"
#include "files/zip.h"
#include "registry/call.h"

namespace rushlight::files {

namespace {

constexpr std::string_view magic = "\x93NUMPY";

// "<f4": byte order, kind, bytes of an element.
std::string name_of_elements(DType dtype) {
    char kind = info(dtype).kind;
    std::string size = std::to_string(size_of(dtype));
    return (size == "1" ? "|" : "<") + std::string(1, kind) + size;
}

DType dtype_of(std::string_view name, const std::string& where) {
    for (int i = 0; i < dtype_count; ++i)
        if (info(DType(i)).kind != 'V' && name_of_elements(DType(i)) == name) return DType(i);
    fail(ErrorKind::type, where, ": the array's elements are '", name, "'; expected little-endian numbers or bools");
}

// Reads the header, a dict as Python writes it: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class Header {
public:
    Header(std::string_view text, const std::string& where) : text_(text), where_(where) {
        expect(take("{"), where_, "the header is no dict");
        while (!take("}")) {
            std::string_view key = quoted();
            expect(take(":"), where_, "the header is damaged");
            if (key == "descr") elements = quoted();
            else if (key == "fortran_order") by_columns = truth();
            else if (key == "shape") shape();
            else corrupt(where_, "the header has the field '", key, "'");
            take(",");
        }
        skip();
        expect(text_.empty() && !elements.empty(), where_, "the header is damaged");
    }

    std::string_view elements;
    bool by_columns = false;
    Dims sizes;

private:
    void skip() {
        while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
    }
    bool take(std::string_view token) {
        skip();
        if (!text_.starts_with(token)) return false;
        text_.remove_prefix(token.size());
        return true;
    }
    bool truth() {
        bool yes = take("True");
        expect(yes || take("False"), where_, "the header is damaged");
        return yes;
    }
    std::string_view quoted() {
        expect(take("'"), where_, "the header is damaged, or the array has fields");
        size_t end = text_.find('\'');
        expect(end != text_.npos, where_, "the header is cut");
        std::string_view out = text_.substr(0, end);
        text_.remove_prefix(end + 1);
        return out;
    }
    void shape() {
        expect(take("("), where_, "the header is damaged");
        while (!take(")")) {
            skip();
            int64_t size = -1;
            auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
            expect(error == std::errc() && size >= 0 && sizes.size() < max_rank, where_, "the shape is damaged");
            text_.remove_prefix(size_t(end - text_.data()));
            sizes.push_back(size);
            take(",");
        }
    }

    std::string_view text_;
    const std::string& where_;
};



}  // namespace

Tensor read_npy(const Bytes& bytes, const std::string& where) {
    std::string_view text(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
    expect(text.size() >= 12 && text.starts_with(magic), where, "it is no .npy file");
    bool wide = text[6] != 1;
    expect(text[6] >= 1 && text[6] <= 3, where, "version ", int(text[6]), " of .npy files; expected 1 to 3");
    uint32_t length = 0;
    std::memcpy(&length, text.data() + 8, wide ? 4 : 2);
    size_t begin = wide ? 12 : 10;
    expect(length <= text.size() - begin, where, "the header of ", length, " bytes does not fit");
    Header header(text.substr(begin, length), where);
    DType dtype = dtype_of(header.elements, where);
    int64_t needed = size_of(dtype);
    bool fits = true;
    for (int64_t s : header.sizes) fits = fits && !__builtin_mul_overflow(needed, s, &needed);
    size_t there = text.size() - begin - length;
    expect(fits && uint64_t(needed) == there, where, "an array of shape ", header.sizes, " of ", name_of(dtype),
           " does not fit ", there, " bytes");
    Dims sizes = header.sizes;
    if (header.by_columns) std::reverse(sizes.begin(), sizes.end());
    Bytes part = bytes.part(begin + length, there);
    expect(dtype != DType::boolean || are_bools(part.data), where, "an array of bools holds other bytes than 0 and 1");
    Tensor t = tensor_over(part, dtype, sizes);
    if (!header.by_columns) return t;
    Dims strides = t.strides();
    std::reverse(strides.begin(), strides.end());
    return contiguous(alias(t, header.sizes, strides, 0));
}

NamedTensors read_npz(const Bytes& bytes, const std::string& where) {
    Zip zip(bytes, where);
    NamedTensors out;
    for (const Member& m : zip.members()) {
        std::string name = m.name;
        expect(name.ends_with(".npy"), where, "member '", name, "' is no array; expected a file of NumPy's savez");
        out.emplace_back(name.substr(0, name.size() - 4), read_npy(zip.read(m), where + ": " + name));
    }
    return out;
}

std::string write_npy(const Tensor& t) {
    require(info(t.dtype()).kind != 'V', ErrorKind::type, "save: NumPy has no ", name_of(t.dtype()),
            "; expected another dtype");
    std::string header = "{'descr': '" + name_of_elements(t.dtype()) + "', 'fortran_order': False, 'shape': (";
    for (int64_t s : t.sizes()) header += std::to_string(s) + ", ";
    header += "), }";
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    auto length = uint16_t(header.size());
    std::string out(magic);
    out += {'\1', '\0', char(length & 255), char(length >> 8)};
    out += header;
    Tensor flat = contiguous(t);
    out.append(static_cast<const char*>(flat.data()), size_t(flat.numel() * size_of(flat.dtype())));
    return out;
}

std::string write_npz(const NamedTensors& tensors) {
    std::vector<std::pair<std::string, std::string>> members;
    for (const auto& [name, t] : tensors) members.emplace_back(name + ".npy", write_npy(t));
    return zip_of(members);
}

}  // namespace rushlight::files
