"""Programs as graphs: traced by running them once or scripted from their source, run natively, saved and loaded."""
from importlib import import_module
from typing import Final

from rushlight.jit._compile import CompiledFunction, CompileWarning, OptimizedModule, compile
from rushlight.jit._freeze import freeze, optimize_for_inference
from rushlight.jit._trace import (
    ScriptFunction,
    ScriptModule,
    TracerWarning,
    TracingCheckError,
    is_tracing,
    trace,
)

__all__ = ["CompileWarning", "CompiledFunction", "Final", "OptimizedModule", "RecursiveScriptModule", "ScriptFunction",
           "ScriptModule", "TracerWarning", "TracingCheckError", "annotate", "compile", "export", "freeze",
           "frontend", "ignore", "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference", "save",
           "script", "script_if_tracing", "script_method", "trace", "unused"]

#: What is imported when it is first asked for: files stand above, and know graphs; scripting takes a while to import.
_LATER = {
    "save": "rushlight.io.graph_files", "load": "rushlight.io.graph_files",
    "RecursiveScriptModule": "rushlight.jit._script",
    **dict.fromkeys(("annotate", "export", "ignore", "is_scripting", "isinstance", "script", "script_if_tracing",
                     "script_method", "unused"), "rushlight.jit._scripting"),
}


def __getattr__(name):
    if name == "frontend":
        return import_module("rushlight.jit.frontend")
    if name in _LATER:
        own = "isinstance_of" if name == "isinstance" else name
        value = globals()[name] = getattr(import_module(_LATER[name]), own)
        return value
    raise AttributeError(f"module 'rushlight.jit' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_LATER, "frontend"})
