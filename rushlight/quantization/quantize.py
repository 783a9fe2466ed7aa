"""From a float model to one of integers: observe, calibrate, convert; or convert at once where inputs stay floats."""
import copy

from rushlight import nn
from rushlight.autograd import no_grad
from rushlight.functional._core import core
from rushlight.nn import intrinsic, qat, quantized
from rushlight.nn.quantized import dynamic
from rushlight.quantization.qconfig import (
    bfloat16_dynamic_qconfig,
    default_dynamic_qconfig,
    float16_dynamic_qconfig,
    float_qparams_weight_only_qconfig,
)
from rushlight.quantization.stubs import DeQuantStub, QuantStub

__all__ = ["convert", "prepare", "prepare_qat", "propagate_qconfig_", "quantize", "quantize_dynamic", "quantize_qat"]

_STATIC = {
    nn.Linear: quantized.Linear, nn.Conv1d: quantized.Conv1d, nn.Conv2d: quantized.Conv2d, nn.Conv3d: quantized.Conv3d,
    QuantStub: quantized.Quantize, DeQuantStub: quantized.DeQuantize, quantized.FloatFunctional: quantized.QFunctional,
}
_FUSED = {
    intrinsic.LinearReLU: intrinsic.quantized.LinearReLU, intrinsic.ConvReLU1d: intrinsic.quantized.ConvReLU1d,
    intrinsic.ConvReLU2d: intrinsic.quantized.ConvReLU2d, intrinsic.ConvReLU3d: intrinsic.quantized.ConvReLU3d,
}
_TRAINED = {kind._float: kind for kind in (
    qat.Linear, qat.Conv1d, qat.Conv2d, qat.Conv3d,
    *(kind for kind in vars(intrinsic.qat).values() if isinstance(kind, type) and issubclass(kind, qat.Rounded)))}
_DYNAMIC = {
    nn.Linear: dynamic.Linear, nn.LSTM: dynamic.LSTM, nn.GRU: dynamic.GRU, nn.RNN: dynamic.RNN,
    nn.LSTMCell: dynamic.LSTMCell, nn.GRUCell: dynamic.GRUCell, nn.RNNCell: dynamic.RNNCell,
    nn.MultiheadAttention: dynamic.MultiheadAttention, nn.Embedding: quantized.Embedding,
    nn.EmbeddingBag: quantized.EmbeddingBag,
}
_TABLES = {nn.Embedding, nn.EmbeddingBag}
_DYNAMIC_BY_DEFAULT = {*_DYNAMIC} - _TABLES


def propagate_qconfig_(module, qconfig_dict=None, prefix="", inherited=None):
    """Give every module of a tree its `qconfig`: by its name, its type, its own attribute, or what is above it.

    Args:
        module (Module): the tree; it is changed.
        qconfig_dict (dict, optional): from names and types to a QConfig, or None for none.
        prefix (str): the name of `module`.
        inherited (QConfig, optional): of what is above.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(2, 2))
        >>> rl.quantization.propagate_qconfig_(model, {rl.nn.Linear: rl.quantization.default_qconfig})
        >>> model[0].qconfig is rl.quantization.default_qconfig
        True
    """
    given = qconfig_dict or {}
    qconfig = getattr(module, "qconfig", inherited)
    qconfig = given.get(prefix, given.get(type(module), qconfig)) if prefix else given.get(type(module), qconfig)
    module.qconfig = qconfig
    for name, child in module.named_children():
        propagate_qconfig_(child, given, f"{prefix}.{name}" if prefix else name, qconfig)


def _observe(module, input, output):
    return module.activation_post_process(output)


def _add_observers(module, kinds):
    for child in module.children():
        if type(child) in kinds and getattr(child, "qconfig", None) is not None:
            child.activation_post_process = child.qconfig.activation()
            if not isinstance(child, quantized.FloatFunctional):
                child.register_forward_hook(_observe, prepend=True)
        elif not isinstance(child, tuple(_FUSED)):
            _add_observers(child, kinds)


_OBSERVED = {*_STATIC, *_FUSED} - {DeQuantStub}


def prepare(model, inplace=False):
    """The model with observers behind the layers that have a `qconfig`, to be calibrated by running it on some data.

    Args:
        model (Module): in evaluation mode, with `qconfig` set on it or on parts of it; what is to run on integers lies
            between a `QuantStub` and a `DeQuantStub`.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: the model with observers.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.QuantWrapper(rl.nn.Linear(4, 3)).eval()
        >>> model.qconfig = rl.quantization.default_qconfig
        >>> prepared = rl.quantization.prepare(model)
        >>> _ = prepared(rl.randn(10, 4))
        >>> type(rl.quantization.convert(prepared).module)
        <class 'rushlight.nn.quantized._modules.Linear'>
    """
    model = model if inplace else copy.deepcopy(model)
    propagate_qconfig_(model)
    _add_observers(model, _OBSERVED)
    return model


def prepare_qat(model, mapping=None, inplace=False):
    """The model for quantization-aware training: weights and results are rounded as they will be, gradients pass.

    Args:
        model (Module): in training mode, with `qconfig` set; fused by `fuse_modules_qat` where batch norms are.
        mapping (dict, optional): from types of modules to classes with `from_float`, instead of those of `nn.qat` and
            `nn.intrinsic.qat`.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: the model to train; then `convert(model.eval())`.

    Raises:
        AssertionError: the model is in evaluation mode.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.QuantWrapper(rl.nn.Linear(4, 3)).train()
        >>> model.qconfig = rl.quantization.get_default_qat_qconfig()
        >>> trained = rl.quantization.prepare_qat(model)
        >>> trained(rl.randn(10, 4)).sum().backward()
        >>> type(rl.quantization.convert(trained.eval()).module)
        <class 'rushlight.nn.quantized._modules.Linear'>
    """
    if not model.training:
        raise AssertionError("prepare_qat: the model is in evaluation mode; expected model.train()")
    model = model if inplace else copy.deepcopy(model)
    propagate_qconfig_(model)
    mapping = _TRAINED if mapping is None else mapping
    _swap(model, lambda module: None if getattr(module, "qconfig", None) is None or type(module) not in mapping else
          mapping[type(module)].from_float(module))
    _add_observers(model, {*mapping.values(), QuantStub, quantized.FloatFunctional})
    return model


def _swap(module, change, path=""):
    """Replace each module of the tree that `change` has something for."""
    for name, child in module.named_children():
        try:
            made = change(child)
        except RuntimeError as error:
            raise RuntimeError(f"{error} (in {path}{name}: {type(child).__name__})") from error
        if made is None:
            _swap(child, change, f"{path}{name}.")
        else:
            setattr(module, name, made.train(child.training))


def convert(module, mapping=None, inplace=False):
    """The calibrated or trained model, of integers.

    Args:
        module (Module): from `prepare` after calibration, or from `prepare_qat` after training, in evaluation mode.
        mapping (dict, optional): from types of modules to classes with `from_float`, besides those that there are.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: between its stubs it computes with 8-bit integers.

    Raises:
        RuntimeError: an observer has seen no values.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.QuantWrapper(rl.nn.Linear(4, 3)).eval()
        >>> model.qconfig = rl.quantization.default_qconfig
        >>> prepared = rl.quantization.prepare(model)
        >>> _ = prepared(rl.randn(10, 4))
        >>> rl.quantization.convert(prepared)(rl.randn(2, 4)).shape
        rushlight.Size([2, 3])
    """
    module = module if inplace else copy.deepcopy(module)
    _swap(module, lambda child: _converted(child, mapping or {}))
    for part in module.modules():
        part.__dict__.pop("qconfig", None)
    return module


def _converted(module, mapping):
    if type(module) in mapping:
        return mapping[type(module)].from_float(module)
    if isinstance(module, DeQuantStub):
        return quantized.DeQuantize()
    if not hasattr(module, "activation_post_process") or getattr(module, "qconfig", None) is None:
        return None
    plain = module.to_float() if isinstance(module, qat.Rounded) else module
    layer = plain[0] if type(plain) in _FUSED else plain
    if layer is not module:
        layer.qconfig, layer.activation_post_process = module.qconfig, module.activation_post_process
        layer.weight_fake_quant = getattr(module, "weight_fake_quant", None)
    made = {**_STATIC, **_FUSED}.get(type(plain))
    return made and made.from_float(layer)


def quantize(model, run_fn, run_args, mapping=None, inplace=False):
    """Observe, calibrate and convert in one call.

    Args:
        model (Module): see `prepare`.
        run_fn (callable): run_fn(model, *run_args) runs the model on data for calibration.
        run_args (tuple): its further arguments.
        mapping (dict, optional): see `convert`.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: of integers.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.QuantWrapper(rl.nn.Linear(4, 3)).eval()
        >>> model.qconfig = rl.quantization.default_qconfig
        >>> quantized = rl.quantization.quantize(model, lambda m, x: m(x), (rl.randn(10, 4),))
    """
    model = prepare(model.eval(), inplace)
    with no_grad():
        run_fn(model, *run_args)
    return convert(model, mapping, True)


def quantize_qat(model, run_fn, run_args, inplace=False):
    """Prepare for quantization-aware training, train and convert in one call.

    Args:
        model (Module): see `prepare_qat`.
        run_fn (callable): run_fn(model, *run_args) trains the model.
        run_args (tuple): its further arguments.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: of integers.

    Example:
        >>> import rushlight as rl
        >>> model = rl.quantization.QuantWrapper(rl.nn.Linear(4, 3))
        >>> model.qconfig = rl.quantization.default_qat_qconfig
        >>> quantized = rl.quantization.quantize_qat(model, lambda m, x: m(x).sum().backward(), (rl.randn(10, 4),))
    """
    model = prepare_qat(model.train(), inplace=inplace)
    run_fn(model, *run_args)
    return convert(model.eval(), inplace=True)


def quantize_dynamic(model, qconfig_spec=None, dtype=core.int8, mapping=None, inplace=False):
    """The model with small weights: floats go in and come out of each layer, no calibration is needed.

    Linear and recurrent layers and the projections of attention; embeddings where `qconfig_spec` names them. With int8,
    each row that goes into a product becomes int8 by its own largest magnitude, so that a result does not depend on the
    rest of the batch. With bfloat16 or float16, linear layers compute in that dtype.

    Args:
        model (Module): the float model; or a Module of a type that there is a dynamic form of.
        qconfig_spec (set | dict, optional): types or names of modules; with a QConfig each in a dict. All types but
            the embeddings when None.
        dtype (dtype): qint8 (int8), float16 or bfloat16. Default: qint8.
        mapping (dict, optional): from types of modules to classes with `from_float`, instead of those that there are.
        inplace (bool): change the model itself. Default: False.

    Returns:
        Module: the model with quantized layers.

    Raises:
        ValueError: `dtype` is another.

    Example:
        >>> import rushlight as rl
        >>> model = rl.nn.Sequential(rl.nn.Linear(4, 3), rl.nn.ReLU())
        >>> rl.quantization.quantize_dynamic(model, {rl.nn.Linear}, dtype=rl.qint8)
        Sequential(
          (0): Linear(in_features=4, out_features=3, dtype=rushlight.int8)
          (1): ReLU()
        )
    """
    name = str(dtype).rpartition(".")[2]
    configs = {"qint8": default_dynamic_qconfig, "int8": default_dynamic_qconfig, "float16": float16_dynamic_qconfig,
               "bfloat16": bfloat16_dynamic_qconfig}
    if name not in configs:
        raise ValueError(f"quantize_dynamic: dtype={dtype}; expected qint8, float16 or bfloat16")
    if qconfig_spec is None:
        qconfig_spec = {nn.Linear} if "float" in name else _DYNAMIC_BY_DEFAULT
    if not isinstance(qconfig_spec, dict):
        qconfig_spec = {what: float_qparams_weight_only_qconfig if what in _TABLES else configs[name]
                        for what in qconfig_spec}
    model = model if inplace else copy.deepcopy(model)
    model.eval()
    propagate_qconfig_(model, qconfig_spec)
    mapping = _DYNAMIC if mapping is None else mapping
    whole = _dynamic(model, mapping)
    if whole is not None:
        return whole
    _swap(model, lambda child: _dynamic(child, mapping))
    for part in model.modules():
        part.__dict__.pop("qconfig", None)
    return model


def _dynamic(module, mapping):
    qconfig = getattr(module, "qconfig", None)
    if qconfig is None or type(module) not in mapping:
        return None
    dtype = qconfig.weight().dtype
    if dtype in (core.float16, core.bfloat16):
        return dynamic.Linear16.from_float(module, dtype) if isinstance(module, nn.Linear) else None
    return mapping[type(module)].from_float(module)
