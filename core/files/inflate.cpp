#include "files/inflate.h"

#include <array>
#include <cstring>

namespace rushlight::files {

namespace {

constexpr int longest = 15;                    // bits of a code
constexpr int not_a_symbol = -1;

// Codes of each length are consecutive numbers, and those of one length more go on from twice the last.
struct Codes {
    std::array<uint16_t, longest + 1> count{};
    std::array<uint16_t, 320> symbols{};

    // Lengths of the symbols' codes; false where they are no prefix code. Only one code alone may be incomplete.
    bool build(std::span<const uint8_t> lengths) {
        count = {};
        for (uint8_t n : lengths) ++count[n];
        int free = 1;
        for (int n = 1; n <= longest; ++n) {
            free = 2 * free - count[size_t(n)];
            if (free < 0) return false;
        }
        std::array<uint16_t, longest + 2> at{};
        for (size_t n = 1; n <= longest; ++n) at[n + 1] = uint16_t(at[n] + count[n]);
        for (size_t s = 0; s < lengths.size(); ++s)
            if (lengths[s]) symbols[at[lengths[s]]++] = uint16_t(s);
        size_t used = lengths.size() - count[0];
        count[0] = 0;
        return free == 0 || used <= 1;
    }
};

class Inflater {
public:
    Inflater(std::span<const uint8_t> data, std::span<uint8_t> out) : data_(data), out_(out) {}

    bool run() {
        bool last = false;
        while (!last && good_) {
            last = bits(1);
            switch (bits(2)) {
                case 0: stored(); break;
                case 1: fixed(); break;
                case 2: dynamic(); break;
                default: good_ = false;
            }
        }
        return good_ && at_ == data_.size() && made_ == out_.size();
    }

private:
    int bits(int n) {
        while (held_ < n) {
            if (at_ == data_.size()) {
                good_ = false;
                return 0;
            }
            buffer_ |= uint32_t(data_[at_++]) << held_;
            held_ += 8;
        }
        int out = int(buffer_ & ((1u << n) - 1));
        buffer_ >>= n;
        held_ -= n;
        return out;
    }

    int symbol(const Codes& codes) {
        int code = 0, first = 0, index = 0;
        for (size_t n = 1; n <= longest && good_; ++n) {
            code |= bits(1);
            int count = codes.count[n];
            if (code - count < first) return codes.symbols[size_t(index + code - first)];
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        good_ = false;
        return not_a_symbol;
    }

    void stored() {
        buffer_ = 0;
        held_ = 0;                             // fewer than eight bits are held: the rest of a byte
        if (data_.size() - at_ < 4) {
            good_ = false;
            return;
        }
        size_t n = data_[at_] | size_t(data_[at_ + 1]) << 8, inverse = data_[at_ + 2] | size_t(data_[at_ + 3]) << 8;
        at_ += 4;
        good_ = n == (~inverse & 0xFFFF) && n <= data_.size() - at_ && n <= out_.size() - made_;
        if (!good_ || n == 0) return;
        std::memcpy(out_.data() + made_, data_.data() + at_, n);
        at_ += n;
        made_ += n;
    }

    void fixed() {
        std::array<uint8_t, 288> lengths;
        for (size_t s = 0; s < 288; ++s) lengths[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
        std::array<uint8_t, 30> distances;
        distances.fill(5);
        literals_.build(lengths);
        distances_.build(distances);           // two of its 32 codes are never used
        block();
    }

    void dynamic() {
        static constexpr uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
        size_t literals = size_t(bits(5)) + 257, distances = size_t(bits(5)) + 1, given = size_t(bits(4)) + 4;
        std::array<uint8_t, 320> lengths{};
        for (size_t i = 0; i < given; ++i) lengths[order[i]] = uint8_t(bits(3));
        Codes codes;
        good_ = good_ && literals <= 286 && distances <= 30 && codes.build(std::span(lengths).first(19));
        lengths = {};
        for (size_t i = 0; i < literals + distances && good_;) {
            int s = symbol(codes);
            if (s < 16) {
                if (s >= 0) lengths[i++] = uint8_t(s);
                continue;
            }
            size_t times = size_t(s == 16 ? 3 + bits(2) : s == 17 ? 3 + bits(3) : 11 + bits(7));
            good_ = good_ && (s != 16 || i > 0) && i + times <= literals + distances;
            uint8_t length = s == 16 && i > 0 ? lengths[i - 1] : uint8_t(0);
            for (; times && good_; --times) lengths[i++] = length;
        }
        good_ = good_ && lengths[256] && literals_.build(std::span(lengths).first(literals)) &&
                distances_.build(std::span(lengths).subspan(literals, distances));
        block();
    }

    void block() {
        static constexpr uint16_t base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59,
                                              67, 83, 99, 115, 131, 163, 195, 227, 258};
        static constexpr uint8_t extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
                                              5, 5, 5, 5, 0};
        while (good_) {
            int s = symbol(literals_);
            if (s == 256) return;
            if (s < 256) {
                good_ = good_ && made_ < out_.size();
                if (good_) out_[made_++] = uint8_t(s);
                continue;
            }
            if (s - 257 >= 29) {
                good_ = false;
                return;
            }
            size_t length = size_t(base[s - 257] + bits(extra[s - 257]));
            copy(length);
        }
    }

    void copy(size_t length) {
        int s = symbol(distances_);
        if (!good_ || s < 0 || s >= 30) {
            good_ = false;
            return;
        }
        int more = s < 4 ? 0 : s / 2 - 1;
        size_t distance = s < 4 ? size_t(s) + 1 : (size_t(2 + s % 2) << more) + 1 + size_t(bits(more));
        good_ = good_ && distance <= made_ && length <= out_.size() - made_;
        for (; length && good_; --length, ++made_) out_[made_] = out_[made_ - distance];
    }

    std::span<const uint8_t> data_;
    std::span<uint8_t> out_;
    size_t at_ = 0, made_ = 0;
    uint32_t buffer_ = 0;
    int held_ = 0;
    bool good_ = true;
    Codes literals_, distances_;
};

}  // namespace

bool inflate(std::span<const uint8_t> data, std::span<uint8_t> out) { return Inflater(data, out).run(); }

}  // namespace rushlight::files
