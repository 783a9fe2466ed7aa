#include "tensor/tensor.h"

#include <numeric>
#include <vector>

#include "tensor/life.h"

namespace rushlight {

namespace {

// Tensor headers are made and dropped at every operation: a short per-thread list saves the allocator's round trip.
constexpr size_t header_list_length = 64;
// It needs no construction and no destruction, so that it may be looked at until the thread is gone.
struct HeaderList {
    void* free[header_list_length];
    size_t count;
    bool registered, closed;
};
thread_local constinit HeaderList headers = {};

struct AtThreadEnd {
    ~AtThreadEnd() {
        headers.closed = true;
        while (headers.count > 0) ::operator delete(headers.free[--headers.count]);
    }
};

[[maybe_unused]] void register_end() {
    static thread_local AtThreadEnd end;
    (void)end;
    headers.registered = true;
}

}  // namespace

std::atomic<const LifeWatcher*> life_watcher{nullptr};

static TensorImpl* make_header() {
#ifndef __SANITIZE_ADDRESS__
    if (headers.count > 0) return new (headers.free[--headers.count]) TensorImpl;
#endif
    return new (::operator new(sizeof(TensorImpl))) TensorImpl;
}

TensorImpl* TensorImpl::make() {
    TensorImpl* t = make_header();
    if (const LifeWatcher* watcher = life_watcher.load(std::memory_order_relaxed)) [[unlikely]]
        watcher->tensor_made(*t);
    return t;
}

void TensorImpl::destroy(TensorImpl* t) {
    if (const LifeWatcher* watcher = life_watcher.load(std::memory_order_relaxed)) [[unlikely]]
        watcher->tensor_gone(*t);
    t->~TensorImpl();
#ifndef __SANITIZE_ADDRESS__
    if (!headers.closed && headers.count < header_list_length) {
        if (!headers.registered) [[unlikely]] register_end();
        headers.free[headers.count++] = t;
        return;
    }
#endif
    ::operator delete(t);
}

void TensorImpl::update_geometry() {
    numel = 1;
    for (int64_t s : sizes) numel *= s;
    contiguous = true;
    if (numel == 0) return;
    int64_t expected = 1;
    for (int i = rank() - 1; i >= 0; --i) {
        if (sizes[i] != 1 && strides[i] != expected) {
            contiguous = false;
            return;
        }
        expected *= sizes[i];
    }
}

Dims contiguous_strides(const Dims& sizes) {
    Dims strides(sizes.size(), 1);
    for (int i = sizes.size() - 2; i >= 0; --i) strides[i] = strides[i + 1] * std::max<int64_t>(sizes[i + 1], 1);
    return strides;
}

int64_t checked_numel(const Dims& sizes, const char* op) {
    require(sizes.size() <= max_rank, ErrorKind::runtime, op, ": the shape has ", sizes.size(),
            " dimensions; expected at most ", max_rank);
    int64_t n = 1;
    bool empty = false;
    for (int64_t s : sizes) {
        require(s >= 0, ErrorKind::runtime, op, ": size ", s, " in shape ", sizes, " is negative; expected sizes >= 0");
        empty = empty || s == 0;
    }
    for (int64_t s : sizes)                    // a zero does not excuse the others: strides multiply them
        if (__builtin_mul_overflow(n, std::max<int64_t>(s, 1), &n))
            fail(ErrorKind::runtime, op, ": the number of elements of shape ", sizes, " overflows a 64-bit integer");
    return empty ? 0 : n;
}

static Tensor make_tensor(Ref<Storage> storage, const Dims& sizes, const Dims& strides, int64_t offset, DType dtype) {
    TensorImpl* t = TensorImpl::make();
    t->storage = std::move(storage);
    t->sizes = sizes;
    t->strides = strides;
    t->offset = offset;
    t->dtype = dtype;
    t->update_geometry();
    return Tensor(t);
}

Tensor empty_tensor(const Dims& sizes, DType dtype) {
    int64_t n = checked_numel(sizes, "empty");
    int64_t bytes = checked_mul(n, size_of(dtype), "empty");
    TensorImpl* t = TensorImpl::make();
    Tensor result(t);
    t->storage = Storage::make(size_t(bytes));
    t->sizes = sizes;
    t->strides = contiguous_strides(sizes);
    t->numel = n;
    t->dtype = dtype;
    return result;
}

Tensor empty_strided_tensor(const Dims& sizes, const Dims& strides, DType dtype) {
    int64_t bytes = bytes_needed(sizes, strides, 0, size_of(dtype), "empty_strided");
    return make_tensor(Storage::make(size_t(bytes)), sizes, strides, 0, dtype);
}

Dims dense_strides(const TensorImpl& t) {
    if (t.contiguous || overlaps_itself(t)) return contiguous_strides(t.sizes);
    std::vector<int> order(static_cast<size_t>(t.rank()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return t.strides[a] > t.strides[b]; });
    Dims strides(t.rank(), 1);
    int64_t expected = 1;
    for (int i = t.rank() - 1; i >= 0; --i) {
        int d = order[size_t(i)];
        strides[d] = expected;
        expected *= std::max<int64_t>(t.sizes[d], 1);
    }
    return strides;
}

Tensor empty_like_geometry(const Tensor& t, DType dtype) {
    if (t.contiguous()) return empty_tensor(t.sizes(), dtype);
    return empty_strided_tensor(t.sizes(), dense_strides(*t.impl()), dtype);
}

Tensor alias(const Tensor& t, const Dims& sizes, const Dims& strides, int64_t offset) {
    Tensor view = make_tensor(t->storage, sizes, strides, offset, t.dtype());
    view->inference = t->inference;
    return view;
}

Tensor scalar_tensor(double value, DType dtype) {
    Tensor t = empty_tensor({}, dtype);
    visit_dtype(dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) *t.data_as<T>() = T(float(value));
        else if constexpr (std::is_same_v<T, bool>) *t.data_as<T>() = value != 0;
        else *t.data_as<T>() = T(value);
    });
    return t;
}

Tensor scalar_tensor(int64_t value, DType dtype) {
    if (!is_integral(dtype)) return scalar_tensor(double(value), dtype);
    Tensor t = empty_tensor({}, dtype);
    visit_dtype(dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>) *t.data_as<T>() = static_cast<T>(value);
    });
    return t;
}

void resize_tensor(TensorImpl& t, const Dims& sizes, const char* op) {
    require(!t.tracked(), ErrorKind::runtime, op, ": a tensor that requires grad can't be resized; use a detached one");
    Dims strides = contiguous_strides(sizes);
    int64_t needed = bytes_needed(sizes, strides, t.offset, size_of(t.dtype), op);
    if (needed > int64_t(t.storage->bytes())) {
        require(t.storage->resizable(), ErrorKind::runtime, op,
                ": the tensor shares its memory with another library and can't grow from ", t.sizes, " to ", sizes);
        t.storage->resize(size_t(needed));
    }
    t.sizes = sizes;
    t.strides = strides;
    t.update_geometry();
    ++t.generation;
    t.storage->bump();
}

int64_t bytes_needed(const Dims& sizes, const Dims& strides, int64_t offset, int64_t element, const char* op) {
    require(sizes.size() == strides.size(), ErrorKind::runtime, op, ": size ", sizes, " and stride ", strides,
            " differ in length");
    checked_numel(sizes, op);
    require(offset >= 0, ErrorKind::runtime, op, ": storage_offset=", offset,
            " is negative; expected storage_offset >= 0");
    int64_t last = offset;
    for (int i = 0; i < sizes.size(); ++i) {
        if (sizes[i] == 0) return 0;
        require(strides[i] >= 0, ErrorKind::runtime, op, ": stride ", strides,
                " has a negative entry; expected strides >= 0");
        last = checked_add(last, checked_mul(sizes[i] - 1, strides[i], op), op);
    }
    return checked_mul(checked_add(last, 1, op), element, op);
}

bool overlaps_itself(const TensorImpl& t) {
    if (t.contiguous || t.numel <= 1) return false;
    // Sorted by stride, each dimension must start beyond the reach of the smaller ones.
    std::vector<std::pair<int64_t, int64_t>> dims;
    for (int i = 0; i < t.rank(); ++i)
        if (t.sizes[i] > 1) dims.emplace_back(t.strides[i], t.sizes[i]);
    std::sort(dims.begin(), dims.end());
    int64_t reach = 0;
    for (auto [stride, size] : dims) {
        if (stride <= reach) return true;
        reach += stride * (size - 1);
    }
    return false;
}

bool may_share_memory(const TensorImpl& a, const TensorImpl& b) {
    if (a.storage.get() != b.storage.get() || a.numel == 0 || b.numel == 0) return false;
    auto span = [](const TensorImpl& t) {
        int64_t last = t.offset;
        for (int i = 0; i < t.rank(); ++i) last += (t.sizes[i] - 1) * t.strides[i];
        return std::pair(t.offset * size_of(t.dtype), (last + 1) * size_of(t.dtype));
    };
    auto [a0, a1] = span(a);
    auto [b0, b1] = span(b);
    return a0 < b1 && b0 < a1;
}

bool view_strides(const Dims& old_sizes, const Dims& old_strides, const Dims& sizes, Dims* strides) {
    strides->resize(sizes.size());
    int64_t numel = 1;
    for (int64_t s : old_sizes) numel *= s;
    if (numel == 0) {
        *strides = contiguous_strides(sizes);
        return true;
    }
    // Walk both shapes from the back: a run of old dimensions that is contiguous within itself may be cut anew.
    int view = sizes.size() - 1;
    int64_t base = old_strides.empty() ? 1 : old_strides.back(), run = 1, cut = 1;
    for (int d = old_sizes.size() - 1; d >= 0; --d) {
        run *= old_sizes[d];
        bool ends = d == 0 || (old_sizes[d - 1] != 1 && old_strides[d - 1] != run * base);
        if (!ends) continue;
        while (view >= 0 && (cut < run || sizes[view] == 1)) {
            (*strides)[view] = cut * base;
            cut *= sizes[view--];
        }
        if (cut != run) return false;
        if (d > 0) {
            base = old_strides[d - 1];
            run = cut = 1;
        }
    }
    for (; view >= 0; --view) {                  // only ones are left
        if (sizes[view] != 1) return false;
        (*strides)[view] = cut * base;
    }
    return true;
}

}  // namespace rushlight
