#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace rushlight {

namespace {

// tables[k][b]: what byte b does to the checksum when k more bytes follow it.
std::array<std::array<uint32_t, 256>, 8> make_tables() {
    std::array<std::array<uint32_t, 256>, 8> tables;
    for (uint32_t b = 0; b < 256; ++b) {
        uint32_t sum = b;
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? 0x82F63B78u : 0);
        tables[0][b] = sum;
    }
    for (size_t k = 1; k < 8; ++k)
        for (size_t b = 0; b < 256; ++b)
            tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
    return tables;
}

}  // namespace

uint32_t crc32c(const void* data, size_t bytes) {
    static const auto tables = make_tables();
    auto* p = static_cast<const unsigned char*>(data);
    uint32_t sum = ~0u;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        unsigned char eight[8];
        std::memcpy(eight, p, 8);
        for (int i = 0; i < 4; ++i) eight[i] ^= static_cast<unsigned char>(sum >> (8 * i));
        sum = 0;
        for (size_t i = 0; i < 8; ++i) sum ^= tables[7 - i][eight[i]];
    }
    for (; bytes; --bytes, ++p) sum = sum >> 8 ^ tables[0][(sum ^ *p) & 255];
    return ~sum;
}

}  // namespace rushlight
