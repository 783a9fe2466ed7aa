"""Whole programs from one seed: the same initial weights and the same losses as with PyTorch."""
import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def images(package, count=96):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, 1, 8, 8)).astype(np.float32)
    return package.from_numpy(x), package.from_numpy((np.abs(x[:, 0, :2, :2]).sum((1, 2)) * 3).astype(np.int64) % 10)


def digits_network(p):
    nn = p.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))


def train(p, make_optimizer, steps=6):
    p.manual_seed(1797)
    model = digits_network(p)
    first = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    optimizer = make_optimizer(p, model.parameters())
    schedule = p.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    loader = p.utils.data.DataLoader(p.utils.data.TensorDataset(*images(p)), batch_size=32, shuffle=True)
    losses = []
    while len(losses) < steps:
        for x, y in loader:
            optimizer.zero_grad()
            loss = p.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            p.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
    model.eval()
    with p.no_grad():
        return first, losses, model(images(p)[0]).numpy()


OPTIMIZERS = {
    "sgd": lambda p, params: p.optim.SGD(params, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "adam": lambda p, params: p.optim.Adam(params, lr=1e-3),
    "rmsprop": lambda p, params: p.optim.RMSprop(params, lr=1e-4, momentum=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_digits_network_trains_alike(name):
    own, reference = train(rl, OPTIMIZERS[name]), train(torch, OPTIMIZERS[name])
    assert list(own[0]) == list(reference[0])
    for key, value in reference[0].items():
        np.testing.assert_allclose(own[0][key], value, rtol=1e-6, atol=1e-7, err_msg=key)
    np.testing.assert_allclose(own[1], reference[1], rtol=2e-3)
    np.testing.assert_allclose(own[2], reference[2], rtol=5e-2, atol=2e-2)


def test_lenet_with_a_program_of_its_own():
    def run(p):
        nn, functional = p.nn, p.nn.functional

        class LeNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
                self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)

            def forward(self, x):
                x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
                x = functional.max_pool2d(functional.relu(self.conv2(x)), (2, 2))
                x = p.flatten(x, 1)
                return functional.log_softmax(self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x))))), dim=1)

        p.manual_seed(5)
        model, losses = LeNet(), []
        optimizer = p.optim.AdamW(model.parameters(), lr=1e-3)
        x, y = p.randn(16, 1, 28, 28), p.randint(0, 10, (16,))
        for _ in range(5):
            optimizer.zero_grad()
            loss = functional.nll_loss(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    np.testing.assert_allclose(run(rl), run(torch), rtol=1e-3)


def test_a_network_may_run_twice_before_backward():
    # As a discriminator does, over real and made samples: the second run moves the running statistics.
    norm, x, y = rl.nn.BatchNorm1d(3).double(), rl.randn(5, 3, dtype=rl.float64), rl.randn(4, 3, dtype=rl.float64)
    x.requires_grad_()
    (norm(x).cos().sum() + norm(y).sin().sum()).backward()
    both = x.grad.clone()
    x.grad = None
    norm(x).cos().sum().backward()
    assert rl.allclose(both, x.grad, rtol=1e-12)
    norm.eval()
    out = norm(x).cos().sum()
    norm.running_mean.add_(1)
    with pytest.raises(RuntimeError, match=r"running_mean.*modified by an inplace operation"):
        out.backward()
