#include "files/corrupt.h"

namespace rushlight::files {

void Part::append_to(std::string& out) const {
    if (is_number_) {
        out += std::to_string(number_);
    } else if (dims_) {
        out += '(';
        for (int i = 0; i < dims_->size(); ++i) out += (i ? ", " : "") + std::to_string((*dims_)[i]);
        out += dims_->size() == 1 ? ",)" : ")";
    } else {
        out += text_;
    }
}

std::string sentence(std::initializer_list<Part> parts) {
    std::string out;
    for (const Part& part : parts) part.append_to(out);
    return out;
}

void throw_corrupt(std::string_view where, std::initializer_list<Part> parts) {
    throw Corrupt(std::string(where) + ": " + sentence(parts));
}

}  // namespace rushlight::files
