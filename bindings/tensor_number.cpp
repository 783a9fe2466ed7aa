// Python's operators on tensors: each is one registered operator.
#include "bindings/python.h"
#include "registry/mode.h"

namespace rushlight::python {

namespace {

// Looks an operator up once.
template <const char* id>
const Op& cached() {
    static const Op& op = need_op(id);
    return op;
}

// Numbers, tensors and NumPy's arrays, which `held` keeps for the call.
bool to_operand(const Op& op, int param, PyObject* o, Value* v, Tensor* held) {
    if (is_tensor(o)) {
        *v = Value(impl_of(o));
        return true;
    }
    return reading(op.parsed.name.c_str(), op.parsed.params[size_t(param)].name.c_str(), [&] {
        if (to_number(o, v)) return true;
        if (!PyObject_HasAttrString(o, "__array_interface__")) return false;
        *held = tensor_from(o);
        *v = Value(*held);
        return true;
    });
}

void fill_defaults(const Op& op, Value* values, int from) {
    for (int i = from, n = int(op.parsed.params.size()); i < n; ++i)
        values[i] = op.parsed.params[size_t(i)].default_value;
}

PyObject* binary_in_place(const Op& op, PyObject* self, PyObject* other) {
    return guarded([&]() -> PyObject* {
        Value values[max_params];
        values[0] = Value(impl_of(self));
        Tensor held;
        if (!to_operand(op, 1, other, &values[1], &held)) Py_RETURN_NOTIMPLEMENTED;
        if (held.defined()) {
            // As in PyTorch `t += array` makes a new tensor, of the dtype that both promote to. Of a parameter that
            // would silently be another tensor from then on.
            require(!impl_of(self)->requires_grad, ErrorKind::runtime, op.parsed.name, ": input requires grad and ",
                    op.parsed.params[1].name, " is a numpy.ndarray; expected a Tensor or number, since an array makes "
                    "a new tensor and does not change input in place");
            Py_RETURN_NOTIMPLEMENTED;
        }
        fill_defaults(op, values, 2);
        Call call(op, values);
        call.destination = impl_of(self);
        call.in_place = true;
        dispatch(call);
        return Py_NewRef(self);
    });
}

PyObject* unary(const Op& op, PyObject* self) {
    return guarded([&]() -> PyObject* {
        Value values[max_params];
        values[0] = Value(impl_of(self));
        fill_defaults(op, values, 1);
        Call call(op, values);
        dispatch(call);
        return wrap(call.out[0]);
    });
}

#define NAME(id) constexpr char name_##id[] = #id;
NAME(add) NAME(sub) NAME(mul) NAME(div) NAME(floor_divide) NAME(floor_quotient) NAME(remainder) NAME(pow) NAME(matmul)
NAME(neg) NAME(abs) NAME(bitwise_not) NAME(bitwise_and) NAME(bitwise_or) NAME(bitwise_xor)
NAME(bitwise_left_shift) NAME(bitwise_right_shift) NAME(eq) NAME(ne) NAME(lt) NAME(le) NAME(gt) NAME(ge)
#undef NAME

template <const char* id> PyObject* binary_slot(PyObject* a, PyObject* b) { return call_binary(cached<id>(), a, b); }
template <const char* id> PyObject* in_place_slot(PyObject* a, PyObject* b) {
    return binary_in_place(cached<id>(), a, b);
}
template <const char* id> PyObject* unary_slot(PyObject* a) { return unary(cached<id>(), a); }

const Op& floor_division() {
    return standard_operators ? cached<name_floor_quotient>() : cached<name_floor_divide>();
}
PyObject* floor_divide_slot(PyObject* a, PyObject* b) { return call_binary(floor_division(), a, b); }
PyObject* floor_divide_in_place_slot(PyObject* a, PyObject* b) { return binary_in_place(floor_division(), a, b); }
PyObject* power_slot(PyObject* a, PyObject* b, PyObject*) { return call_binary(cached<name_pow>(), a, b); }
PyObject* power_in_place_slot(PyObject* a, PyObject* b, PyObject*) { return binary_in_place(cached<name_pow>(), a, b); }
PyObject* positive_slot(PyObject* a) { return Py_NewRef(a); }

int bool_slot(PyObject* self) {
    try {
        TensorImpl* t = impl_of(self);
        require(t->numel == 1, ErrorKind::runtime, "Boolean value of a Tensor of shape ", t->sizes, " with ", t->numel,
                " elements is ambiguous; expected exactly one");
        Value v = item_of(*t, "__bool__");
        return v.tag == Tag::complex ? (v.complex_.re != 0 || v.complex_.im != 0) : v.to_bool();
    } catch (const Error& e) {
        set_error(e);
        return -1;
    }
}

PyObject* convert(PyObject* self, PyTypeObject* to) {
    return guarded([&]() -> PyObject* {
        PyObject* number = wrap_number(item_of(*impl_of(self), to == &PyLong_Type    ? "__int__"
                                                               : to == &PyFloat_Type ? "__float__"
                                                                                     : "__complex__"));
        PyObject* out = number ? PyObject_CallOneArg(reinterpret_cast<PyObject*>(to), number) : nullptr;
        Py_XDECREF(number);
        return out;
    });
}
PyObject* int_slot(PyObject* self) { return convert(self, &PyLong_Type); }
PyObject* float_slot(PyObject* self) { return convert(self, &PyFloat_Type); }

PyObject* index_slot(PyObject* self) {
    return guarded([&]() -> PyObject* {
        TensorImpl* t = impl_of(self);
        require(t->numel == 1 && (is_integral(t->dtype) || t->dtype == DType::boolean), ErrorKind::type,
                "only integer tensors of a single element can be converted to an index; this one has dtype ",
                name_of(t->dtype), " and shape ", t->sizes);
        Value v = item_of(*t, "__index__");
        return v.tag == Tag::natural ? wrap_number(v) : PyLong_FromLongLong(v.to_int());
    });
}

}  // namespace

PyObject* call_binary(const Op& op, PyObject* a, PyObject* b) {
    return guarded([&]() -> PyObject* {
        Value values[max_params];
        Tensor held[2];
        if (!to_operand(op, 0, a, &values[0], &held[0]) || !to_operand(op, 1, b, &values[1], &held[1]))
            Py_RETURN_NOTIMPLEMENTED;
        fill_defaults(op, values, 2);
        Call call(op, values);
        dispatch(call);
        return wrap(call.out[0]);
    });
}

PyObject* compare(PyObject* a, PyObject* b, int how) {
    switch (how) {
        case Py_LT: return call_binary(cached<name_lt>(), a, b);
        case Py_LE: return call_binary(cached<name_le>(), a, b);
        case Py_EQ: return call_binary(cached<name_eq>(), a, b);
        case Py_NE: return call_binary(cached<name_ne>(), a, b);
        case Py_GT: return call_binary(cached<name_gt>(), a, b);
        default: return call_binary(cached<name_ge>(), a, b);
    }
}

void append_number_slots(std::vector<PyType_Slot>& slots) {
#define SLOT(slot, function) slots.push_back({slot, reinterpret_cast<void*>(function)})
    SLOT(Py_nb_add, binary_slot<name_add>);
    SLOT(Py_nb_subtract, binary_slot<name_sub>);
    SLOT(Py_nb_multiply, binary_slot<name_mul>);
    SLOT(Py_nb_true_divide, binary_slot<name_div>);
    SLOT(Py_nb_floor_divide, floor_divide_slot);
    SLOT(Py_nb_remainder, binary_slot<name_remainder>);
    SLOT(Py_nb_power, power_slot);
    SLOT(Py_nb_matrix_multiply, binary_slot<name_matmul>);
    SLOT(Py_nb_and, binary_slot<name_bitwise_and>);
    SLOT(Py_nb_or, binary_slot<name_bitwise_or>);
    SLOT(Py_nb_xor, binary_slot<name_bitwise_xor>);
    SLOT(Py_nb_lshift, binary_slot<name_bitwise_left_shift>);
    SLOT(Py_nb_rshift, binary_slot<name_bitwise_right_shift>);
    SLOT(Py_nb_inplace_add, in_place_slot<name_add>);
    SLOT(Py_nb_inplace_subtract, in_place_slot<name_sub>);
    SLOT(Py_nb_inplace_multiply, in_place_slot<name_mul>);
    SLOT(Py_nb_inplace_true_divide, in_place_slot<name_div>);
    SLOT(Py_nb_inplace_floor_divide, floor_divide_in_place_slot);
    SLOT(Py_nb_inplace_remainder, in_place_slot<name_remainder>);
    SLOT(Py_nb_inplace_power, power_in_place_slot);
    SLOT(Py_nb_inplace_and, in_place_slot<name_bitwise_and>);
    SLOT(Py_nb_inplace_or, in_place_slot<name_bitwise_or>);
    SLOT(Py_nb_inplace_xor, in_place_slot<name_bitwise_xor>);
    SLOT(Py_nb_inplace_lshift, in_place_slot<name_bitwise_left_shift>);
    SLOT(Py_nb_inplace_rshift, in_place_slot<name_bitwise_right_shift>);
    SLOT(Py_nb_negative, unary_slot<name_neg>);
    SLOT(Py_nb_absolute, unary_slot<name_abs>);
    SLOT(Py_nb_invert, unary_slot<name_bitwise_not>);
    SLOT(Py_nb_positive, positive_slot);
    SLOT(Py_nb_bool, bool_slot);
    SLOT(Py_nb_int, int_slot);
    SLOT(Py_nb_float, float_slot);
    SLOT(Py_nb_index, index_slot);
#undef SLOT
}

}  // namespace rushlight::python
