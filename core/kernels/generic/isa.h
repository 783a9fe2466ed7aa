// The instruction sets that element-wise and reduction kernels are compiled for, and the choice among them.
//
// A source listed with `isa_sources` (see core/kernels/CMakeLists.txt) is compiled once per instruction set, with
// RUSHLIGHT_ISA set to its name. Such a pass exports nothing but constant tables of function pointers, whose names
// carry the instruction set; everything else lives in a namespace of its own. This header is read by both sides and
// includes next to nothing, because an inline function of a standard header that is compiled with AVX-512 could
// be the copy which the linker keeps for the whole library.
#pragma once

#include <cstdint>

namespace rushlight {

enum class Isa : uint8_t { baseline, avx2, avx512 };
inline constexpr int isa_count = 3;

// The best instruction set of this processor, or the one named by the environment variable RUSHLIGHT_ISA
// (baseline, avx2 or avx512) if the processor has it. Decided once.
Isa active_isa();
bool isa_available(Isa isa);
const char* isa_name(Isa isa);

// One table per instruction set; null where the target has no such instruction set.
template <class Table>
struct PerIsa {
    const Table* tables[isa_count];
    const Table& of(Isa isa) const { return *tables[static_cast<int>(isa)]; }
    const Table& active() const { return of(active_isa()); }
};

}  // namespace rushlight

#define RUSHLIGHT_JOIN_(a, b) a##_##b
#define RUSHLIGHT_JOIN(a, b) RUSHLIGHT_JOIN_(a, b)

#ifdef RUSHLIGHT_ISA

#define RUSHLIGHT_ISA_SPACE RUSHLIGHT_JOIN(isa, RUSHLIGHT_ISA)

// In an ISA pass, at namespace rushlight: EXPORT_ISA_TABLE(SoftmaxTable, softmax_table) = { ... };
#define EXPORT_ISA_TABLE(TYPE, NAME)                                    \
    extern const TYPE RUSHLIGHT_JOIN(NAME, RUSHLIGHT_ISA);              \
    constinit const TYPE RUSHLIGHT_JOIN(NAME, RUSHLIGHT_ISA)

#else

// Outside, at namespace rushlight: DECLARE_ISA_TABLE(SoftmaxTable, softmax_table); declares the tables and gathers
// them in a PerIsa named softmax_table, so that `softmax_table.active()` is the one to call.
#define DECLARE_ISA_TABLE(TYPE, NAME) DECLARE_ISA_TABLES_AS(::rushlight::PerIsa<TYPE>, TYPE, NAME)

#if defined(__x86_64__)
#define DECLARE_ISA_TABLES_AS(SET, TYPE, NAME)   \
    extern const TYPE NAME##_baseline;           \
    extern const TYPE NAME##_avx2;               \
    extern const TYPE NAME##_avx512;             \
    inline constexpr SET NAME = {{&NAME##_baseline, &NAME##_avx2, &NAME##_avx512}}
#else
#define DECLARE_ISA_TABLES_AS(SET, TYPE, NAME)   \
    extern const TYPE NAME##_baseline;           \
    inline constexpr SET NAME = {{&NAME##_baseline, nullptr, nullptr}}
#endif

#endif
