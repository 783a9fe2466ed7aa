// A storage: a block of memory that tensors view, with the version counter that in-place writes advance.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ref.h"
#include "tensor/allocator.h"

namespace rushlight {

// How the bytes of a storage are arranged. `channels_last` is a private matter between kernels: a storage that holds
// exactly one contiguous (N, C, H, W) tensor may keep it as (N, H, W, C) until somebody asks for the plain bytes.
enum class Arrangement : uint8_t { plain, channels_last };

class Storage;

// Bytes that are worked out when somebody first asks for them, from the arranged bytes of other storages.
class Deferred {
public:
    Deferred();
    Deferred(const Deferred&);
    virtual ~Deferred();
    virtual void fill(void* bytes, const void* const* sources) const = 0;
    std::vector<Ref<Storage>> sources;                 // at most max_sources
    static constexpr int max_sources = 2;
};

class Storage : public RefCounted {
public:
    static Ref<Storage> make(size_t bytes);
    // Memory owned by somebody else; `free(context)` is called when the last tensor goes.
    static Ref<Storage> wrap(void* data, size_t bytes, void (*free)(void*), void* context, bool read_only);
    static void destroy(Storage* s);

    void* data() {                                     // plain bytes
        if (arrangement() != Arrangement::plain) [[unlikely]] rearrange_to_plain();
        return block_.data;
    }
    size_t bytes() const { return bytes_; }
    bool read_only() const { return read_only_; }
    // Only memory that nobody else holds an address of may move.
    bool resizable() const { return !free_ && !written_elsewhere(); }
    void resize(size_t bytes);                         // keeps the common prefix

    uint32_t version() const { return version_.load(std::memory_order_relaxed); }
    void bump() { version_.fetch_add(1, std::memory_order_relaxed); }

    // Memory that other libraries may write without telling: a NumPy array or DLPack capsule over it is alive, or it is
    // theirs.
    bool written_elsewhere() const { return writers_.load(std::memory_order_relaxed) != 0; }
    void begin_sharing();                              // a writable view is handed to another library
    void end_sharing();                                // ... and has gone
    void note_saved() { if (!saved_.load(std::memory_order_relaxed)) saved_.store(true, std::memory_order_relaxed); }
    bool was_saved() const { return saved_.load(std::memory_order_relaxed); }
    // Advances the version when shared memory no longer holds what it held when the sharing began.
    void notice_outside_writes() { if (watched_.load(std::memory_order_relaxed)) [[unlikely]] compare_print(); }

    Arrangement arrangement() const { return arrangement_.load(std::memory_order_acquire); }
    // Bytes as `arrangement()` says. They stay where they are until release_arranged(), even when another thread asks
    // for the plain bytes meanwhile. Null when the storage is plain.
    void* hold_arranged();
    void release_arranged();
    bool arranged_as(int64_t n, int64_t c, int64_t spatial) const { return n == n_ && c == c_ && spatial == spatial_; }
    // Declares that the bytes hold an (n, c, spatial) tensor of `element` bytes as (n, spatial, c).
    void set_channels_last(int64_t n, int64_t c, int64_t spatial, int element);

    // Puts off what these bytes will be; they and the sources keep channels last. Asking for these bytes, or for those
    // of a source (which may then change), does the work first. Takes the place of `before`; false where that is done.
    bool defer(std::shared_ptr<const Deferred> work, const Deferred* before = nullptr);
    std::shared_ptr<const Deferred> deferred();        // null where the bytes are there
    bool entangled() const { return entangled_.load(std::memory_order_acquire); }

    // Something that a kernel derives from the contents, such as weights in another layout: kept until the version
    // changes. Every caller passes the same `make`.
    std::shared_ptr<void> derived(std::shared_ptr<void> (*make)());
    void forget_derived() { if (has_derived_.load(std::memory_order_relaxed)) [[unlikely]] drop_derived(); }

private:
    using Finished = std::vector<std::shared_ptr<const Deferred>>;
    void settle() { if (entangled()) [[unlikely]] settle_now(); }
    void settle_now();
    void give_up();                                    // nobody will ask for these bytes any more
    void settle_locked(Finished& finished);
    void disentangle(Finished& finished);
    void drop_derived();
    void rearrange_to_plain();
    void compare_print();

    Block block_, retired_;  // retired: the arranged bytes of a storage that became plain under a reader
    std::atomic<int> holders_{0};
    size_t bytes_ = 0;
    std::atomic<uint32_t> version_{0};
    std::atomic<Arrangement> arrangement_{Arrangement::plain};     // stored last: who sees `plain` sees the plain bytes
    bool read_only_ = false;
    uint8_t element_ = 0;
    int64_t n_ = 0, c_ = 0, spatial_ = 0;
    void (*free_)(void*) = nullptr;
    void* context_ = nullptr;
    std::shared_ptr<const Deferred> deferred_;
    std::vector<Storage*> waiting_;                    // whose deferred work reads these bytes
    std::atomic<bool> entangled_{false};               // either of the two
    std::shared_ptr<void> derived_;
    uint32_t derived_version_ = 0;
    std::atomic<bool> has_derived_{false};
    std::atomic<uint32_t> writers_{0};                 // foreign owners and live writable views
    std::atomic<bool> saved_{false}, watched_{false};  // for a gradient at some time; print_ tells of outside writes
    uint32_t print_version_ = 0;
    uint64_t print_ = 0;                               // fingerprint of all bytes at print_version_
};

uint64_t fingerprint(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace rushlight
