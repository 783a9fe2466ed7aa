// The steps of a recurrent layer once more, one operator after the other, and back again.
#include "ops/recurrent.h"

#include <string_view>
#include <vector>

#include "ops/algebra.h"

namespace rushlight {

namespace {

// What a step has computed and its gradient reads.
struct Step {
    Tensor state, cell;                    // the old ones
    Tensor gates[4];                       // LSTM: i, f, g, o; GRU: r, z, n, the products of n; else the new state
    Tensor new_cell;                       // tanh of it
};

class Steps {
public:
    explicit Steps(const Vjp& d)
        : gates_(d.input(0)), weight_(d.input(3)), bias_(d.input(4)), mode_(d[5].to_string()),
          reverse_(d[6].to_bool()), hidden_(d.sizes(3)[1]), state_(d.input(1)), cell_(d.input(2)) {
        packed_ = !d[7].is_none();
        if (packed_) {
            int64_t row = 0;
            for (int64_t n : d[7].to_ints()) {
                first_.push_back(row);
                size_.push_back(n);
                row += n;
            }
        } else {
            for (int64_t t = 0; t < gates_.size(0); ++t) size_.push_back(gates_.size(1));
        }
    }

    void forward() {
        steps_.resize(size_.size());
        for (size_t i = 0; i < size_.size(); ++i) {
            size_t t = reverse_ ? size_.size() - 1 - i : i;
            Step& s = steps_[t];
            s.state = top(state_, size_[t]);
            if (cell_.defined()) s.cell = top(cell_, size_[t]);
            Tensor cell, state = run(s, rows(gates_, t), cell);
            state_ = replaced(state_, state);
            if (cell_.defined()) cell_ = replaced(cell_, cell);
        }
    }

    // The gradients go where `d` wants them.
    void backward(Vjp& d) {
        Tensor dh = d.grad(1).defined() ? d.grad(1) : zeros(state_.sizes(), state_.dtype()), dc, dw, db;
        if (cell_.defined()) dc = d.grad(2).defined() ? d.grad(2) : zeros(cell_.sizes(), cell_.dtype());
        std::vector<Tensor> grads(size_.size());
        for (size_t i = 0; i < size_.size(); ++i) {
            size_t t = reverse_ ? i : size_.size() - 1 - i;
            const Step& s = steps_[t];
            Tensor dy = top(dh, size_[t]), products, direct, cell = dc.defined() ? top(dc, size_[t]) : Tensor();
            if (d.grad(0).defined()) dy = add(dy, rows(d.grad(0), t));
            grads[t] = slopes(s, dy, cell, products, direct);
            Tensor back = matmul(products, weight_);
            dh = replaced(dh, direct.defined() ? add(direct, back) : back);
            if (cell.defined()) dc = replaced(dc, cell);
            Tensor of_weight = matmul(transpose(products, 0, 1), s.state);
            dw = dw.defined() ? add(dw, of_weight) : of_weight;
            if (bias_.defined()) db = db.defined() ? add(db, sum(products, int64_t(0))) : sum(products, int64_t(0));
            if (!packed_) grads[t] = unsqueeze(grads[t], 0);
        }
        d.to(0, cat(grads, 0));
        if (d.needs(1)) d.to(1, dh);
        if (d.needs(2)) d.to(2, dc);
        if (d.needs(3)) d.to(3, dw);
        if (d.needs(4)) d.to(4, db);
    }

private:
    Tensor rows(const Tensor& all, size_t t) const {
        return packed_ ? narrow(all, 0, first_[t], size_[t]) : select(all, 0, int64_t(t));
    }
    static Tensor top(const Tensor& x, int64_t count) { return count == x.size(0) ? x : narrow(x, 0, 0, count); }
    // The first rows of `x` become `fresh`.
    static Tensor replaced(const Tensor& x, const Tensor& fresh) {
        int64_t count = fresh.size(0), rest = x.size(0) - count;
        if (rest == 0) return fresh;
        Tensor parts[] = {fresh, narrow(x, 0, count, rest)};
        return cat(parts, 0);
    }
    Tensor part(const Tensor& x, int64_t i) const { return narrow(x, 1, i * hidden_, hidden_); }
    static Tensor side_by_side(std::initializer_list<Tensor> parts) {
        return cat(std::span<const Tensor>(parts.begin(), parts.size()), 1);
    }

    Tensor run(Step& s, const Tensor& x, Tensor& cell) const {
        Tensor q = matmul(s.state, transpose(weight_, 0, 1));
        Tensor* gate = s.gates;
        if (mode_ == "lstm") {
            Tensor a = x + q;
            for (int i : {0, 1, 3}) gate[i] = sigmoid(part(a, i));
            gate[2] = tanh(part(a, 2));
            cell = gate[1] * s.cell + gate[0] * gate[2];
            s.new_cell = tanh(cell);
            return gate[3] * s.new_cell;
        }
        if (mode_ == "gru") {
            if (bias_.defined()) q = q + bias_;
            for (int i : {0, 1}) gate[i] = sigmoid(part(x, i) + part(q, i));
            gate[3] = part(q, 2);
            gate[2] = tanh(part(x, 2) + gate[0] * gate[3]);
            return (s.state - gate[2]) * gate[1] + gate[2];
        }
        return gate[0] = mode_ == "relu" ? relu(x + q) : tanh(x + q);
    }

    // The gradient of the input's part of the gates, and of the state's; `direct`: of the state itself. `dc` becomes
    // that of the old cell.
    Tensor slopes(const Step& s, const Tensor& dy, Tensor& dc, Tensor& products, Tensor& direct) const {
        const Tensor* gate = s.gates;
        if (mode_ == "lstm") {
            const Tensor &i = gate[0], &f = gate[1], &g = gate[2], &o = gate[3];
            Tensor c = dc + dy * o * (1.0 - square(s.new_cell));
            products = side_by_side({c * g * i * (1.0 - i), c * s.cell * f * (1.0 - f), c * i * (1.0 - square(g)),
                                     dy * s.new_cell * o * (1.0 - o)});
            dc = c * f;
            return products;
        }
        if (mode_ == "gru") {
            const Tensor &r = gate[0], &z = gate[1], &n = gate[2];
            Tensor dn = dy * (1.0 - z) * (1.0 - square(n)), dz = dy * (s.state - n) * z * (1.0 - z);
            Tensor dr = dn * gate[3] * r * (1.0 - r);
            products = side_by_side({dr, dz, dn * r});
            direct = dy * z;
            return side_by_side({dr, dz, dn});
        }
        products = mode_ == "relu" ? masked_fill(dy, gate[0] <= 0.0, 0) : dy * (1.0 - square(gate[0]));
        return products;
    }

    Tensor gates_, weight_, bias_;
    std::string_view mode_;
    bool reverse_, packed_ = false;
    int64_t hidden_;
    Tensor state_, cell_;
    std::vector<int64_t> first_, size_;
    std::vector<Step> steps_;
};

}  // namespace

void composed_recurrence_grad(Vjp& d) {
    Steps steps(d);
    steps.forward();
    steps.backward(d);
}

}  // namespace rushlight
