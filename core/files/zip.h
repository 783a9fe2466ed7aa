// Zip files. What `rushlight/io/_zip.py` writes is a function of the members' names, sizes and checksums alone, so
// every byte around the data of such a file is derived and compared; the checksums cover the data. Files of other
// writers (NumPy's .npz) are read too, where members follow each other and agree with the directory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "files/bytes.h"

namespace rushlight::files {

struct Member {
    std::string name;
    uint16_t method = 0;                       // 0 stored, 8 deflated
    uint16_t flags = 0;
    uint32_t crc = 0;
    uint64_t stored = 0, size = 0;             // bytes in the file, and of the contents
    uint64_t offset = 0, data = 0;             // of the header and of the data
};

class Zip {
public:
    // `where` begins every complaint. Raises Corrupt; checksums are verified by `read`.
    Zip(Bytes bytes, std::string where);

    const std::vector<Member>& members() const { return members_; }
    bool is_ours() const { return ours_; }     // written by Rushlight
    const Member* find(std::string_view name) const;
    // The member's bytes, verified: a part of the file, or inflated into memory of its own.
    Bytes read(const Member& member);

private:
    struct End { uint64_t count, length, start, records, comment; };
    [[noreturn]] void complain(const std::string& text) const;
    End read_end() const;
    bool widen_end(End& end, uint64_t at) const;
    void parse_directory(const End& end);
    void widen(Member& m, std::span<const uint8_t> extra) const;
    void check_headers(uint64_t start);
    void check_own_bytes(const End& end) const;

    Bytes bytes_;
    std::string where_;
    std::vector<Member> members_;
    uint64_t inflated_ = 0;
    bool ours_ = false;
};

// The bytes of an archive of stored members, as Rushlight writes them.
std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace rushlight::files
