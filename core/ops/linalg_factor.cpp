// Triangular factors: Cholesky, LU, LDL; and the determinants that LU gives.
#include "ops/linalg.h"

namespace rushlight {

namespace {

using namespace linalg;

void info_result(Call& c, const Dims& sizes) { c.result(leading_sizes(sizes), DType::int32); }

// ---- Cholesky -------------------------------------------------------------------------------------------------------

void infer_cholesky(Call& c) {
    require_square(c, 0);
    matrix_result(c, c.tensor(0).sizes, c.tensor(0).dtype);
    info_result(c, c.tensor(0).sizes);
}

// The triangle that is not the factor's becomes zero.
void clear_triangle(const Tensor& a, bool upper) {
    Batch b = batch_of(a);
    size_t element = size_t(size_of(b.dtype));
    auto* data = static_cast<char*>(a.data());
    for (int64_t i = 0; i < b.count; ++i)
        for (int64_t j = 0; j < b.n; ++j) {
            int64_t first = upper ? j + 1 : 0, last = upper ? b.m : std::min(j, b.m);
            if (last > first)
                std::fill_n(data + size_t((i * b.n + j) * b.m + first) * element, size_t(last - first) * element, 0);
        }
}

void run_cholesky(Call& c) {
    bool upper = c["upper"].to_bool();
    Tensor factor = c.out[0];
    int* info = c.out[1].data_as<int32_t>();
    zero(c.out[1]);
    if (factor.numel() == 0) return;
    put(factor, c.tensor(0));
    Batch b = batch_of(factor);
    lapack::cholesky(b, factor.data(), upper, info);
    clear_triangle(factor, upper);
    if (c["check_errors"].to_bool())
        check_info(c, 0, info, b.count, [](int minor) {
            return "the leading minor of order " + std::to_string(minor) + " is not positive-definite";
        });
}

// Murray, "Differentiation of the Cholesky decomposition" (2016).
void vjp_cholesky(Vjp& d) {
    if (!d.grad().defined()) return;
    bool upper = d["upper"].to_bool();
    Tensor l = upper ? adjoint(d.result()) : d.result(), g = upper ? adjoint(d.grad()) : d.grad();
    Tensor turned = matmul(adjoint(l), g), below = tril(turned, -1);
    Tensor both = below + adjoint(below) + diagonal_matrix(diagonal_of(turned));
    Tensor right = linalg::solve_triangular(l, both * 0.5, false, false);
    d.to(0, linalg::solve_triangular(adjoint(l), right, true));
}

// ---- LU -------------------------------------------------------------------------------------------------------------

void infer_lu(Call& c) {
    require_matrix(c, 0);
    require(c["pivot"].to_bool(), ErrorKind::runtime, c.name(),
            ": pivot=False is not available on the CPU; expected True");
    const Dims& sizes = c.tensor(0).sizes;
    matrix_result(c, sizes, c.tensor(0).dtype);
    c.result(with(leading_sizes(sizes), {std::min(rows(sizes), columns(sizes))}), DType::int32);
    info_result(c, sizes);
}

void factorize(TensorImpl& a, const Tensor& lu, int* pivots, int* info) {
    put(lu, a);
    lapack::lu(batch_of(lu), lu.data(), pivots, info);
}

std::string zero_on_diagonal(int i) {
    return "U[" + std::to_string(i) + ", " + std::to_string(i) + "], counted from 1, is zero, and what solves with it "
           "would divide by zero";
}

void run_lu(Call& c) {
    zero(c.out[2]);
    zero(c.out[1]);
    if (c.out[0].numel() == 0) return;
    int* info = c.out[2].data_as<int32_t>();
    factorize(c.tensor(0), c.out[0], c.out[1].data_as<int32_t>(), info);
    if (c["check_errors"].to_bool()) check_info(c, 0, info, c.out[2].numel(), zero_on_diagonal);
}

Tensor order_of_rows(const Tensor& pivots, int64_t rows, bool inverse) {
    static const Op& op = required_op("lu_rows");
    return invoke(op, pivots, rows, inverse);
}

// P a = L U with a of m x n, k = min(m, n). What lies beside the leading k x k blocks is solved for first:
// U2 = L^-1 P a2 and L2 = P a2 U^-1; its gradients flow into those of the blocks.
void vjp_lu(Vjp& d) {
    if (!d.grad().defined()) return;
    Tensor lu = d.result(), pivots = d.result(1), g = d.grad();
    int64_t m = rows(lu.sizes()), n = columns(lu.sizes()), k = std::min(m, n);
    Tensor block = narrow(narrow(lu, -2, 0, k), -1, 0, k), g_block = narrow(narrow(g, -2, 0, k), -1, 0, k);
    Tensor l_h = adjoint(block), u_h = l_h;                // triu of l_h is L^H, its diagonal ones; tril is U^H
    auto by_l = [&](const Tensor& x) { return linalg::solve_triangular(triu(l_h, 0), x, true, true, true); };
    auto by_u = [&](const Tensor& x) { return linalg::solve_triangular(tril(u_h, 0), x, false, false); };
    Tensor unit_lower_h = triu(l_h, 1) + identity_like(block);
    Tensor for_l = matmul(unit_lower_h, tril(g_block, -1)), for_u = matmul(triu(g_block, 0), tril(u_h, 0));
    Tensor rest;
    if (n > k) {
        Tensor g_right = narrow(g, -1, k, n - k), right = narrow(lu, -1, k, n - k);
        for_l = for_l - matmul(g_right, adjoint(right));
        rest = by_l(g_right);
    } else if (m > k) {
        Tensor g_low = narrow(g, -2, k, m - k), low = narrow(lu, -2, k, m - k);
        for_u = for_u - matmul(adjoint(low), g_low);
        rest = by_u(g_low);
    }
    Tensor permuted = by_l(by_u(tril(for_l, -1) + triu(for_u, 0)));
    if (rest.defined()) {
        Tensor parts[] = {permuted, rest};
        permuted = cat(parts, n > k ? -1 : -2);
    }
    d.to(0, take_rows(permuted, order_of_rows(pivots, m, true)));
}

void infer_lu_rows(Call& c) {
    require(c.tensor(0).rank() >= 1 && c.tensor(0).dtype == DType::int32, ErrorKind::runtime, c.name(),
            ": pivots has shape ", c.tensor(0).sizes, " and dtype ", name_of(c.tensor(0).dtype),
            "; expected at least one dimension, int32");
    int64_t rows = c["rows"].to_int();
    require(rows >= c.tensor(0).sizes.back(), ErrorKind::runtime, c.name(), ": rows=", rows, " for pivots of shape ",
            c.tensor(0).sizes, "; expected rows >= ", c.tensor(0).sizes.back());
    c.result(with(leading_sizes(c.tensor(0).sizes, 1), {rows}), DType::int64);
}

void run_lu_rows(Call& c) {
    Tensor pivots = contiguous(Tensor(&c.tensor(0)));
    int64_t k = pivots.sizes().back(), n = c["rows"].to_int(), count = n ? c.out[0].numel() / n : 0;
    bool inverse = c["inverse"].to_bool();
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t i = 0; i < count; ++i) {
        const int32_t* swaps = pivots.data_as<int32_t>() + i * k;
        int64_t* out = c.out[0].data_as<int64_t>() + i * n;
        for (int64_t j = 0; j < n; ++j) order[size_t(j)] = j;
        for (int64_t j = 0; j < k; ++j) {
            require(swaps[j] >= 1 && swaps[j] <= n, ErrorKind::runtime, c.name(), ": pivots holds ", swaps[j],
                    "; expected 1 <= pivots <= ", n);
            std::swap(order[size_t(j)], order[size_t(swaps[j] - 1)]);
        }
        for (int64_t j = 0; j < n; ++j) {
            if (inverse) out[order[size_t(j)]] = j;
            else out[j] = order[size_t(j)];
        }
    }
}

// ---- determinants ---------------------------------------------------------------------------------------------------

void infer_det(Call& c) {
    require_square(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    c.result(leading_sizes(sizes), c.tensor(0).dtype);
}

void infer_slogdet(Call& c) {
    infer_det(c);
    c.result(leading_sizes(c.tensor(0).sizes), to_real(c.tensor(0).dtype));
}

// Calls `f(matrix number, diagonal, n, swaps are odd)` with the LU factors' diagonals, in T.
template <class T, class F>
void each_diagonal(TensorImpl& a, F&& f) {
    int64_t n = columns(a.sizes);
    Tensor lu = column_major_empty(a.sizes, a.dtype);
    Batch b = batch_of(lu);
    std::vector<int> pivots(size_t(b.count * n)), info(size_t(b.count));
    std::vector<T> diagonal(static_cast<size_t>(n));
    if (lu.numel()) factorize(a, lu, pivots.data(), info.data());
    for (int64_t i = 0; i < b.count; ++i) {
        bool odd = false;
        for (int64_t j = 0; j < n; ++j) {
            diagonal[size_t(j)] = lu.data_as<T>()[(i * n + j) * n + j];
            odd ^= pivots[size_t(i * n + j)] != j + 1;
        }
        f(i, diagonal.data(), n, odd);
    }
}

template <class F>
void visit_element(DType t, F&& f) {
    visit_dtype(t, [&]<class T>(T x) {
        if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::complex<float>> ||
                      std::is_same_v<T, std::complex<double>>)
            f(x);
    });
}

void run_det(Call& c) {
    visit_element(c.tensor(0).dtype, [&]<class T>(T) {
        each_diagonal<T>(c.tensor(0), [&](int64_t i, const T* diagonal, int64_t n, bool odd) {
            T product = odd ? T(-1) : T(1);
            for (int64_t j = 0; j < n; ++j) product *= diagonal[j];
            c.out[0].data_as<T>()[i] = product;
        });
    });
}

void run_slogdet(Call& c) {
    visit_element(c.tensor(0).dtype, [&]<class T>(T) {
        using R = decltype(std::abs(T()));
        each_diagonal<T>(c.tensor(0), [&](int64_t i, const T* diagonal, int64_t n, bool odd) {
            T sign = odd ? T(-1) : T(1);
            R sum = 0;
            for (int64_t j = 0; j < n; ++j) {
                R size = std::abs(diagonal[j]);
                sign *= size == 0 ? T(0) : diagonal[j] / size;
                sum += std::log(size);
            }
            c.out[0].data_as<T>()[i] = sign;
            c.out[1].data_as<R>()[i] = sum;
        });
    });
}

bool any_zero(const Tensor& x) {
    static const Op& any = required_op("any");
    return *invoke(any, eq(detach(x), 0)).data_as<bool>();
}

// conj(det) inv(a)^H of Jacobi's formula is the matrix of cofactors, which singular matrices have too: from a = U S
// V^H, det(U) det(V^H) U diag(products of the other singular values) V^H.
Tensor cofactors(const Tensor& a) {
    static const Op& svd = required_op("svd");
    static const Op& det = required_op("det");
    Call parts = invoke_call(svd, a, true);
    Tensor u = parts.out[0], s = parts.out[1], vh = parts.out[2];
    int64_t n = columns(a.sizes());
    std::vector<Tensor> others;
    for (int64_t i = 0; i < n; ++i) {
        Tensor product;
        for (int64_t j = 0; j < n; ++j)
            if (j != i) product = product.defined() ? product * narrow(s, -1, j, 1) : narrow(s, -1, j, 1);
        others.push_back(product.defined() ? product : ones(with(leading_sizes(s.sizes(), 1), {1}), s.dtype()));
    }
    Tensor scaled = matmul(u * row(to_dtype(cat(others, -1), a.dtype())), vh);
    return scaled * column(column(conj(invoke(det, u) * invoke(det, vh))));
}

void vjp_det(Vjp& d) {
    Tensor a = d.input(0), det = d.result(), g = column(column(d.grad()));
    if (a->numel == 0) return d.to(0, zeros(a.sizes(), a.dtype()));
    if (any_zero(det)) return d.to(0, g * cofactors(a));
    d.to(0, g * column(column(conj(det))) * adjoint(inverse(a)));
}

// d log det = tr(a^-1 da): its real part is log |det|'s change, its imaginary part turns the sign.
void vjp_slogdet(Vjp& d) {
    Tensor a = d.input(0), sign = d.result(), g;
    if (d.grad(1).defined()) g = to_dtype(d.grad(1), a.dtype());
    if (is_complex(a.dtype()) && d.grad(0).defined()) {
        Tensor turned = conj(d.grad(0)) * sign;
        Tensor turn = turned - to_dtype(real(turned), a.dtype());          // i times the imaginary part
        g = g.defined() ? g - turn : neg(turn);
    }
    if (g.defined()) d.to(0, column(column(g)) * adjoint(inverse(a)));
}

// ---- LDL ------------------------------------------------------------------------------------------------------------

void infer_ldl(Call& c) {
    require_square(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    matrix_result(c, sizes, c.tensor(0).dtype);
    c.result(leading_sizes(sizes, 1), DType::int32);
    info_result(c, sizes);
}

void run_ldl(Call& c) {
    zero(c.out[2]);
    if (c.out[0].numel() == 0) return;
    put(c.out[0], c.tensor(0));
    int* info = c.out[2].data_as<int32_t>();
    Batch b = batch_of(c.out[0]);
    lapack::ldl(b, c.out[0].data(), c["hermitian"].to_bool(), c.out[1].data_as<int32_t>(), info);
    clear_triangle(c.out[0], false);
    if (c["check_errors"].to_bool())
        check_info(c, 0, info, b.count, [](int i) {
            return "D[" + std::to_string(i) + ", " + std::to_string(i) + "], counted from 1, is zero";
        });
}

void infer_ldl_solve(Call& c) {
    require_square(c, 0);
    require_matrix(c, 2);
    require_same_types(c, 0, 2);
    const Dims &a = c.tensor(0).sizes, &b = c.tensor(2).sizes;
    require(c.tensor(1).sizes == leading_sizes(a, 1) && c.tensor(1).dtype == DType::int32, ErrorKind::runtime, c.name(),
            ": pivots has shape ", c.tensor(1).sizes, " and dtype ", name_of(c.tensor(1).dtype), "; expected ",
            leading_sizes(a, 1), ", int32");
    require(rows(b) == rows(a), ErrorKind::runtime, c.name(), ": B has shape ", b, " and LD ", a,
            "; expected as many rows");
    matrix_result(c, with(broadcast_leading(c, a, b), {rows(b), columns(b)}), c.tensor(0).dtype);
}

// sytrs takes row numbers on trust.
void check_ldl_pivots(const Call& c, const Tensor& pivots, int64_t n) {
    const int32_t* p = pivots.data_as<int32_t>();
    for (int64_t i = 0; i < pivots.numel(); ++i) {
        int64_t j = i % n;
        bool pair = p[i] < 0;
        require(p[i] != 0 && p[i] >= -n && p[i] <= n, ErrorKind::runtime, c.name(), ": pivots holds ", p[i],
                "; expected row numbers from 1 to ", n, ", or from -", n, " to -1 for blocks of two");
        if (!pair) continue;
        require(j + 1 < n && p[i + 1] == p[i], ErrorKind::runtime, c.name(), ": pivots holds ", p[i],
                " only once; expected the negative row numbers of a block in pairs");
        ++i;
    }
}

void run_ldl_solve(Call& c) {
    Tensor x = c.out[0];
    if (x.numel() == 0) return;
    int64_t n = rows(x.sizes());
    put(x, c.tensor(2));
    Dims shape = with(leading_sizes(x.sizes()), {n, n});
    Tensor a = column_major_empty(shape, x.dtype()), pivots = empty_tensor(leading_sizes(shape, 1), DType::int32);
    put(a, c.tensor(0));
    put(pivots, c.tensor(1));
    check_ldl_pivots(c, pivots, n);
    lapack::ldl_solve(batch_of(a), a.data(), pivots.data_as<int32_t>(), x.data(), columns(x.sizes()),
                      c["hermitian"].to_bool());
}

#define POSITIVE "(lambda x: x @ x.mT + diag(x.new_ones(x.shape[-1])))"
#define MATRICES "floating complex"

}  // namespace

OP(cholesky_ex) = {
    .signature = "cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> (L: Tensor, info: "
                 "Tensor)",
    .names = "linalg.cholesky_ex out",
    .dtypes = MATRICES,
    .infer = infer_cholesky,
    .kernel = {"lapack", run_cholesky},
    .derivative = {vjp_cholesky, "result", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "cholesky_ex(" POSITIVE "(T(3, 3))); cholesky_ex(" POSITIVE "(T(2, 4, 4)), upper=True)"},
    .doc = "The triangular factor L of A = L L^H, for symmetric (Hermitian) positive-definite matrices of which one "
           "triangle is read; `info` is 0, or the order of the first leading minor that is not positive-definite.",
    .autocast = Autocast::widen};

OP(lu_factor_ex) = {
    .signature = "lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> (LU: Tensor, "
                 "pivots: Tensor, info: Tensor)",
    .names = "linalg.lu_factor_ex out",
    .dtypes = MATRICES,
    .infer = infer_lu,
    .kernel = {"lapack", run_lu},
    .derivative = {vjp_lu, "LU pivots", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "lu_factor_ex(T(3, 3)); lu_factor_ex(T(2, 2, 4)); lu_factor_ex(T(4, 2))"},
    .doc = "L and U of A = P L U in one matrix, the rows that were exchanged, counted from 1, and `info`: 0, or the "
           "first place where U's diagonal is zero."};

OP(lu_rows) = {
    .signature = "lu_rows(pivots: Tensor, rows: int, inverse: bool = False) -> Tensor",
    .names = "_ops.lu_rows",
    .dtypes = "integral",
    .infer = infer_lu_rows,
    .kernel = {"generic", run_lu_rows},
    .derivative = not_differentiable("its results are indices"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "lu_rows(tensor([3, 3, 3]).int(), 4); lu_rows(tensor([[2, 2], [1, 2]]).int(), 2, True)"},
    .doc = "Where each row comes from when rows are exchanged one after another, as `lu_factor` numbers them; or "
           "where it goes."};

OP(det) = {
    .signature = "det(A: Tensor) -> Tensor",
    .names = "linalg.det det Tensor.det out",
    .dtypes = MATRICES,
    .infer = infer_det,
    .kernel = {"lapack", run_det},
    .derivative = {vjp_det, "A result"},
    .onnx = {"Det", 11},
    .samples = {.calls = "det(T(3, 3)); det(T(2, 4, 4))"},
    .doc = "The determinant of each matrix."};

OP(slogdet) = {
    .signature = "slogdet(A: Tensor) -> (sign: Tensor, logabsdet: Tensor)",
    .names = "linalg.slogdet slogdet Tensor.slogdet out",
    .dtypes = MATRICES,
    .infer = infer_slogdet,
    .kernel = {"lapack", run_slogdet},
    .derivative = {vjp_slogdet, "A sign"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "slogdet(T(3, 3)); slogdet(T(2, 4, 4))"},
    .doc = "The sign of the determinant of each matrix, and the logarithm of its absolute value: 0 and -inf where the "
           "matrix is singular."};

OP(ldl_factor_ex) = {
    .signature = "ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> (LD: Tensor, "
                 "pivots: Tensor, info: Tensor)",
    .names = "linalg.ldl_factor_ex out",
    .dtypes = MATRICES,
    .infer = infer_ldl,
    .kernel = {"lapack", run_ldl},
    .derivative = not_differentiable("PyTorch has none either"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "ldl_factor_ex(" POSITIVE "(T(3, 3))); ldl_factor_ex(" POSITIVE "(T(2, 4, 4)), "
                         "hermitian=True)"},
    .doc = "L and D of A = L D L^T in one lower triangle, for symmetric (Hermitian) matrices of which the lower "
           "triangle is read; `pivots` are LAPACK's, `info` the first zero of D or 0."};

OP(ldl_solve) = {
    .signature = "ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor",
    .names = "linalg.ldl_solve out",
    .dtypes = MATRICES,
    .infer = infer_ldl_solve,
    .kernel = {"lapack", run_ldl_solve},
    .derivative = not_differentiable("PyTorch has none either"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "ldl_solve(diag(T(3).exp()), tensor([1, 2, 3]).int(), T(3, 2))"},
    .doc = "Solves A X = B with what ldl_factor made of A."};

}  // namespace rushlight
