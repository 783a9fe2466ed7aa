"""Event files for TensorBoard, in PyTorch's words."""
from rushlight.utils.tensorboard._record_writer import RecordWriter
from rushlight.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
