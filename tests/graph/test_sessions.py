"""Programs that are defined first and run afterwards: against NumPy, and against the same program run at once."""

import io
import threading

import numpy as np
import pytest

import rushlight as rl
from rushlight import graph


@pytest.fixture(autouse=True)
def _own_graph():
    with graph.Graph().as_default():
        yield


def started(**kwargs):
    session = graph.Session(**kwargs)
    session.run(graph.global_variables_initializer())
    return session


def test_a_graph_is_built_once_and_fed_many_times():
    x = graph.placeholder(rl.float32, [None, 3], name="x")
    w = graph.variable(np.arange(6.0, dtype=np.float32).reshape(3, 2), name="w")
    y = graph.tanh(x @ w) + 1
    session = started()
    for rows in (1, 4, 2, 0):
        fed = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        expected = np.tanh(fed @ np.arange(6.0).reshape(3, 2)) + 1
        np.testing.assert_allclose(session.run(y, {x: fed}).numpy(), expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(session.run("add", {"x": fed}).numpy(), expected, rtol=1e-6, atol=1e-6)
    assert "tanh" in session.graphs(y, {x: 0})[0].text()


def test_operators_methods_and_structures():
    a = graph.placeholder(rl.float64, [4], name="a")
    value = np.array([0.5, 1.5, -2.0, 3.0])
    nodes = {"sub": 1 - a, "div": 2 / a, "pow": 2 ** a, "mod": a % 2, "floor": a // 2, "neg": -a, "abs": abs(a),
             "part": a[1:3], "last": a[-1], "less": a < 1, "equal": a == 1.5, "method": a.clamp(0, 1), "property": a.T}
    expected = {"sub": 1 - value, "div": 2 / value, "pow": 2 ** value, "mod": value % 2, "floor": value // 2,
                "neg": -value, "abs": abs(value), "part": value[1:3], "last": value[-1], "less": value < 1,
                "equal": value == 1.5, "method": value.clip(0, 1), "property": value.T}
    got = graph.Session().run(nodes, {a: value})
    for name, want in expected.items():
        np.testing.assert_allclose(got[name].numpy(), want, err_msg=name)
    smallest, largest = graph.aminmax(a)
    assert [float(t) for t in graph.Session().run((smallest, largest), {a: value})] == [-2.0, 3.0]
    first, second = graph.Session().run(a.split(2), {a: value})
    assert first.tolist() == [0.5, 1.5] and second.tolist() == [-2.0, 3.0]


@pytest.mark.parametrize("kind, options", [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.05})])
def test_training_equals_the_program_run_at_once(kind, options):
    weights = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    last = np.random.default_rng(1).normal(size=(8, 1)).astype(np.float32)
    x, t = graph.placeholder(rl.float32, [None, 2]), graph.placeholder(rl.float32, [None, 1])
    w, v = graph.variable(weights), graph.variable(last)
    loss = graph.mse_loss(graph.tanh(x @ w) @ v, t)
    step = graph.minimize(loss, getattr(rl.optim, kind), **options)
    session = started()

    here, there = (rl.nn.Parameter(rl.tensor(array)) for array in (weights, last))
    optimizer = getattr(rl.optim, kind)([here, there], **options)
    data = np.random.default_rng(2)
    for rows in (5, 5, 5, 3, 5, 3, 3):
        fed, wanted = data.normal(size=(rows, 2)).astype(np.float32), data.normal(size=(rows, 1)).astype(np.float32)
        _, got = session.run([step, loss], {x: fed, t: wanted})
        optimizer.zero_grad()
        expected = rl.nn.functional.mse_loss(rl.tanh(rl.tensor(fed) @ here) @ there, rl.tensor(wanted))
        expected.backward()
        optimizer.step()
        np.testing.assert_allclose(float(got), float(expected.detach()), rtol=1e-6)
    np.testing.assert_allclose(session.run(w).numpy(), here.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_only_the_listed_variables_learn_and_two_steps_in_one_run_see_the_same_values():
    a, b = graph.variable(1.0), graph.variable(1.0)
    first = graph.minimize((a * b) ** 2, rl.optim.SGD, [a], lr=0.1)
    second = graph.minimize((a + b) ** 2, rl.optim.SGD, [b], lr=0.1)
    session = started()
    session.run([first, second])
    assert float(session.run(a)) == pytest.approx(1 - 0.1 * 2) and float(session.run(b)) == pytest.approx(1 - 0.1 * 4)


def test_variables_belong_to_sessions_and_survive_in_files():
    w, b = graph.variable([0.3], name="w"), graph.variable([-0.3], name="b")
    total = w + b
    one, other = started(), started()
    one.run(graph.assign(w, [5.0]))
    assert one.run(w).tolist() == [5.0] and other.run(w).tolist() == pytest.approx([0.3])
    everything, part = io.BytesIO(), io.BytesIO()
    graph.Saver().save(one, everything)
    graph.Saver({"weights": w}).save(one, part)
    assert list(rl.load(io.BytesIO(part.getvalue()))) == ["weights"]
    fresh = graph.Session()
    graph.Saver().restore(fresh, io.BytesIO(everything.getvalue()))
    assert fresh.run(total).tolist() == pytest.approx([4.7])
    with pytest.raises(KeyError, match="no 'b'"):
        graph.Saver({"weights": w, "b": b}).restore(other, io.BytesIO(part.getvalue()))
    assert other.run(w).tolist() == pytest.approx([0.3])
    graph.Saver({"weights": w}).restore(other, io.BytesIO(part.getvalue()))
    assert other.run(w).tolist() == [5.0]


def test_a_run_reads_variables_as_they_were_before_it():
    n = graph.variable(0)
    advance = graph.assign(n, n + 1)
    session = started()
    assert [tuple(int(t) for t in session.run((n, advance, n * 10))) for _ in range(3)] == [
        (0, 1, 0), (1, 2, 10), (2, 3, 20)]


def test_random_initial_values_are_drawn_for_each_session_and_describing_draws_none():
    rl.manual_seed(5)
    expected = rl.rand(3)
    rl.manual_seed(5)
    w = graph.variable(lambda: rl.rand(3))
    noise = graph.rand_like(w)
    first, second = started(), started()
    assert first.run(w).equal(expected) and not second.run(w).equal(expected)
    assert not first.run(noise).equal(first.run(noise))


def test_loops_and_decisions():
    words = graph.placeholder(rl.float32, [None, 4], name="words")
    u = np.random.default_rng(3).normal(size=(4, 4)).astype(np.float32)
    w = graph.variable(u)
    count = graph.placeholder(rl.int64, name="count")
    i, h = graph.while_loop(lambda i, h: i < count, lambda i, h: (i + 1, graph.tanh(h @ w + words[i])),
                            [0, rl.zeros(4)])
    session = started()
    for length in (1, 7, 3):
        fed = np.random.default_rng(length).normal(size=(length, 4)).astype(np.float32)
        expected = np.zeros(4, np.float32)
        for word in fed:
            expected = np.tanh(expected @ u + word)
        steps, got = session.run([i, h], {words: fed, count: length})
        assert int(steps) == length
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)
    x = graph.placeholder(rl.float32, name="number")
    y = graph.cond(x > 0, lambda: graph.sqrt(x), lambda: x * 2)
    assert [float(session.run(y, {x: v})) for v in (4.0, -3.0)] == [2.0, -6.0]


def test_gradients_through_a_loop():
    x = graph.variable(2.0)
    _, power = graph.while_loop(lambda i, p: i < 3, lambda i, p: (i + 1, p * x), [0, 1.0])
    step = graph.minimize(power, rl.optim.SGD, lr=0.01)
    session = started()
    session.run(step)
    assert float(session.run(x)) == pytest.approx(2 - 0.01 * 3 * 4)


def test_unknown_sizes_may_turn_out_to_be_any():
    x = graph.placeholder(rl.float32, [None])
    pair, five = x + rl.ones(2), x + rl.ones(5)
    both = graph.cat([x[:1], pair])
    session = graph.Session()
    assert session.run(pair, {x: [1.0, 2.0]}).tolist() == [2.0, 3.0]
    assert session.run(five, {x: [1, 2, 3, 4, 5]}).tolist() == [2.0, 3.0, 4.0, 5.0, 6.0]
    assert session.run(both, {x: [1.0, 2.0]}).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError, match=r"\(4,\)"):
        session.run(five, {x: [1, 2, 3, 4]})


def test_any_node_may_be_fed():
    x = graph.placeholder(rl.float32, [2])
    hidden = x * 3
    y = hidden + 1
    assert graph.Session().run(y, {hidden: [1.0, 2.0]}).tolist() == [2.0, 3.0]


REFUSED = [
    (lambda s, x: s.run(x + 1), ValueError, r"'x' \(None, 2\) float32> is not fed"),
    (lambda s, x: s.run(x, {x: [[1, 2, 3]]}), ValueError, r"shape \(1, 3\); expected \(None, 2\)"),
    (lambda s, x: s.run(x, {x: [1.0, 2.0]}), ValueError, r"shape \(2,\)"),
    (lambda s, x: s.run(x, {x: [[1j, 2]]}), TypeError, "complex64; expected"),
    (lambda s, x: s.run(x, {x: None}), TypeError, "'x' .* is fed with a NoneType that makes no tensor"),
    (lambda s, x: s.run(x, {x: [[1, 2], [3]]}), ValueError, "'x' .* is fed with a list that makes no tensor: .*length"),
    (lambda s, x: s.run(x, [x]), TypeError, "feed_dict is a list; expected a dict"),
    (lambda s, x: s.run("y"), KeyError, "no node called 'y'"),
    (lambda s, x: s.run(3), TypeError, "fetches holds 3"),
    (lambda s, x: s.run(x, {"q": 1}), KeyError, "'q'"),
    (lambda s, x: s.run(graph.variable(1.0) * 2), RuntimeError, "no value in this session"),
    (lambda s, x: graph.placeholder(rl.float32, [-1]), ValueError, "negative"),
    (lambda s, x: graph.placeholder(rl.float32, name="x"), ValueError, "taken"),
    (lambda s, x: x @ rl.zeros(3, 1), RuntimeError, "can't be multiplied"),
    (lambda s, x: bool(x), TypeError, "known only when the program runs"),
    (lambda s, x: list(x), TypeError, "known only when the program runs"),
    (lambda s, x: len(x), TypeError, "how many parts"),
    (lambda s, x: float(x), TypeError, r"expected session.run\(\)"),
    (lambda s, x: np.asarray(x), TypeError, r"expected session.run\(\)"),
    (lambda s, x: np.array(x), TypeError, r"'x' .* has a value only when the program runs; expected session.run\(\)"),
    (lambda s, x: np.array([x.sum()]), TypeError, r"expected session.run\(\)"),
    (lambda s, x: graph.placeholder("flaot32"), TypeError, "placeholder: dtype='flaot32' is a str; expected a dtype"),
    (lambda s, x: graph.placeholder([None, 2]), TypeError, r"dtype=\[None, 2\] is a list; expected"),
    (lambda s, x: graph.placeholder(None), TypeError, "placeholder: dtype=None is a NoneType; expected a dtype"),
    (lambda s, x: graph.placeholder("relu"), TypeError, "placeholder: dtype='relu' is a str"),
    (lambda s, x: rl.relu(x), TypeError, "relu: <placeholder 'x'.*expected rushlight.graph.relu"),
    (lambda s, x: rl.nn.Linear(2, 3)(x), TypeError, "expected rushlight.graph.linear, and variables"),
    (lambda s, x: rl.cat([rl.ones(2, 2), x]), TypeError, "expected rushlight.graph.cat"),
    (lambda s, x: rl.linalg.inv(x), TypeError, "expected a function of rushlight.graph"),
    (lambda s, x: x.add_(1), AttributeError, "without underscore"),
    (lambda s, x: x.no_such_method, AttributeError, "no_such_method"),
    (lambda s, x: graph.no_such_function, AttributeError, "no_such_function"),
    (lambda s, x: graph.minimize(x, rl.optim.SGD, lr=1), ValueError, "one element"),
    (lambda s, x: graph.minimize(x.sum(), rl.optim.SGD, lr=1), ValueError, "no trainable variable"),
    (lambda s, x: graph.assign(x, 1.0), TypeError, "expected a variable"),
    (lambda s, x: graph.assign(graph.variable([1.0]), [1.0, 2.0]), RuntimeError, "copy_"),
    (lambda s, x: graph.while_loop(lambda i: i < 3, lambda i: (i, i), [0]), ValueError, "2 values for 1"),
    (lambda s, x: graph.while_loop(lambda i: i < 3, lambda i: i + 0.5, [0]), ValueError, "float32 for loop variable 0"),
    (lambda s, x: graph.Saver([x]), TypeError, "expected variables"),
    (lambda s, x: graph.Saver([]), ValueError, "no variables"),
    (lambda s, x: graph.Session(graph.Graph()).run(x), ValueError, "another graph"),
    (lambda s, x: x.eval(), RuntimeError, "no session"),
    (lambda s, x: graph.reset_default_graph(), RuntimeError, "within a with block"),
]


@pytest.mark.parametrize("call, kind, text", REFUSED, ids=[text for _, _, text in REFUSED])
def test_refusals(call, kind, text):
    x = graph.placeholder(rl.float32, [None, 2], name="x")
    with pytest.raises(kind, match=text):
        call(graph.Session(), x)


def test_a_session_is_the_default_within_its_block_and_threads_have_graphs_of_their_own():
    w = graph.variable(3.0)
    with graph.Session():
        w.initializer.run()
        assert float((w * 2).eval()) == 6.0
    seen = []
    thread = threading.Thread(target=lambda: seen.append(graph.get_default_graph()))
    thread.start()
    thread.join()
    assert seen[0] is not graph.get_default_graph() and not seen[0].nodes


def test_variables_are_made_by_the_class_too():
    w = graph.Variable(1, name="weights", dtype=rl.float64)
    assert repr(w) == "<variable 'weights' () float64>" and w.trainable
    assert not graph.Variable(lambda: rl.ones(2), trainable=False).trainable
    with graph.Session() as session:
        session.run(graph.global_variables_initializer())
        assert float(session.run(w + 1)) == 2.0
    session.close()
    saver = graph.Saver([w])
    for what, call in (("run", lambda: session.run(w)), ("save", lambda: saver.save(session, io.BytesIO())),
                       ("restore", lambda: saver.restore(session, io.BytesIO()))):
        with pytest.raises(RuntimeError, match=f"{what}: the session is closed; expected one that is open"):
            call()


@pytest.mark.parametrize("given, meant", [
    ("float32", rl.float32), (np.float32, rl.float32), (np.dtype("<i8"), rl.int64), ("f8", rl.float64),
    (np.bool_, rl.bool), (bool, rl.bool), ("bfloat16", rl.bfloat16), (rl.int32, rl.int32)])
def test_dtypes_may_be_numpys_or_names(given, meant):
    assert graph.placeholder(given, [2]).dtype == meant
    assert graph.constant([1], dtype=given).dtype == meant
    assert graph.variable([1], dtype=given).dtype == meant
    assert graph.variable(lambda: rl.ones(1), dtype=given).dtype == meant


def test_errors_name_nothing_that_the_user_did_not_write():
    x, y = graph.placeholder(rl.float32, [None, 2]), graph.placeholder(rl.int64, [None])
    with graph.Session() as session, pytest.raises(ValueError, match=r"expected target of shape \(1,\)$"):
        session.run(graph.cross_entropy(x, y), {x: [[1, 2]], y: [1, 1]})


def test_a_traced_run_keeps_the_variables_values_when_it_is_saved():
    x = graph.placeholder(rl.float32, [None], name="x")
    w = graph.variable([0.5], name="w")
    y = w * x
    session = started()
    traced = rl.jit.trace(lambda x: session.run(y, {"x": x}), rl.ones(2))
    file = io.BytesIO()
    session.run(graph.assign(w, [2.0]))
    traced.save(file)
    session.run(graph.assign(w, [3.0]))
    assert traced(rl.ones(3)).tolist() == [3, 3, 3]
    assert rl.jit.load(io.BytesIO(file.getvalue()))(rl.ones(3)).tolist() == [2, 2, 2]
    train = graph.minimize(y.sum(), rl.optim.SGD, lr=0.1)
    with pytest.raises(RuntimeError, match="which a file can't hold"):
        rl.jit.trace(lambda x: session.run(train, {"x": x}), rl.ones(2))
