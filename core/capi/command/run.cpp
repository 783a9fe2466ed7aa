// rushlight-run: looks at a `.rush` file, or runs it on arrays. Uses nothing but the C interface.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushlight.hpp"

namespace {

constexpr const char* usage = R"(rushlight-run MODEL.rush [options]

  --input [NAME=]FILE    .npy, .npz (arrays by name) or .json (an object: inputs by name); may be repeated
  --json TEXT            the same as JSON on the command line: '{"x": [[1, 2]]}'
  --signature NAME       which program of the file; default: the first
  --output FILE          .npz or .json, or .npy where there is one output; default: JSON to the standard output
  --cast                 arrays of other dtypes are converted
  --inspect              show signatures, tensors and metadata instead of running
  --graph                with --inspect: show the programs as well
  --time [N]             run N times (default 10) and tell the times
  --threads N
  --version
)";

struct Options {
    std::string model, output, hint;           // what to try where the inputs do not fit
    const char* signature = nullptr;
    std::vector<std::pair<std::string, rl::Value>> inputs;
    bool inspect = false, graph = false, cast = false;
    int time = 0, threads = 0;
};

using Clock = std::chrono::steady_clock;
const Clock::time_point started = Clock::now();

double milliseconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

void add_named(Options& o, const rl::Value& values) {
    if (values.kind() != RL_DICT) throw std::invalid_argument("inputs must have names: an object, or NAME=FILE");
    std::vector<rl::Value> names = values.keys(), items = values.items();
    for (std::size_t i = 0; i < items.size(); ++i) o.inputs.emplace_back(names[i].to_string(), items[i]);
}

void add_file(Options& o, const std::string& text) {
    std::size_t equals = text.find('=');
    bool named = equals != text.npos && text.find('/') > equals;
    rl::Value value = rl::Value::load(named ? text.substr(equals + 1) : text);
    if (named) o.inputs.emplace_back(text.substr(0, equals), value);
    else if (value.kind() == RL_TENSOR || value.kind() == RL_LIST) o.inputs.emplace_back("", value);
    else add_named(o, value);
}

int positive(const char* text) {
    char* end = nullptr;
    long n = std::strtol(text, &end, 10);
    if (*end || n < 1 || n > 1'000'000) throw std::invalid_argument(std::string(text) + ": expected a number from 1");
    return int(n);
}

Options parsed(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; ++i) {
        std::string_view a = argv[i];
        auto next = [&] {
            if (i + 1 >= argc) throw std::invalid_argument(std::string(a) + ": expected something after it");
            return argv[++i];
        };
        if (a == "--input") add_file(o, next());
        else if (a == "--json") add_named(o, rl::Value::from_json(next()));
        else if (a == "--signature") o.signature = next();
        else if (a == "--output") o.output = next();
        else if (a == "--cast") o.cast = true;
        else if (a == "--inspect") o.inspect = true;
        else if (a == "--graph") o.inspect = o.graph = true;
        else if (a == "--threads") o.threads = positive(next());
        else if (a == "--time") o.time = i + 1 < argc && std::isdigit(argv[i + 1][0]) ? positive(next()) : 10;
        else if (a.starts_with("--")) throw std::invalid_argument(std::string(a) + ": unknown option");
        else if (!o.model.empty())
            throw std::invalid_argument(std::string(a) + ": there is a model already, " + o.model +
                                        "; inputs come after --input");
        else o.model = a;
    }
    if (o.model.empty()) throw std::invalid_argument("there is no model; expected the path of a .rush file");
    return o;
}

void show(const char* what, const std::vector<const rl_spec*>& specs) {
    for (const rl_spec* s : specs) std::printf("  %-8s %-24s %s\n", what, s->name, s->type);
}

void inspect(const rl::Model& m, bool graphs) {
    std::printf("program %s\n", rl_model_name(m.handle()));
    for (std::size_t i = 0; i < m.signatures(); ++i) {
        std::printf("\nsignature %s\n", m.name(i).c_str());
        show("takes", m.inputs(i));
        show("gives", m.outputs(i));
        if (graphs) std::printf("\n%s", rl_graph_text(m.handle(), i));
    }
    std::size_t tensors = rl_tensor_count(m.handle());
    if (tensors) std::printf("\ntensors\n");
    double bytes = 0;
    for (std::size_t i = 0; i < tensors; ++i) {
        const rl_spec* s = rl_stored_tensor(m.handle(), i);
        double size = double(rl_dtype_size(s->dtype));
        for (int d = 0; d < s->rank; ++d) size *= double(s->sizes[d]);
        bytes += size;
        std::printf("  %-40s %-28s %12.0f bytes\n", s->name, s->type, size);
    }
    if (tensors) std::printf("  %zu tensors, %.0f bytes\n", tensors, bytes);
    if (m.metadata() != "{}") std::printf("\nmetadata\n  %s\n", m.metadata().c_str());
    for (std::size_t i = 0; i < rl_extra_count(m.handle()); ++i)
        std::printf("%sextra file %s\n", i ? "" : "\n", rl_extra_name(m.handle(), i));
}

rl::Value as_input(const rl::Value& value, const rl_spec& spec) {
    try {
        return value.as_tensor(spec.dtype);
    } catch (const rl::Error& error) {
        throw std::runtime_error(std::string("input '") + spec.name + "': " + error.what() + "; the signature takes " +
                                 spec.type);
    }
}

// Lists and numbers become tensors where the signature wants some, and a single array without a name gets the name.
void fit(Options& o, const rl::Model& m) {
    std::size_t number = 0;
    rl::check(rl_find_signature(m.handle(), o.signature, &number));
    std::vector<const rl_spec*> specs = m.inputs(number);
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
        auto& [name, value] = o.inputs[i];
        if (name.empty() && i < specs.size()) name = specs[i]->name;
        for (const rl_spec* s : specs) {
            bool wanted = name == s->name && s->kind == RL_TENSOR;
            if (wanted && (value.kind() != RL_TENSOR || o.cast)) value = as_input(value, *s);
            if (wanted && s->dtype != RL_UNKNOWN_DTYPE && value.dtype() != s->dtype)
                o.hint = "; --cast converts " + name + " to " + rl_dtype_name(s->dtype);
        }
    }
}

void write(const Options& o, const rl::Model& m, const std::vector<rl::Value>& outputs) {
    if (o.output.ends_with(".npy") && outputs.size() == 1) return outputs[0].save(o.output);
    std::size_t number = 0;
    rl::check(rl_find_signature(m.handle(), o.signature, &number));
    std::vector<rl::Value> names;
    std::vector<const rl_value*> keys, items;
    for (const rl_spec* s : m.outputs(number)) names.emplace_back(std::string_view(s->name));
    for (const rl::Value& name : names) keys.push_back(name.handle());
    for (const rl::Value& v : outputs) items.push_back(v.handle());
    rl_value* dict = nullptr;
    rl::check(rl_dict(keys.data(), items.data(), items.size(), &dict));
    rl::Value all(dict);
    if (o.output.empty()) std::printf("%s\n", all.json().c_str());
    else all.save(o.output);
}

void run(Options& o) {
    Clock::time_point begin = Clock::now();
    rl::Model m(o.model);
    Clock::time_point loaded = Clock::now();
    if (o.inspect) return inspect(m, o.graph);
    fit(o, m);
    std::vector<rl::Value> outputs;
    try {
        outputs = m.run_named(o.inputs, o.signature);
    } catch (const rl::Error& error) {
        bool hinted = error.status() == RL_ERROR_SIGNATURE;
        throw std::runtime_error(error.what() + (hinted ? o.hint : std::string()));
    }
    Clock::time_point first = Clock::now();
    double best = 0;
    for (int i = 0; i < o.time; ++i) {
        Clock::time_point from = Clock::now();
        m.run_named(o.inputs, o.signature);
        double took = milliseconds(from, Clock::now());
        best = i ? std::min(best, took) : took;
    }
    if (o.time)
        std::fprintf(stderr, "load %.3f ms, first run %.3f ms, %.3f ms since the start; best of %d more %.3f ms\n",
                     milliseconds(begin, loaded), milliseconds(loaded, first), milliseconds(started, first), o.time,
                     best);
    if (!o.time || !o.output.empty()) write(o, m, outputs);
}

}  // namespace

int main(int argc, char** argv) {
    std::string_view only = argc == 2 ? argv[1] : "";
    if (argc < 2 || only == "--help" || only == "--version") {
        std::fputs(only == "--version" ? rl_version() : usage, argc < 2 ? stderr : stdout);
        if (only == "--version") std::puts("");
        return argc < 2 ? 2 : 0;
    }
    try {
        Options options = parsed(argc, argv);
        if (options.threads) rl::check(rl_set_threads(options.threads));
        run(options);
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "rushlight-run: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rushlight-run: %s\n", error.what());
        return 1;
    }
    return 0;
}
