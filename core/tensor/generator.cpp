#include "tensor/generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <vector>

#include "base/error.h"
#include "tensor/fork.h"

namespace rushlight {
namespace {

// Every live generator, so that a fork happens while no thread is in the middle of a draw: a child must find
// each lock free and each stream whole.
struct Registry {
    std::mutex mutex;
    std::vector<const Generator*> generators;
};

Registry& registry() {
    // Never destroyed: generators may outlive static objects.
    static Registry* the_registry = new Registry;
    return *the_registry;
}

void enrol(const Generator* g) {
    std::lock_guard lock(registry().mutex);
    registry().generators.push_back(g);
}

// The bytes of a saved state. The layout, padding included, is PyTorch's, where it is older than the class
// around it.
struct State {
    uint64_t initial_seed;
    int32_t left;              // words left in the block, plus one
    int32_t seeded;
    uint64_t next;
    uint64_t words[624];
    double normal_x, normal_y, normal_rho;
    int32_t normal_is_valid;
    int32_t padding;
    float next_float_normal;
    uint8_t next_float_normal_is_valid;
    uint8_t tail[3];
};
static_assert(sizeof(State) == Generator::state_size);

inline uint32_t twist(uint32_t u, uint32_t v) {
    return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
}

}  // namespace

void lock_generators() {
    registry().mutex.lock();
    for (const Generator* g : registry().generators) g->mutex().lock();
}

void unlock_generators() {
    for (const Generator* g : registry().generators) g->mutex().unlock();
    registry().mutex.unlock();
}

Generator::Generator(uint64_t seed) {
    reset(seed);
    enrol(this);
}

Generator::Generator(const Generator& other) {
    {
        std::lock_guard lock(other.mutex_);
        initial_seed_ = other.initial_seed_;
        next_ = other.next_;
        fresh_ = other.fresh_;
        std::copy(other.block_, other.block_ + size_, block_);
        next_normal_ = other.next_normal_;
        next_float_normal_ = other.next_float_normal_;
    }
    enrol(this);
}

Generator::~Generator() {
    std::lock_guard lock(registry().mutex);
    std::erase(registry().generators, this);
}

void Generator::reset(uint64_t seed) {
    initial_seed_ = seed;
    block_[0] = uint32_t(seed);
    for (uint32_t i = 1; i < uint32_t(size_); ++i) {
        uint32_t before = block_[i - 1];
        block_[i] = 1812433253u * (before ^ (before >> 30)) + i;
    }
    next_ = size_;
    fresh_ = true;
    next_normal_.reset();
    next_float_normal_.reset();
}

void Generator::manual_seed(uint64_t seed) {
    std::lock_guard lock(mutex_);
    reset(seed);
}

uint64_t Generator::seed() {
    std::random_device device;
    uint64_t fresh = uint64_t(device()) << 32 | device();
    manual_seed(fresh);
    return fresh;
}

uint64_t Generator::initial_seed() const {
    std::lock_guard lock(mutex_);
    return initial_seed_;
}

void Generator::get_state(uint8_t* out) const {
    std::lock_guard lock(mutex_);
    State s{};
    s.initial_seed = initial_seed_;
    s.left = fresh_ ? 1 : size_ + 1 - next_;
    s.seeded = 1;
    s.next = fresh_ ? 0 : uint64_t(next_);
    std::copy(block_, block_ + size_, s.words);
    s.normal_y = next_normal_.value_or(0);
    s.normal_is_valid = next_normal_.has_value();
    s.next_float_normal = next_float_normal_.value_or(0);
    s.next_float_normal_is_valid = next_float_normal_.has_value();
    std::memcpy(out, &s, sizeof s);
}

void Generator::set_state(const uint8_t* bytes, int64_t size) {
    require(size == state_size, ErrorKind::runtime, "set_state: new_state has ", size,
            " bytes; expected ", state_size);
    State s{};
    std::memcpy(&s, bytes, size_t(size));
    require(s.seeded != 0 && s.left > 0 && s.left <= size_ && s.next <= uint64_t(size_), ErrorKind::runtime,
            "set_state: new_state is not the state of a generator: left=", s.left, ", next=", s.next,
            ", seeded=", s.seeded, "; expected 0 < left <= ", int(size_), ", next <= ", int(size_),
            ", seeded=1");
    // `left` says when the next block is due and `next` where in this one to read: they must tell the same
    // story.
    require(s.left == 1 || s.next + uint64_t(s.left) == uint64_t(size_) + 1, ErrorKind::runtime,
            "set_state: new_state says next=", s.next, " and left=", s.left, "; expected next + left = ",
            int(size_) + 1);
    std::lock_guard lock(mutex_);
    initial_seed_ = s.initial_seed;
    fresh_ = s.left == 1 && s.next == 0;
    next_ = s.left == 1 ? size_ : size_ + 1 - s.left;
    for (int i = 0; i < size_; ++i) block_[i] = uint32_t(s.words[i]);
    next_normal_.reset();
    next_float_normal_.reset();
    if (s.normal_is_valid) next_normal_ = s.normal_y;
    if (s.next_float_normal_is_valid) next_float_normal_ = s.next_float_normal;
}

void Generator::next_block() {
    uint32_t* p = block_;
    for (int i = 0; i < size_ - shift_; ++i) p[i] = p[i + shift_] ^ twist(p[i], p[i + 1]);
    for (int i = size_ - shift_; i < size_ - 1; ++i) p[i] = p[i + shift_ - size_] ^ twist(p[i], p[i + 1]);
    p[size_ - 1] = p[shift_ - 1] ^ twist(p[size_ - 1], p[0]);
    next_ = 0;
    fresh_ = false;
}

void Generator::words(uint32_t* out, int64_t n) {
    while (n > 0) {
        if (next_ == size_) next_block();
        int count = int(std::min<int64_t>(n, size_ - next_));
        const uint32_t* in = block_ + next_;
        for (int i = 0; i < count; ++i) {
            uint32_t y = in[i];
            y ^= y >> 11;
            y ^= (y << 7) & 0x9d2c5680u;
            y ^= (y << 15) & 0xefc60000u;
            out[i] = y ^ (y >> 18);
        }
        next_ += count;
        out += count;
        n -= count;
    }
}

double Generator::normal() {
    if (next_normal_) {
        double value = *next_normal_;
        next_normal_.reset();
        return value;
    }
    constexpr double scale = 0x1p-53;
    constexpr uint64_t mask = (uint64_t(1) << 53) - 1;
    double u1 = double(random64() & mask) * scale;
    double u2 = double(random64() & mask) * scale;
    double radius = std::sqrt(-2.0 * std::log1p(-u2));
    double theta = 2.0 * std::numbers::pi * u1;
    next_normal_ = radius * std::sin(theta);
    return radius * std::cos(theta);
}

const std::shared_ptr<Generator>& default_generator() {
    // Never destroyed: threads may still draw while static objects go.
    static const auto* the_generator = new std::shared_ptr<Generator>(std::make_shared<Generator>());
    return *the_generator;
}

}  // namespace rushlight
