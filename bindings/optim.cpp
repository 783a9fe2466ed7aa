// rushlight._C.optim: one call updates all tensors of a parameter group. Lists are Python lists of tensors; the state
// tensors are those of the optimizer's state_dict.
#include <nanobind/nanobind.h>

#include <functional>

#include "base/events.h"
#include "base/interpreter.h"
#include "bindings/python.h"
#include "kernels/generic/optim.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

using kernels::TensorList;

// The tensors of one Python list, as the kernels want them.
class Column {
public:
    Column(const char* op, const char* name, nb::handle list, bool written) : op_(op), name_(name), written_(written) {
        if (list.is_none()) return;
        PyObject* fast = PySequence_Fast(list.ptr(), "expected a list of tensors");
        if (!fast) throw nb::python_error();
        Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
        tensors_.reserve(size_t(n));
        bool fine = true;
        for (Py_ssize_t i = 0; i < n && fine; ++i) {
            PyObject* item = PySequence_Fast_GET_ITEM(fast, i);
            fine = is_tensor(item);
            if (fine) tensors_.push_back(tensor_of(item));
        }
        Py_DECREF(fast);
        require(fine, ErrorKind::type, op, ": ", name, " must be a list of tensors");
        given_ = true;
    }

    bool given() const { return given_; }
    size_t size() const { return tensors_.size(); }
    const Tensor& operator[](size_t i) const { return tensors_[i]; }

    // Element-wise kernels walk memory in order: every tensor must lie as its parameter does, without gaps.
    void match(const Column& params) {
        if (!given_) return;
        require(size() == params.size(), ErrorKind::runtime, op_, ": ", name_, " has ", size(), " tensors and params ",
                params.size());
        originals_.resize(size());
        for (size_t i = 0; i < size(); ++i) {
            const Tensor& p = params[i];
            Tensor& t = tensors_[i];
            require(t.sizes() == p.sizes(), ErrorKind::runtime, op_, ": ", name_, "[", i, "] has shape ", t.sizes(),
                    "; expected ", p.sizes(), ", the shape of its parameter");
            require(t.dtype() == p.dtype(), ErrorKind::runtime, op_, ": ", name_, "[", i, "] has dtype ",
                    name_of(t.dtype()), "; expected ", name_of(p.dtype()), ", the dtype of its parameter");
            require(!written_ || !t->storage->read_only(), ErrorKind::runtime, op_, ": ", name_, "[", i,
                    "] shares read-only memory and can't be written");
            if (lies_as(t, p)) continue;
            Tensor copy = empty_tensor(p.sizes(), p.dtype());
            if (!p.contiguous()) copy = alias(copy, p.sizes(), dense_strides(*p.impl()), 0);
            copy_values(*copy.impl(), *t.impl());
            originals_[i] = std::exchange(t, copy);
        }
    }

    void** pointers() {
        if (!given_) return nullptr;
        pointers_.clear();
        for (const Tensor& t : tensors_) pointers_.push_back(t.data());
        return pointers_.data();
    }

    void finish() {
        if (!given_ || !written_) return;
        for (size_t i = 0; i < size(); ++i) {
            if (i < originals_.size() && originals_[i].defined())
                copy_values(*originals_[i].impl(), *tensors_[i].impl());
            (i < originals_.size() && originals_[i].defined() ? originals_[i] : tensors_[i])->storage->bump();
        }
    }

private:
    static bool lies_as(const Tensor& t, const Tensor& p) {
        if (t.contiguous() && p.contiguous()) return true;
        return t.strides() == p.strides() && p.strides() == dense_strides(*p.impl());
    }

    const char* op_;
    const char* name_;
    bool written_, given_ = false;
    std::vector<Tensor> tensors_, originals_;
    std::vector<void*> pointers_;
};

struct Update {
    const char* op;
    Column params, grads;
    std::vector<int64_t> sizes;
    events::Span span;

    Update(const char* name, nb::handle p, nb::handle g)
        : op(name), params(name, "params", p, true), grads(name, "grads", g, false), span(name, events::Kind::op) {
        for (size_t i = 0; i < params.size(); ++i) {
            require(is_floating(params[i].dtype()), ErrorKind::runtime, op, ": params[", i, "] has dtype ",
                    name_of(params[i].dtype()), "; expected a floating dtype");
            sizes.push_back(params[i].numel());
        }
        params.match(params);
        grads.match(params);
    }

    // Runs `step(list, first)` for each run of tensors of one dtype and one step count. The states have been matched.
    void run(std::vector<Column*> states, const std::vector<float>& steps,
             const std::function<void(const TensorList&, size_t)>& step) {
        int64_t elements = 0;
        for (int64_t n : sizes) elements += n;
        {
            WithoutInterpreter unlocked(elements > 20000);
            for (size_t i = 0; i < params.size();) {
                size_t end = i + 1;
                while (end < params.size() && params[end].dtype() == params[i].dtype() &&
                       (steps.empty() || steps[end] == steps[i]))
                    ++end;
                step({int64_t(end - i), sizes.data() + i, params[i].dtype()}, i);
                i = end;
            }
        }
        params.finish();
        for (Column* c : states) c->finish();
    }
};

// Adds one to each step count (float32 tensors of one element, as in PyTorch's state) and returns the new counts.
std::vector<float> advance(const char* op, Column& steps, size_t n) {
    require(steps.size() == n, ErrorKind::runtime, op, ": steps has ", steps.size(), " tensors and params ", n);
    std::vector<float> out;
    for (size_t i = 0; i < steps.size(); ++i) {
        require(steps[i].numel() == 1 && steps[i].dtype() == DType::float32, ErrorKind::runtime, op, ": steps[", i,
                "] must be a float32 tensor of one element");
        require(!steps[i]->storage->read_only(), ErrorKind::runtime, op, ": steps[", i,
                "] shares read-only memory and can't be written");
        out.push_back(*steps[i].data_as<float>() += 1);
        steps[i]->storage->bump();
    }
    return out;
}

void sgd(nb::handle params, nb::handle grads, nb::handle buffers, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize) {
    Update u("sgd_", params, grads);
    Column m(u.op, "momentum_buffers", buffers, true);
    m.match(u.params);
    void** p = u.params.pointers();
    void** g = u.grads.pointers();
    void** b = m.pointers();
    u.run({&m}, {}, [&](const TensorList& list, size_t at) {
        kernels::sgd_step(list, p + at, g + at, b ? b + at : nullptr,
                          {lr, momentum, dampening, weight_decay, nesterov, maximize, false});
    });
}

void adam(nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_avg_sqs, nb::handle max_exp_avg_sqs,
          nb::handle steps, double lr, double beta1, double beta2, double eps, double weight_decay, bool decoupled,
          bool maximize) {
    Update u("adam_", params, grads);
    Column first(u.op, "exp_avgs", exp_avgs, true), second(u.op, "exp_avg_sqs", exp_avg_sqs, true),
        largest(u.op, "max_exp_avg_sqs", max_exp_avg_sqs, true);
    Column counts(u.op, "steps", steps, true);
    for (Column* c : {&first, &second, &largest}) c->match(u.params);
    std::vector<float> step = advance(u.op, counts, u.params.size());
    void **p = u.params.pointers(), **g = u.grads.pointers(), **m = first.pointers(), **v = second.pointers(),
         **w = largest.pointers();
    u.run({&first, &second, &largest}, step, [&](const TensorList& list, size_t at) {
        kernels::AdamStep s = {lr,        beta1,        beta2,   eps, weight_decay, int64_t(step[at]),
                               decoupled, w != nullptr, maximize};
        kernels::adam_step(list, p + at, g + at, m + at, v + at, w ? w + at : nullptr, s);
    });
}

void rmsprop(nb::handle params, nb::handle grads, nb::handle square_avgs, nb::handle grad_avgs,
             nb::handle momentum_buffers, nb::handle steps, double lr, double alpha, double eps, double weight_decay,
             double momentum, bool maximize) {
    Update u("rmsprop_", params, grads);
    Column square(u.op, "square_avgs", square_avgs, true), average(u.op, "grad_avgs", grad_avgs, true),
        m(u.op, "momentum_buffers", momentum_buffers, true);
    Column counts(u.op, "steps", steps, true);
    for (Column* c : {&square, &average, &m}) c->match(u.params);
    advance(u.op, counts, u.params.size());
    void **p = u.params.pointers(), **g = u.grads.pointers(), **s = square.pointers(), **a = average.pointers(),
         **b = m.pointers();
    u.run({&square, &average, &m}, {}, [&](const TensorList& list, size_t at) {
        kernels::RmspropStep step = {lr, alpha, eps, weight_decay, momentum, a != nullptr, maximize};
        kernels::rmsprop_step(list, p + at, g + at, s + at, a ? a + at : nullptr, b ? b + at : nullptr, step);
    });
}

void adagrad(nb::handle params, nb::handle grads, nb::handle sums, nb::handle steps, double lr, double lr_decay,
             double weight_decay, double eps, bool maximize) {
    Update u("adagrad_", params, grads);
    Column sum(u.op, "sums", sums, true), counts(u.op, "steps", steps, true);
    sum.match(u.params);
    std::vector<float> step = advance(u.op, counts, u.params.size());
    void **p = u.params.pointers(), **g = u.grads.pointers(), **s = sum.pointers();
    u.run({&sum}, step, [&](const TensorList& list, size_t at) {
        kernels::adagrad_step(list, p + at, g + at, s + at,
                              {lr, lr_decay, weight_decay, eps, int64_t(step[at]), maximize});
    });
}

}  // namespace

void add_optim(nb::module_& m) {
    nb::module_ o = m.def_submodule("optim", "Fused optimizer updates.");
    o.def("sgd_", &sgd, nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg());
    o.def("adam_", &adam, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg());
    o.def("rmsprop_", &rmsprop, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(),
          nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg());
    o.def("adagrad_", &adagrad);
}

}  // namespace rushlight::python
