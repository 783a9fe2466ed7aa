"""Q-learning with a table: CartPole's four observations in ten bins each, a value for each push in each bin.

    python examples/cartpole_q_table.py            5,000 episodes
    python examples/cartpole_q_table.py --quick    a fiftieth of them

After each step the table moves towards what was received and what the best next push promises (Bellman):
Q(s, a) += rate * (reward + discount * max Q(s', .) - Q(s, a)); after a fall nothing follows, so nothing is promised.

At first every push is a guess; fewer and fewer are, as the episodes go by.

Full: last hundred 170.6 steps (10 s)
Quick: last hundred >= 20, table filled >= 200
"""

import argparse
import random

import gymnasium
from tqdm import trange

import rushlight as rl

BINS = 10
STEPS = 200
LOW = rl.tensor([-2.4, -1.5, -0.21, -2.0])               # position, speed, angle, angular speed
HIGH = -LOW
EXPLORE, RATE, DISCOUNT = 1.0, 0.3, 0.99


def place(observation):
    """The bin of each observation; what lies outside goes to the outermost."""
    share = (rl.from_numpy(observation) - LOW) / (HIGH - LOW)
    return tuple((share * BINS).long().clamp(0, BINS - 1).tolist())


def choose(table, state, explore):
    """The better push, or now and then any."""
    return random.randrange(2) if random.random() < explore else table[state].argmax().item()


def episode(env, table, explore):
    """Plays and learns; returns the number of steps."""
    state = place(env.reset()[0])
    for steps in range(1, STEPS + 1):  # noqa: B007, it is returned
        action = choose(table, state, explore)
        observation, reward, fell, cut, _ = env.step(action)
        following = place(observation)
        promise = 0.0 if fell else table[following].max().item()
        table[state][action] += RATE * (reward + DISCOUNT * promise - table[state][action].item())
        state = following
        if fell or cut:
            break
    return steps


def main():
    parser = argparse.ArgumentParser(description="Learn CartPole by a table of values.")
    parser.add_argument("--quick", action="store_true", help="fewer episodes")
    quick = parser.parse_args().quick

    random.seed(0)
    env = gymnasium.make("CartPole-v1", max_episode_steps=STEPS)
    env.reset(seed=0)
    table, found, episodes = rl.zeros(BINS, BINS, BINS, BINS, 2), [], 100 if quick else 5000
    for number in trange(episodes, unit="episode"):
        found.append(episode(env, table, EXPLORE * (1 - number / episodes)))
    piece = episodes // 10
    for start in range(0, episodes, piece):
        mean = sum(found[start:start + piece]) / piece
        print(f"episodes {start:4} to {start + piece - 1:4}: {mean:6.1f} steps  {'#' * round(mean / 4)}")
    filled = (table != 0).any(-1).sum().item()
    print(f"min {min(found)}, max {max(found)}, mean {sum(found) / episodes:.1f}")
    print(f"result: last hundred {sum(found[-100:]) / 100:.1f}, table filled {filled}")


if __name__ == "__main__":
    main()
