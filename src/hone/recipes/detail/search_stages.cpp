#include "hone/recipes/search_stages.hpp"

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& folder, std::size_t i) {
  return folder / fmt::format("stage-{}", i + 1);
}

}  // namespace

Options SearchStage::options() const {
  const Stage& stage = find_stage(kind, where);
  Options typed;
  for (const auto& [key, value] : values) {
    const std::string place = fmt::format("{}: key '{}'", where, key);
    typed.set(key, parse_option(find_option(stage.options, key, where), value, place));
  }
  return typed;
}

Json to_json(const std::vector<SearchStage>& stages) {
  Json all = Json::array();
  for (const SearchStage& stage : stages) {
    Json values = Json::object();
    for (const auto& [key, value] : stage.values) values[key] = value;
    all.push_back(
        {{"name", stage.name}, {"do", stage.kind}, {"values", values}, {"where", stage.where}});
  }
  return all;
}

std::vector<SearchStage> search_stages_from_json(const Json& json) {
  std::vector<SearchStage> stages;
  for (const Json& one : json) {
    SearchStage stage{one.at("name").text(), one.at("do").text(), {}, one.at("where").text()};
    for (const auto& [key, value] : one.at("values").items())
      stage.values.emplace_back(key, value.text());
    stages.push_back(std::move(stage));
  }
  return stages;
}

Json identity_of(const std::vector<SearchStage>& stages) {
  Json all = Json::array();
  for (const SearchStage& stage : stages) {
    Json one{{"do", stage.kind}};
    const Options options = stage.options();
    for (const auto& [key, value] : options.values()) one[key] = to_string(value);
    for (const std::string& key : find_stage(stage.kind, stage.where).files)
      if (one.contains(key)) one[key + "_sha256"] = sha256(read_file(one.at(key).text()));
    all.push_back(std::move(one));
  }
  return all;
}

void check_stages(const std::vector<SearchStage>& stages, const Options& training,
                  const Graph& graph) {
  for (const SearchStage& stage : stages) {
    const Stage& kind = find_stage(stage.kind, stage.where);
    if (kind.check != nullptr) kind.check({stage.options(), training, graph, stage.where});
  }
}

SearchStage* find_search_stage(std::vector<SearchStage>& stages, const std::string& parameter) {
  for (SearchStage& stage : stages)
    if (parameter.starts_with(stage.name + ".")) return &stage;
  return nullptr;
}

void set_stage_option(SearchStage& stage, const std::string& parameter, const std::string& value) {
  const std::string key = parameter.substr(stage.name.size() + 1);
  find_option(find_stage(stage.kind, stage.where).options, key,
              fmt::format("parameter '{}'", parameter));
  std::erase_if(stage.values, [&](const auto& old) { return old.first == key; });
  stage.values.emplace_back(key, value);
}

fs::path run_stages(const std::vector<SearchStage>& stages, const fs::path& from,
                    const fs::path& folder, StageCall call) {
  fs::path model = from;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const fs::path own = folder_of(folder, i);
    call.model = model.string();
    call.out = own / "model";
    call.work = own / "work";
    if (!fs::exists(call.out)) {
      if (call.watcher.stop && call.watcher.stop())
        throw Error(ErrorCode::interrupted, "stopped before a stage");
      call.values = stages[i].options();
      fs::create_directories(own);
      find_stage(stages[i].kind, stages[i].where).run(call);
    }
    model = call.out;
  }
  return model;
}

void remove_stages(const fs::path& folder) {
  for (std::size_t i = 0; fs::exists(folder_of(folder, i)); ++i) {
    std::error_code ignored;
    fs::remove_all(folder_of(folder, i), ignored);
  }
}

}  // namespace hone
