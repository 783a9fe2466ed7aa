// How the tape hears of calls: the observer that dispatch knows.
#include <algorithm>

#include "autograd/op_node.h"
#include "autograd/primitives.h"
#include "autograd/variable.h"
#include "base/events.h"
#include "registry/mode.h"
#include "registry/watch.h"

namespace rushlight::autograd {

namespace {

// Does the derivative read old values that this call is about to overwrite?
bool reads_destination(const Call& c) {
    auto is_destination = [&](int i) {
        for (TensorImpl* t : c.args[i].to_tensors()) if (t == c.destination) return true;
        return false;
    };
    for (int i = 0; i < int(c.op.parsed.params.size()); ++i)
        if (c.op.saved_inputs >> i & 1 && is_destination(i)) return true;
    for (auto [param, other] : c.op.saved_if) {
        if (!is_destination(param)) continue;
        if (other < 0) return true;
        for (TensorImpl* t : c.args[other].to_tensors())
            if (t->tracked()) return true;
    }
    return false;
}

void before_write(Call& c, bool recording) {
    TensorImpl& t = *c.destination;
    require(!t.inference || mode.inference, ErrorKind::runtime, c.name(), ": the tensor of shape ", t.sizes,
            " was made in inference_mode and can't be changed in place outside of it; change a clone()");
    if (!recording || !is_differentiable(t.dtype)) return;
    require(c.in_place, ErrorKind::runtime, c.name(), ": out= can't be differentiated, but an argument "
            "requires grad; leave out= away, or call it under no_grad()");
    check_recorded_write(t, c.name());
    if (!reads_destination(c)) return;
    c.original = copy_of(Tensor(&t));
    if (!t.tracked()) return;
    Edge edge = gradient_edge(t);
    set_history(*c.original.impl(), edge.node, edge.slot);
}

Ref<Node> new_node(Call& c) {
    Ref<Node> node = OpNode::make(c);
    if (watched(watch_events)) [[unlikely]] events::set_sequence(int64_t(node->sequence()));
    return node;
}

void record(Call& c) {
    if (c.destination) {
        if (is_differentiable(c.destination->dtype)) rebase(*c.destination, new_node(c));
        return;
    }
    Ref<Node> node = new_node(c);
    if (c.list.empty()) {
        for (int i = 0; i < std::min(c.results, c.op.derivative.results); ++i)
            set_history(*c.out[size_t(i)].impl(), node, uint32_t(i));
    } else {
        for (size_t i = 0; i < c.list.size(); ++i) set_history(*c.list[i].impl(), node, uint32_t(i));
    }
}

Tensor kept_gradient(const TensorImpl& t) {
    TensorTape* tape = tape_if_any(t);
    return tape ? tape->grad : Tensor();
}

void put_gradient(TensorImpl& t, const Tensor& grad) { tape_of(t).grad = grad; }

const bool registered = [] {
    tape_observer = {before_write, record};
    gradients = {kept_gradient, put_gradient};
    return true;
}();

}  // namespace

}  // namespace rushlight::autograd
