// The random number generator: one mt19937 stream with the seeding, state layout and consumption rules of
// PyTorch's CPU generator, so that the same seed gives the same numbers. What is drawn from it is in
// tensor/random.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace rushlight {

class Generator {
public:
    static constexpr uint64_t default_seed = 67280421310721;
    static constexpr int64_t state_size = 5056;            // bytes, as PyTorch's get_rng_state()

    explicit Generator(uint64_t seed = default_seed);
    Generator(const Generator& other);
    Generator& operator=(const Generator&) = delete;
    ~Generator();

    // Each of these takes the lock.
    void manual_seed(uint64_t seed);
    // A fresh seed from the operating system; returns it.
    uint64_t seed();
    uint64_t initial_seed() const;
    void get_state(uint8_t* out) const;                    // writes state_size bytes
    // Runtime error when it is not a state; changes nothing then.
    void set_state(const uint8_t* bytes, int64_t size);

    // The caller of these holds the lock.
    std::mutex& mutex() const { return mutex_; }
    uint32_t random() {
        uint32_t word;
        words(&word, 1);
        return word;
    }
    uint64_t random64() {
        uint32_t pair[2];
        words(pair, 2);
        return uint64_t(pair[0]) << 32 | pair[1];
    }
    void words(uint32_t* out, int64_t n);                  // the next n words of the stream
    // Standard normal; the second value of each pair is kept.
    double normal();

private:
    static constexpr int size_ = 624, shift_ = 397;

    void reset(uint64_t seed);
    void next_block();

    mutable std::mutex mutex_;
    uint64_t initial_seed_ = 0;
    int next_ = size_;                                     // words of the block already given out
    bool fresh_ = true;                                    // seeded, and no block made yet
    uint32_t block_[size_];
    std::optional<double> next_normal_;
    // Carried through states; nothing here draws from it.
    std::optional<float> next_float_normal_;
};

// The generator used where none is given.
const std::shared_ptr<Generator>& default_generator();

}  // namespace rushlight
