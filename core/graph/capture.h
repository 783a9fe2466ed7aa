// Capture by running: while a Capture is open on a thread, the operators that the thread calls become nodes of a graph.
//
// It stands in the funnel, outside every call. A primitive is one node, whatever its kernel calls; a composite is
// transparent, unless it makes a tensor by other means than operators, in which case it is one node itself. What
// reaches memory past the funnel can't be replayed: versions of storages tell, and the capture is refused.
//
// Tensors are known by their addresses and not kept: who goes is forgotten (tensor/life.h), so that a program needs no
// more memory while it is captured than otherwise, and the tape finds the same owners.
#pragma once

#include <functional>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "graph/graph.h"
#include "graph/item.h"
#include "registry/watch.h"

namespace rushlight::graph {

struct Escape {                          // a value that left to Python, which may have decided something by it
    std::string how;                     // "item", "__bool__", "numpy"
    std::string source;                  // file:line
};

// What a program did to the gradient that a leaf keeps.
struct GradientSlot {
    enum class Before : uint8_t { any, none, given };        // what it found there: any that it did not look at
    enum class After : uint8_t { same, none, output };
    Tensor leaf;
    int input = -1;                      // which input of the call the leaf is, or none of them
    Before before = Before::any;
    int given = -1;                      // which input of the graph the gradient is that it found
    After after = After::same;
    int output = -1;                     // which output of the graph becomes the gradient
    bool view = false;                   // ... which shows as a view of something else
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

    // Of the finished graph: gradients are inputs and outputs behind the program's own.
    const std::vector<GradientSlot>& gradients() const { return gradients_; }
    // While it is open: an argument of an update that is called `param` and has this value is that number, which may be
    // another at the next call; it becomes an input. Returns the number's place among all that were marked.
    int mark(std::string param, double value);
    void unmark() { marks_from_ = marks_.size(); }
    // A call of another graph becomes one node, of the graph `name`: what `run` does is not looked at. `sized`: the
    // shapes of its results follow from those of its inputs.
    using RunGraph = std::function<std::vector<Item>(std::vector<Item>)>;
    std::vector<Item> call(const Graph& callee, const std::string& name, bool sized, std::vector<Item> inputs,
                           const RunGraph& run);
    std::vector<int> used_numbers() const;           // by their place, in the order of the graph's inputs
    int walks() const { return walks_; }             // backwards, within the program
    // A tensor on the tape was read after a detached one changed its memory: the graph knows the values only.
    bool loses_history() const { return loses_history_; }
    // Functions on the tape whose derivative is the program's own: a walk through the graph's calls would not ask them.
    const std::vector<std::string>& functions() const { return functions_; }
    // Constants whose values left to Python: the program holds as long as they stay.
    const std::vector<Tensor>& read_constants() const { return read_constants_; }
    // Whether the call made the tensor.
    bool made(const TensorImpl& t) const { return made_.contains(&t); }
    // Tensors that the call made and that Python holds, and where each came from; `outputs` and gradients left out.
    std::vector<std::pair<Tensor, std::string>> held(const std::vector<Tensor>& outputs);

    static Capture* current();           // of this thread
    static void refuse(const char* what);          // the program does what no graph can hold
    // A tensor's values are handed to the program. Nothing happens unless they come from the captured program.
    static void note_escape(const TensorImpl& t, const char* how);
    static void note_shape(const TensorImpl& t);         // the same of a shape, which matters where values decide it
    static void note_offset(const TensorImpl& t, const char* how);       // and of where an input begins in its memory
    static void note_function(const std::string& name);

private:
    struct Seen {                        // what a tensor was when it was last a value
        ValueId value = no_value;
        const Storage* storage = nullptr;
        Dims sizes, strides;
        int64_t offset = 0;
        DType dtype = DType::float32;
        int writes = 0;                  // of its region, at that time
        bool tracked = false;
    };
    class Deeper {                       // within a primitive, or a graph that is called: calls are not looked at
    public:
        explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
        ~Deeper() { --depth_; }

    private:
        int& depth_;
    };
    struct Region {                      // a storage
        uint32_t version = 0;
        int writes = 0;                  // by captured calls
        const TensorImpl* newest = nullptr;          // the tensor that wrote last, or the first one known; null if gone
        Seen newest_seen;
        int inputs = 0;                  // how many inputs lie in it
        bool constant = false;
    };
    struct Composite {                   // the outermost one that is open
        size_t nodes, values, constants;
        bool broken = false;             // it made a tensor past the funnel
        bool unsized = false;            // the shape of something in it depends on values
        std::vector<std::pair<const TensorImpl*, std::unique_ptr<Seen>>> before;      // what to restore
        std::vector<std::pair<const Storage*, std::unique_ptr<Region>>> regions;
    };
    struct Mark {
        std::string param;
        double value;
        ValueId input = no_value;
    };
    struct Slot {                        // a leaf's gradient
        GradientSlot::Before before;
        Tensor found;                    // where the program looked at it
        int given = -1;
    };

    using Versions = std::vector<std::pair<TensorImpl*, uint32_t>>;      // of the arguments' storages before a call

    bool resolved(const Call& c, Node& node);
    bool resized(const Call& c, const Dims& held);
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
    void save(const Storage* s);
    void forget(const TensorImpl* t);
    void forget(const Storage* s);
    void forget_elsewhere();
    ValueId typed_value(const Type& type);
    Node plain_node(Form form) const;
    void unpack_by(const char* primitive, std::vector<Argument> args, std::span<Item> items,
                   const std::vector<Type>& types, bool sized);
    Argument handed(const Item& x, const Type& wanted);
    ValueId received(Item& x, const Type& type, bool sized);
    void unpack(Item& x, const Type& type, ValueId v, bool sized);
    Mark* marked(const Call& c, size_t i);
    Argument number_argument(Mark& mark);
    void look_at_gradient(TensorImpl& leaf, const Tensor& now, bool replaced);
    void note_copy(TensorImpl& from, TensorImpl& to);
    ValueId add_input(const std::string& name, TensorImpl& t);
    void finish_gradients();
    void finish_escapes();
    void check_flags() const;
    int input_of(const TensorImpl& t) const;
    friend struct CaptureHooks;
    void record(Call& c, Node node, const Versions& versions, bool of_unsized);
    bool knows(const Tensor& t) const { return regions_.contains(t->storage.get()); }
    std::string named(std::string name) const;
    void check_versions() const;
    ValueId new_value(const TensorImpl& t, bool sized);

    Graph g_;
    std::unordered_map<const TensorImpl*, Seen> seen_;
    std::unordered_map<const Storage*, Region> regions_;
    std::unordered_map<const TensorImpl*, std::string> keys_;
    std::unordered_map<const Storage*, Tensor> known_;     // by where they lie
    std::vector<Tensor> inputs_;
    std::unordered_set<const TensorImpl*> made_;           // in the call, and still there
    std::unordered_set<const Storage*> made_inside_;       // by primitives and composites, among them what is no result
    std::unordered_map<const TensorImpl*, Slot> slots_;
    std::vector<const TensorImpl*> slot_order_;
    std::unordered_map<const TensorImpl*, bool> flags_;    // of leaves that were told whether to require a gradient
    std::vector<GradientSlot> gradients_;
    std::vector<std::pair<Tensor, Escape>> constant_escapes_;
    std::vector<Tensor> read_constants_;
    std::vector<Mark> marks_;
    size_t marks_from_ = 0;              // those before are of updates that are over
    std::mutex elsewhere_lock_;
    std::vector<std::pair<const TensorImpl*, const Storage*>> gone_elsewhere_;       // told by other threads
    int walks_ = 0;
    bool calls_ = false;                 // other graphs, as nodes
    std::string call_on_tape_;           // where a call of another graph gave what requires gradients
    bool loses_history_ = false;
    bool outer_tape_ = false;            // something came into the program with a history
    std::vector<bool> unsized_;          // values whose shape only the run can tell
    std::vector<Escape> escapes_;
    std::vector<std::string> functions_;
    Where where_;
    Composite* composite_ = nullptr;
    bool grad_ = false;                  // whether gradients were recorded when the capture began
    std::string refusal_;                // why this program can't be captured
    int depth_ = 0;                      // within a primitive
};

}  // namespace rushlight::graph
