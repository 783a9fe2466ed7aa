"""SPINN: a network that parses and understands at once, many sentences of different shapes at a time.

    python examples/spinn.py             1,500 sentences, 12 epochs
    python examples/spinn.py --quick     300 sentences, 3 epochs

A sentence lies in a buffer. SHIFT puts its next word on a stack; REDUCE takes the two topmost things off the stack and
puts back one vector for both, from a TreeLSTM. A second LSTM, the tracker, sees the next word and the top of the stack;
it tells the TreeLSTM what it remembers, and learns which move should come next. The sentences are formulas of
three-valued logic without brackets, such as "not true or maybe and not false"; not binds tighter than and, and tighter
than or. To be told: true, maybe or false.

A batch goes through its moves together: all its REDUCEs of one step are a single call of the TreeLSTM, whatever the
trees look like. The program checks that this gives the same as each sentence alone, and, without tracker, as the
recursion over the tree; and it prints how much faster it is. After training it evaluates formulas along their true
trees, and along those that the tracker makes of them on its own.

Bowman et al., "A Fast Unified Model for Parsing and Sentence Understanding", ACL 2016; Tai et al., "Improved Semantic
Representations From Tree-Structured Long Short-Term Memory Networks", ACL 2015.

Full: accuracy 1.000, by its own moves 1.000, times faster 5.4 (5 s)
Quick: accuracy >= 0.6, moves right >= 0.9, times faster >= 1
"""

import argparse
import itertools
import random
import time

from tqdm import trange

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn

SHIFT, REDUCE = 0, 1
VALUES = ["false", "maybe", "true"]                       # 0, 1, 2: and is the minimum, or the maximum
WORDS = VALUES + ["not", "and", "or"]


def bundle(states):
    """One tensor from a list of rows, each (1, size)."""
    return rl.cat(states)


def unbundle(state):
    """A list of rows, each (1, size), from one tensor."""
    return state.split(1)


def tree_lstm(left, right, sums):
    """Hidden and memory of two children and the sums of the gates' inputs (n, 5 size) to those of their parent."""
    candidate, enter, keep_left, keep_right, leave = sums.chunk(5, dim=1)
    memory = candidate.tanh() * enter.sigmoid() + keep_left.sigmoid() * left[1] + keep_right.sigmoid() * right[1]
    return rl.cat([leave.sigmoid() * memory.tanh(), memory], dim=1)


class Reduce(nn.Module):
    """Lists of left and right children, rows of hidden and memory side by side, to the list of their parents."""

    def __init__(self, size, tracked=None):
        super().__init__()
        self.left = nn.Linear(size, 5 * size)
        self.right = nn.Linear(size, 5 * size, bias=False)
        if tracked is not None:
            self.track = nn.Linear(tracked, 5 * size, bias=False)

    def forward(self, lefts, rights, trackings):
        left, right = bundle(lefts).chunk(2, dim=1), bundle(rights).chunk(2, dim=1)
        sums = self.left(left[0]) + self.right(right[0])
        if trackings[0] is not None:
            sums = sums + self.track(bundle(trackings))
        return unbundle(tree_lstm(left, right, sums))


class Tracker(nn.Module):
    """Remembers the moves so far: an LSTM whose input is the next word and the two things on top of the stack."""

    def __init__(self, size, tracked):
        super().__init__()
        self.cell = nn.LSTMCell(3 * size, tracked)
        self.move = nn.Linear(tracked, 2)
        self.reset_state()

    def reset_state(self):
        self.state = None

    def forward(self, buffers, stacks):
        """A row for each sentence, and the scores of its next move."""
        seen = rl.cat([bundle([buffer[-1] for buffer in buffers]), bundle([stack[-1] for stack in stacks]),
                       bundle([stack[-2] for stack in stacks])], dim=0)
        hidden = seen.chunk(2, dim=1)[0].unflatten(0, (3, -1)).transpose(0, 1).flatten(1)
        self.state = self.cell(hidden, self.state)
        return unbundle(self.state[0]), self.move(self.state[0])


class SPINN(nn.Module):
    """Sentences, lists of word numbers, to scores of the three values; with a tracker, also the scores of its moves."""

    def __init__(self, size=32, tracked=32):
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS) + 1, 2 * size)           # the last is the null entry
        self.reduce = Reduce(size, tracked)
        if tracked is not None:
            self.tracker = Tracker(size, tracked)
        self.out = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, len(VALUES)))

    def forward(self, sentences, moves=None):
        """`moves` are those to make, a list for each sentence; None leaves them to the tracker."""
        null = self.embedding.weight[-1:]
        rows = iter(unbundle(self.embedding(rl.tensor([word for sentence in sentences for word in sentence]))))
        buffers = [[null, *reversed(list(itertools.islice(rows, len(sentence))))] for sentence in sentences]
        stacks = [[null, null] for _ in sentences]
        if hasattr(self, "tracker"):
            self.tracker.reset_state()
        move_scores = []
        for step in range(2 * max(map(len, sentences)) - 1):
            trackings = itertools.repeat(None)
            if hasattr(self, "tracker"):
                trackings, scores = self.tracker(buffers, stacks)
                move_scores.append(scores)
            now = own_moves(scores, buffers, stacks) if moves is None else [given[step:step + 1] for given in moves]
            self.make_moves([move[0] if move else None for move in now], buffers, stacks, trackings)
        tops = bundle([stack[-1] for stack in stacks]).chunk(2, dim=1)[0]
        return self.out(tops), move_scores

    def make_moves(self, moves, buffers, stacks, trackings):
        """One move of each sentence; all that reduce do it in one call."""
        lefts, rights, remembered, reducing = [], [], [], []
        for move, buffer, stack, tracking in zip(moves, buffers, stacks, trackings):
            if move == SHIFT:
                stack.append(buffer.pop())
            elif move == REDUCE:
                rights.append(stack.pop())
                lefts.append(stack.pop())
                remembered.append(tracking)
                reducing.append(stack)
        if reducing:
            for stack, parent in zip(reducing, self.reduce(lefts, rights, remembered)):
                stack.append(parent)

    def recursive(self, tree):
        """The row of a tree, a word or a pair of trees: without tracker what the stack ends with."""
        if isinstance(tree, str):
            return self.embedding(rl.tensor([WORDS.index(tree)]))
        left, right = map(self.recursive, tree)
        return self.reduce([left], [right], [None])[0]


def own_moves(scores, buffers, stacks):
    """The likelier move of each sentence among the possible ones; none when it is done."""
    moves = []
    for wanted, buffer, stack in zip(scores.argmax(1).tolist(), buffers, stacks):
        can_shift, can_reduce = len(buffer) > 1, len(stack) > 3           # beside the null entries
        if can_shift and can_reduce:
            moves.append([wanted])
        else:
            moves.append([SHIFT] if can_shift else [REDUCE] if can_reduce else [])
    return moves


def parse(words):
    """The tree of a formula: ("not", a), (a, ("and", b)), (a, ("or", b)); chains lean to the left."""

    def chain(words, operators):
        if not operators:
            return words[0] if len(words) == 1 else ("not", chain(words[1:], []))
        groups = [list(group) for is_operator, group in
                  itertools.groupby(words, lambda word: word == operators[0]) if not is_operator]
        parts = [chain(group, operators[1:]) for group in groups]
        tree = parts[0]
        for part in parts[1:]:
            tree = (tree, (operators[0], part))
        return tree

    return chain(words, ["or", "and"])


def truth(tree):
    """0, 1 or 2."""
    if isinstance(tree, str):
        return VALUES.index(tree)
    left, right = tree
    if left == "not":
        return 2 - truth(right)
    return (min if right[0] == "and" else max)(truth(left), truth(right[1]))


def moves_of(tree):
    return [SHIFT] if isinstance(tree, str) else [*moves_of(tree[0]), *moves_of(tree[1]), REDUCE]


def make_formulas(count, seed, longest=6):
    """(words, tree) of formulas of up to `longest` values, as many true ones as maybes and false ones."""
    rng = random.Random(seed)
    formulas = []
    while len(formulas) < count:
        words = []
        for _ in range(rng.randint(1, longest)):
            words += [rng.choice(["and", "or"])] if words else []
            words += ["not"] * (rng.random() < 0.3) + [rng.choice(VALUES)]
        tree = parse(words)
        if truth(tree) == len(formulas) % 3:
            formulas.append((words, tree))
    return formulas


def make_batch(formulas):
    """Sentences, moves and values."""
    words, trees = zip(*formulas)
    numbers = [[WORDS.index(word) for word in sentence] for sentence in words]
    return numbers, [moves_of(tree) for tree in trees], rl.tensor([truth(tree) for tree in trees])


def loss_and_hits(model, formulas, weight=0.5):
    """The loss of values and moves; how many values and which share of the moves are right."""
    sentences, moves, values = make_batch(formulas)
    scores, move_scores = model(sentences, moves)
    wanted = rl.tensor([list(step) for step in itertools.zip_longest(*moves, fillvalue=-100)]).flatten()
    given = rl.cat(move_scores)
    loss = F.cross_entropy(scores, values) + weight * F.cross_entropy(given, wanted)
    right_moves = (given.argmax(1) == wanted)[wanted != -100].float().mean().item()
    return loss, (scores.argmax(1) == values).sum().item(), right_moves


def train(model, formulas, epochs, batch=50):
    optimizer = rl.optim.Adam(model.parameters(), lr=5e-3)
    schedule = rl.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs * (len(formulas) // batch))
    progress = trange(epochs, unit="epoch")
    for _ in progress:
        hits = 0
        for chosen in rl.randperm(len(formulas)).split(batch):
            optimizer.zero_grad()
            loss, right, right_moves = loss_and_hits(model, [formulas[i] for i in chosen.tolist()])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            hits += right
        progress.set_postfix(loss=f"{loss.item():.3f}", right=f"{hits / len(formulas):.2f}", moves=f"{right_moves:.2f}")


def check(formulas):
    """Batched equals alone, with gradients; without tracker it equals the recursion over the tree."""
    for tracked in (32, None):
        model = SPINN(tracked=tracked)
        sentences, moves, _ = make_batch(formulas)
        together = model(sentences, moves)[0]
        alone = rl.cat([model([sentence], [move])[0] for sentence, move in zip(sentences, moves)])
        rl.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
        weights = list(model.reduce.parameters())
        gradients = [rl.autograd.grad(scores.square().sum(), weights) for scores in (together, alone)]
        for first, second in zip(*gradients):
            assert first.abs().max() > 0
            rl.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
    tops = rl.cat([model.recursive(tree) for _, tree in formulas]).chunk(2, dim=1)[0]
    rl.testing.assert_close(together, model.out(tops), atol=1e-5, rtol=1e-5)


@rl.no_grad()
def measure(model, formulas):
    """Seconds of the whole batch at once, and of sentence after sentence."""
    sentences, moves, _ = make_batch(formulas)
    begin = time.perf_counter()
    model(sentences, moves)
    middle = time.perf_counter()
    for sentence, move in zip(sentences, moves):
        model([sentence], [move])
    return middle - begin, time.perf_counter() - middle


def main():
    parser = argparse.ArgumentParser(description="Evaluate formulas of three-valued logic with SPINN.")
    parser.add_argument("--quick", action="store_true", help="fewer sentences and epochs")
    options = parser.parse_args()

    rl.manual_seed(0)
    check(make_formulas(12, seed=3))
    model = SPINN()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    train(model, make_formulas(300 if options.quick else 1500, seed=0), epochs=3 if options.quick else 12)

    held_out = make_formulas(300, seed=1)
    batched, unbatched = min((measure(model, held_out[:100]) for _ in range(3)), key=sum)
    sentences, _, values = make_batch(held_out)
    with rl.no_grad():
        _, hits, right_moves = loss_and_hits(model, held_out)
        own = model(sentences)[0].argmax(1)
    for (words, _), value, answer in list(zip(held_out, values.tolist(), own.tolist()))[:8]:
        print(f"{' '.join(words):>60} is {VALUES[answer]}{'' if answer == value else '  !'}")
    print(f"\n100 sentences in one batch {1000 * batched:.0f} ms, one by one {1000 * unbatched:.0f} ms")
    print(f"result: accuracy {hits / len(held_out):.3f}, by its own moves {(own == values).float().mean().item():.3f}, "
          f"moves right {right_moves:.3f}, times faster {unbatched / batched:.1f}")


if __name__ == "__main__":
    main()
