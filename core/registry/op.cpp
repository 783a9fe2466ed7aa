#include "registry/op.h"

#include <algorithm>
#include <sstream>
#include <unordered_map>

namespace rushlight {

namespace {

std::vector<std::pair<Op*, const char*>>& pending() {
    static std::vector<std::pair<Op*, const char*>> ops;
    return ops;
}

std::vector<std::string> words(const char* text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string w; in >> w;) out.push_back(w);
    return out;
}

void close_saves(Op& op) {
    for (const std::string& word : words(op.derivative.saves)) {
        size_t colon = word.find(':');
        std::string name = word.substr(0, colon);
        int param = op.parsed.find(name);
        if (param < 0) {
            int result = name == "result"
                             ? 0
                             : int(std::find(op.parsed.return_names.begin(), op.parsed.return_names.end(), name) -
                                   op.parsed.return_names.begin());
            require(result < 4 && (name == "result" || result < int(op.parsed.return_names.size())), ErrorKind::runtime,
                    op.id, ": saves '", name, "', which is neither a parameter nor a result");
            op.saves_result[result] = true;
        } else if (colon == std::string::npos) {
            op.saved_inputs |= uint64_t(1) << param;
        } else {
            bool negated = word[colon + 1] == '!';
            int other = op.parsed.find(word.substr(colon + 1 + negated));
            require(other >= 0, ErrorKind::runtime, op.id, ": saves '", word, "': no such parameter");
            op.saved_if.emplace_back(param, negated ? ~other : other);
        }
    }
}

void close_overwrites(Op& op) {
    for (const std::string& name : words(op.overwrites)) {
        int param = op.parsed.find(name);
        require(param >= 0, ErrorKind::runtime, op.id, ": overwrites '", name, "', which is no parameter");
        op.overwritten_params |= uint64_t(1) << param;
    }
}

std::vector<Op*> close_registry() {
    std::vector<Op*> ops;
    for (auto [op, id] : pending()) {
        op->id = id;
        op->parsed = parse_signature(op->signature);
        for (std::string& path : words(op->names)) {
            if (path == "out") op->has_out = true;
            else op->paths.push_back(path);
            if (path.size() > 8 && path.starts_with("Tensor.") && path.back() == '_' && path[path.size() - 2] != '_' &&
                !op->writes_first)
                op->has_in_place = true;
        }
        close_saves(*op);
        close_overwrites(*op);
        for (size_t i = 0; i < op->parsed.params.size(); ++i)
            if (op->parsed.params[i].types & (type_tensor | type_tensors)) op->tensor_params |= uint64_t(1) << i;
        ops.push_back(op);
    }
    std::sort(ops.begin(), ops.end(), [](Op* a, Op* b) { return std::string_view(a->id) < b->id; });
    return ops;
}

}  // namespace

Registrar::Registrar(Op* op, const char* id) { pending().emplace_back(op, id); }

const char* name_of(Kind kind) {
    const char* const names[] = {"pointwise", "reduction", "view", "opaque", "random", "update"};
    return names[int(kind)];
}

const std::vector<Op*>& all_ops() {
    static const std::vector<Op*> ops = close_registry();
    return ops;
}

Op* find_op(std::string_view id) {
    static const std::unordered_map<std::string_view, Op*> index = [] {
        std::unordered_map<std::string_view, Op*> made;
        for (Op* op : all_ops()) made.emplace(op->id, op);
        return made;
    }();
    auto found = index.find(id);
    return found == index.end() ? nullptr : found->second;
}

Error spoken_by(const char* speaker, const Error& e) {
    size_t end = e.text().find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789");
    bool speaks = end != std::string::npos && end > 0 && e.text().compare(end, 2, ": ") == 0;
    return speaks ? Error(e.kind(), speaker + e.text().substr(end)) : e;
}

}  // namespace rushlight
