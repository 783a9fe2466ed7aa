// A captured program: calls of operators in the order they run, over values that are defined once.
//
// Memory is shared as eager mode shares it, and the graph says where: a view is a node, and a node that writes says
// which value's place its result takes. From there on the old value, and every view of its memory, may not be used any
// more; who needs that memory again is a view of the newest value. So the order of the nodes and the names of the
// values tell everything, and no pass has to guess what a write may have reached.
#pragma once

#include <string>
#include <vector>

#include "registry/op.h"

namespace rushlight::graph {

using ValueId = int;                     // an index into Graph::values
inline constexpr ValueId no_value = -1;
inline constexpr int64_t unknown_size = -1;        // known only when the program runs, as of nonzero's result

struct ValueInfo {
    std::string name;                    // unique in the graph, without the leading %
    DType dtype = DType::float32;
    Dims sizes;                          // as captured; unknown_size where only the run can tell
    Dims strides;                        // of inputs and constants that are not contiguous; empty otherwise
};

// An argument of a node. Tensors are values; everything else is owned.
struct Argument {
    Tag tag = Tag::none;
    int64_t integer = 0;                 // of boolean and natural too
    double real = 0, imaginary = 0;
    DType dtype = DType::float32;
    std::string text;
    std::vector<int64_t> ints;
    std::vector<double> reals;
    std::vector<ValueId> values;         // one of a tensor

    bool operator==(const Argument& o) const;      // bit for bit: nan equals nan, 0.0 differs from -0.0
};

struct Change {                          // an argument that the operator writes besides its results
    ValueId old_value = no_value, new_value = no_value;
};

struct Node {
    const Op* op = nullptr;
    std::vector<Argument> args;          // one for each parameter
    std::vector<ValueId> results;        // no_value where the call gave none
    ValueId into = no_value;             // result 0 is written into this value's memory and takes its place
    std::vector<Change> changes;         // running statistics and the like
    bool recorded = true;                // false of what ran under no_grad: it stays off the tape in a recorded run
    std::string source;                  // file:line of the program, where it is known

    bool writes() const { return into != no_value || !changes.empty(); }
};

struct Constant {                        // a tensor from outside: a parameter, a buffer, a literal
    ValueId value = no_value;
    std::string key;                     // its name in a file: "layer1.0.weight"
    Tensor tensor;                       // by reference; undefined in a graph that was parsed and not yet bound
};

struct Graph {
    std::string name = "forward";
    std::vector<ValueInfo> values;
    std::vector<ValueId> inputs;
    std::vector<Constant> constants;
    std::vector<Node> nodes;
    std::vector<ValueId> outputs;

    const ValueInfo& operator[](ValueId v) const { return values[size_t(v)]; }
    ValueId add_value(std::string name, DType dtype, const Dims& sizes);
    ValueId add_value(const TensorImpl& t);        // named by its number
};

// Calls f(ValueId&) for each value that the node reads, what it overwrites included.
template <class N, class F>
void each_operand(N& node, F&& f) {
    for (auto& a : node.args)
        for (auto& v : a.values) f(v);
    if (node.into != no_value) f(node.into);
}

// Calls f(ValueId&) for each value that the node defines.
template <class N, class F>
void each_definition(N& node, F&& f) {
    for (auto& v : node.results)
        if (v != no_value) f(v);
    for (auto& change : node.changes) f(change.new_value);
}

// Which values share memory, as far as the nodes tell: of each value the representative of its memory. Views and writes
// certainly share; operators that may give an argument back (contiguous) only count where `possibly`.
std::vector<ValueId> memory_of(const Graph& g, bool possibly = true);
// Of each memory (by representative): does it outlive the run, as that of inputs and constants?
std::vector<bool> outlives_the_run(const Graph& g, const std::vector<ValueId>& memory);
// Which constants are written: state that the program keeps from one run to the next.
std::vector<bool> written_constants(const Graph& g);

// Raises a value error that names the first thing that is wrong: values used before they are defined, defined twice or
// after their memory was overwritten, arguments of another type than the operator's signature wants.
void verify(const Graph& g);

// The text of a graph, which parse() reads back to an equal graph. `sources` adds file and line as comments.
std::string print(const Graph& g, bool sources = false);
// Raises a value error with the line and what was expected there. The result is verified; its constants have no
// tensors.
Graph parse(std::string_view text);

}  // namespace rushlight::graph
