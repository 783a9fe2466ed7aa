// Values of graphs that are no tensors, as Python has them.
#pragma once

#include "bindings/python.h"
#include "runtime/program.h"

namespace rushlight::python {

// Lists and dicts are copied. A type error in the name of `who` where `o` is not of this type.
graph::Item to_item(PyObject* o, const graph::Type& type, const std::string& who);
PyObject* from_item(const graph::Item& x);       // new reference; throws PythonError

// Throws the Python exception that the error names.
[[noreturn]] void raise(const graph::ProgramError& e);

// Gives programs Python's signals, its standard output and how it shows tensors.
void lend_to_programs();

}  // namespace rushlight::python
