// Eigenvalues, singular values and QR factors.
#include "ops/linalg.h"

namespace rushlight {

namespace {

using namespace linalg;

// ---- eigenvalues of symmetric matrices ------------------------------------------------------------------------------

bool reads_upper(const Call& c) {
    std::string_view which = c["UPLO"].to_string();
    require(which == "L" || which == "U" || which == "l" || which == "u", ErrorKind::runtime, c.name(), ": UPLO='",
            which, "'; expected 'L' or 'U'");
    return which == "U" || which == "u";
}

void infer_eigvalsh(Call& c) {
    require_square(c, 0);
    reads_upper(c);
    c.result(leading_sizes(c.tensor(0).sizes, 1), to_real(c.tensor(0).dtype));
}

void infer_eigh(Call& c) {
    infer_eigvalsh(c);
    matrix_result(c, c.tensor(0).sizes, c.tensor(0).dtype);
}

std::string no_convergence(int i) {
    return "the iteration did not converge; " + std::to_string(i) + " values are missing: the matrix is "
           "ill-conditioned or "
           "has too many repeated values";
}

void eigh_into(Call& c, const Tensor& matrices, bool vectors) {
    if (matrices.numel() == 0) return;
    put(matrices, c.tensor(0));
    Batch b = batch_of(matrices);
    std::vector<int> info(size_t(b.count));
    lapack::eigh(b, matrices.data(), c.out[0].data(), reads_upper(c), vectors, info.data());
    check_info(c, 0, info.data(), b.count, no_convergence);
}

void run_eigh(Call& c) { eigh_into(c, c.out[1], true); }
void run_eigvalsh(Call& c) { eigh_into(c, column_major_empty(c.tensor(0).sizes, c.tensor(0).dtype), false); }

// Giles (2008), 3.1, for Hermitian matrices: V (diag(gL) + K / E) V^H with K the skew part of V^H gV, since V can only
// turn, and E[i, j] = L[j] - L[i].
void vjp_eigh(Vjp& d) {
    Tensor l = d.result(0), v = d.result(1), inner;
    if (d.grad(1).defined()) {
        Tensor gaps = row(l) - column(l) + identity_like(row(l));
        Tensor turned = matmul(adjoint(v), d.grad(1));
        Tensor skew = (turned - adjoint(turned)) * 0.5;
        inner = (skew - diagonal_matrix(diagonal_of(skew))) / to_dtype(gaps, v.dtype());
    }
    if (d.grad(0).defined()) {
        Tensor on_diagonal = diagonal_matrix(to_dtype(d.grad(0), v.dtype()));
        inner = inner.defined() ? inner + on_diagonal : on_diagonal;
    }
    if (inner.defined()) d.to(0, matmul(v, matmul(inner, adjoint(v))));
}

// Values alone keep nothing: their vectors are found again when the derivative asks.
void vjp_eigvalsh(Vjp& d) {
    static const Op& eigh = required_op("eigh");
    Tensor v = std::move(invoke_call(eigh, d.input(0), d["UPLO"]).out[1]);
    d.to(0, matmul(v * row(to_dtype(d.grad(), v.dtype())), adjoint(v)));
}

// ---- eigenvalues ----------------------------------------------------------------------------------------------------

void infer_eigvals(Call& c) {
    require_square(c, 0);
    c.result(leading_sizes(c.tensor(0).sizes, 1), to_complex(c.tensor(0).dtype));
}

void infer_eig(Call& c) {
    infer_eigvals(c);
    matrix_result(c, c.tensor(0).sizes, to_complex(c.tensor(0).dtype));
}

void eig_into(Call& c, void* vectors) {
    Tensor a = column_major(Tensor(&c.tensor(0)));
    if (a.numel() == 0) return;
    Batch b = batch_of(a);
    std::vector<int> info(size_t(b.count));
    lapack::eig(b, a.data(), c.out[0].data(), vectors, info.data());
    check_info(c, 0, info.data(), b.count, no_convergence);
}

void run_eig(Call& c) { eig_into(c, c.out[1].data()); }
void run_eigvals(Call& c) { eig_into(c, nullptr); }

Tensor as_input(const Tensor& g, DType wanted) { return is_complex(wanted) ? g : real(g); }

// Giles (2008), 3.1, with vectors of norm 1, after Boeddeker et al., "On the computation of complex-valued gradients
// with application to statistically optimum beamforming" (2017), 4.77.
void vjp_eig(Vjp& d) {
    static const Op& solve = required_op("solve_with_lu");
    Tensor l = d.result(0), v = d.result(1), inner;
    Tensor v_h = adjoint(v);
    if (d.grad(1).defined()) {
        Tensor gaps = conj(row(l) - column(l)) + identity_like(row(l));
        Tensor turned = matmul(v_h, d.grad(1));
        Tensor along = to_dtype(real(diagonal_of(turned)), v.dtype());
        Tensor off = turned - matmul(v_h, v * row(along));
        inner = (off - diagonal_matrix(diagonal_of(off))) / gaps;
    }
    if (d.grad(0).defined()) {
        Tensor on_diagonal = diagonal_matrix(d.grad(0));
        inner = inner.defined() ? inner + on_diagonal : on_diagonal;
    }
    if (inner.defined()) d.to(0, as_input(invoke(solve, v_h, matmul(inner, v_h)), d.dtype(0)));
}

void vjp_eigvals(Vjp& d) {
    static const Op& eig = required_op("eig");
    static const Op& solve = required_op("solve_with_lu");
    Tensor v = std::move(invoke_call(eig, d.input(0)).out[1]);
    Tensor v_h = adjoint(v);
    d.to(0, as_input(invoke(solve, v_h, column(d.grad()) * v_h), d.dtype(0)));
}

// ---- singular values ------------------------------------------------------------------------------------------------

lapack::SvdDriver svd_driver(const Call& c) {
    if (!c.has(c.op.parsed.find("driver"))) return lapack::SvdDriver::gesdd;
    fail(ErrorKind::runtime, c.name(), ": driver='", c["driver"].to_string(),
         "' is for CUDA; expected None, since there is one driver for the CPU");
}

void infer_svdvals(Call& c) {
    require_matrix(c, 0);
    svd_driver(c);
    const Dims& sizes = c.tensor(0).sizes;
    c.result(with(leading_sizes(sizes), {std::min(rows(sizes), columns(sizes))}), to_real(c.tensor(0).dtype));
}

void infer_svd(Call& c) {
    require_matrix(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    DType t = c.tensor(0).dtype;
    int64_t m = rows(sizes), n = columns(sizes), k = std::min(m, n);
    bool full = c["full_matrices"].to_bool();
    Dims leading = leading_sizes(sizes);
    matrix_result(c, with(leading, {m, full ? m : k}), t);
    infer_svdvals(c);
    matrix_result(c, with(leading, {full ? n : k, n}), t);
}

void fill_identity(const Tensor& t) {
    if (t.numel() == 0) return;
    Tensor one = cast(scalar_tensor(1.0, DType::float64), t.dtype());
    zero(t);
    Dims sizes = leading_sizes(t.sizes()), strides = leading_sizes(t.strides());
    sizes.push_back(std::min(t.size(t.rank() - 2), t.size(t.rank() - 1)));
    strides.push_back(t.strides()[t.rank() - 2] + t.strides()[t.rank() - 1]);
    Tensor on_diagonal = alias(t, sizes, strides, t.impl()->offset);
    put(on_diagonal, *one.impl());
}

void svd_into(Call& c, const Tensor& u, const Tensor& s, const Tensor& vh, bool full) {
    Tensor a = column_major(Tensor(&c.tensor(0)));
    if (a.numel() == 0) {
        if (u.defined()) fill_identity(u), fill_identity(vh);
        return;
    }
    Batch b = batch_of(a);
    std::vector<int> info(size_t(b.count));
    void *left = u.defined() ? u.data() : nullptr, *right = vh.defined() ? vh.data() : nullptr;
    lapack::svd(b, a.data(), left, s.data(), right, full, svd_driver(c), info.data());
    bool failed = false;                               // where the fast driver fails, the patient one may not
    for (int i : info) failed |= i > 0 && i != lapack::not_finite;
    if (failed) {
        put(a, c.tensor(0));
        lapack::svd(b, a.data(), left, s.data(), right, full, lapack::SvdDriver::gesvd, info.data());
    }
    check_info(c, 0, info.data(), b.count, no_convergence);
}

void run_svd(Call& c) { svd_into(c, c.out[0], c.out[1], c.out[2], c["full_matrices"].to_bool()); }
void run_svdvals(Call& c) { svd_into(c, Tensor(), c.out[0], Tensor(), false); }

// Of a gradient for u and v: the part that turns the first k vectors among each other, and U^H gU's diagonal where it
// counts.
Tensor svd_inner(const Tensor& u, const Tensor& s, const Tensor& vh, const Tensor& gu, const Tensor& gvh) {
    auto skew = [](const Tensor& x) { return x - adjoint(x); };
    Tensor squares = s * s, values = to_dtype(s, u.dtype()), inner, turned_u;
    Tensor gaps = to_dtype(row(squares) - column(squares) + identity_like(row(squares)), u.dtype());
    if (gu.defined()) {
        turned_u = skew(matmul(adjoint(u), gu));
        inner = turned_u * row(values);
    }
    if (gvh.defined()) {
        Tensor turned_v = column(values) * skew(matmul(vh, adjoint(gvh)));
        inner = inner.defined() ? inner + turned_v : turned_v;
    }
    inner = inner - diagonal_matrix(diagonal_of(inner));
    inner = inner / gaps;
    if (is_complex(u.dtype()) && gu.defined() && gvh.defined())
        inner = inner + diagonal_matrix(diagonal_of(turned_u) / (values * 2));
    return inner;
}

// Townsend, "Differentiating the singular value decomposition" (2016); Wan and Zhang (2019) for complex matrices.
// Vectors beyond the first min(m, n) have no derivative of their own.
void vjp_svd(Vjp& d) {
    Tensor u = d.result(0), s = d.result(1), vh = d.result(2), gu = d.grad(0), gs = d.grad(1), gvh = d.grad(2);
    if (!gu.defined() && !gs.defined() && !gvh.defined()) return;
    int64_t k = columns(s.sizes()), m = rows(d.sizes(0)), n = columns(d.sizes(0));
    u = narrow(u, -1, 0, k);
    vh = narrow(vh, -2, 0, k);
    if (gu.defined()) gu = narrow(gu, -1, 0, k);
    if (gvh.defined()) gvh = narrow(gvh, -2, 0, k);
    Tensor inner, inverted = to_dtype(reciprocal(s), u.dtype());
    if (gu.defined() || gvh.defined()) inner = svd_inner(u, s, vh, gu, gvh);
    if (gs.defined()) {
        Tensor on_diagonal = diagonal_matrix(to_dtype(gs, u.dtype()));
        inner = inner.defined() ? inner + on_diagonal : on_diagonal;
    }
    Tensor left = matmul(u, inner);
    if (m > k && gu.defined()) {                       // (I - U U^H) gU / S
        Tensor scaled = gu * row(inverted);
        left = left + scaled - matmul(u, matmul(adjoint(u), scaled));
    }
    Tensor g = matmul(left, vh);
    if (n > k && gvh.defined()) {
        Tensor scaled = column(inverted) * gvh;
        g = g + matmul(u, scaled - matmul(matmul(scaled, adjoint(vh)), vh));
    }
    d.to(0, g);
}

void vjp_svdvals(Vjp& d) {
    static const Op& svd = required_op("svd");
    Call parts = invoke_call(svd, d.input(0), false);
    Tensor u = parts.out[0], vh = parts.out[2];
    d.to(0, matmul(u * row(to_dtype(d.grad(), u.dtype())), vh));
}

// ---- QR -------------------------------------------------------------------------------------------------------------

void infer_geqrf(Call& c) {
    require_matrix(c, 0);
    const Dims& sizes = c.tensor(0).sizes;
    matrix_result(c, sizes, c.tensor(0).dtype);
    c.result(with(leading_sizes(sizes), {std::min(rows(sizes), columns(sizes))}), c.tensor(0).dtype);
}

void run_geqrf(Call& c) {
    if (c.out[0].numel() == 0) return;
    put(c.out[0], c.tensor(0));
    lapack::qr(batch_of(c.out[0]), c.out[0].data(), c.out[1].data());
}

enum class QrMode { reduced, complete, r };
QrMode qr_mode(const Call& c) {
    std::string_view mode = c["mode"].to_string();
    if (mode == "reduced") return QrMode::reduced;
    if (mode == "complete") return QrMode::complete;
    require(mode == "r", ErrorKind::runtime, c.name(), ": mode='", mode, "'; expected 'reduced', 'complete' or 'r'");
    return QrMode::r;
}

void infer_qr(Call& c) {
    require_matrix(c, 0);
    QrMode mode = qr_mode(c);
    const Dims& sizes = c.tensor(0).sizes;
    DType t = c.tensor(0).dtype;
    int64_t m = rows(sizes), n = columns(sizes), k = mode == QrMode::complete ? m : std::min(m, n);
    if (mode == QrMode::r) c.result({0}, t);
    else matrix_result(c, with(leading_sizes(sizes), {m, k}), t);
    matrix_result(c, with(leading_sizes(sizes), {k, n}), t);
}

// Keeps what stands on and above the diagonal of `factored` in `r`.
void put_upper(const Tensor& r, const Tensor& factored) {
    Batch from = batch_of(factored), to = batch_of(r);
    size_t element = size_t(size_of(to.dtype));
    const auto* source = static_cast<const char*>(factored.data());
    auto* target = static_cast<char*>(r.data());
    zero(r);
    for (int64_t i = 0; i < to.count; ++i)
        for (int64_t j = 0; j < to.n; ++j)
            std::copy_n(source + size_t((i * from.n + j) * from.m) * element,
                        size_t(std::min({j + 1, to.m, from.m})) * element,
                        target + size_t((i * to.n + j) * to.m) * element);
}

void run_qr(Call& c) {
    QrMode mode = qr_mode(c);
    Tensor q = c.out[0], r = c.out[1], a = column_major(Tensor(&c.tensor(0)));
    Batch b = batch_of(a);
    int64_t k = std::min(b.m, b.n);
    if (a.numel() == 0) {
        zero(r);
        if (mode == QrMode::complete) fill_identity(q);
        return;
    }
    Tensor tau = empty_tensor({b.count, k}, b.dtype);
    lapack::qr(b, a.data(), tau.data());
    put_upper(r, a);
    if (mode == QrMode::r) return;
    Batch wanted = batch_of(q);
    size_t column_bytes = size_t(b.m * size_of(b.dtype)), taken = size_t(k) * column_bytes;
    for (int64_t i = 0; i < b.count; ++i)              // the columns that hold Householder's vectors
        std::copy_n(static_cast<const char*>(a.data()) + size_t(i * b.n) * column_bytes, taken,
                    static_cast<char*>(q.data()) + size_t(i * wanted.n) * column_bytes);
    lapack::householder(wanted, q.data(), tau.data(), k);
}

// Seeger et al., "Auto-differentiating linear algebra" (2017), for as many rows as columns or more; Walter and Lehmann
// (2010) for fewer: there a = [x y], Q R1 = x and R2 = Q^H y.
void vjp_qr(Vjp& d) {
    require(qr_mode(Call(d.op, d.args)) != QrMode::r, ErrorKind::runtime, d.op.parsed.name,
            ": mode='r' can't be differentiated; expected 'reduced'");
    int64_t m = rows(d.sizes(0)), n = columns(d.sizes(0)), k = std::min(m, n);
    Tensor q = d.result(0), r = d.result(1), gq = d.grad(0), gr = d.grad(1);
    require(columns(q.sizes()) == k, ErrorKind::runtime, d.op.parsed.name,
            ": mode='complete' can't be differentiated for an input of shape ", d.sizes(0),
            "; expected no more rows than columns, or 'reduced'");
    if (!gq.defined() && !gr.defined()) return;
    Tensor rest;
    if (n > k) {
        Tensor y = matmul(q, narrow(r, -1, k, n - k));
        r = narrow(r, -1, 0, k);
        rest = zeros(y.sizes(), y.dtype());
        if (gr.defined()) {
            Tensor g_right = narrow(gr, -1, k, n - k), by_y = matmul(y, adjoint(g_right));
            gr = narrow(gr, -1, 0, k);
            gq = gq.defined() ? gq + by_y : by_y;
            rest = matmul(q, g_right);
        }
    }
    Tensor inner;
    if (gr.defined()) inner = matmul(r, adjoint(gr));
    if (gq.defined()) {
        Tensor turned = matmul(adjoint(gq), q);
        inner = inner.defined() ? inner - turned : neg(turned);
    }
    Tensor below = tril(inner, -1);
    Tensor on_diagonal = diagonal_matrix(to_dtype(real(diagonal_of(inner)), q.dtype()));
    Tensor whole = matmul(q, below + adjoint(below) + on_diagonal);
    if (gq.defined()) whole = gq + whole;
    Tensor g = linalg::solve_triangular(adjoint(r), whole, false, false);
    if (rest.defined()) {
        Tensor parts[] = {g, rest};
        g = cat(parts, -1);
    }
    d.to(0, g);
}

#define SYMMETRIC "(lambda x: x + x.mT)"
#define MATRICES "floating complex"

}  // namespace

OP(eigh) = {
    .signature = "eigh(A: Tensor, UPLO: str = 'L') -> (eigenvalues: Tensor, eigenvectors: Tensor)",
    .names = "linalg.eigh out",
    .dtypes = MATRICES,
    .infer = infer_eigh,
    .kernel = {"lapack", run_eigh},
    .derivative = {vjp_eigh, "result eigenvectors"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "eigh(" SYMMETRIC "(T(3, 3))); eigh(" SYMMETRIC "(T(2, 4, 4)), 'U')"},
    .doc = "Eigenvalues in ascending order and eigenvectors, as columns, of symmetric (Hermitian) matrices, of which "
           "the "
           "lower ('L') or upper ('U') triangle is read.",
    .autocast = Autocast::widen};

OP(eigvalsh) = {
    .signature = "eigvalsh(A: Tensor, UPLO: str = 'L') -> Tensor",
    .names = "linalg.eigvalsh out",
    .dtypes = MATRICES,
    .infer = infer_eigvalsh,
    .kernel = {"lapack", run_eigvalsh},
    .derivative = {vjp_eigvalsh, "A"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "eigvalsh(" SYMMETRIC "(T(3, 3))); eigvalsh(" SYMMETRIC "(T(2, 4, 4)), 'U')"},
    .doc = "Eigenvalues of symmetric (Hermitian) matrices in ascending order.",
    .autocast = Autocast::widen};

OP(eig) = {
    .signature = "eig(A: Tensor) -> (eigenvalues: Tensor, eigenvectors: Tensor)",
    .names = "linalg.eig out",
    .dtypes = MATRICES,
    .infer = infer_eig,
    .kernel = {"lapack", run_eig},
    .derivative = {vjp_eig, "result eigenvectors"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "eig(" SYMMETRIC "(T(3, 3)))"},
    .doc = "Eigenvalues and eigenvectors of norm 1, as columns, of square matrices: complex, in no order.",
    .autocast = Autocast::widen};

OP(eigvals) = {
    .signature = "eigvals(A: Tensor) -> Tensor",
    .names = "linalg.eigvals out",
    .dtypes = MATRICES,
    .infer = infer_eigvals,
    .kernel = {"lapack", run_eigvals},
    .derivative = {vjp_eigvals, "A"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "eigvals(T(3, 3))"},
    .doc = "Eigenvalues of square matrices: complex, in no order.",
    .autocast = Autocast::widen};

OP(svd) = {
    .signature = "svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> (U: Tensor, S: Tensor, "
                 "Vh: Tensor)",
    .names = "linalg.svd out",
    .dtypes = MATRICES,
    .infer = infer_svd,
    .kernel = {"lapack", run_svd},
    .derivative = {vjp_svd, "result S Vh"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "svd(T(3, 3)); svd(T(2, 2, 4), False); svd(T(4, 2), full_matrices=False)"},
    .doc = "A = U diag(S) Vh: singular values in descending order, with orthonormal columns U and rows Vh, the first "
           "min(m, n) of them or, with `full_matrices`, as many as fill square matrices.",
    .autocast = Autocast::widen};

OP(svdvals) = {
    .signature = "svdvals(A: Tensor, *, driver: str | None = None) -> Tensor",
    .names = "linalg.svdvals out",
    .dtypes = MATRICES,
    .infer = infer_svdvals,
    .kernel = {"lapack", run_svdvals},
    .derivative = {vjp_svdvals, "A"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "svdvals(T(3, 3)); svdvals(T(2, 2, 4))"},
    .doc = "Singular values in descending order.",
    .autocast = Autocast::widen};

OP(geqrf) = {
    .signature = "geqrf(input: Tensor) -> (a: Tensor, tau: Tensor)",
    .names = "geqrf Tensor.geqrf out",
    .dtypes = MATRICES,
    .infer = infer_geqrf,
    .kernel = {"lapack", run_geqrf},
    .derivative = not_differentiable("linalg.qr has the derivative"),
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "geqrf(T(3, 3)); geqrf(T(2, 4, 2))"},
    .doc = "QR factors as LAPACK packs them: R above, Householder's vectors below the diagonal, and their scales "
           "`tau`.",
    .autocast = Autocast::widen};

OP(qr) = {
    .signature = "qr(A: Tensor, mode: str = 'reduced') -> (Q: Tensor, R: Tensor)",
    .names = "linalg.qr out",
    .dtypes = MATRICES,
    .infer = infer_qr,
    .kernel = {"lapack", run_qr},
    .derivative = {vjp_qr, "result R"},
    .onnx = no_onnx("ONNX has no operator for it"),
    .samples = {.calls = "qr(T(3, 3)); qr(T(2, 2, 4)); qr(T(4, 2))"},
    .doc = "A = Q R with orthonormal columns Q and upper triangular R: min(m, n) columns, all m ('complete'), or R "
           "alone "
           "('r', where Q is empty).",
    .autocast = Autocast::widen};

}  // namespace rushlight
