// Quasi-Monte Carlo: a point of a low-discrepancy sequence a trial, its index the trial's number,
// so that parallel workers share one sequence. Every parameter has a dimension of its own, those
// too that exist in some trials only.
#include "hone/search/detail/draw.hpp"
#include "hone/search/detail/sequences.hpp"
#include "hone/search/sampler.hpp"

namespace hone {
namespace {
namespace qmc_sampler {

class QmcSampling : public Sampling {
public:
  explicit QmcSampling(const Options& options)
      : halton_(options.text("sequence") == "halton"), scramble_(options.boolean("scramble")) {}

  Sample sample(const SampleCall& call) override {
    Sample made;
    const auto index = static_cast<std::uint32_t>(call.number);
    std::size_t dimension_index = 0;
    for (const Dimension& dimension : call.space.dimensions()) {
      const std::size_t own = dimension_index++;
      if (!call.space.exists(dimension, made.values)) continue;
      const auto given = call.fixed.find(dimension.name());
      made.values[dimension.name()] =
          given != call.fixed.end() ? given->second
                                    : value_at(dimension.distribution(),
                                               halton_ ? halton(index, own, call.seed, scramble_)
                                                       : sobol(index, own, call.seed, scramble_));
    }
    return made;
  }

private:
  bool halton_, scramble_;
};

std::unique_ptr<Sampling> make(const Options& options) {
  return std::make_unique<QmcSampling>(options);
}

}  // namespace qmc_sampler
}  // namespace

Sampler sampler_qmc() {
  using namespace qmc_sampler;
  Sampler sampler{{"qmc", "points that fill the space evenly: Sobol's or Halton's sequence"}};
  sampler.options = {
      {"sequence",
       OptionType::text,
       std::string("sobol"),
       "which sequence",
       -std::numeric_limits<double>::infinity(),
       std::numeric_limits<double>::infinity(),
       {"sobol", "halton"}},
      {"scramble", OptionType::boolean, true,
       "a random one of its scramblings, by the study's seed; without it every study is the same"}};
  sampler.make = make;
  return sampler;
}

}  // namespace hone
