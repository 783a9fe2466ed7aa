// Places in Python's memory that a compiled function reads, with what was there.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <vector>

namespace rushlight::python {

// How often something was set in a module.
extern std::atomic<uint64_t> touched;

// The same object, or the same number (to the bit) or text.
bool equal_or_same(PyObject* a, PyObject* b);

// Variables of functions, items of dicts and lists, lengths of both, and as places with the key `...` all items of a
// dict or list, the elements of a set or array; slots of objects and, as `__class__`, their classes; code and
// defaults of functions; versions of classes. A place with the value `...` has nothing.
class Places {
public:
    explicit Places(nanobind::list places);
    bool hold() const { return changed() < 0; }
    int changed() const;                         // the first place that is not as it was; -1: all are
    // The place is no longer looked at.
    void release(nanobind::handle container, nanobind::handle key);
    int traverse(visitproc visit, void* arg) const;
    void clear() { places_.clear(); }

    uint64_t epoch = 0;                          // `touched` when modules were last compared

private:
    enum class Kind : uint8_t {
        cell, item_of_dict, item_of_list, length, items, elements, slot, class_of, function, type
    };
    struct Place {
        Kind kind;
        nanobind::object container, key, value;
        Py_ssize_t index;                        // in a list; the length; the slot's offset; the class's version
    };

    static Kind kind_of(const nanobind::object& container, const nanobind::object& key);
    static Py_ssize_t index_of(Kind kind, const nanobind::object& container, const nanobind::object& key,
                               const nanobind::object& value);
    static Py_ssize_t length(const Place& p);
    static bool holds(const Place& p);
    static PyObject* now(const Place& p);

    std::vector<Place> places_;
};

}  // namespace rushlight::python
