"""Matrix products and the convolutions of ResNet-50."""

from typing import NamedTuple

from benchmarks.case import add

GROUP = "products and convolutions"
BAR = 1.05
BATCH = 8


def product(xp, size):
    return "xp.matmul(x, y)", {"xp": xp, "x": xp.randn(size, size), "y": xp.randn(size, size)}


for size in (64, 128, 256, 512, 1024, 2048):
    add(f"matmul {size}", product, group=GROUP, bar=BAR, flops=2 * size**3, quick=size == 512, options={"size": size})


class Conv(NamedTuple):
    """A convolution of a square image: channels in and out, kernel, stride, side of the input."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    side: int

    def flops(self) -> float:
        out = self.side // self.stride
        return 2 * BATCH * out * out * self.outputs * self.inputs * self.kernel**2

    def __str__(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.kernel}x{self.kernel} {self.inputs}-{self.outputs} at {self.side}{stride}"


def resnet50_convolutions() -> list[Conv]:
    """The different convolutions of ResNet-50 in order; a stage's stride sits in its 3x3."""
    found = [Conv(3, 64, 7, 2, 224)]
    inputs, side = 64, 56
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        small = side // stride
        found += [
            Conv(inputs, width, 1, 1, side),
            Conv(width, width, 3, stride, side),
            Conv(width, 4 * width, 1, 1, small),
            Conv(inputs, 4 * width, 1, stride, side),
            Conv(4 * width, width, 1, 1, small),
            Conv(width, width, 3, 1, small),
        ]
        inputs, side = 4 * width, small
    return list(dict.fromkeys(found))


def prepare(xp, conv, layout, grad):
    layer = xp.nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.kernel // 2, bias=False)
    x = xp.randn(BATCH, conv.inputs, conv.side, conv.side)
    if layout == "channels_last":
        layer, x = layer.to(memory_format=xp.channels_last), x.contiguous(memory_format=xp.channels_last)
    # The first layer of a network does not pass a gradient to its image.
    return layer, x.requires_grad_(grad and conv.inputs != 3)


def forward(xp, conv, layout="default"):
    layer, x = prepare(xp, conv, layout, grad=False)
    layer.weight.requires_grad_(False)
    return "layer(x)", {"layer": layer, "x": x}


def forward_backward(xp, conv, layout="default"):
    layer, x = prepare(xp, conv, layout, grad=True)
    with xp.no_grad():
        gradient = xp.ones_like(layer(x))
    if layout == "channels_last":
        gradient = gradient.contiguous(memory_format=xp.channels_last)

    def step():
        layer(x).backward(gradient)
        layer.weight.grad = x.grad = None

    return step


for conv in resnet50_convolutions():
    quick = conv == Conv(64, 64, 3, 1, 56)
    facts = {"group": GROUP, "bar": BAR, "layouts": ("default", "channels_last"), "quick": quick}
    times = 2 if conv.inputs == 3 else 3
    add(f"conv {conv}", forward, flops=conv.flops(), options={"conv": conv}, **facts)
    add(f"conv {conv} forward+backward", forward_backward, flops=times * conv.flops(), options={"conv": conv}, **facts)
