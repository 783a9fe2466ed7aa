"""Files of the embedding projector: points, their labels and pictures, and the list of all of them."""
import math
import os

import numpy as np

from rushlight.utils.tensorboard import _images


def write_points(points, folder):
    """The points (N, D), one per line."""
    with open(os.path.join(folder, "tensors.tsv"), "w") as file:
        for row in points:
            file.write("\t".join(str(x) for x in row.tolist()) + "\n")


def write_labels(labels, header, folder):
    """The points' labels: texts, or with a header a list of columns each."""
    rows = [header, *labels] if header else labels
    with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
        for row in rows:
            file.write("\t".join(str(x) for x in row) if header else str(row))
            file.write("\n")


def write_sprite(pictures, folder):
    """The points' pictures (N, C, H, W) in one square picture, row after row."""
    side = math.ceil(math.sqrt(len(pictures)))
    padded = np.zeros((side * side, *pictures.shape[1:]), pictures.dtype)
    padded[: len(pictures)] = pictures
    count, channels, height, width = padded.shape
    whole = padded.reshape(side, side, channels, height, width).transpose(0, 3, 1, 4, 2)
    whole = whole.reshape(side * height, side * width, channels)
    with open(os.path.join(folder, "sprite.png"), "wb") as file:
        file.write(_images.png(_images.to_bytes(whole)))


def add_to_list(log_dir, tag, folder, has_labels, picture_size):
    """Appends an embedding to `projector_config.pbtxt`, which the projector reads first."""
    lines = [f'  tensor_name: "{tag}"']
    if has_labels:
        lines.append(f'  metadata_path: "{folder}/metadata.tsv"')
    if picture_size:
        height, width = picture_size
        lines += ["  sprite {", f'    image_path: "{folder}/sprite.png"', f"    single_image_dim: {width}",
                  f"    single_image_dim: {height}", "  }"]
    lines.append(f'  tensor_path: "{folder}/tensors.tsv"')
    with open(os.path.join(log_dir, "projector_config.pbtxt"), "a") as file:
        file.write("embeddings {\n" + "\n".join(lines) + "\n}\n")
