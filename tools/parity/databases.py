"""PyTorch's databases of modules and of optimizers, in the terms of its database of operators. Imports torch."""
import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
from torch.testing._internal.common_optimizers import optim_db

from tools.parity import stateful

_COMPLEX = (torch.complex64, torch.complex128)


def _remember(made):
    """Modules of this class keep what they were made with, so that one can be written down as another's argument."""
    plain = made.__init__

    def remembering(self, *args, **options):
        plain(self, *args, **options)
        self.made_with = args, _portable(options)

    made.__init__ = remembering


def _portable(options):
    return {k: v for k, v in options.items() if k not in ("device", "dtype")}


class Sample:
    def __init__(self, input, args=(), kwargs=None):
        self.input, self.args, self.kwargs = input, tuple(args), dict(kwargs or {})


class Case:
    """A call that must be refused."""

    def __init__(self, sample_input, error_type):
        self.sample_input, self.error_type = sample_input, error_type


class Entry:
    """What the exporter asks of an operator, for a module or an optimizer."""

    variant_test_name, aliases = "", ()
    method_variant = inplace_variant = None
    supports_out = False

    def __init__(self, name, info, errors):
        self.name, self.formatted_name, self.info = name, name.replace(".", "_"), info
        self.op = stateful.find(torch, name)
        self.error_inputs_func = errors

    def supported_dtypes(self, device):
        return self.dtypes

    supported_backward_dtypes = supported_dtypes


class Module(Entry):
    supports_autograd = True

    def __init__(self, info):
        super().__init__(info.name, info, info.module_error_inputs_func)
        self.dtypes = info.dtypes
        self.decorators = info.decorators

    def sample_inputs(self, device, dtype, requires_grad):
        for training in [True, False] if self.info.train_and_eval_differ else [True]:
            for given in self.info.module_inputs_func(self.info, device, dtype, requires_grad, training):
                yield self._sample(given, dtype, training)

    def _sample(self, given, dtype, training):
        make, forward = given.constructor_input, given.forward_input
        args, kwargs = (forward.args, forward.kwargs) if forward else ((), {})
        torch.manual_seed(0)
        module = self.info.module_cls(*make.args, **make.kwargs)
        if self.info.is_lazy:
            module.to(dtype)
            with torch.no_grad():
                module(*args, **kwargs)
        trained = dict(module.named_parameters())
        state = {k: v.detach().to(dtype if v.is_floating_point() or v.is_complex() else v.dtype, copy=True)
                 .requires_grad_(k in trained) for k, v in module.state_dict().items()}
        return Sample(self._setup(make, state, training), args, kwargs)

    def _setup(self, make, state, training):
        return {"make": (tuple(make.args), _portable(make.kwargs)), "state": state, "training": training}

    def error_inputs(self, device):
        for case in self.info.module_error_inputs_func(self.info, device, torch.float32, False, True):
            given = case.module_error_input
            forward = given.forward_input if case.error_on == ModuleErrorEnum.FORWARD_ERROR else None
            yield Case(Sample(self._setup(given.constructor_input, None, True), forward.args if forward else (),
                              forward.kwargs if forward else {}), case.error_type)


class Optimizer(Entry):
    supports_autograd = True   # where the update is to be differentiable

    def __init__(self, info):
        super().__init__(f"optim.{info.name}", info, info.optim_error_inputs_func)
        self.dtypes = (torch.float32, torch.float64, *([torch.complex64] if info.supports_complex else []))
        self.decorators = info.decorators

    def sample_inputs(self, device, dtype, requires_grad):
        for options in self._options(device, dtype):
            needs = bool(options.get("differentiable"))
            params = [torch.testing.make_tensor(shape, device=device, dtype=dtype, low=-2, high=2, requires_grad=needs)
                      for shape in [(5, 3), (3, 4)]]
            yield Sample(_steps_from(params, options))
            if needs or self.info.only_supports_sparse_grads:
                continue
            groups = [{}, {"lr": 0.02}] if self.info.supports_param_groups else None
            if groups:
                yield Sample(_steps_from(params, options, groups))
            yield self._resumed(params, options, groups)

    def _options(self, device, dtype):
        """Those of the database, plain and with each implementation that it offers here."""
        # Searches stop early: where they have converged, what they keep is rounding.
        short = {"max_iter": 3} if self.info.step_requires_closure else {}
        for given in self.info.optim_inputs_func(device=device, dtype=dtype):
            yield given.kwargs | short
            for flag in self.info.supported_impls:
                if flag != "fused" or (device in self.info.supports_fused_on and dtype not in _COMPLEX):
                    yield given.kwargs | {flag: True}

    def _resumed(self, params, options, groups):
        """Steps from the state that PyTorch's optimizer has after some."""
        ends = [p.detach().clone().requires_grad_() for p in params]
        made = self.info.optim_cls([{"params": [p], **g} for p, g in zip(ends, groups)] if groups else ends, **options)

        def closure():
            made.zero_grad()
            loss = sum(p.abs().square().sum() for p in ends)
            loss.backward()
            return loss.detach()

        for _ in range(2):
            closure()
            made.step(closure)
        return Sample(_steps_from([p.detach() for p in ends], options, groups, made.state_dict()))

    def error_inputs(self, device):
        for case in self.info.optim_error_inputs_func(device, torch.float32):
            given = case.optimizer_error_input
            params = [torch.ones(2, 3, requires_grad=True)] if given.params is None else given.params
            yield Case(Sample(_steps_from(params, given.kwargs) | {"strict": True}), case.error_type)


def _steps_from(params, options, groups=None, resume=None):
    return {"params": params, "options": options, "groups": groups, "resume": resume,
            "steps": 2 if "max_iter" in options else 5}


def entries():
    for made in (torch.nn.TransformerEncoderLayer, torch.nn.PairwiseDistance):
        _remember(made)
    return [Module(info) for info in module_db] + [Optimizer(info) for info in optim_db]
