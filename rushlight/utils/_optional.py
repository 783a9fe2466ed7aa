"""Packages that only some calls need: without them the error names the call and what to install."""


def pyplot(who):
    """matplotlib's plotting module.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from matplotlib import pyplot as module
    except ImportError:
        raise ImportError(f"{who}: needs matplotlib, which is not installed; pip install matplotlib") from None
    return module


def drawn(figure, path):
    """The figure; saved too where a path is given."""
    if path is not None:
        figure.savefig(path)
    return figure


def pillow(who):
    """Pillow.

    Raises:
        ImportError: it is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont  # noqa: F401  submodules that the package alone does not load
    except ImportError:
        raise ImportError(f"{who}: needs Pillow, which is not installed; pip install 'rushlight[vision]'") from None
    import PIL
    return PIL
