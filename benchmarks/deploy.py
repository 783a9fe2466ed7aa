"""Networks as each peer would put them to work: what is timed is a call of the result with ready inputs."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.integers import quantized


@dataclass
class Network:
    """What an inference case builds: a model in evaluation mode and the tensors that it is called with."""

    model: object
    inputs: tuple


@dataclass
class Training:
    """What a training case builds: networks, an input of each, and `make(*networks)`, the step over them."""

    program: str  # the name of the same program written for peers without modules
    networks: tuple
    examples: tuple
    make: Callable
    inputs: tuple

    def step(self, *networks, how: Callable = lambda step: step) -> tuple[str, dict]:
        """The program that is timed: the step over these networks, or over its own."""
        step = how(self.make(*(networks or self.networks)))
        inputs = {f"input{index}": value for index, value in enumerate(self.inputs)}
        return f"step({', '.join(inputs)})", {"step": step} | inputs


def written(training: Training):
    """As it is written."""
    return training.step()


def captured(xp):
    """Rushlight's whole step as one graph."""
    return lambda training: training.step(how=lambda step: xp.compile(step, fullgraph=True))


def inductor(xp):
    """PyTorch's compiler over the whole step, which it may split; over each of several networks.

    Those become one node of the tape, whose memory the first walk gives back.
    """

    def train(training):
        if len(training.networks) > 1:
            return training.step(*(xp.compile(network, dynamic=False) for network in training.networks))
        return training.step(how=lambda step: xp.compile(step, dynamic=False))

    return train


def traced(xp):
    """PyTorch's traced networks in a step as it is written."""

    def train(training):
        pairs = zip(training.networks, training.examples, strict=True)
        return training.step(*(xp.jit.trace(network, (example,), check_trace=False) for network, example in pairs))

    return train


def eager(xp):
    """As it is written, without gradients."""

    def deploy(model, inputs):
        def run():
            with xp.no_grad():
                return model(*inputs)

        return run

    return deploy


def frozen(xp):
    """Traced, frozen, called as a function."""

    def deploy(model, inputs):
        with xp.no_grad():
            program = xp.jit.optimize_for_inference(xp.jit.freeze(xp.jit.trace(model, inputs)))

        def run():
            with xp.no_grad():
                return program(*inputs)

        return run

    return deploy


def compiled(xp):
    """PyTorch's compiler with the weights as constants."""

    def deploy(model, inputs):
        from torch._inductor import config

        config.freezing = True
        program = xp.compile(model, dynamic=False)

        def run():
            with xp.no_grad():
                return program(*inputs)

        return run

    return deploy


def integers(xp):
    """Frozen, with 8-bit integers for what takes the time."""

    def deploy(model, inputs):
        with xp.no_grad():
            return frozen(xp)(quantized(xp, model, inputs), inputs)

    return deploy


def _exported(model, inputs) -> bytes:
    import torch

    file = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(model, inputs, file, dynamo=False, opset_version=17)
    return file.getvalue()


def onnxruntime(threads: int):
    """A session over the exported model; its idle threads sleep, as the other peers' turns come in between."""

    def deploy(model, inputs):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = ort.InferenceSession(_exported(model, inputs), options, providers=["CPUExecutionProvider"])
        feeds = {put.name: t.numpy() for put, t in zip(session.get_inputs(), inputs, strict=True)}
        return lambda: session.run(None, feeds)

    return deploy


def openvino(threads: int):
    """A compiled model of the exported one, run in place on its request's own memory."""

    def deploy(model, inputs):
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(_exported(model, inputs))
            facts = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            compiled = openvino.Core().compile_model(str(path), "CPU", facts)
        request, arrays = compiled.create_infer_request(), [t.numpy() for t in inputs]
        return lambda: list(request.infer(arrays, share_inputs=True, share_outputs=True).values())

    return deploy
