"""Summaries: what one call of a `SummaryWriter` puts into the file."""
import json
import logging

import numpy as np

from rushlight.utils.tensorboard import _images
from rushlight.utils.tensorboard import _messages as messages
from rushlight.utils.tensorboard._convert_np import make_np

_log = logging.getLogger(__name__)


def scalar(name, tensor, collections=None, new_style=False, double_precision=False):
    """A number.

    Args:
        name (str): its tag.
        tensor (Tensor or number): one element.
        collections: accepted for PyTorch's programs.
        new_style (bool): as TensorBoard's own newer writers do. Default: False.
        double_precision (bool): with `new_style`, keep float64. Default: False.

    Raises:
        ValueError: more than one element.
    """
    number = make_np(tensor).squeeze()
    if number.ndim != 0:
        raise ValueError(f"add_scalar: scalar_value has shape {number.shape}; expected one element")
    if not new_style:
        return messages.Message(messages.value(name, messages.single(2, _as_single(float(number)))))
    content = messages.array(np.float64(number) if double_precision else np.float32(number))
    return messages.Message(messages.value(name, messages.nested(8, content), messages.metadata("scalars")))


def _as_single(number):
    """The number, or an infinity where float32 has no room for it."""
    return float(np.float32(number)) if abs(number) < 3e38 else float(np.sign(number)) * np.inf if (
        number == number) else number


def tensor_proto(tag, tensor):
    """A tensor of any shape."""
    body = messages.nested(8, messages.array(make_np(tensor)))
    return messages.Message(messages.value(tag, body, messages.metadata("tensor")))


def histogram(name, values, bins, max_bins=None):
    """How values are distributed.

    Args:
        name (str): its tag.
        values (Tensor or ndarray): the values.
        bins (str or sequence): limits, or a rule of `numpy.histogram`.
        max_bins (int, optional): at most so many.

    Raises:
        ValueError: there are no values.
    """
    return messages.Message(messages.value(name, messages.nested(5, make_histogram(
        make_np(values).astype(float), bins, max_bins))))


def make_histogram(values, bins, max_bins=None):
    """HistogramProto of an array."""
    if values.size == 0:
        raise ValueError("add_histogram: values is empty; expected at least one value")
    values = values.reshape(-1)
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        together = len(counts) // max_bins
        padded = np.concatenate([counts, np.zeros(-len(counts) % together, counts.dtype)])
        counts = padded.reshape(-1, together).sum(axis=1)
        limits = np.concatenate([limits[:-1:together], limits[-1:]])
    filled = np.flatnonzero(counts)
    if not len(filled):
        raise ValueError("add_histogram: no value lies within the bins")
    first, last = filled[0], filled[-1]
    # Each limit is the upper one of its bucket; an empty bucket in front gives the first its lower one.
    if first > 0:
        counts, limits = counts[first - 1 : last + 1], limits[first : last + 2]
    else:
        counts, limits = np.concatenate([[0], counts[: last + 1]]), limits[: last + 2]
    return _histogram_fields(values.min(), values.max(), len(values), values.sum(), values @ values, limits, counts)


def _histogram_fields(least, most, count, total, squares, limits, counts):
    numbers = [messages.double(i + 1, float(x)) for i, x in enumerate((least, most, count, total, squares))]
    return b"".join(numbers) + messages.doubles(6, limits) + messages.doubles(7, counts)


def histogram_raw(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts):
    """A histogram that has been counted already."""
    return messages.Message(messages.value(name, messages.nested(5, _histogram_fields(
        min, max, num, sum, sum_squares, bucket_limits, bucket_counts))))


def _picture(tag, pixels, encoded=None):
    height, width, channels = pixels.shape
    body = (messages.integer(1, height) + messages.integer(2, width) + messages.integer(3, channels)
            + messages.nested(4, _images.png(pixels) if encoded is None else encoded))
    return messages.Message(messages.value(tag, messages.nested(4, body)))


def image(tag, tensor, rescale=1, dataformats="NCHW"):
    """A picture, or several in a grid: floating values of 0 to 1, or uint8 of 0 to 255."""
    return _picture(tag, _images.to_bytes(_images.with_channels_last(make_np(tensor), dataformats)))


def image_boxes(tag, tensor_image, tensor_boxes, rescale=1, dataformats="CHW", labels=None):
    """A picture with frames around what was found."""
    pixels = _images.to_bytes(_images.with_channels_last(make_np(tensor_image), dataformats))
    return _picture(tag, _images.with_boxes(pixels, make_np(tensor_boxes), labels, rescale))


def video(tag, tensor, fps=4):
    """Films (N, T, C, H, W), side by side, as one that moves."""
    films = make_np(tensor)
    if films.ndim != 5:
        raise ValueError(f"add_video: vid_tensor has shape {films.shape}; expected (N, T, C, H, W)")
    films = films if films.dtype == np.uint8 else _images.to_bytes(films)
    frames = np.stack([_images.with_channels_last(films[:, t], "NCHW") for t in range(films.shape[1])])
    return _picture(tag, frames[0], _images.gif(frames, fps))


def audio(tag, tensor, sample_rate=44100):
    """A sound: samples from -1 to 1, of shape (length) or (1, length)."""
    samples = make_np(tensor).squeeze()
    if samples.ndim != 1:
        raise ValueError(f"add_audio: snd_tensor has shape {samples.shape}; expected one channel")
    if samples.size and abs(samples).max() > 1:
        _log.warning("add_audio: samples beyond -1 and 1 are clipped")
    whole = (np.clip(samples, -1, 1) * np.iinfo(np.int16).max).astype(np.int16)
    body = (messages.single(1, sample_rate) + messages.integer(2, 1) + messages.integer(3, len(whole))
            + messages.nested(4, _images.wav(whole[:, None], sample_rate)) + messages.text(5, "audio/wav"))
    return messages.Message(messages.value(tag, messages.nested(6, body)))


def text(tag, text):
    """A text; TensorBoard reads it as Markdown.

    Raises:
        TypeError: `text` is no str.
    """
    if not isinstance(text, str):
        raise TypeError(f"add_text: text_string is a {type(text).__name__}; expected a str")
    body = messages.nested(8, messages.strings([text.encode()], (1,)))
    return messages.Message(messages.value(tag + "/text_summary", body, messages.metadata("text")))


# ---- precision and recall --------------------------------------------------------------------------


def compute_curve(labels, predictions, num_thresholds=None, weights=None):
    """The six rows of a precision-recall curve: true and false positives, true and false negatives, precision, recall.

    Args:
        labels (ndarray): the truth, 0 or 1.
        predictions (ndarray): the probability that it is 1.
        num_thresholds (int): how many thresholds between 0 and 1. Default: 127.
        weights (ndarray or number, optional): of each example. Default: 1.
    """
    steps = num_thresholds or 127
    labels, predictions = np.asarray(labels).reshape(-1), np.asarray(predictions).reshape(-1)
    weights = np.broadcast_to(1.0 if weights is None else np.asarray(weights).reshape(-1), labels.shape)
    bucket = np.floor(predictions * (steps - 1)).astype(np.int64)
    truth = labels.astype(np.float64) * weights

    def at_least(amounts):
        counted = np.histogram(bucket, bins=steps, range=(0, steps - 1), weights=amounts)[0]
        return np.cumsum(counted[::-1])[::-1]

    true, false = at_least(truth), at_least(weights - truth)
    precision = true / np.maximum(true + false, 1e-7)
    recall = true / max(true[0], 1e-7)
    return np.stack([true, false, false[0] - false, true[0] - true, precision, recall])


def pr_curve(tag, labels, predictions, num_thresholds=127, weights=None):
    """A precision-recall curve from truth and predictions."""
    steps = min(num_thresholds, 127)                      # more do not load in TensorBoard
    return _curve(tag, compute_curve(labels, predictions, steps, weights), steps)


def pr_curve_raw(tag, tp, fp, tn, fn, precision, recall, num_thresholds=127, weights=None):
    """A precision-recall curve that has been counted already."""
    return _curve(tag, np.stack([tp, fp, tn, fn, precision, recall]), min(num_thresholds, 127))


def _curve(tag, rows, steps):
    about = messages.metadata("pr_curves", messages.integer(2, steps))
    return messages.Message(messages.value(tag, messages.nested(8, messages.array(rows.astype(np.float32))), about))


# ---- meshes, layouts, hyperparameters --------------------------------------------------------------

_MESH_PARTS = {"VERTEX": 1, "FACE": 2, "COLOR": 3}


def mesh(tag, vertices, colors, faces, config_dict, display_name=None, description=None):
    """Points (N, points, 3), their colours of 0 to 255, and the triangles between them."""
    given = {"VERTEX": vertices, "FACE": faces, "COLOR": colors}
    parts = {name: make_np(part) for name, part in given.items() if part is not None}
    together = sum(1 << _MESH_PARTS[name] for name in parts)
    configuration = json.dumps(config_dict or {}, sort_keys=True)
    out = []
    for name, part in parts.items():
        part = part.astype({"VERTEX": np.float32, "FACE": np.int32, "COLOR": np.uint8}[name])
        sizes = b"".join(messages.varint(n) for n in part.shape)
        about = (messages.text(2, tag) + messages.integer(3, _MESH_PARTS[name]) + messages.text(5, configuration)
                 + messages.nested(6, sizes) + messages.integer(7, together))
        out.append(messages.value(f"{tag}_{name}", messages.nested(8, messages.array(part)), messages.metadata(
            "mesh", about, display_name or "", description or "")))
    return messages.Message(b"".join(out))


def custom_scalars(layout):
    """Which scalars share a chart: {category: {chart: ["Multiline" or "Margin", tags]}}."""
    categories = b""
    for category, charts in layout.items():
        body = messages.text(1, category)
        for title, (kind, tags) in charts.items():
            names = b"".join(messages.text(i + 1 if kind == "Margin" else 1, tag) for i, tag in enumerate(tags))
            if kind not in ("Margin", "Multiline") or (kind == "Margin" and len(tags) != 3):
                raise ValueError(f"add_custom_scalars: chart {title!r} is [{kind!r}, {len(tags)} tags]; expected "
                                 "'Multiline' with tags, or 'Margin' with three")
            chart = messages.nested(3, messages.nested(1, names)) if kind == "Margin" else messages.nested(2, names)
            body += messages.nested(2, messages.text(1, title) + chart)
        categories += messages.nested(2, body)
    body = messages.nested(8, messages.strings([categories], ()))
    return messages.Message(messages.value("custom_scalars__config__", body, messages.metadata("custom_scalars")))


#: Python's types as the hyperparameter page numbers them.
_KINDS = {str: 1, bool: 2, float: 3, int: 3}


def _plain(value):
    """A hyperparameter as a text, a truth value or a float; None for what is none of them."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(value)
    try:
        value = make_np(value)
    except NotImplementedError:
        return None
    return float(value.item()) if value.size == 1 else None


def _google_value(value):
    if isinstance(value, str):
        return messages.text(3, value)
    return messages.integer(4, value) if isinstance(value, bool) else messages.double(2, value)


def hparams(hparam_dict=None, metric_dict=None, hparam_domain_discrete=None):
    """A run's settings and what to judge it by.

    Args:
        hparam_dict (dict): settings: texts, truth values, numbers, tensors of one element.
        metric_dict (dict): results by tag.
        hparam_domain_discrete (dict, optional): the values that a setting may take.

    Returns:
        Three summaries: the experiment, the run's start, the run's end.

    Raises:
        TypeError: not dictionaries.
        ValueError: a setting of another kind, or one with a domain that does not hold it.
    """
    if not isinstance(hparam_dict, dict) or not isinstance(metric_dict, dict):
        raise TypeError(f"add_hparams: got a {type(hparam_dict).__name__} and a {type(metric_dict).__name__}; "
                        "expected two dictionaries")
    domains = hparam_domain_discrete or {}
    for name, domain in domains.items():
        if name not in hparam_dict or not all(isinstance(one, type(hparam_dict[name])) for one in domain):
            raise TypeError(f"add_hparams: hparam_domain_discrete[{name!r}]={domain!r} does not belong to a "
                            "hyperparameter of that type")
    settings, started = b"", b""
    for name, given in hparam_dict.items():
        if given is None:
            continue
        value = _plain(given)
        if value is None:
            raise ValueError(f"add_hparams: hparam_dict[{name!r}] is a {type(given).__name__}; expected a text, a "
                             "truth value or a number")
        domain = b"".join(messages.nested(1, _google_value(_plain(one))) for one in domains.get(name, ()))
        settings += messages.nested(4, messages.text(1, name) + messages.integer(4, _KINDS[type(value)])
                                    + (messages.nested(5, domain) if domain else b""))
        started += messages.nested(1, messages.text(1, name) + messages.nested(2, _google_value(value)))
    metrics = b"".join(messages.nested(5, messages.nested(1, messages.text(2, tag))) for tag in metric_dict)
    parts = {"experiment": messages.nested(2, settings + metrics),
             "session_start_info": messages.nested(3, started),
             "session_end_info": messages.nested(4, messages.integer(1, 1))}
    return tuple(messages.Message(messages.value(f"_hparams_/{name}", b"", messages.metadata("hparams", content)))
                 for name, content in parts.items())
