// The backward walk.
#pragma once

#include "autograd/node.h"

namespace rushlight::autograd {

struct Walk {
    std::vector<Edge> roots;
    std::vector<Tensor> grads;           // of the roots
    bool keep_graph = false, create_graph = false;
    // Empty: every leaf accumulates. Otherwise only what these need runs.
    std::vector<Edge> inputs;
    bool accumulate = true;              // into the inputs' .grad; else their gradients are returned
};

// Runs the derivatives of everything that the roots came from, each node once, after all that depend on it.
// Returns the gradients at `inputs` when they are not accumulated; undefined where none arrived. Any thread
// may walk at any time.
std::vector<Tensor> walk(Walk&& w);

// The walk that this thread is on, by a number that no other walk has; 0 when it is on none.
uint64_t current_walk();

// Whether a walk from `root` would find all that it needs, and needs something.
bool can_walk(TensorImpl& root);

// The gradient with which `root` starts: `given`, checked, or one for a single element. `index` is for the
// message.
Tensor first_gradient(const Tensor& root, const Tensor& given, size_t index);

}  // namespace rushlight::autograd
