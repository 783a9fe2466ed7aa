// `.rush` files: programs with their tensors, read and checked without Python. A zip of stored members: graph.json (the
// graphs as text, what they take and give), weights.safetensors, and what the user kept beside them under extra/.
// Nothing in a file is run, and no size, offset or index in it is trusted. For transport the zip may be a gzip stream.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "files/bytes.h"
#include "files/json.h"
#include "graph/graph.h"

namespace rushlight::files {

inline constexpr int64_t newest_version = 3;

// A graph, and the structures of its arguments and results: "tensor", "value" (of another type, which the graph tells),
// "none", ["list" or "tuple", [part...]] or ["dict", [[name, part]...]]; `takes` is [(positional...), {named}].
struct Signature {
    std::string name;
    graph::Graph graph;                        // its constants have their tensors
    std::vector<graph::Graph> called;          // graphs that it calls, and these; in the file they follow its text
    std::string text;                          // of a graph whose sizes may vary; `graph` is one of its sizes then
    int64_t least = 1;                         // the smallest of these sizes
    Json takes, gives;
    Json defaults;                             // of inputs that may be left out: an object, by their names
};

struct ProgramFile {
    std::string name, original_name;           // of the function, or of the module's class
    bool module = false, training = true;      // of a module: the mode that it was in
    std::vector<std::string> parameters, buffers, requires_grad;
    std::vector<std::pair<std::string, Tensor>> tensors;
    std::vector<Signature> signatures;         // one for each set of shapes that a program was captured with
    Json script;                               // of a scripted program what Python knows of it: an object, or null
    Json metadata;                             // an object
    std::vector<std::pair<std::string, Bytes>> extra;
};

// Verifies and reads all of it. Tensors stay where they lie in `bytes`, read-only, but for those that the program
// writes; `copy` gives all of them memory of their own. Raises Corrupt; `where` begins the message.
ProgramFile read_program(const Bytes& bytes, const std::string& where, bool copy);

// The names of dtypes in safetensors' header, in the order of DType; C128 is ours.
inline constexpr std::string_view dtype_names[dtype_count] = {"U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64",
                                                              "C64", "C128", "BOOL", "BF16", "U16", "U32", "U64"};
// Whether elements at these strides have places of their own, with few gaps between them.
bool is_storable(const Dims& sizes, const Dims& strides);
// Does any node write memory that was there before?
bool writes(const graph::Graph& g);
// How many tensors and other values a structure stands for. Raises a value error where it is none.
size_t count_values(const Json& form);
// A name for each value of a structure: names of dicts and positions, joined by points. What has neither is `plain`.
std::vector<std::string> names_of(const Json& form, const std::string& plain);

}  // namespace rushlight::files
