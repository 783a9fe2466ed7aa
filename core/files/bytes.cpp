#include "files/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rushlight::files {

namespace {

[[noreturn]] void fail_at(const std::string& path, const char* what) {
    int code = errno;
    fail(ErrorKind::io, "'", path, "': ", what, ": ", std::strerror(code));
}

struct Descriptor {
    int number;
    ~Descriptor() { if (number >= 0) close(number); }
};

}  // namespace

Bytes map_file(const std::string& path) {
    Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.number < 0) fail_at(path, "can't be opened");
    struct stat about;
    if (fstat(file.number, &about) != 0) fail_at(path, "can't be read");
    require(S_ISREG(about.st_mode), ErrorKind::io, "'", path, "' is no regular file; expected one to map");
    size_t size = size_t(about.st_size);
    if (size == 0) return {};
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
    if (at == MAP_FAILED) fail_at(path, "can't be mapped");
    std::shared_ptr<const void> owner(at, [size](void* p) { munmap(p, size); });
    return {{static_cast<const uint8_t*>(at), size}, std::move(owner)};
}

void write_file(const std::string& path, std::string_view contents) {
    std::string beside = path + ".part";
    Descriptor file{open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666)};
    if (file.number < 0) fail_at(beside, "can't be written");
    while (!contents.empty()) {
        ssize_t n = write(file.number, contents.data(), contents.size());
        if (n < 0 && errno != EINTR) fail_at(beside, "can't be written");
        if (n > 0) contents.remove_prefix(size_t(n));
    }
    if (fsync(file.number) != 0 || rename(beside.c_str(), path.c_str()) != 0) fail_at(path, "can't be written");
}

Tensor tensor_over(const Bytes& bytes, DType dtype, const Dims& sizes) {
    auto address = reinterpret_cast<uintptr_t>(bytes.data.data());
    bool aligned = address % std::min<size_t>(size_t(size_of(dtype)), alignof(std::max_align_t)) == 0;
    if (bytes.data.empty() || !bytes.owner || !aligned) {
        Tensor t = empty_tensor(sizes, dtype);
        if (!bytes.data.empty()) std::memcpy(t.data(), bytes.data.data(), bytes.data.size());
        return t;
    }
    Tensor t(TensorImpl::make());
    t->sizes = sizes;
    t->strides = contiguous_strides(sizes);
    t->dtype = dtype;
    t->update_geometry();
    auto drop = [](void* held) { delete static_cast<std::shared_ptr<const void>*>(held); };
    auto held = std::make_unique<std::shared_ptr<const void>>(bytes.owner);
    t->storage = Storage::wrap(const_cast<uint8_t*>(bytes.data.data()), bytes.data.size(), drop, held.get(), true);
    held.release();
    return t;
}

}  // namespace rushlight::files
