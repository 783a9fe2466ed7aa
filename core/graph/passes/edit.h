// What passes share: who makes and reads a value, what is written, and how a graph gets constants and calls.
#pragma once

#include <initializer_list>

#include "graph/passes.h"
#include "registry/invoke.h"

namespace rushlight::graph {

// Of each memory, by representative: does any node write it?
std::vector<bool> written_memory(const Graph& g, const std::vector<ValueId>& memory);

// What a pass needs to know of the values of a graph as it stands.
struct Values {
    explicit Values(const Graph& g);
    std::vector<int> maker;                    // the node that defines it; -1 of inputs and constants
    std::vector<int> readers;                  // nodes that read or overwrite it, and outputs
    std::vector<ValueId> memory;
    std::vector<bool> written, given;          // by memory: some node writes it; it holds an output
    std::vector<Tensor> constant;              // the tensor of a constant that no node writes

    bool is_written(ValueId v) const { return written[size_t(memory[size_t(v)])]; }
    bool is_given(ValueId v) const { return given[size_t(memory[size_t(v)])]; }
};

// Makes `t` a constant, under a key like this.
ValueId add_constant(Graph& g, const std::string& key, const Tensor& t);

// The call of `op` on these arguments, outside of the tape.
template <class... Args>
Tensor compute(const char* op, const Args&... args) {
    const Op* found = find_op(op);
    require(found != nullptr, ErrorKind::not_implemented, "operator '", op, "' is not part of this build");
    GradMode off(false);
    return invoke(*found, args...);
}

}  // namespace rushlight::graph
