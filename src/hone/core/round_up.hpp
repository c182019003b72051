#pragma once

#include <concepts>
#include <type_traits>

namespace hone {

// The smallest multiple of `to` that is not below `n`; n >= 0, to > 0.
template <std::integral Integer>
constexpr Integer round_up(Integer n, std::type_identity_t<Integer> to) {
  return (n + to - 1) / to * to;
}

}  // namespace hone
