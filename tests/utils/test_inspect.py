"""Tables, statistics, class activation maps, learning-rate finder, and the search for NaN."""

import copy
import math
import re
import sys

import numpy as np
import pytest

import rushlight as rl
from rushlight import _C
from rushlight.utils.inspect import (
    ActivationStats,
    class_activation_map,
    detect_nonfinite,
    find_lr,
    grad_cam,
    gradient_flow,
    overfit_one_batch,
    overlay_cam,
    plot_gradient_flow,
    summary,
)

nn, F = rl.nn, rl.nn.functional


# ---- summary ---------------------------------------------------------------------------------------


def vgg16():
    layers, channels = [], 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(512 * 49, 256), nn.Dropout(0.5), nn.Linear(256, 8)]
    return nn.Sequential(nn.Sequential(*layers), nn.Sequential(*head))


def test_summary_of_the_books_vgg16(capsys):
    """What Keras prints for VGG16 with a new head, its first 15 layers frozen: 21,139,528 parameters in all."""
    model = vgg16()
    for layer in [m for m in model[0] if isinstance(m, nn.Conv2d)][:10]:
        layer.requires_grad_(False)
    found = summary(model, (3, 224, 224))
    text = capsys.readouterr().out
    assert text == str(found) + "\n"
    assert (found.total_params, found.trainable_params, found.non_trainable_params) == (
        21_139_528, 13_504_264, 7_635_264)
    for line in ("0.0 (Conv2d)      (None, 64, 224, 224)   1,792", "0.30 (MaxPool2d)  (None, 512, 7, 7)      0",
                 "1.1 (Linear)      (None, 256)            6,422,784", "Total params: 21,139,528",
                 "Trainable params: 13,504,264", "Non-trainable params: 7,635,264", "Params size (MB): 80.64"):
        assert " ".join(line.split()) in [" ".join(shown.split()) for shown in text.splitlines()], line


def test_summary_of_one_model_with_everything():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(50, 6)
            self.shared = nn.Linear(6, 6)
            self.scale = nn.Parameter(rl.ones(6))
            self.norm = nn.BatchNorm1d(6)

        def forward(self, tokens, x):
            y = self.shared(self.shared(self.words(tokens).mean(1)) + x) * self.scale
            return self.norm(y), y

    model = Both()
    model.norm.eval()
    before = copy.deepcopy(model.state_dict())
    state = rl.get_rng_state()
    found = summary(model, [(9,), (6,)], dtypes=[rl.int64, rl.float32], print_table=False)
    assert [(row.name, row.parameters) for row in found.rows] == [
        ("words", 300), ("shared", 42), ("shared", 0), ("norm", 12), ("Both", 6)]
    assert found.rows[-1].shapes == [(2, 6), (2, 6)] and "[(None, 6), (None, 6)]" in str(found)
    assert found.total_params == sum(p.numel() for p in model.parameters()) == 360
    assert found.input_size == 9 * 8 + 6 * 4 and found.params_size == 360 * 4
    assert found.output_size == (9 * 6 + 6 + 6 + 6 + 12) * 4
    assert model.training and not model.norm.training and bool((rl.get_rng_state() == state).all())
    for name, value in model.state_dict().items():
        assert rl.equal(value, before[name])
    with pytest.raises(ValueError, match="neither input_size nor input_data"):
        summary(model)
    with pytest.raises(ValueError, match="1 dtypes for 2 inputs"):
        summary(model, [(9,), (6,)], dtypes=[rl.int64])
    again = summary(model, input_data=(rl.zeros(3, 9, dtype=rl.int64), rl.zeros(3, 6)), print_table=False)
    assert again.total_params == 360


def test_summary_of_recurrent_layers_and_attention():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.unused = nn.Embedding(50, 8), nn.Linear(3, 3)
            self.lstm = nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)
            self.attention = nn.MultiheadAttention(12, 2, batch_first=True)

        def forward(self, tokens):
            y, _ = self.lstm(self.words(tokens))
            return self.attention(y, y, y)[0]

    model = Reader()
    found = summary(model, (7,), dtypes=[rl.int64], print_table=False)
    rows = {row.name: row for row in found.rows}
    assert rows["lstm"].shape_text == "[(None, 7, 12), (4, None, 6), (4, None, 6)]"
    assert rows["attention"].parameters == sum(p.numel() for p in model.attention.parameters())
    assert rows["unused"].shape_text == "not called"
    assert sum(row.parameters for row in found.rows) == found.total_params
    assert sum(row.trainable for row in found.rows) == found.trainable_params


# ---- activation statistics -------------------------------------------------------------------------


def test_activation_statistics():
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs = [rl.randn(7, 5) for _ in range(4)]
    with ActivationStats(model) as watched:
        for x in inputs:
            model(x)
    model(inputs[0])                                      # the hooks are gone
    hidden = [model[1](model[0](x)).detach().numpy() for x in inputs]
    assert set(watched.stats) == {"0", "1", "2"}
    found = watched.stats["1"]
    np.testing.assert_allclose(found["mean"], [h.mean() for h in hidden], rtol=1e-5)
    np.testing.assert_allclose(found["std"], [h.std() for h in hidden], rtol=1e-5)
    np.testing.assert_allclose(found["zeros"], [(h == 0).mean() for h in hidden], rtol=1e-6)
    assert found["min"] == [0.0] * 4 and found["max"] == [h.max() for h in hidden]
    assert f"{hidden[-1].mean():.4f}" in watched.table()
    every = ActivationStats(model, ["2"], every=2)
    for x in inputs:
        model(x)
    every.remove()
    assert len(every.stats["2"]["mean"]) == 2
    with pytest.raises(ValueError, match=r"layers names 'conv'.*expected names such as '0'"):
        ActivationStats(model, ["conv"])


# ---- class activation maps -------------------------------------------------------------------------


def pooled_network():
    rl.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(6, 4))


def scaled(maps):
    maps = maps - maps.min((1, 2), keepdims=True)
    return maps / maps.max((1, 2), keepdims=True)


def test_class_activation_map_is_the_weighted_sum():
    model, x = pooled_network(), rl.randn(2, 3, 5, 6)
    maps = class_activation_map(model, x, "1", "4", target=rl.tensor([2, 0]), resize=False)
    activations, weight = model[:2](x).detach().numpy(), model[4].weight.detach().numpy()
    expected = np.stack([np.einsum("k,khw->hw", weight[c], activations[i]) for i, c in enumerate((2, 0))])
    np.testing.assert_allclose(maps.numpy(), scaled(expected), atol=1e-5)
    best = model(x).argmax(1)
    chosen, default = (class_activation_map(model, x, model[1], model[4], target=t) for t in (best, None))
    assert rl.equal(chosen, default) and default.shape == (2, 5, 6) and not default.requires_grad


def test_grad_cam_of_pooled_networks_is_the_positive_part_of_cam():
    """For networks that end in pooling and one linear layer the gradients are the weights over the area."""
    model, x = pooled_network(), rl.randn(2, 3, 5, 6)
    maps = grad_cam(model, x, "1", target=1, resize=False)
    activations, weight = model[:2](x).detach().numpy(), model[4].weight.detach().numpy()
    expected = np.maximum(np.einsum("k,nkhw->nhw", weight[1], activations), 0)
    np.testing.assert_allclose(maps.numpy(), scaled(expected), atol=1e-5)
    assert x.grad is None and all(p.grad is None for p in model.parameters()) and model.training


def test_maps_find_what_a_network_looks_at():
    """A classifier by the brightness of a corner: the map is bright there."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with rl.no_grad():
        model[0].weight.fill_(1)
        model[3].weight.copy_(rl.tensor([[1.0], [-1.0]]))
    x = rl.zeros(1, 1, 8, 8)
    x[..., :4, 4:] = 1
    maps = class_activation_map(model, x, model[0], model[3], target=0)
    assert maps[0, 1, 6] == 1 and maps[0, 6, 1] == 0
    picture = overlay_cam(x[0], maps[0])
    assert picture.shape == (3, 8, 8) and picture.min() >= 0 and picture.max() <= 1
    assert picture[0, 1, 6] > picture[2, 1, 6] and picture[2, 6, 1] > picture[0, 6, 1]


def test_maps_refuse_what_does_not_fit():
    model, x = pooled_network(), rl.randn(2, 3, 5, 6)
    with pytest.raises(ValueError, match=r"grad_cam: the layer put out shape \(2, 6\)"):
        grad_cam(model, x, "3")
    with pytest.raises(ValueError, match="did not call the given layer"):
        grad_cam(model, x, nn.Conv2d(3, 3, 1))
    with pytest.raises(ValueError, match="target=4 for 2 images and 4 classes"):
        grad_cam(model, x, "1", target=4)
    with pytest.raises(ValueError, match="classifier has 3 inputs and layer puts out 6 channels"):
        class_activation_map(model, x, "1", nn.Linear(3, 4), target=0)
    assert not model[1]._forward_hooks and not model[3]._forward_hooks


# ---- learning-rate finder and rehearsal ------------------------------------------------------------


def regression(count=60):
    rl.manual_seed(0)
    weight = rl.randn(4, 1)
    return [(x, x @ weight) for x in (rl.randn(16, 4) for _ in range(count))]


def test_learning_rates_grow_geometrically_and_everything_is_restored():
    data = regression()
    model = nn.Sequential(nn.Linear(4, 1), nn.BatchNorm1d(1))
    optimizer = rl.optim.Adam(model.parameters(), lr=0.01)
    loss = F.mse_loss(model(data[0][0]), data[0][1])
    loss.backward()
    optimizer.step()
    kept, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    gradients = [p.grad for p in model.parameters()]
    model.eval()
    logs, losses = find_lr(model, nn.MSELoss(), optimizer, data, 1e-6, 1.0, skip_start=0, skip_end=0)
    assert len(logs) == len(losses)
    np.testing.assert_allclose(logs, [-6 + 6 * i / 59 for i in range(len(logs))], rtol=1e-9)
    assert all(rl.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert repr(optimizer.state_dict()) == repr(state) and not model.training
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients))
    whole = find_lr(model, nn.MSELoss(), optimizer, data, 1e-6, 1.0)
    assert re.fullmatch(r"LRFinderResult\(\d+ steps, rates \S+ to \S+, losses \S+ to \S+, least \S+\)", repr(whole))
    assert list(whole.log_lrs) == logs[10:-5] and whole.losses == losses[10:-5]


def test_the_finder_is_the_plain_loop():
    """What the book's loop sees, written out once more."""
    data, model = regression(30), nn.Linear(4, 1)
    optimizer = rl.optim.SGD(model.parameters(), lr=1.0)
    logs, losses = find_lr(model, nn.MSELoss(), optimizer, data, 1e-4, 5.0, skip_start=0, skip_end=0)
    plain = copy.deepcopy(model)
    rate, best, expected = 1e-4, math.inf, []
    for x, y in data:
        loss = F.mse_loss(plain(x), y)
        if expected and loss.item() > 4 * best:
            break
        best = min(best, loss.item())
        expected.append(loss.item())
        for p, g in zip(plain.parameters(), rl.autograd.grad(loss, list(plain.parameters()))):
            p.data -= rate * g
        rate *= (5.0 / 1e-4) ** (1 / 29)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert len(losses) < 30                               # it diverges, and stops


def test_an_early_stop_leaves_what_was_seen():
    data, model = regression(30), nn.Linear(4, 1)
    optimizer = rl.optim.SGD(model.parameters(), lr=1.0)
    with pytest.warns(UserWarning, match=r"find_lr: stop_at=4 ended it at step \d+ of 30, so skip_start=10 and"):
        logs, losses = find_lr(model, nn.MSELoss(), optimizer, data, 0.5, 50.0)
    assert 0 < len(losses) <= 15 and logs[0] == math.log10(0.5)
    np.testing.assert_allclose(losses[0], F.mse_loss(model(data[0][0]), data[0][1]).item(), rtol=1e-6)


def test_suggested_rate_trains():
    data, model = regression(), nn.Linear(4, 1)
    optimizer = rl.optim.SGD(model.parameters(), lr=1.0)
    found = find_lr(model, nn.MSELoss(), optimizer, data, 1e-4, 10.0, skip_start=5)
    rate = found.suggestion()
    assert 1e-3 < rate < 1
    for group in optimizer.param_groups:
        group["lr"] = rate
    first = F.mse_loss(model(data[0][0]), data[0][1]).item()
    for x, y in data:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    assert F.mse_loss(model(data[0][0]), data[0][1]).item() < first / 3


def test_finder_refuses():
    model = nn.Linear(4, 1)
    optimizer = rl.optim.SGD(model.parameters(), lr=1.0)
    for wrong, message in (((regression(5), 1.0, 0.1), "expected 0 < init_value < final_value"),
                           ((regression(1),), "1 steps; expected at least 2"),
                           (([rl.ones(2, 4)] * 20,), "gave a Tensor; expected pairs")):
        with pytest.raises(ValueError, match=message):
            find_lr(model, nn.MSELoss(), optimizer, *wrong)
    with pytest.raises(ValueError, match="8 steps, of which skip_start=10 and skip_end=5 leave none"):
        find_lr(model, nn.MSELoss(), optimizer, regression(8))
    with pytest.raises(ValueError, match="train_loader is empty"):
        find_lr(model, nn.MSELoss(), optimizer, [], num_steps=20)


def test_one_batch_is_learned_by_heart():
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = rl.optim.Adam(model.parameters(), lr=0.02)
    kept = copy.deepcopy(model.state_dict())
    batch = rl.randn(8, 4), rl.randint(0, 3, (8,))
    found = overfit_one_batch(model, nn.CrossEntropyLoss(), optimizer, batch)
    assert found and found.losses[-1] <= found.losses[0] / 100 and found.without_gradient == []
    assert all(rl.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert not optimizer.state_dict()["state"]


def test_a_broken_loop_is_found():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.second(self.first(x).detach().relu())       # the mistake

    model = Cut()
    batch = rl.randn(64, 4), rl.randint(0, 3, (64,))
    found = overfit_one_batch(model, nn.CrossEntropyLoss(), rl.optim.SGD(model.parameters(), lr=0.1), batch, steps=20)
    assert not found and found.without_gradient == ["first.weight", "first.bias"]
    assert repr(found).startswith("<did not learn one batch") and "first.weight" in repr(found)


# ---- gradients -------------------------------------------------------------------------------------


def test_gradient_flow():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2), nn.Linear(9, 9))
    model[2].bias.requires_grad_(False)
    model[:3](rl.randn(5, 3)).sum().backward()
    found = {size.name: size for size in gradient_flow(model)}
    assert list(found) == ["0.weight", "0.bias", "2.weight", "3.weight", "3.bias"]
    assert found["3.weight"].mean is None
    g = model[0].weight.grad.numpy()
    np.testing.assert_allclose(found["0.weight"][1:], [abs(g).mean(), abs(g).max(), np.linalg.norm(g)], rtol=1e-6)


def test_plots(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib, which draws, is not installed")
    matplotlib.use("Agg")
    model, data = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1), nn.Linear(1, 1)), regression()
    optimizer = rl.optim.SGD(model.parameters(), lr=0.1)
    found = find_lr(model, nn.MSELoss(), optimizer, data, 1e-4, 1.0)
    figure = found.plot(tmp_path / "rates.png")
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), found.losses)
    assert figure.axes[0].get_xscale() == "log"
    with ActivationStats(model) as watched:
        model[:3](data[0][0]).sum().backward()
    assert len(watched.plot(tmp_path / "activations.png").axes) == 3
    figure = plot_gradient_flow(model, tmp_path / "flow.png")
    labels = {label.get_text(): label.get_color() for label in figure.axes[0].get_xticklabels()}
    assert labels["3.weight"] == "red" != labels["0.weight"]
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    assert heights[0] == pytest.approx(model[0].weight.grad.abs().max().item())
    for name in ("rates", "activations", "flow"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000


def test_plots_name_the_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plot_gradient_flow: needs matplotlib.*pip install matplotlib"):
        plot_gradient_flow(nn.Linear(2, 2))


# ---- what is not finite ----------------------------------------------------------------------------


def faulty(x):
    return rl.log(x - 1)                                  # here


def test_operator_and_line_are_named():
    with detect_nonfinite(), pytest.raises(RuntimeError) as caught:
        faulty(rl.tensor([2.0, 1.0, 3.0]))
    text = str(caught.value)
    assert text.startswith("log: result 0 of shape (3,) holds -inf at (1,) (1 of 3 elements are not finite)")
    assert re.search(r"test_inspect\.py:\d+, in faulty: return rl\.log\(x - 1\)", text)


@pytest.mark.parametrize(("call", "name"), [
    (lambda: rl.zeros(3) / rl.zeros(3), "div"),
    (lambda: rl.tensor([100.0]).exp(), "exp"),
    (lambda: rl.tensor([-1.0]).sqrt_(), "sqrt_"),
    (lambda: rl.tensor([0.0]).log_(), "log_"),
    (lambda: rl.tensor([1e300], dtype=rl.float64) * 1e300, "mul"),
    (lambda: rl.tensor([60000.0], dtype=rl.float16) * 2, "mul"),
    (lambda: rl.tensor([1e38]).add_(rl.tensor([3e38])), "add_"),
    (lambda: F.softmax(rl.full((2,), 3e38) * 10, 0), "mul"),
    (lambda: rl.tensor([0j]).reciprocal(), "reciprocal"),
])
def test_first_culprit(call, name):
    with detect_nonfinite(), pytest.raises(RuntimeError, match=rf"^{name}: "):
        call()


def test_infinities_on_purpose_pass():
    with detect_nonfinite():
        mask = rl.tensor([[True, False], [False, False]])
        scores = rl.zeros(2, 2).masked_fill(mask, -math.inf)
        assert rl.isfinite(F.softmax(scores, 1)).all()
        rl.full((2,), math.inf).neg_().add_(1)
        rl.zeros(3).fill_(math.nan)
        rl.empty(1000)
        rl.empty_like(rl.ones(1000))
        assert rl.tensor([math.nan]).add(1).isnan().all()
        rl.where(mask, 0.0, -math.inf)
    assert rl.tensor([0.0]).log().isinf().all()           # over: nothing raises


def test_only_what_is_asked_for():
    with detect_nonfinite(inf=False):
        rl.tensor([0.0]).log()
        with pytest.raises(RuntimeError, match="sqrt"):
            rl.tensor([-1.0]).sqrt()
    with detect_nonfinite(nan=False):
        rl.tensor([-1.0]).sqrt()
        with pytest.raises(RuntimeError, match="log"):
            rl.tensor([0.0]).log()


def test_backward_names_the_node_and_the_recording_line():
    x = rl.tensor([0.0, 1.0], requires_grad=True)
    with detect_nonfinite():
        y = x.sqrt().sum()                                # its slope at 0 is infinite
        with pytest.raises(RuntimeError) as caught:
            y.backward()
    assert "SqrtBackward0" in str(caught.value) and "its slope at 0 is infinite" in str(caught.value)
    assert not rl.is_anomaly_enabled()


def test_everything_is_off_afterwards():
    with pytest.raises(ZeroDivisionError), detect_nonfinite():
        1 / 0                                             # noqa: B018
    assert rl.tensor([0.0]).log().isinf().all() and not rl.is_anomaly_enabled()
    with detect_nonfinite(), pytest.raises(RuntimeError, match="watched already"):
        detect_nonfinite().__enter__()
    assert rl.tensor([0.0]).log().isinf().all()


def test_training_runs_under_the_search():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Dropout(0.5), nn.Linear(18, 3))
    optimizer = rl.optim.Adam(model.parameters())
    with detect_nonfinite():
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(rl.randn(4, 1, 8, 8)), rl.randint(0, 3, (4,))).backward()
            optimizer.step()


def test_watchers_see_calls_in_order():
    seen = []
    _C._watch_calls(lambda name, given, depth, in_place: seen.append((name, depth, in_place)),
                    lambda *told: None)
    try:
        x = rl.ones(2)
        x.add_(1)
        F.conv1d(rl.ones(1, 1, 4), rl.ones(1, 1, 2))
    finally:
        _C._watch_calls(None, None)
    assert ("add_", 0, True) in seen and ("conv1d", 0, False) in seen and ("convolution", 1, False) in seen
