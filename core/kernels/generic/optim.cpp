// Tensors are cut into pieces of a fixed size; threads take pieces when there is enough work for them, and
// small lists stay on the calling thread.
#include "kernels/generic/optim.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "kernels/generic/floats.h"
#include "kernels/generic/reduce_kernels.h"

namespace rushlight::kernels {

namespace {

constexpr int64_t piece_size = 1 << 15;

int64_t total_of(std::span<const UpdateItem> items) {
    int64_t total = 0;
    for (const UpdateItem& item : items) total += item.n;
    return total;
}

// f(item, first element, elements) for every piece of the elements [begin, end) of all tensors laid end to end; a piece
// ends where its tensor does.
template <class F>
void for_each_piece(std::span<const UpdateItem> items, int64_t begin, int64_t end, F&& f) {
    int64_t start = 0;
    for (const UpdateItem& item : items) {
        if (start >= end) break;
        int64_t first = std::max(begin, start) - start, last = std::min(end - start, item.n);
        for (; first < last; first += piece_size) f(item, first, std::min(piece_size, last - first));
        start += item.n;
    }
}

}  // namespace

void update_tensors(UpdateRule rule, std::span<const UpdateItem> items) {
    const PerFloat<UpdateFn>& update = optim_table.active().*rule;
    auto run = [&](const UpdateItem& item, int64_t first, int64_t n) {
        void* arrays[max_update_arrays];
        for (int k = 0; k < max_update_arrays; ++k) arrays[k] = at(item.arrays[k], first, size_of(item.dtype));
        update[kind_of(item.dtype)](arrays, n, item.numbers);
    };
    int64_t total = total_of(items);
    if (total <= piece_size) return for_each_piece(items, 0, total, run);
    parallel_for((total + piece_size - 1) / piece_size, 1, [&](int64_t from, int64_t to) {
        for_each_piece(items, from * piece_size, std::min(total, to * piece_size), run);
    });
}

double total_norm(std::span<const UpdateItem> items, double p) {
    Fold fold = p == 1 ? Fold::abs_sum : p == 2 ? Fold::square_sum : Fold::abs_max;
    const auto& rows = reduce_table.active().rows[int(fold)];
    int64_t total = total_of(items), blocks = (total + piece_size - 1) / piece_size;
    std::vector<double> partial(size_t(blocks), 0.0);
    auto join = [&](double a, double b) {
        if (fold != Fold::abs_max) return a + b;
        return std::isnan(a) || a > b ? a : b;
    };
    parallel_for(blocks, 1, [&](int64_t from, int64_t to) {
        for (int64_t block = from; block < to; ++block)
            for_each_piece(items, block * piece_size, std::min(total, (block + 1) * piece_size),
                           [&](const UpdateItem& item, int64_t first, int64_t n) {
                               double one = 0;
                               rows[kind_of(item.dtype)](at(item.arrays[0], first, size_of(item.dtype)), 1, n, &one, p);
                               partial[size_t(block)] = join(partial[size_t(block)], one);
                           });
    });
    double result = 0;
    for (double one : partial) result = join(result, one);
    return p == 2 ? std::sqrt(result) : result;
}

}  // namespace rushlight::kernels
