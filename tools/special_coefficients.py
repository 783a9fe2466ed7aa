"""Writes core/kernels/generic/special_tables.h to standard output: the coefficients of special functions.

They are computed here with mpmath from the functions' definitions (DLMF chapters 5, 8, 9 and 10).
"""
from fractions import Fraction

import mpmath as mp

mp.mp.dps = 50


def chebyshev(f, low, high, points=64):
    """The Chebyshev coefficients of f over [low, high], as far as they matter to a double, the first one halved."""
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / points) for k in range(points)]
    values = [f((high + low) / mp.mpf(2) + (high - low) / mp.mpf(2) * t) for t in nodes]
    angle = [mp.pi * (k + mp.mpf(1) / 2) / points for k in range(points)]
    c = [2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angle, strict=True)) / points for j in range(points)]
    c[0] /= 2
    last = max(j for j in range(points) if abs(c[j]) > min(map(abs, values)) * mp.mpf(2) ** -56)
    assert last < points - 8, "too few points"
    return c[: last + 1]


def large(kind, order, sign):
    """sqrt(x) exp(+-x) times a modified Bessel function, in u = 1 / x; its limit at u = 0."""
    def f(u):
        x = 1 / u
        return mp.sqrt(x) * mp.exp(sign * x) * kind(order, x)
    return f


def airy_phase(part):
    """The slowly varying factors of Ai(-x), in z = 1 / zeta^2: real and imaginary part of one complex function."""
    def f(z):
        zeta = 1 / mp.sqrt(z)
        x = (zeta * 3 / 2) ** (mp.mpf(2) / 3)
        a, b = mp.airyai(-x), mp.airybi(-x)
        scale = mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4)
        s, c = mp.sin(zeta + mp.pi / 4), mp.cos(zeta + mp.pi / 4)
        return scale * (s * a + c * b) if part == 0 else scale * (s * b - c * a) * zeta
    return f


def stirling(count):
    """g_k of gamma(a) = sqrt(2 pi / a) (a / e)^a sum g_k / a^k (DLMF 5.11.3), by its recurrence (5.11.5-6)."""
    a = [Fraction(1)]
    for k in range(1, 2 * count + 1):                    # a_0 a_k + a_1 a_(k-1) / 2 + ... = a_(k-1) / k, a_0^2 = 1/2
        known = sum(a[j] * a[k - j] / (j + 1) for j in range(1, k))
        a.append((a[k - 1] / k - known) / (1 + Fraction(1, k + 1)))
    g, factor = [], Fraction(1)
    for k in range(count):
        g.append(a[2 * k] * factor)                      # (1/2)_k 2^k, with a_0 = 1 for 1/sqrt(2)
        factor *= 2 * k + 1
    return g


def temme(orders, terms):
    """The Taylor coefficients of c_k(eta), DLMF 8.12.10 and 8.12.11, where lambda = 1 + mu."""
    n = terms + 2 * orders
    # mu as a series in eta, from eta^2 / 2 = mu - log(1 + mu), hence mu' mu = eta (1 + mu).
    m = [Fraction(0), Fraction(1)]
    for k in range(2, n + 2):
        m.append((m[k - 1] - sum(j * m[j] * m[k + 1 - j] for j in range(2, k))) / (k + 1))
    r = [Fraction(1)]                                    # eta / mu
    for k in range(1, n):
        r.append(-sum(m[j + 1] * r[k - j] for j in range(1, k + 1)))
    c = [r[1:]]
    for k, g in enumerate(stirling(orders)[1:], 1):      # c_k = (c_(k-1)' + (-1)^k g_k eta / mu) / eta
        slope = [j * v for j, v in enumerate(c[-1])][1:]
        row = [s + (-1) ** k * g * v for s, v in zip(slope, r, strict=False)]
        assert row[0] == 0
        c.append(row[1:])
    return [row[: terms - 2 * k] for k, row in enumerate(c)]


def array(name, values, doc):
    lines = [f"// {doc}", f"inline constexpr double {name}[] = {{"]
    lines += ["    " + mp.nstr(mp.mpf(v.numerator) / v.denominator if isinstance(v, Fraction) else v, 20) + ","
              for v in values]
    return "\n".join(lines) + "\n};\n"


def main():
    two = mp.mpf(2)
    tables = [
        ("i0_near", chebyshev(lambda x: mp.exp(-x) * mp.besseli(0, x), 0, 8), "exp(-x) I0(x), 0 <= x <= 8"),
        ("i0_far", chebyshev(large(mp.besseli, 0, -1), 0, two**-3), "sqrt(x) exp(-x) I0(x), 0 <= 1 / x <= 1 / 8"),
        ("i1_near", chebyshev(lambda x: mp.exp(-x) * mp.besseli(1, x) / x, 0, 8), "exp(-x) I1(x) / x, 0 <= x <= 8"),
        ("i1_far", chebyshev(large(mp.besseli, 1, -1), 0, two**-3), "sqrt(x) exp(-x) I1(x), 0 <= 1 / x <= 1 / 8"),
        ("k0_near", chebyshev(lambda z: mp.besselk(0, mp.sqrt(z)) + mp.log(mp.sqrt(z) / 2) * mp.besseli(0, mp.sqrt(z)),
                              0, 4), "K0(x) + log(x / 2) I0(x), 0 <= x^2 <= 4"),
        ("k0_far", chebyshev(large(mp.besselk, 0, 1), 0, two**-1, 96), "sqrt(x) exp(x) K0(x), 0 <= 1 / x <= 1 / 2"),
        ("k1_near", chebyshev(lambda z: mp.sqrt(z) * (mp.besselk(1, mp.sqrt(z)) - mp.log(mp.sqrt(z) / 2)
                                                      * mp.besseli(1, mp.sqrt(z))), 0, 4),
         "x (K1(x) - log(x / 2) I1(x)), 0 <= x^2 <= 4"),
        ("k1_far", chebyshev(large(mp.besselk, 1, 1), 0, two**-1, 96), "sqrt(x) exp(x) K1(x), 0 <= 1 / x <= 1 / 2"),
        ("airy_below", chebyshev(mp.airyai, -4, 0), "Ai(x), -4 <= x <= 0"),
        ("airy_above", chebyshev(lambda x: mp.airyai(x) * mp.exp(x), 0, 2), "Ai(x) exp(x), 0 <= x <= 2"),
        ("airy_far", chebyshev(lambda u: 2 * mp.sqrt(mp.pi) * mp.exp(1 / u) * mp.sqrt(mp.cbrt(1.5 / u))
                               * mp.airyai(mp.cbrt(1.5 / u) ** 2), 0, mp.mpf(3) / (4 * mp.sqrt(2)), 96),
         "2 sqrt(pi) x^(1/4) exp(zeta) Ai(x), x >= 2, in 1 / zeta, zeta = 2/3 x^(3/2)"),
        ("airy_sine", chebyshev(airy_phase(0), 0, mp.mpf(9) / 256),
         "the factor of sin(zeta + pi / 4) in Ai(-x), x >= 4, in 1 / zeta^2"),
        ("airy_cosine", chebyshev(airy_phase(1), 0, mp.mpf(9) / 256), "the factor of -cos(zeta + pi / 4), times zeta"),
        ("zeta_less_one", [(mp.zeta(k) - 1) / k for k in range(2, 34)], "(zeta(k) - 1) / k from k = 2 (DLMF 5.7.3)"),
    ]
    print("// Coefficients of special functions: Chebyshev series over the ranges named, unless said otherwise. "
          "Written\n// by tools/special_coefficients.py, which computes them from the functions' definitions.\n"
          "#pragma once\n\n"
          "namespace rushlight::scalar::tables {\n")
    for one in tables:
        print(array(*one))
    for k, row in enumerate(temme(5, 18)):
        print(array(f"temme{k}", row, f"the Taylor coefficients of c_{k}(eta), DLMF 8.12.10 and 8.12.11"))
    print("}  // namespace rushlight::scalar::tables")


if __name__ == "__main__":
    main()
