"""Attributes, items and methods of values in scripted programs."""
import ast
import inspect
import types

from rushlight import _C
from rushlight._C import Tensor
from rushlight.jit import _script_types as ty
from rushlight.jit._script_operators import Operator
from rushlight.jit._script_values import (
    NOTHING,
    Bound,
    Dyn,
    Instance,
    Map,
    Seq,
    Shape,
    Slice,
    Static,
    fields_of,
    is_known,
    lift,
    lower,
    told,
    type_of,
)
from rushlight.nn.modules.module import Module

_KNOWN_ATTRIBUTES = {"is_cuda": False, "is_sparse": False, "is_quantized": False, "is_mkldnn": False, "is_meta": False,
                     "is_cpu": True}
#: Methods of tensors that are no operators: what they compute.
_TENSOR_PRIMITIVES = {"dim": ("tensor_dim", ty.INT), "ndimension": ("tensor_dim", ty.INT),
                      "numel": ("tensor_numel", ty.INT), "nelement": ("tensor_numel", ty.INT),
                      "item": ("tensor_item", ty.NUMBER), "is_contiguous": ("tensor_is_contiguous", ty.BOOL),
                      "is_floating_point": ("tensor_is_floating_point", ty.BOOL)}
_ALL_DTYPES = [d for d in vars(_C).values() if isinstance(d, _C.dtype)]
_DTYPES_THAT = {name: list(dict.fromkeys(d for d in _ALL_DTYPES if getattr(d, name)))
                for name in ("is_floating_point", "is_complex")}
_OF_PYTHON = ("grad", "grad_fn", "numpy", "backward", "register_hook", "retain_grad", "data_ptr")
_UNCHANGED = ("cpu", "requires_grad_")


class Members:
    """Attributes and items; a part of the compiler."""

    # -- attributes

    def eval_Attribute(self, node):
        return self.attribute(self.eval(node.value), node.attr, node)

    def attribute(self, value, name, node):
        if isinstance(value, Static):
            return self._static_attribute(value, name, node)
        if isinstance(value, Instance):
            return self._instance_attribute(value, name, node)
        if isinstance(value, Seq) and value.cls is not None and name in fields_of(value.cls):
            return value.items[fields_of(value.cls).index(name)]
        kind = type_of(value)
        if name == "wait" and kind is not None:      # of what fork gave
            return Bound(value, name)
        if isinstance(value, Dyn) and kind.fields and name in kind.fields[1:]:
            return self.unpacked(value, node)[kind.fields.index(name) - 1]
        if kind == ty.TENSOR:
            return self._tensor_attribute(value, name, node)
        if kind == ty.DTYPE and name in _DTYPES_THAT:
            return self.contained(value, Seq("tuple", [Static(d) for d in _DTYPES_THAT[name]]), node)
        if (kind is not None and kind.kind in ("list", "dict", "str", "tuple", "int", "float", "bool", "number")) or (
                isinstance(value, Seq | Map)):
            return Bound(value, name)
        if kind is not None and kind.kind == "optional":
            raise self.error(node, f"attribute '{name}' of {kind}, which may be None; expected a check before it: "
                                   "assert "
                            "... is not None, or if ... is not None")
        raise self.error(node, f"{told(value)} has no attribute '{name}'")

    def _static_attribute(self, value, name, node):
        obj = value.obj
        if isinstance(obj, Module):
            return self.module_attribute(obj, name, node)
        if isinstance(obj, str | int | float) and not isinstance(obj, type) and not hasattr(type(obj), "__members__"):
            return Bound(value, name)
        if isinstance(obj, Tensor):
            return self._tensor_attribute(self.constant(obj, node), name, node)
        try:
            found = getattr(obj, name)
        except AttributeError:
            raise self.error(node, f"{told(value)} has no attribute '{name}'") from None
        if isinstance(found, Tensor):
            return self.constant(found, node)
        return lift(found)

    def _instance_attribute(self, value, name, node):
        if name in value.attrs:
            return value.attrs[name]
        found = inspect.getattr_static(value.cls, name, None)
        if isinstance(found, property):
            return self.call_function(found.fget, [value], {}, node)
        if isinstance(found, staticmethod):
            return Static(found.__func__)
        if isinstance(found, types.FunctionType):
            return Bound(value, found)
        raise self.error(node, f"class {value.cls.__name__} has no attribute '{name}'; expected one that __init__ "
                               "sets, or a "
                        "method")

    def _tensor_attribute(self, value, name, node):
        if name == "shape":
            return Shape(value)
        if name == "dtype":
            return self.prim("tensor_dtype", [value], ty.DTYPE, node)
        if name == "ndim":
            return self.prim("tensor_dim", [value], ty.INT, node)
        if name == "requires_grad":
            return self.prim("tensor_requires_grad", [value], ty.BOOL, node)
        if name == "device":
            return Static(_C.device("cpu"))
        if name == "data":
            return self.operate("detach", [value], node)
        if name in _KNOWN_ATTRIBUTES:
            return Static(_KNOWN_ATTRIBUTES[name])
        if name == "mT":
            return self.operate("transpose", [value, Static(-2), Static(-1)], node)
        if name == "T":
            last = self.prim("num_sub", [self.prim("tensor_dim", [value], ty.INT, node), Static(1)], ty.INT, node)
            dims = self.prim("list_range", [last, Static(-1), Static(-1)], ty.list_of(ty.INT), node)
            return self.operate("permute", [value, dims], node)
        found = inspect.getattr_static(Tensor, name, None)
        if isinstance(found, property):
            return self.call_function(found.fget, [value], {}, node)
        if found is None or name in _OF_PYTHON:
            raise self.error(node, f"'{name}' of a Tensor; expected a method or attribute that a program without "
                                   "Python has")
        return Bound(value, name)

    def set_attribute(self, owner, name, value, node):
        if isinstance(owner, Static) and isinstance(owner.obj, Module):
            self.set_module_attribute(owner.obj, name, value, node)
            return
        if not isinstance(owner, Instance):
            raise self.error(node, f"attribute '{name}' of {told(owner)} can't be assigned; expected self of a module "
                                   "or of a "
                            "scripted class")
        value = self.settled(value, node)
        if name in owner.attrs:
            kind = owner.cls.__rushlight_script_class__.get(name) or type_of(owner.attrs[name])
            owner.attrs[name] = value if kind is None else self.convert(value, kind, node, lambda got: (
                f"attribute '{name}' had type {kind} and is assigned a value {got}; expected one type"))
            return
        if not self.frame.initializing:
            raise self.error(node, f"attribute '{name}' of class {owner.cls.__name__} is first assigned outside "
                                   "__init__; "
                            "expected all attributes to be set in __init__")
        owner.attrs[name] = value

    # -- items

    def item(self, value, index, node):
        """value[index]."""
        if isinstance(value, Static):
            if is_known(index) and not isinstance(value.obj, Module):
                return lift(value.obj[lower(index)])
            return self.module_item(value, index, node)
        if isinstance(value, Shape) and type_of(index) in (ty.INT, ty.BOOL):
            return self.prim("tensor_size", [value.tensor, index], ty.INT, node)
        if isinstance(value, Map):
            if not is_known(index) or lower(index) not in value.items:
                raise self.error(node, f"a dict of {list(value.items)} is read by a key that is not known or not in it")
            return value.items[lower(index)]
        if isinstance(value, Seq) and self._is_known_place(index):
            return self._known_item(value, lower(index), node)
        kind = type_of(value)
        if kind == ty.TENSOR:
            return self.tensor_item(value, index, node)
        if isinstance(value, Seq | Shape):
            value = self.made(value, node)
        if kind is None or kind.kind not in ("list", "tuple", "dict", "str"):
            raise self.error(node, f"{told(value)} has no items" + ("; expected a check that it is not None before"
                                                             if kind is not None and kind.kind == "optional" else ""))
        return self._value_item(value, kind, index, node)

    def _is_known_place(self, index):
        return is_known(index) and isinstance(lower(index), int | slice)

    def _known_item(self, value, at, node):
        try:
            found = value.items[at]
        except IndexError:
            raise self.error(node, f"index {at} is out of range for a {value.kind} of {len(value.items)} "
                             "items") from None
        return Seq(value.kind, found) if isinstance(at, slice) else found

    def _value_item(self, value, kind, index, node):
        if kind.kind == "dict":
            return self.prim("dict_get", [value, self.convert(index, kind.args[0], node)], kind.args[1], node)
        if kind.kind == "tuple":
            return self._tuple_item(value, kind, index, node)
        if isinstance(index, Slice):
            parts = [index.start, index.stop, index.step]
            return self.prim(f"{kind.kind}_slice", [value, *parts], kind, node)
        if type_of(index) not in (ty.INT, ty.BOOL, ty.TENSOR):
            raise self.error(node, f"the index is {told(index)}; expected int or a slice")
        index = self.prim("to_int", [index], ty.INT, node) if type_of(index) == ty.TENSOR else index
        return self.prim(f"{kind.kind}_index", [value, index], ty.STR if kind == ty.STR else kind.args[0], node)

    def _tuple_item(self, value, kind, index, node):
        if self._is_known_place(index):
            return self._known_item(Seq("tuple", self.unpacked(value, node)), lower(index), node)
        if len(set(kind.args)) != 1:
            raise self.error(node, f"the index into {kind} is only known when the program runs; expected a literal, "
                                   "or items of "
                            "one type")
        return self.prim("tuple_index", [value, index], kind.args[0], node)

    def set_item(self, owner, index, value, node):
        kind = type_of(owner)
        self.refuse_frozen(owner, "[]", node)
        if kind == ty.TENSOR:
            self.set_tensor_item(owner, index, value, node)
        elif (isinstance(owner, Map) and is_known(index)) or (
                isinstance(owner, Seq) and owner.kind == "list" and self._is_known_place(index)):
            owner.items[lower(index)] = value
        elif kind is not None and kind.kind == "dict":
            self.effect("dict_set", [owner, self.convert(index, kind.args[0], node),
                                     self.convert(value, kind.args[1], node)], node)
        elif kind is not None and kind.kind == "list" and not isinstance(index, Slice):
            self.effect("list_set", [owner, index, self.convert(value, kind.args[0], node)], node)
        else:
            raise self.error(node, f"items of {told(owner)} can't be assigned so; expected a Tensor, dict, or a list "
                                   "and an int")

    # -- indices of tensors

    def tensor_item(self, value, index, node):
        return self._taken(value, index, node, lambda view: view, lambda view, arrays, dims: self.operate(
            "index", [view, arrays, dims], node))

    def set_tensor_item(self, owner, index, value, node):
        kind = type_of(value)
        if kind not in (ty.TENSOR, *ty.NUMBERS, ty.NUMBER):
            raise self.error(node, f"items of a Tensor are assigned {told(value)}; expected a Tensor or number")

        def write(view):
            return self.operate("copy_" if kind == ty.TENSOR else "fill_", [view, value], node)

        def write_by_index(view, arrays, dims):
            dtype = self.prim("tensor_dtype", [view], ty.DTYPE, node)
            made = self.operate("to_dtype", [value, dtype], node) if kind == ty.TENSOR else self.call_operator(
                _C.full, [Seq("list", []), value], {"dtype": dtype}, node)
            return self.operate("index_write", [view, arrays, made, dims, Static(False)], node, in_place=True)
        self._taken(owner, index, node, write, write_by_index)

    def _taken(self, value, index, node, plain, by_index):
        """Takes an index apart into views, and the tensors in it, as eager mode does."""
        entries = index.items if isinstance(index, Seq) and index.kind == "tuple" else [index]
        dots = [i for i, e in enumerate(entries) if isinstance(e, Static) and e.obj is Ellipsis]
        if len(dots) > 1:
            raise self.error(node, "an index holds several `...`; expected one")
        if any(self._is_array(e) for e in entries):
            return self._by_arrays(value, entries, node, by_index)
        at, view, behind = 0, value, False
        for place, entry in enumerate(entries):
            if dots and place == dots[0]:            # behind `...` dimensions count from the end
                at, behind = -sum(1 for e in entries[place + 1:] if not _is_new(e)), True
                continue
            if behind and _is_new(entry):
                view = self.operate("unsqueeze", [view, Static(at - 1)], node)
                continue
            view, step = self._view(view, entry, Static(at), node)
            at += 1 if behind else step
        return plain(view)

    def _view(self, view, entry, at, node):
        kind = type_of(entry)
        if _is_new(entry):
            return self.operate("unsqueeze", [view, at], node), 1
        if isinstance(entry, Slice):
            parts = [entry.start, entry.stop, entry.step]
            if all(isinstance(p, Static) and p.obj is None for p in parts):
                return view, 1
            step = Static(1) if isinstance(entry.step, Static) and entry.step.obj is None else entry.step
            return self.operate("slice", [view, at, *parts[:2], step], node), 1
        if kind == ty.INT:
            return self.operate("select", [view, at, entry], node), 0
        raise self.error(node, f"an index holds {told(entry)}; expected int, slice, None, `...` or a Tensor")

    def _is_array(self, entry):
        kind = type_of(entry)
        return kind == ty.TENSOR or (kind is not None and kind.kind == "list") or kind == ty.BOOL or (
            isinstance(entry, Seq))

    def _by_arrays(self, value, entries, node, by_index):
        view, arrays, dims, at = value, [], [], Static(0)
        for place, entry in enumerate(entries):
            if isinstance(entry, Static) and entry.obj is Ellipsis:      # what is behind it counts from the end
                behind = sum(not _is_new(e) for e in entries[place + 1:])
                rank = self.prim("tensor_dim", [view], ty.INT, node)
                at = self.prim("num_sub", [rank, Static(behind)], ty.INT, node)
                continue
            if self._is_array(entry):
                if type_of(entry) != ty.TENSOR:
                    entry = self.prim("tensor_make", [entry, NOTHING], ty.TENSOR, node)
                arrays.append(entry)
                dims.append(at)
                at = self.binary(ast.Add, at, Static(1), node)
                continue
            view, step = self._view(view, entry, at, node)
            at = self.binary(ast.Add, at, Static(step), node)
        kinds = ty.list_of(ty.TENSOR), ty.list_of(ty.INT)
        lists = [self.made(Seq("list", part), node, kind) for part, kind in zip((arrays, dims), kinds, strict=True)]
        return by_index(view, *self.unpacked(self.call_helper("places", lists, node), node))

    # -- methods of tensors that are no operators

    def tensor_method(self, value, name, args, kwargs, node):
        found = inspect.getattr_static(Tensor, name, None)
        if isinstance(found, Operator):
            return self.call_operator(found, [value, *args], kwargs, node)
        if isinstance(found, types.FunctionType):
            return self.call_function(found, [value, *args], kwargs, node)
        if name in _TENSOR_PRIMITIVES and not args:
            primitive, kind = _TENSOR_PRIMITIVES[name]
            return self.prim(primitive, [value], kind, node)
        if name in _UNCHANGED:
            return value
        do = getattr(self, "tensor_" + name, None)
        if do is None:
            raise self.error(node, f"method '{name}' of a Tensor; expected one that a program without Python has")
        return do(value, args, kwargs, node)

    def tensor_size(self, value, args, kwargs, node):
        args = [*args, *kwargs.values()]
        return self.item(Shape(value), args[0], node) if args else Shape(value)

    def tensor_stride(self, value, args, kwargs, node):
        args = [*args, *kwargs.values()]
        if not args:
            raise self.error(node, "stride() of a Tensor without a dimension; expected stride(dim)")
        return self.prim("tensor_stride", [value, args[0]], ty.INT, node)

    def tensor_is_complex(self, value, args, kwargs, node):
        kind = self.prim("tensor_dtype", [value], ty.DTYPE, node)
        return self.attribute(kind, "is_complex", node)

    def tensor_to(self, value, args, kwargs, node):
        for wanted in [*args, *kwargs.values()]:
            kind = type_of(wanted)
            if kind == ty.DTYPE:
                value = self.operate("to_dtype", [value, wanted], node)
            elif kind == ty.TENSOR:
                value = self.operate("to_dtype", [value, self.prim("tensor_dtype", [wanted], ty.DTYPE, node)], node)
        return value

    def tensor_type(self, value, args, kwargs, node):
        if len(args) == 1 and type_of(args[0]) == ty.DTYPE:
            return self.tensor_to(value, args, {}, node)
        raise self.error(node, "type() of a Tensor; expected type(dtype)")

    def tensor_tolist(self, value, args, kwargs, node):
        wanted = ty.list_of(ty.INT) if self.frame.library else self.wanted
        if wanted is None:
            raise self.error(node, "tolist() of a Tensor gives a type that only the run knows; expected an annotated "
                                   "variable: "
                            "x: List[float] = t.tolist()")
        return self.prim("tensor_list", [value], wanted, node)


def _is_new(entry):
    return isinstance(entry, Static) and entry.obj is None

