"""The networks that are timed, over any namespace with PyTorch's `nn`."""

from functools import cache
from types import SimpleNamespace


def blocks(nn):
    """ResNet's two building blocks for this `nn`: (basic, bottleneck)."""

    class BasicBlock(nn.Module):
        growth = 1

        def __init__(self, inputs, width, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = shortcut(inputs, width, stride)

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            y += self.downsample(x)
            return self.relu(y)

    class Bottleneck(nn.Module):
        growth = 4

        def __init__(self, inputs, width, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = shortcut(inputs, 4 * width, stride)

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.relu(self.bn2(self.conv2(y)))
            y = self.bn3(self.conv3(y))
            y += self.downsample(x)
            return self.relu(y)

    def shortcut(inputs, outputs, stride):
        if inputs == outputs and stride == 1:
            return nn.Sequential()
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    return BasicBlock, Bottleneck


def wavenet(nn):
    """The class WaveNet for this `nn`."""

    class ResidualBlock(nn.Module):
        def __init__(self, channels, skips, dilation):
            super().__init__()
            self.filter = nn.Conv1d(channels, channels, 2, dilation=dilation)
            self.gate = nn.Conv1d(channels, channels, 2, dilation=dilation)
            self.residual = nn.Conv1d(channels, channels, 1)
            self.skip = nn.Conv1d(channels, skips, 1)

        def forward(self, x, length):
            y = self.filter(x).tanh() * self.gate(x).sigmoid()
            return self.residual(y) + x[:, :, -y.shape[2]:], self.skip(y[:, :, -length:])

    class WaveNet(nn.Module):
        """van den Oord et al. 2016, small: 256 levels, stacks of dilations 1, 2, 4, ..."""

        def __init__(self, stacks=2, layers=10, channels=32, skips=256, levels=256):
            super().__init__()
            dilations = [2**layer for layer in range(layers)] * stacks
            self.seen = sum(dilations) + 1               # inputs beyond its own that an output sees
            self.causal = nn.Conv1d(levels, channels, 2)
            self.blocks = nn.ModuleList(ResidualBlock(channels, skips, dilation) for dilation in dilations)
            self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(skips, skips, 1), nn.ReLU(), nn.Conv1d(skips, levels, 1))

        def forward(self, x):
            length = x.shape[2] - self.seen
            x, total = self.causal(x), 0
            for block in self.blocks:
                x, skip = block(x, length)
                total = skip + total
            return self.head(total)

    return WaveNet


def dcgan(nn, width=64):
    """A generator and a discriminator of 64x64 pictures."""

    def up(inputs, outputs, *place):
        return nn.ConvTranspose2d(inputs, outputs, 4, *place, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)

    def down(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, True)

    generator = nn.Sequential(
        *up(100, 8 * width, 1, 0), *up(8 * width, 4 * width, 2, 1), *up(4 * width, 2 * width, 2, 1),
        *up(2 * width, width, 2, 1), nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())
    discriminator = nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True), *down(width, 2 * width),
        *down(2 * width, 4 * width), *down(4 * width, 8 * width), nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False),
        nn.Flatten(0))
    return generator, discriminator


@cache
def models(nn):
    """The networks for this `nn`: `lenet()`, `resnet18()`, `mlp()` and so on make new ones."""
    BasicBlock, Bottleneck = blocks(nn)

    class ResNet(nn.Module):
        def __init__(self, block, depths, classes=1000):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            stages, inputs = [], 64
            for stage, depth in enumerate(depths):
                width = 64 * 2**stage
                for index in range(depth):
                    stages.append(block(inputs, width, 2 if stage and not index else 1))
                    inputs = width * block.growth
            self.stages = nn.Sequential(*stages)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(inputs, classes)

        def forward(self, x):
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.avgpool(self.stages(x))
            return self.fc(x.flatten(1))

    def lenet():
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip

    return SimpleNamespace(
        dcgan=lambda: dcgan(nn),
        wavenet=wavenet(nn),
        lenet=lenet,
        resnet18=lambda: ResNet(BasicBlock, (2, 2, 2, 2)),
        resnet50=lambda: ResNet(Bottleneck, (3, 4, 6, 3)),
        mlp=lambda: nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2)),
    )
