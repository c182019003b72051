#include "hone/recipes/detail/leakage.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/record/record.hpp"

namespace hone {
namespace {

std::string file_of(const std::string& data) {
  return data.substr(0, data.find(':')) + ":" + data.substr(data.find_last_of("/:") + 1);
}

}  // namespace

std::string describe_leakage(const std::filesystem::path& model, const ValidationSplit& judged) {
  const std::filesystem::path record = model / "record.jsonl";
  if (!std::filesystem::exists(record)) return "";
  try {
    for (const Json& line : Record::read(record)) {
      if (line.at("event") != Json("run")) continue;
      const Json& config = line.at("config");
      if (!config.contains("train_samples") || config.at("split") != Json("train") ||
          file_of(config.at("data").text()) != file_of(judged.data))
        return "";
      const double share = config.at("validation").get<double>();
      const auto seed = config.at("seed").get<std::uint64_t>();
      if (share == judged.share && seed == judged.seed) return "";
      return fmt::format(
          "{} was trained with validation = {:g} and seed = {}: it has seen samples that trials "
          "are judged on (validation = {:g}, seed = {}), and their figures will be too good",
          model.string(), share, seed, judged.share, judged.seed);
    }
  } catch (const Error&) {
    // A record of another kind says nothing of it.
  }
  return "";
}

}  // namespace hone
