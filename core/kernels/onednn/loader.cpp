// Opens librushlight_onednn.so, which lies beside librushlight, when the first product or convolution asks
// for it: importing Rushlight then costs nothing of oneDNN's forty megabytes.
#include <dlfcn.h>
#include <stdlib.h>

#include <string>

#include "base/shared_object.h"
#include "kernels/onednn/api.h"

namespace rushlight::onednn {

namespace {

struct Loaded {
    const Table* table = nullptr;
    std::string reason;
};

// Where oneDNN keeps OpenMP's own threads, they must sleep soon, since kernels of our own run next. The
// runtime reads the variable when it is loaded; nobody else shall see it.
class SleepyOpenMP {
#ifndef RUSHLIGHT_OWN_TEAM
public:
    SleepyOpenMP() : ours_(!getenv("OMP_WAIT_POLICY")) { if (ours_) setenv("OMP_WAIT_POLICY", "PASSIVE", 0); }
    ~SleepyOpenMP() { if (ours_) unsetenv("OMP_WAIT_POLICY"); }

private:
    bool ours_;
#endif
};

Loaded open_adapter() {
    std::string path = own_folder() + "librushlight_onednn.so";
    [[maybe_unused]] SleepyOpenMP while_opening;
    void* handle = dlopen(path.c_str(), open_mode({"GOMP_barrier"}));
    if (!handle) {
        const char* why = dlerror();
        return {nullptr, "onednn: " + path + " cannot be opened: " + (why ? why : "no reason given")};
    }
    auto get = reinterpret_cast<const Table* (*)(int)>(dlsym(handle, "rushlight_onednn_table"));
    if (!get) return {nullptr, "onednn: " + path + " has no rushlight_onednn_table"};
    const Table* table = get(table_abi);
    if (!table) return {nullptr, "onednn: " + path + " was built from other sources than librushlight"};
    return {table, ""};
}

// Never destroyed: kernels may run while the process exits.
const Loaded& loaded() {
    static const Loaded* made = new Loaded(open_adapter());
    return *made;
}

}  // namespace

const Table* table() { return loaded().table; }
const char* why_missing() { return loaded().reason.c_str(); }

}  // namespace rushlight::onednn
