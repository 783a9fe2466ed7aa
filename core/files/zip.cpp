#include "files/zip.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "files/corrupt.h"
#include "files/crc32.h"
#include "files/json.h"

namespace rushlight::files {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

namespace {

constexpr uint64_t local_bytes = 30, central_bytes = 46, end_bytes = 22, end64_bytes = 56, locator_bytes = 20;
constexpr uint32_t big32 = 0xFFFFFFFF;
constexpr uint16_t utf8 = 0x0800, has_descriptor = 0x0008, date = 0x0021;
constexpr std::string_view own_comment = "rushlight zip 1", marker = ".rushlight";

using View = std::span<const uint8_t>;

// A number of the file; the caller has seen that it is inside.
template <class T>
T number(View bytes, uint64_t at) {
    T out;
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
}

bool starts_with(View bytes, uint64_t at, const char* signature) {
    return at + 4 <= bytes.size() && std::memcmp(bytes.data() + at, signature, 4) == 0;
}

std::string_view text(View bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// ---- what the writer makes of a member's name, size and checksum ----------------------------------------------------

class Record {
public:
    template <class... Numbers>
    void put(Numbers... numbers) {
        (out_.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
    }
    void put_text(std::string_view s) { out_ += s; }
    void put_zeros(size_t n) { out_.append(n, '\0'); }
    size_t size() const { return out_.size(); }
    std::string bytes() && { return std::move(out_); }

private:
    std::string out_;
};

uint32_t narrow(uint64_t n) { return n >= big32 ? big32 : uint32_t(n); }

void put_own_entry(Record& r, const Member& m) {
    uint16_t wide = uint16_t((m.size >= big32 ? 16 : 0) + (m.offset >= big32 ? 8 : 0));
    uint16_t version = wide ? 45 : 20;
    r.put_text("PK\1\2");
    r.put(version, version, utf8, uint16_t(0), uint16_t(0), date, m.crc, narrow(m.size), narrow(m.size),
          uint16_t(m.name.size()), uint16_t(wide ? wide + 4 : 0), uint16_t(0), uint16_t(0), uint16_t(0), uint32_t(0),
          narrow(m.offset));
    r.put_text(m.name);
    if (!wide) return;
    r.put(uint16_t(1), wide);
    if (m.size >= big32) r.put(m.size, m.size);
    if (m.offset >= big32) r.put(m.offset);
}

}  // namespace

std::string header_of(const Member& m) {
    bool wide = m.size >= big32;
    size_t extra = wide ? 20 : 0;
    size_t padding = size_t(-(m.offset + local_bytes + m.name.size() + extra)) % 64;
    if (padding) padding += padding < 4 ? 64 : 0;
    Record r;
    r.put_text("PK\3\4");
    r.put(uint16_t(wide ? 45 : 20), utf8, uint16_t(0), uint16_t(0), date, m.crc, narrow(m.size), narrow(m.size),
          uint16_t(m.name.size()), uint16_t(extra + padding));
    r.put_text(m.name);
    if (wide) r.put(uint16_t(1), uint16_t(16), m.size, m.size);
    if (padding) {
        r.put(uint16_t(0x4246), uint16_t(padding - 4));
        r.put_zeros(padding - 4);
    }
    return std::move(r).bytes();
}

std::string directory_of(const std::vector<Member>& members, uint64_t offset) {
    Record r;
    for (const Member& m : members) put_own_entry(r, m);
    uint64_t count = members.size(), length = r.size();
    bool wide = count >= 0xFFFF || offset >= big32 || length >= big32;
    if (wide) {
        r.put_text("PK\6\6");
        r.put(end64_bytes - 12, uint16_t(45), uint16_t(45), uint32_t(0), uint32_t(0), count, count, length, offset);
        r.put_text("PK\6\7");
        r.put(uint32_t(0), offset + length, uint32_t(1));
    }
    uint16_t shown = wide ? 0xFFFF : uint16_t(count);
    r.put_text("PK\5\6");
    r.put(uint16_t(0), uint16_t(0), shown, shown, wide ? big32 : uint32_t(length), wide ? big32 : uint32_t(offset),
          uint16_t(own_comment.size()));
    r.put_text(own_comment);
    return std::move(r).bytes();
}

Zip::Zip(Bytes bytes, std::string where)
    : Zip(bytes.data.size(), [bytes](uint64_t begin, uint64_t count) { return bytes.part(begin, count); },
          std::move(where)) {}

Zip::Zip(uint64_t size, Source source, std::string where)
    : size_(size), source_(std::move(source)), where_(std::move(where)) {
    End end = read_end();
    parse_directory(end);
    check_headers(end.start);
    auto is_marker = [](const Member& m) {
        return m.name == marker || m.name.ends_with("/" + std::string(marker));
    };
    ours_ = text(bytes(end.comment, size_ - end.comment).data) == own_comment ||
            std::any_of(members_.begin(), members_.end(), is_marker);
    if (ours_) check_own_bytes(end);
    checked_ = std::any_of(members_.begin(), members_.end(), [](const Member& m) { return m.crc != 0; });
}

void Zip::complain(const std::string& text) const { corrupt(where_, text); }

bool Zip::fits(const Member& m, View data) const { return !checked_ || crc32(data) == m.crc; }

Zip::End Zip::read_end() const {
    uint64_t longest = std::min<uint64_t>(size_, end_bytes + 0xFFFF);
    Bytes tail = bytes(size_ - longest, longest);
    for (uint64_t back = end_bytes; back <= longest; ++back) {
        View data = tail.data.subspan(longest - back);
        if (!starts_with(data, 0, "PK\5\6") || number<uint16_t>(data, 20) != back - end_bytes) continue;
        uint64_t at = size_ - back;
        End end{number<uint16_t>(data, 10), number<uint32_t>(data, 12), number<uint32_t>(data, 16), at, at + end_bytes};
        bool whole = number<uint32_t>(data, 4) == 0 && number<uint16_t>(data, 8) == end.count;
        if (!widen_end(end, at) && !whole) complain("the end record is damaged, or the archive has several parts");
        if (end.start > end.records || end.length != end.records - end.start)
            complain("the directory does not end where the end record begins");
        if (end.count > end.length / central_bytes)
            complain("the directory of " + std::to_string(end.length) + " bytes can't hold " +
                     std::to_string(end.count) + " members");
        return end;
    }
    complain("truncated, or not a zip file: no end record");
}

// The counts of a large archive stand before the end record; false where there are none.
bool Zip::widen_end(End& end, uint64_t at) const {
    if (at < locator_bytes + end64_bytes) return false;
    uint64_t wide = at - locator_bytes - end64_bytes;
    Bytes both = bytes(wide, end64_bytes + locator_bytes);
    View data = both.data, locator = data.subspan(end64_bytes);
    if (!starts_with(locator, 0, "PK\6\7")) return false;
    if (number<uint64_t>(locator, 8) != wide) complain("the zip64 end record is not where the file says");
    if (!starts_with(data, 0, "PK\6\6")) complain("the zip64 end record is damaged");
    end.count = number<uint64_t>(data, 32);
    if (number<uint64_t>(data, 16) != 0 || number<uint64_t>(data, 24) != end.count)
        complain("the end record is damaged, or the archive has several parts");
    end.length = number<uint64_t>(data, 40);
    end.start = number<uint64_t>(data, 48);
    end.records = wide;
    return true;
}

void Zip::parse_directory(const End& end) {
    Bytes held = bytes(end.start, end.length);
    View directory = held.data;
    std::unordered_set<std::string> names;
    uint64_t at = 0;
    for (uint64_t i = 0; i < end.count; ++i) {
        if (at + central_bytes > directory.size()) complain("the directory is cut");
        View record = directory.subspan(at);
        uint64_t name = number<uint16_t>(record, 28), extra = number<uint16_t>(record, 30);
        uint64_t length = central_bytes + name + extra + number<uint16_t>(record, 32);
        if (!starts_with(record, 0, "PK\1\2") || length > record.size()) complain("the directory is damaged");
        Member m;
        m.name = text(record.subspan(central_bytes, name));
        if (!is_utf8(m.name)) complain("a member's name is not UTF-8");
        m.flags = number<uint16_t>(record, 8);
        m.method = number<uint16_t>(record, 10);
        m.crc = number<uint32_t>(record, 16);
        m.stored = number<uint32_t>(record, 20);
        m.size = number<uint32_t>(record, 24);
        m.offset = number<uint32_t>(record, 42);
        widen(m, record.subspan(central_bytes + name, extra));
        if ((m.flags & ~(utf8 | has_descriptor | 0x6)) || (m.method != 0 && m.method != 8))
            complain("member '" + m.name + "' is encrypted or compressed in an unknown way");
        if (m.method == 0 && m.size != m.stored)
            complain("member '" + m.name + "' is stored, but its two sizes are " + std::to_string(m.stored) + " and " +
                     std::to_string(m.size));
        if (m.offset > end.start || end.start - m.offset < local_bytes || m.stored > end.start - m.offset - local_bytes)
            complain("member '" + m.name + "' reaches beyond the directory");
        if (!names.insert(m.name).second) complain("member '" + m.name + "' appears twice");
        members_.push_back(std::move(m));
        at += length;
    }
    if (at != directory.size()) complain("the directory is longer than its members");
}

// Sizes and offset that do not fit into 32 bits stand in a field of their own.
void Zip::widen(Member& m, View extra) const {
    uint64_t* wanted[3];
    size_t n = 0;
    for (uint64_t* value : {&m.size, &m.stored, &m.offset})
        if (*value == big32) wanted[n++] = value;
    if (n == 0) return;
    for (uint64_t at = 0; at + 4 <= extra.size();) {
        uint64_t length = number<uint16_t>(extra, at + 2);
        if (number<uint16_t>(extra, at) == 1 && length >= 8 * n && at + 4 + length <= extra.size()) {
            for (size_t i = 0; i < n; ++i) *wanted[i] = number<uint64_t>(extra, at + 4 + 8 * i);
            return;
        }
        at += 4 + length;
    }
    complain("member '" + m.name + "' lacks its zip64 sizes");
}

// Each member's own header must agree with the directory, and members must follow each other.
void Zip::check_headers(uint64_t start) {
    std::vector<Member*> ordered;
    for (Member& m : members_) ordered.push_back(&m);
    std::sort(ordered.begin(), ordered.end(), [](Member* a, Member* b) { return a->offset < b->offset; });
    uint64_t expected = 0;
    for (size_t i = 0; i < ordered.size(); ++i) {
        Member& m = *ordered[i];
        uint64_t following = i + 1 < ordered.size() ? ordered[i + 1]->offset : start;
        if (m.offset != expected)
            complain("member '" + m.name + "' begins at byte " + std::to_string(m.offset) + "; expected " +
                     std::to_string(expected));
        Bytes held = bytes(m.offset, local_bytes);     // parse_directory saw that it has them
        View header = held.data;
        uint64_t name = number<uint16_t>(header, 26), extra = number<uint16_t>(header, 28);
        m.data = m.offset + local_bytes + name + extra;
        bool later = m.flags & has_descriptor;         // sizes and checksum follow the data
        auto size_agrees = [&](uint64_t at, uint64_t size) {
            uint32_t shown = number<uint32_t>(header, at);
            return shown == size || shown == big32;
        };
        bool agrees = starts_with(header, 0, "PK\3\4") && number<uint16_t>(header, 6) == m.flags &&
                      number<uint16_t>(header, 8) == m.method && m.data <= following &&
                      text(bytes(m.offset + local_bytes, name).data) == m.name && m.stored <= following - m.data &&
                      following - m.data - m.stored <= (later ? 24u : 0u) &&
                      (later || (number<uint32_t>(header, 14) == m.crc && size_agrees(18, m.stored) &&
                                 size_agrees(22, m.size)));
        if (!agrees) complain("the header of member '" + m.name + "' disagrees with the directory");
        expected = following;
    }
    if (expected != start) complain("there are bytes that belong to no member");
}

void Zip::check_own_bytes(const End& end) const {
    if (directory_of(members_, end.start) != text(bytes(end.start, size_ - end.start).data))
        complain("the directory is damaged");
    for (const Member& m : members_)
        if (header_of(m) != text(bytes(m.offset, m.data - m.offset).data))
            complain("the header of member '" + m.name + "' is damaged");
}

Bytes Zip::read(const Member& m, uint64_t most) {
    Bytes out = bytes(m.data, m.stored);
    if (m.method == 8) {
        if (m.size > most || (inflated_ += m.size) > most)
            complain(m.name + ": the file inflates to more than " + std::to_string(most) + " bytes");
        auto inflated = std::make_shared<std::vector<uint8_t>>(m.size);
        if (!inflate(out.data, *inflated))
            complain(m.name + ": does not inflate to the " + std::to_string(m.size) + " bytes that the directory says");
        out = {*inflated, inflated};
    }
    if (!fits(m, out.data)) complain(m.name + ": checksum mismatch");
    return out;
}

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string out;
    std::vector<Member> written;
    for (const auto& [name, data] : members) {
        Member m;
        m.name = name;
        m.offset = out.size();
        m.size = m.stored = data.size();
        m.crc = crc32({reinterpret_cast<const uint8_t*>(data.data()), data.size()});
        out += header_of(m);
        out += data;
        written.push_back(std::move(m));
    }
    out += directory_of(written, out.size());
    return out;
}

}  // namespace rushlight::files
