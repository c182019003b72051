// Samplers from outside. `bench_search serve`: a line that begins a study, then a line of values
// for each point that was answered; `bench_search time`: seconds a trial in memory.
#include <ctime>
#include <iostream>
#include <string>

#include "hone/core/error.hpp"
#include "hone/core/json.hpp"
#include "hone/search/sampler.hpp"

namespace {

using namespace hone;

Options options_of(const Sampler& sampler, const Json* given) {
  Options options;
  if (given != nullptr)
    for (const auto& [key, value] : given->items()) {
      const OptionSpec& spec = find_option(sampler.options, key, "options");
      options.set(key, parse_option(spec, value.is_string() ? value.text() : value.dump(), key));
    }
  return complete_options(sampler.options, options, sampler.name);
}

// A study in memory: asks its sampler, keeps what it is told.
struct Study {
  Space space;
  std::vector<Direction> directions;
  std::unique_ptr<Sampling> sampling;
  std::uint64_t seed = 0;
  std::int64_t budget = 0;
  std::vector<Trial> trials = {};

  const Trial& ask() {
    const auto number = static_cast<std::int64_t>(trials.size());
    const Sample made = sampling->sample({.space = space,
                                          .directions = directions,
                                          .trials = trials,
                                          .number = number,
                                          .seed = seed,
                                          .budget = budget});
    Trial trial{.id = TrialId{number}, .number = number};
    for (const Dimension& dimension : space.dimensions()) {
      const auto found = made.values.find(dimension.name());
      if (found != made.values.end())
        trial.parameters.push_back({dimension.parameter, found->second});
    }
    trial.system_attributes = made.system_attributes;
    trials.push_back(std::move(trial));
    return trials.back();
  }
  void tell(std::vector<double> values) {
    trials.back().values = std::move(values);
    trials.back().state = TrialState::complete;
  }
};

Study begin(const Json& of) {
  Study study;
  study.space = Space::from_json(of.at("space"));
  for (const Json& one : of.at("directions"))
    study.directions.push_back(one.text() == "maximize" ? Direction::maximize
                                                        : Direction::minimize);
  const Sampler& sampler = find_member(sampler_table(), of.at("sampler").text(), "sampler");
  study.sampling = sampler.make(options_of(sampler, of.find_member("options")));
  study.seed = of.value("seed", std::uint64_t{0});
  study.budget = of.value("budget", std::int64_t{0});
  return study;
}

int serve() {
  Study study;
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json message = parse_json(line);
    if (message.find_member("space") != nullptr)
      study = begin(message);
    else
      study.tell(message.at("values").get<std::vector<double>>());
    Json answer = Json::object();
    for (const TrialParameter& one : study.ask().parameters) answer[one.name()] = one.value();
    std::cout << answer.dump() << "\n" << std::flush;
  }
  return 0;
}

// Seconds of processor time a trial from number `first` to `last`, the objective left out.
int time_sampler(const std::string& name, int parameters, bool categorical, int first, int last,
                 std::uint64_t seed) {
  std::vector<Dimension> dimensions;
  for (int i = 0; i < parameters; ++i) {
    const std::string own = "p" + std::to_string(i);
    Distribution of;
    if (categorical)
      of = hone::categorical({"a", "b", "c", "d"}, own);
    else if (i % 4 == 0)
      of = integers(1, 16, 1, false, own);
    else if (i % 4 == 1)
      of = reals(1e-5, 1, 0, true, own);
    else
      of = reals(0, 1, 0, false, own);
    dimensions.push_back({std::make_shared<SearchParameter>(SearchParameter{own, of})});
  }
  const Sampler& sampler = find_member(sampler_table(), name, "sampler");
  Study study{.space = Space(std::move(dimensions)),
              .directions = {Direction::minimize},
              .sampling = sampler.make(options_of(sampler, nullptr)),
              .seed = seed};
  double seconds = 0;
  for (int number = 1; number <= last; ++number) {
    const std::clock_t start = std::clock();
    const Trial& trial = study.ask();
    if (number >= first) seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    double value = 0;
    for (const TrialParameter& one : trial.parameters) {
      const Distribution& of = one.parameter->distribution;
      const double share = of.kind == DistributionKind::categorical
                               ? one.internal / 3
                               : (one.internal - of.low) / (of.high - of.low);
      value += (share - 0.3) * (share - 0.3);
    }
    study.tell({value});
  }
  std::cout << seconds / (last - first + 1) << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count == 2 && std::string(arguments[1]) == "serve") return serve();
    if (count == 8 && std::string(arguments[1]) == "time")
      return time_sampler(arguments[2], std::stoi(arguments[3]),
                          std::string(arguments[4]) == "categorical", std::stoi(arguments[5]),
                          std::stoi(arguments[6]), std::stoull(arguments[7]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  std::cerr << "usage: bench_search serve\n       bench_search time SAMPLER PARAMETERS "
               "categorical|mixed FIRST LAST SEED\n";
  return 2;
}
