#include "kernels/generic/tile_program.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "base/parallel.h"
#include "kernels/generic/casts.h"
#include "kernels/generic/geometry.h"

namespace rushlight {

namespace {

constexpr int64_t area_bytes = 24 << 10;         // what a tile takes in all: half a first-level cache
constexpr int64_t most_elements = 1024, fewest_elements = 64;
// Rows from here on are taken one by one, shorter ones together; where a row need not be packed then, from 128 on.
constexpr int64_t long_row = 512, long_row_with_gaps = 128;
constexpr int64_t work = 32768;                  // elements times steps that are worth another thread

enum class Act : uint8_t { load, cast, call };

struct Step {
    Act act;
    int out = 0, inputs = 0;
    int in[4] = {};
    TileFn fn = nullptr;
    CastFn cast = nullptr;
    int params = -1;
};

struct Register {
    DType dtype;
    int memory = -1;                             // of an input: where it comes from
    int target = -1;                             // of an output: where it goes
    int constant = -1;
    int buffer = -1;
    int last_use = -1;
};

struct Memory {
    DType dtype;
    Dims strides;
    int walked = 0;                              // its place in the geometry
    bool over_input = false, direct = false, streams = false, repeats = false;
};

struct Constant {
    alignas(16) char value[16];
    std::vector<std::array<char, 64>> filled;    // aligned enough for whole registers
};

// What a broadcast input's buffer holds, so that it is packed once.
struct Held {
    const char* from = nullptr;
    int64_t rows = 0, columns = 0;
};

}  // namespace

struct TileProgram::Parts {
    Dims sizes;
    std::vector<Register> registers;
    std::vector<Memory> memories;
    std::vector<Step> steps;
    std::vector<Constant> constants;
    std::vector<std::array<double, param_slots>> params;
    std::map<std::pair<int, DType>, int> casts;
    Geometry geometry;
    TileShape shape = {};
    int64_t units = 0, grain = 1, buffer_bytes = 0;
    int buffers = 0;
    bool cut = false, transposes = false;        // rows are cut into pieces; an input or output runs across them

    int add(const Register& r) {
        registers.push_back(r);
        return int(registers.size()) - 1;
    }
    void walk();
    void give_buffers();
    void choose_shape(int64_t elements);
    void fill_constants();
    void run_units(void* const* memory, int64_t begin, int64_t end) const;
    char* place(int reg, void* const* memory, char* area, const TileCursor& cursor) const;
    const void* load(int reg, void* const* memory, char* area, const TileCursor& cursor, Held* held) const;
    void store(int reg, const void* from, void* const* memory, const TileCursor& cursor) const;
};

TileProgram::TileProgram(const Dims& sizes) : p_(std::make_unique<Parts>()) { p_->sizes = sizes; }
TileProgram::~TileProgram() = default;

// ---- building -------------------------------------------------------------------------------------------------------

int TileProgram::input(DType t, const Dims& strides) {
    p_->memories.push_back({t, strides});
    int reg = p_->add({.dtype = t, .memory = int(p_->memories.size()) - 1});
    p_->steps.push_back({.act = Act::load, .out = reg});
    return reg;
}

int TileProgram::number(DType t, const void* value) {
    Constant& c = p_->constants.emplace_back();
    __builtin_memcpy(c.value, value, sizeof(c.value));
    return p_->add({.dtype = t, .constant = int(p_->constants.size()) - 1});
}

int TileProgram::cast(int from, DType to) {
    if (p_->registers[size_t(from)].dtype == to) return from;
    auto [known, fresh] = p_->casts.try_emplace({from, to}, 0);
    if (fresh) known->second = convert(from, to);
    return known->second;
}

int TileProgram::convert(int from, DType to) {
    int out = p_->add({.dtype = to});
    CastFn fn = cast_table.active().fn[int(to)][int(p_->registers[size_t(from)].dtype)];
    p_->steps.push_back({.act = Act::cast, .out = out, .inputs = 1, .in = {from}, .cast = fn});
    return out;
}

int TileProgram::call(TileFn fn, std::span<const int> in, DType gives, const double* params) {
    Step step = {.act = Act::call, .out = p_->add({.dtype = gives}), .inputs = int(in.size()), .fn = fn};
    std::copy(in.begin(), in.end(), step.in);
    step.params = int(p_->params.size());
    std::copy_n(params, param_slots, p_->params.emplace_back().begin());
    p_->steps.push_back(step);
    return step.out;
}

void TileProgram::output(int from, const Dims& strides, bool over_input) {
    Register& r = p_->registers[size_t(from)];
    r.target = int(p_->memories.size());
    p_->memories.push_back({.dtype = r.dtype, .strides = strides, .over_input = over_input});
}

bool TileProgram::finish() {
    int64_t n = 1;
    for (int64_t s : p_->sizes) n *= s;
    if (n == 0) return true;
    p_->walk();
    p_->give_buffers();
    int64_t widest = 1;
    for (const Register& r : p_->registers) widest = std::max<int64_t>(widest, size_of(r.dtype));
    if (p_->registers.size() > max_registers || p_->buffers * widest * fewest_elements > area_bytes) return false;
    int64_t places = p_->buffers + int64_t(p_->constants.size() + p_->memories.size());
    int64_t elements = area_bytes / (places * widest) / 64 * 64;
    p_->choose_shape(std::clamp(elements, fewest_elements, most_elements));
    p_->buffer_bytes = (p_->shape.rows * p_->shape.columns * widest + 63) / 64 * 64;
    p_->fill_constants();
    p_->units = TileCursor::count(p_->geometry, p_->shape);
    int64_t calls = int64_t(p_->steps.size() - p_->memories.size()) + 1;
    p_->grain = std::max<int64_t>(1, work / std::max<int64_t>(1, calls) / (p_->shape.rows * p_->shape.columns));
    return true;
}

// The order in which memory is walked: the first output decides before the inputs.
void TileProgram::Parts::walk() {
    std::vector<const int64_t*> strides;
    for (bool outputs : {true, false})
        for (size_t m = 0; m < memories.size(); ++m) {
            bool target = std::any_of(registers.begin(), registers.end(),
                                      [&](const Register& r) { return r.target == int(m); });
            if (target != outputs) continue;
            memories[m].walked = int(strides.size());
            strides.push_back(memories[m].strides.data());
        }
    make_geometry(geometry, sizes.size(), sizes.data(), int(strides.size()), strides.data());
    const Geometry& g = geometry;
    for (int k = 0; k < g.operands && g.ndim > 1; ++k)
        transposes = transposes || (g.strides[k][1] == 1 && g.strides[k][0] > 1);
    transposes = transposes && g.sizes[0] >= 8 && g.sizes[1] >= 8;
    bool gaps = false;
    for (int k = 0; k < g.operands && g.ndim > 1; ++k)
        gaps = gaps || (g.strides[k][0] == 1 && g.strides[k][1] != 0 && g.strides[k][1] != g.sizes[0]);
    cut = !transposes && (g.ndim == 1 || g.sizes[0] >= (gaps ? long_row_with_gaps : long_row));
    for (Memory& m : memories) {
        const int64_t* own = g.strides[m.walked];
        bool in_rows = own[0] == 1 || g.sizes[0] == 1;
        m.direct = in_rows && !transposes && (cut || own[1] == g.sizes[0]);
        for (int d = 0; d < geometry.ndim; ++d) m.repeats = m.repeats || own[d] == 0;
        m.streams = m.direct && geometry.ndim == 1 && !m.over_input &&
                    geometry.numel() * size_of(m.dtype) >= stream_bytes;
    }
}

// A buffer is taken again once nobody reads it; a call may write into that of an operand which ends there. What a
// broadcast input's buffer holds stays for the next tile.
void TileProgram::Parts::give_buffers() {
    for (size_t s = 0; s < steps.size(); ++s)
        for (int k = 0; k < steps[s].inputs; ++k) registers[size_t(steps[s].in[k])].last_use = int(s);
    auto stays = [&](const Register& r) { return r.memory >= 0 && memories[size_t(r.memory)].repeats; };
    auto in_memory = [&](const Register& r) {
        if (r.memory >= 0) return memories[size_t(r.memory)].direct;
        return r.target >= 0 && memories[size_t(r.target)].direct && !memories[size_t(r.target)].streams;
    };
    std::vector<int> free;
    for (size_t s = 0; s < steps.size(); ++s) {
        Register& out = registers[size_t(steps[s].out)];
        std::vector<int> ended;
        for (int k = 0; k < steps[s].inputs; ++k) {
            Register& r = registers[size_t(steps[s].in[k])];
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

void TileProgram::Parts::choose_shape(int64_t elements) {
    int64_t columns = geometry.sizes[0], rows = geometry.ndim > 1 ? geometry.sizes[1] : 1;
    int64_t side = elements >= 1024 ? 32 : elements >= 256 ? 16 : 8;
    if (transposes) shape = {std::min(rows, side), std::min(columns, side)};
    else if (cut || columns > elements) shape = {1, std::min(columns, elements)};
    else shape = {std::min(rows, elements / columns), columns};
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

// Where a step writes its register: to memory, or into a buffer.
char* TileProgram::Parts::place(int reg, void* const* memory, char* area, const TileCursor& cursor) const {
    const Register& r = registers[size_t(reg)];
    if (r.buffer >= 0) return area + r.buffer * buffer_bytes;
    const Memory& m = memories[size_t(r.target)];
    return static_cast<char*>(memory[r.target]) + cursor.offset(m.walked) * size_of(m.dtype);
}

const void* TileProgram::Parts::load(int reg, void* const* memory, char* area, const TileCursor& cursor,
                                     Held* held) const {
    const Register& r = registers[size_t(reg)];
    const Memory& m = memories[size_t(r.memory)];
    int64_t size = size_of(m.dtype), rows = cursor.rows(), columns = cursor.columns();
    const char* from = static_cast<const char*>(memory[r.memory]) + cursor.offset(m.walked) * size;
    if (r.buffer < 0) return from;
    char* to = area + r.buffer * buffer_bytes;
    Held& h = held[r.memory];
    if (m.repeats && h.from == from && rows <= h.rows && columns == h.columns) return to;
    h = {from, rows, columns};
    const int64_t* strides = geometry.strides[m.walked];
    copy_block(size, rows, columns, to, columns, 1, from, geometry.ndim > 1 ? strides[1] : 0, strides[0]);
    return to;
}

void TileProgram::Parts::store(int reg, const void* from, void* const* memory, const TileCursor& cursor) const {
    const Register& r = registers[size_t(reg)];
    const Memory& m = memories[size_t(r.target)];
    int64_t size = size_of(m.dtype), rows = cursor.rows(), columns = cursor.columns();
    char* to = static_cast<char*>(memory[r.target]) + cursor.offset(m.walked) * size;
    if (m.streams && reinterpret_cast<uintptr_t>(to) % 64 == 0)
        return cast_table.active().stream(columns * size, to, from);
    const int64_t* strides = geometry.strides[m.walked];
    copy_block(size, rows, columns, to, geometry.ndim > 1 ? strides[1] : 0, strides[0], from, columns, 1);
}

void TileProgram::Parts::run_units(void* const* memory, int64_t begin, int64_t end) const {
    alignas(64) char area[area_bytes];
    const void* at[max_registers];
    Held held[max_memories];
    for (size_t r = 0; r < registers.size(); ++r)
        if (registers[r].constant >= 0) at[r] = constants[size_t(registers[r].constant)].filled[0].data();
    TileCursor cursor(geometry, shape, begin);
    for (int64_t unit = begin; unit < end; ++unit, cursor.next()) {
        int64_t n = cursor.rows() * cursor.columns();
        for (const Step& step : steps) {
            if (step.act == Act::load) {
                at[step.out] = load(step.out, memory, area, cursor, held);
                continue;
            }
            char* out = place(step.out, memory, area, cursor);
            if (step.act == Act::cast) {
                step.cast(n, out, at[step.in[0]]);
            } else {
                const void* in[4];
                for (int k = 0; k < step.inputs; ++k) in[k] = at[step.in[k]];
                step.fn(n, out, in, params[size_t(step.params)].data());
            }
            at[step.out] = out;
            if (registers[size_t(step.out)].target >= 0 && registers[size_t(step.out)].buffer >= 0)
                store(step.out, out, memory, cursor);
        }
    }
}

void TileProgram::run(void* const* memory) const {
    const Parts& p = *p_;
    parallel_for(p.units, p.grain, [&](int64_t begin, int64_t end) { p.run_units(memory, begin, end); });
}

}  // namespace rushlight
