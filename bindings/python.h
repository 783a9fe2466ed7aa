// What every binding file needs: the Python objects of tensors, dtypes and sizes, and exceptions.
#pragma once

#include <Python.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "registry/call.h"
#include "tensor/tensor.h"

namespace rushlight::python {

struct TensorObject {
    PyObject_HEAD
    TensorImpl* impl;            // owned
    PyObject* dict;
    PyObject* weak_references;
};

struct DTypeObject {
    PyObject_HEAD
    DType dtype;
};

extern PyTypeObject* tensor_type;            // rushlight.Tensor
extern PyTypeObject* dtype_type;             // rushlight.dtype
extern PyTypeObject* size_type;              // rushlight.Size
extern PyTypeObject* op_function_type;

// A copy of a text that stays for ever: Python's types point to their names.
inline const char* kept_text(std::string text) {
    static auto* texts = new std::deque<std::string>;
    return texts->emplace_back(std::move(text)).c_str();
}

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type); }
inline TensorImpl* impl_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->impl; }
inline Tensor tensor_of(PyObject* o) { return Tensor(impl_of(o)); }
inline bool is_dtype(PyObject* o) { return Py_TYPE(o) == dtype_type; }
inline DType dtype_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->dtype; }

PyObject* wrap(const Tensor& t);                          // new reference; None when undefined
PyObject* wrap_as(PyTypeObject* type, const Tensor& t);   // a new object of a Tensor subclass over a fresh impl
PyObject* wrap_dtype(DType t);                            // new reference
PyObject* wrap_size(const Dims& sizes);                   // a Size
void track(PyObject* tensor);  // lets the collector see a tensor that now refers to Python objects

// What the collector needs to know of hooks on a leaf: Python functions that may refer back to the tensor.
int visit_hooks(const TensorImpl& t, visitproc visit, void* arg);
void clear_hooks(TensorImpl& t);

// Thrown when a Python error is already set.
struct PythonError {};

// The items of a sequence as they are now: reading one may run code that changes the sequence. False, with an error
// set, when they can't be had.
class Items {
public:
    explicit Items(PyObject* sequence) : tuple_(PySequence_Tuple(sequence)) {}
    ~Items() { Py_XDECREF(tuple_); }
    explicit operator bool() const { return tuple_ != nullptr; }
    Items(const Items&) = delete;
    Items& operator=(const Items&) = delete;
    Py_ssize_t size() const { return PyTuple_GET_SIZE(tuple_); }
    PyObject* operator[](Py_ssize_t i) const { return PyTuple_GET_ITEM(tuple_, i); }

private:
    PyObject* tuple_;
};

void set_error(const Error& e);
PyObject* linalg_error();                                    // the class LinAlgError; borrowed
// A named tuple as operators with several results return. New reference, or null.
PyObject* new_result_type(const std::string& name, const std::vector<std::string>& fields);
void name_composite(PyObject* function, std::string name);  // of a Python function over operators: how its errors begin
// Runs `f` and turns C++ exceptions into Python's. `f` returns a PyObject* (new reference) or null with an error set.
template <class F>
PyObject* guarded(F&& f) noexcept {
    try {
        return f();
    } catch (const Error& e) {
        set_error(e);
    } catch (const PythonError&) {
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& e) {
        PyErr_SetString(PyExc_RuntimeError, e.what());
    }
    return nullptr;
}

// Holds the interpreter for its lifetime, from any thread; does nothing once the interpreter is gone.
class Interpreter {
public:
    Interpreter() : alive_(Py_IsInitialized()) { if (alive_) state_ = PyGILState_Ensure(); }
    ~Interpreter() { if (alive_) PyGILState_Release(state_); }
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;
    bool alive() const { return alive_; }

private:
    bool alive_;
    PyGILState_STATE state_{};
};

// Runs `f`, which reads argument `param` of `op`: an integer beyond 64 bits is refused in their names.
template <class F>
auto reading(const char* op, const char* param, F&& f) {
    try {
        return f();
    } catch (const Error& e) {
        if (e.kind() != ErrorKind::overflow) throw;
        fail(ErrorKind::overflow, op, ": argument '", param, "': ", e.text());
    }
}

std::string_view text_of(PyObject* text);                // of a str; throws PythonError where it is no Unicode
bool is_true(PyObject* o);                                // throws PythonError where asking raises

// Numbers and lists out of Python objects; false (and no error set) when the object is of another type. An integer
// beyond 64 bits throws an Error of kind overflow.
bool to_number(PyObject* o, Value* v);                    // int, float, bool, complex, NumPy scalars
bool to_int(PyObject* o, int64_t* out);
bool to_ints(PyObject* o, Dims* out);                     // a sequence of ints
Tensor tensor_from(PyObject* o);                          // a list or a NumPy array as a tensor
Value item_of(const TensorImpl& t, const char* op);       // the one element of a tensor
PyObject* wrap_number(const Value& v);

// The program learns values, or a shape, of a tensor: what it decides by them, a capture that is open can't see.
void note_escape(const TensorImpl& t, const char* how);
void note_shape(const TensorImpl& t);
void note_offset(const TensorImpl& t, const char* how);
void note_function(const std::string& name);     // a custom function went onto the tape

// Calls of operators from binding files.
PyObject* call_binary(const Op& op, PyObject* a,
                      PyObject* b);  // NotImplemented when an operand is neither tensor nor number
const Op& need_op(const char* id);
void require_cpu(PyObject* device, const char* op);       // None, "cpu", a device: anything else raises
Generator* generator_of(PyObject* o);                     // null when `o` is not a Generator
Dims ints_argument(PyObject* o, const char* op, const char* param);

// Each binding file adds its share.
bool add_dtype_type(PyObject* module);
bool add_tensor_type(PyObject* module);
bool add_operators(PyObject* module);
bool add_construction(PyObject* module);
bool add_exchange(PyObject* module);
bool add_conversion();
bool add_mapping(PyObject* module);
void append_number_slots(std::vector<PyType_Slot>& slots);
PyObject* compare(PyObject* a, PyObject* b, int how);
PyObject* get_item(PyObject* self, PyObject* key);                   // x[key]
int set_item(PyObject* self, PyObject* key, PyObject* value);        // x[key] = value
extern PyMethodDef tensor_methods[];
extern PyGetSetDef tensor_properties[];

}  // namespace rushlight::python
