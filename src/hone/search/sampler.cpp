#include "hone/search/sampler.hpp"

namespace hone {

RandomStream SampleCall::random(std::string_view purpose) const {
  // A key of its own for every trial; the purposes are streams of it.
  const PhiloxBlock mixed =
      philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32), 0, 0},
             {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return {std::uint64_t{mixed[1]} << 32 | mixed[0], stream_of(purpose)};
}

}  // namespace hone
