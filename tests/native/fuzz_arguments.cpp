// Calls operators, and reads and writes by index, with arguments that are made from a string of bytes. A call must end
// with a result, or with an exception that is not Python's own complaint about an extension. LLVMFuzzerTestOneInput is
// what a coverage-guided fuzzer calls; tools/fuzz/native.py feeds it random and mutated strings, and gives it the world
// below.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

// What the driver brings, tuples all: callables; for each the names of its parameters; names of other keywords;
// callables that make a fresh tensor; callables that make an object which lies, raises, or changes the list that it is
// in; and objects to pass as they are.
struct World {
    PyObject *functions, *parameters, *keywords, *tensors, *hostile, *things;
};
World world{};
bool answered = false;               // whether the last input had a result

class Bytes {
public:
    Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
    uint8_t next() { return at_ < end_ ? *at_++ : 0; }
    Py_ssize_t below(Py_ssize_t n) { return n <= 0 ? 0 : (n > 256 ? next() << 8 | next() : next()) % n; }
    bool ended() const { return at_ == end_; }

private:
    const uint8_t *at_, *end_;
};

[[noreturn]] void stop(const char* why) {
    std::fprintf(stderr, "fuzz_arguments: %s\n", why);
    if (PyErr_Occurred()) PyErr_Print();
    std::fflush(nullptr);
    std::abort();
}

PyObject* made(PyObject* o) { return o ? o : (stop("an argument cannot be made"), nullptr); }
PyObject* item(PyObject* tuple, Py_ssize_t i) { return PyTuple_GET_ITEM(tuple, i); }

PyObject* tensor(Bytes& in) {
    return made(PyObject_CallNoArgs(item(world.tensors, in.below(PyTuple_GET_SIZE(world.tensors)))));
}

// Whole numbers at the edges of every width, and some beyond any.
PyObject* edge(Bytes& in) {
    static constexpr int widths[] = {0, 1, 2, 6, 7, 8, 15, 16, 31, 32, 33, 53, 62, 63, 64, 65, 200, 20000};
    PyObject* one = PyLong_FromLong(1);
    PyObject* width = PyLong_FromLong(widths[in.below(18)]);
    PyObject* power = made(PyNumber_Lshift(one, width));
    PyObject* offset = PyLong_FromLong(long(in.below(3)) - 1);
    PyObject* sum = made(PyNumber_Add(power, offset));
    PyObject* out = in.below(2) ? made(PyNumber_Negative(sum)) : Py_NewRef(sum);
    for (PyObject* o : {one, width, power, offset, sum}) Py_DECREF(o);
    return out;
}

PyObject* real(Bytes& in) {
    static constexpr double values[] = {0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 1e-320, 1e300, -1e300, 9.3e18, 4294967296.0};
    const Py_ssize_t i = in.below(14);
    return PyFloat_FromDouble(i < 11 ? values[i] : i == 11 ? Py_NAN : i == 12 ? Py_HUGE_VAL : -Py_HUGE_VAL);
}

PyObject* text(Bytes& in) {
    static const char* const words[] = {"", "mean", "sum", "none", "float32", "cpu", "cpu:1", "cuda", "ij", "nearest",
                                        "L", "same", "trunc", "floor", "bilinear", "reflect", "constant", "fro", "nuc"};
    const Py_ssize_t i = in.below(24);
    if (i < 19) return PyUnicode_FromString(words[i]);
    Py_UCS4 letters[4];                                                        // with halves of surrogate pairs and NUL
    for (Py_UCS4& c : letters) c = Py_UCS4(in.next()) | (i > 21 ? 0xd800 : 0);
    return made(PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, letters, in.below(5)));
}

PyObject* value(Bytes& in, int depth, PyObject* container);

PyObject* sequence(Bytes& in, int depth, bool as_tuple) {
    PyObject* list = PyList_New(0);
    const Py_ssize_t kind = in.below(16), n = kind == 15 ? 40 : kind % 6;
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* element = value(in, depth + 1, list);
        PyList_Append(list, element);
        Py_DECREF(element);
    }
    if (kind == 14) PyList_Append(list, list);
    if (!as_tuple) return list;
    PyObject* tuple = PyList_AsTuple(list);
    Py_DECREF(list);
    return made(tuple);
}

PyObject* slice(Bytes& in, int depth) {
    PyObject* parts[3];
    for (PyObject*& part : parts) part = in.below(2) ? value(in, depth + 1, nullptr) : Py_NewRef(Py_None);
    PyObject* out = PySlice_New(parts[0], parts[1], parts[2]);
    for (PyObject* part : parts) Py_DECREF(part);
    return made(out);
}

PyObject* dictionary(Bytes& in, int depth) {
    PyObject* out = PyDict_New();
    for (Py_ssize_t i = in.below(3); i > 0; --i) {
        PyObject *key = text(in), *held = value(in, depth + 1, nullptr);
        PyDict_SetItem(out, key, held);
        Py_DECREF(key);
        Py_DECREF(held);
    }
    return out;
}

// `container` is the list that the value will be in, or null.
PyObject* value(Bytes& in, int depth, PyObject* container) {
    const Py_ssize_t kind = in.below(24);
    if (depth > 4 && kind > 13) return PyLong_FromLong(int8_t(in.next()));
    switch (kind) {
        case 0: case 1: case 2: case 3: return tensor(in);
        case 4: case 5: return PyLong_FromLong(int8_t(in.next()) % 6);
        case 6: return edge(in);
        case 7: return PyBool_FromLong(in.below(2));
        case 8: return real(in);
        case 9: return Py_NewRef(Py_None);
        case 10: return text(in);
        case 11: return PyComplex_FromDoubles(double(in.below(3)), double(in.below(3)));
        case 12: return Py_NewRef(Py_Ellipsis);
        case 13: return Py_NewRef(item(world.things, in.below(PyTuple_GET_SIZE(world.things))));
        case 14: case 15: return sequence(in, depth, false);
        case 16: case 17: return sequence(in, depth, true);
        case 18: case 19: return slice(in, depth);
        case 20: return dictionary(in, depth);
        default: {
            PyObject* make = item(world.hostile, in.below(PyTuple_GET_SIZE(world.hostile)));
            return made(PyObject_CallOneArg(make, container ? container : Py_None));
        }
    }
}

// Some positions, then some keywords; names may come twice, or belong to nothing.
PyObject* call_function(Bytes& in) {
    const Py_ssize_t at = in.below(PyTuple_GET_SIZE(world.functions));
    PyObject* parameters = item(world.parameters, at);
    const Py_ssize_t given = in.below(16) % 7, named = in.below(16) % 4;
    std::vector<PyObject*> args;
    for (Py_ssize_t i = 0; i < given + named; ++i) args.push_back(value(in, 0, nullptr));
    PyObject* names = named ? PyTuple_New(named) : nullptr;
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject* from = in.below(4) && PyTuple_GET_SIZE(parameters) ? parameters : world.keywords;
        PyTuple_SET_ITEM(names, i, Py_NewRef(item(from, in.below(PyTuple_GET_SIZE(from)))));
    }
    PyObject* result = PyObject_Vectorcall(item(world.functions, at), args.data(), size_t(given), names);
    for (PyObject* arg : args) Py_DECREF(arg);
    Py_XDECREF(names);
    return result;
}

PyObject* read_or_write(Bytes& in, bool write) {
    PyObject* target = tensor(in);
    PyObject* key = value(in, 0, nullptr);
    PyObject* written = write ? value(in, 0, nullptr) : nullptr;
    PyObject* result = nullptr;
    if (!write) result = PyObject_GetItem(target, key);
    else if (PyObject_SetItem(target, key, written) == 0) result = Py_NewRef(Py_None);
    Py_XDECREF(written);
    Py_DECREF(key);
    Py_DECREF(target);
    return result;
}

void judge(PyObject* result) {
    answered = result != nullptr;
    PyObject* error = PyErr_Occurred();
    if (result && error) stop("a result, and an exception too");
    if (!result && !error) stop("neither a result nor an exception");
    if (!result && PyErr_GivenExceptionMatches(error, PyExc_SystemError)) stop("a complaint about the extension");
    Py_XDECREF(result);
    PyErr_Clear();
}

PyObject* set_world(PyObject*, PyObject* args) {
    World w{};
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!O!", &PyTuple_Type, &w.functions, &PyTuple_Type, &w.parameters,
                          &PyTuple_Type, &w.keywords, &PyTuple_Type, &w.tensors, &PyTuple_Type, &w.hostile,
                          &PyTuple_Type, &w.things))
        return nullptr;
    for (PyObject* o : {w.functions, w.parameters, w.keywords, w.tensors, w.hostile, w.things}) Py_INCREF(o);
    world = w;
    Py_RETURN_NONE;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Bytes in(data, size);
    const Py_ssize_t what = in.below(8);
    judge(what < 4 ? call_function(in) : read_or_write(in, what > 5));
    return 0;
}

namespace {

PyObject* one(PyObject*, PyObject* bytes) {
    char* data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(bytes, &data, &size) < 0) return nullptr;
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(data), size_t(size));
    return PyBool_FromLong(answered);
}

PyMethodDef functions[] = {
    {"set_world", set_world, METH_VARARGS, "set_world(functions, parameters, keywords, tensors, hostile, things)"},
    {"one", one, METH_O, "one(bytes) -> bool\n\nMakes one call; whether it had a result. Aborts where it breaks."},
    {}};
PyModuleDef module = {PyModuleDef_HEAD_INIT, "fuzz_arguments", nullptr, -1, functions,
                      nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_fuzz_arguments() { return PyModule_Create(&module); }
