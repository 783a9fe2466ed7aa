#include <exception>
#include <new>

#include "base/parallel.h"
#include "capi/handles.h"

namespace rushlight::capi {

namespace {

thread_local std::string last_error;
thread_local const char* fixed_error = nullptr;      // where there was no memory for a text

rl_status note(rl_status status, const char* text) noexcept {
    try {
        last_error = text;
        fixed_error = nullptr;
    } catch (...) {
        fixed_error = "there is no memory left";
    }
    return status;
}

}  // namespace

void throw_wrong(std::initializer_list<files::Part> parts) { throw WrongArgument(files::sentence(parts)); }

rl_status note_exception() noexcept {
    try {
        throw;
    } catch (const WrongArgument& e) {
        return note(RL_ERROR_ARGUMENT, e.what());
    } catch (const WrongInput& e) {
        return note(RL_ERROR_SIGNATURE, e.what());
    } catch (const files::Corrupt& e) {
        return note(RL_ERROR_CORRUPT, e.what());
    } catch (const graph::ProgramError& e) {
        return note(RL_ERROR_RUN, (e.exception() + (e.exception().empty() ? "" : ": ") + e.what()).c_str());
    } catch (const Error& e) {
        rl_status status = e.kind() == ErrorKind::io ? RL_ERROR_FILE
                           : e.kind() == ErrorKind::memory ? RL_ERROR_MEMORY : RL_ERROR_RUN;
        return note(status, e.what());
    } catch (const std::bad_alloc&) {
        return note(RL_ERROR_MEMORY, "there is no memory left");
    } catch (const std::exception& e) {
        return note(RL_ERROR_INTERNAL, e.what());
    } catch (...) {
        return note(RL_ERROR_INTERNAL, "an unknown exception");
    }
}

}  // namespace rushlight::capi

using namespace rushlight;
using namespace rushlight::capi;

const char* rl_version(void) { return RUSHLIGHT_VERSION; }
int32_t rl_abi_version(void) { return RL_ABI_VERSION; }
const char* rl_last_error(void) { return fixed_error ? fixed_error : last_error.c_str(); }

rl_status rl_set_threads(int32_t threads) {
    return guarded([&] {
        expect(threads >= 1, "rl_set_threads: threads=", threads, "; expected at least 1");
        set_num_threads(threads);
    });
}

int32_t rl_threads(void) {
    return found(int32_t(1), [] { return int32_t(get_num_threads()); });
}
