// Recordings of what runs, for profilers, and Python functions that see each call of an operator.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <unordered_map>
#include <utility>

#include "base/crc32c.h"
#include "bindings/convert.h"
#include "registry/watch.h"

namespace nb = nanobind;

namespace rushlight::python {

namespace {

// ---- recordings ----------------------------------------------------------------------------------

const char* const kind_names[] = {"op", "kernel", "backward", "range", "frame", "memory"};

nb::object shown(const std::vector<events::Argument>& arguments) {
    nb::list out;
    for (const events::Argument& a : arguments)
        out.append(nb::make_tuple(nb::steal(wrap_size(a.sizes)), std::string(a.type)));
    return nb::tuple(out);
}

using Names = std::unordered_map<const char*, nb::str>;

nb::object shown(const events::Thread& thread, const events::Event& e, Names& names) {
    auto found = names.find(e.name);
    const nb::str& name = found != names.end() ? found->second : names.emplace(e.name, nb::str(e.name)).first->second;
    nb::object given = nb::none(), results = nb::none();
    if (e.arguments >= 0) {
        given = shown(thread.arguments[size_t(e.arguments)].given);
        results = shown(thread.arguments[size_t(e.arguments)].results);
    }
    return nb::make_tuple(kind_names[int(e.kind)], name, e.parent, e.start, e.end, e.sequence, e.memory, e.peak, given,
                          results);
}

nb::dict stop_recording() {
    events::Recording recording = events::stop();
    Names names;
    nb::list threads;
    for (const events::Thread& thread : recording.threads) {
        nb::list all;
        for (const events::Event& e : thread.events) all.append(shown(thread, e, names));
        threads.append(nb::make_tuple(thread.id, all));
    }
    nb::dict out;
    out["threads"] = threads;
    out["start"] = recording.start;
    out["end"] = recording.end;
    out["dropped"] = recording.dropped;
    return out;
}

bool start_recording(bool memory, bool arguments, int64_t limit) {
    return events::start((memory ? uint32_t(watch_memory) : 0) | (arguments ? uint32_t(watch_arguments) : 0), limit);
}

// ---- Python frames as spans ----------------------------------------------------------------------

// The names of what was called, null for what stays hidden. Code objects are held, so that no other takes their place.
std::unordered_map<PyObject*, const char*>& frame_names() {
    static auto* all = new std::unordered_map<PyObject*, const char*>;   // never destroyed: it holds Python objects
    return *all;
}

std::string shown(const char* text) {
    if (!text) PyErr_Clear();
    return text ? text : "?";
}

std::vector<std::string>& hidden_files() {
    static auto* all = new std::vector<std::string>;
    return *all;
}

const char* name_of_code(PyCodeObject* code) {
    auto [found, fresh] = frame_names().try_emplace(reinterpret_cast<PyObject*>(code));
    if (!fresh) return found->second;
    Py_INCREF(code);
    std::string file = shown(PyUnicode_AsUTF8(code->co_filename));
    for (const std::string& hidden : hidden_files())
        if (file.starts_with(hidden)) return found->second = nullptr;
    std::string name = shown(PyUnicode_AsUTF8(code->co_qualname));
    return found->second = events::intern(file + "(" + std::to_string(code->co_firstlineno) + "): " + name);
}

// Built-in functions are known by their definition: bound methods come and go.
const char* name_of_builtin(PyObject* function) {
    if (!PyCFunction_Check(function)) return nullptr;
    static auto* names = new std::unordered_map<PyMethodDef*, const char*>;
    auto* f = reinterpret_cast<PyCFunctionObject*>(function);
    auto [found, fresh] = names->try_emplace(f->m_ml);
    if (!fresh) return found->second;
    std::string owner = f->m_self && PyModule_Check(f->m_self) ? shown(PyModule_GetName(f->m_self))
                        : f->m_self                            ? Py_TYPE(f->m_self)->tp_name
                                                               : "builtins";
    return found->second = events::intern("<built-in " + owner + "." + f->m_ml->ml_name + ">");
}

int on_frame(PyObject*, PyFrameObject* frame, int what, PyObject* argument) {
    if (!watched(watch_events)) {                        // of a thread that outlived the recording
        PyEval_SetProfile(nullptr, nullptr);
        return 0;
    }
    if (what == PyTrace_CALL || what == PyTrace_RETURN) {
        PyCodeObject* code = PyFrame_GetCode(frame);
        const char* name = name_of_code(code);
        Py_DECREF(code);
        if (!name) return 0;
        if (what == PyTrace_CALL) events::begin(name, events::Kind::frame);
        else events::end_frame();
        return 0;
    }
    const char* name = name_of_builtin(argument);
    if (!name) return 0;
    if (what == PyTrace_C_CALL) events::begin(name, events::Kind::frame);
    else events::end_frame();
    return 0;
}

void open_current_frames() {
    std::vector<const char*> names;
    PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
    while (frame) {
        PyCodeObject* code = PyFrame_GetCode(frame);
        if (const char* name = name_of_code(code)) names.push_back(name);
        Py_DECREF(code);
        PyFrameObject* back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    for (size_t i = names.size(); i-- > 0;) events::begin(names[i], events::Kind::frame);
}

// Functions of files that begin with one of `hidden` do not show.
void trace_frames(bool on, nb::tuple hidden) {
    hidden_files().clear();
    for (nb::handle one : hidden) hidden_files().push_back(nb::cast<std::string>(one));
    if (on) open_current_frames();
    PyEval_SetProfile(on ? on_frame : nullptr, nullptr);
}

void forget_frames() {
    for (auto& [code, name] : frame_names()) Py_DECREF(code);
    frame_names().clear();
}

// ---- Python functions that see calls -------------------------------------------------------------

struct Watcher {
    nb::object before, after;
    bool answers;                                        // `before` is told what can be answered, and may do so
};
thread_local Watcher* watcher = nullptr;                 // of this thread; none while it runs itself
thread_local int call_depth = 0;
int watching_threads = 0;

nb::object shown(const Value& v) {
    if (v.tag == Tag::tensor) return nb::steal(wrap(Tensor(v.tensor_)));
    if (v.tag == Tag::tensors) {
        nb::list all;
        for (TensorImpl* t : v.to_tensors()) all.append(nb::steal(wrap(Tensor(t))));
        return all;
    }
    if (v.is_number()) return nb::steal(wrap_number(v));
    return nb::none();
}

nb::object shown_results(const Call& c) {
    nb::list out;
    for (const Tensor& t : c.list.empty() ? std::span<const Tensor>(c.out) : std::span<const Tensor>(c.list))
        if (t.defined()) out.append(nb::steal(wrap(t)));
    return nb::tuple(out);
}

// Calls the watcher, which is not watched meanwhile.
template <class... Arguments>
nb::object tell(nb::object (Watcher::*which), Arguments&&... arguments) {
    Watcher* own = std::exchange(watcher, nullptr);
    try {
        nb::object returned = (own->*which)(std::forward<Arguments>(arguments)...);
        watcher = own;
        return returned;
    } catch (nb::python_error& e) {
        watcher = own;
        e.restore();
        throw PythonError();
    }
}

class Deeper {
public:
    Deeper() { ++call_depth; }
    ~Deeper() { --call_depth; }
};

void around(Call& c, void (*go)(Call&)) {
    if (!watcher) return go(c);
    Interpreter lock;                                    // a kernel gives it back for as long as it takes
    nb::list given;
    for (size_t i = 0, n = c.op.parsed.params.size(); i < n; ++i) given.append(shown(c.args[i]));
    std::string name = c.op.parsed.name + (c.in_place && !c.op.writes_first ? "_" : "");
    bool answerable = watcher->answers && is_answerable(c);
    nb::object note = watcher->answers ? tell(&Watcher::before, name, nb::tuple(given), call_depth, answerable)
                                       : tell(&Watcher::before, name, nb::tuple(given), call_depth, c.in_place);
    if (answerable && PyTuple_Check(note.ptr())) {
        std::vector<Tensor> results;
        for (nb::handle result : note) results.push_back(tensor_of(result.ptr()));
        return answer(c, results);
    }
    {
        Deeper deeper;
        go(c);
    }
    tell(&Watcher::after, name, nb::tuple(given), call_depth, shown_results(c), note);
}

void watch_calls_with(nb::object before, nb::object after, bool answers) {
    require(!watcher || before.is_none(), ErrorKind::runtime,
            "watch_calls: this thread's calls are watched already; expected one watcher at a time");
    watching_threads += int(!before.is_none()) - int(watcher != nullptr);
    delete std::exchange(watcher, before.is_none() ? nullptr : new Watcher{before, after, answers});
    call_watcher = around;
    if (watching_threads) watchers.fetch_or(watch_calls);
    else watchers.fetch_and(~watch_calls);
}

}  // namespace

void add_watching(nb::module_& m) {
    m.def("_start_recording", &start_recording, nb::arg("memory"), nb::arg("arguments"), nb::arg("limit"));
    m.def("_stop_recording", &stop_recording);
    m.def("_is_recording", [] { return watched(watch_events) != 0; });
    m.def("_enter_range", [](const std::string& name) {
        return watched(watch_events) ? events::begin(events::intern(name), events::Kind::range) : -1;
    });
    m.def("_exit_range", [](int64_t token) { events::end(token); });
    m.def("_trace_frames", &trace_frames, nb::arg("on"), nb::arg("hidden"));
    m.def("_trace_frames_of_thread", [] { PyEval_SetProfile(on_frame, nullptr); });
    m.def("_forget_frames", &forget_frames);
    m.def("_crc32c", [](nb::bytes data) { return crc32c(data.c_str(), data.size()); });
    m.def("_watch_calls", &watch_calls_with, nb::arg("before").none(), nb::arg("after").none(),
          nb::arg("answers") = false);
}

}  // namespace rushlight::python
