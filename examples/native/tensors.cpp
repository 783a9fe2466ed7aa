// Tensors made and printed, in C++: tensors RANDOM.rush
//
// The interface has values and programs: a tensor is made of numbers, and what computes is a saved program. Here
// rand(2) is one, without inputs.
#include <cstdio>
#include <vector>

#include "rushlight.hpp"

namespace {

// The numbers in rows of the last dimension, then dtype and sizes.
void print(const rl::Value& tensor) {
    std::span<const float> numbers = tensor.data<float>();
    std::span<const std::int64_t> sizes = tensor.sizes();
    std::int64_t width = sizes.empty() ? 1 : sizes.back();
    for (std::size_t i = 0; i < numbers.size(); ++i)
        std::printf("%s%.4g", i == 0 ? "" : i % std::size_t(width) == 0 ? "\n" : " ", numbers[i]);
    std::printf("\n%s[", rl_dtype_name(tensor.dtype()));
    for (std::size_t i = 0; i < sizes.size(); ++i) std::printf("%s%lld", i ? ", " : "", (long long)sizes[i]);
    std::printf("]\n");
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("expected RANDOM.rush");
    std::vector<float> ones(4, 1.0f);
    print(rl::Value::copy<float>(ones, {2, 2}));

    rl::Model random(argv[1]);
    print(random.run(std::span<const rl::Value>())[0]);
} catch (const std::exception& error) {
    std::fprintf(stderr, "tensors: %s\n", error.what());
    return 1;
}
