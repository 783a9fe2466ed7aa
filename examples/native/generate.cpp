// Continues a sequence, in C++: generate MODEL.rush STEPS TOKEN...
//
// The model is one step of a recurrent network: from a token and the state to scores of the next token and the next
// state. Its signatures are `begin`, which gives the first state, and `step`.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "rushlight.hpp"

namespace {

// Runs a step; the state is replaced, and the likeliest next token returned.
std::int64_t step(const rl::Model& model, std::int64_t token, rl::Value& state) {
    std::vector<std::int64_t> tokens = {token};
    std::vector<rl::Value> outputs = model.run({rl::Value::view<std::int64_t>(tokens, {1}), state}, "step");
    state = outputs[1];
    std::span<const float> scores = outputs[0].data<float>();
    return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4) throw std::invalid_argument("expected MODEL.rush STEPS TOKEN...");
    rl::Model model(argv[1]);
    rl::Value state = model.run(std::span<const rl::Value>(), "begin")[0];

    std::int64_t next = 0;
    for (int i = 3; i < argc; ++i) next = step(model, std::atoll(argv[i]), state);
    for (int i = std::atoi(argv[2]); i > 0; --i) {
        std::printf("%lld\n", static_cast<long long>(next));
        next = step(model, next, state);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "generate: %s\n", error.what());
    return 1;
}
