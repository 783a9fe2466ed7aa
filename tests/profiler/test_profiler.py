"""Profiles: what is recorded, how it adds up, and the files that are written from it."""

import gzip
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import rushlight as rl
from rushlight import _C
from rushlight.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule

F = rl.nn.functional


def burn(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def network():
    return rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3), rl.nn.ReLU(), rl.nn.Flatten(), rl.nn.Linear(4 * 36, 5))


@pytest.fixture(scope="module")
def trained():
    """A profile of two training steps with everything on."""
    model, x = network(), rl.randn(2, 3, 8, 8)
    optimizer = rl.optim.SGD(model.parameters(), lr=0.1)
    with profile(record_shapes=True, profile_memory=True, with_stack=True, with_flops=True,
                 with_modules=True) as prof:
        for _ in range(2):
            optimizer.zero_grad()
            with record_function("forward part"):
                loss = model(x).sum()
            loss.backward()
            optimizer.step()
    return prof


def test_operators_nodes_and_ranges_are_counted(trained):
    counts = {average.key: average.count for average in trained.key_averages()}
    for name in ("conv2d", "relu", "linear", "sgd_update", "forward part", "LinearBackward0", "ReluBackward0",
                 "nn.Module: Linear_0", "nn.Module: Sequential_0"):
        assert counts[name] == 2, name
    assert not any(name.endswith("Sequential_1") for name in counts)
    assert counts["AccumulateGrad"] == 8


def test_shapes_and_floating_point_operations(trained):
    averages = trained.key_averages(group_by_input_shape=True)
    linear = next(one for one in averages if one.key == "linear")
    assert linear.input_shapes == [[2, 144], [5, 144], [5]]
    assert linear.flops == 2 * (2 * 2 * 5 * 144)
    convolution = next(one for one in averages if one.key == "convolution")
    assert convolution.flops == 2 * (2 * 2 * 4 * 6 * 6 * 3 * 9)


def test_times_nest(trained):
    events = trained.events()
    for event in events:
        assert event.time_range.end >= event.time_range.start
        assert event.self_cpu_time_total >= -1e-3
        if event.cpu_parent is not None:
            assert event.cpu_parent.time_range.start <= event.time_range.start
            assert event.time_range.end <= event.cpu_parent.time_range.end
    whole = sum(event.cpu_time_total for event in events if event.cpu_parent is None)
    assert events.self_cpu_time_total == pytest.approx(whole)
    assert trained.key_averages().self_cpu_time_total == pytest.approx(whole)
    assert trained.key_averages().total_average().self_cpu_time_total == pytest.approx(whole)


def test_measured_time_is_the_clocks():
    with profile() as prof, record_function("sleep"):
        start = time.perf_counter()
        time.sleep(0.05)
        took = time.perf_counter() - start
    (event,) = prof.events()
    assert event.cpu_time_total == pytest.approx(took * 1e6, rel=0.2)


def test_memory_of_each_operator():
    x = rl.ones(1000, 1000)
    before = _C.memory_statistics()["in_use"]
    with profile(profile_memory=True) as prof:
        kept = x + 1
        with record_function("gives back"):
            y = x * 2
            del y
    by_name = {event.name: event for event in prof.events()}
    taken = _C.memory_statistics()["in_use"] - before
    assert by_name["add"].cpu_memory_usage == by_name["add"].self_cpu_memory_usage == taken
    assert kept.nbytes <= taken < 1.4 * kept.nbytes      # a kept block may be two classes larger
    for_a_while = by_name["mul"].cpu_memory_usage
    assert kept.nbytes <= for_a_while < 1.4 * kept.nbytes
    outer = by_name["gives back"]
    assert outer.cpu_memory_usage == 0 and outer.self_cpu_memory_usage == -for_a_while
    assert outer.peak_cpu_memory_usage == for_a_while
    assert prof.events().peak_memory >= x.nbytes + taken + for_a_while


def test_a_backward_node_carries_the_stack_of_its_call(trained):
    events = trained.events()
    node = next(event for event in events if event.name == "ConvolutionBackward0")
    call = next(event for event in events if event.sequence_nr == node.sequence_nr and event.kind == "op")
    assert call.name == "convolution" and node.stack == call.stack
    assert any(frame.endswith("Conv2d.forward") or "conv.py" in frame for frame in node.stack)
    inner = next(event for event in node.cpu_children if event.name == "convolution_weight_grad")
    assert inner.stack == node.stack


def deep():
    burn(0.01)
    return rl.ones(3).exp()


def shallow():
    return deep()


def test_stacks_name_the_programs_functions(tmp_path):
    with profile(with_stack=True) as prof:
        shallow()
    exponential = next(event for event in prof.events() if event.name == "exp")
    names = [frame.rpartition(": ")[2] for frame in exponential.stack]
    assert names[:3] == ["deep", "shallow", "test_stacks_name_the_programs_functions"]
    assert re.search(r"test_profiler\.py\(\d+\): deep", exponential.stack[0])
    line = prof.key_averages(group_by_stack_n=2).table(row_limit=-1)
    assert "Source Location" in line
    prof.export_stacks(tmp_path / "stacks.txt")
    lines = (tmp_path / "stacks.txt").read_text().splitlines()
    assert all(re.fullmatch(r"\S+ \d+", one) for one in lines)
    with pytest.raises(ValueError, match="metric='wall' is not supported"):
        prof.export_stacks(tmp_path / "stacks.txt", "wall")
    with profile() as prof:
        pass
    with pytest.raises(ValueError, match="with_stack=True"):
        prof.export_stacks(tmp_path / "stacks.txt")


def test_table_has_pytorchs_columns(trained):
    text = trained.key_averages(group_by_input_shape=True).table(sort_by="self_cpu_time_total", row_limit=3)
    lines = text.splitlines()
    titles = re.split(r"\s{2,}", lines[1].strip())
    assert titles == ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "CPU Mem",
                      "Self CPU Mem", "CPU Peak", "# of Calls", "Input Shapes", "Total FLOPs"]
    assert len({len(line) for line in lines[:7]}) == 1 and set(lines[0]) == {"-", " "}
    assert lines[7].startswith("Self CPU time total: ") and lines[8].startswith("Peak memory in use: ")
    widest = max(trained.key_averages(group_by_input_shape=True), key=lambda one: one.self_cpu_time_total)
    assert lines[3].split()[0] == widest.key.split()[0]
    with pytest.raises(ValueError, match="sort_by='speed'"):
        trained.key_averages().table(sort_by="speed")
    assert not re.search(r"\d(us|s) ", trained.key_averages().table(time_unit="ms", row_limit=3))


def test_chrome_trace(trained, tmp_path):
    trained.export_chrome_trace(tmp_path / "trace.json")
    trained.export_chrome_trace(tmp_path / "trace.json.gz")
    whole = json.loads((tmp_path / "trace.json").read_text())
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        assert len(json.load(file)["traceEvents"]) == len(whole["traceEvents"])
    events = whole["traceEvents"]
    assert whole["schemaVersion"] == 1 and {event["ph"] for event in events} <= set("MXisf")
    for event in events:
        assert event["pid"] == os.getpid() and isinstance(event["ts"], int | float)
        if event["ph"] == "X":
            assert event["dur"] >= 0
    # What shares a thread nests or follows: viewers drop what overlaps by halves.
    for thread in {event["tid"] for event in events if event["ph"] == "X"}:
        spans = sorted([(round(event["ts"] * 1000), -round(event["dur"] * 1000)) for event in events
                        if event["ph"] == "X" and event["tid"] == thread])
        open_until = []
        for start, length in spans:
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or start - length <= open_until[-1] + 2
            open_until.append(start - length)
    arrows = [event for event in events if event.get("cat") == "fwdbwd"]
    assert {event["id"] for event in arrows if event["ph"] == "s"} == {
        event["id"] for event in arrows if event["ph"] == "f"} != set()
    notes = [event for event in events if event["name"] == "[memory]"]
    assert notes and all(event["args"]["Total Allocated"] >= 0 for event in notes)
    linear = next(event for event in events if event["name"] == "linear")
    assert linear["args"]["Input Dims"] == [[2, 144], [5, 144], [5]]
    assert linear["args"]["Input type"] == ["float32"] * 3


def hot():
    burn(0.06)


def cool():
    burn(0.02)


def test_flame_graph(tmp_path):
    with profile(with_stack=True) as prof:
        times = [time.perf_counter()]
        hot()
        times.append(time.perf_counter())
        cool()
        times.append(time.perf_counter())
        rl.ones(300, 300) @ rl.ones(300, 300)
    prof.export_flame_graph(tmp_path / "flames.svg", title="a < b")
    root = ElementTree.parse(tmp_path / "flames.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    blocks = {}
    for block in root.iter(space + "g"):
        blocks.setdefault(block.get("data-n").partition(" (")[0], []).append(
            (int(block.get("data-d")), float(block.get("data-x")), float(block.get("data-w"))))
    ((_, _, slow),), ((_, _, fast),) = blocks["hot"], blocks["cool"]
    assert slow / fast == pytest.approx((times[1] - times[0]) / (times[2] - times[1]), rel=0.1) and "matmul" in blocks
    assert len(blocks["burn"]) == 2 and blocks["a < b"] == [(0, 0, 1)]
    # At each depth blocks lie side by side, inside those above.
    layers = {}
    for found in blocks.values():
        for depth, x, width in found:
            layers.setdefault(depth, []).append((x, x + width))
    for depth, spans in layers.items():
        spans.sort()
        assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(spans))
        assert depth == 0 or all(any(o[0] - 1e-6 <= s and e <= o[1] + 1e-6 for o in layers[depth - 1])
                                 for s, e in spans)
    script = root.find(space + "script").text
    assert "zoom" in script and "search" in script and "http" not in script


def test_schedule(tmp_path):
    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    assert [plan(i).value for i in range(11)] == [0, 0, 1, 2, 3, 0, 1, 2, 3, 0, 0]
    saved = []
    handler = rl.profiler.tensorboard_trace_handler(str(tmp_path / "log"), worker_name="worker", use_gzip=True)

    def ready(prof):
        saved.append(sorted({event.name for event in prof.events() if event.name.startswith("Profiler")}))
        handler(prof)

    with profile(schedule=plan, on_trace_ready=ready) as prof:
        for _ in range(11):
            rl.ones(2) + 1
            prof.step()
    assert saved == [["ProfilerStep#3", "ProfilerStep#4"], ["ProfilerStep#7", "ProfilerStep#8"]]
    assert next(average.count for average in prof.key_averages() if average.key == "ProfilerStep*") == 2
    names = os.listdir(tmp_path / "log")
    assert len(names) == 2 and all(re.fullmatch(r"worker\.\d+\.pt\.trace\.json\.gz", name) for name in names)
    assert plan(4) is ProfilerAction.RECORD_AND_SAVE
    for wrong in ({"wait": -1}, {"active": 0}):
        with pytest.raises(ValueError, match=f"schedule: {next(iter(wrong))}="):
            schedule(**{"wait": 0, "warmup": 1, "active": 1, **wrong})


@pytest.mark.torch
def test_schedule_is_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for plan in ({"wait": 1, "warmup": 1, "active": 2}, {"wait": 2, "warmup": 1, "active": 1, "repeat": 2},
                 {"wait": 2, "warmup": 1, "active": 2, "skip_first": 3, "skip_first_wait": 1}):
        ours, theirs = schedule(**plan), torch.profiler.schedule(**plan)
        assert [ours(i).name for i in range(30)] == [theirs(i).name for i in range(30)]


def test_all_threads_are_recorded():
    def work():
        for _ in range(50):
            rl.ones(8).exp()

    with profile() as prof:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
    events = [event for event in prof.events() if event.name == "exp"]
    assert len(events) == 250 and len({event.thread for event in events}) == 5


def test_threads_that_start_meanwhile_show_their_functions():
    def in_a_thread():
        return rl.ones(8).exp()

    with profile(with_stack=True) as prof:
        thread = threading.Thread(target=in_a_thread, name="worker")
        thread.start()
        thread.join()
    (event,) = [event for event in prof.events() if event.name == "exp"]
    assert event.stack[0].endswith("in_a_thread") and event.thread != threading.get_native_id()
    assert threading.getprofile() is None


def test_loaders_and_optimizers_show():
    data = rl.utils.data.TensorDataset(rl.randn(8, 2), rl.randn(8, 1))
    model = rl.nn.Linear(2, 1)
    optimizer = rl.optim.Adam(model.parameters())
    with profile() as prof:
        for x, y in rl.utils.data.DataLoader(data, batch_size=4):
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    counts = {average.key: average.count for average in prof.key_averages()}
    assert counts["enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"] == 3      # the last finds the end
    assert counts["Optimizer.step#Adam.step"] == counts["adam_update"] == 2
    before = len(prof.events())
    optimizer.step()
    assert len(prof.events()) == before


def test_threads_that_go_on_after_the_profile():
    """Spans that were open when a recording ended belong to no other one."""
    done = threading.Event()

    def work():
        while not done.is_set():
            (rl.ones(64, requires_grad=True) * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            with profile(profile_memory=True, record_shapes=True) as prof:
                time.sleep(0.002)
            for event in prof.events():
                assert event.self_cpu_time_total >= -1e-3
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_failing_operator_ends_its_span():
    with profile(with_stack=True) as prof:
        with pytest.raises(RuntimeError):
            rl.ones(2, 3) @ rl.ones(2, 3)
        rl.ones(2).exp()
    names = {event.name: event for event in prof.events()}
    assert names["exp"].cpu_parent is None and names["matmul"].cpu_children == []


def test_ranges_that_end_in_another_function():
    def begin():
        return record_function("outside").__enter__()

    with profile(with_stack=True) as prof:
        opened = begin()
        rl.ones(2).exp()
        opened.__exit__(None, None, None)
    exponential = next(event for event in prof.events() if event.name == "exp")
    assert exponential.cpu_parent.name == "outside"
    assert not any(frame.endswith("begin") for frame in exponential.stack)


def test_modules_of_several_threads_do_not_end_each_others_ranges():
    both = threading.Barrier(2)

    class Slow(rl.nn.Module):
        def forward(self, x):
            both.wait(10)                              # entered by both threads before either leaves
            return x + 1

    with profile(with_modules=True) as prof:
        threads = [threading.Thread(target=lambda: [Slow()(rl.ones(1)), rl.ones(1).exp()]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    outer = [event.cpu_parent for event in prof.events() if event.name == "exp"]
    inner = [event.cpu_parent.name for event in prof.events() if event.name == "add"]
    assert outer == [None, None] and all(name.startswith("nn.Module: Slow_") for name in inner)


def test_one_profile_at_a_time():
    with profile(), pytest.raises(RuntimeError, match="another profile is recording"):
        profile().start()
    with profile() as prof, pytest.raises(RuntimeError, match="nothing has been recorded yet"):
        prof.key_averages()
    assert not _C._is_recording() and sys.getprofile() is None


def test_wrong_activities():
    with pytest.raises(RuntimeError, match=r"ProfilerActivity\.CPU"):
        profile(activities=[ProfilerActivity.CUDA])
    with pytest.raises(TypeError, match="activities holds 'cpu'"):
        profile(activities=["cpu"])


def test_a_child_of_a_fork_records_nothing():
    with profile(profile_memory=True):
        child = os.fork()
        if child == 0:
            rl.ones(3).exp()
            os._exit(int(_C._is_recording()))
        assert os.waitpid(child, 0)[1] == 0


def test_too_many_events_are_counted(monkeypatch):
    from rushlight.autograd import profiler as room
    monkeypatch.setattr(room, "EVENT_LIMIT", 10)
    with pytest.warns(UserWarning, match="events beyond the first 10 were not kept"), profile() as prof:
        for _ in range(20):
            rl.ones(2).exp()
    assert 0 < len(prof.events()) <= 10


def test_the_older_door(tmp_path):
    x = rl.ones(4, requires_grad=True)
    with rl.autograd.profiler.profile(record_shapes=True) as prof:
        with rl.autograd.profiler.record_function("named"):
            y = (x * x).sum()
        y.backward()
    assert prof.function_events[0].name == "named" and "named" in prof.table(sort_by="cpu_time_total")
    assert prof.key_averages()[0].count == 1 and prof.total_average().count == len(prof.function_events)
    prof.export_chrome_trace(str(tmp_path / "t.json"))
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    prof.export_chrome_trace(tmp_path / "t.json", {"run": '{"number": 3}'}, True)
    assert json.loads((tmp_path / "t.json").read_text())["run"] == {"number": 3}
    with pytest.raises(ValueError):
        prof.export_chrome_trace(tmp_path / "t.json", {"run": "no JSON"})
    with rl.autograd.profiler.profile(enabled=False) as nothing:
        rl.ones(1)
    assert nothing is None
    with prof_twice() as twice:
        pass
    with pytest.raises(RuntimeError, match="can't be entered twice"):
        twice.__enter__()


def prof_twice():
    return rl.autograd.profiler.profile()


def test_lines_on_the_terminal():
    """RUSHLIGHT_LOG prints the same calls without a change to the program."""
    done = subprocess.run([sys.executable, "-c", "import rushlight as rl; (rl.ones(3) + 1).exp()"], timeout=60,
                          text=True, capture_output=True, env={**os.environ, "RUSHLIGHT_LOG": "dispatch,time,memory"})
    lines = done.stderr.splitlines()
    assert all(line.startswith(("[rushlight dispatch] ", "[rushlight time] ", "[rushlight memory] ")) for line in lines)
    for expected in (r"\[rushlight dispatch\] exp: \w+ runs", r"\[rushlight time\] exp \w+ [\d.]+ us",
                     r"\[rushlight memory\] allocate 12 bytes"):
        assert any(re.fullmatch(expected, line) for line in lines), expected


def test_names_that_are_no_xml(tmp_path):
    with profile() as prof:
        for name in ("a < b & \"c\"", "größer \u2028", "\x01\x1f"):
            with record_function(name):
                pass
    prof.export_flame_graph(tmp_path / "flames.svg", "\ufffe")
    found = {block.get("data-n") for block in ElementTree.parse(tmp_path / "flames.svg").iter() if block.get("data-n")}
    assert found == {"?", "a < b & \"c\"", "größer \u2028", "??"}
    prof.export_chrome_trace(tmp_path / "trace.json")
    assert any(event["name"] == "\x01\x1f" for event in
               json.loads((tmp_path / "trace.json").read_text())["traceEvents"])
    with pytest.raises(TypeError, match="must be str, not int"):
        record_function(3)


@record_function("decorated")
def decorated(x):
    return x.exp()


def test_record_function_as_a_decorator():
    with profile() as prof:
        decorated(rl.ones(2))
    exponential = next(event for event in prof.events() if event.name == "exp")
    assert exponential.cpu_parent.name == "decorated" and decorated.__name__ == "decorated"


FAKE_PAGE = """
const drawn = BLOCKS.map(d => {
  const part = () => ({attributes: {}, textContent: '', setAttribute(n, v) { this.attributes[n] = v }});
  const rect = part(), text = part(), classes = new Set();
  return {dataset: d, style: {}, rect, text, classes, on: {},
    classList: {toggle(n, on) { on ? classes.add(n) : classes.delete(n) }, contains: n => classes.has(n)},
    querySelector: s => s === 'rect' ? rect : text, addEventListener(n, f) { this.on[n] = f }};
});
const named = {};
const document = {querySelectorAll: () => drawn, getElementById: n => named[n] ??=
  {style: {}, textContent: '', on: {}, addEventListener(e, f) { this.on[e] = f }}};
const window = {addEventListener() {}}, prompt = () => '^co+l', alert = () => {};
"""
SHOW = """
const seen = () => blocks.filter(b => b.style.display !== 'none').map(b => [b.dataset.n, +b.rect.attributes.width]);
const find = n => blocks.find(b => b.dataset.n.startsWith(n));
find('hot').on.click();
const zoomed = seen();
named.reset.on.click();
const all = seen();
named.search.on.click();
console.log(JSON.stringify({zoomed, all, found: blocks.filter(b => b.classes.has('found')).map(b => b.dataset.n),
                            matched: named.matched.textContent}));
"""


def test_flame_graph_zooms_and_searches(tmp_path):
    """The picture's own program, run in a page that only pretends to be one."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs the picture's program, is not installed")
    with profile(with_stack=True) as prof:
        hot()
        cool()
    prof.export_flame_graph(tmp_path / "flames.svg", "all of it")
    root = ElementTree.parse(tmp_path / "flames.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    given = [{key: block.get(f"data-{key}") for key in "xwdn"} for block in root.iter(space + "g")]
    program = FAKE_PAGE.replace("BLOCKS", json.dumps(given)) + root.find(space + "script").text + SHOW
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    zoomed = dict(told["zoomed"])
    names = [name.partition(" (")[0] for name in zoomed]
    assert "hot" in names and "burn" in names and "cool" not in names and "all of it" in names
    hot_width, whole = (next(w for n, w in zoomed.items() if n.startswith(name)) for name in ("hot", "all of it"))
    assert hot_width == whole > 1100
    assert len(told["all"]) == len(given)
    assert [name.partition(" (")[0] for name in told["found"]] == ["cool"]
    share = next(float(block["w"]) for block in given if block["n"].startswith("cool"))
    assert float(re.fullmatch(r"matched: ([\d.]+) %", told["matched"])[1]) == pytest.approx(100 * share, abs=0.02)


@rl.jit.script
def scripted_loop(x, n: int):
    for _ in range(n):
        if x.sum() > 100:
            x = x / 2
        else:
            x = x * 3 + 1
    return x.relu()


def test_scripted_programs_show_their_lines():
    """The first calls run step by step, later ones by plans: both under the same lines."""
    source = Path(__file__).read_text().partition("def scripted_loop")[0].count("\n") + 1
    loop, decision, no, result = (f"test_profiler.py:{source + k}" for k in (1, 2, 5, 6))
    for _ in range(4):
        with profile() as told:
            scripted_loop(rl.ones(4), 2)
        inside = {}
        for event in told.events():
            inside.setdefault(event.name, []).extend(child.name for child in event.cpu_children)
        assert inside[loop] == [decision] * 4
        assert [name for name in inside[decision] if name == no] == [no] * 2
        ran = [name for name in inside[decision] if name != no], inside[no], inside[result]
        flat = [" ".join(names).replace("fused: ", "").replace(",", "").split() for names in ran]
        assert flat == [["sum", "gt"] * 2, ["mul", "add"] * 2, ["relu"]]
