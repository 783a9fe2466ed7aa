// Linear systems: general, triangular, least squares; and inverses.
#include "ops/linalg.h"

namespace rushlight {

namespace {

using namespace linalg;

std::string singular(int i) { return "U[" + std::to_string(i) + ", " + std::to_string(i) +
                                     "], counted from 1, is zero: the matrix is singular"; }

// ---- inverse --------------------------------------------------------------------------------------------------------

void infer_inverse(Call& c) {
    require_square(c, 0);
    matrix_result(c, c.tensor(0).sizes, c.tensor(0).dtype);
    c.result(leading_sizes(c.tensor(0).sizes), DType::int32);
}

void run_inverse(Call& c) {
    zero(c.out[1]);
    if (c.out[0].numel() == 0) return;
    put(c.out[0], c.tensor(0));
    Batch b = batch_of(c.out[0]);
    int* info = c.out[1].data_as<int32_t>();
    Tensor pivots = empty_tensor({b.count * b.n}, DType::int32);
    lapack::lu(b, c.out[0].data(), pivots.data_as<int32_t>(), info);
    lapack::lu_inverse(b, c.out[0].data(), pivots.data_as<int32_t>(), info);
    if (c["check_errors"].to_bool()) check_info(c, 0, info, b.count, singular);
}

// Giles, "An extended collection of matrix derivative results" (2008), 2.2.3.
void vjp_inverse(Vjp& d) {
    if (!d.grad().defined()) return;
    Tensor x = adjoint(d.result());
    d.to(0, neg(matmul(x, matmul(d.grad(), x))));
}

// ---- solve ----------------------------------------------------------------------------------------------------------

// The shape of the solution for matrices `a` of n x n and right (left) sides of n rows (columns).
Dims solution_sizes(const Call& c, int a, int b, bool left) {
    const Dims &x = c.tensor(a).sizes, &y = c.tensor(b).sizes;
    int64_t n = columns(x), meets = left ? rows(y) : columns(y);
    require(n == meets, ErrorKind::runtime, c.name(), ": ", rules::param_name(c, b), " has shape ", y, " and ",
            rules::param_name(c, a), " ", x, "; expected ", rules::param_name(c, b), ".shape[", left ? -2 : -1, "] == "
                                     "", n);
    return with(broadcast_leading(c, x, y), {rows(y), columns(y)});
}

void infer_solve(Call& c) {
    require_square(c, 0);
    require_matrix(c, 1);
    require_same_types(c, 0, 1);
    matrix_result(c, solution_sizes(c, 0, 1, true), c.tensor(0).dtype);
    c.result(leading_sizes(c.tensor(0).sizes), DType::int32);
    matrix_result(c, c.tensor(0).sizes, c.tensor(0).dtype);
    c.result(leading_sizes(c.tensor(0).sizes, 1), DType::int32);
}

// Solves with factors whose batch may be broadcast along the right sides'.
void solve_with(const Tensor& lu, const Tensor& pivots, const Tensor& x, char op) {
    int64_t n = columns(lu.sizes());
    Dims shape = with(leading_sizes(x.sizes()), {n, n});
    Tensor a = lu, p = pivots;
    if (shape != lu.sizes()) {
        a = column_major_empty(shape, lu.dtype());
        p = empty_tensor(leading_sizes(shape, 1), DType::int32);
        put(a, *lu.impl());
        put(p, *pivots.impl());
    }
    lapack::lu_solve(batch_of(a), a.data(), p.data_as<int32_t>(), x.data(), columns(x.sizes()), op);
}

void run_solve(Call& c) {
    Tensor x = c.out[0], info = c.out[1], lu = c.out[2], pivots = c.out[3];
    zero(info);
    if (lu.numel() == 0) return zero(x);
    put(lu, c.tensor(0));
    Batch b = batch_of(lu);
    lapack::lu(b, lu.data(), pivots.data_as<int32_t>(), info.data_as<int32_t>());
    if (c["check_errors"].to_bool()) check_info(c, 0, info.data_as<int32_t>(), b.count, singular);
    if (x.numel() == 0) return;
    put(x, c.tensor(1));
    solve_with(lu, pivots, x, 'N');
}

void infer_solve_again(Call& c) {
    require_square(c, 0);
    require_matrix(c, 2);
    require_same_types(c, 0, 2);
    require(c.tensor(1).dtype == DType::int32, ErrorKind::runtime, c.name(), ": pivots has dtype ",
            name_of(c.tensor(1).dtype), "; expected int32");
    require(c.tensor(1).sizes == leading_sizes(c.tensor(0).sizes, 1), ErrorKind::runtime, c.name(),
            ": pivots has shape ", c.tensor(1).sizes, "; expected ", leading_sizes(c.tensor(0).sizes, 1));
    matrix_result(c, solution_sizes(c, 0, 2, true), c.tensor(0).dtype);
}

void run_solve_again(Call& c) {
    Tensor x = c.out[0];
    if (x.numel() == 0) return;
    put(x, c.tensor(2));
    Tensor lu = column_major(Tensor(&c.tensor(0))), pivots = contiguous(Tensor(&c.tensor(1)));
    for (int64_t i = 0, n = columns(lu.sizes()); i < pivots.numel(); ++i) {
        int64_t p = pivots.data_as<int32_t>()[i];
        require(p >= 1 && p <= n, ErrorKind::runtime, c.name(), ": pivots holds ", p, "; expected 1 <= pivots <= ", n);
    }
    solve_with(lu, pivots, x, c["adjoint"].to_bool() ? 'C' : 'N');
}

// Giles (2008), 2.3.1.
void vjp_solve(Vjp& d) {
    static const Op& solve = required_op("solve_with_lu");
    static const Op& again = required_op("solve_factored");
    if (!d.grad().defined()) return;
    Tensor x = d.result();
    Tensor g = d.create_graph ? invoke(solve, adjoint(d.input(0)), d.grad())
                              : invoke(again, d.result(2), d.result(3), d.grad(), true);
    if (d.needs(0)) d.to(0, neg(matmul(g, adjoint(x))));
    if (d.needs(1)) d.to(1, g);
}

// ---- triangular -----------------------------------------------------------------------------------------------------

void infer_triangular(Call& c) {
    require_square(c, 0);
    require_matrix(c, 1);
    require_same_types(c, 0, 1);
    matrix_result(c, solution_sizes(c, 0, 1, c["left"].to_bool()), c.tensor(0).dtype);
}

// A batch of triangular matrices as LAPACK can read it: by columns, or by rows, which is the transposed matrix by
// columns.
struct Readable {
    Tensor memory;
    const void* data;
    int64_t step, column;
    bool by_rows;
};

Readable readable(TensorImpl& a, const Dims& leading) {
    int64_t n = columns(a.sizes);
    int r = a.rank();
    bool single = r == 2 || a.numel == n * n;
    int64_t down = a.strides[r - 2], across = a.strides[r - 1];
    auto dense = [&](int64_t fast, int64_t slow) { return (fast == 1 || n == 1) && (slow >= n || n == 1); };
    if (single && (dense(down, across) || dense(across, down))) {
        bool by_rows = !dense(down, across);
        int64_t step = by_rows ? down : across;
        return {Tensor(&a), a.data(), 0, std::max(step, n), by_rows};
    }
    Tensor copy = column_major_empty(with(leading, {n, n}), a.dtype);
    put(copy, a);
    return {copy, copy.data(), n * n, n, false};
}

void run_triangular(Call& c) {
    Tensor x = c.out[0];
    if (x.numel() == 0) return;
    put(x, c.tensor(1));
    bool upper = c["upper"].to_bool();
    Readable a = readable(c.tensor(0), leading_sizes(x.sizes()));
    lapack::solve_triangular(batch_of(x), a.data, x.data(),
                             {c["left"].to_bool(), upper != a.by_rows, c["unitriangular"].to_bool(),
                              a.by_rows ? 'T' : 'N', a.step, a.column});
}

void vjp_triangular(Vjp& d) {
    bool upper = d["upper"].to_bool(), left = d["left"].to_bool(), unit = d["unitriangular"].to_bool();
    Tensor a = d.input(0), x = d.result();
    Tensor g = linalg::solve_triangular(adjoint(a), d.grad(), !upper, left, unit);
    if (d.needs(0)) {
        Tensor whole = neg(left ? matmul(g, adjoint(x)) : matmul(adjoint(x), g));
        d.to(0, upper ? triu(whole, unit ? 1 : 0) : tril(whole, unit ? -1 : 0));
    }
    if (d.needs(1)) d.to(1, g);
}

// ---- least squares --------------------------------------------------------------------------------------------------

lapack::Driver driver_of(const Call& c) {
    std::string_view name = c["driver"].to_string();
    if (name == "gels") return lapack::Driver::gels;
    if (name == "gelsy") return lapack::Driver::gelsy;
    if (name == "gelsd") return lapack::Driver::gelsd;
    require(name == "gelss", ErrorKind::runtime, c.name(), ": driver='", name,
            "'; expected 'gels', 'gelsy', 'gelsd' or 'gelss'");
    return lapack::Driver::gelss;
}

void infer_lstsq(Call& c) {
    require_matrix(c, 0);
    require_matrix(c, 1);
    require_same_types(c, 0, 1);
    lapack::Driver driver = driver_of(c);
    const Dims &a = c.tensor(0).sizes, &b = c.tensor(1).sizes;
    require(rows(a) == rows(b), ErrorKind::runtime, c.name(), ": B has shape ", b, " and A ", a,
            "; expected as many rows");
    Dims leading = broadcast_leading(c, a, b);
    int64_t m = rows(a), n = columns(a), k = std::min(m, n);
    matrix_result(c, with(leading, {n, columns(b)}), c.tensor(0).dtype);
    bool knows_rank = driver != lapack::Driver::gels, knows_values = knows_rank && driver != lapack::Driver::gelsy;
    c.result(knows_rank ? leading_sizes(a) : Dims{0}, DType::int64);
    c.result(knows_values ? with(leading_sizes(a), {k}) : Dims{0}, to_real(c.tensor(0).dtype));
}

void run_lstsq(Call& c) {
    lapack::Driver driver = driver_of(c);
    Tensor x = c.out[0];
    const Dims& sizes = c.tensor(0).sizes;
    int64_t m = rows(sizes), n = columns(sizes), k = std::min(m, n), right = columns(x.sizes());
    Dims leading = leading_sizes(x.sizes());
    for (int i = 0; i < 3; ++i) zero(c.out[size_t(i)]);
    Tensor a = column_major_empty(with(leading, {m, n}), x.dtype());
    Tensor work = column_major_empty(with(leading, {std::max(m, n), right}), x.dtype());
    Batch b = batch_of(a);
    if (b.count == 0 || k == 0 || right == 0) return;
    put(a, c.tensor(0));
    zero(work);
    Tensor top = alias(work, with(leading, {m, right}), work.strides(), work.impl()->offset);
    put(top, c.tensor(1));
    std::vector<int> rank(size_t(b.count)), info(size_t(b.count));
    Tensor singular = empty_tensor({b.count * k}, to_real(x.dtype()));
    lapack::least_squares(b, a.data(), work.data(), right, c["rcond"].to_double(), driver, rank.data(), singular.data(),
                          info.data());
    check_info(c, 0, info.data(), b.count, [](int i) {
        return "element " + std::to_string(i) + " of the triangular factor's diagonal is zero, or the singular values "
               "did not converge: the matrix lacks full rank";
    });
    Tensor solution = alias(work, x.sizes(), work.strides(), work.impl()->offset);
    put(x, *solution.impl());
    for (int64_t i = 0; i < c.out[1].numel(); ++i) c.out[1].data_as<int64_t>()[i] = rank[size_t(i)];
    if (c.out[2].numel()) {
        Tensor values = alias(singular, c.out[2].sizes(), c.out[2].strides(), 0);
        put(c.out[2], *values.impl());
    }
}

// The solution is A^+ B. With X = A^+ B, R = B - A X and H = (A^+)^H g: Golub and Pereyra, "The differentiation of
// pseudo-inverses and nonlinear least squares problems whose variables separate" (1973), for constant rank.
void vjp_lstsq(Vjp& d) {
    static const Op& svd = required_op("svd");
    if (!d.grad().defined()) return;
    Tensor a = d.input(0), b = d.input(1), x = d.result(), g = d.grad();
    Call parts = invoke_call(svd, a, false);
    Tensor u = parts.out[0], s = parts.out[1], vh = parts.out[2];
    double tiny = s.dtype() == DType::float32 ? 1.2e-7 : 2.3e-16;
    int64_t longer = std::max(rows(a.sizes()), columns(a.sizes()));
    Tensor floor = narrow(s, -1, 0, 1) * (tiny * double(longer));
    Tensor inverted = masked_fill(reciprocal(s), s <= floor, 0);
    Tensor pseudo_h = matmul(u * row(to_dtype(inverted, a.dtype())), vh);          // (A^+)^H
    Tensor h = matmul(pseudo_h, g);
    if (d.needs(1)) d.to(1, h);
    if (!d.needs(0)) return;
    Tensor residual = b - matmul(a, x), outside = g - matmul(adjoint(a), h);       // (I - A A^+) B and (I - A^+ A) g
    Tensor grad = neg(matmul(h, adjoint(x)));
    grad = grad + matmul(residual, matmul(adjoint(h), pseudo_h));
    Tensor back = matmul(pseudo_h, x);                                             // (A A^H)^+ B
    d.to(0, grad + matmul(back, adjoint(outside)));
}

// ---- pseudo-inverse -------------------------------------------------------------------------------------------------

void infer_pinv(Call& c) {
    if (c["hermitian"].to_bool()) require_square(c, 0);
    else require_matrix(c, 0);
    const Dims &sizes = c.tensor(0).sizes, leading = leading_sizes(sizes);
    DType t = to_real(c.tensor(0).dtype);
    for (int i : {1, 2}) {
        const TensorImpl& floor = c.tensor(i);
        require(floor.dtype == t && rules::broadcast(c, floor.sizes, leading) == leading, ErrorKind::runtime, c.name(),
                ": ", rules::param_name(c, i), " has shape ", floor.sizes, " and dtype ", name_of(floor.dtype),
                "; expected what broadcasts to ", leading, ", ", name_of(t));
    }
    c.result(with(leading, {columns(sizes), rows(sizes)}), c.tensor(0).dtype);
}

void run_pinv(Call& c) {
    static const Op& svd = required_op("svd");
    static const Op& eigh = required_op("eigh");
    static const Op& amax = required_op("amax");
    if (c.out[0].numel() == 0) return;
    auto argument = [&](int i) { return detach(Tensor(&c.tensor(i))); };
    Tensor a = argument(0), left, values, right;
    if (c["hermitian"].to_bool()) {
        Call parts = invoke_call(eigh, a);
        left = parts.out[1], values = parts.out[0], right = adjoint(left);
    } else {
        Call parts = invoke_call(svd, a, false);
        left = adjoint(parts.out[2]), values = parts.out[1], right = adjoint(parts.out[0]);
    }
    Tensor sizes = abs(values);
    Tensor floor = maximum(column(argument(1)), column(argument(2)) * invoke(amax, sizes, -1, true));
    Tensor inverted = to_dtype(masked_fill(reciprocal(values), sizes <= floor, 0), a.dtype());
    put(c.out[0], *matmul(left * row(inverted), right).impl());
}

// Golub and Pereyra (1973), for constant rank; the smaller of the two sides decides the order of the products.
void vjp_pinv(Vjp& d) {
    Tensor a = d.input(0), p = d.result(), p_h = adjoint(p), g_h = adjoint(d.grad());
    if (rows(a.sizes()) <= columns(a.sizes())) {
        Tensor k = matmul(g_h, p), kp = matmul(k, p_h);
        d.to(0, kp - adjoint(matmul(p, k)) - matmul(matmul(a, p), kp) +
                    matmul(p_h, matmul(p, g_h - matmul(k, a))));
    } else {
        Tensor k = matmul(p, g_h), pk = matmul(p_h, k);
        d.to(0, pk - adjoint(matmul(k, p)) - matmul(matmul(pk, p), a) +
                    matmul(matmul(g_h - matmul(a, k), p), p_h));
    }
}

#define REGULAR "(lambda x: x + 9 * diag(x.new_ones(x.shape[-1])))"
#define MATRICES "floating complex"

}  // namespace

OP(inv_ex) = {
    .signature = "inv_ex(A: Tensor, *, check_errors: bool = False) -> (inverse: Tensor, info: Tensor)",
    .names = "linalg.inv_ex out",
    .dtypes = MATRICES,
    .infer = infer_inverse,
    .kernel = {"lapack", run_inverse},
    .derivative = {vjp_inverse, "inverse", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "inv_ex(" REGULAR "(T(3, 3))); inv_ex(" REGULAR "(T(2, 4, 4)))"},
    .doc = "The inverse of each matrix; `info` is 0, or the first place where U of its LU factors is zero: then the "
           "result "
           "is no inverse.",
    .autocast = Autocast::widen};

OP(solve_with_lu) = {
    .signature = "solve(A: Tensor, B: Tensor, *, check_errors: bool = False) -> (result: Tensor, info: Tensor, LU: "
                 "Tensor, "
                 "pivots: Tensor)",
    .names = "_ops.solve_with_lu",
    .dtypes = MATRICES,
    .infer = infer_solve,
    .kernel = {"lapack", run_solve},
    .derivative = {vjp_solve, "A result LU pivots", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "solve_with_lu(" REGULAR "(T(3, 3)), T(3, 2))[0]; "
                         "solve_with_lu(" REGULAR "(T(2, 1, 3, 3)), T(4, 3, 2))[0]"},
    .doc = "The X of A X = B, with `info` and the LU factors of A."};

OP(solve_factored) = {
    .signature = "solve_factored(LU: Tensor, pivots: Tensor, B: Tensor, adjoint: bool = False) -> Tensor",
    .names = "_ops.solve_factored",
    .dtypes = MATRICES,
    .infer = infer_solve_again,
    .kernel = {"lapack", run_solve_again},
    .derivative = fused_gradient,
    .onnx = no_onnx("a gradient"),
    .samples = {.calls = "solve_factored(" REGULAR "(T(3, 3)), tensor([2, 3, 3]).int(), T(3, 2)); "
                         "solve_factored(" REGULAR "(T(3, 3)), tensor([2, 3, 3]).int(), T(3, 2), True)"},
    .doc = "The X of A X = B, or of A^H X = B, from the LU factors of A."};

OP(solve_triangular) = {
    .signature = "solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, "
                 "unitriangular: bool = False) -> Tensor",
    .names = "linalg.solve_triangular out",
    .dtypes = MATRICES,
    .infer = infer_triangular,
    .kernel = {"lapack", run_triangular},
    .derivative = {vjp_triangular, "A:B A:A result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "solve_triangular(" REGULAR "(T(3, 3)), T(3, 2), upper=True); "
                         "solve_triangular(" REGULAR "(T(3, 3)), T(4, 2, 3), upper=False, left=False); "
                         "solve_triangular(" REGULAR "(T(2, 3, 3)).mT, T(3, 2), upper=True, unitriangular=True)"},
    .doc = "The X of A X = B, or of X A = B when not `left`, for triangular A, of which the other triangle is not "
           "read; "
           "`unitriangular` takes its diagonal as ones."};

OP(lstsq) = {
    .signature = "lstsq(A: Tensor, B: Tensor, rcond: float, driver: str) -> (solution: Tensor, "
                 "rank: Tensor, singular_values: Tensor)",
    .names = "_ops.lstsq",
    .dtypes = MATRICES,
    .infer = infer_lstsq,
    .kernel = {"lapack", run_lstsq},
    .derivative = {vjp_lstsq, "A B result", nullptr, false, 1},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "lstsq(T(4, 2), T(4, 3), 1e-9, 'gelsd')[0]; lstsq(T(2, 4), T(2, 3), 1e-9, 'gelsy')[0]; "
                         "lstsq(T(2, 3, 3), T(2, 3, 1), 1e-9, 'gels')[0]"},
    .doc = "The X that makes |A X - B| smallest, and of these the smallest where the driver can tell."};

OP(pinv) = {
    .signature = "pinv(A: Tensor, atol: Tensor, rtol: Tensor, hermitian: bool = False) -> Tensor",
    .names = "_ops.pinv",
    .dtypes = MATRICES,
    .infer = infer_pinv,
    .kernel = {"lapack", run_pinv},
    .derivative = {vjp_pinv, "A result"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "pinv(T(3, 3), T().detach() * 0 + 1e-9, T().detach() * 0); "
                         "pinv(T(2, 2, 4), T(2).detach() * 0 + 1e-9, T().detach() * 0); "
                         "pinv(T(4, 2), T().detach() * 0, T().detach() * 0 + 1e-9)"},
    .doc = "The Moore-Penrose inverse, where singular values up to max(atol, rtol * the largest) count as "
           "zero."};

}  // namespace rushlight
