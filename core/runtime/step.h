// A captured call with what it does besides giving results: gradients that it finds with leaves, and leaves there.
#pragma once

#include <atomic>

#include "graph/capture.h"
#include "runtime/program.h"

namespace rushlight::runtime {

class Step {
public:
    // `inputs` of the graph's inputs are the call's own; gradients that it finds come behind them.
    // `functions` are the graphs that it calls.
    Step(graph::Graph g, const graph::Capture& capture, std::vector<graph::Graph> functions = {});

    // The same step for inputs of other sizes: `g` has its constants under the same keys.
    Step at(graph::Graph g) const;

    Program& program() { return program_; }
    bool walks() const { return walks_; }
    // How often it ran, and when last, counted in runs of all steps.
    uint64_t runs() const { return runs_; }
    uint64_t last_run() const { return last_run_; }
    // Whether what the call takes for granted of tensors and gradients is so; shapes and dtypes aside.
    bool fits(std::span<const Tensor> inputs) const;
    // Runs it and hands the gradients over. `recorded` leads the calls through the tape as eager mode does.
    // `numbers` are the graph's inputs that are floats.
    std::vector<Tensor> run(std::vector<Tensor> inputs, bool recorded, std::span<const double> numbers = {});

private:
    struct Constant {
        Tensor tensor;
        uint32_t generation;
        bool requires_grad;
    };
    struct Version {
        Tensor tensor;
        uint32_t version;
    };

    Step(graph::Graph g, const Step& other);
    void give_up_gradients();
    bool apart(std::span<const Tensor> inputs) const;

    TensorImpl& leaf_of(const graph::GradientSlot& slot, std::span<const Tensor> inputs) const {
        return slot.input < 0 ? *slot.leaf.impl() : *inputs[size_t(slot.input)].impl();
    }

    std::vector<graph::Graph> functions_;
    Program program_;
    std::vector<graph::GradientSlot> slots_;
    bool walks_;                                 // backwards, within the call
    std::vector<size_t> written_;                // the inputs that it writes
    std::vector<Constant> constants_;
    std::vector<Version> versions_;
    uint32_t hooks_;                             // leaf_hook_changes, when it was captured
    std::atomic<uint64_t> runs_ = 0, last_run_ = 0;
    size_t results_ = 0;                         // of the graph's outputs; gradients come behind them
};

}  // namespace rushlight::runtime
