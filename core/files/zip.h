// Zip files: the one reader, and what the writers write around the data. That is a function of the members' names,
// sizes and checksums alone, so every byte of it is derived and compared; the checksums cover the data. Files of other
// writers (PyTorch's .pth, NumPy's .npz) are read too, where members follow each other and agree with the directory.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "files/bytes.h"
#include "files/inflate.h"

namespace rushlight::files {

struct Member {
    std::string name;
    uint16_t method = 0;                       // 0 stored, 8 deflated
    uint16_t flags = 0;
    uint32_t crc = 0;
    uint64_t stored = 0, size = 0;             // bytes in the file, and of the contents
    uint64_t offset = 0, data = 0;             // of the header and of the data
};

// Some bytes of a file: where they begin, and how many.
using Source = std::function<Bytes(uint64_t, uint64_t)>;

class Zip {
public:
    // `where` begins every complaint. Raises Corrupt; checksums are verified by `read`.
    Zip(Bytes bytes, std::string where);
    Zip(uint64_t size, Source source, std::string where);

    const std::vector<Member>& members() const { return members_; }
    bool is_ours() const { return ours_; }     // written by Rushlight
    // Whether these bytes of a stored member have its checksum.
    bool fits(const Member& member, std::span<const uint8_t> data) const;
    // The member's bytes, verified: a part of the file, or inflated into memory of its own. All members together
    // inflate to `most` bytes.
    Bytes read(const Member& member, uint64_t most);
    Bytes read(const Member& member) { return read(member, most_inflated(size_)); }

private:
    struct End { uint64_t count, length, start, records, comment; };
    Bytes bytes(uint64_t begin, uint64_t count) const { return source_(begin, count); }
    [[noreturn]] void complain(const std::string& text) const;
    End read_end() const;
    bool widen_end(End& end, uint64_t at) const;
    void parse_directory(const End& end);
    void widen(Member& m, std::span<const uint8_t> extra) const;
    void check_headers(uint64_t start);
    void check_own_bytes(const End& end) const;

    uint64_t size_;
    Source source_;
    std::string where_;
    std::vector<Member> members_;
    uint64_t inflated_ = 0;
    bool ours_ = false;
    bool checked_ = true;                      // PyTorch can be told to compute no checksums, and writes zeros for all
};

// What Rushlight writes before a member's data, and after the last member, which ends at `offset`.
std::string header_of(const Member& member);
std::string directory_of(const std::vector<Member>& members, uint64_t offset);
// The bytes of an archive of stored members, as Rushlight writes them.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace rushlight::files
