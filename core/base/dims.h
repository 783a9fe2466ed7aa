// A short list of int64: sizes, strides, dims. Up to six values live inside the object.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>

namespace rushlight {

inline constexpr int max_rank = 64;

class Dims {
public:
    Dims() = default;
    Dims(std::initializer_list<int64_t> v) { assign(v.begin(), int(v.size())); }
    Dims(std::span<const int64_t> v) { assign(v.data(), int(v.size())); }
    Dims(int n, int64_t value) { resize(n, value); }
    Dims(const Dims& o) { assign(o.data(), o.n_); }
    Dims(Dims&& o) noexcept { steal(o); }
    Dims& operator=(const Dims& o) { if (this != &o) assign(o.data(), o.n_); return *this; }
    Dims& operator=(Dims&& o) noexcept { if (this != &o) { drop(); steal(o); } return *this; }
    ~Dims() { drop(); }

    int size() const { return n_; }
    bool empty() const { return n_ == 0; }
    int64_t* data() { return heap_ ? heap_ : inline_; }
    const int64_t* data() const { return heap_ ? heap_ : inline_; }
    int64_t& operator[](int i) { return data()[i]; }
    int64_t operator[](int i) const { return data()[i]; }
    int64_t* begin() { return data(); }
    int64_t* end() { return data() + n_; }
    const int64_t* begin() const { return data(); }
    const int64_t* end() const { return data() + n_; }
    int64_t back() const { return data()[n_ - 1]; }
    operator std::span<const int64_t>() const { return {data(), size_t(n_)}; }
    bool operator==(const Dims& o) const { return n_ == o.n_ && std::equal(begin(), end(), o.begin()); }

    void assign(const int64_t* v, int n) {
        reserve_exactly(n);
        if (n) std::memcpy(data(), v, size_t(n) * sizeof(int64_t));
        n_ = n;
    }
    void resize(int n, int64_t value = 0) {
        if (n > capacity_) grow(n);
        for (int i = n_; i < n; ++i) data()[i] = value;
        n_ = n;
    }
    void push_back(int64_t v) {
        if (n_ == capacity_) grow(2 * n_);
        data()[n_++] = v;
    }
    void insert(int at, int64_t v) {
        push_back(v);
        std::rotate(begin() + at, end() - 1, end());
    }
    void erase(int at) {
        std::copy(begin() + at + 1, end(), begin() + at);
        --n_;
    }
    bool contains(int64_t v) const { return std::find(begin(), end(), v) != end(); }

private:
    static constexpr int inline_capacity = 6;
    void drop() { delete[] heap_; heap_ = nullptr; capacity_ = inline_capacity; }
    void steal(Dims& o) {
        heap_ = o.heap_;
        n_ = o.n_;
        capacity_ = o.capacity_;
        if (!heap_) std::memcpy(inline_, o.inline_, sizeof(inline_));
        o.heap_ = nullptr;
        o.capacity_ = inline_capacity;
        o.n_ = 0;
    }
    void reserve_exactly(int n) { if (n > capacity_) { drop(); heap_ = new int64_t[size_t(n)]; capacity_ = n; } }
    void grow(int n) {
        auto* bigger = new int64_t[size_t(n)];
        if (n_) std::memcpy(bigger, data(), size_t(n_) * sizeof(int64_t));
        delete[] heap_;
        heap_ = bigger;
        capacity_ = n;
    }

    int n_ = 0, capacity_ = inline_capacity;
    int64_t* heap_ = nullptr;
    int64_t inline_[inline_capacity] = {};
};

inline std::string to_text(std::span<const int64_t> dims) {       // "(2, 5)", as Python prints a tuple
    std::string out = "(";
    for (size_t i = 0; i < dims.size(); ++i) out += (i ? ", " : "") + std::to_string(dims[i]);
    return out + (dims.size() == 1 ? ",)" : ")");
}

inline std::ostream& operator<<(std::ostream& out, const Dims& d) { return out << to_text(d); }

}  // namespace rushlight
