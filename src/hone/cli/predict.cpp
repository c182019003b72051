#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/texts.hpp"
#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/core/threads.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/data/picture_source.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/report/numbers.hpp"
#include "hone/run/clock.hpp"
#include "hone/run/forward.hpp"
#include "hone/tasks/prediction.hpp"
#include "hone/train/evaluate.hpp"

namespace hone {
namespace {

// Whether MODEL is a folder with a model that reads pictures. (What is wrong with it is said when
// it is loaded.)
bool reads_pictures(const std::string& model) {
  try {
    return std::filesystem::is_directory(model) && static_cast<bool>(model_facts(model, {}).image);
  } catch (const Error&) {
    return false;
  }
}

// The arguments, or what --input names: pictures, and the pictures in folders.
InputTexts picture_files(const CommandInput& input, const TextSettings& data) {
  std::vector<std::string> given;
  if (const auto found = input.arguments.find("TEXT"); found != input.arguments.end())
    given = found->second;
  if (!data.empty())
    throw UsageError(
        fmt::format("data.{} changes nothing: the model reads pictures", data.front().first),
        "leave it out");
  if (input.options.contains("pair"))
    throw UsageError("--pair changes nothing: the model reads pictures", "leave it out");
  if (input.options.contains("input")) given.push_back(input.options.text("input"));
  if (given.empty()) throw UsageError("no pictures", "name files or folders, or give --input DIR");
  InputTexts files{{}, {}, "picture"};
  for (const std::string& name : given) {
    if (!std::filesystem::is_directory(name)) {
      files.texts.push_back(name);
      continue;
    }
    const auto pictures = list_pictures(name);
    if (pictures.empty())
      throw Error(ErrorCode::bad_format, name + ": holds no pictures",
                  "their names end in .jpg, .jpeg or .png");
    for (const auto& path : pictures) files.texts.push_back(path.string());
  }
  return files;
}

TokenizedData read_pictures(const Model& model, const InputTexts& files) {
  TokenizedData data =
      make_pictures(std::ssize(files.texts), model.labels, model.image, model.name);
  parallel_items(std::ssize(files.texts), [&](std::int64_t i, int) {
    set_picture(data, i, 0, read_picture(files.texts[static_cast<std::size_t>(i)]));
  });
  return data;
}

// The members of a prediction in the order that people read them.
std::vector<std::pair<std::string, Json>> members_of(const Prediction& p, const Head& head) {
  if (head.kind == HeadKind::classes)
    return {{"label", p.labels.front()}, {"probabilities", p.probabilities}, {"logits", p.logits}};
  if (head.kind == HeadKind::labels)
    return {{"labels", p.labels}, {"sigmoids", p.probabilities}, {"logits", p.logits}};
  if (head.size > 1) return {{"values", p.logits}};
  std::vector<std::pair<std::string, Json>> members{{"value", p.logits.front()}};
  if (head.sigmoid) members.emplace_back("sigmoid", p.probabilities.front());
  return members;
}

Json to_json(const Prediction& p, const Head& head) {
  Json json = Json::object();
  for (auto& [key, value] : members_of(p, head)) json[key] = std::move(value);
  return json;
}

std::string numbers(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text += fmt::format("{}{:.4f}", text.empty() ? "" : " ", value);
  return text;
}

// What a line for people begins with: the label and its probability, the labels with theirs, or the
// value.
std::string shown_answer(const Prediction& p, const Head& head,
                         const std::vector<std::string>& names, std::size_t label_width) {
  if (head.kind == HeadKind::classes)
    return fmt::format(
        "{:<{}}  {:>8}  [{}]", p.labels.front(), label_width,
        format_percent(*std::max_element(p.probabilities.begin(), p.probabilities.end())),
        numbers(p.logits));
  if (head.kind == HeadKind::labels) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i)
      text +=
          fmt::format("{}{} {}", i == 0 ? "" : "  ", names[i], format_percent(p.probabilities[i]));
    return text;
  }
  if (head.size > 1) return "[" + numbers(p.logits) + "]";
  const std::string value = fmt::format("{:>9}", numbers(p.logits));
  return head.sigmoid ? fmt::format("{}  (sigmoid {:.4f})", value, p.probabilities.front()) : value;
}

TokenizedData encode(const Classifier& classifier, const InputTexts& input) {
  if (classifier.model.image) return read_pictures(classifier.model, input);
  TextData data;
  data.texts = input.texts;
  data.pairs = input.pairs;
  data.labels.assign(input.texts.size(), 0);
  data.label_names = classifier.model.labels;
  data.source = input.source;
  try {
    return tokenize(data, classifier.tokenizer, classifier.max_length);
  } catch (const Error&) {
    // Which of them it was is looked up only now.
    for (const auto* texts : {&input.texts, &input.pairs})
      for (std::size_t i = 0; i < texts->size(); ++i)
        if (const std::size_t bad = find_invalid_utf8((*texts)[i]); bad != std::string::npos)
          throw Error(ErrorCode::bad_format,
                      fmt::format("{}: the text is not UTF-8 at byte {}", input.place(i), bad),
                      "convert it to UTF-8");
    throw;
  }
}

std::vector<Prediction> predictions_of(const Tensor& logits, const Classifier& classifier) {
  const auto classes = static_cast<std::int64_t>(classifier.model.labels.size());
  std::vector<Prediction> predictions;
  for (std::int64_t row = 0; row < logits.shape()[0]; ++row)
    predictions.push_back(
        make_prediction(logits.span<float>().subspan(static_cast<std::size_t>(row * classes),
                                                     static_cast<std::size_t>(classes)),
                        classifier.model.head, classifier.model.labels));
  return predictions;
}

std::string render(const std::vector<Prediction>& predictions, const Classifier& classifier,
                   const InputTexts& input, bool for_people) {
  std::string out;
  std::size_t label_width = 0;
  for (const std::string& label : classifier.model.labels)
    label_width = std::max(label_width, label.size());
  const int room = console().width() > 70 ? console().width() - 45 : 25;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    if (!for_people && classifier.model.image) {
      std::vector<std::pair<std::string, Json>> members{{"file", input.texts[i]}};
      for (auto& member : members_of(predictions[i], classifier.model.head))
        members.push_back(std::move(member));
      out += ordered_object(members) + "\n";
      continue;
    }
    const std::string pair = input.pairs.empty() ? "" : "  |  " + input.pairs[i];
    out += for_people ? fmt::format("{}  {}\n",
                                    shown_answer(predictions[i], classifier.model.head,
                                                 classifier.model.labels, label_width),
                                    cut_to_width(visible_text(input.texts[i] + pair), room,
                                                 console().style()))
                      : ordered_object(members_of(predictions[i], classifier.model.head)) + "\n";
  }
  return out;
}

// Waking other threads takes longer than a short text on a small model.
void choose_threads(const CommandInput& input, const Classifier& classifier,
                    const TokenizedData& data) {
  constexpr double small_work = 2e9;
  const double work =
      static_cast<double>(parameter_count(classifier.model)) * static_cast<double>(data.ids.size());
  if (classifier.model.image) return;
  if (!input.options.contains("threads") && work < small_work) set_thread_count(1);
}

CommandResult run_predict(const CommandInput& input) {
  apply_threads(input);
  const Settings given = command_settings(input, {}, false);
  const bool pictures = reads_pictures(input.argument("MODEL"));
  const InputTexts texts =
      pictures ? picture_files(input, given.data) : read_texts(input, given.data);
  const Classifier classifier = load_classifier(input, "", false);
  const double begin = now_seconds();
  const TokenizedData data = encode(classifier, texts);
  check_samples(classifier.model.limits, data);
  choose_threads(input, classifier, data);
  Executor forward = make_forward(classifier.model, classifier.mode);
  EvaluateOptions options;
  options.name_of = [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    return fmt::format("{}: {}", classifier.model.name,
                       pictures ? texts.texts[at] : texts.place(at));
  };
  const Tensor logits = answer(forward, samples_of(classifier.model, data), options);
  const double seconds = now_seconds() - begin;
  const std::vector<Prediction> predictions = predictions_of(logits, classifier);
  if (input.options.contains("output"))
    write_file_atomically(input.options.text("output"),
                          render(predictions, classifier, texts, false));
  else
    console().print(render(predictions, classifier, texts, console().output_terminal()));
  Json results{{pictures ? "pictures" : "texts", texts.texts.size()},
               {"seconds", seconds},
               {"labels", classifier.model.labels}};
  if (!input.options.contains("json")) return {0, std::move(results)};
  results["predictions"] = Json::array();
  for (const Prediction& prediction : predictions)
    results["predictions"].push_back(to_json(prediction, classifier.model.head));
  return {0, std::move(results)};
}

}  // namespace

Command command_predict() {
  Command command{
      {"predict",
       "says the label of texts or pictures with probabilities and logits, or their value",
       {}}};
  command.options = text_flags();
  command.options.push_back(
      {.name = "output",
       .default_value = {},
       .help = "write a JSON line for each text: label, probabilities, logits; of a model with one "
               "label its value"});
  for (OptionSpec& spec : classifier_flags()) command.options.push_back(std::move(spec));
  command.arguments = {
      {"MODEL", "a model folder, such as the --out of hone train"},
      {"TEXT",
       "the texts; without any and without --input: the lines of standard input; of a model for "
       "pictures: files and folders",
       false, true}};
  command.placeholders = {{"input", "FILE"},
                          {"output", "FILE"},
                          {"tokenizer", "DIR"},
                          {"mode", "MODE"},
                          {"pair", "TEXT"}};
  command.settings_note = text_settings_note();
  command.examples = {"hone predict runs/first \"not bad at all\"",
                      "hone predict runs/first --input texts.jsonl --output labels.jsonl",
                      "hone predict runs/first --input mine.csv --set data.text=comment",
                      "hone predict runs/shapes photo.png holidays/ --output labels.jsonl",
                      "hone predict runs/first \"A man sleeps.\" --pair \"Someone is awake.\""};
  command.run = run_predict;
  return command;
}

}  // namespace hone
