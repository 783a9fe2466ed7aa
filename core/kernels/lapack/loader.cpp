// Opens LAPACK when it is first needed: the packaged OpenBLAS that lies beside librushlight, or else one of the system.
#include <dlfcn.h>
#include <sched.h>

#include <string>

#include "base/error.h"
#include "base/shared_object.h"
#include "kernels/lapack/lapack.h"
#include "kernels/lapack/routines.h"

namespace rushlight::lapack {

namespace {

// OpenBLAS makes its threads while it is loaded, one for each core that the loading thread may run on, and keeps them.
// It gets none: matrices of a batch are shared out over our own pool. While this lives the thread may run on one core.
class OneCore {
public:
    OneCore() {
        cpu_set_t one;
        CPU_ZERO(&one);
        int here = sched_getcpu();
        if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
        CPU_SET(here, &one);
        narrowed_ = sched_setaffinity(0, sizeof one, &one) == 0;
    }
    ~OneCore() {
        if (narrowed_) sched_setaffinity(0, sizeof before_, &before_);
    }
    OneCore(const OneCore&) = delete;
    OneCore& operator=(const OneCore&) = delete;

private:
    cpu_set_t before_;
    bool narrowed_ = false;
};

// Where the thread could not be kept to one core, the packaged OpenBLAS leaves its threads idle. That of the system
// may serve others in this process too.
void use_one_thread(void* handle) {
    if (auto set = reinterpret_cast<void (*)(int)>(dlsym(handle, "scipy_openblas_set_num_threads"))) set(1);
}

struct Library {
    void* handle = nullptr;
    std::string prefix, reason;        // of its names; why there is none
};

Library open_library() {
    OneCore while_opening;
    std::string reason;
    for (const std::string& path : {own_folder() + "libscipy_openblas.so", std::string("libopenblas.so.0"),
                                    std::string("liblapack.so.3")}) {
        void* handle = dlopen(path.c_str(), open_mode({"dgetrf_", "scipy_dgetrf_"}));
        if (!handle) {
            const char* why = dlerror();
            if (reason.empty()) reason = path + " cannot be opened: " + (why ? why : "no reason given");
            continue;
        }
        for (const char* prefix : {"scipy_", ""})
            if (dlsym(handle, (std::string(prefix) + "dgetrf_").c_str())) {
                use_one_thread(handle);
                return {handle, prefix, ""};
            }
        reason = path + " has no LAPACK";
    }
    return {nullptr, "", reason};
}

// Never destroyed: kernels may run while the process exits.
const Library& library() {
    static const Library* made = new Library(open_library());
    return *made;
}

template <class T>
class Finder {
public:
    Finder() : library_(library()) {
        require(library_.handle != nullptr, ErrorKind::not_implemented, "LAPACK is missing: ", library_.reason);
    }

    template <class F>
    void operator()(F& slot, const char* name) const {
        constexpr char letter = is_complex_v<T> ? (sizeof(T) == 8 ? 'c' : 'z') : (sizeof(T) == 4 ? 's' : 'd');
        std::string symbol = library_.prefix + letter + name + "_";
        slot = reinterpret_cast<F>(dlsym(library_.handle, symbol.c_str()));
        require(slot != nullptr, ErrorKind::not_implemented, "LAPACK lacks ", symbol);
    }

private:
    const Library& library_;
};

template <class T>
Routines<T> find_routines() {
    constexpr bool c = is_complex_v<T>;
    Finder<T> find;
    Routines<T> r;
    find(r.potrf, "potrf");
    find(r.getrf, "getrf");
    find(r.getrs, "getrs");
    find(r.getri, "getri");
    find(r.laswp, "laswp");
    find(r.gemm, "gemm");
    find(r.trsm, "trsm");
    find(r.sytrf, "sytrf");
    find(r.hetrf, c ? "hetrf" : "sytrf");
    find(r.sytrs, "sytrs");
    find(r.hetrs, c ? "hetrs" : "sytrs");
    find(r.geqrf, "geqrf");
    find(r.orgqr, c ? "ungqr" : "orgqr");
    find(r.geqrt3, "geqrt3");
    find(r.larft, "larft");
    find(r.larfb, "larfb");
    find(r.gels, "gels");
    find(r.gelsy, "gelsy");
    find(r.gelsd, "gelsd");
    find(r.gelss, "gelss");
    find(r.syevd, c ? "heevd" : "syevd");
    find(r.geev, "geev");
    find(r.gesdd, "gesdd");
    find(r.gesvd, "gesvd");
    return r;
}

}  // namespace

template <class T>
const Routines<T>& routines() {
    static const Routines<T> found = find_routines<T>();
    return found;
}

template const Routines<float>& routines<float>();
template const Routines<double>& routines<double>();
template const Routines<std::complex<float>>& routines<std::complex<float>>();
template const Routines<std::complex<double>>& routines<std::complex<double>>();

}  // namespace rushlight::lapack
