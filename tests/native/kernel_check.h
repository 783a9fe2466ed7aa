// For tests of kernels against their references: arrays of any dtype filled at random, comparison within a
// tolerance per dtype, and a main that runs the checks once per instruction set.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "base/parallel.h"
#include "kernels/generic/isa.h"
#include "kernels/reference/values.h"
#include "tests/native/check.h"

inline std::mt19937_64& random_bits() {
    static std::mt19937_64 engine(20240229);
    return engine;
}
inline int64_t random_in(int64_t low, int64_t high) {
    return low + int64_t(random_bits()() % uint64_t(high - low + 1));
}
inline double random_normal() { return std::normal_distribution<double>()(random_bits()); }

constexpr rushlight::DType floating_dtypes[] = {rushlight::DType::float32, rushlight::DType::float64,
                                                rushlight::DType::float16, rushlight::DType::bfloat16};
constexpr rushlight::DType real_dtypes[] = {rushlight::DType::float32, rushlight::DType::float64,
                                            rushlight::DType::float16, rushlight::DType::bfloat16,
                                            rushlight::DType::int64,   rushlight::DType::int32,
                                            rushlight::DType::int16,   rushlight::DType::int8,
                                            rushlight::DType::uint8,   rushlight::DType::boolean};

// Bytes behind each array that must stay as they are. The address sanitizer watches the very end by itself,
// reads included.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t guard_bytes = 0;
#else
constexpr int64_t guard_bytes = 64;
#endif

class Array {
public:
    Array(rushlight::DType t, int64_t n)
        : t_(t), n_(n), bytes_(size_t(n * rushlight::size_of(t) + guard_bytes), 0xcd) {}

    rushlight::DType dtype() const { return t_; }
    int64_t size() const { return n_; }
    void* data() { return bytes_.data(); }
    const void* data() const { return bytes_.data(); }
    template <class T> T* as() { return reinterpret_cast<T*>(bytes_.data()); }
    long double operator[](int64_t i) const { return rushlight::reference::Values{bytes_.data(), t_}[i]; }
    void set(int64_t i, long double x) { rushlight::reference::MutableValues{bytes_.data(), t_}.set(i, x); }
    bool same_bytes(const Array& o) const { return bytes_ == o.bytes_; }
    // The bytes behind the last element are untouched.
    bool ends_intact() const {
        return std::all_of(bytes_.end() - guard_bytes, bytes_.end(),
                           [](unsigned char b) { return b == 0xcd; });
    }

private:
    rushlight::DType t_;
    int64_t n_;
    std::vector<unsigned char> bytes_;
};

// Normal numbers; integers small enough for sums not to overflow. Some values repeat.
inline Array random_array(rushlight::DType t, int64_t n, double scale = 1) {
    Array a(t, n);
    for (int64_t i = 0; i < n; ++i) {
        bool rough = random_bits()() % 8 == 0;
        double x = random_normal() * scale;
        if (t == rushlight::DType::boolean) a.set(i, random_bits()() % 2);
        else if (!rushlight::is_floating(t))
            a.set(i, random_in(rushlight::info(t).is_signed ? -100 : 0, 100));
        else a.set(i, rough ? std::round(x) : x);
    }
    return a;
}

inline double tolerance_of(rushlight::DType t) {
    switch (t) {
        case rushlight::DType::float64: return 2e-14;
        case rushlight::DType::float32: return 2e-6;
        case rushlight::DType::float16: return 1e-3;
        case rushlight::DType::bfloat16: return 8e-3;
        default: return 0;
    }
}

// Each element within `slack` tolerances of its dtype, relative to its size or to `scale`, whichever is
// larger; NaN equals NaN.
inline bool close(const Array& got, const Array& wanted, double scale = 1, double slack = 1,
                  const char* what = "") {
    bool fine = got.ends_intact();
    if (!fine) std::fprintf(stderr, "%s: written past the end\n", what);
    int shown = 0;
    for (int64_t i = 0; i < wanted.size(); ++i) {
        long double a = got[i], b = wanted[i];
        if (a == b || (std::isnan(a) && std::isnan(b))) continue;
        long double allowed = slack * tolerance_of(got.dtype()) * std::max<long double>(scale, std::abs(b));
        if (std::abs(a - b) <= allowed) continue;
        fine = false;
        if (shown++ < 3)
            std::fprintf(stderr, "%s %s[%lld]: got %.12Lg, wanted %.12Lg\n", what, name_of(got.dtype()),
                         (long long)i, a, b);
    }
    return fine;
}

inline bool same(const std::vector<int64_t>& got, const std::vector<int64_t>& wanted, const char* what = "") {
    for (size_t i = 0; i < wanted.size(); ++i)
        if (got[i] != wanted[i]) {
            std::fprintf(stderr, "%s index [%zu]: got %lld, wanted %lld\n", what, i, (long long)got[i],
                         (long long)wanted[i]);
            return false;
        }
    return true;
}

// Runs `body` in a child process per instruction set of this machine, since the choice is made once per
// process.
inline int run_per_isa(void (*body)()) {
    if (std::getenv("RUSHLIGHT_ISA")) {
        body();
        return checks_failed();
    }
    int failed = 0;
    for (int i = 0; i < rushlight::isa_count; ++i) {
        auto isa = static_cast<rushlight::Isa>(i);
        if (!rushlight::isa_available(isa)) {
            std::printf("%s: skipped, this processor does not have it\n", rushlight::isa_name(isa));
            continue;
        }
        std::fflush(nullptr);
        pid_t child = fork();
        if (child == 0) {
            setenv("RUSHLIGHT_ISA", rushlight::isa_name(isa), 1);
            body();
            int status = checks_failed();
            std::fflush(nullptr);
            _exit(status);
        }
        int status = 0;
        bool waited = child > 0 && waitpid(child, &status, 0) == child;
        bool good = waited && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        std::printf("%s: %s\n", rushlight::isa_name(isa), good ? "good" : "FAILED");
        failed |= !good;
    }
    return failed;
}
