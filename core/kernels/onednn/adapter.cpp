// The table that librushlight asks for.
#include <string>

#include "kernels/onednn/engine.h"

namespace rushlight::onednn {

CallCache<Call>& cache() {
    static auto* made = [] {
        auto* cache = new CallCache<Call>;
        pthread_atfork([] { onednn::cache().before_fork(); }, [] { onednn::cache().after_fork(); },
                       [] { onednn::cache().after_fork(); });
        return cache;
    }();
    return *made;
}

// Whether oneDNN's loops arrive in team.cpp: building any primitive asks for the number of threads.
bool uses_own_team() {
    static const bool answer = [] {
        dnnl::memory::desc one({1}, dnnl::memory::data_type::f32, dnnl::memory::dims{1});
        dnnl::reorder::primitive_desc probe(engine(), one, engine(), one);
        dnnl::reorder built(probe);
        return team_in_use();
    }();
    return answer;
}

int members_for_call() {
    int members = team_size();
    if (!uses_own_team()) tell_openmp(members);
    return members;
}

namespace {

bool supports(DType dtype) {
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    auto has = [isa](unsigned bits) { return (unsigned(isa) & bits) == bits; };
    switch (dtype) {
        case DType::float32: return true;
        case DType::bfloat16: return has(dnnl_cpu_isa_avx512_core_bf16);
        case DType::float16: return has(dnnl_cpu_isa_avx512_core_fp16);
        case DType::int8: return has(dnnl_cpu_isa_avx512_core_vnni) || has(dnnl_cpu_isa_avx2_vnni);
        default: return false;
    }
}

const char* isa_name() {
    switch (dnnl_get_effective_cpu_isa()) {
        case dnnl_cpu_isa_sse41: return "SSE4.1";
        case dnnl_cpu_isa_avx: return "AVX";
        case dnnl_cpu_isa_avx2: return "AVX2";
        case dnnl_cpu_isa_avx2_vnni: return "AVX2 with VNNI";
        case dnnl_cpu_isa_avx512_core: return "AVX-512";
        case dnnl_cpu_isa_avx512_core_vnni: return "AVX-512 with VNNI";
        case dnnl_cpu_isa_avx512_core_bf16: return "AVX-512 with bfloat16";
        case dnnl_cpu_isa_avx512_core_fp16: return "AVX-512 with float16";
        case dnnl_cpu_isa_avx512_core_amx: return "AVX-512 with AMX";
        default: return "other";
    }
}

CacheStatistics cache_statistics() { return cache().statistics(); }

const Table* make_table() {
    const dnnl_version_t* v = dnnl_version();
    static const std::string version =
        std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    static Table table;
    table = {table_abi, version.c_str(), isa_name(), uses_own_team(), supports, matmul, convolution_forward,
             convolution_backward_input, convolution_backward_weights, quantized_convolution, cache_statistics};
    return &table;
}

}  // namespace

}  // namespace rushlight::onednn

extern "C" __attribute__((visibility("default"))) const rushlight::onednn::Table* rushlight_onednn_table(int abi) {
    if (abi != rushlight::onednn::table_abi) return nullptr;
    static const rushlight::onednn::Table* table = rushlight::onednn::make_table();
    return table;
}
