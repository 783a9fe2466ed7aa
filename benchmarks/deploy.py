"""Networks as each peer would put them to work: what is timed is a call of the result with ready inputs."""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.integers import quantized


@dataclass
class Network:
    """What an inference case builds: a model in evaluation mode and the tensors that it is called with."""

    model: object
    inputs: tuple


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


def integers(xp):
    """The same with 8-bit integers for what takes the time."""

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
