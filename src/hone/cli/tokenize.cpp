#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>

#include <fmt/format.h>

#include "hone/cli/command.hpp"
#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/classifier.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/cli/detail/settings.hpp"
#include "hone/cli/detail/texts.hpp"
#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/threads.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/recipes/loading.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

constexpr std::int64_t chunk_texts = 128;

// The ids of one chunk of texts, end to end.
struct Chunk {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> type_ids;  // of pairs of texts; else empty
  std::vector<std::size_t> ends;       // of each text
};

// "123," as eight bytes with its length, for every id below a limit: one copy writes an id.
class IdWriter {
public:
  explicit IdWriter(std::int64_t vocabulary)
      : forms_(static_cast<std::size_t>(std::min<std::int64_t>(vocabulary, 1 << 19))) {
    for (std::size_t id = 0; id < forms_.size(); ++id) {
      Form& form = forms_[id];
      char* end = std::to_chars(form.text.data(), form.text.data() + form.text.size(), id).ptr;
      *end++ = ',';
      form.length = static_cast<std::uint8_t>(end - form.text.data());
    }
  }
  // Room for 12 bytes an id must be at `at`; returns where the text ends.
  char* write(std::int32_t id, char* at) const {
    if (static_cast<std::size_t>(id) < forms_.size()) {
      const Form& form = forms_[static_cast<std::size_t>(id)];
      std::memcpy(at, form.text.data(), form.text.size());
      return at + form.length;
    }
    at = std::to_chars(at, at + 11, id).ptr;
    *at++ = ',';
    return at;
  }

private:
  struct Form {
    std::array<char, 7> text{};
    std::uint8_t length = 0;
  };
  std::vector<Form> forms_;
};

// Padding of what is written; `to` 0: none.
struct Padding {
  std::int64_t to = 0;
  std::int32_t id = 0;
  bool before = false;  // the text
};

// A JSON line a text.
class LineWriter {
public:
  LineWriter(const IdWriter& writer, Padding padding) : writer_(writer), padding_(padding) {}

  std::string lines(const Chunk& chunk) const {
    std::string out;
    const std::size_t lists = 1u + (chunk.type_ids.empty() ? 0 : 1) + (padding_.to > 0 ? 1 : 0);
    const std::size_t numbers =
        chunk.ids.size() + chunk.ends.size() * static_cast<std::size_t>(padding_.to);
    out.resize(numbers * lists * 12 + chunk.ends.size() * 96 + 16);
    char* at = out.data();
    std::size_t begin = 0;
    for (const std::size_t end : chunk.ends) {
      at = put("{\"ids\": [", at);
      at = list(std::span(chunk.ids).subspan(begin, end - begin), padding_.id, at);
      if (!chunk.type_ids.empty()) {
        at = put("], \"token_type_ids\": [", at);
        at = list(std::span(chunk.type_ids).subspan(begin, end - begin), 0, at);
      }
      if (padding_.to > 0) {
        at = put("], \"attention_mask\": [", at);
        at = list(std::span<const std::uint8_t>(ones(end - begin)), 0, at);
      }
      at = put("]}\n", at);
      begin = end;
    }
    out.resize(static_cast<std::size_t>(at - out.data()));
    return out;
  }

private:
  static char* put(std::string_view text, char* at) {
    return std::copy(text.begin(), text.end(), at);
  }
  static std::vector<std::uint8_t> ones(std::size_t number) {
    return std::vector<std::uint8_t>(number, 1);
  }
  template <typename T>
  char* list(std::span<const T> numbers, std::int32_t pad, char* at) const {
    const auto length = static_cast<std::int64_t>(numbers.size());
    const std::int64_t pads = std::max<std::int64_t>(0, padding_.to - length);
    const auto fill = [&] {
      for (std::int64_t i = 0; i < pads; ++i) at = writer_.write(pad, at);
    };
    if (padding_.before) fill();
    for (const T number : numbers) at = writer_.write(number, at);
    if (!padding_.before) fill();
    return length + pads > 0 ? at - 1 : at;  // without the last comma
  }

  const IdWriter& writer_;
  Padding padding_;
};

std::vector<Chunk> encode(const Tokenizer& tokenizer, const InputTexts& input,
                          std::int64_t max_length) {
  const auto total = static_cast<std::int64_t>(input.texts.size());
  const std::int64_t count = (total + chunk_texts - 1) / chunk_texts;
  std::vector<Chunk> chunks(static_cast<std::size_t>(count));
  std::vector<std::unique_ptr<Tokenizer::Encoder>> encoders(
      static_cast<std::size_t>(thread_count()));
  parallel_items(count, [&](std::int64_t c, int thread) {
    auto& encoder = encoders[static_cast<std::size_t>(thread)];
    if (!encoder) encoder = std::make_unique<Tokenizer::Encoder>(tokenizer);
    Chunk& chunk = chunks[static_cast<std::size_t>(c)];
    for (std::int64_t i = c * chunk_texts; i < std::min(total, (c + 1) * chunk_texts); ++i) {
      const auto text = static_cast<std::size_t>(i);
      try {
        if (input.pairs.empty())
          encoder->encode(input.texts[text], max_length, chunk.ids);
        else
          encoder->encode_pair(input.texts[text], input.pairs[text], max_length, chunk.ids,
                               chunk.type_ids);
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("{}: {}", input.place(text), error.message()),
                    error.hint());
      }
      chunk.ends.push_back(chunk.ids.size());
    }
  });
  return chunks;
}

// Formats some chunks at a time in parallel and hands them on in order.
void write_lines(const std::vector<Chunk>& chunks, const Tokenizer& tokenizer, Padding padding,
                 const std::function<void(const std::string&)>& sink) {
  const IdWriter ids(tokenizer.vocab_size());
  const LineWriter writer(ids, padding);
  const std::int64_t at_once = 8 * thread_count();
  const auto total = static_cast<std::int64_t>(chunks.size());
  std::vector<std::string> parts(static_cast<std::size_t>(at_once));
  for (std::int64_t begin = 0; begin < total; begin += at_once) {
    const std::int64_t count = std::min(at_once, total - begin);
    parallel_items(count, [&](std::int64_t i, int) {
      parts[static_cast<std::size_t>(i)] =
          writer.lines(chunks[static_cast<std::size_t>(begin + i)]);
    });
    for (std::int64_t i = 0; i < count; ++i) sink(parts[static_cast<std::size_t>(i)]);
  }
}

// Where texts are cut: as training and predicting do when the name is that of a model.
std::int64_t limit_of(const std::string& name, const ChosenTokenizer& chosen, std::int64_t asked) {
  const auto say = [](const std::string& text) { console().note(text); };
  const std::filesystem::path path = name;
  if (asked == 0)
    for (const auto& directory : {path, path / "last"})
      if (std::filesystem::exists(directory / "config.json"))
        return length_limit({.positions = positions_of(directory)}, chosen, 0, say);
  const std::int64_t limit = asked > 0 ? asked : chosen.tokenizer.definition().model_max_length;
  for (const std::string& note : chosen.tokenizer.unheeded(limit))
    say(fmt::format("tokenizer ({}): {}", chosen.source, note));
  return limit;
}

CommandResult run_tokenize(const CommandInput& input) {
  apply_threads(input);
  const std::string name = input.argument("MODEL_OR_TOKENIZER");
  const ChosenTokenizer chosen = load_named_tokenizer(name);
  const InputTexts texts = read_texts(input, command_settings(input, {}, false).data);
  const std::int64_t limit = limit_of(name, chosen, input.options.integer_or("max_length", 0));
  const Padding padding{input.options.integer_or("pad", 0), chosen.tokenizer.pad_id(),
                        chosen.tokenizer.definition().pad_left};
  const double begin = now_seconds();
  const std::vector<Chunk> chunks = encode(chosen.tokenizer, texts, limit);
  const double seconds = now_seconds() - begin;
  if (input.options.contains("output"))
    write_file_atomically(input.options.text("output"), [&](const ByteSink& sink) {
      write_lines(chunks, chosen.tokenizer, padding,
                  [&](const std::string& part) { sink(std::as_bytes(std::span(part))); });
    });
  else
    write_lines(chunks, chosen.tokenizer, padding,
                [](const std::string& part) { console().print(part); });
  std::size_t tokens = 0;
  for (const Chunk& chunk : chunks) tokens += chunk.ids.size();
  return {0,
          {{"texts", texts.texts.size()},
           {"tokens", tokens},
           {"seconds", seconds},
           {"texts_per_second", static_cast<double>(texts.texts.size()) / seconds}}};
}

}  // namespace

Command command_tokenize() {
  Command command{{"tokenize",
                   "turns texts into token ids, a JSON line {\"ids\": [...]} each, of pairs with "
                   "token_type_ids",
                   {}}};
  command.options = text_flags();
  std::vector<OptionSpec> more = {
      {.name = "output",
       .default_value = {},
       .help = "write the lines there instead of standard output"},
      {.name = "max_length",
       .type = OptionType::integer,
       .default_value = {},
       .help = "ids of a text at most, special tokens included; default: the model's positions, or "
               "model_max_length of the tokenizer",
       .minimum = 1,
       .maximum = 1e6},
      {.name = "pad",
       .type = OptionType::integer,
       .default_value = {},
       .help = "pad shorter texts to this many ids, told apart by an \"attention_mask\"",
       .minimum = 1,
       .maximum = 1e6},
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads; default: all cores",
       .minimum = 1,
       .maximum = 4096}};
  for (OptionSpec& spec : more) command.options.push_back(std::move(spec));
  command.arguments = {
      {"MODEL_OR_TOKENIZER",
       "a folder with tokenizer.json or vocab.txt, one of these files, or reviews for the embedded "
       "one"},
      {"TEXT", "the texts; without any and without --input: the lines of standard input", false,
       true}};
  command.placeholders = {{"input", "FILE"}, {"output", "FILE"}, {"pair", "TEXT"}, {"pad", "N"}};
  command.settings_note = text_settings_note();
  command.examples = {
      "hone tokenize bert-base-uncased \"not bad at all\"",
      "hone tokenize runs/first --input texts.jsonl --output ids.jsonl --max-length 512"};
  command.run = run_tokenize;
  return command;
}

}  // namespace hone
