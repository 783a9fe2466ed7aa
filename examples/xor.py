"""XOR with a two-layer network written out by hand: parameters, sigmoids, a cost, `backward()` and the update.

    python examples/xor.py
    python examples/xor.py --quick    the same: it takes a moment

Each of the two output columns answers one question ("is it false?", "is it true?"), so the targets are one-hot.

Full: rows right 4, cost 0.0004 (0.3 s of processor time)
Quick: rows right == 4, cost <= 0.01
"""

import argparse

import rushlight as rl

X = rl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = rl.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
LEARNING_RATE = 2.0
EPOCHS = 3000


def forward(x, w1, b1, w2, b2):
    a2 = x @ w1 + b1
    h2 = a2.sigmoid()
    a3 = h2 @ w2 + b2
    return a3.sigmoid()


def main():
    parser = argparse.ArgumentParser(description="Learn XOR.")
    parser.add_argument("--quick", action="store_true", help="nothing is left out; for the tests")
    parser.parse_args()

    rl.manual_seed(1)
    parameters = [rl.randn(2, 5), rl.zeros(5), rl.randn(5, 2), rl.zeros(2)]
    for parameter in parameters:
        parameter.requires_grad_()

    for epoch in range(EPOCHS + 1):
        cost = (forward(X, *parameters) - Y).square().sum()
        if epoch % 500 == 0:
            print(f"epoch {epoch:4}  cost {cost.item():.4f}")
        cost.backward()
        with rl.no_grad():
            for parameter in parameters:
                parameter -= LEARNING_RATE * parameter.grad
                parameter.grad = None

    with rl.no_grad():
        answers = forward(X, *parameters)
    print("\n a b | xor  (how sure)")
    for (a, b), answer in zip(X.tolist(), answers):
        print(f" {a:.0f} {b:.0f} |  {answer.argmax().item()}   {answer.max().item():.3f}")
    right = (answers.argmax(1) == Y.argmax(1)).sum().item()
    print(f"\nresult: rows right {right}, cost {cost.item():.4f}")


if __name__ == "__main__":
    main()
