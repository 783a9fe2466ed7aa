"""The benchmark's bookkeeping: ratios, bars, disagreement, rows that cannot run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as rl
from benchmarks import cases, report  # noqa: F401  cases fills CASES
from benchmarks.case import CASES
from benchmarks.cases.products import resnet50_convolutions
from benchmarks.coordinator import layouts, ready_rows, rounds_for, selected
from benchmarks.peers import PEERS, Peer
from benchmarks.worker import made, namespace, summary, timed_loop

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def own_threads():
    threads = rl.get_num_threads()
    yield
    rl.set_num_threads(threads)


def row(case, peer, times, **more):
    made = {"case": case, "group": CASES[case].group, "peer": peer, "layout": "default", "unit": "s", "times": times}
    return report.summarize(made | more)


def test_ratio_is_of_minima_and_against_the_better_layout():
    name = "ResNet-50 step, batch 8"
    rows = [row(name, "rushlight", [2.0, 1.0, 4.0]), row(name, "torch", [2.0, 4.0, 3.0])]
    rows.append(row(name, "torch", [1.6, 9.0, 9.0], layout="channels_last"))
    (line,) = report.compare(rows, "torch")
    assert line["ratio"] == pytest.approx(1.0 / 1.6)
    assert line["median_ratio"] == pytest.approx(2.0 / 3.0)
    assert "ok" in report.verdict(line, "torch")


def test_bar_that_is_missed_is_said():
    rows = [row("eager add", "rushlight", [0.6]), row("eager add", "torch", [1.0])]
    (line,) = report.compare(rows, "torch")
    assert report.verdict(line, "torch") == "OVER (bar 0.5)"
    assert report.verdict(line, "numpy") == ""


def test_differing_answers_void_a_row():
    rows = [row("eager add", "rushlight", [0.1], answer=1.0), row("eager add", "torch", [1.0], answer=1.01)]
    assert "RESULTS DIFFER" in report.table(rows, "torch")
    rows = [row("eager add", "rushlight", [0.1], answer=float("nan")), row("eager add", "torch", [1.0], answer=1.0)]
    assert "RESULTS DIFFER" in report.table(rows, "torch")


def test_steps_agree_more_closely():
    name, other = "captured LeNet step, batch 64", "eager add"
    for case, differ in ((name, True), (other, False)):
        rows = [row(case, peer, [0.1], answer=answer) for peer, answer in (("rushlight", 1.0), ("jax", 1.0015))]
        assert ("RESULTS DIFFER" in report.table(rows, "jax")) is differ


def test_being_ready_is_a_row_of_its_own():
    facts = {"peer": "jax", "layout": "default", "unit": "s", "case": "captured LeNet step, batch 64"}
    (ready,) = ready_rows([facts | {"first": 2.5, "times": [0.1], "answer": 1.0}])
    assert ready["case"] == "captured LeNet step, batch 64: ready"
    assert report.summarize(ready)["min"] == 2.5 and "answer" not in ready


@pytest.mark.parametrize("name", ["captured MLP 4-64-2 step, batch 32, Adam", "captured LeNet step, batch 64"])
def test_jitted_steps_are_the_same_steps(name):
    pytest.importorskip("jax")
    case, losses = CASES[name], []
    for peer in (PEERS["rushlight"](), PEERS["jax"]()):
        xp = namespace(peer, case)
        xp.manual_seed(3)
        _, once = timed_loop(case.build(xp), peer)
        losses.append([summary(once()) for _ in range(4)])
    own, other = losses
    assert own == pytest.approx(other, rel=1e-4) and own[0] > own[-1]


def test_peer_without_training_says_so():
    with pytest.raises(TypeError, match="trains no networks"):
        made(CASES["captured LeNet step, batch 64"].build(PEERS["rushlight"]().xp), Peer(None, ""))


def test_row_that_cannot_run_stays_in_the_table():
    rows = [row("eager add", "rushlight", [0.1]), row("eager add", "torch", [], error="TypeError: no")]
    text = report.table(rows, "torch")
    assert "torch cannot run it: TypeError: no" in text and "eager add" in text


def test_geometric_mean():
    assert report.geometric_mean([0.5, 2.0, 4.0]) == pytest.approx(4 ** (1 / 3))


def test_convolutions_are_those_of_resnet50():
    # 53 convolutions in the network, 4.1 GFLOP of multiply-adds per image, most of them repeated shapes.
    found = resnet50_convolutions()
    assert len(found) == len(set(found)) == 23
    repeats = {64: 3, 128: 4, 256: 6, 512: 3}
    total = 0
    for conv in found:
        side = conv.side // conv.stride
        times = 1
        if conv.kernel == 3 and conv.stride == 1:
            times = repeats[conv.outputs] - (0 if conv.outputs == 64 else 1)
        elif conv.kernel == 1 and conv.stride == 1 and conv.outputs == 4 * conv.inputs:
            times = repeats[conv.inputs] + (conv.inputs == 64)  # in the first stage the shortcut has this shape too
        elif conv.kernel == 1 and conv.inputs == 4 * conv.outputs:
            times = repeats[conv.outputs] - 1
        total += times * 2 * side * side * conv.inputs * conv.outputs * conv.kernel**2
    assert total == pytest.approx(8.17e9, rel=0.01)


def test_selection_and_rounds():
    assert [case.name for case in selected("conv 7x7", False)] == [name for name in CASES if "conv 7x7" in name]
    assert 5 < len(selected(None, True)) < len(selected(None, False))
    assert rounds_for(1e-6, 20) == 20 and rounds_for(3.0, 20) == 4 and rounds_for(3.0, 2) == 2
    assert layouts(CASES["ResNet-18 step, batch 8"], "torch") == ("default", "channels_last")
    assert layouts(CASES["ResNet-18 step, batch 8"], "numpy") == ("default",)


def test_a_short_run_writes_its_figures(tmp_path):
    target = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--only", "eager add", "--rounds", "1", "--peers", "numpy"]
    done = subprocess.run([*command, "--json", target], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = {(row["case"], row["peer"]): row for row in json.loads(target.read_text())["rows"]}
    assert rows["eager add", "rushlight"]["min"] > 0 and rows["eager add", "numpy"]["min"] > 0
    assert "record no gradients" in rows["eager add, grad", "numpy"]["error"]
