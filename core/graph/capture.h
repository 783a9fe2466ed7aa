// Capture by running: while a Capture is open on a thread, the operators that the thread calls become nodes of a graph.
//
// It stands in the funnel, outside every call. A primitive is one node, whatever its kernel calls; a composite is
// transparent, unless it makes a tensor by other means than operators, in which case it is one node itself. What
// reaches memory past the funnel can't be replayed: versions of storages tell, and the capture is refused.
#pragma once

#include <functional>
#include <unordered_map>

#include "graph/graph.h"
#include "registry/watch.h"

namespace rushlight::graph {

struct Escape {                          // a value that left to Python, which may have decided something by it
    std::string how;                     // "item", "__bool__", "numpy"
    std::string source;                  // file:line
};

class Capture {
public:
    using Where = std::function<std::string()>;      // the program's file:line now

    // `inputs` and `known` are pairs of a name and a tensor; known tensors (parameters) become constants of that key
    // where the program reads them.
    Capture(std::vector<std::pair<std::string, Tensor>> inputs, std::vector<std::pair<std::string, Tensor>> known,
            Where where);
    ~Capture() { close(); }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    void close();                        // the thread's calls are no longer seen
    // The graph that gives `outputs`. Raises a runtime error that says why, where the program can't be captured: the
    // program itself runs to its end undisturbed.
    Graph finish(const std::vector<Tensor>& outputs);
    const std::vector<Escape>& escapes() const { return escapes_; }

    static Capture* current();           // of this thread
    static void refuse(const char* what);          // the program does what no graph can hold
    // A tensor's values are handed to the program. Nothing happens unless they come from the captured program.
    static void note_escape(const TensorImpl& t, const char* how);
    static void note_shape(const TensorImpl& t);         // the same of a shape, which matters where values decide it

private:
    struct Seen {                        // what a tensor was when it was last a value
        Tensor tensor;                   // kept, so that no other takes its address
        ValueId value;
        Storage* storage;
        Dims sizes, strides;
        int64_t offset;
        DType dtype;
        int writes;                      // of its region, at that time
    };
    struct Region {                      // a storage
        Ref<Storage> storage;
        uint32_t version;
        int writes = 0;                  // by captured calls
        const TensorImpl* newest;        // the tensor that wrote last, or the first one known
        int inputs = 0;                  // how many inputs lie in it
        bool constant = false;
    };
    struct Composite {                   // the outermost one that is open
        size_t nodes, values, constants;
        bool broken = false;             // it made a tensor past the funnel
        bool unsized = false;            // the shape of something in it depends on values
        std::vector<std::pair<const TensorImpl*, std::unique_ptr<Seen>>> before;      // what to restore
        std::vector<std::pair<Storage*, std::unique_ptr<Region>>> regions;
    };

    using Versions = std::vector<std::pair<TensorImpl*, uint32_t>>;      // of the arguments' storages before a call

    bool resolved(const Call& c, Node& node);
    static void observe(Call& c, void (*go)(Call&));
    void observe_here(Call& c, void (*go)(Call&));
    void run_composite(Call& c, void (*go)(Call&));
    void run_primitive(Call& c, void (*go)(Call&));
    void call_through(Call& c, void (*go)(Call&));
    void resolve_all(const Call& c, Node& node);
    void roll_back(Composite& composite);
    Argument argument(const Call& c, size_t i);
    ValueId value_of(TensorImpl& t, const char* who);
    ValueId derive(TensorImpl& t, Region& region, const char* who);
    ValueId add_constant(TensorImpl& t);
    void remember(TensorImpl& t, ValueId v, bool writes);
    void save(const TensorImpl* t);
    void save(Storage* s);
    void record(Call& c, Node node, const Versions& versions, bool of_unsized);
    bool knows(const Tensor& t) const { return regions_.contains(t->storage.get()); }
    void check_versions() const;
    ValueId new_value(const TensorImpl& t, bool sized);
    ValueId value_of_before(const TensorImpl& t) const;     // of an argument that the call changed

    Graph g_;
    std::unordered_map<const TensorImpl*, Seen> seen_;
    std::unordered_map<Storage*, Region> regions_;
    std::unordered_map<const TensorImpl*, std::string> keys_;
    std::unordered_map<Storage*, Tensor> known_;           // by where they lie
    std::vector<bool> unsized_;          // values whose shape only the run can tell
    std::vector<Escape> escapes_;
    Where where_;
    Composite* composite_ = nullptr;
    bool grad_ = false;                  // whether gradients were recorded when the capture began
    std::string refusal_;                // why this program can't be captured
    int depth_ = 0;                      // within a primitive
};

}  // namespace rushlight::graph
