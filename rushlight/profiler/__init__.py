"""What a program costs: time and memory per operator, traces, flame graphs."""
from rushlight.autograd.profiler import ProfilerActivity, record_function
from rushlight.autograd.profiler_util import DeviceType
from rushlight.profiler.profiler import (
    ProfilerAction,
    kineto_available,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = ["DeviceType", "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function",
           "schedule", "supported_activities", "tensorboard_trace_handler"]
