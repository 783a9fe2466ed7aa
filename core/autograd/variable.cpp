#include "autograd/variable.h"

#include <unordered_set>

#include "autograd/copy_slices.h"
#include "autograd/op_node.h"
#include "autograd/primitives.h"
#include "base/interpreter.h"
#include "registry/mode.h"
#include "registry/training.h"
#include "registry/watch.h"

namespace rushlight::autograd {

// ---- per-tensor state ----------------------------------------------------------------------------

TensorTape& tape_of(TensorImpl& t) {
    if (!t.tape) t.tape = std::make_unique<TensorTape>();
    return static_cast<TensorTape&>(*t.tape);
}

static void stop_retaining(TensorTape& tape) {
    if (!tape.retaining) return;
    std::erase_if(tape.retaining->extras().retained, [&](auto& r) { return r.second == &tape; });
    tape.retaining = nullptr;
}

TensorTape::~TensorTape() { stop_retaining(*this); }

// ---- the place on the tape -----------------------------------------------------------------------

static Ref<Node> accumulator_of(TensorImpl& t) {
    TensorTape& tape = tape_of(t);
    {
        std::lock_guard guard(tape.lock);
        if (tape.accumulator && tape.accumulator->retain_if_alive())
            return Ref<Node>::adopt(tape.accumulator);
    }
    auto made = make_node<AccumulateGrad>(t);
    std::lock_guard guard(tape.lock);
    tape.accumulator = made.get();
    if (tape.watch) tape.watch->see(made.get());
    return Ref<Node>(made.get());
}

Edge gradient_edge(TensorImpl& t) {
    if (Node* node = grad_fn(t)) return {Ref<Node>(node), t.output_nr};
    if (t.requires_grad) return {accumulator_of(t), 0};
    return {};
}

std::shared_ptr<Watch> watch_gradient(TensorImpl& t) {
    require(t.tracked(), ErrorKind::runtime, "register_multi_grad_hook: the tensor of shape ", t.sizes,
            " does not require grad");
    if (Node* node = grad_fn(t)) {
        std::shared_ptr<Watch>& watch = node->extras().watch;
        if (!watch) {
            watch = std::make_shared<Watch>();
            watch->see(node);
        }
        return watch;
    }
    TensorTape& tape = tape_of(t);
    std::lock_guard guard(tape.lock);
    if (!tape.watch) {
        tape.watch = std::make_shared<Watch>();
        tape.watch->see(tape.accumulator);
    }
    return tape.watch;
}

static void take_place(TensorImpl& t, const Ref<Node>& node, uint32_t slot) {
    bool retained = t.tape && tape_of(t).retaining;
    if (retained) stop_retaining(tape_of(t));
    t.grad_fn = Ref<TapeNode>(node.get());
    t.output_nr = slot;
    t.requires_grad = true;
    if (retained) retain_grad(t);
}

// `t` has just got a place later than nodes that may have saved it. Those would keep it, and it them; they
// can't use it any more, because its version has moved on. Only nodes recorded after its former place can
// have saved it, and after an earlier one those that no former place came from: few of them are looked for, so
// that many changes in a long program do not each walk all of it.
static void leave_savers(TensorImpl& t, Node* place, uint64_t former) {
    if (!t.storage->was_saved()) return;
    uint64_t& first = tape_of(t).first_place;
    first = std::min(first, former);
    int older = 64;
    std::vector<Node*> stack{place};
    std::unordered_set<Node*> seen{place};
    while (!stack.empty()) {
        Node* n = stack.back();
        stack.pop_back();
        n->cut_history_of(t);
        for (const Edge& e : n->edges()) {
            Node* next = e.node.get();
            if (!next || next->sequence() == UINT64_MAX || next->sequence() < first) continue;
            if (next->sequence() < former && older == 0) continue;
            if (!seen.insert(next).second) continue;
            stack.push_back(next);
            older -= next->sequence() < former;
        }
    }
}

static void move_place(TensorImpl& t, const Ref<Node>& node, uint32_t slot) {
    uint64_t former = t.grad_fn ? static_cast<Node*>(t.grad_fn.get())->sequence() : 0;
    take_place(t, node, slot);
    leave_savers(t, node.get(), former);
}

void set_history(TensorImpl& result, const Ref<Node>& node, uint32_t slot) {
    if (!is_differentiable(result.dtype)) return;
    take_place(result, node, slot);
}

void bring_up_to_date(TensorImpl& view) {
    TensorImpl& base = *view.base;
    require(!(view.view_flags & view_of_function), ErrorKind::runtime, "view of shape ", view.sizes,
            ": it was returned by a custom Function, and its base was changed in place since; return a "
            "clone() instead");
    require(!(view.view_flags & view_of_no_grad), ErrorKind::runtime, "view of shape ", view.sizes,
            ": it was made in no_grad mode, and its base was changed in place in grad mode since; make the "
            "view and the change both inside the no_grad block, or both outside");
    GradMode on(true);
    Tensor source = in_dtype_of(Tensor(&base), view.dtype);
    Value args[] = {Value(source), Value(view.sizes), Value(view.strides),
                    Value(view.offset - source->offset), Value(source.strides())};
    Call call(primitive::restride(), args);
    call.results = 1;
    view.history = base.history;
    move_place(view, OpNode::make(call), 0);
}

void check_recorded_write(TensorImpl& t, const char* op) {
    bool leaf = is_leaf(t);
    require(!(leaf && t.requires_grad), ErrorKind::runtime, op, ": a leaf tensor of shape ", t.sizes,
            " that requires grad can't be changed in place; do it under no_grad(), or on a clone()");
    if (!t.base) return;
    TensorImpl& base = *t.base;
    require(!(t.view_flags & view_of_many), ErrorKind::runtime, op, ": the view of shape ", t.sizes,
            " is one of several that one call returned; such a view can't be changed in place while "
            "gradients are recorded: use the out-of-place form");
    require(!(t.view_flags & view_of_function), ErrorKind::runtime, op, ": the view of shape ", t.sizes,
            " was returned by a custom Function and can't be changed in place while gradients are recorded; "
            "return a clone() from the Function");
    require(!(t.view_flags & view_of_no_grad), ErrorKind::runtime, op, ": the view of shape ", t.sizes,
            " was made in ", t.view_flags & view_of_inference ? "inference_mode" : "no_grad mode",
            " and can't be changed in place in grad mode; make the view and the change both inside that "
            "block, or both outside");
    require(!(base.requires_grad && is_leaf(base)), ErrorKind::runtime, op, ": a view of a leaf tensor of "
            "shape ", base.sizes, " that requires grad can't be changed in place; do it under no_grad(), or "
            "on a clone()");
    // What it is a view of may be a view itself, of memory that requires none.
    require(leaf || !is_leaf(base), ErrorKind::runtime, op, ": the tensor of shape ", t.sizes, " is a view of a leaf "
            "that requires grad, and can't be changed in place; do it under no_grad(), or on a clone()");
}

void rebase(TensorImpl& t, const Ref<Node>& node, uint32_t slot) {
    if (!t.base) {
        move_place(t, node, slot);
        ++t.history;
        return;
    }
    TensorImpl& base = *t.base;
    Ref<Node> slices(make_node<CopySlices>(base, t, node).get());
    move_place(base, slices, 0);
    ++base.history;
    bring_up_to_date(t);
}

// ---- flags and data ------------------------------------------------------------------------------

void set_requires_grad(TensorImpl& t, bool on) {
    if (!is_leaf(t)) {
        require(on, ErrorKind::runtime, "requires_grad_: requires_grad=False on a tensor of shape ", t.sizes,
                " that is a result; expected a leaf. Use detach() for a tensor without its history");
        return;
    }
    require(!on || is_differentiable(t.dtype), ErrorKind::runtime, "requires_grad_: input has dtype ",
            name_of(t.dtype), "; only floating and complex tensors can require gradients");
    if (watched(watch_capture)) capture_observer.flagged(t);
    require(!on || !t.inference || mode.inference, ErrorKind::runtime, "requires_grad_: input was made in "
            "inference_mode and can't take part in gradients outside of it; use a clone()");
    t.requires_grad = on;
}

Tensor detach(const Tensor& t) { return alias(t, t.sizes(), t.strides(), t->offset); }

void detach_in_place(TensorImpl& t) {
    require(!t.base, ErrorKind::runtime, "detach_: input of shape ", t.sizes, " is a view; use detach() "
            "instead");
    if (t.tape) stop_retaining(tape_of(t));
    t.grad_fn = nullptr;
    t.output_nr = 0;
    t.requires_grad = false;
}

void set_data(TensorImpl& t, const Tensor& data) {
    require(!t.requires_grad || is_differentiable(data.dtype()), ErrorKind::runtime,
            "data: the tensor requires grad and can't take data of dtype ", name_of(data.dtype()),
            "; expected a floating or complex dtype");
    t.storage = data->storage;
    t.offset = data->offset;
    t.sizes = data.sizes();
    t.strides = data.strides();
    t.dtype = data.dtype();
    t.inference = data->inference;
    t.update_geometry();
    t.base = nullptr;                                    // it views nothing that others view
    t.view_flags = 0;
    ++t.generation;
}

// ---- gradients and hooks -------------------------------------------------------------------------

Tensor gradient(TensorImpl& t) {
    Tensor grad = gradients.get(t);
    if (watched(watch_capture)) capture_observer.gradient(t, grad, false);
    return grad;
}

void set_gradient(TensorImpl& t, const Tensor& grad) {
    if (watched(watch_capture)) capture_observer.gradient(t, gradients.get(t), true);
    if (!grad.defined()) {
        if (t.tape) tape_of(t).grad = Tensor();
        return;
    }
    require(grad.impl() != &t, ErrorKind::runtime, "grad: a tensor can't be its own gradient");
    require(grad.sizes() == t.sizes, ErrorKind::runtime, "grad: the assigned gradient has shape ",
            grad.sizes(), "; expected ", t.sizes, ", the shape of the tensor");
    require(grad.dtype() == t.dtype, ErrorKind::runtime, "grad: the assigned gradient has dtype ",
            name_of(grad.dtype()), "; expected ", name_of(t.dtype), ", the dtype of the tensor");
    tape_of(t).grad = grad;
}

void retain_grad(TensorImpl& t) {
    require(t.tracked(), ErrorKind::runtime, "retain_grad: the tensor of shape ", t.sizes,
            " does not require grad");
    Node* node = grad_fn(t);
    TensorTape& tape = tape_of(t);
    if (!node || tape.retaining == node) return;
    stop_retaining(tape);
    node->extras().retained.emplace_back(t.output_nr, &tape);
    tape.retaining = node;
}

bool retains_grad(const TensorImpl& t) { return t.grad_fn && tape_if_any(t) && tape_if_any(t)->retaining; }

void keep_gradient(TensorTape& tape, const Tensor& grad) {
    if (!grad.defined()) return;
    if (!tape.grad.defined()) tape.grad = mode.grad ? primitive::clone(grad) : copy_of(grad);
    else tape.grad = primitive::add(tape.grad, grad);
}

void add_hook(TensorImpl& t, std::shared_ptr<TensorHook> hook) {
    require(t.tracked(), ErrorKind::runtime, "register_hook: the tensor of shape ", t.sizes,
            " does not require grad");
    if (Node* node = grad_fn(t)) node->extras().tensor_hooks.add(std::move(hook), t.output_nr);
    else tape_of(t).hooks.add(std::move(hook));
    ++leaf_hook_changes;
}

void add_leaf_hook(TensorImpl& t, std::shared_ptr<LeafHook> hook) {
    require(t.tracked(), ErrorKind::runtime, "register_post_accumulate_grad_hook: the tensor of shape ",
            t.sizes, " does not require grad");
    require(is_leaf(t), ErrorKind::runtime, "register_post_accumulate_grad_hook: the tensor of shape ",
            t.sizes, " is a result; expected a leaf, which accumulates its gradient");
    tape_of(t).after_accumulation.add(std::move(hook));
    ++leaf_hook_changes;
}

// ---- accumulation --------------------------------------------------------------------------------

bool owns_memory(const Tensor& t) {
    if (t->use_count() != 1) return false;
    uint32_t users = t->storage->use_count();
    if (!t->base) return users == 1;
    return users == 2 && t->base->use_count() == 1 && t->base->storage == t->storage;
}

// The values of `t` in memory of its own that lies as `like` does.
static Tensor copy_lying_as(const Tensor& like, const Tensor& t) {
    Tensor out = empty_like_geometry(like, t.dtype());
    copy_into_new(*out.impl(), *t.impl());
    if (watched(watch_capture)) capture_observer.copied(*t.impl(), *out.impl());
    return out;
}

Tensor copy_of(const Tensor& t) { return copy_lying_as(t, t); }

Tensor sum_of(Tensor a, const Tensor& b, bool create_graph) {
    bool in_place = !create_graph && !a->requires_grad && owns_memory(a) && a.sizes() == b.sizes()
        && a.dtype() == b.dtype() &&
                    !overlaps_itself(*a.impl()) && !a->storage->read_only();
    return in_place ? primitive::add_in_place(a, b) : primitive::add(a, b);
}

AccumulateGrad::AccumulateGrad(TensorImpl& variable)
    : Node(sizeof(AccumulateGrad), UINT64_MAX), variable_(&variable) {}

AccumulateGrad::~AccumulateGrad() {
    TensorTape& tape = tape_of(*variable_);
    std::lock_guard guard(tape.lock);
    if (tape.accumulator != this) return;
    tape.accumulator = nullptr;
    if (tape.watch) tape.watch->see(nullptr);
}

void AccumulateGrad::run_hooks(std::span<Tensor> grads) {
    Node::run_hooks(grads);
    tape_of(*variable_).hooks.each([&](TensorHook& hook, uint32_t) {
        if (grads[0].defined()) hook.call(grads[0]);
    });
}

// May `g` become the gradient of `v` as it is?
static bool can_be_gradient(const Tensor& g, const TensorImpl& v) {
    if (g->tracked() || !owns_memory(g) || g->storage->read_only()) return false;
    if (g.strides() == v.strides) return !overlaps_itself(*g.impl());
    return g.contiguous() && v.contiguous;               // they differ in dimensions of size one
}

void AccumulateGrad::accumulate(Tensor g, const Pass& pass) {
    Tensor& grad = tape_of(*variable_).grad;
    if (watched(watch_capture)) capture_observer.gradient(*variable_, grad, false);
    if (grad.defined()) {
        grad = pass.create_graph ? primitive::add(grad, g) : primitive::add_in_place(grad, g);
    } else if (pass.create_graph) {
        grad = primitive::clone(g);
    } else if (can_be_gradient(g, *variable_)) {
        g->base = nullptr;
        g->view_flags = 0;
        grad = std::move(g);
    } else {
        grad = copy_lying_as(Tensor(variable_), g);
    }
}

void AccumulateGrad::apply(std::span<Tensor> grads, std::span<Tensor>, const Pass& pass) {
    if (!grads[0].defined() || !variable_->requires_grad) return;
    Tensor g = std::move(grads[0]);
    require(g.sizes() == variable_->sizes, ErrorKind::runtime, "AccumulateGrad: the gradient has shape ",
            g.sizes(), "; expected ", variable_->sizes, ", the shape of the tensor");
    {
        std::unique_lock guard(mutex_, std::try_to_lock);
        if (!guard) {                                  // whoever holds it may need the interpreter to go on
            WithoutInterpreter unlocked(true);
            guard.lock();
        }
        accumulate(std::move(g), pass);
    }
    Tensor leaf(variable_);
    tape_of(*variable_).after_accumulation.each([&](LeafHook& hook, uint32_t) { hook.call(leaf); });
}

}  // namespace rushlight::autograd
