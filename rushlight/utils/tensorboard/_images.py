"""Pictures, sounds and films as the bytes of files."""
import io
import struct
import wave
import zlib

import numpy as np

from rushlight.utils._optional import pillow, pyplot


def with_channels_last(values, layout):
    """Pixels as (height, width, channels), of one picture or of several in a grid.

    Args:
        values (ndarray): the pixels.
        layout (str): what each dimension is: letters of "NCHW", each once.

    Raises:
        ValueError: the letters don't fit the array.
    """
    layout = layout.upper()
    if len(layout) != values.ndim or len(set(layout)) != len(layout) or not set("HW") <= set(layout) <= set("NCHW"):
        raise ValueError(f"add_image: dataformats={layout!r} for an image of shape {values.shape}; expected one letter "
                         "of NCHW for each dimension")
    order = [letter for letter in "NHWC" if letter in layout]
    values = values.transpose([layout.index(letter) for letter in order])
    if "C" not in layout:
        values = values[..., None]
    if "N" in layout:
        values = _grid(values)
    return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values


def _grid(images, columns=8):
    """Pictures side by side, eight to a row."""
    count, height, width, channels = images.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    canvas = np.zeros((rows * height, columns * width, channels), images.dtype)
    for i, image in enumerate(images):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = image
    return canvas


def to_bytes(values):
    """Floating pixels of 0 to 1 as uint8; integers are taken as they are."""
    if values.dtype == np.uint8:
        return values
    return np.clip(values.astype(np.float32) * 255.0, 0, 255).astype(np.uint8)


def png(pixels):
    """A PNG file of uint8 pixels (height, width, 1 to 4 channels)."""
    height, width, channels = pixels.shape
    kinds = {1: 0, 2: 4, 3: 2, 4: 6}
    if channels not in kinds:
        raise ValueError(f"add_image: the image has {channels} channels; expected 1 to 4")

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, kinds[channels], 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
            + chunk(b"IEND", b""))


def gif(frames, frames_per_second):
    """A GIF file of uint8 frames (time, height, width, channels)."""
    image = pillow("add_video").Image
    pictures = [image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], loop=0,
                     duration=max(round(1000 / frames_per_second), 1))
    return file.getvalue()


def with_boxes(pixels, boxes, labels, scale):
    """The picture with red frames (left, top, right, bottom) and their labels."""
    library = pillow("add_image_with_boxes")
    picture = library.Image.fromarray(pixels)
    pen, font = library.ImageDraw.Draw(picture), library.ImageFont.load_default()
    for i, (left, top, right, bottom) in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
        pen.rectangle([left, top, right, bottom], outline="red", width=2)
        if labels is not None:
            pen.text((left + 2, top + 1), labels[i], fill="red", font=font)
    if scale != 1:
        picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
    return np.asarray(picture)


def wav(samples, rate):
    """A WAV file of 16-bit samples (length, channels)."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def figure_pixels(figures, close):
    """A matplotlib figure, or several, as (channels, height, width), or (number, channels, height, width)."""
    plots = pyplot("add_figure")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def pixels(figure):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn = np.asarray(canvas.buffer_rgba()).transpose(2, 0, 1)
        if close:
            plots.close(figure)
        return drawn

    if isinstance(figures, list):
        return np.stack([pixels(figure) for figure in figures])
    return pixels(figures)
