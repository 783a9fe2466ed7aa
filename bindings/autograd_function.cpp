// Custom functions written in Python: a node that owns the context and calls the class's backward.
#include <optional>

#include "autograd/anomaly.h"
#include "autograd/op_node.h"
#include "autograd/primitives.h"
#include "autograd/saved_tensor.h"
#include "autograd/variable.h"
#include "bindings/autograd.h"
#include "registry/mode.h"

namespace nb = nanobind;

namespace rushlight::python {

using namespace autograd;

namespace {

struct Meta {
    Dims sizes;
    DType dtype = DType::float32;
    bool tensor = false;
};

class FunctionNode final : public Node {
public:
    FunctionNode(PyObject* context, std::string name)
        : Node(sizeof(FunctionNode), next_sequence()), context_(context), name_(std::move(name)) {
        auto* o = reinterpret_cast<NodeObject*>(context);
        o->node = this;
        o->owned = false;
        python = context;
    }

    ~FunctionNode() override {
        Interpreter lock;
        if (lock.alive()) reinterpret_cast<NodeObject*>(context_.get())->node = nullptr;
    }

    void apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) override;
    std::string name() const override { return name_; }
    void cut_history_of(const TensorImpl& t) override {
        for (auto& saved : saved_) if (saved) saved->cut_history_of(t);
    }

    void add_input(PyObject* o) {                        // by argument: a tensor has an edge
        bool tensor = is_tensor(o);
        edge_of_argument_.push_back(tensor ? int(own_edges_.size()) : -1);
        if (!tensor) return;
        TensorImpl& t = *impl_of(o);
        own_edges_.push_back(gradient_edge(t));
        inputs_.push_back({t.sizes, t.dtype, true});
        edges_ = own_edges_.data();
        edge_count_ = uint32_t(own_edges_.size());
    }
    void add_result(const Tensor& t) {
        results_.push_back(t.defined() ? Meta{t.sizes(), t.dtype(), true} : Meta{});
    }
    void close(bool materialize) {
        result_count_ = uint32_t(results_.size());
        materialize_ = materialize;
        if (anomaly.enabled) note_origin(*this);
    }
    void save(const Tensor& t, int slot) {
        if (t.defined()) saved_.emplace_back(SavedTensor(t, slot, name_.c_str()));
        else saved_.emplace_back(std::nullopt);
    }
    PyObject* open_saved() {
        if (freed_) fail_second_walk(name_);
        std::vector<Tensor> tensors;
        for (size_t i = 0; i < saved_.size(); ++i)
            tensors.push_back(saved_[i] ? saved_[i]->open(Ref<Node>(this), i) : Tensor());
        return tensor_tuple(tensors);
    }

    bool keeps() const override { return !freed_ && !saved_.empty(); }

private:
    void take_results(PyObject* given, std::span<Tensor> out);
    Tensor match(PyObject* given, size_t argument, const Meta& meta) const;

    Held context_;
    std::string name_;
    std::vector<Edge> own_edges_;
    std::vector<int> edge_of_argument_;
    std::vector<Meta> inputs_, results_;
    std::vector<std::optional<SavedTensor>> saved_;
    bool materialize_ = true, freed_ = false;
};

void FunctionNode::apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) {
    Interpreter lock;
    if (freed_) fail_second_walk(name_);
    std::vector<Tensor> given(grads.begin(), grads.end());
    for (size_t i = 0; materialize_ && i < given.size(); ++i) {
        if (given[i].defined() || !results_[i].tensor) continue;
        given[i] = primitive::zeros(results_[i].sizes, results_[i].dtype);
    }
    nb::object shown = checked(tensor_tuple(given));
    given.clear();
    nb::object returned = checked(PyObject_CallMethod(context_.get(), "_run_backward", "(O)", shown.ptr()));
    take_results(returned.ptr(), out);
    if (pass.keep_graph || saved_.empty()) return;
    saved_.clear();
    freed_ = true;
}

Tensor FunctionNode::match(PyObject* given, size_t argument, const Meta& meta) const {
    require(is_tensor(given), ErrorKind::type, name_, ": backward returned ", Py_TYPE(given)->tp_name,
            " for argument ", argument, "; expected a Tensor or None");
    Tensor g = tensor_of(given);
    if (g.sizes() != meta.sizes) {
        bool fits = g.rank() >= meta.sizes.size();
        for (int i = 0; fits && i < meta.sizes.size(); ++i) {
            int64_t own = meta.sizes[meta.sizes.size() - 1 - i];
            fits = own == 1 || own == g.size(g.rank() - 1 - i);
        }
        require(fits, ErrorKind::runtime, name_, ": backward returned a gradient of shape ", g.sizes(),
                " for argument ", argument, "; expected ", meta.sizes, ", the argument's shape");
        g = primitive::sum_to(g, meta.sizes);
    }
    if (is_complex(g.dtype()) && !is_complex(meta.dtype))
        g = primitive::select_last(primitive::view_as_real(g), 0);
    return g.dtype() == meta.dtype ? g : primitive::to_dtype(g, meta.dtype);
}

void FunctionNode::take_results(PyObject* given, std::span<Tensor> out) {
    bool tuple = PyTuple_Check(given);
    size_t n = tuple ? size_t(PyTuple_GET_SIZE(given)) : 1, expected = edge_of_argument_.size();
    auto item = [&](size_t i) { return tuple ? PyTuple_GET_ITEM(given, Py_ssize_t(i)) : given; };
    size_t trailing = n;
    while (trailing > expected && item(trailing - 1) == Py_None) --trailing;
    require(trailing == expected, ErrorKind::runtime, name_, ": backward returned an incorrect number of "
            "gradients (expected ", expected, ", one for each argument of forward; got ", n, ")");
    for (size_t i = 0; i < expected; ++i) {
        if (item(i) == Py_None) continue;
        int edge = edge_of_argument_[i];
        require(edge >= 0, ErrorKind::runtime, name_, ": backward returned a gradient for argument ", i,
                ", which is not a Tensor; expected None");
        if (own_edges_[size_t(edge)].node) out[size_t(edge)] = match(item(i), i, inputs_[size_t(edge)]);
    }
}

bool contains(PyObject* tuple, PyObject* o) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) if (PyTuple_GET_ITEM(tuple, i) == o) return true;
    return false;
}

int place_in(PyObject* tuple, TensorImpl* t) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i)
        if (is_tensor(PyTuple_GET_ITEM(tuple, i)) && impl_of(PyTuple_GET_ITEM(tuple, i)) == t) return int(i);
    return -1;
}

// One result as the caller gets it, with its place on the tape.
Tensor place_result(FunctionNode& node, PyObject* o, int slot, PyObject* inputs, PyObject* dirty,
                    PyObject* apart) {
    Tensor t = tensor_of(o);
    bool is_input = place_in(inputs, t.impl()) >= 0;
    bool constant = contains(apart, o) || !is_differentiable(t.dtype());
    if (contains(dirty, o)) {
        require(is_input, ErrorKind::runtime, node.name(), ": mark_dirty was given a result that is not an "
                "argument");
        if (!constant) rebase(*t.impl(), Ref<Node>(&node), uint32_t(slot));
        return t;
    }
    // the argument keeps its own place
    if (is_input) t = view_of(*t.impl(), t.sizes(), t.strides(), t->offset);
    else if (t->tracked()) t = detach(t);
    if (t->base) t->view_flags |= view_of_function;
    if (!constant) set_history(*t.impl(), Ref<Node>(&node), uint32_t(slot));
    return t;
}

// link(context, name, inputs, results, dirty, apart, saved, materialize) -> results. All but the name and
// the flag are tuples of any objects; `results` holds what forward returned.
nb::object link(nb::object context, const char* name, nb::tuple inputs, nb::tuple results, nb::tuple dirty,
                nb::tuple apart, nb::tuple saved,
                bool materialize) {
    for (nb::handle o : dirty)
        if (is_tensor(o.ptr())) check_recorded_write(*impl_of(o.ptr()), name);
    note_function(name);
    Ref<FunctionNode> node(make_node<FunctionNode>(context.ptr(), name));
    for (nb::handle o : inputs) node->add_input(o.ptr());
    for (nb::handle o : results) node->add_result(is_tensor(o.ptr()) ? tensor_of(o.ptr()) : Tensor());
    node->close(materialize);
    for (nb::handle o : dirty) {
        int place = is_tensor(o.ptr()) ? place_in(results.ptr(), impl_of(o.ptr())) : -1;
        require(place >= 0, ErrorKind::runtime, name,
                ": an argument given to mark_dirty was not returned by forward");
    }
    for (nb::handle o : saved) {
        require(o.is_none() || is_tensor(o.ptr()), ErrorKind::type, name, ": save_for_backward takes Tensors "
                "and None, not ", Py_TYPE(o.ptr())->tp_name);
        Tensor t = o.is_none() ? Tensor() : tensor_of(o.ptr());
        int slot = t.defined() ? place_in(results.ptr(), t.impl()) : -1;
        bool own = slot >= 0 && (place_in(inputs.ptr(), t.impl()) < 0 || contains(dirty.ptr(), o.ptr()));
        node->save(t, own ? slot : -1);
    }
    nb::list out;
    int slot = 0;
    for (nb::handle o : results) {
        if (is_tensor(o.ptr()))
            out.append(nb::cast(place_result(*node, o.ptr(), slot, inputs.ptr(), dirty.ptr(), apart.ptr())));
        else out.append(o);
        ++slot;
    }
    return nb::tuple(out);
}

// ---- hooks on saved tensors ----------------------------------------------------------------------

struct HookPair {
    std::shared_ptr<Held> pack, unpack;
};
thread_local std::vector<HookPair> saved_hooks;

struct PyPacked final : Packed {
    PyPacked(PyObject* o, std::shared_ptr<Held> f) : packed(o), unpack_function(std::move(f)) {}
    Tensor unpack() override {
        Interpreter lock;
        nb::object t = checked(PyObject_CallOneArg(unpack_function->get(), packed.get()));
        require(is_tensor(t.ptr()), ErrorKind::type, "saved_tensors_hooks: unpack_hook returned ",
                Py_TYPE(t.ptr())->tp_name, "; expected a Tensor");
        return tensor_of(t.ptr());
    }
    Held packed;
    std::shared_ptr<Held> unpack_function;
};

std::shared_ptr<Packed> pack_with_hooks(const Tensor& t) {
    Interpreter lock;
    HookPair hooks = saved_hooks.back();
    // what the hook computes is not packed in turn
    PackFunction before = std::exchange(pack_saved, nullptr);
    nb::object packed = nb::steal(PyObject_CallOneArg(hooks.pack->get(), checked(wrap(t)).ptr()));
    pack_saved = before;
    if (!packed.is_valid()) throw PythonError();         // into the recorded operation's caller, as it is
    return std::make_shared<PyPacked>(packed.ptr(), hooks.unpack);
}

}  // namespace

void add_functions(nb::module_& m) {
    m.def("_link_function", &link);
    m.def("_open_saved", [](nb::object context) -> nb::object {
        auto* node = reinterpret_cast<NodeObject*>(context.ptr())->node;
        if (!node) return nb::none();
        return checked(static_cast<FunctionNode*>(node)->open_saved());
    });
    m.def("_bump_version", [](Tensor t) { t->storage->bump(); });
    m.def("_push_saved_hooks", [](nb::object pack, nb::object unpack) {
        saved_hooks.push_back({std::make_shared<Held>(pack.ptr()), std::make_shared<Held>(unpack.ptr())});
        pack_saved = pack_with_hooks;
    });
    m.def("_pop_saved_hooks", [] {
        saved_hooks.pop_back();
        if (saved_hooks.empty()) pack_saved = nullptr;
    });
}

}  // namespace rushlight::python
