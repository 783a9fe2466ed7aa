"""`SummaryWriter`: what a training run tells TensorBoard."""
import os
import socket
import time
from datetime import datetime

from rushlight.utils.tensorboard import _embedding, _graph, _images, summary
from rushlight.utils.tensorboard import _messages as messages
from rushlight.utils.tensorboard._convert_np import make_np
from rushlight.utils.tensorboard._record_writer import EventFileWriter


def _default_bins():
    """The limits that TensorBoard's own histograms have: each a tenth further from zero."""
    positive, limit = [], 1e-12
    while limit < 1e20:
        positive.append(limit)
        limit *= 1.1
    return [-x for x in reversed(positive)] + [0] + positive


class FileWriter:
    """One event file.

    Args:
        log_dir (str): the folder; made when absent.
        max_queue, flush_secs: accepted for PyTorch's programs; every event is in the file when its call returns.
        filename_suffix (str): the end of the file's name. Default: "".
    """

    def __init__(self, log_dir, max_queue=10, flush_secs=120, filename_suffix=""):
        self.event_writer = EventFileWriter(log_dir, filename_suffix)

    def get_logdir(self):
        """The folder."""
        return self.event_writer.get_logdir()

    def add_event(self, event, step=None, walltime=None):
        """Writes an event.

        Args:
            event (bytes): one of an event's fields, as it stands in the message.
            step (int, optional): the step it belongs to.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        at = time.time() if walltime is None else walltime
        self.event_writer.add_event(messages.event(at, 0 if step is None else int(step), event))

    def add_summary(self, summary, global_step=None, walltime=None):
        """Writes a summary.

        Args:
            summary: an object with `SerializeToString`.
            global_step (int, optional): the step it belongs to.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        self.add_event(messages.nested(5, summary.SerializeToString()), global_step, walltime)

    def add_graph(self, graph, walltime=None):
        """Writes a GraphDef, given as bytes."""
        self.add_event(messages.nested(4, graph), None, walltime)

    def flush(self):
        """Nothing is ever kept back."""
        self.event_writer.flush()

    def close(self):
        """Closes the file; a later event opens another one."""
        self.event_writer.close()

    def reopen(self):
        """A later event opens another file by itself."""


class SummaryWriter:
    """Writes event files, which TensorBoard shows: `tensorboard --logdir=runs`.

    Writing needs no other package; showing needs TensorBoard (`pip install 'rushlight[tensorboard]'`), here or on
    another machine that sees the folder. An event is in the file when its call returns, so a run that is killed
    loses none.

    Args:
        log_dir (str, optional): the folder; made when absent. Default: `runs/` and date, time and host.
        comment (str): the end of the default folder's name. Default: "".
        purge_step (int, optional): TensorBoard forgets events of an earlier, crashed run from this step on.
        max_queue, flush_secs: accepted for PyTorch's programs; nothing waits in a queue.
        filename_suffix (str): the end of the files' names. Default: "".

    Raises:
        ValueError: `log_dir` is an address such as `s3://...`.

    Example:
        >>> import os, tempfile
        >>> from rushlight.utils.tensorboard import SummaryWriter
        >>> folder = tempfile.mkdtemp()
        >>> with SummaryWriter(folder) as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss/train", 1 / (step + 1), step)
        >>> [name[:20] for name in os.listdir(folder)]
        ['events.out.tfevents.']
    """

    def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120, filename_suffix=""):
        if not log_dir:
            moment = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{moment}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step, self.filename_suffix = purge_step, filename_suffix
        self.file_writer, self.all_writers = None, None
        self.default_bins = _default_bins()
        self._get_file_writer()

    def _get_file_writer(self):
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, filename_suffix=self.filename_suffix)
            self.all_writers = {self.log_dir: self.file_writer}
            if self.purge_step is not None:
                self.file_writer.add_event(messages.nested(7, messages.integer(1, 1)), self.purge_step)
                self.purge_step = None
        return self.file_writer

    def get_logdir(self):
        """The folder."""
        return self.log_dir

    def _write(self, made, global_step, walltime):
        self._get_file_writer().add_summary(made, global_step, walltime)

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False, double_precision=False):
        """Writes a number.

        Args:
            tag (str): its name; parts before a `/` group charts.
            scalar_value (Tensor or number): one element.
            global_step (int, optional): the step it belongs to.
            walltime (float, optional): seconds since the epoch. Default: now.
            new_style (bool): as TensorBoard's own newer writers do. Default: False.
            double_precision (bool): with `new_style`, keep float64. Default: False.

        Raises:
            ValueError: more than one element.
        """
        self._write(summary.scalar(tag, scalar_value, new_style=new_style, double_precision=double_precision),
                    global_step, walltime)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        """Writes several numbers for one chart: each into a folder of its own below `log_dir`.

        Args:
            main_tag (str): the chart's name.
            tag_scalar_dict (dict): numbers by name.
            global_step (int, optional): the step they belong to.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        self._get_file_writer()
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag}_{tag}".replace("/", "_").replace(" ", "_"))
            if folder not in self.all_writers:
                self.all_writers[folder] = FileWriter(folder, filename_suffix=self.filename_suffix)
            self.all_writers[folder].add_summary(summary.scalar(main_tag, number), global_step, walltime)

    def add_tensor(self, tag, tensor, global_step=None, walltime=None):
        """Writes a tensor of any shape."""
        self._write(summary.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None, max_bins=None):
        """Writes how values are distributed.

        Args:
            tag (str): its name.
            values (Tensor or ndarray): the values.
            global_step (int, optional): the step they belong to.
            bins (str or sequence): limits, "tensorflow" for TensorBoard's own, or a rule of `numpy.histogram`.
            walltime (float, optional): seconds since the epoch. Default: now.
            max_bins (int, optional): at most so many.

        Raises:
            ValueError: there are no values.
        """
        limits = self.default_bins if isinstance(bins, str) and bins == "tensorflow" else bins
        self._write(summary.histogram(tag, values, limits, max_bins), global_step, walltime)

    def add_histogram_raw(self, tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts, global_step=None,
                          walltime=None):
        """Writes a histogram that has been counted already: `bucket_limits` are upper limits."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError(f"add_histogram_raw: {len(bucket_limits)} bucket_limits and {len(bucket_counts)} "
                             "bucket_counts; expected as many of both")
        self._write(summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts),
                    global_step, walltime)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        """Writes a picture.

        Args:
            tag (str): its name.
            img_tensor (Tensor or ndarray): floating values of 0 to 1, or uint8; 1, 3 or 4 channels.
            global_step (int, optional): the step it belongs to.
            walltime (float, optional): seconds since the epoch. Default: now.
            dataformats (str): what each dimension is. Default: "CHW".

        Raises:
            ValueError: `dataformats` does not fit the shape.
        """
        self._write(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None, dataformats="NCHW"):
        """Writes several pictures as one, eight to a row: see `add_image`."""
        self._write(summary.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_image_with_boxes(self, tag, img_tensor, box_tensor, global_step=None, walltime=None, rescale=1,
                             dataformats="CHW", labels=None):
        """Writes a picture with frames.

        Args:
            tag (str): its name.
            img_tensor (Tensor or ndarray): the picture, as in `add_image`.
            box_tensor (Tensor or ndarray): (N, 4): left, top, right, bottom in pixels.
            global_step, walltime: as in `add_image`.
            rescale (int): enlarge by this. Default: 1.
            dataformats (str): what each dimension is. Default: "CHW".
            labels (list of str, optional): a text for each frame.

        Raises:
            ImportError: Pillow is not installed.
        """
        labels = [labels] * len(box_tensor) if isinstance(labels, str) else labels
        if labels is not None and len(labels) != len(box_tensor):
            raise ValueError(f"add_image_with_boxes: {len(labels)} labels for {len(box_tensor)} boxes")
        self._write(summary.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels), global_step,
                    walltime)

    def add_figure(self, tag, figure, global_step=None, close=True, walltime=None):
        """Writes a matplotlib figure, or a list of them, as a picture.

        Args:
            tag (str): its name.
            figure (Figure or list of Figure): what to draw.
            global_step (int, optional): the step it belongs to.
            close (bool): close the figure afterwards. Default: True.
            walltime (float, optional): seconds since the epoch. Default: now.

        Raises:
            ImportError: matplotlib is not installed.
        """
        layout = "NCHW" if isinstance(figure, list) else "CHW"
        self.add_image(tag, _images.figure_pixels(figure, close), global_step, walltime, layout)

    def add_video(self, tag, vid_tensor, global_step=None, fps=4, walltime=None):
        """Writes films, as an animated GIF.

        Args:
            tag (str): its name.
            vid_tensor (Tensor): (N, T, C, H, W): floating values of 0 to 1, or uint8.
            global_step (int, optional): the step it belongs to.
            fps (float): frames per second. Default: 4.
            walltime (float, optional): seconds since the epoch. Default: now.

        Raises:
            ImportError: Pillow is not installed.
        """
        self._write(summary.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(self, tag, snd_tensor, global_step=None, sample_rate=44100, walltime=None):
        """Writes a sound.

        Args:
            tag (str): its name.
            snd_tensor (Tensor): (1, L): samples from -1 to 1.
            global_step (int, optional): the step it belongs to.
            sample_rate (int): samples per second. Default: 44100.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        self._write(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(self, tag, text_string, global_step=None, walltime=None):
        """Writes a text, which TensorBoard reads as Markdown."""
        self._write(summary.text(tag, text_string), global_step, walltime)

    def add_graph(self, model, input_to_model=None, verbose=False, use_strict_trace=True):
        """Writes a model's graph as one call of it shows it: its operators, in the modules that called them.

        The model runs once, in evaluation mode and without recording gradients.

        Args:
            model (Module): the model.
            input_to_model (Tensor or tuple): its input or inputs.
            verbose (bool): print how many nodes there are. Default: False.
            use_strict_trace: accepted for PyTorch's programs.

        Raises:
            ValueError: there is no input.
        """
        if input_to_model is None:
            raise ValueError("add_graph: input_to_model=None; expected the model's input, as one call of it shows the "
                             "graph")
        self._get_file_writer().add_graph(_graph.graph(model, input_to_model, verbose))

    def add_onnx_graph(self, prototxt):
        """Refuses: ONNX files are shown by ONNX's own viewers.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("add_onnx_graph: graphs of ONNX files are not written here; add_graph writes a "
                                  "model's")

    def add_embedding(self, mat, metadata=None, label_img=None, global_step=None, tag="default", metadata_header=None):
        """Writes points for the embedding projector.

        Args:
            mat (Tensor or ndarray): (N, D): the points.
            metadata (list, optional): a label for each; a list of columns with `metadata_header`.
            label_img (Tensor, optional): (N, C, H, W): a picture for each.
            global_step (int, optional): the step they belong to.
            tag (str): their name. Default: "default".
            metadata_header (list of str, optional): the columns' names.

        Raises:
            ValueError: not as many labels or pictures as points.
        """
        points = make_np(mat)
        if points.ndim != 2:
            raise ValueError(f"add_embedding: mat has shape {points.shape}; expected (N, D)")
        step = "00000" if global_step is None else f"{int(global_step):05d}"
        name = tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
        inner = f"{step}/{name}"
        folder = os.path.join(self._get_file_writer().get_logdir(), inner)
        os.makedirs(folder, exist_ok=True)
        for what, given in (("metadata", metadata), ("label_img", label_img)):
            if given is not None and len(given) != len(points):
                raise ValueError(f"add_embedding: {what} has {len(given)} entries for {len(points)} points")
        size = None
        if metadata is not None:
            _embedding.write_labels(metadata, metadata_header, folder)
        if label_img is not None:
            pictures = make_np(label_img)
            size = pictures.shape[2:]
            _embedding.write_sprite(pictures, folder)
        _embedding.write_points(points, folder)
        _embedding.add_to_list(self.get_logdir(), f"{tag}:{step}", inner, metadata is not None, size)

    def add_pr_curve(self, tag, labels, predictions, global_step=None, num_thresholds=127, weights=None, walltime=None):
        """Writes a precision-recall curve.

        Args:
            tag (str): its name.
            labels (Tensor or ndarray): the truth, 0 or 1.
            predictions (Tensor or ndarray): the probability that it is 1.
            global_step (int, optional): the step it belongs to.
            num_thresholds (int): how many thresholds, at most 127. Default: 127.
            weights (Tensor or ndarray, optional): of each example.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        weights = weights if weights is None else make_np(weights)
        self._write(summary.pr_curve(tag, make_np(labels), make_np(predictions), num_thresholds, weights), global_step,
                    walltime)

    def add_pr_curve_raw(self, tag, true_positive_counts, false_positive_counts, true_negative_counts,
                         false_negative_counts, precision, recall, global_step=None, num_thresholds=127, weights=None,
                         walltime=None):
        """Writes a precision-recall curve that has been counted already."""
        rows = [make_np(row) for row in (true_positive_counts, false_positive_counts, true_negative_counts,
                                         false_negative_counts, precision, recall)]
        self._write(summary.pr_curve_raw(tag, *rows, num_thresholds, weights), global_step, walltime)

    def add_mesh(self, tag, vertices, colors=None, faces=None, config_dict=None, global_step=None, walltime=None):
        """Writes points or triangles in space.

        Args:
            tag (str): its name.
            vertices (Tensor): (N, points, 3).
            colors (Tensor, optional): (N, points, 3), of 0 to 255.
            faces (Tensor, optional): (N, triangles, 3): which points each joins.
            config_dict (dict, optional): what the viewer (three.js) shall know.
            global_step (int, optional): the step it belongs to.
            walltime (float, optional): seconds since the epoch. Default: now.
        """
        self._write(summary.mesh(tag, vertices, colors, faces, config_dict), global_step, walltime)

    def add_hparams(self, hparam_dict, metric_dict, hparam_domain_discrete=None, run_name=None, global_step=None):
        """Writes a run's settings and results, for the page that compares runs.

        Args:
            hparam_dict (dict): settings: texts, truth values, numbers.
            metric_dict (dict): results by tag.
            hparam_domain_discrete (dict, optional): the values that a setting may take.
            run_name (str, optional): the folder below `log_dir`. Default: the time.
            global_step (int, optional): the step the results belong to.

        Raises:
            TypeError: not dictionaries.
            ValueError: a setting of another kind.
        """
        made = summary.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(folder) as run:
            for one in made:
                run.file_writer.add_summary(one, global_step)
            for tag, number in metric_dict.items():
                run.add_scalar(tag, number, global_step)

    def add_custom_scalars(self, layout):
        """Says which scalars share a chart: {category: {chart: ["Multiline" or "Margin", tags]}}.

        Args:
            layout (dict): the charts.
        """
        self._write(summary.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(self, tags, category="default", title="untitled"):
        """Says that these scalars share a chart."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(self, tags, category="default", title="untitled"):
        """Says that three scalars make a chart: a line, and the lower and upper edge of a band around it."""
        if len(tags) != 3:
            raise ValueError(f"add_custom_scalars_marginchart: {len(tags)} tags; expected 3")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def flush(self):
        """Nothing is ever kept back: what has been written is in the files."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self):
        """Closes the files; a later call opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
