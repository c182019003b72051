// Every parameter by itself, uniformly (by its logarithm where it is a range with `log`).
#include "hone/search/detail/draw.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace random_sampler {

class RandomSampling : public Sampling {
public:
  Sample sample(const SampleCall& call) override {
    RandomStream random = call.random("random");
    Sample made{call.fixed};
    for (const Dimension& dimension : call.space.dimensions()) {
      if (!call.space.exists(dimension, made.values)) {
        made.values.erase(dimension.name());
        continue;
      }
      const double drawn = draw(dimension.distribution(), random);
      made.values.emplace(dimension.name(), drawn);
    }
    return made;
  }
};

std::unique_ptr<Sampling> make(const Options&) { return std::make_unique<RandomSampling>(); }

}  // namespace random_sampler
}  // namespace

Sampler sampler_random() {
  using namespace random_sampler;
  Sampler sampler{{"random", "every parameter by itself, uniformly"}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
