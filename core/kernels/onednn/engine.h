// What every call to oneDNN shares: the engine, status to error, and an operand that may have to change its
// layout on the way. Included by this room's sources only.
#pragma once

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/dnnl/dnnl_debug.h>
#include <vector>

#include "base/error.h"
#include "base/scratch.h"
#include "kernels/onednn/api.h"
#include "kernels/onednn/cache.h"
#include "kernels/onednn/team.h"

namespace rushlight::onednn {

inline const dnnl::engine& engine() {
    static const auto* made = new dnnl::engine(dnnl::engine::kind::cpu, 0);
    return *made;
}

inline dnnl::memory::data_type onednn_type(DType dtype) {
    switch (dtype) {
        case DType::float32: return dnnl::memory::data_type::f32;
        case DType::bfloat16: return dnnl::memory::data_type::bf16;
        case DType::float16: return dnnl::memory::data_type::f16;
        case DType::uint8: return dnnl::memory::data_type::u8;
        case DType::int8: return dnnl::memory::data_type::s8;
        default: fail(ErrorKind::type, "onednn: dtype ", name_of(dtype), "; expected 32, 16 or 8 bits");
    }
}

inline void check(dnnl_status_t status, const char* what) {
    if (status == dnnl_success) [[likely]] return;
    fail(status == dnnl_out_of_memory ? ErrorKind::memory : ErrorKind::runtime, "onednn: ", what, ": ",
         dnnl_status2str(status));
}

// Runs `make` with oneDNN's exceptions turned into ours, naming what was being prepared.
template <class Make>
auto prepare(const char* what, Make&& make) {
    try {
        return make();
    } catch (const dnnl::error& e) {
        fail(e.status == dnnl_out_of_memory ? ErrorKind::memory : ErrorKind::not_implemented, "onednn: ", what, ": ",
             e.message, " (", dnnl_status2str(e.status), ")");
    }
}

// oneDNN's last resorts are slower than ours by far: treated as if it had none.
template <class Description>
void refuse_reference(const Description& description) {
    const char* name = description.impl_info_str();
    if (std::strncmp(name, "ref", 3) == 0)
        fail(ErrorKind::not_implemented, "onednn: only a reference implementation (", name, ") for this problem");
}

inline dnnl::memory memory_without_data(const dnnl::memory::desc& desc) { return {desc, engine(), nullptr}; }

inline void point(const dnnl::memory& memory, const void* data) {
    check(dnnl_memory_set_data_handle(memory.get(), const_cast<void*>(data)), "memory");
}

// One tensor of a primitive: how the caller has it and how the primitive wants it.
class Operand {
public:
    Operand() = default;
    // `extra` tells wanted layouts apart that differ in what comes with the data.
    Operand(const dnnl::memory::desc& given, const dnnl::memory::desc& wanted, bool is_output, int64_t extra = 0)
        : used_(memory_without_data(wanted)) {
        if (given == wanted) return;
        given_ = memory_without_data(given);
        const auto& from = is_output ? wanted : given;
        const auto& to = is_output ? given : wanted;
        change_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
        bytes_ = wanted.get_size();
        describe(wanted);
        tag_.push_back(extra);
        tag_.push_back(int64_t(bytes_));                   // what comes with 8-bit weights shows in the size alone
    }

    const dnnl::memory& used() const { return used_; }
    bool changes() const { return bytes_ != 0; }

    // Before the primitive: an input in the wanted layout, kept in `packed` where there is one.
    void bring(const void* data, const dnnl::stream& stream, Scratch& scratch, PackedWeights* packed = nullptr) {
        if (!changes()) return point(used_, data);
        auto fill = [&](void* to) {
            point(given_, data);
            point(used_, to);
            run(given_, used_, stream);
        };
        if (packed) return point(used_, packed->get(tag_.data(), tag_.size() * sizeof(int64_t), bytes_, fill));
        scratch = Scratch(bytes_);
        fill(scratch.data());
    }

    void receive(void* data, Scratch& scratch) {
        if (!changes()) return point(used_, data);
        scratch = Scratch(bytes_);
        point(used_, scratch.data());
    }

    // After the primitive: an output in the caller's layout.
    void deliver(void* data, const dnnl::stream& stream) {
        if (!changes()) return;
        point(given_, data);
        run(used_, given_, stream);
    }

private:
    void run(const dnnl::memory& from, const dnnl::memory& to, const dnnl::stream& stream) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, to.get()}};
        check(dnnl_primitive_execute(change_.get(), stream.get(), 2, args), "reorder");
    }

    void describe(const dnnl::memory::desc& wanted) {
        for (const auto& list : {wanted.get_dims(), wanted.get_padded_dims(), wanted.get_strides(),
                                 wanted.get_inner_blks(), wanted.get_inner_idxs()}) {
            tag_.push_back(int64_t(list.size()));
            tag_.insert(tag_.end(), list.begin(), list.end());
        }
        tag_.push_back(int64_t(wanted.get_data_type()));
    }

    dnnl::memory given_, used_;
    dnnl::primitive change_;
    size_t bytes_ = 0;
    std::vector<int64_t> tag_;
};

// A primitive with the memory objects of its arguments. `a` and `b` are read, `c` is written; `extra` is the
// bias or its gradient.
struct Call {
    dnnl::stream stream{engine()};
    dnnl::primitive primitive;
    Operand a, b, c;
    dnnl::memory extra, scratchpad;
    std::vector<dnnl::memory> scales;
    size_t scratchpad_bytes = 0;
    std::vector<dnnl_exec_arg_t> arguments;

    template <class Description>
    void finish(const Description& description, int a_name, int b_name, int c_name, int extra_name) {
        refuse_reference(description);
        primitive = dnnl::primitive(description);
        auto pad = description.scratchpad_desc();
        scratchpad_bytes = pad.get_size();
        scratchpad = memory_without_data(pad);
        arguments = {{a_name, a.used().get()}, {b_name, b.used().get()}, {c_name, c.used().get()},
                     {DNNL_ARG_SCRATCHPAD, scratchpad.get()}};
        if (extra) arguments.push_back({extra_name, extra.get()});
    }

    // After finish: the scales of an argument, which come with each call.
    void take_scales(int argument, int64_t count) {
        scales.push_back(memory_without_data({{count}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::a}));
        arguments.push_back({DNNL_ARG_ATTR_SCALES | argument, scales.back().get()});
    }

    // `b_packed` keeps b's wanted layout between calls.
    void run(const void* a_data, const void* b_data, void* c_data, const void* extra_data, PackedWeights* b_packed) {
        Scratch a_scratch, b_scratch, c_scratch, pad(scratchpad_bytes);
        a.bring(a_data, stream, a_scratch);
        b.bring(b_data, stream, b_scratch, b_packed);
        c.receive(c_data, c_scratch);
        if (extra) point(extra, extra_data);
        if (scratchpad_bytes) point(scratchpad, pad.data());
        check(dnnl_primitive_execute(primitive.get(), stream.get(), int(arguments.size()), arguments.data()),
              "execute");
        c.deliver(c_data, stream);
    }
};

inline dnnl::primitive_attr attributes() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
}

CallCache<Call>& cache();                  // adapter.cpp
bool uses_own_team();
int members_for_call(); // how many threads this call gets; makes OpenMP's runtime agree where it is used

void matmul(const Matmul& p, PackedWeights* packed);
void convolution_forward(const Convolution& p, const void* input, const void* weights, const void* bias, void* output,
                         PackedWeights* packed);
void convolution_backward_input(const Convolution& p, const void* grad_output, const void* weights, void* grad_input,
                                PackedWeights* packed);
void convolution_backward_weights(const Convolution& p, const void* input, const void* grad_output, void* grad_weights,
                                  void* grad_bias);
void quantized_convolution(const QuantizedConvolution& p, const void* input, const int8_t* weights, void* output,
                           PackedWeights* packed);

}  // namespace rushlight::onednn
