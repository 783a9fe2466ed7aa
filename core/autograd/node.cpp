#include "autograd/node.h"

#include "autograd/variable.h"

namespace rushlight::autograd {

namespace {

constexpr size_t grain = 64, classes = 17, list_length = 512;

struct FreeLists {
    std::vector<void*> lists[classes];
    bool open = true;
    ~FreeLists() {
        open = false;
        for (auto& list : lists)
            for (void* p : list) ::operator delete(p);
    }
};
thread_local FreeLists free_lists;

size_t class_of(size_t bytes) { return (bytes + grain - 1) / grain; }

// Nodes whose last reference is gone, waiting for the outermost `dispose` on this thread: a deep graph is
// freed without recursion.
struct Grave {
    Node* first = nullptr;
    bool digging = false;
};
thread_local Grave grave;
thread_local uint64_t sequence = 0;

}  // namespace

void* take_node_memory(size_t bytes) {
    size_t c = class_of(bytes);
#ifndef __SANITIZE_ADDRESS__
    if (c < classes && free_lists.open && !free_lists.lists[c].empty()) {
        void* p = free_lists.lists[c].back();
        free_lists.lists[c].pop_back();
        return p;
    }
#endif
    return ::operator new(c * grain);
}

void give_node_memory(void* p, size_t bytes) {
#ifndef __SANITIZE_ADDRESS__
    size_t c = class_of(bytes);
    if (c < classes && free_lists.open && free_lists.lists[c].size() < list_length) {
        free_lists.lists[c].push_back(p);
        return;
    }
#endif
    ::operator delete(p);
}

uint64_t next_sequence() { return sequence++; }

NodeExtras& Node::extras() {
    if (!extras_) extras_ = std::make_unique<NodeExtras>();
    return *extras_;
}

void Node::run_hooks(std::span<Tensor> grads) {
    if (!extras_) return;
    extras_->tensor_hooks.each([&](TensorHook& hook, uint32_t slot) {
        if (grads[slot].defined()) hook.call(grads[slot]);
    });
    extras_->pre_hooks.each([&](PreHook& hook, uint32_t) { hook.call(grads); });
    for (auto [slot, tape] : extras_->retained) keep_gradient(*tape, grads[slot]);
}

void Node::dispose() {
    Grave& g = grave;
    next_dead_ = g.first;
    g.first = this;
    if (g.digging) return;
    g.digging = true;
    while (Node* n = g.first) {
        g.first = n->next_dead_;
        uint32_t bytes = n->bytes_;
        n->~Node();
        give_node_memory(n, bytes);
    }
    g.digging = false;
}

}  // namespace rushlight::autograd
