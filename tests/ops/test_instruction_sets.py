"""RUSHLIGHT_ISA chooses the kernels: each set computes the same, and a wrong name is refused in words. The
kernels themselves are
compared in tests/native/test_pointwise.cpp."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
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


def run(isa):
    environment = {**os.environ, "RUSHLIGHT_ISA": isa}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)


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


def test_unknown_name():
    done = run("sse9")
    assert done.returncode != 0
    assert "ValueError: RUSHLIGHT_ISA=sse9 is unknown; expected baseline, avx2 or avx512" in done.stderr
