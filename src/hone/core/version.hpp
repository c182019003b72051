#pragma once

namespace hone {

inline constexpr const char* version = "0.1.0";
#if defined(__clang__)
inline constexpr const char* compiler_name = "clang";
#else
inline constexpr const char* compiler_name = "gcc";
#endif

}  // namespace hone
