// Adafactor's step (Shazeer and Stern, 2018): squares of the gradient are kept as one number per row and per column.
// Three passes over the gradient: its squares, the size of the step, the step.
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/optim.h"
#include "kernels/generic/reduce_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t piece_size = 1 << 15;

double value_at(const void* p, DType t, int64_t i) {
    switch (t) {
        case DType::float64: return static_cast<const double*>(p)[i];
        case DType::float16: return float(static_cast<const Half*>(p)[i]);
        case DType::bfloat16: return float(static_cast<const BFloat16*>(p)[i]);
        default: return static_cast<const float*>(p)[i];
    }
}
void set_value(void* p, DType t, int64_t i, double x) {
    switch (t) {
        case DType::float64: static_cast<double*>(p)[i] = x; break;
        case DType::float16: static_cast<Half*>(p)[i] = Half(float(x)); break;
        case DType::bfloat16: static_cast<BFloat16*>(p)[i] = BFloat16(float(x)); break;
        default: static_cast<float*>(p)[i] = float(x);
    }
}
// means[i] moves towards sums[i] / count by `share`.
template <class Sum>
void blend(void* means, DType t, int64_t first, int64_t n, const Sum* sums, double count, double share) {
    for (int64_t i = 0; i < n; ++i) {
        double before = value_at(means, t, first + i);
        set_value(means, t, first + i, before + share * (double(sums[i]) / count - before));
    }
}

// Matrices of one element, as those of 1x1 convolutions: both factors are the element's own mean square, and what the
// passes read is made of them first, so that they go over all matrices as over one row.
template <class T>
std::vector<T> point_factors(const AdafactorItem& a) {
    std::vector<T> factors(size_t(a.batches));
    T *row = static_cast<T*>(a.row_var), *column = static_cast<T*>(a.col_var);
    const T *grad = static_cast<const T*>(a.grad), share = T(a.share), least = T(a.eps1);
    parallel_for(a.batches, piece_size, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
            T square = grad[i] * grad[i];
            row[i] += share * (square - row[i]);
            column[i] += share * (square - column[i]);
            factors[size_t(i)] = row[i] * column[i] / std::max(row[i], least);
        }
    });
    return factors;
}

class Step {
public:
    explicit Step(const AdafactorItem& a)
        : a_(a), size_(size_of(a.dtype)), kind_(kind_of(a.dtype)), table_(optim_table.active()) {
        // A piece is a number of whole matrices, of rows of the one matrix, or of elements of the one row.
        int64_t unit = a.batches > 1 ? a.rows * a.columns : a.rows > 1 ? a.columns : 1;
        units_ = a.batches > 1 ? a.batches : a.rows > 1 ? a.rows : a.columns;
        per_piece_ = std::max<int64_t>(1, piece_size / std::max<int64_t>(1, unit));
        pieces_ = (units_ + per_piece_ - 1) / per_piece_;
        factors_.resize(size_t(a.batches * a.rows), 1.0);
    }

    // Takes the new squares into the means.
    void square() {
        if (!a_.row_var) square_vector();
        else if (a_.batches > 1) square_matrices();
        else square_matrix();
    }

    void move() {
        int64_t numel = a_.batches * a_.rows * a_.columns;
        double root = std::sqrt(double(numel)), size = param_norm() / root;
        double moved = std::sqrt(add_pieces([&](const FactoredRows& f, int64_t) {
            return table_.factored_squares[kind_](f);
        }));
        double rate = std::max(a_.eps2, size) * a_.rate / std::max(1.0, moved / (root * a_.clip));
        add_pieces([&](const FactoredRows& f, int64_t first) {
            table_.factored_step[kind_](at(a_.param, first, size_), f, a_.decay, rate);
            return 0.0;
        });
    }

private:
    // f(piece, first unit, end) for every piece.
    template <class F>
    void for_each_piece(F&& f) {
        parallel_for(pieces_, 1, [&](int64_t from, int64_t to) {
            for (int64_t piece = from; piece < to; ++piece)
                f(piece, piece * per_piece_, std::min(units_, (piece + 1) * per_piece_));
        });
    }

    // `rows` rows of a matrix, and of each the columns [from, to); first: the first element.
    FactoredRows part(int64_t batch, int64_t row, int64_t rows, int64_t from, int64_t to, int64_t* first) const {
        *first = (batch * a_.rows + row) * a_.columns + from;
        return {at(a_.grad, *first, size_), rows, to - from, factors_.data() + batch * a_.rows + row,
                at(a_.col_var, batch * a_.columns + from, size_), a_.eps1 * a_.eps1};
    }

    // The sum of f(rows, first element) over the rows of each piece, matrix by matrix.
    template <class F>
    double add_pieces(F&& f) {
        std::vector<double> sums(size_t(pieces_), 0.0);
        for_each_piece([&](int64_t piece, int64_t begin, int64_t end) {
            double& sum = sums[size_t(piece)];
            auto add = [&](int64_t batch, int64_t row, int64_t rows, int64_t from, int64_t to) {
                int64_t first;
                FactoredRows rows_of = part(batch, row, rows, from, to, &first);
                sum += f(rows_of, first);
            };
            if (a_.batches > 1) for (int64_t b = begin; b < end; ++b) add(b, 0, a_.rows, 0, a_.columns);
            else if (a_.rows > 1) add(0, begin, end - begin, 0, a_.columns);
            else add(0, 0, 1, begin, end);
        });
        double total = 0;
        for (double one : sums) total += one;
        return total;
    }

    double param_norm() const {
        UpdateItem item;
        item.arrays[0] = a_.param;
        item.n = a_.batches * a_.rows * a_.columns;
        item.dtype = a_.dtype;
        return total_norm({&item, 1}, 2);
    }

    void square_vector() {
        for (int64_t i = 0; i < a_.columns; ++i) {
            double g = value_at(a_.grad, a_.dtype, i), before = value_at(a_.col_var, a_.dtype, i);
            set_value(a_.col_var, a_.dtype, i, before + a_.share * (g * g - before));
        }
    }

    template <class Sum>
    void square_one(int64_t batch, std::vector<double>& rows, std::vector<Sum>& columns) {
        std::fill(columns.begin(), columns.end(), Sum(0));
        table_.squares[kind_](at(a_.grad, batch * a_.rows * a_.columns, size_), a_.rows, a_.columns, rows.data(),
                              columns.data());
        take_in(batch, rows.data(), columns.data());
    }
    void square_matrices() {
        for_each_piece([&](int64_t, int64_t begin, int64_t end) {
            std::vector<double> rows(size_t(a_.rows)), wide(size_t(a_.columns));
            std::vector<float> narrow(size_t(a_.columns));
            for (int64_t b = begin; b < end; ++b)
                if (a_.dtype == DType::float64) square_one(b, rows, wide);
                else square_one(b, rows, narrow);
        });
    }

    // Each piece of rows has column sums of its own, which are added up in order.
    template <class Sum>
    void square_rows() {
        std::vector<double> rows(size_t(a_.rows)), total(size_t(a_.columns), 0.0);
        int64_t tall = std::max<int64_t>(1, piece_size / a_.columns), blocks = (a_.rows + tall - 1) / tall;
        std::vector<Sum> columns(size_t(blocks * a_.columns), Sum(0));
        parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
            for (int64_t block = from; block < to; ++block) {
                int64_t begin = block * tall, end = std::min(a_.rows, begin + tall);
                table_.squares[kind_](at(a_.grad, begin * a_.columns, size_), end - begin, a_.columns,
                                      rows.data() + begin, columns.data() + block * a_.columns);
            }
        });
        for (int64_t block = 0; block < blocks; ++block)
            for (int64_t i = 0; i < a_.columns; ++i)
                total[size_t(i)] += double(columns[size_t(block * a_.columns + i)]);
        take_in(0, rows.data(), total.data());
    }
    void square_matrix() {
        if (a_.dtype == DType::float64) square_rows<double>();
        else square_rows<float>();
    }

    // Moves the means of one matrix towards its squares; a row's factor is its mean in units of that of the matrix.
    template <class Sum>
    void take_in(int64_t batch, const double* rows, const Sum* columns) {
        blend(a_.row_var, a_.dtype, batch * a_.rows, a_.rows, rows, double(a_.columns), a_.share);
        blend(a_.col_var, a_.dtype, batch * a_.columns, a_.columns, columns, double(a_.rows), a_.share);
        double* factors = factors_.data() + batch * a_.rows;
        double mean = 0;
        for (int64_t r = 0; r < a_.rows; ++r) mean += factors[r] = value_at(a_.row_var, a_.dtype, batch * a_.rows + r);
        mean = std::max(mean / double(a_.rows), a_.eps1);
        for (int64_t r = 0; r < a_.rows; ++r) factors[r] /= mean;
    }

    const AdafactorItem& a_;
    int64_t size_;
    FloatKind kind_;
    const OptimTable& table_;
    int64_t units_, per_piece_, pieces_;
    std::vector<double> factors_;
};

template <class T>
void step_points(const AdafactorItem& a) {
    std::vector<T> factors = point_factors<T>(a);
    AdafactorItem one = a;
    one.row_var = nullptr;
    one.col_var = factors.data();
    one.columns = a.batches;
    one.batches = 1;
    Step(one).move();
}

}  // namespace

void adafactor_step(const AdafactorItem& a) {
    if (a.batches * a.rows * a.columns == 0) return;
    if (a.row_var && a.rows == 1 && a.columns == 1 && a.dtype == DType::float32) return step_points<float>(a);
    if (a.row_var && a.rows == 1 && a.columns == 1 && a.dtype == DType::float64) return step_points<double>(a);
    Step step(a);
    step.square();
    step.move();
}

}  // namespace rushlight::kernels
