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
    trace_module,
)

__all__ = ["Attribute", "CompileWarning", "CompiledFunction", "Final", "Future", "OptimizedModule",
           "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "TracerWarning", "TracingCheckError", "annotate",
           "compile", "export", "export_opnames", "fork", "freeze", "frontend", "ignore", "interface", "is_scripting",
           "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script", "script_if_tracing",
           "script_method", "trace", "trace_module", "unused", "wait"]

#: What is imported when it is first asked for: files and scripting take a while to import.
_LATER = {
    "save": "rushlight.jit._files", "load": "rushlight.jit._files",
    "Attribute": "rushlight.jit._attribute",
    "RecursiveScriptModule": "rushlight.jit._script",
    **dict.fromkeys(("Future", "fork", "wait"), "rushlight.jit._futures"),
    **dict.fromkeys(("annotate", "export", "export_opnames", "ignore", "interface", "is_scripting", "isinstance",
                     "script", "script_if_tracing", "script_method", "unused"), "rushlight.jit._scripting"),
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
