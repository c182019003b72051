#include "hone/core/lazy_library.hpp"

#include <map>
#include <mutex>

#include <dlfcn.h>
#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

void* LazyLibrary::find(const char* function) const {
  static std::mutex mutex;
  static std::map<std::string, void*, std::less<>> functions;  // "library function"
  const std::lock_guard lock(mutex);
  void*& address = functions[fmt::format("{} {}", file_, function)];
  if (address != nullptr) return address;
  // Never closed: a second dlopen of a library that is there costs nothing.
  void* handle = ::dlopen(file_, RTLD_NOW | RTLD_GLOBAL);
  if (handle != nullptr) address = ::dlsym(handle, function);
  if (address != nullptr) return address;
  const char* reason = ::dlerror();
  throw Error(ErrorCode::unsupported,
              fmt::format("{} cannot be used: {}", file_, reason != nullptr ? reason : function),
              "install the Debian package that holds it: docs/dependencies.md");
}

}  // namespace hone
