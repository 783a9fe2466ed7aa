"""CartPole without gradients, and then with: chance, a rule, a search, and a network that copies the lucky episodes.

    python examples/cartpole_policies.py            100 episodes of each policy
    python examples/cartpole_policies.py --quick    fewer

A pole stands on a cart; each step pushes the cart left or right, and an episode ends when the pole leans too far, or
after 200 steps. Four ways to choose the push:

- chance;
- a rule: push to where the pole leans;
- a search: the best of 100 random linear rules;
- cloning: a network (4-8-2, 58 parameters) learns the pushes of those episodes of chance that happened to last long.

Full: chance 23.6, rule 42.8, search 171.6, cloning 190.2 steps (2 s)
Quick: search >= 100, rule >= 30, cloning >= 50
"""

import argparse

import gymnasium
from tqdm import tqdm

import rushlight as rl
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset

STEPS = 200


def play(env, policy, seed=None):
    """One episode; returns the observations and the actions."""
    observation, _ = env.reset(seed=seed)
    observations, actions, over = [], [], False
    while not over:
        action = policy(observation)
        observations.append(observation)
        actions.append(action)
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
    return observations, actions


def lengths(env, policy, episodes):
    """How long each episode lasts."""
    return [len(play(env, policy)[1]) for _ in range(episodes)]


def rule(observation):
    """Pushes to where the pole leans."""
    return int(observation[2] > 0)


class Linear:
    """Pushes right where a weighted sum of the four observations is positive."""

    def __init__(self):
        self.theta = (rl.rand(4) * 2 - 1).tolist()

    def __call__(self, observation):
        return int(sum(weight * value for weight, value in zip(self.theta, observation)) > 0)


def search(env, tries, episodes=5):
    """The best of many random linear policies, by the mean of a few episodes."""
    candidates = [Linear() for _ in tqdm(range(tries), desc="search")]
    return max(candidates, key=lambda policy: sum(lengths(env, policy, episodes)))


class Clone(nn.Module):
    """4 observations, 8 hidden units, a score for each of the 2 pushes."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, observations):
        return self.out(F.relu(self.hidden(observations)))

    def __call__(self, observation):
        if isinstance(observation, rl.Tensor):
            return super().__call__(observation)
        with rl.no_grad():
            return super().__call__(rl.from_numpy(observation)).argmax().item()


def clone(env, chance, episodes, epochs):
    """A network that imitates the longest twentieth of many random episodes."""
    played = sorted((play(env, chance) for _ in range(episodes)), key=lambda episode: -len(episode[1]))
    lucky = played[:max(1, episodes // 20)]
    x = rl.tensor([observation.tolist() for episode in lucky for observation in episode[0]])
    y = rl.tensor([action for episode in lucky for action in episode[1]])
    model = Clone()
    optimizer = rl.optim.Adam(model.parameters(), lr=3e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=10, shuffle=True)
    for _ in tqdm(range(epochs), desc=f"cloning {len(x)} pushes"):
        for observations, actions in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(observations), actions)
            loss.backward()
            optimizer.step()
    return model


def main():
    parser = argparse.ArgumentParser(description="Balance a pole by four policies.")
    parser.add_argument("--quick", action="store_true", help="fewer episodes")
    quick = parser.parse_args().quick

    rl.manual_seed(0)
    env = gymnasium.make("CartPole-v1", max_episode_steps=STEPS)
    env.reset(seed=0)
    env.action_space.seed(0)
    episodes = 20 if quick else 100

    def chance(observation):
        return int(env.action_space.sample())

    policies = {
        "chance": chance,
        "rule": rule,
        "search": search(env, 30 if quick else 100),
        "cloning": clone(env, chance, 200 if quick else 1000, 10 if quick else 30),
    }
    means = {}
    print(f"{'policy':10}{'min':>6}{'max':>6}{'mean':>8}   steps of {episodes} episodes")
    for name, policy in policies.items():
        found = lengths(env, policy, episodes)
        means[name] = sum(found) / episodes
        print(f"{name:10}{min(found):6}{max(found):6}{means[name]:8.1f}   {'#' * round(means[name] / 5)}")
    print("result: " + ", ".join(f"{name} {mean:.1f}" for name, mean in means.items()))


if __name__ == "__main__":
    main()
