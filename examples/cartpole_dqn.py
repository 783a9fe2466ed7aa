"""Deep Q-learning: a small network in the place of the table, and a memory of past steps to learn from.

    python examples/cartpole_dqn.py            from the four observations
    python examples/cartpole_dqn.py --pixels   from pictures: the difference of two 40x80 frames, three convolutions
    python examples/cartpole_dqn.py --quick    fewer episodes

Each step goes into a memory; batches drawn from it train the policy network towards
reward + discount * max over pushes of the target network's value of the next state, or the reward alone after a fall.
The target network is not in the optimizer; it is a copy of the policy network, renewed now and then. The pictures are
drawn here, so that no display is needed.

Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015.

Full: last ten 155.4 steps (8 s); from pictures 35.0 (48 s): 200 episodes are few for those
Quick: last ten >= 30
"""

import argparse
import math
import random
from collections import deque, namedtuple

import gymnasium
import numpy as np
from tqdm import tqdm

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn

STEPS = 200
BATCH, DISCOUNT = 64, 0.99
EXPLORE_FIRST, EXPLORE_LAST, EXPLORE_DECAY = 0.9, 0.05, 400
HEIGHT, WIDTH = 40, 80

Transition = namedtuple("Transition", "state action following reward")


class ReplayMemory:
    """The newest steps, to draw batches from."""

    def __init__(self, capacity):
        self.steps = deque(maxlen=capacity)

    def push(self, *step):
        self.steps.append(Transition(*step))

    def sample(self, count):
        return Transition(*zip(*random.sample(self.steps, count)))

    def __len__(self):
        return len(self.steps)


def state_network():
    """4 observations in, a value for each push out."""
    return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def pixel_network():
    """A difference of two pictures in; 448 features after the convolutions."""
    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 5, stride=2), nn.BatchNorm2d(outputs), nn.ReLU()

    return nn.Sequential(*block(1, 16), *block(16, 32), *block(32, 32), nn.Flatten(), nn.Linear(448, 2))


def picture(observation):
    """The cart and its pole, 40x80, seen from the cart's side, as numbers from 0 to 1."""
    x, _, angle, _ = observation
    image = np.zeros((HEIGHT, WIDTH), np.float32)
    centre = WIDTH / 2 + float(x) / 2.4 * WIDTH / 2
    image[34:38, max(0, round(centre) - 6):max(0, round(centre) + 6)] = 1
    for share in np.linspace(0, 1, 60):
        row, column = round(33 - 28 * share * math.cos(angle)), round(centre + 28 * share * math.sin(angle))
        if 0 <= row < HEIGHT and 0 < column < WIDTH - 1:
            image[row, column - 1:column + 2] = 1
    return rl.from_numpy(image)[None, None]


class Watcher:
    """What the network sees: the observations, or the change from the last picture to this one."""

    def __init__(self, pixels):
        self.pixels, self.last = pixels, None

    def begin(self, observation):
        self.last = picture(observation)
        return rl.zeros(1, 1, HEIGHT, WIDTH) if self.pixels else rl.from_numpy(observation)[None]

    def see(self, observation):
        if not self.pixels:
            return rl.from_numpy(observation)[None]
        before, self.last = self.last, picture(observation)
        return self.last - before


class Learner:
    """Policy network, target network and memory."""

    def __init__(self, pixels):
        make = pixel_network if pixels else state_network
        self.policy, self.target = make(), make()
        self.target.load_state_dict(self.policy.state_dict())
        self.target.eval()
        self.optimizer = rl.optim.RMSprop(self.policy.parameters(), lr=2e-3 if pixels else 5e-4)
        self.memory, self.steps = ReplayMemory(10_000), 0

    def act(self, state):
        share = math.exp(-self.steps / EXPLORE_DECAY)
        self.steps += 1
        if random.random() < EXPLORE_LAST + (EXPLORE_FIRST - EXPLORE_LAST) * share:
            return random.randrange(2)
        self.policy.eval()
        with rl.no_grad():
            return self.policy(state).argmax(1).item()

    def learn(self):
        if len(self.memory) < BATCH:
            return
        batch = self.memory.sample(BATCH)
        goes_on = rl.tensor([state is not None for state in batch.following])
        promise = rl.zeros(BATCH)
        with rl.no_grad():
            following = rl.cat([state for state in batch.following if state is not None])
            promise[goes_on] = self.target(following).max(1).values
        wanted = rl.tensor(batch.reward) + DISCOUNT * promise
        self.policy.train()
        values = self.policy(rl.cat(batch.state)).gather(1, rl.tensor(batch.action)[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(values, wanted)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.policy.parameters(), 1.0)
        self.optimizer.step()


def episode(env, watcher, learner):
    """Plays and learns; returns the number of steps."""
    state = watcher.begin(env.reset()[0])
    for steps in range(1, STEPS + 1):  # noqa: B007, it is returned
        action = learner.act(state)
        observation, reward, fell, cut, _ = env.step(action)
        following = None if fell else watcher.see(observation)
        learner.memory.push(state, action, following, float(reward))
        learner.learn()
        if learner.steps % 250 == 0:
            learner.target.load_state_dict(learner.policy.state_dict())
        if fell or cut:
            break
        state = following
    return steps


def main():
    parser = argparse.ArgumentParser(description="Learn CartPole by deep Q-learning.")
    parser.add_argument("--quick", action="store_true", help="fewer episodes")
    parser.add_argument("--pixels", action="store_true", help="see pictures instead of the four observations")
    options = parser.parse_args()

    rl.manual_seed(0)
    random.seed(0)
    env = gymnasium.make("CartPole-v1", max_episode_steps=STEPS)
    env.reset(seed=0)
    watcher, learner, found = Watcher(options.pixels), Learner(options.pixels), []
    with tqdm(range(60 if options.quick else 200), unit="episode") as progress:
        for _ in progress:
            found.append(episode(env, watcher, learner))
            progress.set_postfix(steps=found[-1], refresh=False)
    for start in range(0, len(found), 20):
        mean = sum(found[start:start + 20]) / 20
        print(f"episodes {start:3} to {start + 19:3}: {mean:6.1f} steps  {'#' * round(mean / 4)}")
    print(f"result: last ten {sum(found[-10:]) / 10:.1f}")


if __name__ == "__main__":
    main()
