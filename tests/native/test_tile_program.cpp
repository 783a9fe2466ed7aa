// Programs of random steps over operands of random strides, against the same tile functions called for one element at
// a time, and reductions of what those give. Guards around every output must survive.
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/parallel.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/tile_program.h"
#include "tests/native/check.h"

namespace rushlight {

DECLARE_POINTWISE_KERNELS(add);
DECLARE_POINTWISE_KERNELS(mul);
DECLARE_POINTWISE_KERNELS(pow);
DECLARE_POINTWISE_KERNELS(sigmoid);
DECLARE_POINTWISE_KERNELS(lt);
DECLARE_POINTWISE_KERNELS(where);

static std::mt19937_64 random_bits(11);
static int64_t below(int64_t n) { return int64_t(random_bits() % uint64_t(n)); }

using kernels::Reduction;

// Memory of a tensor of any strides, within guards.
struct Block {
    DType dtype;
    Dims sizes, strides;
    std::vector<unsigned char> bytes;
    static constexpr int64_t guard = 64;

    Block(DType t, const Dims& s, bool written, int fixed) : dtype(t), sizes(s), strides(s.size(), 0) {
        std::vector<int> order;
        for (int d = s.size() - 1; d >= 0; --d) order.push_back(d);
        if (!fixed && below(3) == 0) std::shuffle(order.begin(), order.end(), random_bits);
        int64_t span = 1, gap = below(3) == 0 && !fixed ? 2 : 1;
        for (int d : order) {
            if (!written && below(6) == 0) continue;                   // broadcast
            strides[d] = span * gap;
            span = strides[d] * s[d];
        }
        bytes.assign(size_t(span * size_of(t) + 2 * guard), 0xa5);
    }
    void* data() { return bytes.data() + guard; }
    char* at(int64_t index) {
        int64_t offset = 0;
        for (int d = sizes.size() - 1; d >= 0; --d) {
            offset += index % sizes[d] * strides[d];
            index /= sizes[d];
        }
        return reinterpret_cast<char*>(data()) + offset * size_of(dtype);
    }
};

struct Trialled {
    DType dtype;
    int reg;
    bool by_row;
    std::vector<char> bytes;                                           // in the order of the elements
    char* at(int64_t i) { return bytes.data() + i * size_of(dtype); }
};

class Trial {
public:
    Trial() {
        static const int64_t choices[] = {1, 2, 3, 7, 16, 33, 130, 600};
        int rank = int(below(4));
        for (int d = 0; d < rank; ++d) {
            sizes_.push_back(n_ > 2000 ? 1 + below(3) : choices[below(8)]);
            n_ *= sizes_.back();
        }
        reduced_ = rank ? int(below(rank + 1)) : 0;
        for (int d = rank - reduced_; d < rank; ++d) row_ *= sizes_[d];
        program_ = std::make_unique<TileProgram>(sizes_, reduced_);
        values_.reserve(64);
    }

    void run() {
        for (int64_t i = 1 + below(3); i > 0; --i) input();
        for (int64_t i = 1 + below(10); i > 0; --i) step();
        for (int64_t i = 1 + below(3); i > 0; --i) output(values_[size_t(below(int64_t(values_.size())))]);
        if (!program_->finish()) return;
        std::vector<void*> memory;
        for (auto& block : blocks_) memory.push_back(block->data());
        program_->run(memory.data());
        for (auto [block, value] : outputs_) compare(*block, values_[value]);
        ++finished;
    }
    static inline int finished = 0;

private:
    Trialled& any(bool by_row) {
        std::vector<size_t> found;
        for (size_t i = 0; i < values_.size(); ++i)
            if (values_[i].by_row == by_row) found.push_back(i);
        return values_[found[size_t(below(int64_t(found.size())))]];
    }
    bool has_rows() const {
        return std::any_of(values_.begin(), values_.end(), [](const Trialled& v) { return v.by_row; });
    }
    void input() {
        static const DType dtypes[] = {DType::float32, DType::float32, DType::float64, DType::int32};
        auto block = std::make_unique<Block>(dtypes[below(4)], sizes_, false, reduced_);
        for (int64_t i = 0; i < n_; ++i) {
            double x = double(below(4001) - 2000) / 500;
            if (block->dtype == DType::float32) *reinterpret_cast<float*>(block->at(i)) = float(x);
            else if (block->dtype == DType::float64) *reinterpret_cast<double*>(block->at(i)) = x;
            else *reinterpret_cast<int32_t*>(block->at(i)) = int32_t(x);
        }
        Trialled v{block->dtype, program_->input(block->dtype, block->strides), false, {}};
        v.bytes.resize(size_t(n_ * size_of(v.dtype)));
        for (int64_t i = 0; i < n_; ++i) std::memcpy(v.at(i), block->at(i), size_t(size_of(v.dtype)));
        values_.push_back(std::move(v));
        blocks_.push_back(std::move(block));
    }
    Trialled cast(const Trialled& from, DType to) {
        Trialled v{to, program_->cast(from.reg, to), from.by_row, from.bytes};
        if (to == from.dtype) return v;
        int64_t n = from.by_row ? n_ / row_ : n_;
        v.bytes.resize(size_t(n * size_of(to)));
        cast_table.active().fn[int(to)][int(from.dtype)](n, v.bytes.data(), from.bytes.data());
        return v;
    }
    void step() {
        bool by_row = has_rows() && below(3) == 0;
        int64_t what = below(reduced_ ? 9 : 6);
        if (what >= 7 || (what == 6 && !has_rows())) return reduce();
        if (what == 6) return spread();
        const PointwiseSet* sets[] = {&pointwise_add, &pointwise_mul, &pointwise_pow, &pointwise_sigmoid, &pointwise_lt,
                                      &pointwise_where};
        const PointwiseKernels& kernels = sets[what]->active();
        std::vector<Trialled> in;
        std::vector<int> registers;
        for (int k = 0; k < kernels.inputs; ++k) {
            in.push_back(cast(any(by_row), kernels.boolean_first_input && k == 0 ? DType::boolean : DType::float32));
            registers.push_back(in.back().reg);
        }
        double params[param_slots] = {1};
        DType gives = kernels.boolean_result ? DType::boolean : DType::float32;
        TileFn fn = kernels.forward[int(DType::float32)];
        Trialled out{gives, program_->call(fn, registers, gives, params), by_row, {}};
        int64_t n = by_row ? n_ / row_ : n_;
        out.bytes.resize(size_t(n * size_of(gives)));
        for (int64_t i = 0; i < n; ++i) {
            const void* at[4] = {};
            for (size_t k = 0; k < in.size(); ++k) at[k] = in[k].at(i);
            fn(1, out.at(i), at, params);
        }
        values_.push_back(std::move(out));
    }
    void reduce() {
        static const Reduction ops[] = {Reduction::sum, Reduction::mean, Reduction::amax, Reduction::any};
        Reduction op = ops[below(4)];
        Trialled from = cast(any(false), DType::float32);
        DType gives = op == Reduction::any ? DType::boolean : DType::float32;
        Trialled out{gives, program_->reduce(op, from.reg, gives), true, {}};
        out.bytes.resize(size_t(n_ / row_ * size_of(gives)));
        kernels::reduce(op, from.bytes.data(), from.dtype, out.bytes.data(), gives, {n_ / row_, row_, 1});
        values_.push_back(std::move(out));
    }
    void spread() {
        Trialled& from = any(true);
        Trialled out{from.dtype, program_->spread(from.reg), false, {}};
        out.bytes.resize(size_t(n_ * size_of(out.dtype)));
        for (int64_t i = 0; i < n_; ++i) std::memcpy(out.at(i), from.at(i / row_), size_t(size_of(out.dtype)));
        values_.push_back(std::move(out));
    }
    void output(Trialled& from) {
        Trialled v = from;
        if (v.dtype == DType::boolean) return;
        v.reg = program_->convert(from.reg, DType::float64);
        v.dtype = DType::float64;
        int64_t n = v.by_row ? n_ / row_ : n_;
        v.bytes.resize(size_t(n * 8));
        cast_table.active().fn[int(DType::float64)][int(from.dtype)](n, v.bytes.data(), from.bytes.data());
        Dims own = sizes_;
        for (int d = sizes_.size() - reduced_; v.by_row && d < sizes_.size(); ++d) own[d] = 1;
        blocks_.push_back(std::make_unique<Block>(v.dtype, own, true, reduced_));
        Dims strides = blocks_.back()->strides;
        for (int d = 0; d < own.size(); ++d) strides[d] = v.by_row && own[d] == 1 ? 0 : strides[d];
        program_->output(v.reg, strides, false);
        values_.push_back(std::move(v));
        outputs_.emplace_back(blocks_.back().get(), values_.size() - 1);
    }
    void compare(Block& block, Trialled& value) {
        int64_t n = value.by_row ? n_ / row_ : n_;
        std::vector<unsigned char> untouched(block.bytes.size(), 0xa5);
        for (int64_t i = 0; i < n; ++i) {
            double got, expected;                        // which NaN an addition of two gives, the compiler chooses
            std::memcpy(&got, block.at(i), 8);
            std::memcpy(&expected, value.at(i), 8);
            CHECK(std::memcmp(&got, &expected, 8) == 0 || (got != got && expected != expected));
            std::memset(block.at(i), 0xa5, 8);
        }
        CHECK(block.bytes == untouched);
    }

    Dims sizes_;
    int64_t n_ = 1, row_ = 1;
    int reduced_ = 0;
    std::unique_ptr<TileProgram> program_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<Trialled> values_;
    std::vector<std::pair<Block*, size_t>> outputs_;
};

}  // namespace rushlight

int main() {
    for (int i = 0; i < 4000; ++i) rushlight::Trial().run();
    CHECK(rushlight::Trial::finished > 2000);
    return checks_failed();
}
