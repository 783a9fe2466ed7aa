"""RUSHLIGHT_ISA chooses the kernels: each set computes the same, and a wrong name is refused in words. The
kernels themselves are
compared in tests/native/test_pointwise.cpp."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from ops.ulps import FUNCTIONS
from scipy import special

FLAGS = {"baseline": set(), "avx2": {"avx2", "fma", "f16c", "bmi1", "bmi2"},
         "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"}}
PROGRAM = """
import json
import rushlight as rl
x = rl.linspace(-3, 3, 1001)
half = rl.tensor([1.0009765625, 65504.0, 6e-8, -2.5]).half()
print(json.dumps({"erf": x.erf().tolist(), "sin": (x * 9).sin().tolist(), "exp": x.exp().tolist(),
                  "sum": (x + x.t()).tolist(),
                  "half": (half + half / 4).float().tolist()}))
"""


def processor_flags():
    try:
        with open("/proc/cpuinfo") as info:
            return next((set(line.split()) for line in info if line.startswith("flags")), set())
    except OSError:
        return set()


def run(isa, program=PROGRAM, *arguments):
    environment = {**os.environ, "RUSHLIGHT_ISA": isa}
    return subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True,
                          timeout=300)


@pytest.mark.parametrize("isa", FLAGS)
def test_results(isa):
    if not FLAGS[isa] <= processor_flags():
        pytest.skip(f"this processor has no {isa}")
    done = run(isa)
    assert done.returncode == 0, done.stderr
    got = {name: np.array(values) for name, values in json.loads(done.stdout).items()}
    x = np.linspace(-3, 3, 1001, dtype=np.float32).astype(np.float64)
    np.testing.assert_allclose(got["erf"], special.erf(x), rtol=3e-7, atol=2e-7)
    np.testing.assert_allclose(got["sin"], np.sin((x * 9).astype(np.float32).astype(np.float64)), rtol=3e-6, atol=2e-6)
    np.testing.assert_allclose(got["exp"], np.exp(x), rtol=5e-7)
    np.testing.assert_allclose(got["sum"], x + x, rtol=1e-6, atol=1e-6)
    half = np.array([1.0009765625, 65504.0, 6e-8, -2.5], dtype=np.float16)
    quarter = (half.astype(np.float32) / 4).astype(np.float16)
    with np.errstate(over="ignore"):
        want = (half.astype(np.float32) + quarter.astype(np.float32)).astype(np.float16)
    np.testing.assert_array_equal(got["half"], want.astype(np.float64))


EACH_FUNCTION = """
import sys
import numpy as np
import rushlight as rl
inputs, results, *names = sys.argv[1:]
x = np.load(inputs)
np.savez(results, **{f"{name} {dtype}": getattr(rl, name)(rl.from_numpy(x[dtype])).numpy()
                     for name in names for dtype in ("f4", "f8")})
"""


def steps_between(a, b):
    """How many numbers of the dtype lie between: 0 where both are NaN, very many where one is."""
    bits = {4: np.int32, 8: np.int64}[a.itemsize]
    places = [np.where((v := x.view(bits)) < 0, np.iinfo(bits).min - v, v) for x in (a, b)]
    far = np.abs(places[0].astype("f8") - places[1]) > 1e6                  # where the exact difference might overflow
    one, other = np.isnan(a), np.isnan(b)
    exact = np.abs(np.where(far, 0, places[0]) - np.where(far, 0, places[1]))
    return np.where(one & other, 0.0, np.where(far | one | other, np.inf, exact))


def test_the_sets_agree_on_any_number(tmp_path):
    """Elementary functions of numbers of all exponents: each set is within its limit of the exact value
    (test_properties.py), so two of them are within twice that. RUSHLIGHT_EXAMPLES=1000000 draws so many."""
    count = int(os.environ.get("RUSHLIGHT_EXAMPLES", 0))
    seed = np.random.SeedSequence().entropy if count else 0
    count = max(count, 20_001)
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2**64, count, np.uint64)
    near = random.normal(0, 4, count)
    np.savez(tmp_path / "x.npz", f8=np.concatenate([bits.view("f8"), near]),
             f4=np.concatenate([bits.astype("u4").view("f4"), near.astype("f4")]))
    results = {}
    for isa in FLAGS:
        if FLAGS[isa] <= processor_flags():
            done = run(isa, EACH_FUNCTION, str(tmp_path / "x.npz"), str(tmp_path / isa), *FUNCTIONS)
            assert done.returncode == 0, done.stderr
            results[isa] = np.load(tmp_path / f"{isa}.npz")
    first, *others = results
    for other in others:
        for name in results[first].files:
            function, dtype = name.split()
            steps = steps_between(results[first][name], results[other][name])
            limit = 2 * FUNCTIONS[function][dtype]
            assert steps.max() <= limit, f"{name}: {first} and {other} differ by {steps.max()} steps; seed {seed}"


def test_unknown_name():
    done = run("sse9")
    assert done.returncode != 0
    assert "ValueError: RUSHLIGHT_ISA=sse9 is unknown; expected baseline, avx2 or avx512" in done.stderr
