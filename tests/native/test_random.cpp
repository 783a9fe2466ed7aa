// The generator against the standard library's mt19937, its states, forks in the middle of draws, refusals.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numbers>
#include <random>
#include <thread>
#include <vector>

#include "tensor/normal_blocks.h"
#include "tensor/random.h"
#include "tests/native/check.h"

using namespace rushlight;

namespace {

void words_are_those_of_mt19937() {
    for (uint32_t seed : {0u, 1u, 5489u, 4294967295u}) {
        std::mt19937 reference(seed);
        Generator g(seed);
        std::vector<uint32_t> words(3000);
        // Pieces of every kind of length, across the ends of blocks.
        int64_t at = 0;
        for (int64_t count = 1; at < 3000; count = count % 700 + 37) {
            int64_t n = std::min<int64_t>(count, 3000 - at);
            g.words(words.data() + at, n);
            at += n;
        }
        CHECK(std::all_of(words.begin(), words.end(), [&](uint32_t w) { return w == reference(); }));
        CHECK(g.random() == reference());
        uint64_t high = reference();
        CHECK(g.random64() == (high << 32 | reference()));
    }
    Generator g(5489);
    uint32_t word = 0;
    for (int i = 0; i < 10000; ++i) word = g.random();
    CHECK(word == 4123659995u);                        // the value that the C++ standard gives
}

void a_state_continues_the_stream() {
    for (int drawn : {0, 1, 2, 622, 623, 624, 625, 1248, 5000}) {
        for (bool pair : {false, true}) {
            Generator g(7), other(8);
            std::vector<uint32_t> scrap(5000);
            g.words(scrap.data(), drawn);
            if (pair) g.normal();
            uint8_t state[Generator::state_size], again[Generator::state_size];
            g.get_state(state);
            other.set_state(state, sizeof state);
            other.get_state(again);
            CHECK(std::equal(state, state + sizeof state, again));
            Generator copy(g);
            for (int i = 0; i < 700; ++i) {
                double value = g.normal();
                CHECK(value == other.normal());
                CHECK(value == copy.normal());
            }
            CHECK(other.initial_seed() == 7 && copy.initial_seed() == 7);
        }
    }
}

void wrong_states_are_refused() {
    Generator g(7);
    uint8_t good[Generator::state_size], bad[Generator::state_size], after[Generator::state_size];
    g.random();
    g.get_state(good);
    auto refuses = [&](size_t offset, uint32_t value) {
        std::copy(good, good + sizeof good, bad);
        std::copy_n(reinterpret_cast<uint8_t*>(&value), 4, bad + offset);
        CHECK(fails_with(ErrorKind::runtime, [&] { g.set_state(bad, sizeof bad); }));
        g.get_state(after);
        CHECK(std::equal(good, good + sizeof good, after));
    };
    for (uint32_t left : {0u, 625u, 0x80000000u, 10u}) refuses(8, left);
    refuses(12, 0);
    for (uint32_t next : {625u, 0xffffffffu, 0u, 2u}) refuses(16, next);
    for (int64_t size : {int64_t(0), int64_t(5048), int64_t(5055), int64_t(5057)})
        CHECK(fails_with(ErrorKind::runtime, [&] { g.set_state(good, size); }));
}

// A child of fork draws the numbers that its parent would have drawn, whatever other threads were doing.
void a_forked_child_draws() {
    for (int round = 0; round < 20; ++round) {
        Generator g(3);
        std::atomic<bool> stop = false;
        std::vector<float> data(100000);
        std::thread busy([&] {
            while (!stop) random::normal(g, data.data(), 100000, DType::float32, 0, 1);
        });
        std::this_thread::sleep_for(std::chrono::microseconds(200 * round));
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            float value = 0;
            random::uniform(g, &value, 1, DType::float32, 0, 1);
            random::uniform(*default_generator(), &value, 1, DType::float32, 0, 1);
            _exit(value >= 0 && value < 1 ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        stop = true;
        busy.join();
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

// The vectorised float path is a fixed sequence of roundings; it must stay within a few ULP of the formula.
void float_blocks_follow_the_formula() {
    Generator g(1);
    std::vector<float> data(16 * 4000), uniform(data.size());
    random::uniform(g, uniform.data(), int64_t(uniform.size()), DType::float32, 0, 1);
    data = uniform;
    random::normal_blocks(data.data(), 4000, 0, 1);
    double worst = 0;
    for (size_t b = 0; b < data.size(); b += 16) {
        for (size_t j = b; j < b + 8; ++j) {
            double radius = std::sqrt(-2 * std::log(1 - double(uniform[j])));
            double theta = 2 * std::numbers::pi * uniform[j + 8];
            worst = std::max(worst, std::abs(data[j] - radius * std::cos(theta)));
            worst = std::max(worst, std::abs(data[j + 8] - radius * std::sin(theta)));
        }
    }
    CHECK(worst < 2e-6);
}

void gaps_stay_untouched() {
    Tensor whole = empty_tensor({6, 8}, DType::float32);
    float* data = whole.data_as<float>();
    std::fill(data, data + 48, -1.0f);
    Tensor part = alias(whole, {4, 3}, {2, 16}, 1);    // every other element of every other row, transposed
    Generator g(2);
    random::fill_tensor(part, [&](void* to, bool contiguous) {
        CHECK(!contiguous);
        random::uniform(g, to, 12, DType::float32, 0, 1);
    });
    Generator same(2);
    std::vector<float> expected(12);
    random::uniform(same, expected.data(), 12, DType::float32, 0, 1);
    size_t at = 0;
    for (int row = 0; row < 6; ++row)
        for (int column = 0; column < 8; ++column) {
            bool in_part = row % 2 == 0 && column % 2 == 1;
            CHECK(data[8 * row + column] == (in_part ? expected[at] : -1.0f));
            at += in_part;
        }
}

void nothing_is_drawn_for_nothing() {
    Generator g(4), fresh(4);
    random::uniform(g, nullptr, 0, DType::float64, 0, 1);
    random::normal(g, nullptr, 0, DType::float32, 0, 1);
    random::integers(g, nullptr, 0, DType::int64, 0, 5);
    random::permutation(g, nullptr, 0, DType::int64);
    random::bernoulli(g, nullptr, 0, DType::boolean, 0.5);
    CHECK(g.random() == fresh.random());
}

void extreme_ranges_stay_inside() {
    Generator g(5);
    std::vector<int64_t> wide(1000);
    random::integers(g, wide.data(), 1000, DType::int64, INT64_MIN, INT64_MAX);
    CHECK(std::all_of(wide.begin(), wide.end(), [](int64_t v) { return v < INT64_MAX; }));
    std::vector<Half> half(2000);
    random::integers(g, half.data(), 2000, DType::float16, 0, 65504);
    CHECK(std::all_of(half.begin(), half.end(), [](Half v) { return float(v) < 65504; }));
    std::vector<float> floats(2000);
    random::uniform(g, floats.data(), 2000, DType::float32, 1, std::nextafter(1.0f, 2.0f));
    CHECK(std::all_of(floats.begin(), floats.end(), [](float v) { return v == 1; }));
    CHECK(fails_with(ErrorKind::runtime, [&] { random::integers(g, wide.data(), 1, DType::int8, 0, 200); }));
    CHECK(fails_with(ErrorKind::runtime, [&] { random::integers(g, wide.data(), 1, DType::int64, 5, 5); }));
    CHECK(fails_with(ErrorKind::runtime, [&] { random::permutation(g, wide.data(), 300, DType::int8); }));
    CHECK(fails_with(ErrorKind::runtime, [&] {
        random::uniform(g, floats.data(), 1, DType::float32, 0, INFINITY);
    }));
    CHECK(fails_with(ErrorKind::not_implemented, [&] {
        random::normal(g, wide.data(), 1, DType::int64, 0, 1);
    }));
}

}  // namespace

int main() {
    words_are_those_of_mt19937();
    a_state_continues_the_stream();
    wrong_states_are_refused();
    a_forked_child_draws();
    float_blocks_follow_the_formula();
    gaps_stay_untouched();
    nothing_is_drawn_for_nothing();
    extreme_ranges_stay_inside();
    return checks_failed();
}
