// One Python callable per public name of an operator. Arguments are bound by the operator's signature: positions,
// keywords, defaults, ints spread over positions, and errors that name the argument.
#include <string>
#include <unordered_map>

#include "autograd/variable.h"
#include "bindings/python.h"

#include <structmember.h>

namespace rushlight::python {

PyTypeObject* op_function_type = nullptr;
static PyObject* return_types = nullptr;      // the named tuples of results by name

namespace {

enum class Form : uint8_t { function, in_place };

struct OpFunction {
    PyObject_HEAD
    vectorcallfunc call;
    const Op* op;
    PyObject* name;
    PyObject* param_names;       // interned, for keyword lookup by identity
    PyObject* result_type;       // a named tuple type, or null
    Form form;
    bool factory;                // takes device, layout, pin_memory, requires_grad besides its signature
};

struct TensorList {
    std::vector<TensorImpl*> impls;
    std::vector<Tensor> kept;
};

// Where converted lists live during a call.
inline constexpr int max_lists = 5;           // col2im has five lists of ints

struct Converted {
    Dims ints[max_lists];
    std::vector<double> reals;
    // The tensors of each list are held: another thread may replace its items while the kernel runs.
    std::vector<TensorList> tensors;
    int used_ints = 0;
};

std::string type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }

[[noreturn]] void wrong_type(const Op& op, const Param& p, PyObject* o) {
    fail(ErrorKind::type, op.parsed.name, ": argument '", p.name, "' must be ", p.type_text, ", not ", type_name(o));
}

bool convert_list(const Op& op, const Param& p, PyObject* o, Value* v, Converted& held) {
    bool sequence = PyTuple_Check(o) || PyList_Check(o);
    if (p.types & type_tensors) {
        if (!sequence) return false;
        TensorList list;
        Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
        list.impls.reserve(size_t(n));
        list.kept.reserve(size_t(n));
        for (Py_ssize_t i = 0; i < n; ++i) {
            PyObject* item = PySequence_Fast_GET_ITEM(o, i);
            if (!is_tensor(item))
                fail(ErrorKind::type, op.parsed.name, ": element ", i, " of argument '", p.name,
                     "' must be Tensor, not ", type_name(item));
            list.impls.push_back(impl_of(item));
            list.kept.push_back(tensor_of(item));
        }
        *v = Value(std::span<TensorImpl* const>(list.impls));
        held.tensors.push_back(std::move(list));         // the memory that the value points to stays where it is
        return true;
    }
    if ((p.types & type_ints) && held.used_ints < max_lists && to_ints(o, &held.ints[held.used_ints])) {
        Dims& list = held.ints[held.used_ints++];
        if (p.repeat > 1 && list.size() == 1) list = Dims(p.repeat, list[0]);
        *v = Value(list);
        return true;
    }
    if ((p.types & type_floats) && sequence) {
        Items items(o);
        if (!items) throw PythonError();
        for (Py_ssize_t i = 0; i < items.size(); ++i) {
            Value item;
            if (!to_number(items[i], &item)) return false;
            held.reals.push_back(item.to_double());
        }
        *v = Value(std::span<const double>(held.reals));
        return true;
    }
    return false;
}

bool convert_number(const Param& p, PyObject* o, Value* v) {
    if (!to_number(o, v)) {
        if (!is_tensor(o) || (p.types & type_tensor) || impl_of(o)->numel != 1 || impl_of(o)->requires_grad)
            return false;
        *v = item_of(*impl_of(o), "Number");
    }
    if (p.types & type_number) return true;
    if (v->tag == Tag::boolean) {
        if (p.types & type_bool) return true;
        if (is_tensor(o) && !(p.types & type_float)) return false;
        *v = Value(int64_t(v->boolean_));
    }
    if (v->tag == Tag::integer) {
        if (p.types & type_int) return true;
        if (p.types & type_float) {
            *v = Value(double(v->integer_));
            return true;
        }
        return false;
    }
    if (v->tag == Tag::natural) {
        int64_t i;
        if (!(p.types & type_float)) to_int(o, &i);                     // says that it does not fit
        *v = Value(v->to_double());
    }
    return v->tag == Tag::real && (p.types & type_float);
}

void convert_any(const Op& op, const Param& p, PyObject* o, Value* v, Converted& held) {
    if ((p.types & type_tensor) && is_tensor(o)) {
        *v = Value(impl_of(o));
        return;
    }
    if (o == Py_None) {
        if (!(p.types & type_none)) wrong_type(op, p, o);
        *v = Value();
        return;
    }
    if ((p.types & type_bool) && PyBool_Check(o)) {
        *v = Value(o == Py_True);
        return;
    }
    if ((p.types & (type_number | type_int | type_float)) && convert_number(p, o, v)) return;
    if ((p.types & type_bool) && !(p.types & type_number)) {           // ints as flags, as older programs pass them
        int64_t i;
        if (to_int(o, &i)) {
            *v = Value(i != 0);
            return;
        }
    }
    if ((p.types & type_dtype) && is_dtype(o)) {
        *v = Value(dtype_of(o));
        return;
    }
    if ((p.types & type_dtype) &&
        (o == reinterpret_cast<PyObject*>(&PyFloat_Type) || o == reinterpret_cast<PyObject*>(&PyLong_Type) ||
         o == reinterpret_cast<PyObject*>(&PyBool_Type))) {
        *v = Value(o == reinterpret_cast<PyObject*>(&PyFloat_Type) ? DType::float64
                   : o == reinterpret_cast<PyObject*>(&PyLong_Type) ? DType::int64 : DType::boolean);
        return;
    }
    if ((p.types & type_str) && PyUnicode_Check(o)) {
        *v = Value(text_of(o));
        return;
    }
    if ((p.types & type_generator) && generator_of(o)) {
        *v = Value(generator_of(o));
        return;
    }
    if (p.types & type_ints) {                                          // one int for a list
        int64_t i;
        if (to_int(o, &i) && held.used_ints < max_lists) {
            Dims& list = held.ints[held.used_ints++];
            list = Dims(std::max(p.repeat, 1), i);
            *v = Value(list);
            return;
        }
    }
    if (!convert_list(op, p, o, v, held)) wrong_type(op, p, o);
}

void convert(const Op& op, const Param& p, PyObject* o, Value* v, Converted& held) {
    reading(op.parsed.name.c_str(), p.name.c_str(), [&] { convert_any(op, p, o, v, held); });
}

int find_keyword(const OpFunction& f, PyObject* name) {
    Py_ssize_t n = PyTuple_GET_SIZE(f.param_names);
    for (Py_ssize_t i = 0; i < n; ++i)
        if (PyTuple_GET_ITEM(f.param_names, i) == name) return int(i);
    std::string_view wanted = text_of(name);
    if (wanted == "axis" || wanted == "axes") wanted = f.op->parsed.find("dim") >= 0 ? "dim" : "dims";
    else if (wanted == "keepdims") wanted = "keepdim";
    else if (wanted == "self" || wanted == "x" || wanted == "a")
        wanted = f.op->parsed.find(wanted) >= 0 ? wanted : "input";
    else if (wanted == "x2") wanted = "other";
    return f.op->parsed.find(wanted);
}

// Keywords that are not the operator's: `out`, and what every factory takes.
struct Options {
    PyObject* out = nullptr;
    bool requires_grad = false;
};

void take_option(const OpFunction& f, PyObject* name, PyObject* value, Options& options) {
    std::string_view key = text_of(name);
    if (key == "out" && f.op->has_out && f.form == Form::function) {
        options.out = value == Py_None ? nullptr : value;
        return;
    }
    if (f.factory) {
        if (key == "requires_grad") {
            options.requires_grad = is_true(value);
            return;
        }
        if (key == "device") return require_cpu(value, f.op->parsed.name.c_str());
        if (key == "layout" || key == "pin_memory" || key == "memory_format" || key == "names") return;
    }
    if (key == "memory_format") return;                                 // one layout is what the user sees
    fail(ErrorKind::type, f.op->parsed.name, ": unexpected keyword argument '", key, "'; the signature is ",
         f.op->parsed.text);
}

// Positions of a spread int list: x.view(2, 3), x.permute(0, 2, 1), zeros(2, 3).
bool should_spread(const Op& op, int param, PyObject* const* args, Py_ssize_t at, Py_ssize_t given) {
    if (param != op.parsed.spread || given - at < 1) return false;
    PyObject* first = args[at];
    bool is_int = PyLong_Check(first) || (!PyTuple_Check(first) && !PyList_Check(first) && PyIndex_Check(first));
    if (!is_int) return false;
    bool last_param = param == op.parsed.positional - 1;
    return last_param || given - at > op.parsed.positional - param;
}

void bind(const OpFunction& f, PyObject* const* args, Py_ssize_t given, PyObject* keywords, Value* values,
          Converted& held, Options& options) {
    const Signature& s = f.op->parsed;
    uint64_t bound = 0;
    int param = 0;
    for (Py_ssize_t i = 0; i < given; ++i, ++param) {
        if (param >= s.positional)
            fail(ErrorKind::type, s.name, ": takes ", s.positional, " positional arguments but ", given,
                 " were given; the signature is ", s.text);
        if (should_spread(*f.op, param, args, i, given)) {
            Dims& list = held.ints[held.used_ints++];
            list.resize(int(given - i));
            const Param& p = s.params[size_t(param)];
            reading(s.name.c_str(), p.name.c_str(), [&] {
                for (Py_ssize_t k = i; k < given; ++k)
                    if (!to_int(args[k], &list[int(k - i)])) wrong_type(*f.op, p, args[k]);
            });
            values[param] = Value(list);
            bound |= uint64_t(1) << param;
            i = given;
            break;
        }
        convert(*f.op, s.params[size_t(param)], args[i], &values[param], held);
        bound |= uint64_t(1) << param;
    }
    Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    for (Py_ssize_t k = 0; k < named; ++k) {
        PyObject* name = PyTuple_GET_ITEM(keywords, k);
        int index = find_keyword(f, name);
        if (index < 0) {
            take_option(f, name, args[given + k], options);
            continue;
        }
        require(!(bound >> index & 1), ErrorKind::type, s.name, ": got several values for argument '",
                s.params[size_t(index)].name, "'");
        convert(*f.op, s.params[size_t(index)], args[given + k], &values[index], held);
        bound |= uint64_t(1) << index;
    }
    for (int i = 0, n = int(s.params.size()); i < n; ++i) {
        if (bound >> i & 1) continue;
        const Param& p = s.params[size_t(i)];
        require(p.has_default, ErrorKind::type, s.name, ": missing argument '", p.name, "'; the signature is ", s.text);
        values[i] = p.default_value;
    }
}

PyObject* wrap_results(const OpFunction& f, Call& c) {
    if (f.op->parsed.returns_list) {
        PyObject* tuple = PyTuple_New(Py_ssize_t(c.list.size()));
        for (size_t i = 0; tuple && i < c.list.size(); ++i) PyTuple_SET_ITEM(tuple, Py_ssize_t(i), wrap(c.list[i]));
        return tuple;
    }
    if (f.op->kind == Kind::update) Py_RETURN_NONE;
    if (f.op->parsed.return_names.empty()) return wrap(c.out[0]);
    int n = int(f.op->parsed.return_names.size());
    PyObject* tuple = f.result_type ? PyStructSequence_New(reinterpret_cast<PyTypeObject*>(f.result_type))
                                    : PyTuple_New(n);
    for (int i = 0; tuple && i < n; ++i) {
        PyObject* item = wrap(c.out[size_t(i)]);
        if (f.result_type) PyStructSequence_SET_ITEM(tuple, i, item);
        else PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

PyObject* run_into_several(const OpFunction& f, Call& c, PyObject* out) {
    int n = int(f.op->parsed.return_names.size());
    PyObject* fast = PySequence_Fast(out, "out must be a tuple of tensors");
    if (!fast) throw PythonError();
    std::vector<Tensor> targets;
    bool fits = PySequence_Fast_GET_SIZE(fast) == n;
    for (int i = 0; fits && i < n; ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(fast, i);
        fits = is_tensor(item);
        if (fits) targets.push_back(tensor_of(item));
    }
    Py_DECREF(fast);
    require(fits, ErrorKind::type, f.op->parsed.name, ": out must be a tuple of ", n, " tensors");
    dispatch_into_several(c, targets);
    return f.result_type ? PyObject_CallOneArg(f.result_type, out) : Py_NewRef(out);
}

// Of the first argument, or item of a list, that is no tensor but answers operators: its `__torch_function__`.
PyObject* answering(PyObject* const* args, Py_ssize_t count) {
    auto of = [](PyObject* o) -> PyObject* {
        PyObject* found = is_tensor(o) ? nullptr : PyObject_GetAttrString(o, "__torch_function__");
        PyErr_Clear();
        return found;
    };
    for (Py_ssize_t i = 0; i < count; ++i) {
        if (PyObject* found = of(args[i])) return found;
        if (!PyList_Check(args[i]) && !PyTuple_Check(args[i])) continue;
        for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(args[i]); ++k)
            if (PyObject* found = of(PySequence_Fast_GET_ITEM(args[i], k))) return found;
    }
    return nullptr;
}

// answers(func, types, args, kwargs), as PyTorch calls it; takes `answers` over.
PyObject* ask(PyObject* answers, PyObject* func, PyObject* const* args, Py_ssize_t given, PyObject* keywords) {
    PyObject *tuple = PyTuple_New(given), *named = PyDict_New();
    for (Py_ssize_t i = 0; i < given; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); ++k)
        PyDict_SetItem(named, PyTuple_GET_ITEM(keywords, k), args[given + k]);
    PyObject* result = PyObject_CallFunction(answers, "O()NN", func, tuple, named);
    Py_DECREF(answers);
    return result;
}

PyObject* op_vectorcall(PyObject* self, PyObject* const* args, size_t count, PyObject* keywords) {
    const auto& f = *reinterpret_cast<OpFunction*>(self);
    return guarded([&]() -> PyObject* {
        Value values[max_params];
        Converted held;
        Options options;
        Py_ssize_t given = PyVectorcall_NARGS(count);
        try {
            bind(f, args, given, keywords, values, held, options);
        } catch (const Error& e) {
            Py_ssize_t all = given + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
            PyObject* answers = e.kind() == ErrorKind::type ? answering(args, all) : nullptr;
            if (!answers) throw;
            return ask(answers, self, args, given, keywords);
        }
        Call c(*f.op, values);
        if (f.form == Form::in_place || f.op->writes_first) {
            require(values[0].is_tensor(), ErrorKind::type, f.op->parsed.name, ": argument '",
                    f.op->parsed.params[0].name, "' must be Tensor");
            c.destination = values[0].tensor_;
            c.in_place = true;
        } else if (options.out) {
            if (f.op->parsed.return_names.size() > 1) return run_into_several(f, c, options.out);
            require(is_tensor(options.out), ErrorKind::type, f.op->parsed.name, ": argument 'out' must be Tensor, not ",
                    type_name(options.out));
            c.destination = impl_of(options.out);
            int dtype = f.factory ? f.op->parsed.find("dtype") : -1;          // a factory makes what `out` holds
            if (dtype >= 0 && values[dtype].is_none()) values[dtype] = Value(c.destination->dtype);
        }
        dispatch(c);
        if (options.requires_grad) autograd::set_requires_grad(*c.out[0].impl(), true);
        return wrap_results(f, c);
    });
}

PyObject* op_bind_method(PyObject* self, PyObject* object, PyObject*) {
    return object ? PyMethod_New(self, object) : Py_NewRef(self);
}

PyObject* op_repr(PyObject* self) {
    return PyUnicode_FromFormat("<operator %U>", reinterpret_cast<OpFunction*>(self)->name);
}

PyObject* op_get_name(PyObject* self, void*) { return Py_NewRef(reinterpret_cast<OpFunction*>(self)->name); }
PyObject* op_get_module(PyObject*, void*) { return PyUnicode_FromString("rushlight"); }
PyObject* op_get_doc(PyObject* self, void*) {
    const Op& op = *reinterpret_cast<OpFunction*>(self)->op;
    return PyUnicode_FromFormat("%s\n\n%s", op.signature, op.doc ? op.doc : "");
}
PyObject* op_reduce(PyObject* self, PyObject*) { return Py_NewRef(reinterpret_cast<OpFunction*>(self)->name); }

int op_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<OpFunction*>(self)->result_type);
    return 0;
}

void op_dealloc(PyObject* self) {
    auto* f = reinterpret_cast<OpFunction*>(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(f->name);
    Py_CLEAR(f->param_names);
    Py_CLEAR(f->result_type);
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyMemberDef op_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(OpFunction, call), READONLY, nullptr}, {}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};
PyGetSetDef op_properties[] = {{"__name__", op_get_name, nullptr, nullptr, nullptr},
                               {"__qualname__", op_get_name, nullptr, nullptr, nullptr},
                               {"__module__", op_get_module, nullptr, nullptr, nullptr},
                               {"__doc__", op_get_doc, nullptr, nullptr, nullptr},
                               {}};
PyType_Slot op_slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                          {Py_tp_descr_get, reinterpret_cast<void*>(op_bind_method)},
                          {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                          {Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
                          {Py_tp_traverse, reinterpret_cast<void*>(op_traverse)},
                          {Py_tp_members, op_members},
                          {Py_tp_methods, op_methods},
                          {Py_tp_getset, op_properties},
                          {0, nullptr}};
PyType_Spec op_spec = {
    "rushlight.Operator", sizeof(OpFunction), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_HAVE_GC |
        Py_TPFLAGS_DISALLOW_INSTANTIATION,
    op_slots};

// As PyTorch prints them: each result on a line of its own.
PyObject* result_repr(PyObject* self, PyObject*) {
    PyObject* out = PyUnicode_FromFormat("%s(\n", Py_TYPE(self)->tp_name);
    Py_ssize_t n = PyTuple_GET_SIZE(self);
    for (Py_ssize_t i = 0; out && i < n; ++i) {
        const char* field = Py_TYPE(self)->tp_members[i].name;
        PyObject* line = PyUnicode_FromFormat("%s=%R%s", field, PyTuple_GET_ITEM(self, i), i + 1 < n ? ",\n" : ")");
        if (!line) Py_CLEAR(out);
        else PyUnicode_AppendAndDel(&out, line);
    }
    return out;
}

}  // namespace

PyObject* new_result_type(const std::string& name, const std::vector<std::string>& fields) {
    // The type keeps pointing to its fields, as to its texts.
    static auto* kept = new std::deque<std::vector<PyStructSequence_Field>>;
    std::vector<PyStructSequence_Field>& places = kept->emplace_back(fields.size() + 1);
    for (size_t i = 0; i < fields.size(); ++i) places[i].name = kept_text(fields[i]);
    PyStructSequence_Desc description = {kept_text("rushlight.return_types." + name), nullptr, places.data(),
                                         int(fields.size())};
    auto* type = reinterpret_cast<PyObject*>(PyStructSequence_NewType(&description));
    if (!type) return nullptr;
    static PyMethodDef repr = {"__repr__", result_repr, METH_NOARGS, nullptr};
    PyObject* method = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type), &repr);
    if (!method || PyObject_SetAttrString(type, "__repr__", method) != 0) Py_CLEAR(type);
    Py_XDECREF(method);
    if (type && PyDict_SetItemString(return_types, name.c_str(), type) < 0) Py_CLEAR(type);
    return type;
}

namespace {

// The named tuple of an operator's results: one for all its names. New reference; null for a single result and for what
// only our own modules call, unless its results are `values` and more.
PyObject* result_type_of(const Op& op) {
    const std::vector<std::string>& fields = op.parsed.return_names;
    bool is_public = !op.paths.empty() && !op.paths[0].starts_with("_ops.");
    if (fields.size() < 2 || (!is_public && fields[0] != "values")) return nullptr;
    static std::unordered_map<const Op*, PyObject*> made;
    PyObject*& type = made[&op];
    bool linalg = is_public && op.paths[0].starts_with("linalg.");               // as PyTorch names them
    if (!type) type = new_result_type((linalg ? "linalg_" : "") + op.parsed.name, fields);
    return Py_XNewRef(type);
}

PyObject* make_function(const Op& op, std::string_view name, Form form) {
    auto* f = PyObject_GC_New(OpFunction, op_function_type);
    if (!f) return nullptr;
    f->call = op_vectorcall;
    f->op = &op;
    f->form = form;
    uint16_t first = op.parsed.params.empty() ? 0 : op.parsed.params[0].types;
    bool number = (first & type_number) && op.parsed.find("dtype") >= 0;     // linspace: a tensor stands for a number
    f->factory = number || !(first & (type_tensor | type_tensors)) || name.ends_with("_like") ||
                 name.starts_with("new_");
    f->name = PyUnicode_FromStringAndSize(name.data(), Py_ssize_t(name.size()));
    f->param_names = PyTuple_New(Py_ssize_t(op.parsed.params.size()));
    for (size_t i = 0; i < op.parsed.params.size(); ++i)
        PyTuple_SET_ITEM(f->param_names, Py_ssize_t(i), PyUnicode_InternFromString(op.parsed.params[i].name.c_str()));
    f->result_type = result_type_of(op);
    PyObject_GC_Track(reinterpret_cast<PyObject*>(f));
    return reinterpret_cast<PyObject*>(f);
}

// "add" -> module.add; "Tensor.add" -> the method; "nn.functional.relu" -> module.nn_functional (a dict for the Python
// package).
bool publish(PyObject* module, PyObject* groups, PyObject* top_level, const Op& op, const std::string& path) {
    size_t dot = path.rfind('.');
    std::string group = dot == std::string::npos ? "" : path.substr(0, dot),
                name = path.substr(dot == std::string::npos ? 0 : dot + 1);
    bool in_place = name.back() == '_' && name[name.size() - 2] != '_' && !op.writes_first;
    PyObject* f = make_function(op, name, in_place ? Form::in_place : Form::function);
    if (!f) return false;
    int status;
    if (group == "Tensor") {
        status = PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), name.c_str(), f);
    } else if (group.empty()) {
        status = PyObject_SetAttrString(module, name.c_str(), f);
        PyList_Append(top_level, reinterpret_cast<OpFunction*>(f)->name);
    } else {
        PyObject* dict = PyDict_GetItemString(groups, group.c_str());
        if (!dict) {
            dict = PyDict_New();
            PyDict_SetItemString(groups, group.c_str(), dict);
            Py_DECREF(dict);
        }
        status = PyDict_SetItemString(dict, name.c_str(), f);
    }
    Py_DECREF(f);
    return status == 0;
}

// Every operator by its id, those without a public name too.
PyObject* operator_by_id(PyObject*, PyObject* id) {
    return guarded([&]() -> PyObject* {
        std::string text(text_of(id));
        return make_function(need_op(text.c_str()), text, Form::function);
    });
}

PyMethodDef module_functions[] = {
    {"operator", operator_by_id, METH_O,
     "operator(id) -> callable\n\nThe operator of this id, whether it has a public name or not."},
    {}};

}  // namespace

bool add_operators(PyObject* module) {
    if (PyModule_AddFunctions(module, module_functions) < 0) return false;
    op_function_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&op_spec));
    if (!op_function_type) return false;
    return_types = PyDict_New();
    if (!return_types || PyModule_AddObjectRef(module, "_return_types", return_types) < 0) return false;
    PyObject* groups = PyDict_New();
    PyObject* top_level = PyList_New(0);
    for (Op* op : all_ops())
        for (const std::string& path : op->paths)
            if (!publish(module, groups, top_level, *op, path)) return false;
    if (PyModule_AddObject(module, "_public", top_level) < 0) return false;
    return PyModule_AddObject(module, "_groups", groups) == 0;
}

}  // namespace rushlight::python
