#include "autograd/node.h"

#include "autograd/variable.h"

namespace rushlight::autograd {

namespace {

constexpr size_t grain = 64, classes = 17, list_length = 512;

// What a thread keeps. It needs no construction, so that reaching it costs no check.
struct Thread {
    void* blocks[classes];           // freed blocks by size, each pointing to the next
    uint32_t counts[classes];
    bool registered, closed;
    // Nodes whose last reference is gone, waiting for the outermost `dispose` on this thread: a deep graph is
    // freed without recursion.
    bool digging;
    Node* dead;
    uint64_t sequence;
};
thread_local constinit Thread thread = {};

struct AtThreadEnd {
    ~AtThreadEnd() {
        thread.closed = true;
        for (void*& first : thread.blocks)
            while (void* block = first) {
                first = *static_cast<void**>(block);
                ::operator delete(block);
            }
    }
};

void register_end() {
    static thread_local AtThreadEnd end;
    (void)end;
    thread.registered = true;
}

size_t class_of(size_t bytes) { return (bytes + grain - 1) / grain; }

}  // namespace

void* take_node_memory(size_t bytes) {
    size_t c = class_of(bytes);
#ifndef __SANITIZE_ADDRESS__
    if (c < classes && thread.blocks[c]) {
        void* block = thread.blocks[c];
        thread.blocks[c] = *static_cast<void**>(block);
        --thread.counts[c];
        return block;
    }
#endif
    return ::operator new(c * grain);
}

void give_node_memory(void* p, size_t bytes) {
#ifndef __SANITIZE_ADDRESS__
    size_t c = class_of(bytes);
    if (c < classes && !thread.closed && thread.counts[c] < list_length) {
        if (!thread.registered) [[unlikely]] register_end();
        *static_cast<void**>(p) = thread.blocks[c];
        thread.blocks[c] = p;
        ++thread.counts[c];
        return;
    }
#endif
    ::operator delete(p);
}

uint64_t next_sequence() { return thread.sequence++; }

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
    Thread& here = thread;
    next_dead_ = here.dead;
    here.dead = this;
    if (here.digging) return;
    here.digging = true;
    while (Node* n = here.dead) {
        here.dead = n->next_dead_;
        uint32_t bytes = n->bytes_;
        n->~Node();
        give_node_memory(n, bytes);
    }
    here.digging = false;
}

}  // namespace rushlight::autograd
