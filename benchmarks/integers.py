"""Networks of 8-bit integers, made of the float ones by the same lines for Rushlight and PyTorch."""


def fused_resnet(xp):
    """The class that makes a quantizable residual network of a float one: layers in groups, additions as modules."""
    nn, quantization = xp.nn, xp.ao.quantization

    def together(*layers):
        names = [str(i) for i in range(len(layers))]
        return quantization.fuse_modules(nn.Sequential(*layers).eval(), names)

    class Block(nn.Module):
        def __init__(self, block):
            super().__init__()
            pairs = [(getattr(block, f"conv{i}"), getattr(block, f"bn{i}")) for i in (1, 2, 3)
                     if hasattr(block, f"conv{i}")]
            self.layers = nn.Sequential(*(together(*pair, nn.ReLU()) for pair in pairs[:-1]), together(*pairs[-1]))
            self.shortcut = together(*block.downsample) if len(block.downsample) else nn.Identity()
            self.sum = nn.quantized.FloatFunctional()

        def forward(self, x):
            return self.sum.add_relu(self.layers(x), self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
            self.stem = nn.Sequential(together(model.conv1, model.bn1, nn.ReLU()), model.maxpool)
            self.stages = nn.Sequential(*(Block(block) for block in model.stages))
            self.avgpool, self.fc = model.avgpool, model.fc

        def forward(self, x):
            x = self.avgpool(self.stages(self.stem(self.quant(x))))
            return self.dequant(self.fc(x.flatten(1)))

    return ResNet


def quantized(xp, model, inputs):
    """Static where there are convolutions, calibrated with the inputs; dynamic elsewhere."""
    quantization = xp.ao.quantization
    if not hasattr(model, "stages"):
        return quantization.quantize_dynamic(model, {xp.nn.Linear, xp.nn.LSTM})
    network = fused_resnet(xp)(model).eval()
    network.qconfig = quantization.get_default_qconfig("x86")
    network = quantization.prepare(network)
    network(*inputs)
    return quantization.convert(network)
