"""Drives the compute room (core/kernels/compute) through a small C face that is compiled on first use."""

import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REFERENCES = [ROOT / "core" / "kernels" / "reference" / name for name in ("matmul.cpp", "convolution.cpp")]
SOURCES = [ROOT / "tests" / "native" / "compute_driver.cpp", *REFERENCES]
DTYPES = {"float32": 6, "float64": 7, "float16": 5, "bfloat16": 11, "uint8": 0, "int8": 1, "int16": 2, "int32": 3,
          "int64": 4, "bool": 10}
ROOM, REFERENCE, ONEDNN = 0, 1, 2


class Unavailable(Exception):
    """The C face cannot be built here; the text says why."""


def library() -> Path:
    """The installed librushlight.so, or the one named by RUSHLIGHT_LIBRARY."""
    if named := os.environ.get("RUSHLIGHT_LIBRARY"):
        return Path(named)
    spec = importlib.util.find_spec("rushlight")
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    places.append(Path(sysconfig.get_path("purelib")) / "rushlight")
    for place in places:
        if (place / "lib" / "librushlight.so").exists():
            return place / "lib" / "librushlight.so"
    raise Unavailable("librushlight.so is not installed")


def build() -> ctypes.CDLL:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if not compiler:
        raise Unavailable("no C++ compiler")
    lib = library()
    text = b"".join(source.read_bytes() for source in SOURCES) + f"{lib}{lib.stat().st_mtime_ns}".encode()
    out = Path(tempfile.gettempdir()) / f"rushlight_compute_{hashlib.sha256(text).hexdigest()[:16]}.so"
    if not out.exists():
        made = out.with_suffix(f".{os.getpid()}")
        command = [compiler, "-std=c++20", "-O1", "-fPIC", "-shared", f"-I{ROOT / 'core'}", *map(str, SOURCES),
                   str(lib), f"-Wl,-rpath,{lib.parent}", "-o", str(made)]
        # A sanitizer's library, where these tests run with one, is not for the compiler.
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        subprocess.run(command, check=True, env=environment)
        made.rename(out)
    face = ctypes.CDLL(str(out))
    face.last_error.restype = ctypes.c_char_p
    face.onednn_missing.restype = ctypes.c_char_p
    face.packed_new.restype = ctypes.c_void_p
    face.packed_delete.argtypes = [ctypes.c_void_p]
    pointer_counts = {"run_matmul": 6, "run_forward": 6, "run_backward_input": 6, "run_backward_weights": 5}
    for name, pointers in pointer_counts.items():
        getattr(face, name).argtypes = [ctypes.c_int, *[ctypes.c_void_p] * pointers]
    return face


def int64s(*values):
    return (ctypes.c_int64 * len(values))(*values)


def address(array):
    return ctypes.c_void_p(array.ctypes.data if array is not None else 0)


def to_bfloat16(x):
    bits = np.ascontiguousarray(x, "f4").view("u4").astype("u8")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("u2")


def from_bfloat16(x):
    return (x.astype("u4") << 16).view("f4")


def encode(x, dtype):
    return to_bfloat16(x) if dtype == "bfloat16" else np.ascontiguousarray(x, dtype)


def decode(x, dtype):
    return from_bfloat16(x).astype("f8") if dtype == "bfloat16" else x.astype("f8") if x.dtype.kind == "f" else x


class Compute:
    def __init__(self):
        self.face = build()

    def check(self, status):
        if status:
            raise RuntimeError(self.face.last_error().decode())

    def matmul(self, a, b, c, *, bias=None, accumulate=False, relu=False, dtype=None, way=ROOM, packed=None):
        """c (batch, m, n) = a (batch, m, k) @ b (batch, k, n), any strides that are whole elements."""
        steps = lambda x: [s // x.itemsize for s in x.strides]
        (batch, m, n), k = c.shape, a.shape[2]
        sa, sb, sc = steps(a), steps(b), steps(c)
        assert sc[2] == 1 or n == 1 or c.size == 0
        v = int64s(DTYPES[dtype or str(a.dtype)], batch, m, n, k, *sa, *sb, *sc[:2], accumulate, relu)
        self.check(self.face.run_matmul(way, v, address(a), address(b), address(bias), address(c), packed))

    def convolution(self, case, layouts=(0, 0, 0), dtype="float32", relu=False, accumulate=False):
        pad = lambda values, filler: [*values, *[filler] * (3 - len(values))]
        c = case
        return int64s(DTYPES[dtype], len(c.input), *layouts, relu, accumulate, c.batch, c.channels, c.outs, c.groups,
                      *pad(c.input, 1), *pad(c.kernel, 1), *pad(c.output, 1), *pad(c.stride, 1), *pad(c.dilation, 1),
                      *pad(c.padding, 0))

    def forward(self, v, x, w, bias, y, way=ROOM, packed=None):
        self.check(self.face.run_forward(way, v, address(x), address(w), address(bias), address(y), packed))

    def backward_input(self, v, g, w, bias, gx, way=ROOM, packed=None):
        self.check(self.face.run_backward_input(way, v, address(g), address(w), address(bias), address(gx), packed))

    def backward_weights(self, v, x, g, gw, gb, way=ROOM):
        self.check(self.face.run_backward_weights(way, v, address(x), address(g), address(gw), address(gb)))


class Case:
    """One convolution: sizes, and the formulas in float64 NumPy as the reference."""

    def __init__(self, batch, channels, outs, input, kernel, stride=1, padding=0, dilation=1, groups=1):
        rank = len(input)
        full = lambda v: list(v) if isinstance(v, tuple | list) else [v] * rank
        self.batch, self.channels, self.outs, self.groups = batch, channels, outs, groups
        self.input, self.kernel = list(input), full(kernel)
        self.stride, self.padding, self.dilation = full(stride), full(padding), full(dilation)
        self.output = [(i + 2 * p - d * (k - 1) - 1) // s + 1 for i, k, s, p, d in
                       zip(self.input, self.kernel, self.stride, self.padding, self.dilation)]

    def __repr__(self):
        return (f"{self.batch}x{self.channels}-{self.outs}_in{self.input}_k{self.kernel}_s{self.stride}"
                f"_p{self.padding}_d{self.dilation}_g{self.groups}").replace(", ", ".")

    def arrays(self, rng):
        x = rng.standard_normal((self.batch, self.channels, *self.input))
        w = rng.standard_normal((self.outs, self.channels // self.groups, *self.kernel))
        g = rng.standard_normal((self.batch, self.outs, *self.output))
        return x, w, rng.standard_normal(self.outs), g

    def _taps(self):
        for tap in np.ndindex(*self.kernel):
            place = [slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in
                     zip(tap, self.dilation, self.output, self.stride)]
            yield tap, (slice(None), slice(None), *place)

    def _padded(self, x):
        # The end is padded as far as the last window reaches.
        reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in
                 zip(self.output, self.stride, self.kernel, self.dilation)]
        ends = [max(r - i - p, 0) for r, i, p in zip(reach, self.input, self.padding)]
        return np.pad(x, [(0, 0), (0, 0), *zip(self.padding, ends)])

    def _split(self, x, axis):
        return np.split(x, self.groups, axis)

    def forward(self, x, w, bias=None):
        xp, parts = self._padded(x), []
        for xg, wg in zip(self._split(xp, 1), self._split(w, 0)):
            y = np.zeros((self.batch, self.outs // self.groups, *self.output))
            for tap, place in self._taps():
                y += np.einsum("nc...,oc->no...", xg[place], wg[(slice(None), slice(None), *tap)], optimize=True)
            parts.append(y)
        y = np.concatenate(parts, 1)
        return y if bias is None else y + bias.reshape(1, -1, *[1] * len(self.input))

    def backward_input(self, g, w):
        parts = []
        for gg, wg in zip(self._split(g, 1), self._split(w, 0)):
            gx = self._padded(np.zeros((self.batch, self.channels // self.groups, *self.input)))
            for tap, place in self._taps():
                gx[place] += np.einsum("no...,oc->nc...", gg, wg[(slice(None), slice(None), *tap)], optimize=True)
            parts.append(gx)
        inner = [slice(p, p + i) for p, i in zip(self.padding, self.input)]
        return np.concatenate(parts, 1)[(slice(None), slice(None), *inner)]

    def backward_weights(self, x, g):
        xp, parts = self._padded(x), []
        for xg, gg in zip(self._split(xp, 1), self._split(g, 1)):
            gw = np.zeros((self.outs // self.groups, self.channels // self.groups, *self.kernel))
            for tap, place in self._taps():
                flat = [t.reshape(*t.shape[:2], int(np.prod(self.output))) for t in (xg[place], gg)]
                gw[(slice(None), slice(None), *tap)] = np.einsum("ncp,nop->oc", *flat, optimize=True)
            parts.append(gw)
        return np.concatenate(parts, 0)


def laid_out(x, layout):
    """The values in the physical order of a layout: 0 plain, 1 channels innermost."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1) if layout else x)


def logical(x, layout):
    return np.moveaxis(x, -1, 1) if layout else x
