#include "base/interpreter.h"

namespace rushlight {

InterpreterHooks interpreter_hooks;

}  // namespace rushlight
