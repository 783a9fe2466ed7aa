// Tensors as the tape sees them: leaves and results, gradients, hooks, views that follow their base.
#pragma once

#include "autograd/node.h"

namespace rushlight::autograd {

class AccumulateGrad;

struct TensorTape : TapeData {
    Tensor grad;
    HookList<TensorHook> hooks;                  // of a leaf; those of a result are with its node
    HookList<LeafHook> after_accumulation;
    SpinLock lock;
    AccumulateGrad* accumulator = nullptr;       // not owned: it owns the tensor
    std::shared_ptr<Watch> watch;                // of the accumulator, whichever there is
    Node* retaining = nullptr;                   // the node that hands this result its gradient
    uint64_t first_place = UINT64_MAX;           // the sequence of its earliest place that nodes may have saved it at

    ~TensorTape() override;
};
TensorTape& tape_of(TensorImpl& t);
inline TensorTape* tape_if_any(const TensorImpl& t) { return static_cast<TensorTape*>(t.tape.get()); }

// The sink of a leaf: adds what arrives to `.grad`.
class AccumulateGrad final : public Node {
public:
    explicit AccumulateGrad(TensorImpl& variable);
    ~AccumulateGrad() override;
    void apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) override;
    void run_hooks(std::span<Tensor> grads) override;
    std::string name() const override { return "AccumulateGrad"; }
    TensorImpl& variable() const { return *variable_; }

private:
    void accumulate(Tensor g, const Pass& pass);

    Ref<TensorImpl> variable_;
    std::mutex mutex_;
};

// The node that `t` is a result of, a view's brought up to date; null for leaves and for tensors without
// history.
void bring_up_to_date(TensorImpl& view);
inline Node* grad_fn(TensorImpl& t) {
    if (t.base && t.history != t.base->history && t.base->requires_grad) [[unlikely]] bring_up_to_date(t);
    return static_cast<Node*>(t.grad_fn.get());
}
inline bool is_leaf(TensorImpl& t) { return grad_fn(t) == nullptr; }
Edge gradient_edge(TensorImpl& t);
std::shared_ptr<Watch> watch_gradient(TensorImpl& t);    // of the node that gradient_edge leads to
void set_history(TensorImpl& result, const Ref<Node>& node, uint32_t slot);

void set_requires_grad(TensorImpl& t, bool on);
Tensor detach(const Tensor& t);
void detach_in_place(TensorImpl& t);
void set_data(TensorImpl& t, const Tensor& data);

Tensor gradient(TensorImpl& t);
void set_gradient(TensorImpl& t, const Tensor& grad);
void retain_grad(TensorImpl& t);
bool retains_grad(const TensorImpl& t);
void keep_gradient(TensorTape& tape, const Tensor& grad);
void add_hook(TensorImpl& t, std::shared_ptr<TensorHook> hook);
void add_leaf_hook(TensorImpl& t, std::shared_ptr<LeafHook> hook);

// Raises when `t` may not be written by a recorded call.
void check_recorded_write(TensorImpl& t, const char* op);
// Gives `t` its new place on the tape after a recorded write; `node` has one result. The base of a view
// follows.
void rebase(TensorImpl& t, const Ref<Node>& node, uint32_t slot = 0);

// Is `t` the only one that uses its memory, apart from the base that it alone keeps?
bool owns_memory(const Tensor& t);
// the same values and order of dimensions in memory of its own; not recorded
Tensor copy_of(const Tensor& t);
// a + b; in a's memory where nobody else can see it.
Tensor sum_of(Tensor a, const Tensor& b, bool create_graph);

}  // namespace rushlight::autograd
