// What the child after a number says, in C++: fizbuz FIZBUZ.rush NUMBER
//
// The model is that of examples/fizbuz.py: it takes the ten binary digits of the number, lowest first, and gives a
// score for each word of its metadata.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rushlight.hpp"

int main(int argc, char** argv) try {
    if (argc != 3) throw std::invalid_argument("expected FIZBUZ.rush NUMBER");
    char* end = nullptr;
    long number = std::strtol(argv[2], &end, 10);
    if (end == argv[2] || *end != 0 || number < 0 || number >= 1024)
        throw std::invalid_argument(std::string("NUMBER is ") + argv[2] + "; expected 0 to 1023");

    std::array<float, 10> digits{};
    for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = float((number >> i) & 1);

    rl::Model model(argv[1]);
    rl::Value words = rl::Value::from_json(model.metadata()).items().at(0);
    std::vector<rl::Value> outputs = model.run({rl::Value::view<float>(digits, {1, 10})});
    std::span<const float> scores = outputs[0].data<float>();

    std::vector<rl::Value> names = words.items();
    for (std::size_t i = 0; i < names.size() && i < scores.size(); ++i)
        std::printf("%s %.9g\n", std::string(names[i].to_string()).c_str(), scores[i]);
    auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    std::printf("after %ld comes: %s\n", number, std::string(names.at(std::size_t(best)).to_string()).c_str());
} catch (const std::exception& error) {
    std::fprintf(stderr, "fizbuz: %s\n", error.what());
    return 1;
}
