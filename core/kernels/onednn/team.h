// The OpenMP calls that oneDNN's loops make, answered with the threads of base/parallel.h. One pool then
// serves every kernel: no second set of threads spins while the first works, a member that has lost its core
// is replaced by the caller (unless the loop holds a barrier), and a forked child can go on.
#pragma once

namespace rushlight::onednn {

// True when oneDNN's calls do arrive in team.cpp: another library may have brought OpenMP into the process's
// scope first.
bool team_in_use();

// How many members oneDNN may use in a call from this thread.
int team_size();

// While one lives that is `on`, this thread's calls have one member: it waits for nobody.
class Alone {
public:
    explicit Alone(bool on);
    ~Alone();
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

private:
    bool before_;
};

// Tells OpenMP's own runtime to use `n` threads for this thread's calls, where oneDNN is bound to that
// runtime.
void tell_openmp(int n);

}  // namespace rushlight::onednn
