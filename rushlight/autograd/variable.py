"""The name that tensors with gradients had in the oldest programs."""

from rushlight._C import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(data, requires_grad=False)` is a tensor over the same memory; every tensor is an instance."""

    def __new__(cls, data=None, requires_grad=False, volatile=False):
        made = Tensor() if data is None else data.detach()
        return made.requires_grad_(requires_grad)
