"""Define, then run: four programs in the manner of TensorFlow 1, on `rushlight.graph`.

    python examples/sessions.py
    python examples/sessions.py --quick    the same: it takes a second

1. y = w * x + b, whose variables are saved, all of them and one of them under another name, and restored.
2. XOR by a network of placeholders, variables and one training node, built once and fed many times.
3. A multi-layer perceptron on generated spirals, with batches of any size, a counter of steps, and exponential decay of
   the rate fed by name.
4. A recurrent network over sentences of any length, by `while_loop` and by the language's own `for`.

Full: line exact 1, rows right 4, accuracy 1.000, loops equal 4 (1 s of processor time)
Quick: line exact == 1, rows right == 4, accuracy >= 0.97, loops equal == 4
"""

import argparse
import io

import rushlight as rl
from rushlight import graph


def line():
    """1.0 where the four outputs are right before saving, after restoring, and with `b` started anew."""
    with graph.Graph().as_default():
        x = graph.placeholder(rl.float32, [None], name="x")
        w = graph.variable([0.3], name="w")
        b = graph.variable([-0.3], name="b")
        y = w * x + b
        everything, only_w = io.BytesIO(), io.BytesIO()
        feed = {x: [1, 2, 3, 4]}
        with graph.Session() as session:
            session.run(graph.global_variables_initializer())
            first = session.run(y, feed)
            graph.Saver().save(session, everything)
            graph.Saver({"weights": w}).save(session, only_w)
        with graph.Session() as session:
            graph.Saver().restore(session, io.BytesIO(everything.getvalue()))
            again = session.run(y, feed)
            session.run(graph.assign(b, [0.0]))
            graph.Saver({"weights": w}).restore(session, io.BytesIO(only_w.getvalue()))
            without = session.run(y, feed)
    print("w * x + b:", first.tolist(), "restored:", again.tolist(), "with b = 0:", without.tolist())
    expected = rl.tensor([0.0, 0.3, 0.6, 0.9])
    return float(first.allclose(expected) and again.allclose(expected) and without.allclose(expected + 0.3))


def xor():
    """How many of the four rows are right."""
    inputs, outputs = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    with graph.Graph().as_default():
        x = graph.placeholder(rl.float32, [4, 2], name="x")
        wanted = graph.placeholder(rl.float32, [4, 1], name="wanted")
        hidden = graph.sigmoid(x @ graph.variable(lambda: rl.rand(2, 5) * 2 - 1) + graph.variable(rl.zeros(5)))
        given = graph.sigmoid(hidden @ graph.variable(lambda: rl.rand(5, 1) * 2 - 1) + graph.variable(rl.zeros(1)))
        loss = (given - wanted).square().sum()
        train = graph.minimize(loss, rl.optim.SGD, lr=1.0)
        with graph.Session() as session:
            session.run(graph.global_variables_initializer())
            feed = {x: inputs, wanted: outputs}
            for step in range(4001):
                _, cost = session.run([train, loss], feed)
                if step % 1000 == 0:
                    print(f"xor: step {step:4}  cost {float(cost):.4f}")
            answers = session.run(given, {x: inputs})
    for row, answer in zip(inputs, answers.tolist(), strict=True):
        print(f"xor: {row} -> {answer[0]:.3f}")
    return int(((answers > 0.5) == (rl.tensor(outputs) > 0.5)).sum())


def spirals(count):
    """Points of two spirals that wind around each other, and which of them each point belongs to."""
    turn = rl.rand(count) * 9 + 1
    which = rl.randint(0, 2, (count,))
    angle = turn + which * 3.14159
    points = rl.stack([angle.cos(), angle.sin()], 1) * turn[:, None] / 10 + rl.randn(count, 2) * 0.01
    return points, which


def perceptron():
    """The share of new points that are told right."""
    with graph.Graph().as_default():
        x = graph.placeholder(rl.float32, [None, 2], name="points")
        labels = graph.placeholder(rl.int64, [None], name="labels")
        step = graph.variable(0, name="step")
        hidden = x
        for sizes in ((2, 64), (64, 64)):
            weight = graph.variable(lambda sizes=sizes: rl.randn(sizes) * (2 / sizes[0]) ** 0.5)
            hidden = graph.relu(hidden @ weight + graph.variable(rl.zeros(sizes[1])))
        scores = hidden @ graph.variable(lambda: rl.randn(64, 2) * 0.1) + graph.variable(rl.zeros(2))
        loss = graph.cross_entropy(scores, labels)
        accuracy = (scores.argmax(1) == labels).float().mean()
        train = graph.group(graph.minimize(loss, rl.optim.Adam, lr=0.005), graph.assign(step, step + 1))
        with graph.Session() as session:
            session.run(graph.global_variables_initializer())
            points, which = spirals(2000)
            for _ in range(60):
                for batch in rl.randperm(2000).split(128):
                    session.run(train, {"points": points[batch], "labels": which[batch]})
            new, truth = spirals(1000)
            reached, steps = session.run([accuracy, step], {x: new, labels: truth})
            print(f"spirals: {int(steps)} steps, accuracy {float(reached):.3f}")
    return float(reached)


def recurrent():
    """Of how many sentences, 0 to 30 words long, both loops give the same state."""
    u, v = rl.randn(8, 8) * 0.3, rl.randn(4, 8) * 0.3

    def rnn_unit(word, h):
        return rl.tanh(h @ u + word @ v)

    with graph.Graph().as_default():
        words = graph.placeholder(rl.float32, [None, 4], name="words")
        u_node, v_node = graph.constant(u), graph.constant(v)

        def cell(i, h):
            return i + 1, graph.tanh(h @ u_node + words[i] @ v_node)

        steps, last = graph.while_loop(lambda i, h: i < words.size(0), cell, [0, rl.zeros(8)])
        same = 0
        with graph.Session() as session:
            for count in (0, 1, 7, 30):
                sentence = rl.randn(count, 4)
                taken, by_nodes = session.run([steps, last], {words: sentence})
                h = rl.zeros(8)
                for word in sentence:
                    h = rnn_unit(word, h)
                same += int(taken) == count and bool(by_nodes.allclose(h, atol=1e-6))
                print(f"recurrent: {count:2} words, state {[round(n, 3) for n in by_nodes[:3].tolist()]} ...")
    return same


def main():
    parser = argparse.ArgumentParser(description="Programs that are defined first and run afterwards.")
    parser.add_argument("--quick", action="store_true", help="nothing is left out; for the tests")
    parser.parse_args()
    rl.manual_seed(2)
    print(f"\nresult: line exact {line():.0f}, rows right {xor()}, accuracy {perceptron():.3f}, "
          f"loops equal {recurrent()}")


if __name__ == "__main__":
    main()
