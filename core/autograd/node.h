// A node of the tape: one recorded call, with edges to the nodes that its inputs came from.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace rushlight::autograd {

class Node;
class Run;

// A lock for a few instructions that never wait for anything else.
class SpinLock {
public:
    void lock() { while (taken_.test_and_set(std::memory_order_acquire)) {} }
    void unlock() { taken_.clear(std::memory_order_release); }

private:
    std::atomic_flag taken_;
};

// A node, for whoever must not keep it alive: it says itself when it goes.
class Watch {
public:
    void see(Node* node) {
        std::lock_guard guard(lock_);
        node_ = node;
    }
    // Does the walk that this thread is in run the node, or has it?
    bool will_run();

private:
    SpinLock lock_;
    Node* node_ = nullptr;
};

// Where a gradient goes: result `slot` of the call that `node` recorded.
struct Edge {
    Ref<Node> node;
    uint32_t slot = 0;
};

// What a user attached. Hooks may replace gradients. A removed hook stays in its list until the list is next
// changed.
struct Hook {
    std::atomic<bool> removed{false};
    virtual ~Hook() = default;
};
struct TensorHook : Hook {
    virtual void call(Tensor& grad) = 0;
};
struct PreHook : Hook {
    virtual void call(std::span<Tensor> grads) = 0;
};
struct PostHook : Hook {
    virtual void call(std::span<Tensor> grads_of_inputs, std::span<const Tensor> grads_of_results) = 0;
};
struct LeafHook : Hook {
    virtual void call(const Tensor& leaf) = 0;
};

// Hooks in the order they were registered.
template <class H>
class HookList {
public:
    void add(std::shared_ptr<H> hook, uint32_t slot = 0) {
        std::erase_if(entries_, [](const Entry& e) { return e.hook->removed.load(); });
        entries_.push_back({std::move(hook), slot});
    }
    bool empty() const { return entries_.empty(); }
    void clear() { std::vector<Entry>().swap(entries_); }
    // Calls `f(hook)` for all, as they are.
    template <class F>
    void visit(F&& f) const {
        for (const Entry& e : entries_) f(*e.hook);
    }
    // Calls `f(hook, slot)`; hooks may add and remove hooks meanwhile.
    template <class F>
    void each(F&& f) const {
        if (entries_.empty()) return;
        for (const Entry& e : std::vector<Entry>(entries_))
            if (!e.hook->removed) f(*e.hook, e.slot);
    }

private:
    struct Entry {
        std::shared_ptr<H> hook;
        uint32_t slot;
    };
    std::vector<Entry> entries_;
};

struct TensorTape;

// What few nodes have.
struct NodeExtras {
    HookList<TensorHook> tensor_hooks;               // of the results, by slot
    HookList<PreHook> pre_hooks;
    HookList<PostHook> post_hooks;
    // results that keep their gradient; each removes itself when it goes
    std::vector<std::pair<uint32_t, TensorTape*>> retained;
    std::string trace;                               // where the call was recorded, in anomaly mode
    std::shared_ptr<Watch> watch;

    ~NodeExtras() {
        if (watch) watch->see(nullptr);
    }
};

// How a walk wants nodes to behave.
struct Pass {
    bool create_graph = false;       // the derivatives are recorded themselves
    bool keep_graph = false;         // saved values stay for another walk
};

class Node : public TapeNode {
public:
    // From the gradients of the results to the gradients of the inputs, one per edge; undefined ones mean
    // zero.
    virtual void apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) = 0;
    virtual std::string name() const = 0;
    virtual bool keeps() const { return false; }     // values that a walk needs and no walk has freed yet
    // those that see the gradients of the results, before they are used
    virtual void run_hooks(std::span<Tensor> grads);

    // Keeps a saved `t`, or view of it, without its history from now on: `t` was changed in place, and its
    // new history leads to this node.
    virtual void cut_history_of(const TensorImpl& t) {}

    std::span<Edge> edges() const { return {edges_, edge_count_}; }
    uint32_t result_count() const { return result_count_; }
    uint64_t sequence() const { return sequence_; }
    NodeExtras& extras();
    const NodeExtras* extras_if_any() const { return extras_.get(); }

    void* python = nullptr;                          // the Python object that shows this node, borrowed

protected:
    Node(uint32_t bytes, uint64_t sequence) : sequence_(sequence), bytes_(bytes) {}
    void dispose() override;

    Edge* edges_ = nullptr;
    uint32_t edge_count_ = 0, result_count_ = 1;

private:
    friend class Run;

    // The walk that is on its way through this node keeps its notes here; a second one at the same time
    // keeps its own elsewhere.
    struct Notes {
        uint32_t dependencies = 0;
        bool needed = true, captured = false;
        Tensor first;                                // the gradient of the result, of nodes with one
        std::unique_ptr<Tensor[]> all;               // of nodes with several
    };

    uint64_t sequence_;
    std::unique_ptr<NodeExtras> extras_;
    std::atomic<Run*> run_{nullptr};
    Notes notes_;
    Node* next_dead_ = nullptr;
    uint32_t bytes_;
};

uint64_t next_sequence();

// Nodes come from per-thread lists of blocks.
void* take_node_memory(size_t bytes);
void give_node_memory(void* p, size_t bytes);

template <class N, class... Args>
Ref<N> make_node(Args&&... args) {
    return Ref<N>(new (take_node_memory(sizeof(N))) N(std::forward<Args>(args)...));
}

}  // namespace rushlight::autograd
