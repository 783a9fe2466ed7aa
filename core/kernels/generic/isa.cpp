#include "kernels/generic/isa.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace rushlight {

const char* isa_name(Isa isa) {
    constexpr const char* names[isa_count] = {"baseline", "avx2", "avx512"};
    return names[static_cast<int>(isa)];
}

bool isa_available(Isa isa) {
    if (isa == Isa::baseline) return true;
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
                __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (isa == Isa::avx2) return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

static Isa choose_isa() {
    Isa best = isa_available(Isa::avx512) ? Isa::avx512 : isa_available(Isa::avx2) ? Isa::avx2 : Isa::baseline;
    const char* wanted = std::getenv("RUSHLIGHT_ISA");
    if (!wanted || !*wanted) return best;
    for (int i = 0; i < isa_count; i++) {
        Isa isa = static_cast<Isa>(i);
        if (std::strcmp(wanted, isa_name(isa)) != 0) continue;
        require(isa_available(isa), ErrorKind::runtime, "RUSHLIGHT_ISA=", wanted,
                ": this processor does not have it; the best it has is ", isa_name(best));
        return isa;
    }
    fail(ErrorKind::value, "RUSHLIGHT_ISA=", wanted, " is unknown; expected baseline, avx2 or avx512");
}

Isa active_isa() {
    static const Isa chosen = choose_isa();
    return chosen;
}

}  // namespace rushlight
