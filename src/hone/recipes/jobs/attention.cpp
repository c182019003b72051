// attention: naive and fused side by side, by type and length.
#include <fmt/format.h>

#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/recipes/bench_attention.hpp"
#include "hone/recipes/detail/recipe_keys.hpp"
#include "hone/recipes/recipe.hpp"
#include "hone/report/numbers.hpp"
#include "hone/report/terminal_table.hpp"

namespace hone {
namespace {
namespace attention_recipe {

OptionSpec size_key(const char* name, std::int64_t value, const char* help) {
  return {name, OptionType::integer, value, help, 1, 1e6};
}

std::vector<OptionSpec> options() {
  return {{.name = "name", .default_value = {}, .help = "of the folder the results go to"},
          {.name = "out", .default_value = "runs", .help = "folder of all runs"},
          size_key("batch", 1, "sequences"),
          size_key("heads", 8, "of each sequence"),
          size_key("head_size", 64, "numbers of a head"),
          {.name = "lengths", .default_value = "128,512,2048", .help = "list of lengths"},
          {.name = "dtypes", .default_value = "f32,f16,bf16", .help = "list of types"},
          {.name = "backward",
           .type = OptionType::boolean,
           .default_value = true,
           .help = "measure the gradient too"},
          {.name = "causal",
           .type = OptionType::boolean,
           .default_value = false,
           .help = "a query sees no key behind its own place"},
          size_key("runs", 5, "that are counted, of each form")};
}

Json json_of_times(const AttentionTimes& times) {
  Json json{{"forward_seconds", times.forward.median},
            {"forward_bytes", times.forward.arena_bytes}};
  if (times.backward) {
    json["backward_seconds"] = times.backward->median;
    json["backward_bytes"] = times.backward->arena_bytes;
  }
  return json;
}

Json run_attention(const RecipeCall& call, const RunWatcher& watcher) {
  const Options& keys = call.settings.values;
  AttentionBench bench;
  bench.batch = keys.integer_or("batch", 1);
  bench.heads = keys.integer_or("heads", 8);
  bench.head_size = keys.integer_or("head_size", 64);
  bench.backward = keys.boolean_or("backward", true);
  bench.causal = keys.boolean_or("causal", false);
  bench.runs = {.runs = static_cast<int>(keys.integer_or("runs", 5)), .warmup = 1};
  const std::filesystem::path folder = result_folder(call);
  Json result{{"recipe", "attention"}, {"threads", thread_count()}};
  const std::vector<std::int64_t> lengths = number_list(call, "lengths", "128,512,2048", 1);
  for (const std::string& dtype : split(keys.text_or("dtypes", "f32,f16,bf16"), ',')) {
    bench.dtype = dtype_from_name(trim(dtype));
    for (const std::int64_t length : lengths) {
      bench.tokens = length;
      if (watcher.say) watcher.say(fmt::format("{}, length {}", trim(dtype), length));
      Json point{{"dtype", std::string(trim(dtype))}, {"length", length}};
      for (const AttentionForm form : {AttentionForm::naive, AttentionForm::fused})
        point[to_string(form)] = json_of_times(bench_attention(form, bench));
      result["points"].push_back(std::move(point));
    }
  }
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "result.json", result.dump(2) + "\n");
  return result;
}

std::string render(const Json& result, TextStyle style) {
  TerminalTable table({{"type", Align::left},
                       {"length", Align::right},
                       {"naive", Align::right},
                       {"fused", Align::right},
                       {"times faster", Align::right},
                       {"naive, memory", Align::right},
                       {"fused, memory", Align::right}});
  for (const Json& point : result.at("points").elements()) {
    const auto total = [&](const char* form) {
      const Json& times = point.at(form);
      double seconds = times.at("forward_seconds").get<double>();
      if (times.contains("backward_seconds")) seconds += times.at("backward_seconds").get<double>();
      return seconds;
    };
    const auto memory = [&](const char* form) {
      const Json& times = point.at(form);
      double bytes = times.at("forward_bytes").get<double>();
      if (times.contains("backward_bytes"))
        bytes = std::max(bytes, times.at("backward_bytes").get<double>());
      return format_bytes(bytes);
    };
    table.add_row({point.at("dtype").get<std::string>(),
                   fmt::format("{}", point.at("length").get<std::int64_t>()),
                   format_duration(total("naive")), format_duration(total("fused")),
                   fmt::format("{:.1f}", total("naive") / total("fused")), memory("naive"),
                   memory("fused")});
  }
  return table.render(style, 0);
}

}  // namespace attention_recipe
}  // namespace

Recipe recipe_attention() {
  using namespace attention_recipe;
  Recipe recipe{{"attention",
                 "attention with the matrix of its scores and without it, by type and length",
                 options()}};
  recipe.run = run_attention;
  recipe.render = render;
  return recipe;
}

}  // namespace hone
