"""Fourier transforms against NumPy's, spectrograms and windows against SciPy's, and all against PyTorch's where it is
installed. Gradients by finite differences."""
import os
import threading

import numpy as np
import pytest
import scipy.signal

import rushlight as rl

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fft", "ifft", "rfft", "irfft"]                   # NumPy has no hfftn
REAL_ONLY = {"rfft", "ihfft"}
OPS = rl._C._groups["_ops"]


def numbers(shape, real=False, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=shape)
    return x if real else x + 1j * random.normal(size=shape)


def close(found, wanted, tolerance=1e-13):
    found = found.detach().numpy()
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(1, np.abs(wanted).max(initial=0)))


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ONE)
def test_one_dimension_means_what_numpy_says(name, norm):
    x = numbers((3, 10, 4), real=name in REAL_ONLY)
    for n, dim in [(None, -1), (None, 1), (7, 1), (16, 1), (1, 0), (5, -1)]:
        got = getattr(rl.fft, name)(rl.from_numpy(x.copy()), n, dim, norm)
        close(got, getattr(np.fft, name)(x, n, dim, norm))


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_dimensions_mean_what_numpy_says(name, norm):
    x = numbers((3, 8, 5, 6), real=name in REAL_ONLY)
    for s, dim in [(None, None), ((4, 9), (1, 3)), ((8, 8, 8), (0, 2, 1)), (None, (2, 0)), ((7, 7), (-1, -2))]:
        axes = tuple(range(4)) if dim is None else dim
        got = getattr(rl.fft, name + "n")(rl.from_numpy(x.copy()), s, dim, norm)
        close(got, getattr(np.fft, name + "n")(x, s, axes, norm))
    got = getattr(rl.fft, name + "2")(rl.from_numpy(x.copy()), norm=norm)
    close(got, getattr(np.fft, name + "2")(x, norm=norm))


def test_several_dimensions_of_a_real_transform_of_half_a_signal():
    x = numbers((3, 4, 5))
    close(rl.fft.hfftn(rl.from_numpy(x.copy())), np.fft.hfft(np.fft.fft2(x, axes=(0, 1))))
    close(rl.fft.hfft2(rl.from_numpy(x.copy()), s=(4, 7)), np.fft.hfft(np.fft.fft(x, axis=1), n=7))
    real = numbers((3, 4, 5), real=True)
    close(rl.fft.ihfftn(rl.from_numpy(real.copy())), np.fft.ifft2(np.fft.ihfft(real), axes=(0, 1)))
    close(rl.fft.ihfft2(rl.from_numpy(real.copy())), np.fft.ifft(np.fft.ihfft(real), axis=1))


@pytest.mark.parametrize("n", [1, 2, 3, 60, 61, 127, 128, 1021, 1024, 4096, 4099, 5000, 8191, 10007, 30030, 65536])
def test_every_kind_of_length(n):
    for lines in (1, 2, 17):
        x = numbers((lines, n))
        close(rl.fft.fft(rl.from_numpy(x.copy())), np.fft.fft(x))
        close(rl.fft.irfft(rl.fft.rfft(rl.from_numpy(x.real.copy())), n=n), x.real, 1e-14 * max(4, np.log2(n)))
    single = numbers(n).astype(np.complex64)
    close(rl.fft.ifft(rl.from_numpy(single.copy())), np.fft.ifft(single), 1e-6)
    along = numbers((n, 40), real=True)
    close(rl.fft.rfft(rl.from_numpy(along.copy()), dim=0), np.fft.rfft(along, axis=0))


def test_inputs_that_are_views():
    x = numbers((6, 8, 10))
    t = rl.from_numpy(x.copy())
    close(rl.fft.fft2(t.transpose(0, 2)), np.fft.fft2(x.T))
    close(rl.fft.fft(t[::2, 1:, 3]), np.fft.fft(x[::2, 1:, 3]))
    wide = np.broadcast_to(x.real, (2, 6, 8, 10))
    close(rl.fft.rfft(rl.real(t).expand(2, 6, 8, 10), dim=1), np.fft.rfft(wide, axis=1))


def test_dtypes():
    assert rl.fft.fft(rl.arange(4)).dtype == rl.complex64
    assert rl.fft.rfft(rl.tensor([True, False])).dtype == rl.complex64
    assert rl.fft.fft(rl.ones(4, dtype=rl.float64)).dtype == rl.complex128
    assert rl.fft.irfft(rl.arange(4)).dtype == rl.float32
    for name in ONE:
        for dtype in (rl.float16, rl.bfloat16):
            with pytest.raises(RuntimeError, match=f"{name}: input has dtype .*float16"):
                getattr(rl.fft, name)(rl.ones(4, dtype=dtype))


def test_nothing_to_transform():
    assert rl.fft.fft(rl.ones(0, 3)).shape == (0, 3)
    assert rl.fft.fft(rl.ones(0, 3), n=2, dim=0).tolist() == [[0, 0, 0]] * 2
    assert rl.fft.fftn(rl.tensor(2.0)).tolist() == 2
    assert rl.fft.fftn(rl.ones(2, 3), dim=()).tolist() == [[1, 1, 1]] * 2


def test_out():
    x = rl.from_numpy(numbers((3, 4)))
    out = rl.empty(0, dtype=rl.complex128)
    assert rl.fft.fft(x, out=out) is out
    close(out, np.fft.fft(x.numpy()))
    with pytest.raises(RuntimeError, match=r"can't be cast to .*float64"):
        rl.fft.fft(x, out=rl.empty(3, 4, dtype=rl.float64))
    assert rl.fft.fftfreq(5, out=rl.empty(0, dtype=rl.float64)).dtype == rl.float64


@pytest.mark.parametrize("call, error, words", [
    (lambda x: rl.fft.fft(x, 0), RuntimeError, "fft: 0 points can't be transformed"),
    (lambda x: rl.fft.fft(x, -3), RuntimeError, "fft: -3 points"),
    (lambda x: rl.fft.fft(x, 2.5), TypeError, "fft: argument 'n' must be int"),
    (lambda x: rl.fft.fft(x, dim=(0, 1)), TypeError, "fft: argument 'dim' must be int"),
    (lambda x: rl.fft.fft(3), TypeError, "fft: argument 'input' must be Tensor, not int"),
    (lambda x: rl.fft.fftn(x, dim=2.5), TypeError, "fftn: argument 'dim' must be int"),
    (lambda x: rl.stft(x, 2.5), TypeError, "stft: argument 'n_fft' must be int, not float"),
    (lambda x: rl.stft(x, 4, 0.5), TypeError, "stft: argument 'hop_length' must be int, not float"),
    (lambda x: rl.stft(x, 4, window=3, return_complex=True), TypeError,
     "stft: argument 'window' must be Tensor, not int"),
    (lambda x: OPS["fft_c2c"](x, (0,), 1.0, True), TypeError, "fft_c2c: input has dtype float32; expected complex64"),
    (lambda x: OPS["fft_r2c"](x.half(), (0,), 1.0, True, True), TypeError, "fft_r2c: input has dtype float16"),
    (lambda x: OPS["fft_c2r"](x, (0,), 6, 1.0, True), TypeError, "fft_c2r: input has dtype float32"),
    (lambda x: rl.fft.ifft(x, dim=2), IndexError, r"ifft: dim=2 is out of range for input of shape \(4, 6\)"),
    (lambda x: rl.fft.fft(rl.tensor(1.0)), IndexError, r"fft: dim=-1 .* shape \(\)"),
    (lambda x: rl.fft.fft(x[:0], dim=0), RuntimeError, "fft: 0 points"),
    (lambda x: rl.fft.fft(x, norm="none"), RuntimeError, "fft: norm='none'; expected 'backward'"),
    (lambda x: rl.fft.rfft(x.to(rl.complex64)), RuntimeError, "rfft: input has dtype .*complex64"),
    (lambda x: rl.fft.irfft(x[:, :1]), RuntimeError, "irfft: 0 points"),
    (lambda x: rl.fft.rfftn(x, dim=()), RuntimeError, "rfftn: no dimension to transform"),
    (lambda x: rl.fft.fftn(x, s=(2, 2, 2)), RuntimeError, r"fftn: s=\(2, 2, 2\) has 3 sizes"),
    (lambda x: rl.fft.fftn(x, s=(2, 2), dim=(0,)), RuntimeError, "fftn: s=.* differ in length"),
    (lambda x: rl.fft.fftn(x, dim=(0, -2)), RuntimeError, "fftn: dim=.* names a dimension twice"),
    (lambda x: rl.fft.fftn(x, s=(2, -2)), RuntimeError, "fftn: -2 points"),
    (lambda x: rl.fft.fft2(x[0]), IndexError, "fft2: dim=-2 is out of range"),
    (lambda x: rl.fft.fftfreq(-2), RuntimeError, "fftfreq: n=-2 is negative"),
    (lambda x: rl.fft.rfftfreq(2, dtype=rl.int64), RuntimeError, "rfftfreq: dtype=.*int64; expected a floating"),
    (lambda x: rl.fft.fftshift(x, 2), IndexError, "fftshift: dim=2 is out of range"),
])
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(rl.ones(4, 6))


def test_frequencies_and_their_order():
    for n in range(9):
        if n:
            close(rl.fft.fftfreq(n, 0.1, dtype=rl.float64), np.fft.fftfreq(n, 0.1), 1e-15)
            close(rl.fft.rfftfreq(n, 0.1, dtype=rl.float64), np.fft.rfftfreq(n, 0.1), 1e-15)
        x = np.arange(float(n * 3)).reshape(n, 3)
        for dim in (None, 0, (1,), (0, -1)):
            close(rl.fft.fftshift(rl.from_numpy(x.copy()), dim), np.fft.fftshift(x, dim))
            close(rl.fft.ifftshift(rl.from_numpy(x.copy()), dim), np.fft.ifftshift(x, dim))
    assert rl.fft.fftfreq(0).shape == (0,) and rl.fft.fftfreq(3, requires_grad=True).requires_grad


@pytest.mark.parametrize("name", [name + suffix for name in ONE for suffix in ("", "2", "n")])
def test_gradients(name):
    function = getattr(rl.fft, name)

    def of_pairs(x):
        if name.rstrip("2n") not in REAL_ONLY:
            x = rl.view_as_complex(x)
        else:
            x = x[..., 0]
        y = function(x, norm="ortho")
        return rl.view_as_real(y) if y.is_complex() else y

    for shape in ((2, 5, 2), (3, 4, 2)):
        x = rl.from_numpy(numbers(shape, real=True)).requires_grad_()
        assert rl.autograd.gradcheck(of_pairs, (x,))
        assert rl.autograd.gradgradcheck(of_pairs, (x,))


def test_gradient_of_real_numbers_all_of_whose_coefficients_are_kept():
    x = rl.from_numpy(numbers((3, 5), real=True)).requires_grad_()
    assert rl.autograd.gradcheck(lambda x: rl.view_as_real(rl.fft.fft(x)), (x,))
    assert rl.autograd.gradcheck(lambda x: rl.view_as_real(rl.fft.fft2(x, s=(2, 7))), (x,))


def test_threads_share_nothing_and_forks_work():
    x = numbers((64, 1000))
    wanted = np.fft.fft(x)
    failed = []

    def work(n):
        for length in range(n, n + 60):                      # more plans than a thread keeps
            rl.fft.fft(rl.from_numpy(x[:, :length].copy()))
        if not np.allclose(rl.fft.fft(rl.from_numpy(x.copy())).numpy(), wanted):
            failed.append(n)

    threads = [threading.Thread(target=work, args=(100 * (i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(rl.fft.fft(rl.from_numpy(x.copy())).numpy(), wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


# ---- spectrograms ---------------------------------------------------------------------------------------------------

def frames_of(x, n_fft, hop):
    return np.stack([x[..., i:i + n_fft] for i in range(0, x.shape[-1] - n_fft + 1, hop)], -2)


@pytest.mark.parametrize("shape", [(40,), (3, 40)])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("win_length", [8, 5])
def test_stft_means_the_spectra_of_frames(shape, normalized, win_length):
    x, weights = numbers(shape, real=True), numbers(win_length, real=True, seed=1)
    left = (8 - win_length) // 2
    window = np.pad(weights, (left, 8 - win_length - left))
    for center, pad_mode in [(False, "reflect"), (True, "reflect"), (True, "constant"), (True, "replicate")]:
        got = rl.stft(rl.from_numpy(x.copy()), 8, 3, win_length, rl.from_numpy(weights.copy()), center, pad_mode,
                      normalized, return_complex=True)
        mode = {"replicate": "edge"}.get(pad_mode, pad_mode)
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(4, 4)], mode=mode) if center else x
        wanted = np.fft.rfft(frames_of(padded, 8, 3) * window, norm="ortho" if normalized else None)
        close(got, np.swapaxes(wanted, -1, -2))
        both = rl.stft(rl.from_numpy(x.copy()), 8, 3, win_length, rl.from_numpy(weights.copy()), center, pad_mode,
                       normalized, onesided=False, return_complex=True)
        wanted = np.fft.fft(frames_of(padded, 8, 3) * window, norm="ortho" if normalized else None)
        close(both, np.swapaxes(wanted, -1, -2))


def test_istft_is_the_inverse():
    x = numbers((2, 64), real=True)
    window = rl.hann_window(16, dtype=rl.float64)
    for options in (dict(), dict(normalized=True), dict(onesided=False), dict(hop_length=5), dict(win_length=16)):
        spectra = rl.stft(rl.from_numpy(x.copy()), 16, window=window, return_complex=True, **options)
        length = 16 // 2 * 2 + (spectra.shape[-1] - 1) * options.get("hop_length", 4) - 16
        close(rl.istft(spectra, 16, window=window, length=length, **options), x[:, :length])
    rough = rl.ones(16, dtype=rl.float64)
    spectra = rl.from_numpy(x[0].copy()).stft(16, window=rough, center=False, return_complex=True)
    close(spectra.istft(16, window=rough, center=False), x[0])
    with pytest.warns(UserWarning, match="istft: length=70"):
        longer = rl.istft(spectra, 16, window=rough, center=False, length=70)
    close(longer, np.pad(x[0], (0, 6)))


def test_stft_warns():
    with pytest.warns(UserWarning, match="stft: no window was given"):
        rl.stft(rl.ones(20), 8, return_complex=True)
    with pytest.warns(UserWarning, match="return_complex=False is deprecated"):
        assert rl.stft(rl.ones(20), 8, window=rl.ones(8), return_complex=False).shape == (5, 11, 2)


@pytest.mark.parametrize("options, words", [
    (dict(return_complex=None), "return_complex=None; expected True or False"),
    (dict(n_fft=30), r"n_fft=30 is out of range for a signal of length 20"),
    (dict(hop_length=0), "hop_length=0; expected hop_length > 0"),
    (dict(win_length=9), "win_length=9; expected 0 < win_length <= n_fft=8"),
    (dict(window=rl.ones(5)), r"window has shape \(5,\); expected \(8,\)"),
    (dict(center=True, align_to_window=True), "align_to_window=True is for center=False"),
    (dict(input=rl.arange(20)), "input has dtype rushlight.int64; expected a floating or complex"),
    (dict(input=rl.ones(2, 3, 4)), r"input has shape \(2, 3, 4\); expected \(L,\) or \(B, L\)"),
    (dict(n_fft=0), "n_fft=0; expected n_fft > 0"),
    (dict(n_fft=40, center=True), r"n_fft=40 centred with .*reflect. needs more than 20 .*of shape \(20,\)"),
    (dict(n_fft=50, center=True, pad_mode="circular"), r"n_fft=50 centred with .*circular. needs more than 24 "),
    (dict(input=rl.ones(0), center=True), r"n_fft=8 .* needs more than 4 elements of input of shape \(0,\)"),
    (dict(pad_mode="no", center=True), "pad_mode='no'; expected 'constant', 'reflect', 'replicate' or 'circular'"),
])
def test_stft_errors(options, words):
    given = dict(input=rl.ones(20), n_fft=8, window=rl.ones(8), center=False, return_complex=True) | options
    with pytest.raises(RuntimeError, match="stft: " + words):
        rl.stft(**given)


@pytest.mark.parametrize("options, words", [
    (dict(input=rl.ones(5, 11)), "input has dtype rushlight.float32; expected complex64"),
    (dict(n_fft=10), r"input has shape \(5, 11\); expected 6 coefficients"),
    (dict(onesided=False), "expected 8 coefficients"),
    (dict(hop_length=9), "hop_length=9; expected 0 < hop_length <= win_length=8"),
    (dict(win_length=9), "win_length=9; expected 0 < win_length <= n_fft=8"),
    (dict(window=rl.ones(5)), r"window has shape \(5,\)"),
    (dict(return_complex=True), "return_complex=True with onesided coefficients"),
    (dict(center=False), "the squares of the windows add up to zero"),
    (dict(length=0), "length=0; expected a positive number"),
])
def test_istft_errors(options, words):
    spectra = rl.stft(rl.ones(20), 8, window=rl.hann_window(8), return_complex=True)
    given = dict(input=spectra, n_fft=8, window=rl.hann_window(8)) | options
    with pytest.raises(RuntimeError, match="istft: .*" + words):
        rl.istft(**given)


def test_gradients_of_spectrograms():
    x = rl.from_numpy(numbers((2, 20), real=True)).requires_grad_()
    window = rl.from_numpy(np.abs(numbers(8, real=True, seed=2)) + 0.5).requires_grad_()

    def there(x, window):
        return rl.view_as_real(rl.stft(x, 8, 3, window=window, return_complex=True))

    def and_back(x, window):
        return rl.istft(rl.view_as_complex(x), 8, 3, window=window)

    assert rl.autograd.gradcheck(there, (x, window))
    spectra = there(x, window).detach().contiguous().requires_grad_()
    assert rl.autograd.gradcheck(and_back, (spectra, window))


# ---- windows --------------------------------------------------------------------------------------------------------

OLD = {"hann": {}, "hamming": {}, "blackman": {}, "bartlett": {}, "kaiser": {"beta": 12.0}}
NEW = {
    **OLD, "cosine": {}, "nuttall": {}, "exponential": {"tau": 1.5}, "gaussian": {"std": 0.9},
    "general_cosine": {"a": [0.46, 0.23, 0.31]}, "general_hamming": {"alpha": 0.6},
}


def scipy_window(name, length, symmetric, arguments):
    names = {"kaiser": "beta", "gaussian": "std", "general_cosine": "a", "general_hamming": "alpha"}
    given = {names.get(name, key): value for key, value in arguments.items()}
    return getattr(scipy.signal.windows, name)(length, sym=symmetric, **given)


@pytest.mark.parametrize("length", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("name", NEW)
def test_windows_are_scipys(name, symmetric, length):
    wanted = scipy_window(name, length, symmetric, NEW[name])
    got = getattr(rl.signal.windows, name)(length, sym=symmetric, dtype=rl.float64, **NEW[name])
    close(got, wanted, 1e-15)
    if name in OLD:
        close(getattr(rl, name + "_window")(length, not symmetric, dtype=rl.float64), wanted, 1e-15)
        assert getattr(rl, name + "_window")(length, dtype=rl.float16).dtype == rl.float16


def test_window_options():
    assert rl.hann_window(4).dtype == rl.float32 and rl.hann_window(4, requires_grad=True).requires_grad
    close(rl.hamming_window(5, False, 0.5, 0.2, dtype=rl.float64), 0.5 - 0.2 * np.cos(np.pi * np.arange(5) / 2), 1e-15)
    close(rl.signal.windows.exponential(5, sym=False, center=1, dtype=rl.float64), np.exp(-np.abs(np.arange(5.0) - 1)))


@pytest.mark.parametrize("call, error, words", [
    (lambda: rl.hann_window(-1), RuntimeError, "hann_window: window_length=-1 is negative"),
    (lambda: rl.hann_window(5.5), TypeError, "hann_window: argument 'window_length' must be int, not float"),
    (lambda: rl.hann_window(5, dtype=rl.int64), RuntimeError, "hann_window: dtype=.*int64; expected float32 or"),
    (lambda: rl.signal.windows.cosine(-1), ValueError, "cosine: M=-1 is negative"),
    (lambda: rl.signal.windows.cosine(5, dtype=rl.float16), ValueError, "cosine: dtype=.*float16"),
    (lambda: rl.signal.windows.cosine(5, layout="sparse"), ValueError, "cosine: layout='sparse'"),
    (lambda: rl.signal.windows.general_cosine(5, a=[]), ValueError, r"general_cosine: a=\[\] is empty"),
    (lambda: rl.signal.windows.general_cosine(5, a=3), TypeError, "general_cosine: argument 'a' must be"),
    (lambda: rl.signal.windows.gaussian(5, std=0), ValueError, "gaussian: std=0; expected a positive"),
    (lambda: rl.signal.windows.exponential(5, tau=0), ValueError, "exponential: tau=0"),
    (lambda: rl.signal.windows.exponential(5, center=1), ValueError, "exponential: center=1 is for sym=False"),
    (lambda: rl.signal.windows.kaiser(5, beta=-1), ValueError, "kaiser: beta=-1 is negative"),
])
def test_window_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- PyTorch, where it is installed ---------------------------------------------------------------------------------

@pytest.mark.torch
@pytest.mark.parametrize("align", [None, False, True])
@pytest.mark.parametrize("win_length", [3, 4, 7])
def test_stft_without_center_is_pytorchs(align, win_length):
    torch = pytest.importorskip("torch")
    x, window = numbers((2, 30), real=True), np.ones(win_length)
    got = rl.stft(rl.from_numpy(x.copy()), 8, 2, win_length, rl.from_numpy(window), center=False, return_complex=True,
                  align_to_window=align)
    wanted = torch.stft(torch.from_numpy(x), 8, 2, win_length, torch.from_numpy(window), center=False,
                        return_complex=True, align_to_window=align)
    close(got, wanted.resolve_conj().numpy())


@pytest.mark.torch
@pytest.mark.parametrize("name", [name + suffix for name in ONE for suffix in ("", "2", "n")])
def test_complex_gradients_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    x = numbers((3, 4, 6), real=name.rstrip("2n") in REAL_ONLY)
    ours, theirs = rl.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(x.copy()).requires_grad_()
    y, z = getattr(rl.fft, name)(ours), getattr(torch.fft, name)(theirs)
    weight = numbers(tuple(z.shape), real=not z.is_complex(), seed=3)
    y.backward(rl.from_numpy(weight.copy()))
    z.backward(torch.from_numpy(weight.copy()))
    close(ours.grad, theirs.grad.resolve_conj().numpy())
