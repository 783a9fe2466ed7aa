#include "registry/invoke.h"

namespace rushlight {

void invoke_raw(Call& call, Value* args, int given) {
    static const auto& closed = all_ops();            // signatures are parsed before the first call
    (void)closed;
    const Signature& s = call.op.parsed;
    for (int i = given; i < int(s.params.size()); ++i) {
        require(s.params[size_t(i)].has_default, ErrorKind::type, s.name, ": missing argument '",
                s.params[size_t(i)].name, "'");
        args[i] = s.params[size_t(i)].default_value;
    }
    if (call.op.writes_first && !call.destination) {
        call.destination = args[0].tensor_;
        call.in_place = true;
    }
    dispatch(call);
}

}  // namespace rushlight
