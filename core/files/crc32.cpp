#include "files/crc32.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rushlight::files {

namespace {

constexpr uint32_t polynomial = 0xEDB88320u;   // of degree 32, its bits reversed

// tables[k][b]: what byte b does to the checksum when k more bytes follow it.
constexpr auto make_tables() {
    std::array<std::array<uint32_t, 256>, 4> tables{};
    for (uint32_t b = 0; b < 256; ++b) {
        uint32_t sum = b;
        for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1 ? polynomial : 0);
        tables[0][b] = sum;
    }
    for (size_t k = 1; k < 4; ++k)
        for (size_t b = 0; b < 256; ++b) tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 255];
    return tables;
}

const auto tables = make_tables();

uint32_t by_table(const uint8_t* p, size_t n, uint32_t sum) {
    for (; n >= 4; n -= 4, p += 4)
        sum = tables[3][(sum ^ p[0]) & 255] ^ tables[2][(sum >> 8 ^ p[1]) & 255] ^
              tables[1][(sum >> 16 ^ p[2]) & 255] ^ tables[0][(sum >> 24 ^ p[3]) & 255];
    for (; n; --n, ++p) sum = sum >> 8 ^ tables[0][(sum ^ *p) & 255];
    return sum;
}

#if defined(__x86_64__)

// x^n modulo the polynomial, bits reversed, one place higher as carry-less products of reversed factors want it.
constexpr uint64_t power(int n) {
    uint32_t r = 0x80000000u;                  // x^0
    for (int i = 0; i < n; ++i) r = r >> 1 ^ (r & 1 ? polynomial : 0);
    return uint64_t(r) << 1;
}

__attribute__((target("pclmul,sse4.1")))
inline __m128i fold(__m128i a, __m128i factors, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(a, factors, 0x00), high = _mm_clmulepi64_si128(a, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// Four lanes of 16 bytes, each moved on by 64 bytes at a time; what is left goes through the tables: 16 bytes that have
// the same checksum as all before.
__attribute__((target("pclmul,sse4.1")))
uint32_t by_products(const uint8_t* p, size_t n, uint32_t sum) {
    auto load = [](const uint8_t* at) __attribute__((target("pclmul,sse4.1"))) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    const __m128i by512 = _mm_set_epi64x(int64_t(power(512 - 32)), int64_t(power(512 + 32)));
    const __m128i by128 = _mm_set_epi64x(int64_t(power(128 - 32)), int64_t(power(128 + 32)));
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128(int(sum)));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        a = fold(a, by512, load(p));
        b = fold(b, by512, load(p + 16));
        c = fold(c, by512, load(p + 32));
        d = fold(d, by512, load(p + 48));
    }
    a = fold(fold(fold(a, by128, b), by128, c), by128, d);
    for (; n >= 16; p += 16, n -= 16) a = fold(a, by128, load(p));
    uint8_t rest[16];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), a);
    return by_table(p, n, by_table(rest, 16, 0));
}

#endif

}  // namespace

uint32_t crc32(std::span<const uint8_t> data) {
#if defined(__x86_64__)
    static const bool multiplies = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    if (multiplies && data.size() >= 64) return ~by_products(data.data(), data.size(), ~0u);
#endif
    return ~by_table(data.data(), data.size(), ~0u);
}

}  // namespace rushlight::files
