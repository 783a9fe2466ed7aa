// The strided tensor: sizes, strides and an offset into a shared storage.
#pragma once

#include <cstdint>
#include <memory>

#include "base/checked.h"
#include "base/dims.h"
#include "base/dtype.h"
#include "base/ref.h"
#include "tensor/storage.h"

namespace rushlight {

// What the tape hangs on a tensor. Only core/autograd knows what is inside.
struct TapeData {
    virtual ~TapeData() = default;
};

// The recorded call that a tensor is a result of.
class TapeNode : public RefCounted {
public:
    static void destroy(TapeNode* node) { node->dispose(); }

protected:
    virtual void dispose() = 0;          // the last reference is gone
    virtual ~TapeNode() = default;
};

// How a view came to be (TensorImpl::view_flags).
enum ViewFlag : uint8_t { view_of_no_grad = 1, view_of_many = 2, view_of_inference = 4, view_of_function = 8 };

class TensorImpl : public RefCounted {
public:
    Ref<Storage> storage;
    int64_t offset = 0;                  // in elements
    Dims sizes, strides;                 // strides in elements
    int64_t numel = 1;
    DType dtype = DType::float32;
    bool contiguous = true;              // row-major without gaps
    bool requires_grad = false;          // of a leaf, or because it has a place on the tape
    bool inference = false;              // made in inference mode: has no version
    uint8_t view_flags = 0;              // ViewFlag bits
    uint32_t output_nr = 0;              // which result of `grad_fn` this is
    // How often an in-place change gave the tensor a new place on the tape; of a view: the count of its base when the
    // view's own place was taken, so that a difference tells that the place is out of date.
    uint32_t history = 0;
    uint32_t generation = 0;             // how often the tensor was given other memory or another shape under its name
    Ref<TensorImpl> base;                // of a view: the tensor it ultimately views
    Ref<TapeNode> grad_fn;               // null for leaves; ask core/autograd, which brings views up to date
    std::unique_ptr<TapeData> tape;      // gradient, hooks: declared after grad_fn, because it goes first
    void* python = nullptr;              // the Python object that shows this tensor, borrowed

    static TensorImpl* make();
    static void destroy(TensorImpl* t);
    void update_geometry();              // numel and contiguous from sizes and strides

    // Would a recorded call have to follow this tensor? A view follows its base when the base joined the tape later.
    bool tracked() const { return requires_grad || (base && base->requires_grad && base->history != history); }
    int rank() const { return sizes.size(); }
    void* data() const { return static_cast<char*>(storage->data()) + offset * size_of(dtype); }
    template <class T> T* data_as() const { return static_cast<T*>(data()); }
};

// A reference to a TensorImpl; may be undefined (no tensor).
class Tensor {
public:
    Tensor() = default;
    Tensor(std::nullptr_t) {}
    explicit Tensor(TensorImpl* impl) : impl_(impl) {}
    explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

    bool defined() const { return bool(impl_); }
    TensorImpl* impl() const { return impl_.get(); }
    TensorImpl* operator->() const { return impl_.get(); }
    TensorImpl* detach_reference() { return impl_.detach(); }

    DType dtype() const { return impl_->dtype; }
    int rank() const { return impl_->rank(); }
    const Dims& sizes() const { return impl_->sizes; }
    const Dims& strides() const { return impl_->strides; }
    int64_t size(int i) const { return impl_->sizes[i]; }
    int64_t numel() const { return impl_->numel; }
    bool contiguous() const { return impl_->contiguous; }
    void* data() const { return impl_->data(); }
    template <class T> T* data_as() const { return impl_->data_as<T>(); }
    bool same(const Tensor& o) const { return impl_ == o.impl_; }

private:
    Ref<TensorImpl> impl_;
};

Dims contiguous_strides(const Dims& sizes);
int64_t checked_numel(const Dims& sizes, const char* op);           // raises on negative sizes and overflow

// Raw makers: no tape, no observers, uninitialised memory.
Tensor empty_tensor(const Dims& sizes, DType dtype);
Tensor empty_strided_tensor(const Dims& sizes, const Dims& strides, DType dtype);
Tensor empty_like_geometry(const Tensor& t, DType dtype);            // with dense_strides
// Strides of a new tensor like `t`: its order of dimensions without gaps; row-major when `t` overlaps itself.
Dims dense_strides(const TensorImpl& t);
Tensor alias(const Tensor& t, const Dims& sizes, const Dims& strides, int64_t offset);      // same storage
Tensor scalar_tensor(double value, DType dtype);
Tensor scalar_tensor(int64_t value, DType dtype);

// Gives `t` another shape, row-major from its offset on. Its memory grows where it must and never shrinks, so that
// other views of it stay inside; new elements are uninitialised.
void resize_tensor(TensorImpl& t, const Dims& sizes, const char* op);

// Bytes of the storage that the geometry touches, from the first byte; checked.
int64_t bytes_needed(const Dims& sizes, const Dims& strides, int64_t offset, int64_t element, const char* op);
bool overlaps_itself(const TensorImpl& t);       // several positions share memory (expanded tensors)
uint64_t fingerprint(const TensorImpl& t);       // of the values; equal values and geometry give equal prints
bool may_share_memory(const TensorImpl& a, const TensorImpl& b);
// Strides of `sizes` over the memory of (old_sizes, old_strides) if the new shape is a view of it.
bool view_strides(const Dims& old_sizes, const Dims& old_strides, const Dims& sizes, Dims* strides);

}  // namespace rushlight
