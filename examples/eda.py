"""Easy data augmentation of texts: synonyms, insertions, swaps and deletions, and what they are worth.

    python examples/eda.py             trains on 100, 200 and 500 reviews, five times each, plain and augmented
    python examples/eda.py --quick     on 100 reviews, twice

Four changes make new sentences out of one; none touches the sentence it was given. The program shows them, then trains
the LSTM of lstm_reviews.py with and without them, on as many steps, and tests it on 1,000 other reviews. The more
reviews there are, the less remains to be gained; and a deleted "not" does harm. The gains are printed as they come out,
losses included: five runs are few, and differ by more than they gain. The synonyms, which a program for real texts
would take from WordNet, are lists in the program.

Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", 2019.

Full: gain at 100 3.6, gain at 200 1.6, gain at 500 -0.2, in points of accuracy (12 s)
Quick: trainings == 4
"""

import argparse
import random
import statistics

from lstm_reviews import ReviewClassifier, Vocabulary, batches, evaluate, make_reviews, train_epoch
from tqdm import tqdm

import rushlight as rl

STOP_WORDS = set("the was i it on with my for we at all a to of and but although even if not never hardly".split())
SYNONYMS = [group.split() for group in (
    "bad awful terrible horrible", "dull boring tedious dreary", "weak feeble poor flimsy",
    "stupid silly foolish absurd", "good great superb excellent", "funny amusing witty hilarious",
    "moving touching gripping thrilling", "clever smart brilliant ingenious", "very really quite simply",
    "story plot script", "acting dialogue", "chose picked", "read studied", "almost nearly", "friend mate")]


def get_synonyms(word):
    """The other words of the word's group, if it is in one."""
    return [other for group in SYNONYMS if word in group for other in group if other != word]


def synonym_replacement(words, n=1, rng=random):
    """A synonym in the place of up to `n` words that have one; the length stays."""
    changed = list(words)
    places = [place for place, word in enumerate(words) if word not in STOP_WORDS and get_synonyms(word)]
    for place in rng.sample(places, min(n, len(places))):
        changed[place] = rng.choice(get_synonyms(words[place]))
    return changed


def random_insertion(words, n=1, rng=random):
    """`n` synonyms of its words at any places; a sentence without a synonym stays as it is."""
    candidates = [word for word in words if word not in STOP_WORDS and get_synonyms(word)]
    changed = list(words)
    for _ in range(n if candidates else 0):
        changed.insert(rng.randint(0, len(changed)), rng.choice(get_synonyms(rng.choice(candidates))))
    return changed


def random_swap(words, n=1, rng=random):
    """Two words change places, `n` times."""
    changed = list(words)
    for _ in range(n if len(changed) > 1 else 0):
        i, j = rng.sample(range(len(changed)), 2)
        changed[i], changed[j] = changed[j], changed[i]
    return changed


def random_deletion(words, p=0.1, rng=random):
    """Each word goes with probability `p`, but one stays."""
    kept = [word for word in words if rng.random() >= p]
    return kept or [rng.choice(words)]


def augment(text, rng):
    """The sentence after one of the four, a tenth of its words changed."""
    words = text.split()
    n = max(1, len(words) // 10)
    change = rng.choice([synonym_replacement, random_insertion, random_swap, random_deletion])
    return " ".join(change(words, rng=rng) if change is random_deletion else change(words, n, rng))


def check(words, rng):
    """What each of the four promises."""
    before = list(words)
    assert len(synonym_replacement(words, 3, rng)) == len(words)
    assert len(random_insertion(words, 3, rng)) == len(words) + 3
    assert sorted(random_swap(words, 5, rng)) == sorted(words)
    assert 1 <= len(random_deletion(words, 0.9, rng)) <= len(words)
    assert len(random_deletion(words, 1.0, rng)) == 1 and random_deletion(["one"], 1.0, rng) == ["one"]
    assert words == before


def accuracy_after(training, copies, seed, steps, held_out):
    """Trains on the reviews and `copies` changed ones of each; accuracy on the held-out reviews."""
    rng = random.Random(seed)
    reviews = training + [(augment(text, rng), label) for text, label in training for _ in range(copies)]
    vocabulary = Vocabulary(text for text, _ in reviews)
    rl.manual_seed(seed)
    model = ReviewClassifier(len(vocabulary))
    optimizer = rl.optim.Adam(model.parameters(), lr=5e-3)
    loader = batches(reviews, vocabulary, batch_size=16, shuffle=True)
    for _ in range(max(1, steps // len(loader))):
        train_epoch(model, loader, optimizer)
    return evaluate(model, batches(held_out, vocabulary, batch_size=250))[1]


def main():
    parser = argparse.ArgumentParser(description="What changed copies of few texts are worth.")
    parser.add_argument("--quick", action="store_true", help="fewer reviews and runs")
    options = parser.parse_args()

    rng = random.Random(0)
    sentence = "the acting was very good , but my friend read a book".split()
    for change in (synonym_replacement, random_insertion, random_swap, random_deletion):
        check(sentence, rng)
        print(f"{change.__name__:>20}: {' '.join(change(sentence, rng=rng))}")

    sizes, runs, steps = ([100], 2, 60) if options.quick else ([100, 200, 500], 5, 400)
    held_out = make_reviews(1000, seed=1)
    progress = tqdm(total=2 * runs * len(sizes), unit="training", leave=False)
    lines, gains = [], []
    for size in sizes:
        reached = {0: [], 8: []}
        for seed in range(runs):
            training = make_reviews(size, seed=100 + seed)
            for copies, accuracies in reached.items():
                accuracies.append(accuracy_after(training, copies, seed, steps, held_out))
                progress.update()
        plain, augmented = (statistics.mean(accuracies) for accuracies in reached.values())
        gains.append(f"gain at {size} {100 * (augmented - plain):.1f}")
        lines.append(f"{size:5} reviews: {plain:6.1%} plain, {augmented:6.1%} augmented; gains of the {runs} runs: "
                     + ", ".join(f"{100 * (b - a):+.1f}" for a, b in zip(*reached.values())))
    progress.close()
    print("\n".join(["", *lines]))
    print(f"result: trainings {progress.n}, {', '.join(gains)}")


if __name__ == "__main__":
    main()
