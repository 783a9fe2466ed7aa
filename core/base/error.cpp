#include "base/error.h"

namespace rushlight {

void write_text(std::ostream& out, const void* text) { out << static_cast<const char*>(text); }

void fail_with(ErrorKind kind, const SentencePart* parts, size_t count) {
    std::ostringstream out;
    out << std::boolalpha;
    for (const SentencePart* part = parts; part != parts + count; ++part) part->write(out, part->value);
    throw Error(kind, out.str());
}

}  // namespace rushlight
