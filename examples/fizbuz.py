"""FizBuz by a neural network: ten binary digits of a number in, what the child after you must say out.

    python examples/fizbuz.py             trains, then plays the first hundred numbers
    python examples/fizbuz.py --quick     the same with fewer epochs

Given 14 the network should say "FizBuz", because 15 comes next. The network sees the numbers 100 to 1023 while it
learns; 0 to 99 are held out. 14 is one of those.

Full: accuracy 0.95 on the numbers held out (0.8 s of processor time)
Quick: accuracy >= 0.8
"""

import argparse

from tqdm import trange

import rushlight as rl
from rushlight import nn

BITS = 10
WORDS = ["{}", "Fiz", "Buz", "FizBuz"]


class FizBuzNet(nn.Module):
    """10 bits, 100 hidden units, 4 scores: 1,504 parameters."""

    def __init__(self, inputs=BITS, hidden=100, outputs=len(WORDS)):
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, bits):
        return self.out(rl.relu(self.hidden(bits)))


def encode(number):
    """The binary digits of a number, lowest first; as many as the network has inputs for."""
    if not 0 <= number < 2**BITS:
        raise ValueError(f"encode: number={number}; expected 0 <= number < {2 ** BITS}")
    return [float((number >> bit) & 1) for bit in range(BITS)]


def word_class(number):
    """0 for a plain number, 1 for Fiz (3), 2 for Buz (5), 3 for FizBuz (both)."""
    return (number % 3 == 0) + 2 * (number % 5 == 0)


def table(numbers):
    """Inputs, and for each the class of the number that follows."""
    return rl.tensor([encode(n) for n in numbers]), rl.tensor([word_class(n + 1) for n in numbers])


def next_word(model, number):
    """What the network says after `number`."""
    with rl.no_grad():
        answer = model(rl.tensor([encode(number)])).argmax(1).item()
    return WORDS[answer].format(number + 1)


def train(model, epochs):
    x, y = table(range(100, 2**BITS))
    optimizer = rl.optim.Adam(model.parameters(), lr=1e-2)
    schedule = rl.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=epochs)
    loss_function = nn.CrossEntropyLoss()
    progress = trange(epochs, unit="epoch")
    for _ in progress:
        for batch in rl.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = loss_function(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)


def main():
    parser = argparse.ArgumentParser(description="Learn FizBuz.")
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    options = parser.parse_args()

    rl.manual_seed(0)
    model = FizBuzNet()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    train(model, epochs=200 if options.quick else 600)

    model.eval()
    said = [next_word(model, n) for n in range(100)]
    truth = [WORDS[word_class(n + 1)].format(n + 1) for n in range(100)]
    for row in range(0, 100, 10):
        print(" ".join(f"{word + ('' if word == right else '!'):>7}" for word, right in
                       zip(said[row:row + 10], truth[row:row + 10])))
    print(f"\nafter 14 comes {next_word(model, 14)}; wrong answers are marked '!'")
    accuracy = sum(a == b for a, b in zip(said, truth)) / len(truth)
    print(f"result: accuracy {accuracy:.2f}")


if __name__ == "__main__":
    main()
