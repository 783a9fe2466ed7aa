// What a thread is doing besides computing: recording gradients, inference, choosing dtypes.
#pragma once

#include "base/dtype.h"

namespace rushlight {

struct Call;

struct Mode {
    bool grad = true;
    bool inference = false;
    bool autocast = false;
    DType autocast_dtype = DType::bfloat16;
};
extern thread_local Mode mode;

class GradMode {                       // sets grad mode for its lifetime
public:
    explicit GradMode(bool on) : before_(mode.grad) { mode.grad = on; }
    ~GradMode() { mode.grad = before_; }
    GradMode(const GradMode&) = delete;
    GradMode& operator=(const GradMode&) = delete;

private:
    bool before_;
};

class WithoutAutocast {                // no autocast for its lifetime
public:
    WithoutAutocast() : before_(mode.autocast) { mode.autocast = false; }
    ~WithoutAutocast() { mode.autocast = before_; }
    WithoutAutocast(const WithoutAutocast&) = delete;
    WithoutAutocast& operator=(const WithoutAutocast&) = delete;

private:
    bool before_;
};

// Who watches dispatch. The tape registers itself here; registry knows nothing else of it.
struct TapeObserver {
    // Before a call writes into `call.destination`: raises when that is forbidden (a leaf that requires grad...).
    void (*before_write)(Call& call, bool recording) = nullptr;
    // After a call of which an input requires grad, with grad mode on.
    void (*record)(Call& call) = nullptr;
};
extern TapeObserver tape_observer;

// Whether operators follow the Array API standard where PyTorch decided otherwise: shapes have no say in promotion, and
// `//` of floating numbers is the quotient rounded down. For the whole process.
extern bool standard_operators;

DType default_dtype();
void set_default_dtype(DType t);       // floating dtypes only

}  // namespace rushlight
