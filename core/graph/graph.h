// A captured program: calls of operators in the order they run, over values that are defined once.
//
// Memory is shared as eager mode shares it, and the graph says where: a view is a node, and a node that writes says
// which value's place its result takes. From there on the old value, and every view of its memory, may not be used any
// more; who needs that memory again is a view of the newest value. So the order of the nodes and the names of the
// values tell everything, and no pass has to guess what a write may have reached.
//
// A program with control flow has nodes with bodies, and values that are no tensors. Its tensors are references as in
// eager mode: it is run by the interpreter, and passes leave alone what may be written.
#pragma once

#include <string>
#include <vector>

#include "graph/type.h"
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
    Type type = {};                      // a tensor, or something else
    bool sized = true;                   // of a tensor: dtype and sizes are told; otherwise it may be any tensor

    bool is_tensor() const { return type.is(TypeKind::tensor); }
};

// Tags of arguments beyond those that a call knows: what only the run can tell.
inline constexpr Tag tag_value = Tag(32);          // what the value holds that is no tensor: a number, a list
inline constexpr Tag tag_mixed = Tag(33);          // a list of ints, some of them values

// An argument of a node: a literal, a tensor, or another value.
struct Argument {
    Tag tag = Tag::none;
    int64_t integer = 0;                 // of boolean and natural too
    double real = 0, imaginary = 0;
    DType dtype = DType::float32;
    std::string text;
    std::vector<int64_t> ints;
    std::vector<double> reals;
    std::vector<ValueId> values;         // one of a tensor
    std::vector<size_t> places;          // of a mixed list: which of `ints` its values stand for

    bool operator==(const Argument& o) const;      // bit for bit: nan equals nan, 0.0 differs from -0.0
};

struct Change {                          // an argument that the operator writes besides its results
    ValueId old_value = no_value, new_value = no_value;
};

struct Block;
struct Primitive;                        // graph/values.h

// What a node does. Its arguments: of operators one for each parameter; of `if` the condition; of `while` the values
// that the loop begins with; of `for` what it walks over, and then these; of a call what the other graph takes.
enum class Form : uint8_t { op, primitive, branch, repeat, walk, call };

struct Node {
    const Op* op = nullptr;              // of operators; null otherwise
    std::vector<Argument> args;
    std::vector<ValueId> results;        // no_value where the call gave none
    ValueId into = no_value;             // result 0 is written into this value's memory and takes its place
    std::vector<Change> changes;         // running statistics and the like
    bool recorded = true;                // false of what ran under no_grad: it stays off the tape in a recorded run
    std::string source;                  // file:line of the program, where it is known
    Form form = Form::op;
    const Primitive* primitive = nullptr;
    std::string callee;                  // of a call: the other graph's name
    std::vector<Block> bodies;           // if: then, else; while: condition, body; for: body

    bool writes() const { return into != no_value || !changes.empty(); }
};

// Nodes of their own within a node; they see the values around them. Of `while`, the condition's inputs are the loop's
// values, which the body sees too, and it gives one bool. Of `for`, the first input is the item.
struct Block {
    std::vector<ValueId> inputs;
    std::vector<Node> nodes;
    std::vector<Argument> outputs;       // literals or values
};

inline constexpr int max_block_depth = 64;

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
    bool located = false;                // the text says where nodes come from

    const ValueInfo& operator[](ValueId v) const { return values[size_t(v)]; }
    ValueId add_value(std::string name, DType dtype, const Dims& sizes);
    ValueId add_value(const TensorImpl& t);        // named by its number
};

// Calls f(ValueId&) for each value that the node reads, what it overwrites included, and for each that its bodies read.
template <class N, class F>
void each_operand(N& node, F&& f) {
    for (auto& a : node.args)
        for (auto& v : a.values) f(v);
    if (node.into != no_value) f(node.into);
    for (auto& body : node.bodies) {
        for (auto& inner : body.nodes) {
            each_operand(inner, f);
            for (auto& change : inner.changes) f(change.old_value);
        }
        for (auto& a : body.outputs)
            for (auto& v : a.values) f(v);
    }
}

// Calls f(ValueId&) for each value that the node defines.
template <class N, class F>
void each_definition(N& node, F&& f) {
    for (auto& v : node.results)
        if (v != no_value) f(v);
    for (auto& change : node.changes) f(change.new_value);
}

// Calls f(node) for each node of the list and of all bodies in it, outer ones first.
template <class Nodes, class F>
void each_node(Nodes& nodes, F&& f) {
    for (auto& node : nodes) {
        f(node);
        for (auto& body : node.bodies) each_node(body.nodes, f);
    }
}

// Only calls of operators, on tensors of known shapes, and on floats that are inputs where these have no say in shapes:
// what the planner runs.
bool is_straight(const Graph& g);
// "add", "num_add", "if", "call helper"
std::string name_of(const Node& node);
// What the argument is; a literal list of numbers is a list.
Type type_of(const Graph& g, const Argument& a);

// Which values share memory, as far as the nodes tell: of each value the representative of its memory. Views and writes
// certainly share; operators that may give an argument back (contiguous) only count where `possibly`.
std::vector<ValueId> memory_of(const Graph& g, bool possibly = true);
// Of each memory (by representative): does it outlive the run, as that of inputs and constants?
std::vector<bool> outlives_the_run(const Graph& g, const std::vector<ValueId>& memory);
// Which constants are written: state that the program keeps from one run to the next.
std::vector<bool> written_constants(const Graph& g);
// Which inputs are written: memory of the caller's.
std::vector<bool> written_inputs(const Graph& g);

// Raises a value error that names the first thing that is wrong: values used before they are defined, defined twice or
// after their memory was overwritten, arguments of another type than the operator's signature wants.
void verify(const Graph& g);
// The same of graphs that call each other: unknown names, arguments and results of other types.
void verify(const std::vector<Graph>& graphs);

// The text of a graph, which parse() reads back to an equal graph. `sources` adds file and line as comments.
std::string print(const Graph& g, bool sources = false);
// Raises a value error with the line and what was expected there. The result is verified; its constants have no
// tensors.
Graph parse(std::string_view text);
// One graph or several, which may call each other.
std::vector<Graph> parse_all(std::string_view text);
// A type by itself, with the variables (T, K, V) of a primitive's signature.
Type parse_type(std::string_view text);

}  // namespace rushlight::graph
