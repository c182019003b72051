// Shared libraries that are loaded when they are first needed. libcurl and libarchive bring thirty
// libraries of their own: loading them costs every start of the program a third of what answering a
// question takes, and few commands use them.
#pragma once

#include <string>

namespace hone {

class LazyLibrary {
public:
  // `file` as dlopen takes it: "libcurl.so.4".
  explicit constexpr LazyLibrary(const char* file) : file_(file) {}
  // The address of a function; loads the library the first time. Throws Error(unsupported) naming
  // the library and the reason. Safe to call from several threads.
  void* find(const char* function) const;

private:
  const char* file_;
};

// A function of a lazy library with the type that its header declares.
template <typename Function>
struct LazyFunction {
  const LazyLibrary& library;
  const char* name;

  template <typename... Arguments>
  auto operator()(Arguments... arguments) const {
    return reinterpret_cast<Function*>(library.find(name))(arguments...);
  }
};

// Declares a function of the library's header anew, in the namespace where this stands: calls there
// load the library instead of being linked.
#define HONE_LAZY_FUNCTION(library, function) \
  constexpr ::hone::LazyFunction<decltype(::function)> function { library, #function }

}  // namespace hone
