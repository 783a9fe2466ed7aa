// Who wants to see each call of an operator: tools that look for NaN, draw graphs, count.
#pragma once

#include "base/events.h"
#include "registry/call.h"

namespace rushlight {

// Stands around every call while `watchers` has watch_calls: runs the call by `go(call)`.
extern void (*call_watcher)(Call& call, void (*go)(Call&));

// For who stands around: whether a call is one kernel's, which makes its results anew and draws no random numbers; and
// everything of such a call but its kernel, since these are its results.
bool is_answerable(const Call& call);
void answer(Call& call, std::span<const Tensor> results);

// The same while `watchers` has watch_capture: who records calls as a graph, within the other.
extern void (*call_capturer)(Call& call, void (*go)(Call&));

// What a capture must be told besides, because it happens past the funnel. Called only while `watchers` has
// watch_capture.
struct CaptureObserver {
    void (*walk)();                              // a walk backwards begins
    // The gradient of a leaf is about to be used, or to be replaced whatever it is; `now` may be undefined.
    void (*gradient)(TensorImpl& leaf, const Tensor& now, bool replaced);
    void (*copied)(TensorImpl& from, TensorImpl& to);          // `to` is a copy in memory of its own
    void (*flagged)(TensorImpl& leaf);           // whether it requires a gradient is about to be said
};
extern CaptureObserver capture_observer;

// The gradient that a tensor keeps, as the tape does: for rooms that know nothing else of it.
struct Gradients {
    Tensor (*get)(const TensorImpl&);            // undefined where there is none
    void (*set)(TensorImpl&, const Tensor&);     // of the tensor's shape and dtype, or undefined
};
extern Gradients gradients;

}  // namespace rushlight
