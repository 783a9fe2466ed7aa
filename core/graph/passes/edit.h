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
    explicit Values(const Graph& g, const std::vector<std::string>& kept = {});
    std::vector<int> maker;                    // the node that defines it; -1 of inputs and constants
    std::vector<int> readers;                  // nodes that read or overwrite it, and outputs
    std::vector<ValueId> memory;
    std::vector<bool> written, given;          // by memory: some node writes it; it holds an output
    std::vector<Tensor> constant;              // of a constant that no node writes, and that is not kept

    bool is_written(ValueId v) const { return written[size_t(memory[size_t(v)])]; }
    bool is_given(ValueId v) const { return given[size_t(memory[size_t(v)])]; }
};

// Primitives that read a tensor's shape, dtype or strides, and not what it holds.
bool reads_shape(const Node& node);
// Of each value: how many nodes and bodies read it, or the graph gives it; those that only read its shape left out.
std::vector<int> readers_of(const Graph& g);
// Whoever reads `old_value` reads `now`.
void replace_value(Graph& g, ValueId old_value, ValueId now);

// With bodies: the passes that cleanup.cpp has for straight graphs.
void remove_unread(Graph& g);
void merge_equal_nodes(Graph& g);

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
