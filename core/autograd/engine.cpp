#include "autograd/engine.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "autograd/anomaly.h"
#include "autograd/primitives.h"
#include "autograd/variable.h"
#include "base/events.h"
#include "base/interpreter.h"
#include "registry/mode.h"
#include "registry/watch.h"

namespace rushlight::autograd {

namespace {

// The lists of a walk, kept by the thread from one walk to the next.
struct Lists {
    std::vector<Node*> visited, ready, stack;
    std::vector<Tensor> out;
};
thread_local std::vector<Lists> spare_lists;

}  // namespace

// One walk. Its notes on a node lie in the node; those on nodes that another walk holds at the moment lie in
// `elsewhere_`.
class Run {
public:
    explicit Run(Walk&& w) : w_(std::move(w)), pass_{w_.create_graph, w_.keep_graph} {
        if (spare_lists.empty()) return;
        lists_ = std::move(spare_lists.back());
        spare_lists.pop_back();
    }
    ~Run();
    std::vector<Tensor> go();
    bool reaches(Node* n);

private:
    using Notes = Node::Notes;

    Notes& notes(Node* n) {
        if (n->run_.load(std::memory_order_relaxed) == this) [[likely]] return n->notes_;
        return elsewhere_.at(n);
    }
    bool enter(Node* n);                              // true at the first visit
    void discover();
    void find_needed();
    void put(Node* n, uint32_t slot, Tensor g);
    void process(Node* n);
    void process_watched(Node* n);
    void push(Node* n);
    Node* pop();

    Walk w_;
    Pass pass_;
    Lists lists_;
    std::vector<Node*>& visited_ = lists_.visited;
    std::vector<Node*>& ready_ = lists_.ready;
    std::vector<Tensor>& out_ = lists_.out;
    std::vector<Tensor> captured_;
    std::unordered_map<Node*, Notes> elsewhere_;
};

Run::~Run() {
    for (Node* n : visited_) {
        if (n->run_.load(std::memory_order_relaxed) != this) continue;
        n->notes_ = Notes();
        n->run_.store(nullptr, std::memory_order_release);
    }
    constexpr size_t worth_keeping = 4096;
    if (visited_.capacity() > worth_keeping) return;
    visited_.clear();
    ready_.clear();
    out_.clear();
    spare_lists.push_back(std::move(lists_));
}

bool Run::enter(Node* n) {
    Run* holder = n->run_.load(std::memory_order_relaxed);
    if (holder == this) return false;
    if (!elsewhere_.empty() && elsewhere_.contains(n)) return false;      // whoever held it then may have gone since
    if (holder == nullptr && n->run_.compare_exchange_strong(holder, this, std::memory_order_acquire)) {
        visited_.push_back(n);
        return true;
    }
    elsewhere_.try_emplace(n);
    visited_.push_back(n);
    return true;
}

// Counts, for every node that can be reached, how many reached nodes hand it gradients.
void Run::discover() {
    std::vector<Node*>& stack = lists_.stack;
    for (const Edge& root : w_.roots)
        if (enter(root.node.get())) stack.push_back(root.node.get());
    while (!stack.empty()) {
        Node* n = stack.back();
        stack.pop_back();
        for (const Edge& e : n->edges()) {
            if (!e.node) continue;
            if (enter(e.node.get())) stack.push_back(e.node.get());
            ++notes(e.node.get()).dependencies;
        }
    }
}

// With `inputs` given, only nodes from which an input can be reached run.
void Run::find_needed() {
    std::vector<Node*> order;                         // each node after all that hand it gradients
    std::unordered_map<Node*, uint32_t> left;
    for (Node* n : visited_) {
        notes(n).needed = false;
        if (notes(n).dependencies == 0) order.push_back(n);
        else left[n] = notes(n).dependencies;
    }
    for (size_t i = 0; i < order.size(); ++i)
        for (const Edge& e : order[i]->edges())
            if (e.node && --left[e.node.get()] == 0) order.push_back(e.node.get());
    for (const Edge& e : w_.inputs) {
        auto found = std::find(visited_.begin(), visited_.end(), e.node.get());
        if (found == visited_.end()) continue;
        Notes& note = notes(*found);
        (w_.accumulate ? note.needed : note.captured) = true;
    }
    for (size_t i = order.size(); i-- > 0;)
        for (const Edge& e : order[i]->edges())
            if (e.node && (notes(e.node.get()).needed || notes(e.node.get()).captured))
                notes(order[i]).needed = true;
}

bool Run::reaches(Node* n) {
    if (n->run_.load(std::memory_order_relaxed) != this && !elsewhere_.contains(n)) return false;
    return notes(n).needed || notes(n).captured;
}

void Run::put(Node* n, uint32_t slot, Tensor g) {
    Notes& note = notes(n);
    if (n->result_count() > 1 && !note.all) note.all = std::make_unique<Tensor[]>(n->result_count());
    Tensor& place = n->result_count() > 1 ? note.all[slot] : note.first;
    place = place.defined() ? sum_of(std::move(place), g, pass_.create_graph) : std::move(g);
}

// The latest recorded node first: gradients are summed and freed early.
static bool earlier(const Node* a, const Node* b) { return a->sequence() < b->sequence(); }

void Run::push(Node* n) {
    ready_.push_back(n);
    std::push_heap(ready_.begin(), ready_.end(), earlier);
}

Node* Run::pop() {
    std::pop_heap(ready_.begin(), ready_.end(), earlier);
    Node* n = ready_.back();
    ready_.pop_back();
    return n;
}

void Run::process(Node* n) {
    Notes& note = notes(n);
    std::unique_ptr<Tensor[]> all = std::move(note.all);
    Tensor first = std::move(note.first);
    if (n->result_count() > 1 && !all) all = std::make_unique<Tensor[]>(n->result_count());
    std::span<Tensor> grads(n->result_count() > 1 ? all.get() : &first, n->result_count());
    n->run_hooks(grads);
    if (note.captured)
        for (size_t i = 0; i < w_.inputs.size(); ++i)
            if (w_.inputs[i].node.get() == n) captured_[i] = grads[w_.inputs[i].slot];
    if (!note.needed) return;
    std::span<const Edge> edges = n->edges();
    out_.clear();
    out_.resize(edges.size());
    const NodeExtras* extras = n->extras_if_any();
    bool keep = extras && !extras->post_hooks.empty();
    std::vector<Tensor> seen(keep ? grads.begin() : grads.end(), grads.end());
    n->apply(grads, out_, pass_);
    if (anomaly.enabled && anomaly.check_nan) [[unlikely]] refuse_nan(*n, out_);
    if (keep) extras->post_hooks.each([&](PostHook& hook, uint32_t) { hook.call(out_, seen); });
    all = nullptr;
    first = Tensor();
    for (size_t i = 0; i < edges.size(); ++i) {
        Node* to = edges[i].node.get();
        if (!to) continue;
        Notes& target = notes(to);
        if (out_[i].defined() && (target.needed || target.captured))
            put(to, edges[i].slot, std::move(out_[i]));
        if (--target.dependencies == 0 && (target.needed || target.captured)) push(to);
    }
}

void Run::process_watched(Node* n) {
    events::Span span(events::intern(n->name()), events::Kind::backward);
    events::set_sequence(int64_t(n->sequence()));
    process(n);
}

std::vector<Tensor> Run::go() {
    discover();
    captured_.resize(w_.accumulate ? 0 : w_.inputs.size());
    if (!w_.inputs.empty()) find_needed();
    GradMode recording(pass_.create_graph);
    WithoutAutocast within;
    WithoutInterpreter unlocked(visited_.size() > 64);
    for (size_t i = 0; i < w_.roots.size(); ++i)
        put(w_.roots[i].node.get(), w_.roots[i].slot, std::move(w_.grads[i]));
    for (Node* n : visited_) {
        Notes& note = notes(n);
        if (note.dependencies == 0 && (note.needed || note.captured)) push(n);
    }
    while (!ready_.empty()) {
        Node* n = pop();
        if (watched(watch_events)) [[unlikely]] process_watched(n);
        else process(n);
    }
    return std::move(captured_);
}

namespace {

struct Current {
    Run* run = nullptr;
    uint64_t number = 0;
};
thread_local Current current;
std::atomic<uint64_t> walks{0};

}  // namespace

uint64_t current_walk() { return current.number; }

bool Watch::will_run() {
    std::lock_guard guard(lock_);
    return node_ && current.run && current.run->reaches(node_);
}

std::vector<Tensor> walk(Walk&& w) {
    if (watched(watch_capture)) capture_observer.walk();
    Run run(std::move(w));
    struct Walking {
        explicit Walking(Run* run) : before(std::exchange(current, {run, ++walks})) {}
        ~Walking() { current = before; }
        Current before;
    } walking(&run);
    return run.go();
}

bool can_walk(TensorImpl& root) {
    std::vector<Node*> stack;
    std::unordered_set<Node*> seen;
    auto visit = [&](Node* n) { if (n && seen.insert(n).second) stack.push_back(n); };
    visit(grad_fn(root));
    while (!stack.empty()) {
        Node* n = stack.back();
        stack.pop_back();
        if (n->keeps()) return true;
        for (const Edge& e : n->edges()) visit(e.node.get());
    }
    return false;
}

Tensor first_gradient(const Tensor& root, const Tensor& given, size_t index) {
    require(root->tracked(), ErrorKind::runtime, "backward: element ", index, " of tensors, of shape ",
            root.sizes(), ", does not require grad and does not have a grad_fn");
    if (!given.defined()) {
        require(root.numel() == 1, ErrorKind::runtime, "backward: grad can be implicitly created only for "
                "scalar outputs; tensor ", index, " has shape ", root.sizes(), ": pass gradient=");
        require(!is_complex(root.dtype()), ErrorKind::runtime, "backward: grad can be implicitly created "
                "only for real scalar outputs; tensor ", index, " has dtype ", name_of(root.dtype()),
                ": pass gradient=");
        if (watched(watch_capture)) return primitive::ones(root.sizes(), root.dtype());
        Tensor one = empty_tensor(root.sizes(), root.dtype());
        copy_values(*one.impl(), *scalar_tensor(1.0, root.dtype()).impl());
        return one;
    }
    require(given.sizes() == root.sizes(), ErrorKind::runtime, "backward: Mismatch in shape: gradient ",
            index, " has shape ", given.sizes(), "; expected ", root.sizes(), ", the shape of the tensor");
    require(is_complex(given.dtype()) == is_complex(root.dtype()), ErrorKind::runtime, "backward: gradient ",
            index, " has dtype ", name_of(given.dtype()), " and the tensor ", name_of(root.dtype()),
            "; expected both real or both complex");
    return given.dtype() == root.dtype() ? given : primitive::to_dtype(given, root.dtype());
}

}  // namespace rushlight::autograd
