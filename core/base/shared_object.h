// Opening the shared objects that lie beside librushlight.
#pragma once

#include <dlfcn.h>

#include <initializer_list>
#include <string>

namespace rushlight {

// The folder that librushlight was loaded from, with its last slash; "" where that is unknown.
inline std::string own_folder() {
    Dl_info where{};
    if (!dladdr(reinterpret_cast<void*>(&own_folder), &where) || !where.dli_fname) return "";
    std::string path = where.dli_fname;
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

// How to dlopen an object of ours: where another library has put one of these names in the global scope, ours looks
// into its own objects before it.
inline int open_mode([[maybe_unused]] std::initializer_list<const char*> names) {
    int mode = RTLD_NOW | RTLD_LOCAL;
#if !defined(__SANITIZE_ADDRESS__)
    for (const char* name : names)
        if (dlsym(RTLD_DEFAULT, name)) mode |= RTLD_DEEPBIND;
#endif
    return mode;
}

}  // namespace rushlight
