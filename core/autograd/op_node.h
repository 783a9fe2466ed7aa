// The node of an operator call. Everything it keeps lies behind it in one block: edges, arguments, versions,
// shapes.
#pragma once

#include "autograd/node.h"
#include "autograd/variable.h"
#include "registry/call.h"
#include "registry/vjp.h"

namespace rushlight::autograd {

// The state of a saved tensor's memory when it was saved.
struct Stamp {
    uint32_t version = 0, generation = 0;
    static Stamp of(const TensorImpl& t) { return {t.storage->version(), t.generation}; }
    bool operator==(const Stamp&) const = default;
};

// A saved tensor in the form that a pack hook gave it.
struct Packed {
    virtual ~Packed() = default;
    virtual Tensor unpack() = 0;
};
// Set on a thread while saved-tensor hooks are in force there. Never returns null.
using PackFunction = std::shared_ptr<Packed> (*)(const Tensor&);
extern thread_local PackFunction pack_saved;

// Raises the sentence about a saved tensor that is not what it was.
[[noreturn]] void fail_modified(const std::string& node, const std::string& what, const TensorImpl& t,
                                Stamp expected);
[[noreturn]] void fail_modified_outside(const std::string& node, const std::string& what,
                                        const TensorImpl& t);
[[noreturn]] void fail_second_walk(const std::string& node);
void require_savable(const TensorImpl& t, const char* op);

class OpNode final : public Node {
public:
    static Ref<Node> make(Call& call);
    ~OpNode() override;
    void apply(std::span<Tensor> grads, std::span<Tensor> out, const Pass& pass) override;
    std::string name() const override;
    bool keeps() const override { return keeps_ && !freed_; }
    void cut_history_of(const TensorImpl& t) override;

private:
    friend class Unpacked;

    struct Layout {
        uint64_t saved = 0;                      // parameters whose tensors are kept
        uint32_t edges = 0, params = 0, results_kept = 0;
        size_t payload = 0;                      // words of lists, strings and shapes
        int list_param = -1;
        uint64_t needed = 0, tensors = 0;
    };
    struct KeptResult {
        TensorImpl* alias;                       // owned; without history, so that no circle arises
        Stamp stamp;
        uint32_t slot;
    };
    // What few nodes have.
    struct Rare {
        struct Entry {
            // a parameter, or max_params + place in the list, or -1 - result
            int key;
            uint64_t fingerprint;
            bool has_fingerprint;
            std::shared_ptr<Packed> packed;
        };
        std::vector<Entry> entries;
    };
    struct Shapes;

    OpNode(const Op& op, const Layout& layout, size_t bytes);
    static Layout plan(const Call& call);
    void fill(Call& call);
    void keep(const Call& call, int key, TensorImpl* t, TensorImpl** place, Stamp* stamp);
    void keep_list(Call& call, Value& v, int64_t*& payload);
    void keep_results(Call& call);
    void drop_saved();
    void verify(int key, const TensorImpl& t, Stamp stamp) const;
    void verify_all() const;
    std::string describe(int key) const;
    uint32_t edge_of(int key) const;
    void read_shapes(const Value* kept, Shapes& shapes) const;
    Tensor match(Tensor g, const InputMeta& meta) const;

    const Op& op_;
    // parameters: that need a gradient, that are kept, that were tensors or lists
    uint64_t needed_, saved_, tensors_;
    int8_t list_param_;
    uint8_t param_count_, results_kept_;
    bool keeps_ = false;                         // anything that a walk frees
    bool freed_ = false;
    SpinLock lock_;
    Value* args_;
    Stamp* stamps_;
    KeptResult* results_;
    int64_t* payload_;
    // of the tensors that are not kept: dtype and rank, sizes [, offset, strides]
    int64_t* shapes_ = nullptr;
    std::unique_ptr<Rare> rare_;
};

}  // namespace rushlight::autograd
