"""A Transformer from sequence to sequence: reads dates as people write them, and writes them as 2026-11-21.

    python examples/transformer.py             800 steps
    python examples/transformer.py --quick     150 steps

Letters in, letters out: "saturday, 21st of november 2026", "nov 21st, 2026" and "21/11/26" all become "2026-11-21".
The encoder sees the whole date, but not its padding; the decoder sees what stands left of the letter it is to write.
While it learns, it gets the right beginning of the answer, for all letters at once; afterwards it writes greedily,
letter by letter. The program checks both masks: longer padding and later letters change nothing.

Vaswani et al., "Attention Is All You Need", 2017.

Full: dates right 0.988, letters right 0.998 (18 s)
Quick: letters right >= 0.7
"""

import argparse
import datetime
import math
import random

from tqdm import trange

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.nn.utils.rnn import pad_sequence

PAD, BEGIN, END = 0, 1, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 ,./-"
NUMBERS = {letter: number for number, letter in enumerate(LETTERS, start=3)}
FORMS = ["{day} {month} {year}", "{month} {day}, {year}", "{weekday}, {ordinal} of {month} {year}",
         "{weekday} {day} {short} {year}", "{short} {ordinal}, {year}", "{day}.{number}.{year}",
         "{day}/{number}/{two:02}", "{number:02}-{day:02}-{year}"]


class DateTransformer(nn.Module):
    """Letter numbers in and answers so far to scores: (batch, source), (batch, target) -> (batch, target, letters)."""

    def __init__(self, letters=len(LETTERS) + 3, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.embedding = nn.Embedding(letters, width, padding_idx=PAD)
        self.transformer = nn.Transformer(width, heads, layers, layers, dim_feedforward=4 * width, dropout=0.0,
                                          batch_first=True, norm_first=True)
        self.out = nn.Linear(width, letters)
        self.register_buffer("positions", waves(longest, width))

    def embed(self, numbers):
        return self.embedding(numbers) + self.positions[:numbers.shape[1]]

    def encode(self, source):
        padding = source == PAD
        return self.transformer.encoder(self.embed(source), src_key_padding_mask=padding), padding

    def decode(self, target, memory, padding):
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.out(self.transformer.decoder(self.embed(target), memory, tgt_mask=mask, tgt_is_causal=True,
                                                 memory_key_padding_mask=padding))

    def forward(self, source, target):
        return self.decode(target, *self.encode(source))


def waves(length, width):
    """Sines and cosines of places, a row for each: (length, width)."""
    place = rl.arange(length).unsqueeze(1)
    rates = rl.exp(rl.arange(0, width, 2) * (-math.log(10000.0) / width))
    return rl.stack([rl.sin(place * rates), rl.cos(place * rates)], dim=2).flatten(1)


def make_date(rng):
    """A day of 1950 to 2049 in one of the forms, and as ISO 8601 has it."""
    date = datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randrange(36524))
    suffix = "th" if 10 < date.day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th")
    text = rng.choice(FORMS).format(day=date.day, ordinal=f"{date.day}{suffix}", number=date.month, year=date.year,
                                    month=f"{date:%B}", short=f"{date:%b}", weekday=f"{date:%A}", two=date.year % 100)
    return text.lower(), date.isoformat()


def encode(text):
    return rl.tensor([NUMBERS[letter] for letter in text])


def make_batch(count, rng):
    """Sources (count, longest) and targets (count, 12): each begins with BEGIN and ends with END."""
    texts, answers = zip(*(make_date(rng) for _ in range(count)))
    ends = [rl.cat([rl.tensor([BEGIN]), encode(answer), rl.tensor([END])]) for answer in answers]
    return pad_sequence([encode(text) for text in texts], batch_first=True), rl.stack(ends)


def train(model, steps):
    rng = random.Random(0)
    optimizer = rl.optim.Adam(model.parameters(), lr=3e-3)
    schedule = rl.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    model.train()
    progress = trange(steps, unit="step")
    for _ in progress:
        source, target = make_batch(32, rng)
        optimizer.zero_grad()
        scores = model(source, target[:, :-1])
        loss = F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)


@rl.no_grad()
def translate(model, source, longest=16):
    """The likeliest letter each time, until every row has its END: numbers (batch, letters) without BEGIN."""
    model.eval()
    memory, padding = model.encode(source)
    answer = rl.full((len(source), 1), BEGIN)
    for _ in range(longest):
        following = model.decode(answer, memory, padding)[:, -1].argmax(1, keepdim=True)
        following = following.masked_fill((answer == END).any(1, keepdim=True), PAD)
        answer = rl.cat([answer, following], dim=1)
        if (answer == END).any(1).all():
            break
    return answer[:, 1:]


def read(numbers):
    return "".join(LETTERS[number - 3] for number in numbers.tolist() if number > END)


@rl.no_grad()
def check_masks(model):
    """Neither the length of the padding nor the letters that come later change a score."""
    model.eval()
    source, target = make_batch(8, random.Random(5))
    scores = model(source, target)
    rl.testing.assert_close(model(F.pad(source, (0, 7), value=PAD), target), scores, atol=1e-4, rtol=1e-4)
    other = target.clone()
    other[:, 6:] = NUMBERS["z"]
    rl.testing.assert_close(model(source, other)[:, :6], scores[:, :6], atol=1e-4, rtol=1e-4)


def main():
    parser = argparse.ArgumentParser(description="Teach a Transformer to read dates.")
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    options = parser.parse_args()

    rl.manual_seed(0)
    model = DateTransformer()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    train(model, steps=150 if options.quick else 800)
    check_masks(model)

    rng = random.Random(1)
    source, target = make_batch(500, rng)
    answers = translate(model, source)
    answers = F.pad(answers, (0, 16 - answers.shape[1]))[:, :target.shape[1] - 1]
    same = answers == target[:, 1:]
    letters, dates = same.float().mean().item(), same.all(1).float().mean().item()
    for row in range(10):
        print(f"{read(source[row]):>32} -> {read(answers[row])}{'' if same[row].all() else '  !'}")
    print(f"result: dates right {dates:.3f}, letters right {letters:.3f}")


if __name__ == "__main__":
    main()
