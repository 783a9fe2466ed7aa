"""Event files, read back by TensorBoard itself, and beside PyTorch's."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import rushlight as rl
from rushlight import _C
from rushlight.utils.tensorboard import SummaryWriter

F = rl.nn.functional


@pytest.fixture
def read():
    """From a folder to the events of its files: [(step, tag, value)], a value being an array, or a message."""
    pytest.importorskip("tensorboard", reason="TensorBoard, which reads the files back, is not installed")
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.util import tensor_util

    def of_value(value):
        kind = value.WhichOneof("value")
        if kind == "tensor":
            return tensor_util.make_ndarray(value.tensor)
        return getattr(value, kind) if kind else value.metadata.plugin_data.content

    def of_folder(folder):
        out = []
        for name in sorted(os.listdir(folder)):
            if not name.startswith("events.out.tfevents."):
                continue
            for event in LegacyEventFileLoader(os.path.join(folder, name)).Load():
                out += [(event.step, value.tag, of_value(value)) for value in event.summary.value]
        return out

    return of_folder


@pytest.fixture
def accumulator():
    pytest.importorskip("tensorboard", reason="TensorBoard, which reads the files back, is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def load(folder):
        made = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0, "images": 0})
        made.Reload()
        return made

    return load


def test_checksum():
    """Values of RFC 3720, and the loop that the definition is."""
    assert _C._crc32c(b"123456789") == 0xE3069283
    assert _C._crc32c(bytes(32)) == 0x8A9136AA
    data = np.random.default_rng(0).integers(0, 256, 1003, dtype=np.uint8).tobytes()
    for end in (0, 1, 7, 8, 9, 1003):
        rest = 0xFFFFFFFF
        for byte in data[:end]:
            rest ^= byte
            for _ in range(8):
                rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
        assert _C._crc32c(data[:end]) == rest ^ 0xFFFFFFFF


def test_random_walk_of_the_book(tmp_path, accumulator):
    """Ten thousand points come back in order; another run is another folder."""
    walk = np.cumsum(np.random.default_rng(0).standard_normal(10000)).astype(np.float32)
    for run in ("first", "second"):
        with SummaryWriter(tmp_path / run) as writer:
            for step, x in enumerate(walk):
                writer.add_scalar("random_walk", x, step)
    for run in ("first", "second"):
        scalars = accumulator(tmp_path / run).Scalars("random_walk")
        assert [one.step for one in scalars] == list(range(10000))
        np.testing.assert_array_equal([one.value for one in scalars], walk)
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]


def test_default_folder_and_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr1", filename_suffix=".mine") as writer:
        folder = writer.get_logdir()
    assert folder.startswith("runs" + os.sep) and folder.endswith("_lr1")
    (name,) = os.listdir(folder)
    assert name.startswith("events.out.tfevents.") and name.endswith(".mine") and f".{os.getpid()}." in name


def test_scalars_of_one_chart(tmp_path, accumulator):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalars("loss", {"train": step, "held out": rl.tensor(step / 2)}, step)
    assert [s.value for s in accumulator(tmp_path / "loss_held_out").Scalars("loss")] == [0, 0.5, 1]
    assert [s.value for s in accumulator(tmp_path / "loss_train").Scalars("loss")] == [0, 1, 2]


def test_histogram(tmp_path, read):
    values = rl.randn(1000)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("weights", values, 7)
        writer.add_histogram("few", np.arange(10.0), 7, bins=[0, 5, 10])
    (step, _, whole), (_, _, few) = read(tmp_path)
    x = values.numpy().astype(float)
    assert step == 7 and whole.num == 1000 and whole.min == x.min() and whole.max == x.max()
    assert whole.sum == pytest.approx(x.sum()) and whole.sum_squares == pytest.approx((x * x).sum())
    limits, counts = np.array(whole.bucket_limit), np.array(whole.bucket)
    assert counts.sum() == 1000 and len(limits) == len(counts)
    for i in range(1, len(limits)):
        assert counts[i] == np.count_nonzero((x >= limits[i - 1]) & (x < limits[i]))
    assert list(few.bucket_limit) == [0, 5, 10] and list(few.bucket) == [0, 5, 5]


def test_images_decode_to_what_was_given(tmp_path, read):
    image_room = pytest.importorskip("PIL.Image", reason="Pillow, which decodes the pictures, is not installed")
    import io
    colour, grey = rl.rand(3, 5, 7), rl.rand(5, 7)
    whole = (rl.rand(3, 4, 5, 2) * 255).to(rl.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("chw", colour, 1)
        writer.add_image("hw", grey, 1, dataformats="HW")
        writer.add_images("grid", whole.permute(0, 3, 1, 2)[:, :1], 1)
    decoded = {tag: np.array(image_room.open(io.BytesIO(value.encoded_image_string)))
               for _, tag, value in read(tmp_path)}
    np.testing.assert_array_equal(decoded["chw"], (colour.numpy().transpose(1, 2, 0) * 255).astype(np.uint8))
    np.testing.assert_array_equal(decoded["hw"], np.repeat((grey.numpy()[..., None] * 255).astype(np.uint8), 3, -1))
    np.testing.assert_array_equal(decoded["grid"][..., 0], np.concatenate(list(whole.numpy()[..., 0]), axis=1))


def test_audio_and_video(tmp_path, read):
    pytest.importorskip("PIL", reason="Pillow, which writes and decodes films, is not installed")
    import io
    import wave

    from PIL import Image
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("tone", rl.sin(rl.arange(800.0) / 5)[None], 1, sample_rate=8000)
        writer.add_video("film", rl.rand(1, 4, 3, 8, 8), 1, fps=10)
    (_, _, sound), (_, _, film) = read(tmp_path)
    with wave.open(io.BytesIO(sound.encoded_audio_string)) as file:
        assert file.getframerate() == 8000 and file.getnframes() == 800
        samples = np.frombuffer(file.readframes(800), "<i2")
    np.testing.assert_array_equal(samples, (np.sin(np.arange(800, dtype=np.float32) / 5) * 32767).astype(np.int16))
    picture = Image.open(io.BytesIO(film.encoded_image_string))
    assert picture.format == "GIF" and picture.n_frames == 4 and picture.info["duration"] == 100


def test_figure(tmp_path, read):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib, whose figures are logged, is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure = pyplot.figure(figsize=(3, 2), dpi=50)
    pyplot.plot([1, 2, 3])
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("curve", figure, 4)
    ((step, tag, picture),) = read(tmp_path)
    assert (step, tag, picture.width, picture.height) == (4, "curve", 150, 100)
    assert not pyplot.fignum_exists(figure.number)


def test_text_tensor_and_charts(tmp_path, read):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "größer **als**", 2)
        writer.add_tensor("t", rl.arange(6).reshape(2, 3), 2)
        writer.add_custom_scalars({"all": {"lines": ["Multiline", ["a", "b"]], "band": ["Margin", ["a", "b", "c"]]}})
    (_, tag, note), (_, _, tensor), (_, _, layout) = read(tmp_path)
    assert tag == "note/text_summary" and note.tolist() == ["größer **als**".encode()]
    np.testing.assert_array_equal(tensor, np.arange(6).reshape(2, 3))
    from tensorboard.plugins.custom_scalar import layout_pb2
    parsed = layout_pb2.Layout.FromString(layout.item())
    lines, band = parsed.category[0].chart
    assert parsed.category[0].title == "all" and list(lines.multiline.tag) == ["a", "b"]
    assert (band.margin.series[0].value, band.margin.series[0].lower, band.margin.series[0].upper) == ("a", "b", "c")


def test_precision_and_recall(tmp_path, read):
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 500), rng.random(500)
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("curve", truth, score, 1, num_thresholds=11)
    ((_, _, rows),) = read(tmp_path)
    assert rows.shape == (6, 11)
    for i, threshold in enumerate(np.arange(11) / 10):
        chosen = score >= threshold
        true, false = (chosen & (truth == 1)).sum(), (chosen & (truth == 0)).sum()
        np.testing.assert_allclose(rows[:, i], [true, false, (truth == 0).sum() - false, (truth == 1).sum() - true,
                                                true / max(true + false, 1e-7), true / (truth == 1).sum()], rtol=1e-6)


def test_hyperparameters(tmp_path, read, accumulator):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "optimizer": "adam", "nesterov": True, "layers": rl.tensor(3)},
                           {"hparam/accuracy": 0.75}, {"optimizer": ["sgd", "adam"]}, run_name="first")
    from tensorboard.plugins.hparams import plugin_data_pb2
    found = {tag: plugin_data_pb2.HParamsPluginData.FromString(value) for _, tag, value in read(tmp_path / "first")
             if tag.startswith("_hparams_")}
    experiment = found["_hparams_/experiment"].experiment
    assert [info.name for info in experiment.hparam_infos] == ["lr", "optimizer", "nesterov", "layers"]
    assert [one.string_value for one in experiment.hparam_infos[1].domain_discrete.values] == ["sgd", "adam"]
    assert experiment.metric_infos[0].name.tag == "hparam/accuracy"
    started = found["_hparams_/session_start_info"].session_start_info.hparams
    assert started["lr"].number_value == 0.1 and started["optimizer"].string_value == "adam"
    assert started["nesterov"].bool_value is True and started["layers"].number_value == 3
    assert accumulator(tmp_path / "first").Scalars("hparam/accuracy")[0].value == 0.75


def test_embedding(tmp_path):
    points = rl.rand(5, 3)
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(points, metadata=list("abcde"), label_img=rl.rand(5, 3, 4, 4), global_step=2)
        writer.add_embedding(points, metadata=[["a", 1]] * 5, metadata_header=["letter", "number"], tag="x/y")
        with pytest.raises(ValueError, match="metadata has 2 entries for 5 points"):
            writer.add_embedding(points, metadata=["a", "b"])
    folder = tmp_path / "00002" / "default"
    np.testing.assert_array_equal(np.loadtxt(folder / "tensors.tsv", dtype=np.float32), points.numpy())
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\nd\ne\n"
    assert (folder / "sprite.png").read_bytes()[16:24] == struct.pack(">II", 12, 12)
    pytest.importorskip("tensorboard", reason="TensorBoard, which parses the list, is not installed")
    from google.protobuf import text_format
    from tensorboard.plugins.projector import projector_config_pb2
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(),
                               projector_config_pb2.ProjectorConfig())
    assert [one.tensor_name for one in config.embeddings] == ["default:00002", "x/y:00000"]
    assert all((tmp_path / one.tensor_path).exists() for one in config.embeddings)
    assert list(config.embeddings[0].sprite.single_image_dim) == [4, 4]


def test_mesh(tmp_path, read):
    points, faces = rl.rand(1, 5, 3), rl.randint(0, 5, (1, 4, 3))
    with SummaryWriter(tmp_path) as writer:
        writer.add_mesh("shape", points, faces=faces, config_dict={"camera": {"fov": 75}})
    found = {tag: value for _, tag, value in read(tmp_path)}
    np.testing.assert_array_equal(found["shape_VERTEX"], points.numpy())
    np.testing.assert_array_equal(found["shape_FACE"], faces.numpy())


class Small(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = rl.nn.Sequential(rl.nn.Linear(4, 3), rl.nn.ReLU())
        self.head = rl.nn.Linear(3, 2)

    def forward(self, x):
        return F.softmax(self.head(self.body(x)) + x[:, :2], dim=1)


def test_graph(tmp_path, accumulator):
    model = Small()
    model.body.train(True)
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, rl.rand(2, 4))
    assert model.training and model.body.training
    nodes = {node.name: node for node in accumulator(tmp_path).Graph().node}
    first, relu = nodes["Small/Sequential[body]/Linear[0]/linear"], nodes["Small/Sequential[body]/ReLU[1]/relu"]
    assert list(first.input) == ["input/input", "Small/Sequential[body]/Linear[0]/weight",
                                 "Small/Sequential[body]/Linear[0]/bias"]
    assert list(relu.input) == [first.name] and nodes["Small/softmax"].op == "softmax"
    assert list(nodes["output/output"].input) == ["Small/softmax"]
    assert [dim.size for dim in first.attr["_output_shapes"].list.shape[0].dim] == [2, 3]
    for node in nodes.values():                    # every edge leads somewhere
        assert all(name in nodes for name in node.input)


def test_graph_takes_no_other_watcher_away(tmp_path):
    from rushlight.utils.inspect import detect_nonfinite
    with SummaryWriter(tmp_path) as writer, detect_nonfinite():
        with pytest.raises(RuntimeError, match="watched already"):
            writer.add_graph(Small(), rl.rand(2, 4))
        with pytest.raises(RuntimeError, match=r"^log: "):
            rl.zeros(1).log()


def test_graph_of_inputs_that_are_no_floats(tmp_path, accumulator):
    model = rl.nn.Sequential(rl.nn.Embedding(10, 4), rl.nn.Linear(4, 2))
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, rl.tensor([[1, 2, 3]]))
    nodes = {node.name: node for node in accumulator(tmp_path).Graph().node}
    assert "input/input" in nodes["Sequential/Embedding[0]/embedding"].input


def test_restarted_run_forgets_what_followed_the_crash(tmp_path, accumulator):
    with SummaryWriter(tmp_path, filename_suffix=".0") as writer:
        for step in range(10):
            writer.add_scalar("x", step, step, walltime=1000.0 + step)
    with SummaryWriter(tmp_path, purge_step=5, filename_suffix=".1") as writer:
        writer.add_scalar("x", 100, 5, walltime=2000.0)
    assert [one.value for one in accumulator(tmp_path).Scalars("x")] == [0, 1, 2, 3, 4, 100]


def test_killed_run_loses_nothing(tmp_path, accumulator):
    program = ("import os, signal; from rushlight.utils.tensorboard import SummaryWriter; "
               f"writer = SummaryWriter({str(tmp_path)!r}); "
               "[writer.add_scalar('x', step, step) for step in range(100)]; os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == -9
    assert len(accumulator(tmp_path).Scalars("x")) == 100


def test_after_close_and_in_a_child_another_file(tmp_path, accumulator):
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("x", 1, 1)
    child = os.fork()
    if child == 0:
        writer.add_scalar("x", 2, 2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.close()
    writer.add_scalar("x", 3, 3)
    writer.close()
    assert len([name for name in os.listdir(tmp_path) if "tfevents" in name]) == 3
    assert sorted(one.value for one in accumulator(tmp_path).Scalars("x")) == [1, 2, 3]


def test_errors_name_what_arrived(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"add_scalar: scalar_value has shape \(2,\); expected one element"):
            writer.add_scalar("x", rl.ones(2))
        with pytest.raises(ValueError, match="add_histogram: values is empty"):
            writer.add_histogram("x", rl.empty(0))
        with pytest.raises(ValueError, match="dataformats='CHW' for an image of shape"):
            writer.add_image("x", rl.ones(2, 2))
        with pytest.raises(NotImplementedError, match="got a object; expected a Tensor"):
            writer.add_scalar("x", object())
        with pytest.raises(TypeError, match="tag or text is a NoneType; expected a str"):
            writer.add_scalar(None, 1.0)
        with pytest.raises(TypeError, match="add_text: text_string is a NoneType"):
            writer.add_text("x", None)
        with pytest.raises(TypeError, match="expected two dictionaries"):
            writer.add_hparams([1], {})
    with pytest.raises(ValueError, match="s3://bucket/run"):
        SummaryWriter("s3://bucket/run")


@pytest.mark.parametrize(("call", "blocked", "message"), [
    ("writer.add_figure('f', object())", "matplotlib", "pip install matplotlib"),
    ("writer.add_video('v', rl.rand(1, 2, 3, 4, 4))", "PIL", "pip install 'rushlight[vision]'"),
])
def test_missing_packages_are_named(tmp_path, monkeypatch, call, blocked, message):
    monkeypatch.setitem(sys.modules, blocked, None)
    with SummaryWriter(tmp_path) as writer, pytest.raises(ImportError) as caught:
        eval(call, {"writer": writer, "rl": rl})
    assert message in str(caught.value)


@pytest.mark.torch
def test_same_values_as_pytorchs_writer(tmp_path, read):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = pytest.importorskip("torch.utils.tensorboard").SummaryWriter

    def log(writer, tensor):
        rng = np.random.default_rng(0)
        writer.add_scalar("a", tensor(np.array(1.5)), 3)
        writer.add_scalar("new", 0.1, 3, new_style=True, double_precision=True)
        writer.add_histogram("h", tensor(rng.standard_normal(1000)), 1)
        writer.add_histogram("merged", np.arange(100.0), 1, bins=50, max_bins=10)
        writer.add_histogram_raw("raw", 0.0, 2.0, 3, 3.0, 5.0, [1, 2], [1, 2])
        writer.add_text("t", "hello", 1)
        writer.add_pr_curve("p", tensor(rng.integers(0, 2, 100)), tensor(rng.random(100)), 1, weights=rng.random(100))
        writer.add_mesh("m", tensor(rng.random((1, 5, 3))), faces=tensor(rng.integers(0, 5, (1, 4, 3))))
        writer.add_custom_scalars({"T": {"l": ["Multiline", ["a", "b"]], "m": ["Margin", ["a", "b", "c"]]}})
        writer.add_audio("au", tensor(rng.random((1, 100)) - 0.5), 1, 8000)
        writer.close()

    log(theirs(str(tmp_path / "theirs")), torch.from_numpy)
    log(SummaryWriter(tmp_path / "ours"), rl.from_numpy)
    expected, found = read(tmp_path / "theirs"), read(tmp_path / "ours")
    assert [(step, tag) for step, tag, _ in found] == [(step, tag) for step, tag, _ in expected]
    for (_, tag, ours), (_, _, wanted) in zip(found, expected):
        if isinstance(ours, np.ndarray) and ours.dtype != object:
            np.testing.assert_allclose(ours, wanted, rtol=1e-6, err_msg=tag)
        elif hasattr(ours, "bucket"):
            for field in ("min", "max", "num", "sum", "sum_squares", "bucket_limit", "bucket"):
                np.testing.assert_allclose(getattr(ours, field), getattr(wanted, field), rtol=1e-12, err_msg=tag)
        else:
            assert str(ours) == str(wanted), tag
