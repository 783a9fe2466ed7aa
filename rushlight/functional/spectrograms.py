"""Spectra of short stretches of a signal, and the signal back from them."""

from rushlight.functional._composite import composite
from rushlight.functional._core import core, native
from rushlight.functional._warning import warn

ops = core._groups["_ops"]


def _check_lengths(name, **lengths):
    for argument, value in lengths.items():
        if not isinstance(value, int):
            raise TypeError(f"{name}: argument '{argument}' must be int, not {type(value).__name__}")


def _frame_window(name, window, win_length, n_fft, input, needed):
    """The window in the middle of n_fft points; ones where none is given and it is `needed`."""
    if not 0 < win_length <= n_fft:
        raise RuntimeError(f"{name}: win_length={win_length}; expected 0 < win_length <= n_fft={n_fft}")
    if window is None:
        if not needed and win_length == n_fft:
            return None
        real = core.float64 if input.dtype in (core.float64, core.complex128) else core.float32
        window = core.ones(win_length, dtype=real)
    if tuple(window.shape) != (win_length,):
        raise RuntimeError(f"{name}: window has shape {tuple(window.shape)}; expected ({win_length},), as win_length")
    left = (n_fft - win_length) // 2
    return native.pad(window, [left, n_fft - win_length - left]) if win_length < n_fft else window


def _warn_without_window(name, window):
    if window is None:
        warn(f"{name}: no window was given, so all points count alike, which smears the spectrum; pass "
             "window=rushlight.ones(win_length) to mean that, or a window such as hann_window")


def _centred(input, n_fft, pad_mode):
    shape = tuple(input.shape)
    least = {"constant": -1, "reflect": n_fft // 2, "replicate": 0, "circular": n_fft // 2 - 1}
    if pad_mode not in least:
        raise NotImplementedError(f"stft: pad_mode={pad_mode!r}; expected 'constant', 'reflect', 'replicate' or "
                                  "'circular'")
    if shape[-1] <= least[pad_mode]:
        raise RuntimeError(f"stft: n_fft={n_fft} centred with pad_mode={pad_mode!r} needs more than {least[pad_mode]} "
                           f"elements of input of shape {shape}")
    padded = native.pad(input.reshape((1,) * (3 - len(shape)) + shape), [n_fft // 2, n_fft // 2], pad_mode)
    return padded.reshape(padded.shape[3 - len(shape):])


@composite("stft Tensor.stft", "widen")
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect",
         normalized=False, onesided=None, return_complex=None, align_to_window=None):
    """The spectra of overlapping frames of a signal.

    Args:
        input (Tensor): (L,) or (B, L), floating or complex.
        n_fft (int): points of a frame.
        hop_length (int, optional): from one frame to the next. Default: n_fft // 4.
        win_length (int, optional): points of the window, which stands in the middle of a frame. Default: n_fft.
        window (Tensor, optional): (win_length,). Default: ones, with a warning.
        center (bool): pad the signal so that frame t has its middle at t * hop_length.
        pad_mode (str): how, as of nn.functional.pad.
        normalized (bool): divide by sqrt(n_fft).
        onesided (bool, optional): only the n_fft // 2 + 1 coefficients that real signals need. Default: for those.
        return_complex (bool): complex coefficients; False, which is deprecated, gives pairs in a last dimension.
            Must be given for real signals.
        align_to_window (bool, optional): without center: frames begin where their windows do.

    Returns:
        Tensor: (B, coefficients, frames), without B as the input.

    Raises:
        RuntimeError: an argument is out of its range, or return_complex is missing.

    Example:
        >>> import rushlight as rl
        >>> x = rl.ones(16)
        >>> rl.stft(x, 8, window=rl.hann_window(8), return_complex=True).shape
        rushlight.Size([5, 9])
    """
    _check_lengths("stft", n_fft=n_fft)
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    _check_lengths("stft", hop_length=hop_length, win_length=win_length)
    if center and align_to_window is not None:
        raise RuntimeError(f"stft: align_to_window={align_to_window} is for center=False; expected None")
    if not input.is_floating_point() and not input.is_complex():
        raise RuntimeError(f"stft: input has dtype {input.dtype}; expected a floating or complex dtype")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: input has shape {tuple(input.shape)}; expected (L,) or (B, L)")
    if n_fft <= 0:
        raise RuntimeError(f"stft: n_fft={n_fft}; expected n_fft > 0")
    if return_complex is None:
        return_complex = input.is_complex() or (window is not None and window.is_complex())
        if not return_complex:
            raise RuntimeError("stft: return_complex=None; expected True or False for a real input")
    if not return_complex:
        warn("stft: return_complex=False is deprecated; use True, and view_as_real for pairs")
    _warn_without_window("stft", window)
    x = _centred(input, n_fft, pad_mode) if center else input
    if align_to_window:
        spare = n_fft - win_length
        x = native.pad(x, [spare // 2, spare - spare // 2])
    length = x.shape[-1]
    if n_fft > length:
        raise RuntimeError(f"stft: n_fft={n_fft} is out of range for a signal of length {length}, padding included; "
                           f"expected n_fft <= {length}")
    if hop_length <= 0:
        raise RuntimeError(f"stft: hop_length={hop_length}; expected hop_length > 0")
    window = _frame_window("stft", window, win_length, n_fft, input, needed=False)
    frames = x.unfold(-1, n_fft, hop_length)
    result = _spectra(frames if window is None else frames * window, n_fft, normalized, onesided).transpose(-2, -1)
    return result if return_complex else core.view_as_real(result)


def _spectra(frames, n_fft, normalized, onesided):
    scale = n_fft ** -0.5 if normalized else 1.0
    if not frames.is_complex():
        return ops["fft_r2c"](frames, (-1,), scale, True, onesided is None or bool(onesided))
    if onesided:
        raise RuntimeError("stft: onesided=True with a complex input or window; expected False")
    return ops["fft_c2c"](frames, (-1,), scale, True)


@composite("istft Tensor.istft")
def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
          length=None, return_complex=False):
    """The signal whose `stft` comes closest to the given one.

    Args:
        input (Tensor): (coefficients, frames) or (B, coefficients, frames), complex.
        n_fft, hop_length, win_length, window, center, normalized: as given to `stft`.
        onesided (bool, optional): the input has n_fft // 2 + 1 coefficients. Default: unless it has n_fft.
        length (int, optional): how much of the signal; zeros follow where the frames end before.
        return_complex (bool): the signal is complex.

    Returns:
        Tensor: (L,) or (B, L).

    Raises:
        RuntimeError: an argument is out of its range, or the windows leave gaps.

    Example:
        >>> import rushlight as rl
        >>> x, window = rl.arange(16.0), rl.hann_window(8)
        >>> rl.istft(rl.stft(x, 8, window=window, return_complex=True), 8, window=window).round().tolist()[:4]
        [0.0, 1.0, 2.0, 3.0]
    """
    _check_lengths("istft", n_fft=n_fft)
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    _check_lengths("istft", hop_length=hop_length, win_length=win_length)
    onesided = _check_istft(input, n_fft, hop_length, win_length, onesided, length)
    _warn_without_window("istft", window)
    window = _frame_window("istft", window, win_length, n_fft, input, needed=True)
    if return_complex and onesided:
        raise RuntimeError("istft: return_complex=True with onesided coefficients; expected all n_fft of them")
    if window.is_complex() and not return_complex:
        raise RuntimeError("istft: window is complex and return_complex=False; expected a real window, or True")
    spectra = input.transpose(-2, -1)
    spectra = spectra if input.dim() == 3 else spectra.unsqueeze(0)
    scale = n_fft ** -0.5 if normalized else 1 / n_fft
    if return_complex:
        frames = ops["fft_c2c"](spectra, (-1,), scale, False)
    else:
        frames = ops["fft_c2r"](spectra[..., : n_fft // 2 + 1], (-1,), n_fft, scale, False)
    count = frames.shape[1]
    signal = _overlap(frames * window, hop_length)
    weight = _overlap((window * window).expand(1, count, n_fft), hop_length)
    total = weight.shape[-1]
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - start
    signal, weight = signal[:, start:end], weight[:, start:end]
    if weight.numel() == 0 or weight.detach().abs().min().item() <= 1e-11:
        raise RuntimeError("istft: the squares of the windows add up to zero somewhere; expected windows that overlap "
                           f"without gaps for center={center}, hop_length={hop_length}, length={length}")
    signal = signal / weight
    if end > total:
        warn(f"istft: length={length} is more than the frames give; zeros follow")
        signal = native.pad(signal, [0, end - total])
    return signal if input.dim() == 3 else signal.squeeze(0)


def _check_istft(input, n_fft, hop_length, win_length, onesided, length):
    shape = tuple(input.shape)
    if not input.is_complex():
        raise RuntimeError(f"istft: input has dtype {input.dtype}; expected complex64 or complex128, as of "
                           "stft with return_complex=True")
    if len(shape) not in (2, 3) or input.numel() == 0:
        raise RuntimeError(f"istft: input has shape {shape}; expected (coefficients, frames) or "
                           "(B, coefficients, frames), none of them 0")
    onesided = shape[-2] != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if shape[-2] != wanted:
        raise RuntimeError(f"istft: input has shape {shape}; expected {wanted} coefficients for n_fft={n_fft} and "
                           f"onesided={onesided}")
    if not 0 < hop_length <= win_length:
        raise RuntimeError(f"istft: hop_length={hop_length}; expected 0 < hop_length <= win_length={win_length}")
    if length is not None and length <= 0:
        raise RuntimeError(f"istft: length={length}; expected a positive number")
    return onesided


def _overlap(frames, hop_length):
    """Frames (B, count, n) added up, `hop_length` apart."""
    _, count, n = frames.shape
    size = (1, n + hop_length * (count - 1))
    return native.fold(frames.transpose(1, 2), size, (1, n), stride=(1, hop_length))[:, 0, 0]
