#include "kernels/generic/tile_program.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <vector>

#include "base/parallel.h"
#include "base/scratch.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/geometry.h"
#include "kernels/generic/reduce_kernels.h"

namespace rushlight {

namespace {

constexpr int64_t area_bytes = 24 << 10;         // what a tile takes in all: half a first-level cache
constexpr int64_t most_bytes = 512 << 10;        // where rows are taken as a whole: a part of a second-level cache
constexpr int64_t most_elements = 1024, fewest_elements = 64;
// Rows from here on are taken one by one, shorter ones together; where a row need not be packed then, from 128 on.
constexpr int64_t long_row = 512, long_row_with_gaps = 128;
constexpr int64_t work = 32768;                  // elements times steps that are worth another thread

enum class Act : uint8_t { load, cast, call, reduce, spread };

struct Step {
    Act act;
    int out = 0, inputs = 0;
    int in[4] = {};
    TileFn fn = nullptr;
    CastFn cast = nullptr;
    int params = -1;
    kernels::Reduction reduction = kernels::Reduction::sum;
};

struct Register {
    DType dtype;
    bool by_row = false;                         // one element for each row
    int memory = -1;                             // of an input: where it comes from
    int target = -1;                             // of an output: where it goes
    int constant = -1;
    int buffer = -1;
    int last_use = -1;
    int collected = -1;                          // of a long row that is reduced: its place among those
};

struct Memory {
    DType dtype;
    Dims strides;
    bool by_row = false;
    int walked = 0;                              // its place in the geometry
    bool over_input = false, direct = false, streams = false, repeats = false;
};

struct Constant {
    alignas(16) char value[16];
    std::vector<std::array<char, 64>> filled;
};

// What a broadcast input's buffer holds, so that it is packed once.
struct Held {
    const char* from = nullptr;
    int64_t rows = 0, columns = 0;
};

struct Piece { int64_t rows, columns; };

// Memory for the buffers of a thread.
class Area {
public:
    explicit Area(int64_t bytes) : far_(bytes > area_bytes ? size_t(bytes) : 0) {}
    char* data() { return far_.data() ? far_.as<char>() : near_; }

private:
    alignas(64) char near_[area_bytes];
    Scratch far_;
};

template <class T>
void spread_rows_of(int64_t rows, int64_t columns, void* to, const void* from) {
    for (int64_t r = 0; r < rows; ++r)
        std::fill_n(static_cast<T*>(to) + r * columns, columns, static_cast<const T*>(from)[r]);
}

void spread_rows(int64_t size, int64_t rows, int64_t columns, void* to, const void* from) {
    switch (size) {
        case 1: return spread_rows_of<uint8_t>(rows, columns, to, from);
        case 2: return spread_rows_of<uint16_t>(rows, columns, to, from);
        case 4: return spread_rows_of<uint32_t>(rows, columns, to, from);
        case 8: return spread_rows_of<uint64_t>(rows, columns, to, from);
        default: return spread_rows_of<std::array<uint64_t, 2>>(rows, columns, to, from);
    }
}

}  // namespace

struct TileProgram::Parts {
    Dims sizes;
    int reduced = 0;
    std::vector<Register> registers;
    std::vector<Memory> memories;
    std::vector<Step> steps;
    std::vector<Constant> constants;
    std::vector<std::array<double, param_slots>> params;
    std::map<std::pair<int, DType>, int> casts;
    std::map<int, int> spreads;
    Geometry geometry;
    TileShape shape = {};
    int64_t units = 0, grain = 1, buffer_bytes = 0, row = 1;
    int buffers = 0, collected = 0;
    bool cut = false, transposes = false;        // rows are cut into pieces; an input or output runs across them

    Register& at(int reg) { return registers[size_t(reg)]; }
    const Register& at(int reg) const { return registers[size_t(reg)]; }
    int add(const Register& r) {
        registers.push_back(r);
        return int(registers.size()) - 1;
    }
    bool is_long() const { return reduced && row > most_of_a_row; }
    bool walk();
    bool walk_rows(std::span<const int64_t*> strides);
    bool walk_long_row(std::span<const int64_t*> strides);
    void find_direct();
    void give_buffers();
    bool choose_shape();
    void fill_constants();

    // One thread's part of a run.
    struct Thread {
        const Parts& p;
        void* const* memory;
        char* area;
        char* const* collectors;                 // of a long row: where what is reduced is collected
        const void* at[max_registers];
        Held held[max_memories];
        Thread(const Parts& parts, void* const* m, char* a, char* const* c);
        void tile(const TileCursor& cursor, int64_t collected);
        void load(int reg, const TileCursor& cursor);
        void store(int reg, const TileCursor& cursor) const;
        char* place(const Register& r, const TileCursor& cursor, int64_t collected) const;
        Piece piece(const Register& r, const TileCursor& cursor) const {
            return r.by_row ? Piece{1, cursor.rows()} : Piece{cursor.rows(), cursor.columns()};
        }
        // The strides of a piece's rows and columns in memory.
        Piece strides(const Memory& m) const {
            const int64_t* own = p.geometry.strides[m.walked];
            int64_t rows = p.geometry.ndim > 1 ? own[1] : 0;
            return m.by_row ? Piece{0, rows} : Piece{rows, own[0]};
        }
        char* address(int m, const TileCursor& cursor) const {
            const Memory& of = p.memories[size_t(m)];
            return static_cast<char*>(memory[m]) + cursor.offset(of.walked) * size_of(of.dtype);
        }
    };
    void run_tiles(void* const* memory, int64_t begin, int64_t end) const;
    void run_long_row(void* const* memory) const;
};

TileProgram::TileProgram(const Dims& sizes, int reduced) : p_(std::make_unique<Parts>()) {
    p_->sizes = sizes;
    p_->reduced = reduced;
    for (int d = sizes.size() - reduced; d < sizes.size(); ++d) p_->row *= sizes[d];
}
TileProgram::~TileProgram() = default;

// ---- building -------------------------------------------------------------------------------------------------------

int TileProgram::input(DType t, const Dims& strides, bool by_row) {
    p_->memories.push_back({.dtype = t, .strides = strides, .by_row = by_row});
    int reg = p_->add({.dtype = t, .by_row = by_row, .memory = int(p_->memories.size()) - 1});
    p_->steps.push_back({.act = Act::load, .out = reg});
    return reg;
}

int TileProgram::number(DType t, const void* value) {
    Constant& c = p_->constants.emplace_back();
    __builtin_memcpy(c.value, value, sizeof(c.value));
    return p_->add({.dtype = t, .constant = int(p_->constants.size()) - 1});
}

int TileProgram::cast(int from, DType to) {
    if (p_->at(from).dtype == to) return from;
    auto [known, fresh] = p_->casts.try_emplace({from, to}, 0);
    if (fresh) known->second = convert(from, to);
    return known->second;
}

int TileProgram::convert(int from, DType to) {
    int out = p_->add({.dtype = to, .by_row = p_->at(from).by_row});
    CastFn fn = cast_table.active().fn[int(to)][int(p_->at(from).dtype)];
    p_->steps.push_back({.act = Act::cast, .out = out, .inputs = 1, .in = {from}, .cast = fn});
    return out;
}

int TileProgram::call(TileFn fn, std::span<const int> in, DType gives, const double* params) {
    bool by_row = false;
    for (int reg : in) by_row = by_row || p_->at(reg).by_row;
    int out = p_->add({.dtype = gives, .by_row = by_row});
    Step step = {.act = Act::call, .out = out, .inputs = int(in.size()), .fn = fn};
    std::copy(in.begin(), in.end(), step.in);
    step.params = int(p_->params.size());
    std::copy_n(params, param_slots, p_->params.emplace_back().begin());
    p_->steps.push_back(step);
    return out;
}

int TileProgram::reduce(kernels::Reduction op, int from, DType gives) {
    int out = p_->add({.dtype = gives, .by_row = true});
    p_->steps.push_back({.act = Act::reduce, .out = out, .inputs = 1, .in = {from}, .reduction = op});
    if (p_->is_long() && p_->at(from).collected < 0) p_->at(from).collected = p_->collected++;
    return out;
}

int TileProgram::spread(int from) {
    auto [known, fresh] = p_->spreads.try_emplace(from, 0);
    if (!fresh) return known->second;
    known->second = p_->add({.dtype = p_->at(from).dtype});
    p_->steps.push_back({.act = Act::spread, .out = known->second, .inputs = 1, .in = {from}});
    return known->second;
}

void TileProgram::output(int from, const Dims& strides, bool over_input) {
    Register& r = p_->at(from);
    r.target = int(p_->memories.size());
    p_->memories.push_back({.dtype = r.dtype, .strides = strides, .by_row = r.by_row, .over_input = over_input});
}

bool TileProgram::finish() {
    Parts& p = *p_;
    int64_t n = 1;
    for (int64_t s : p.sizes) n *= s;
    if (n == 0) return !p.reduced;
    if (p.registers.size() > max_registers || p.memories.size() > max_memories || !p.walk()) return false;
    p.give_buffers();
    if (!p.choose_shape()) return false;
    p.fill_constants();
    p.units = TileCursor::count(p.geometry, p.shape);
    auto steps = std::count_if(p.steps.begin(), p.steps.end(), [](const Step& s) { return s.act != Act::load; });
    int64_t elements = p.shape.rows * p.shape.columns;
    p.grain = std::max<int64_t>(1, work / std::max<int64_t>(1, steps) / elements);
    return true;
}

// The order in which memory is walked: the first output decides before the inputs.
bool TileProgram::Parts::walk() {
    std::vector<const int64_t*> strides;
    for (bool outputs : {true, false})
        for (size_t m = 0; m < memories.size(); ++m) {
            bool target = std::any_of(registers.begin(), registers.end(),
                                      [&](const Register& r) { return r.target == int(m); });
            if (target != outputs) continue;
            memories[m].walked = int(strides.size());
            strides.push_back(memories[m].strides.data());
        }
    Geometry& g = geometry;
    if (is_long() ? !walk_long_row(strides) : reduced && !walk_rows(strides)) return false;
    if (!reduced) make_geometry(g, sizes.size(), sizes.data(), int(strides.size()), strides.data());
    bool gaps = false;
    for (int k = 0; k < g.operands && g.ndim > 1; ++k) {
        gaps = gaps || (g.strides[k][0] == 1 && g.strides[k][1] != 0 && g.strides[k][1] != g.sizes[0]);
        transposes = transposes || (g.strides[k][1] == 1 && g.strides[k][0] > 1);
    }
    transposes = transposes && !reduced && g.sizes[0] >= 8 && g.sizes[1] >= 8;
    cut = g.ndim == 1 || (!transposes && !reduced && g.sizes[0] >= (gaps ? long_row_with_gaps : long_row));
    find_direct();
    return true;
}

// Dimension 0 is the row: every input and output has to walk it in one stride.
bool TileProgram::Parts::walk_rows(std::span<const int64_t*> strides) {
    Geometry &g = geometry, inner;
    int outer = sizes.size() - reduced;
    make_geometry(g, outer, sizes.data(), int(strides.size()), strides.data());
    std::vector<const int64_t*> within;
    for (const int64_t* s : strides) within.push_back(s + outer);
    make_geometry(inner, reduced, sizes.data() + outer, int(strides.size()), within.data());
    if (inner.ndim != 1 || g.ndim == max_rank) return false;
    for (const int64_t* s : within)                               // in the order of the elements
        for (int d = reduced - 1, last = d; d >= 0; --d) {
            if (sizes[outer + d] == 1) continue;
            if (sizes[outer + last] != 1 && s[d] < s[last]) return false;
            last = d;
        }
    std::copy_backward(g.sizes, g.sizes + g.ndim, g.sizes + g.ndim + 1);
    g.sizes[0] = inner.sizes[0];
    for (int k = 0; k < g.operands; ++k) {
        std::copy_backward(g.strides[k], g.strides[k] + g.ndim, g.strides[k] + g.ndim + 1);
        g.strides[k][0] = inner.strides[k][0];
    }
    ++g.ndim;
    return true;
}

// All elements in their order: inputs and outputs are contiguous, or one element.
bool TileProgram::Parts::walk_long_row(std::span<const int64_t*> strides) {
    if (reduced != sizes.size()) return false;
    for (const Step& s : steps) {
        if (s.act == Act::spread || (s.act != Act::reduce && at(s.out).by_row)) return false;
        const Register& from = at(s.in[0]);
        if (s.act == Act::reduce && (from.memory >= 0 || from.constant >= 0 || !is_floating(from.dtype) ||
                                     at(s.out).target < 0))
            return false;
    }
    int64_t steps_of[max_memories];
    for (size_t k = 0; k < strides.size(); ++k) {
        int64_t expected = 1;
        bool contiguous = true, single = true;
        for (int d = sizes.size() - 1; d >= 0; expected *= sizes[d--]) {
            contiguous = contiguous && (sizes[d] == 1 || strides[k][d] == expected);
            single = single && (sizes[d] == 1 || strides[k][d] == 0);
        }
        if (!contiguous && !single) return false;
        steps_of[k] = contiguous ? 1 : 0;
        strides[k] = &steps_of[k];
    }
    make_geometry(geometry, 1, &row, int(strides.size()), strides.data());
    return true;
}

// Which memory is read and written where it lies.
void TileProgram::Parts::find_direct() {
    const Geometry& g = geometry;
    for (Memory& m : memories) {
        const int64_t* own = g.strides[m.walked];
        if (m.by_row) {
            m.direct = g.ndim == 1 || own[1] == 1 || g.sizes[1] == 1;
        } else {
            bool in_rows = own[0] == 1 || g.sizes[0] == 1;
            m.direct = in_rows && !transposes && (cut || own[1] == g.sizes[0] || g.sizes[1] == 1);
        }
        for (int d = m.by_row ? 1 : 0; d < g.ndim; ++d) m.repeats = m.repeats || (own[d] == 0 && g.sizes[d] > 1);
        m.streams = m.direct && g.ndim == 1 && !m.over_input && !m.by_row &&
                    g.numel() * size_of(m.dtype) >= stream_bytes;
    }
}

// A buffer is taken again once nobody reads it; a call may write into that of an operand which ends there. What a
// broadcast input's buffer holds stays for the next tile.
void TileProgram::Parts::give_buffers() {
    for (size_t s = 0; s < steps.size(); ++s)
        for (int k = 0; k < steps[s].inputs; ++k) at(steps[s].in[k]).last_use = int(s);
    auto stays = [&](const Register& r) { return r.memory >= 0 && memories[size_t(r.memory)].repeats; };
    auto in_memory = [&](const Register& r) {
        if (r.collected >= 0) return true;
        if (r.memory >= 0) return memories[size_t(r.memory)].direct;
        return r.target >= 0 && memories[size_t(r.target)].direct && !memories[size_t(r.target)].streams;
    };
    std::vector<int> free;
    for (size_t s = 0; s < steps.size(); ++s) {
        Register& out = at(steps[s].out);
        std::vector<int> ended;
        for (int k = 0; k < steps[s].inputs; ++k) {
            Register& r = at(steps[s].in[k]);
            if (r.buffer < 0 || r.last_use != int(s) || stays(r)) continue;
            r.last_use = -1;                                   // an operand may be there twice
            bool taken_at_once = steps[s].act == Act::call && size_of(r.dtype) == size_of(out.dtype);
            (taken_at_once ? free : ended).push_back(r.buffer);
        }
        if (!in_memory(out)) {
            if (free.empty() || stays(out)) free.push_back(buffers++);
            out.buffer = free.back();
            free.pop_back();
        }
        free.insert(free.end(), ended.begin(), ended.end());
        if (out.last_use < 0 && out.buffer >= 0 && !stays(out)) free.push_back(out.buffer);
    }
}

bool TileProgram::Parts::choose_shape() {
    int64_t widest = 1, columns = geometry.sizes[0], rows = geometry.ndim > 1 ? geometry.sizes[1] : 1;
    for (const Register& r : registers) widest = std::max<int64_t>(widest, size_of(r.dtype));
    int64_t places = buffers + int64_t(constants.size() + memories.size());
    int64_t elements = std::clamp(area_bytes / (places * widest) / 64 * 64, fewest_elements, most_elements);
    if (is_long()) elements = int64_t(std::bit_floor(uint64_t(elements)));       // blocks begin where tiles do
    int64_t side = elements >= 1024 ? 32 : elements >= 256 ? 16 : 8;
    if (reduced && !is_long()) shape = {std::min(rows, std::max<int64_t>(1, elements / columns)), columns};
    else if (transposes) shape = {std::min(rows, side), std::min(columns, side)};
    else if (cut || columns > elements) shape = {1, std::min(columns, elements)};
    else shape = {std::min(rows, elements / columns), columns};
    buffer_bytes = (std::max(shape.rows * shape.columns, shape.rows) * widest + 63) / 64 * 64;
    return buffers * buffer_bytes <= most_bytes;
}

void TileProgram::Parts::fill_constants() {
    int64_t elements = shape.rows * shape.columns;
    for (const Register& r : registers) {
        if (r.constant < 0) continue;
        Constant& c = constants[size_t(r.constant)];
        int64_t size = size_of(r.dtype);
        c.filled.resize(size_t((elements * size + 63) / 64));
        for (int64_t i = 0; i < elements; ++i)
            __builtin_memcpy(c.filled[0].data() + i * size, c.value, size_t(size));
    }
}

// ---- running --------------------------------------------------------------------------------------------------------

TileProgram::Parts::Thread::Thread(const Parts& parts, void* const* m, char* a, char* const* c)
    : p(parts), memory(m), area(a), collectors(c) {
    for (size_t r = 0; r < p.registers.size(); ++r)
        if (p.registers[r].constant >= 0) at[r] = p.constants[size_t(p.registers[r].constant)].filled[0].data();
}

// Where a step writes its register: to memory, or into a buffer.
char* TileProgram::Parts::Thread::place(const Register& r, const TileCursor& cursor, int64_t collected) const {
    if (r.buffer >= 0) return area + r.buffer * p.buffer_bytes;
    if (r.collected >= 0) return collectors[r.collected] + collected * size_of(r.dtype);
    return address(r.target, cursor);
}

void TileProgram::Parts::Thread::load(int reg, const TileCursor& cursor) {
    const Register& r = p.at(reg);
    const Memory& m = p.memories[size_t(r.memory)];
    const char* from = address(r.memory, cursor);
    at[reg] = from;
    if (r.buffer < 0) return;
    char* to = area + r.buffer * p.buffer_bytes;
    at[reg] = to;
    Piece piece = this->piece(r, cursor), own = strides(m);
    Held& h = held[r.memory];
    if (m.repeats && h.from == from && piece.rows <= h.rows && piece.columns == h.columns) return;
    h = {from, piece.rows, piece.columns};
    copy_block(size_of(m.dtype), piece.rows, piece.columns, to, piece.columns, 1, from, own.rows, own.columns);
}

void TileProgram::Parts::Thread::store(int reg, const TileCursor& cursor) const {
    const Register& r = p.at(reg);
    const Memory& m = p.memories[size_t(r.target)];
    char* to = address(r.target, cursor);
    Piece piece = this->piece(r, cursor), own = strides(m);
    if (m.streams && reinterpret_cast<uintptr_t>(to) % 64 == 0)
        return cast_table.active().stream(piece.columns * size_of(m.dtype), to, at[reg]);
    copy_block(size_of(m.dtype), piece.rows, piece.columns, to, own.rows, own.columns, at[reg], piece.columns, 1);
}

void TileProgram::Parts::Thread::tile(const TileCursor& cursor, int64_t collected) {
    const int64_t rows = cursor.rows(), columns = cursor.columns();
    for (const Step& step : p.steps) {
        if (step.act == Act::load) {
            load(step.out, cursor);
            continue;
        }
        const Register& r = p.at(step.out);
        if (step.act == Act::reduce && p.is_long()) continue;
        char* out = place(r, cursor, collected);
        const void* in[4];
        for (int k = 0; k < step.inputs; ++k) in[k] = at[step.in[k]];
        const int64_t n = r.by_row ? rows : rows * columns;
        const DType t = p.at(step.in[0]).dtype;
        switch (step.act) {
            case Act::call: step.fn(n, out, in, p.params[size_t(step.params)].data()); break;
            case Act::cast: step.cast(n, out, in[0]); break;
            case Act::reduce: kernels::reduce(step.reduction, in[0], t, out, r.dtype, {rows, columns, 1}); break;
            case Act::spread: spread_rows(size_of(t), rows, columns, out, in[0]); break;
            case Act::load: break;
        }
        at[step.out] = out;
        if (r.target >= 0 && (r.buffer >= 0 || r.collected >= 0)) store(step.out, cursor);
    }
}

void TileProgram::Parts::run_tiles(void* const* memory, int64_t begin, int64_t end) const {
    Area area(buffers * buffer_bytes);
    Thread thread(*this, memory, area.data(), nullptr);
    TileCursor cursor(geometry, shape, begin);
    for (int64_t unit = begin; unit < end; ++unit, cursor.next()) thread.tile(cursor, 0);
}

// Block by block, as the reduction takes them: see fold_block.
void TileProgram::Parts::run_long_row(void* const* memory) const {
    int64_t blocks = (row + fold_block - 1) / fold_block, reductions = 0;
    for (const Step& s : steps) reductions += s.act == Act::reduce;
    Scratch results(size_t(blocks * reductions) * sizeof(double));
    double* parts = results.as<double>();
    parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
        constexpr int64_t bytes = fold_block * int64_t(sizeof(double));
        Area area(buffers * buffer_bytes);
        Scratch collecting(size_t(collected * bytes));
        char* collectors[max_registers];
        for (int c = 0; c < collected; ++c) collectors[c] = collecting.as<char>() + c * bytes;
        Thread thread(*this, memory, area.data(), collectors);
        for (int64_t b = begin; b < end; ++b) {
            int64_t first = b * fold_block, length = std::min(fold_block, row - first);
            TileCursor cursor(geometry, shape, first / shape.columns);
            for (int64_t i = 0; i < length; i += shape.columns, cursor.next()) thread.tile(cursor, i);
            int64_t k = 0;
            for (const Step& s : steps)
                if (s.act == Act::reduce)
                    parts[k++ * blocks + b] = kernels::fold_part(s.reduction, collectors[at(s.in[0]).collected],
                                                                 at(s.in[0]).dtype, length);
        }
    });
    int64_t k = 0;
    for (const Step& s : steps) {
        if (s.act != Act::reduce) continue;
        const Register& out = at(s.out);
        kernels::join_parts(s.reduction, parts + k++ * blocks, blocks, row, memory[out.target], out.dtype);
    }
}

void TileProgram::run(void* const* memory) const {
    const Parts& p = *p_;
    if (p.units && p.is_long()) return p.run_long_row(memory);
    parallel_for(p.units, p.grain, [&](int64_t begin, int64_t end) { p.run_tiles(memory, begin, end); });
}

}  // namespace rushlight
