"""Five programs, a hundred steps from one seed: every loss is PyTorch's within 1e-4.

Data, weights, dropout and order come from the generator of each library; nothing is passed from one to the other.
"""
import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def perceptron(p):
    nn = p.nn
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))
    optimizer = p.optim.Adam(model.parameters(), lr=1e-3)
    data = p.utils.data.TensorDataset(p.randn(200, 16), p.randint(0, 5, (200,)))
    loader = p.utils.data.DataLoader(data, batch_size=20, shuffle=True)
    return model, optimizer, loader, p.nn.functional.cross_entropy


def convolutions(p):
    nn = p.nn
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.GELU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
    optimizer = p.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    data = p.utils.data.TensorDataset(p.randn(160, 1, 12, 12), p.randint(0, 10, (160,)))
    return model, optimizer, p.utils.data.DataLoader(data, batch_size=16, shuffle=True), p.nn.functional.cross_entropy


def autoencoder(p):
    nn = p.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.GroupNorm(4, 16), nn.SiLU(), nn.ConvTranspose2d(16, 8, 2, stride=2), nn.ELU(),
        nn.ConvTranspose2d(8, 1, 2, 2))
    optimizer = p.optim.AdamW(model.parameters(), lr=1e-3)
    pictures = p.rand(96, 1, 16, 16)
    data = p.utils.data.TensorDataset(pictures, pictures)
    return model, optimizer, p.utils.data.DataLoader(data, batch_size=8), p.nn.functional.mse_loss


def recurrent(p):
    nn = p.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(50, 12)
            self.lstm = nn.LSTM(12, 20, num_layers=2, batch_first=True, dropout=0.1)
            self.head = nn.Linear(20, 4)

        def forward(self, words):
            return self.head(self.lstm(self.embedding(words))[0][:, -1])

    model = Classifier()
    optimizer = p.optim.Adam(model.parameters(), lr=2e-3)
    data = p.utils.data.TensorDataset(p.randint(0, 50, (120, 9)), p.randint(0, 4, (120,)))
    loader = p.utils.data.DataLoader(data, batch_size=12, shuffle=True)
    return model, optimizer, loader, p.nn.functional.cross_entropy


def transformer(p):
    nn = p.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(50, 32)
            layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(32, 4)

        def forward(self, words):
            return self.head(self.encoder(self.embedding(words)).mean(1))

    model = Classifier()
    optimizer = p.optim.RMSprop(model.parameters(), lr=1e-4)
    data = p.utils.data.TensorDataset(p.randint(0, 50, (120, 9)), p.randint(0, 4, (120,)))
    loader = p.utils.data.DataLoader(data, batch_size=12, shuffle=True)
    return model, optimizer, loader, p.nn.functional.cross_entropy


def losses(p, program, steps=100):
    p.manual_seed(11)
    model, optimizer, loader, loss_of = program(p)
    schedule, found = p.optim.lr_scheduler.StepLR(optimizer, 3, 0.7), []
    while len(found) < steps:
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        schedule.step()
    return found[:steps]


@pytest.mark.parametrize("program", [perceptron, convolutions, autoencoder, recurrent, transformer])
def test_losses_are_pytorchs(program):
    np.testing.assert_allclose(losses(rl, program), losses(torch, program), rtol=1e-4)
