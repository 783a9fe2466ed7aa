"""Many captured calls of one function: sizes that vary, which graphs are kept, reports, threads, interrupts."""
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import rushlight as rl
from rushlight.jit import CompileWarning


def attention(x, mask):
    scores = x @ x.transpose(1, 2) / x.shape[-1] ** 0.5 + mask
    return scores.softmax(-1) @ x + 1 / x.size(1)


def test_any_one_size_may_vary():
    compiled = rl.compile(attention, fullgraph=True, dynamic=True)
    captured = []
    for n in (4, 5, 7, 6, 12, 2, 30):
        x, mask = rl.randn(2, n, 3), rl.zeros(n, n).triu_(1) * -9
        np.testing.assert_array_equal(compiled(x, mask).numpy(), attention(x, mask).numpy())
        captured.append(compiled._count)
    assert captured == [1, 2, 3, 3, 3, 3, 3]
    for batch in (3, 5, 8, 20):                          # with the last length
        x, mask = rl.randn(batch, 30, 3), rl.zeros(30, 30)
        np.testing.assert_array_equal(compiled(x, mask).numpy(), attention(x, mask).numpy())
    assert compiled._count == 6


def test_a_decision_by_size_ends_the_family():
    def by_size(x):
        return x * 2 if len(x) < 10 else x * 3

    compiled = rl.compile(by_size, fullgraph=True)
    for n in (2, 4, 8, 5, 12, 11, 10, 9, 3, 40, 20):
        x = rl.randn(n)
        assert compiled(x).equal(by_size(x))


def test_the_latest_graphs_are_kept():
    compiled = rl.compile(lambda x, k: x * k, fullgraph=True)
    x = rl.ones(2)
    for k in range(64):
        compiled(x, k)
    for _ in range(20):
        for k in range(20, 64):
            compiled(x, k)
    for k in range(100, 104):
        assert compiled(x, k)[0].item() == k
    assert len(compiled.graphs) == 64
    kept = {entry.found.graph.text() for entries in compiled.captured.values() for entry in entries}
    for k in (50, 103):
        assert compiled(x, k)[0].item() == k and any(f"mul(%input, {k})" in text for text in kept)
    assert not any("mul(%input, 1)" in text for text in kept)


def test_calls_that_never_come_again_are_captured_no_longer():
    compiled = rl.compile(lambda x, k: x * k)
    with pytest.warns(CompileWarning, match="captured 64 times, and hardly any of these graphs ran again"):
        for k in range(100):
            assert compiled(rl.ones(1), float(k)).item() == k
    assert len(compiled.graphs) == 64
    each = rl.compile(lambda x, by: x * by.k)
    with pytest.warns(CompileWarning, match="an argument is another Number at each of 8 calls"):
        for k in range(20):
            by = type("Number", (), {"k": float(k)})()
            assert each(rl.ones(1), by).item() == k


def test_the_report_tells_what_a_graph_is_for():
    net = rl.nn.Sequential(rl.nn.Linear(4, 8), rl.nn.Dropout(0.5), rl.nn.Linear(8, 2))
    updates = rl.optim.SGD(net.parameters(), lr=0.1)
    compiled = rl.compile(net)

    @rl.compile
    def step(x):
        updates.zero_grad()
        net(x).sum().backward()
        updates.step()

    x = rl.randn(3, 4)
    for _ in range(2):
        compiled(x)
        with rl.no_grad():
            compiled(x)
        net.eval()
        with rl.no_grad():
            for _ in range(3):
                compiled(x)
        net.train()
        for _ in range(3):
            step(x)
    lines = compiled.report().splitlines()
    assert any("(3, 4)) in training: " in line and "recorded on the tape" in line for line in lines)
    assert any("in no gradients, training: " in line for line in lines)
    evaluated = next(i for i, line in enumerate(lines) if "in no gradients, evaluation: " in line)
    assert "planned: " in lines[evaluated] and "bytes of constants" in lines[evaluated]
    assert "memory: " in lines[evaluated + 1] and "walks backwards, training" in step.report()


def run_child(program, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **options}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment)


def test_the_log_tells_the_same():
    child = run_child("""
        import rushlight as rl
        f = rl.compile(lambda x: x * 2 + 1)
        g = rl.compile(lambda x: x * x.max().item())
        for _ in range(3):
            f(rl.ones(3)); g(rl.ones(3))
        """, RUSHLIGHT_LOG="graph", PYTHONWARNINGS="ignore")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    for sentence in ("<lambda>: (rushlight.float32 (3,)): ", "runs as it is written: at <string>:4", "bytes planned"):
        assert sentence in out + err


def test_threads_capture_at_the_same_time():
    functions = [rl.compile(lambda x, k=k: ((x * k).tanh() + k).sum() * 2, fullgraph=True) for k in range(8)]
    plain = [f.function for f in functions]
    start = threading.Barrier(4)

    def work(which):
        start.wait()
        for turn in range(12):
            for n in range(2, 8):
                i = (which + turn + n) % len(functions)
                x = rl.full((n,), 0.25 * which, requires_grad=True)
                y = x.detach().clone().requires_grad_()
                functions[i](x).backward()
                plain[i](y).backward()
                assert x.grad.equal(y.grad)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not rl._C.graph._is_capturing()


def test_interrupts_leave_everything_usable():
    child = run_child("""
        import signal
        import rushlight as rl
        signal.signal(signal.SIGINT, signal.default_int_handler)     # who runs in the background ignores it
        net = rl.nn.Sequential(*[rl.nn.Linear(32, 32) for _ in range(60)])
        x = rl.randn(16, 32)
        expected = net(x)
        compiled = rl.compile(net)
        print("ready", flush=True)
        caught = told = 0
        while told < 12:
            try:                                     # the next interrupt comes once this one is told
                if caught > told:
                    assert not rl._C.graph._is_capturing()
                    with rl.no_grad():
                        assert compiled(x).equal(expected) and compiled(x).equal(expected)
                    told = caught
                    print("caught", flush=True)
                compiled = rl.compile(net)
                for _ in range(20):
                    with rl.no_grad():
                        compiled(x)
            except KeyboardInterrupt:
                caught += 1
        assert len(compiled.graphs) == 1
        print("done", flush=True)
        """)
    assert child.stdout.readline() == "ready\n"
    for i in range(12):
        time.sleep(0.003 + 0.0017 * i)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "caught\n", child.stderr.read()
    assert child.stdout.readline() == "done\n"
    assert child.wait(timeout=60) == 0


def test_warnings_come_once():
    compiled = rl.compile(lambda x: x * x.max().item())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for n in range(2, 6):
            for _ in range(3):
                compiled(rl.ones(n))
    assert len(told) == 1
