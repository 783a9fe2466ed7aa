// Changed `.rush`, `.npz`, `.npy` and `.pth` files against the readers, in one process: fuzz_files COUNT SEED FILE...
//
// A change is made where it is not found out at once: in the bytes, in graph.json, in the graph's text, in the header
// of the tensors, in the list of members; containers and checksums are then written anew. What still loads is looked
// at and run. A crash, a hang or a report of a sanitizer is a finding; the number that --progress keeps in a file makes
// it again: fuzz_files 1 SEED FILE... --from NUMBER.
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "capi/rushlight.h"
#include "files/arrays.h"
#include "files/corrupt.h"
#include "files/crc32.h"
#include "files/inflate.h"
#include "files/json.h"
#include "files/zip.h"

using namespace rushlight;
using files::Json;

namespace {

using Members = std::vector<std::pair<std::string, std::string>>;
std::mt19937_64 rng;

uint64_t below(uint64_t n) { return n ? rng() % n : 0; }
bool chance(int percent) { return below(100) < uint64_t(percent); }

files::Bytes bytes_of(const std::string& s) {
    static const auto nobody = std::make_shared<int>(0);
    return {{reinterpret_cast<const uint8_t*>(s.data()), s.size()}, nobody};
}

const char* const numbers[] = {
    "0", "-1", "1", "2", "3", "7", "64", "65", "255", "4096", "65536", "2147483647", "2147483648", "4294967295",
    "1099511627776", "4611686018427387904", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
    "99999999999999999999", "1e308", "0.5", "nan", "inf", "-0.0", "?", "<N>", "<2*N>", "<0.5/N>", "<N"};
const int64_t wholes[] = {0, -1, 1, 2, 3, 8, 63, 64, 65, 1 << 20, int64_t(1) << 31, int64_t(1) << 32, int64_t(1) << 40,
                          int64_t(1) << 62, INT64_MAX, INT64_MIN};

template <class T, size_t n>
const T& any(const T (&list)[n]) { return list[below(n)]; }

void change_bytes(std::string& s) {
    for (uint64_t times = 1 + below(4); times && !s.empty(); --times) {
        uint64_t at = below(s.size()), length = below(std::min<uint64_t>(s.size() - at, 40) + 1);
        switch (below(7)) {
            case 0: s[at] = char(s[at] ^ 1 << below(8)); break;
            case 1: s[at] = char(rng()); break;
            case 2: s.resize(at); break;
            case 3: s.erase(at, length); break;
            case 4: s.insert(below(s.size()), s.substr(at, length)); break;
            case 5: s.insert(at, std::string(below(20), char(rng()))); break;
            default:
                for (uint64_t i = 0; i < std::min<uint64_t>(8, s.size() - at); ++i)
                    s[at + i] = char(uint64_t(any(wholes)) >> 8 * i);
        }
    }
}

// One of the values within, each as likely.
Json& inner(Json& root) {
    std::vector<Json*> all = {&root};
    for (size_t i = 0; i < all.size(); ++i)
        for (Json& item : all[i]->items) all.push_back(&item);
    return *all[below(all.size())];
}

Json hostile(Json& root) {
    Json out;
    switch (below(8)) {
        case 0: return out;
        case 1: out.kind = Json::boolean; out.truth = chance(50); return out;
        case 2: case 3: out.kind = Json::integer; out.whole = any(wholes); return out;
        case 4: out.kind = Json::text; out.string = chance(50) ? "tensor" : inner(root).string; return out;
        case 5: out.kind = Json::list; return out;
        case 6: out.kind = Json::object; return out;
        default: return inner(root);
    }
}

void change_text(std::string& s);

void change_json(Json& root) {
    for (uint64_t times = 1 + below(3); times; --times) {
        Json& at = inner(root);
        bool container = !at.items.empty();
        uint64_t i = below(at.items.size());
        switch (below(6)) {
            case 0: at = hostile(root); break;
            case 1:
                if (at.kind == Json::integer)
                    at.whole = chance(50) ? any(wholes) : int64_t(uint64_t(at.whole) + below(5) - 2);
                else if (at.kind == Json::text) change_text(at.string);
                break;
            case 2:
                if (!container) break;
                at.items.erase(at.items.begin() + std::ptrdiff_t(i));
                if (at.kind == Json::object) at.keys.erase(at.keys.begin() + std::ptrdiff_t(i));
                break;
            case 3:
                if (!container) break;
                at.items.push_back(Json(at.items[i]));
                if (at.kind == Json::object) at.keys.push_back(at.keys[i] + (chance(50) ? "" : "x"));
                break;
            case 4:
                if (container) at.items[i] = Json(inner(root));
                break;
            default:
                if (at.kind == Json::object && container) change_text(at.keys[i]);
        }
    }
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '%'; }

std::vector<std::pair<size_t, size_t>> words_of(const std::string& s) {
    std::vector<std::pair<size_t, size_t>> out;
    for (size_t i = 0; i < s.size(); ++i) {
        size_t begin = i;
        while (i < s.size() && is_word(s[i])) ++i;
        if (i > begin) out.emplace_back(begin, i - begin);
    }
    return out;
}

const char* const words[] = {
    "add", "restride", "view", "relu", "cat", "empty", "zeros", "arange", "reshape", "expand", "into", "changes",
    "no_grad", "float64", "int64", "bool", "complex64", "bfloat16", "None", "True", "return", "const", "graph", "if",
    "while", "for", "call", "yield", "list", "tuple", "dict", "tensor", "int", "str", "optional", "index_select",
    "gather", "scatter", "embedding", "as_strided", "linear", "matmul", "convolution", "repeat_interleave", "set_"};

// What may stand in a word's place: names of values for each other (so that graphs get cycles), or any.
char kind_of_word(char c) { return c == '%' ? c : std::isdigit(static_cast<unsigned char>(c)) ? '0' : 'a'; }

// Words that take each other's places, lines that move, numbers that no program has.
void change_text(std::string& s) {
    if (chance(10)) return change_bytes(s);
    for (uint64_t times = 1 + below(3); times; --times) {
        auto found = words_of(s);
        if (found.empty()) return;
        auto [at, length] = found[below(found.size())];
        auto [from, other] = found[below(found.size())];
        for (int tries = 0; tries < 20 && kind_of_word(s[from]) != kind_of_word(s[at]); ++tries)
            std::tie(from, other) = found[below(found.size())];
        bool number = kind_of_word(s[at]) == '0';
        size_t line = s.rfind('\n', at), end = s.find('\n', at);
        bool lines = line != s.npos && end != s.npos;
        std::string whole = lines ? s.substr(line, end - line) : "";
        switch (below(6)) {
            case 0: s.replace(at, length, std::string(s, from, other)); break;
            case 1: s.replace(at, length, number ? any(numbers) : any(words)); break;
            case 2: s.replace(at, length, any(numbers)); break;
            case 3: if (lines) s.erase(line, end - line); break;
            case 4: if (lines) s.insert(line, whole); break;
            default:
                if (!lines) break;
                s.erase(line, end - line);
                if (size_t to = s.find('\n', below(s.size())); to != s.npos) s.insert(to, whole);
        }
    }
}

void change_weights(std::string& s) {
    uint64_t length = 0;
    if (s.size() < 8) return;
    std::memcpy(&length, s.data(), 8);
    std::string header = s.substr(8, length), body = s.substr(std::min<uint64_t>(8 + length, s.size()));
    if (chance(70)) {
        Json json = files::parse_json(header, "header");
        change_json(json);
        header = files::write_json(json);
    } else {
        change_bytes(header);
    }
    if (chance(10)) change_bytes(body);
    length = chance(5) ? uint64_t(any(wholes)) : header.size();
    s.assign(reinterpret_cast<const char*>(&length), 8);
    s += header + body;
}

void change_members(Members& members) {
    uint64_t i = below(members.size()), k = below(members.size());
    switch (below(6)) {
        case 0: members.erase(members.begin() + std::ptrdiff_t(i)); break;
        case 1: members.push_back(members[i]); break;
        case 2: std::swap(members[i], members[k]); break;
        case 3: members[i].second = members[k].second; break;
        case 4: change_bytes(members[i].first); break;
        default: members[i].first = "program/extra/" + members[i].first;
    }
}

// ---- containers as other writers make them: deflated members, among them bombs --------------------------------------

class Bits {
public:
    void put(unsigned value, int count) {
        for (int i = 0; i < count; ++i, ++at_) {
            if (at_ % 8 == 0) out_ += '\0';
            out_.back() = char(out_.back() | (value >> i & 1) << at_ % 8);
        }
    }
    void put_code(unsigned value, int count) {               // Huffman codes stand with their first bit first
        while (count--) put(value >> count & 1, 1);
    }
    std::string take() { return std::move(out_); }

private:
    std::string out_;
    size_t at_ = 0;
};

// A zero, and `copies` times 258 copies of it: 13 bits each.
std::string bomb(uint64_t copies) {
    Bits bits;
    bits.put(1, 1);
    bits.put(1, 2);
    bits.put_code(0x30, 8);
    for (; copies; --copies) {
        bits.put_code(0xC5, 8);
        bits.put_code(0, 5);
    }
    bits.put_code(0, 7);
    return bits.take();
}

template <class T>
void put(std::string& out, T number) { out.append(reinterpret_cast<const char*>(&number), sizeof number); }

uint32_t checksum(const std::string& s) { return files::crc32({reinterpret_cast<const uint8_t*>(s.data()), s.size()}); }

// A zip file whose sizes may lie.
std::string foreign_zip(const Members& members) {
    std::string out, directory;
    for (const auto& [name, contents] : members) {
        bool deflated = chance(30);
        uint64_t copies = chance(1) ? below(1 << 21) : below(1 << 8);
        std::string data = deflated ? bomb(copies) : contents;
        if (chance(5)) change_bytes(data);
        std::string plain = deflated ? std::string(1 + 258 * copies, '\0') : data;
        uint32_t size = uint32_t(chance(10) ? uint64_t(any(wholes)) : plain.size());
        uint32_t crc = checksum(plain);
        uint32_t offset = uint32_t(chance(3) ? uint64_t(any(wholes)) : out.size());
        std::string common;
        for (uint16_t n : {20, 0, deflated ? 8 : 0, 0, 0x21}) put(common, n);
        for (uint32_t n : {crc, uint32_t(data.size()), size}) put(common, n);
        for (uint16_t n : {uint16_t(name.size()), uint16_t(0)}) put(common, n);
        out += "PK\3\4" + common + name + data;
        directory += "PK\1\2" + std::string(2, '\0') + common + std::string(10, '\0');
        put(directory, offset);
        directory += name;
    }
    uint32_t start = uint32_t(out.size());
    out += directory + "PK\5\6" + std::string(4, '\0');
    for (uint16_t n : {members.size(), members.size()}) put(out, n);
    for (uint32_t n : {uint32_t(directory.size()), start}) put(out, n);
    return out + std::string(2, '\0');
}

// As it is, in blocks.
std::string deflated(const std::string& data) {
    std::string out;
    for (size_t at = 0;; at += 0xFFFF) {
        std::string block = data.substr(at, 0xFFFF);
        bool last = at + block.size() == data.size();
        out += char(last);
        put(out, uint16_t(block.size()));
        put(out, uint16_t(~block.size()));
        out += block;
        if (last) return out;
    }
}

// What jit.save(compress=True) makes of a program; lies about the size, and streams that do not inflate.
std::string compressed(const std::string& program) {
    std::string data = chance(80) ? deflated(program) : bomb(chance(1) ? below(1 << 21) : below(1 << 8));
    if (chance(40)) change_bytes(data);
    std::string out("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x08\0RL\x04\0", 16);
    if (chance(5)) change_bytes(out);
    put(out, checksum(data));
    out += data;
    put(out, checksum(program));
    put(out, chance(10) ? uint32_t(any(wholes)) : uint32_t(program.size()));
    return out;
}

// The program within a file that jit.save(compress=True) wrote: 20 bytes stand before what is deflated, 8 after it.
bool is_packed(const std::string& s) { return s.starts_with("\x1f\x8b"); }

std::string unpacked(const std::string& s) {
    uint32_t size = 0;
    std::memcpy(&size, s.data() + s.size() - 4, 4);
    std::string out(size, '\0');
    bool whole = files::inflate(bytes_of(s).data.subspan(20, s.size() - 28),
                                {reinterpret_cast<uint8_t*>(out.data()), out.size()});
    return whole ? out : "";
}

// Its stream changed, under a checksum that fits.
std::string changed_stream(const std::string& s) {
    std::string data = s.substr(20, s.size() - 28), out = s.substr(0, 16);
    change_bytes(data);
    put(out, checksum(data));
    return out + data + s.substr(s.size() - 8);
}

std::string changed(const std::string& original, const Members& parts) {
    bool packed = is_packed(original);
    if (packed && chance(40)) return changed_stream(original);
    if (chance(15)) {
        std::string out = original;
        change_bytes(out);
        return out;
    }
    Members members = parts;
    for (auto& [name, data] : members) {
        if (name.ends_with("graph.json") && chance(60)) {
            Json json = files::parse_json(data, "graph.json");
            if (chance(60) && json.find("signatures")) {
                Json& signatures = json.items[size_t(std::find(json.keys.begin(), json.keys.end(), "signatures") -
                                                     json.keys.begin())];
                Json& one = signatures.items[below(signatures.items.size())];
                for (size_t i = 0; i < one.keys.size(); ++i)
                    if (one.keys[i] == "graph") change_text(one.items[i].string);
            } else {
                change_json(json);
            }
            for (size_t i = 0; i < json.keys.size() && chance(5); ++i)
                if (json.keys[i] == "version") json.items[i].whole = any(wholes);
            data = files::write_json(json);
            if (chance(5)) change_bytes(data);
        } else if (name.ends_with("weights.safetensors") && chance(30)) {
            change_weights(data);
        } else if (chance(3)) {
            change_bytes(data);
        }
    }
    if (chance(8)) change_members(members);
    std::string out = chance(3) ? foreign_zip(members) : files::zip_of(members);
    if (chance(5)) change_bytes(out);
    return packed || chance(4) ? compressed(out) : out;
}

// ---- what is done with them -----------------------------------------------------------------------------------------

struct Counts {
    uint64_t made = 0, loaded = 0, ran = 0;
    std::map<std::string, uint64_t> errors;
} counts;

// A program that loops may loop for ever: that is no finding. The driver goes on behind it. Seconds are the
// processor's: a busy machine makes no findings.
volatile std::sig_atomic_t loops = 0;
constexpr int looped_on = 77, hung = 78;
void end_by_alarm(int) { _exit(loops ? looped_on : hung); }

void allow_seconds(int seconds) {
    itimerval timer{{0, 0}, {seconds, 0}};
    setitimer(ITIMER_PROF, &timer, nullptr);
}

bool run(rl_model* model, size_t signature) {
    std::string_view text = rl_graph_text(model, signature);
    loops = text.find(" = for ") != text.npos || text.find(" = while ") != text.npos;
    allow_seconds(loops ? 1 : 60);
    std::vector<rl_value*> inputs;
    bool all = true;
    for (size_t i = 0; i < rl_input_count(model, signature); ++i) {
        const rl_spec* s = rl_input(model, signature, i);
        std::vector<int64_t> sizes;
        int64_t numel = 1;
        for (int32_t d = 0; d < s->rank; ++d) {
            sizes.push_back(s->sizes[d] < 0 ? 2 : s->sizes[d]);
            if (__builtin_mul_overflow(numel, sizes.back(), &numel)) numel = int64_t(1) << 40;
        }
        rl_value* v = nullptr;
        if (s->kind == RL_TENSOR && s->rank >= 0 && numel < 1 << 16)
            rl_tensor_copy(s->dtype, s->rank, sizes.data(), nullptr, &v);
        else if (s->kind == RL_TENSOR) rl_tensor_copy(RL_FLOAT32, 2, std::vector<int64_t>{2, 2}.data(), nullptr, &v);
        else if (s->kind == RL_INT) rl_int(2, &v);
        else if (s->kind == RL_FLOAT) rl_float(0.5, &v);
        else if (s->kind == RL_DICT) rl_from_json("{\"a\": [1, 2]}", 13, &v);
        else rl_from_json("[1, 2]", 6, &v);
        all = all && v;
        inputs.push_back(v);
    }
    std::vector<rl_value*> outputs(rl_output_count(model, signature));
    rl_status status = RL_ERROR_ARGUMENT;
    if (all) status = rl_run(model, rl_signature_name(model, signature), inputs.data(), inputs.size(), outputs.data(),
                             outputs.size());
    for (rl_value* v : inputs) rl_value_free(v);
    volatile uint8_t sum = 0;                  // every byte of a result can be read
    for (rl_value* v : outputs) {
        if (rl_value_kind(v) == RL_TENSOR)
            for (size_t i = 0; i < rl_tensor_bytes(v); ++i)
                sum = sum ^ static_cast<const uint8_t*>(rl_tensor_data(v))[i];
        rl_value_free(v);
    }
    return status == RL_OK;
}

void load(const std::string& file) {
    std::vector<char> exactly(file.begin(), file.end());     // a sanitizer sees a read beyond its end
    rl_model* model = nullptr;
    rl_status status = rl_model_load_memory(exactly.data(), exactly.size(), chance(50) ? RL_LOAD_BORROW : 0, &model);
    ++counts.made;
    if (status != RL_OK) {
        std::string text = rl_last_error();
        if (text.empty()) std::abort();
        std::string kind;
        for (char c : text.substr(0, 60)) kind += std::isdigit(static_cast<unsigned char>(c)) ? '#' : c;
        ++counts.errors[std::to_string(status) + " " + kind.substr(0, 40)];
        return;
    }
    ++counts.loaded;
    for (size_t i = 0; i < rl_tensor_count(model); ++i) rl_stored_tensor(model, i);
    for (size_t i = 0; i < rl_signature_count(model); ++i) counts.ran += run(model, i);
    rl_model_free(model);
}

// As the reader of .pth files does: by pieces, with less room for what members inflate to.
void read_members(const files::Bytes& bytes) {
    auto source = [&](uint64_t begin, uint64_t count) { return bytes.part(begin, count); };
    files::Zip zip(bytes.data.size(), source, "pth");
    for (const files::Member& m : zip.members()) {
        files::Bytes data = zip.read(m, std::max<uint64_t>(4 * bytes.data.size(), 1 << 16));
        if (data.data.size() != m.size) std::abort();
    }
}

void read_arrays(std::string file, Members parts) {
    bool anew = !parts.empty() && chance(70);
    for (auto& [name, data] : parts)
        if (chance(50)) change_bytes(data);
    if (anew) file = chance(50) ? files::zip_of(parts) : foreign_zip(parts);
    if (!anew || chance(10)) change_bytes(file);
    std::vector<char> exactly(file.begin(), file.end());
    files::Bytes bytes{{reinterpret_cast<const uint8_t*>(exactly.data()), exactly.size()}, nullptr};
    ++counts.made;
    try {
        if (file.starts_with("\x93")) files::read_npy(bytes, "npy");
        else if (chance(50)) files::read_npz(bytes, "npz");
        else read_members(bytes);
        ++counts.loaded;
    } catch (const Error&) {
    }
}

std::string contents_of(const char* path) {
    files::Bytes bytes = files::map_file(path);
    return std::string(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return std::fprintf(stderr, "fuzz_files COUNT SEED FILE... [--from NUMBER] [--progress PATH]\n"), 2;
    uint64_t count = std::strtoull(argv[1], nullptr, 10), seed = std::strtoull(argv[2], nullptr, 10), from = 0;
    const char* progress = nullptr;
    std::vector<std::string> seeds;
    std::vector<Members> parts;
    for (int i = 3; i < argc; ++i) {
        if (!std::strcmp(argv[i], "--from")) from = std::strtoull(argv[++i], nullptr, 10);
        else if (!std::strcmp(argv[i], "--progress")) progress = argv[++i];
        else seeds.push_back(contents_of(argv[i]));
    }
    std::vector<std::string> plain;
    plain.reserve(seeds.size());
    for (const std::string& s : seeds) {
        Members members;
        const std::string& archive = plain.emplace_back(is_packed(s) ? unpacked(s) : s);
        if (archive.starts_with("PK")) {
            files::Zip zip(bytes_of(archive), "seed");
            for (const files::Member& m : zip.members()) {
                files::Bytes data = zip.read(m);
                auto* begin = reinterpret_cast<const char*>(data.data.data());
                members.emplace_back(m.name, std::string(begin, data.data.size()));
            }
        }
        parts.push_back(std::move(members));
    }
    std::signal(SIGPROF, end_by_alarm);
    FILE* note = progress ? std::fopen(progress, "w") : nullptr;
    for (uint64_t n = from; n < from + count; ++n) {
        if (note) {
            std::rewind(note);
            std::fprintf(note, "%llu\n", static_cast<unsigned long long>(n));
            std::fflush(note);
        }
        loops = 0;
        allow_seconds(60);
        rng.seed(seed * 1'000'003 + n);
        size_t which = below(seeds.size());
        bool program = false;
        for (auto& [name, data] : parts[which]) program = program || name.ends_with("graph.json");
        if (program) load(changed(seeds[which], parts[which]));
        else read_arrays(seeds[which], parts[which]);
    }
    for (auto& [text, times] : counts.errors)
        std::printf("%9llu  %s\n", static_cast<unsigned long long>(times), text.c_str());
    std::printf("%llu files: %llu loaded, %llu ran\n", static_cast<unsigned long long>(counts.made),
                static_cast<unsigned long long>(counts.loaded), static_cast<unsigned long long>(counts.ran));
    return 0;
}
