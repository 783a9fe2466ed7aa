"""Where a network looks: class activation maps."""
from rushlight import _C
from rushlight.autograd import grad
from rushlight.autograd.grad_mode import enable_grad, no_grad
from rushlight.nn import functional as F
from rushlight.utils.inspect.table import evaluating


def _run(who, model, input, layer):
    """The model's scores, and what `layer` put out."""
    kept = []
    module = model.get_submodule(layer) if isinstance(layer, str) else layer
    handle = module.register_forward_hook(lambda module, args, output: kept.append(output))
    try:
        with evaluating(model):
            scores = model(input)
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f"{who}: the model did not call the given layer; expected one that takes part")
    if kept[-1].dim() != 4:
        raise ValueError(f"{who}: the layer put out shape {tuple(kept[-1].shape)}; expected (N, C, H, W): a "
                         "convolutional layer")
    if scores.dim() != 2:
        raise ValueError(f"{who}: the model put out shape {tuple(scores.shape)}; expected (N, classes)")
    return scores, kept[-1]


def _targets(who, scores, target):
    if target is None:
        return scores.argmax(dim=1)
    chosen = _C.as_tensor(target)
    chosen = chosen.expand(scores.shape[0]) if chosen.dim() == 0 else chosen
    if chosen.shape != (scores.shape[0],) or not bool(((chosen >= 0) & (chosen < scores.shape[1])).all()):
        raise ValueError(f"{who}: target={target} for {scores.shape[0]} images and {scores.shape[1]} classes; expected "
                         "a class, or one for each image")
    return chosen


def _scaled(maps, input, resize):
    """Each map from 0 to 1, in the size of the input."""
    if resize:
        maps = F.interpolate(maps[:, None], size=tuple(input.shape[2:]), mode="bilinear", align_corners=False)[:, 0]
    maps = maps - maps.amin(dim=(1, 2), keepdim=True)
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def class_activation_map(model, input, layer, classifier, target=None, resize=True):
    """Class activation maps of networks that end in global average pooling and one linear layer.

    The map of class c is the sum over channels k of w[c, k] * A[k], where A is what the last convolution put out and w
    the weight of the linear layer. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016.

    Args:
        model (Module): the network; it runs in evaluation mode.
        input (Tensor): images (N, C, H, W).
        layer (Module or str): the last convolutional layer or block, or its name.
        classifier (Module or str): the linear layer, or its name.
        target (int or Tensor, optional): which class, or one for each image. Default: the best scored.
        resize (bool): give the maps the size of the images. Default: True.

    Returns:
        Tensor: maps (N, H, W) from 0 to 1.

    Raises:
        ValueError: a layer that was not called or is not convolutional, weights that don't fit its channels, a
            class that does not exist.

    Example:
        >>> import rushlight as rl
        >>> nn = rl.nn
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
        >>> rl.utils.inspect.class_activation_map(model, rl.rand(2, 3, 8, 8), model[1], model[4]).shape
        rushlight.Size([2, 8, 8])
    """
    linear = model.get_submodule(classifier) if isinstance(classifier, str) else classifier
    with no_grad():
        scores, activations = _run("class_activation_map", model, input, layer)
        weights = linear.weight[_targets("class_activation_map", scores, target)]
        if weights.shape[1] != activations.shape[1]:
            raise ValueError(f"class_activation_map: classifier has {weights.shape[1]} inputs and layer puts out "
                             f"{activations.shape[1]} channels; expected as many: grad_cam works for other networks")
        maps = (weights[:, :, None, None] * activations).sum(dim=1)
        return _scaled(maps, input, resize)


def grad_cam(model, input, layer, target=None, resize=True):
    """Class activation maps of any convolutional network, weighted by gradients.

    The weight of channel k is the mean over places of the gradient of the class's score; what is negative in the sum is
    cut off. Selvaraju et al., "Grad-CAM", ICCV 2017.

    Args:
        model (Module): the network; it runs in evaluation mode. Its `.grad`s stay as they are.
        input (Tensor): images (N, C, H, W).
        layer (Module or str): a convolutional layer or block, or its name.
        target (int or Tensor, optional): which class, or one for each image. Default: the best scored.
        resize (bool): give the maps the size of the images. Default: True.

    Returns:
        Tensor: maps (N, H, W) from 0 to 1.

    Raises:
        ValueError: a layer that was not called or is not convolutional, a class that does not exist.

    Example:
        >>> import rushlight as rl
        >>> nn = rl.nn
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
        >>> rl.utils.inspect.grad_cam(model, rl.rand(2, 3, 8, 8), "0", target=3).shape
        rushlight.Size([2, 8, 8])
    """
    with enable_grad():
        watched = input if input.requires_grad else input.detach().requires_grad_()
        scores, activations = _run("grad_cam", model, watched, layer)
        chosen = _targets("grad_cam", scores, target)
        score = scores.gather(1, chosen[:, None]).sum()
        slopes = grad(score, activations)[0]
    with no_grad():
        weights = slopes.mean(dim=(2, 3), keepdim=True)
        maps = (weights * activations.detach()).sum(dim=1).relu()
        return _scaled(maps, input, resize)


def overlay_cam(image, cam, alpha=0.5):
    """An image with its map over it, in the colours from blue (0) to red (1).

    Args:
        image (Tensor): (C, H, W) of any range; it is brought to 0 to 1.
        cam (Tensor): (H, W) from 0 to 1.
        alpha (float): how much of the map to show. Default: 0.5.

    Returns:
        Tensor: (3, H, W) from 0 to 1, for `SummaryWriter.add_image` or matplotlib.

    Raises:
        ValueError: the sizes differ.

    Example:
        >>> import rushlight as rl
        >>> rl.utils.inspect.overlay_cam(rl.zeros(1, 1, 2), rl.tensor([[0.0, 1.0]]), alpha=1.0)[:, 0]
        tensor([[0.0000, 0.5000],
                [0.0000, 0.0000],
                [0.5000, 0.0000]])
    """
    if image.dim() != 3 or tuple(image.shape[1:]) != tuple(cam.shape):
        raise ValueError(f"overlay_cam: image has shape {tuple(image.shape)} and cam {tuple(cam.shape)}; expected "
                         "(C, H, W) and (H, W)")
    with no_grad():
        low, high = image.min(), image.max()
        grey = (image - low) / (high - low).clamp(min=1e-12)
        colours = _C.stack([(1.5 - (4 * cam - centre).abs()).clamp(0, 1) for centre in (3, 2, 1)])
        return (1 - alpha) * grey.expand(3, *cam.shape) + alpha * colours
