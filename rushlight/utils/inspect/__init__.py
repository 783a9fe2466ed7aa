"""Looking into models and training runs: tables, statistics, pictures, and checks before a long run."""
from rushlight.utils.inspect.activations import ActivationStats
from rushlight.utils.inspect.cam import class_activation_map, grad_cam, overlay_cam
from rushlight.utils.inspect.gradients import gradient_flow, plot_gradient_flow
from rushlight.utils.inspect.nonfinite import detect_nonfinite
from rushlight.utils.inspect.rates import LRFinderResult, find_lr
from rushlight.utils.inspect.rehearsal import OverfitResult, overfit_one_batch
from rushlight.utils.inspect.table import ModelSummary, summary

__all__ = ["ActivationStats", "LRFinderResult", "ModelSummary", "OverfitResult", "class_activation_map",
           "detect_nonfinite", "find_lr", "grad_cam", "gradient_flow", "overfit_one_batch", "overlay_cam",
           "plot_gradient_flow", "summary"]
