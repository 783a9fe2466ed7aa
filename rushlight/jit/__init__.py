"""Programs captured as graphs: traced by running them once, run natively, saved and loaded."""
from importlib import import_module

from rushlight.jit._compile import CompiledFunction, CompileWarning, OptimizedModule, compile
from rushlight.jit._trace import (
    ScriptFunction,
    ScriptModule,
    TracerWarning,
    TracingCheckError,
    is_tracing,
    trace,
)

__all__ = ["CompileWarning", "CompiledFunction", "OptimizedModule", "ScriptFunction", "ScriptModule", "TracerWarning",
           "TracingCheckError", "compile", "is_tracing", "load", "save", "trace"]


def __getattr__(name):
    if name in ("save", "load"):                     # files stand above: they know graphs, graphs do not know them
        value = globals()[name] = getattr(import_module("rushlight.io.graph_files"), name)
        return value
    raise AttributeError(f"module 'rushlight.jit' has no attribute '{name}'")
