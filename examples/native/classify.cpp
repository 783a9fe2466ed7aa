// Which class an image belongs to, in C++: classify MODEL.rush < IMAGE
//
// The image is text: height, width, then that many numbers. The model takes (1, 1, height, width).
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <vector>

#include "rushlight.hpp"

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("expected MODEL.rush");
    rl::Model model(argv[1]);
    rl::Value labels = rl::Value::from_json(model.metadata()).items().at(0);

    std::int64_t height = 0, width = 0;
    std::cin >> height >> width;
    if (!std::cin || height < 1 || width < 1 || height > 4096 || width > 4096)
        throw std::invalid_argument("expected height and width from 1 to 4096");
    std::vector<float> pixels(std::size_t(height * width));
    for (float& p : pixels) std::cin >> p;
    if (!std::cin) throw std::invalid_argument("the image ends too early");

    // The tensor lies over the program's own memory: nothing is copied.
    rl::Value image = rl::Value::view<float>(pixels, {1, 1, height, width});
    std::vector<rl::Value> outputs = model.run({image});
    std::span<const float> probability = outputs[0].data<float>();

    std::vector<rl::Value> names = labels.items();
    for (std::size_t i = 0; i < names.size() && i < probability.size(); ++i)
        std::printf("%s %.9g\n", std::string(names[i].to_string()).c_str(), probability[i]);
    auto best = std::max_element(probability.begin(), probability.end()) - probability.begin();
    std::printf("it is a %s\n", std::string(names.at(std::size_t(best)).to_string()).c_str());
} catch (const std::exception& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
}
