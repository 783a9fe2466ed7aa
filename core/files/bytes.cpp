#include "files/bytes.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

namespace rushlight::files {

namespace {

[[noreturn]] void fail_at(const std::string& path, const char* what) {
    int code = errno;
    fail(ErrorKind::io, "'", path, "': ", what, ": ", std::strerror(code));
}

class Descriptor {
public:
    explicit Descriptor(int descriptor = -1) : number(descriptor) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(-1); }
    void reset(int descriptor) {
        if (number >= 0) close(number);
        number = descriptor;
    }

    int number;
};

void write_all(int descriptor, const std::string& path, std::string_view contents) {
    while (!contents.empty()) {
        ssize_t n = write(descriptor, contents.data(), contents.size());
        if (n < 0 && errno != EINTR) fail_at(path, "can't be written");
        if (n > 0) contents.remove_prefix(size_t(n));
    }
}

// A new file that takes the place of another in one step. Names and locks are those of rushlight/io/_atomic.py: what is
// locked is in use, and the next save of the target removes what a process that was killed has left.
class Replacement {
public:
    explicit Replacement(const std::string& path) : shown_(path) {
        std::error_code ignored;
        target_ = std::filesystem::weakly_canonical(path, ignored);
        if (target_.empty()) target_ = path;
        folder_ = target_.has_parent_path() ? target_.parent_path() : ".";
        std::string prefix = "." + target_.filename().string().substr(0, 100) + ".";
        remove_stale(prefix);
        while (!create(prefix)) continue;
    }
    Replacement(const Replacement&) = delete;
    Replacement& operator=(const Replacement&) = delete;
    ~Replacement() { if (file_.number >= 0 && !path_.empty()) unlink(path_.c_str()); }

    int descriptor() const { return file_.number; }

    void replace() {
        bool done = fsync(file_.number) == 0 && rename(path_.c_str(), target_.c_str()) == 0;
        if (!done) fail_at(shown_, "can't be written");
        path_.clear();
        Descriptor folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder.number >= 0) fsync(folder.number);      // some systems know no such thing
    }

private:
    static constexpr const char* suffix = ".rushlight-tmp";

    // False where the name was taken, or another save took the file away before it was locked.
    bool create(const std::string& prefix) {
        static std::atomic<unsigned> count = 0;
        auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        path_ = folder_ / (prefix + std::to_string(getpid()) + "-" + std::to_string(count++) + "-" +
                           std::to_string(now) + suffix);
        file_.reset(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (file_.number < 0 && errno == EEXIST) return false;
        if (file_.number < 0) fail_at(shown_, "can't be written");
        flock(file_.number, LOCK_EX);
        struct stat about;
        return fstat(file_.number, &about) == 0 && about.st_nlink > 0;
    }

    void remove_stale(const std::string& prefix) {
        std::error_code error;
        for (std::filesystem::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
            std::string name = at->path().filename();
            if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
            Descriptor file(open(at->path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
            if (file.number >= 0 && flock(file.number, LOCK_EX | LOCK_NB) == 0) unlink(at->path().c_str());
        }
    }

    const std::string& shown_;
    std::filesystem::path target_, folder_, path_;
    Descriptor file_;
};

}  // namespace

Bytes map_file(const std::string& path) {
    Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
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
    struct stat about;
    bool there = stat(path.c_str(), &about) == 0;
    if (there && !S_ISREG(about.st_mode)) {                // a pipe, a terminal, /dev/null
        Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (file.number < 0) fail_at(path, "can't be written");
        return write_all(file.number, path, contents);
    }
    if (there && access(path.c_str(), W_OK) != 0) fail_at(path, "can't be written");
    Replacement file(path);
    if (there && fchmod(file.descriptor(), about.st_mode & 07777) != 0) fail_at(path, "can't be written");
    write_all(file.descriptor(), path, contents);
    file.replace();
}

bool are_bools(std::span<const uint8_t> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b <= 1; });
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
