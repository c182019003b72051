#include "hone/frontends/saved_model.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/adapter.hpp"
#include "hone/frontends/hugging_face.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/sparse_tensors.hpp"
#include "hone/frontends/zoo/architecture.hpp"
#include "hone/graph/text.hpp"
#include "hone/passes/format_checks.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/packing.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// 1: no tensor is stored by its bits (sparse_tensors.hpp). 2: no model of the task `tensors`. 3: no
// pictures. 4: no packed codes are stored by their mask.
constexpr std::int64_t form_version = 5, first_with_sparse = 2, first_with_tensors = 3,
                       first_with_pictures = 4, first_with_sparse_codes = 5;
constexpr const char* damaged_model =
    "the file is damaged, was edited, or belongs to another model";

constexpr std::pair<HeadKind, const char*> head_names[] = {
    {HeadKind::classes, "classes"}, {HeadKind::values, "values"}, {HeadKind::labels, "labels"}};

Json to_json(const Model& model, std::int64_t version) {
  if (model.task == tensors_task)
    return {{"version", std::max(version, first_with_tensors)},
            {"task", model.task},
            {"history", model.history}};
  const auto kind = std::find_if(std::begin(head_names), std::end(head_names),
                                 [&](const auto& name) { return name.first == model.head.kind; });
  Json json{{"version", version},
            {"task", model.task},
            {"head",
             {{"kind", kind->second}, {"size", model.head.size}, {"sigmoid", model.head.sigmoid}}},
            {"labels", model.labels},
            {"width", model.width},
            {"history", model.history}};
  if (model.image) {
    const ImageInput& image = model.image;
    json["version"] = std::max(version, first_with_pictures);
    json["image"] = {{"channels", image.channels}, {"height", image.height},
                     {"width", image.width},       {"resize", image.resize},
                     {"mean", image.mean},         {"deviation", image.deviation}};
  } else {
    json["limits"] = {{"vocabulary", model.limits.vocabulary},
                      {"positions", model.limits.positions},
                      {"token_types", model.limits.token_types}};
  }
  return json;
}

std::int64_t positive(const Json& json, const char* key) {
  const auto number = json.at(key).get<std::int64_t>();
  if (number < 1) throw Error(ErrorCode::bad_format, fmt::format("'{}' is {}", key, number));
  return number;
}

ModelFacts read_facts(const Json& json) {
  ModelFacts facts;
  if (json.value("task", std::string()) == tensors_task) {
    facts.task = tensors_task;
    return facts;
  }
  const Json& head = json.at("head");
  const std::string& kind = head.at("kind").text();
  const auto known = std::find_if(std::begin(head_names), std::end(head_names),
                                  [&](const auto& name) { return kind == name.second; });
  if (known == std::end(head_names))
    throw Error(ErrorCode::bad_format, fmt::format("'head' is '{}'", printable(kind, 100)));
  facts.head = {known->first, positive(head, "size"), head.at("sigmoid").get<bool>()};
  facts.labels = json.at("labels").get<std::vector<std::string>>();
  if (static_cast<std::int64_t>(facts.labels.size()) != facts.head.size)
    throw Error(ErrorCode::bad_format,
                fmt::format("{} labels for {} outputs", facts.labels.size(), facts.head.size));
  facts.width = positive(json, "width");
  if (const Json* image = json.find_member("image")) {
    facts.task = json.at("task").text();
    facts.image = {positive(*image, "channels"),
                   positive(*image, "height"),
                   positive(*image, "width"),
                   positive(*image, "resize"),
                   image->at("mean").get<std::vector<float>>(),
                   image->at("deviation").get<std::vector<float>>()};
    check_image_input(facts.image, "'image'");
    if (facts.task != "image_classification" || facts.head.kind != HeadKind::classes)
      throw Error(ErrorCode::bad_format, fmt::format("'task' is '{}', the inputs are pictures",
                                                     printable(facts.task, 100)));
    return facts;
  }
  const Json& limits = json.at("limits");
  facts.limits = {positive(limits, "vocabulary"), positive(limits, "positions"),
                  positive(limits, "token_types")};
  facts.task = json.value("task", std::string(text_task(facts.head)));
  if (facts.task != text_task(facts.head))
    throw Error(ErrorCode::bad_format,
                fmt::format("'task' is '{}', the head is of {}", printable(facts.task, 100),
                            text_task(facts.head)));
  return facts;
}

Json read_facts_file(const fs::path& directory) {
  const std::string where = (directory / own_facts_file).string();
  const Json json = parse_json(read_file(directory / own_facts_file), where);
  const Json* version = json.is_object() ? json.find_member("version") : nullptr;
  if (version == nullptr || !version->is_number_integer() || version->get<std::int64_t>() < 1)
    throw Error(ErrorCode::bad_format, where + ": has no version", damaged_model);
  if (version->get<std::int64_t>() > form_version)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: version {}, this hone reads up to {}", where,
                            version->get<std::int64_t>(), form_version),
                "use a newer hone");
  return json;
}

// Errors of `body` name the file.
template <typename Body>
auto in_file(const fs::path& file, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw Error(error.code(), file.string() + ": " + error.message(),
                error.hint().empty() ? damaged_model : error.hint());
  }
}

// What every part of hone takes for granted of a source graph.
void check_graph(const Graph& graph, const ModelFacts& facts) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::bad_format, what); };
  const bool any_inputs = facts.task == tensors_task;
  const ImageInput& image = facts.image;
  std::vector<std::pair<std::string, ValueType>> known{{"ids", {DType::i32, {Dim("T")}}},
                                                       {"type_ids", {DType::i32, {Dim("T")}}},
                                                       {"positions", {DType::i32, {Dim("T")}}},
                                                       {"offsets", {DType::i32, {Dim("B", 1)}}},
                                                       {"rng", {DType::u32, {3}}}};
  if (image)
    known = {{"pixel_values", {DType::f32, {Dim("B"), image.channels, image.height, image.width}}},
             known.back()};
  for (const Value& value : graph.values) {
    if (value.kind == ValueKind::state || value.kind == ValueKind::constant)
      refuse(fmt::format("%{} does not belong to a model", value.name));
    if (value.kind == ValueKind::parameter || value.kind == ValueKind::buffer)
      for (const Dim& dim : value.type.dims)
        if (!dim.is_fixed()) refuse(fmt::format("the size of %{} is not fixed", value.name));
    if (value.kind != ValueKind::input || any_inputs) continue;
    const bool fits = std::any_of(known.begin(), known.end(), [&](const auto& input) {
      return input.first == value.name && input.second == value.type;
    });
    if (!fits)
      refuse(fmt::format("%{} is no input that {} have", value.name, image ? "pictures" : "texts"));
  }
  for (const Node& node : graph.nodes)
    if (node.group != no_group) refuse("a source graph has no groups");
  if (!graph.updates.empty()) refuse("a source graph updates nothing");
  if (any_inputs) {
    if (graph.outputs.empty()) refuse("it has no output");
    return;
  }
  if (graph.outputs.size() != 1 || graph.outputs[0].first != "logits" ||
      !(graph.type(graph.outputs[0].second) ==
        ValueType{DType::f32, {Dim("B"), Dim(facts.head.size)}}))
    refuse(fmt::format("expected the one output logits f32[B,{}]", facts.head.size));
}

void check_numbers(const Model& model, const fs::path& file) {
  for (const std::string& name : model.tensors.names()) {
    const Tensor& tensor = model.tensors.at(name);
    if (tensor.dtype() != DType::f32) continue;
    // (An infinity may be what a tensor of an imported model is for: a mask's.)
    if (model.task == tensors_task) continue;
    const auto values = tensor.span<float>();
    const auto bad = std::count_if(values.begin(), values.end(),
                                   [](float value) { return !std::isfinite(value); });
    if (bad > 0)
      throw Error(ErrorCode::numeric,
                  fmt::format("{}: tensor '{}': holds NaN or infinity: {} of {} numbers",
                              file.string(), name, bad, values.size()),
                  "the model diverged when it was trained, or the file is damaged");
  }
}

// The layout that the model was made by.
struct Layout {
  Json config;         // with the model's labels, as it was where it has them already
  bool plain = false;  // whether the graph is what the architecture makes of it
};
Layout layout_of(const Model& model) {
  Layout layout{model.config};
  if (!is_made_by_architecture(layout.config)) return layout;  // imported
  const Architecture& architecture = architecture_of(layout.config, "config.json");
  Blueprint blueprint = architecture.make(layout.config, "config.json");
  if (blueprint.facts.labels != model.labels) {
    layout.config["id2label"] = Json::object();
    layout.config["label2id"] = Json::object();
    for (std::size_t i = 0; i < model.labels.size(); ++i) {
      layout.config["id2label"][std::to_string(i)] = model.labels[i];
      layout.config["label2id"][model.labels[i]] = i;
    }
    blueprint = architecture.make(layout.config, "config.json");
  }
  layout.plain = same_computation(blueprint.graph, model.graph);
  return layout;
}

}  // namespace

bool is_made_by_architecture(const Json& config) {
  return config.is_object() && (config.contains("model_type") || config.contains("architecture"));
}

bool is_saved_model(const fs::path& directory) { return fs::exists(directory / own_facts_file); }

ModelFacts saved_model_facts(const fs::path& directory) {
  const Json json = read_facts_file(directory);
  return in_file(directory / own_facts_file, [&] { return read_facts(json); });
}

Graph saved_model_graph(const fs::path& directory) {
  const ModelFacts facts = saved_model_facts(directory);
  const fs::path file = directory / own_graph_file;
  Graph graph = parse_graph(read_file(file), file.string());
  in_file(file, [&] {
    check_graph(graph, facts);
    refuse_shared_scales(graph, formats_of(graph));
  });
  return graph;
}

Model load_saved_model(const fs::path& directory, bool check_values) {
  Model model;
  model.directory = directory;
  const Json json = read_facts_file(directory);
  in_file(directory / own_facts_file, [&] {
    static_cast<ModelFacts&>(model) = read_facts(json);
    model.history = json.at("history").get<std::vector<std::string>>();
  });
  model.graph = saved_model_graph(directory);
  model.config = load_model_config(directory);
  const fs::path weights = directory / own_weights_file;
  if (!fs::exists(weights))
    throw Error(ErrorCode::not_found, weights.string() + ": is missing",
                "the folder is incomplete: copy it again");
  const TensorStore stored = read_safetensors(weights);
  in_file(weights, [&] {
    model.tensors = restore_sparse(model.graph, stored);
    for (const std::string& name : model.tensors.names())
      if (model.graph.find(name) == none) model.report.unused.push_back(name);
    try {
      keep_named_tensors(model);
    } catch (const Error& error) {
      throw Error(ErrorCode::bad_format, error.message(), damaged_model);
    }
    check_packed(model);
    for (const LearnedStep& step : learned_steps(model.graph)) {
      const float first = model.tensors.at(step.parameter).as<float>()[0];
      if (!std::isfinite(first) || first == 0)
        throw Error(ErrorCode::bad_format,
                    fmt::format("the trained step '{}' is {}", step.parameter, first),
                    "continue from a checkpoint whose loss was finite");
    }
  });
  if (check_values) check_numbers(model, weights);
  return model;
}

bool is_plain(const Model& model) { return layout_of(model).plain; }

void save_model(const fs::path& directory, const Model& model, const TensorStore& tensors,
                const std::vector<fs::path>& copies,
                const std::function<void(const fs::path&)>& more) {
  const Layout layout = layout_of(model);
  if (layout.plain) {
    save_model_directory(directory, layout.config, tensors, copies, more);
    return;
  }
  const auto write_adapters = [&](const fs::path& folder) {
    if (const std::vector<Adapter> adapters = adapters_of(model.graph); !adapters.empty())
      write_adapter(folder, model, tensors, main_adapter(adapters));
  };
  const TensorStore stored = store_sparse(model.graph, tensors);
  const std::int64_t version = holds_sparse_codes(model.graph, stored) ? first_with_sparse_codes
                               : holds_sparse(model.graph, stored)     ? first_with_sparse
                                                                       : 1;
  save_model_directory(directory, layout.config, stored, copies, more,
                       {own_weights_file,
                        {{own_graph_file, print_graph(model.graph)},
                         {own_facts_file, to_json(model, version).dump(2) + "\n"}},
                        write_adapters});
}

}  // namespace hone
