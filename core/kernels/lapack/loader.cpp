// Opens LAPACK when it is first needed: the packaged OpenBLAS that lies beside librushlight, or else one of the system.
#include <dlfcn.h>
#include <stdlib.h>

#include <string>

#include "base/error.h"
#include "kernels/lapack/lapack.h"
#include "kernels/lapack/routines.h"

namespace rushlight::lapack {

namespace {

// OpenBLAS makes its threads while it is loaded, as many as this variable says. It gets none: matrices of a batch are
// shared out over our own pool. Nobody else shall see the variable.
class OneThread {
public:
    OneThread() {
        if (const char* given = getenv(name)) before_ = given, was_given_ = true;
        setenv(name, "1", 1);
    }
    ~OneThread() {
        if (was_given_) setenv(name, before_.c_str(), 1);
        else unsetenv(name);
    }

private:
    static constexpr const char* name = "OPENBLAS_NUM_THREADS";
    std::string before_;
    bool was_given_ = false;
};

std::string own_folder() {
    Dl_info where{};
    if (!dladdr(reinterpret_cast<void*>(&own_folder), &where) || !where.dli_fname) return "";
    std::string path = where.dli_fname;
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

int open_mode() {
    int mode = RTLD_NOW | RTLD_LOCAL;
#if !defined(__SANITIZE_ADDRESS__)
    // Another library has put a LAPACK in the global scope: look into our own objects before it.
    if (dlsym(RTLD_DEFAULT, "dgetrf_") || dlsym(RTLD_DEFAULT, "scipy_dgetrf_")) mode |= RTLD_DEEPBIND;
#endif
    return mode;
}

struct Library {
    void* handle = nullptr;
    std::string prefix, reason;        // of its names; why there is none
};

Library open_library() {
    OneThread while_opening;
    std::string reason;
    for (const std::string& path : {own_folder() + "libscipy_openblas.so", std::string("libopenblas.so.0"),
                                    std::string("liblapack.so.3")}) {
        void* handle = dlopen(path.c_str(), open_mode());
        if (!handle) {
            const char* why = dlerror();
            if (reason.empty()) reason = path + " cannot be opened: " + (why ? why : "no reason given");
            continue;
        }
        for (const char* prefix : {"scipy_", ""})
            if (dlsym(handle, (std::string(prefix) + "dgetrf_").c_str())) return {handle, prefix, ""};
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
    find(r.trsm, "trsm");
    find(r.sytrf, "sytrf");
    find(r.hetrf, c ? "hetrf" : "sytrf");
    find(r.sytrs, "sytrs");
    find(r.hetrs, c ? "hetrs" : "sytrs");
    find(r.geqrf, "geqrf");
    find(r.orgqr, c ? "ungqr" : "orgqr");
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
