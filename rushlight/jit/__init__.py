"""Programs as graphs: traced by running them once or scripted from their source, run natively, saved and loaded."""
from importlib import import_module

from rushlight.jit import frontend
from rushlight.jit._compile import CompiledFunction, CompileWarning, OptimizedModule, compile
from rushlight.jit._script import RecursiveScriptModule
from rushlight.jit._scripting import (
    annotate,
    export,
    ignore,
    is_scripting,
    script,
    script_if_tracing,
    script_method,
    unused,
)
from rushlight.jit._scripting import isinstance_of as isinstance
from rushlight.jit._trace import (
    ScriptFunction,
    ScriptModule,
    TracerWarning,
    TracingCheckError,
    is_tracing,
    trace,
)

__all__ = ["CompileWarning", "CompiledFunction", "OptimizedModule", "RecursiveScriptModule", "ScriptFunction",
           "ScriptModule", "TracerWarning", "TracingCheckError", "annotate", "compile", "export", "frontend",
           "ignore", "is_scripting", "is_tracing", "isinstance", "load", "save", "script", "script_if_tracing",
           "script_method", "trace", "unused"]


def __getattr__(name):
    if name in ("save", "load"):                     # files stand above: they know graphs, graphs do not know them
        value = globals()[name] = getattr(import_module("rushlight.io.graph_files"), name)
        return value
    raise AttributeError(f"module 'rushlight.jit' has no attribute '{name}'")
