#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>

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
#include "hone/recipes/loading.hpp"
#include "hone/run/clock.hpp"

namespace hone {
namespace {

constexpr std::int64_t chunk_texts = 128;

// The ids of one chunk of texts, end to end.
struct Chunk {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> ends;  // of each text
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

std::string json_lines(const Chunk& chunk, const IdWriter& writer) {
  constexpr std::string_view head = "{\"ids\": [";
  constexpr std::string_view tail = "]}\n";
  std::string out;
  out.resize(chunk.ids.size() * 12 + chunk.ends.size() * (head.size() + tail.size()) + 16);
  char* at = out.data();
  std::size_t begin = 0;
  for (const std::size_t end : chunk.ends) {
    at = std::copy(head.begin(), head.end(), at);
    for (std::size_t i = begin; i < end; ++i) at = writer.write(chunk.ids[i], at);
    if (end > begin) --at;  // the last comma
    at = std::copy(tail.begin(), tail.end(), at);
    begin = end;
  }
  out.resize(static_cast<std::size_t>(at - out.data()));
  return out;
}

std::vector<Chunk> encode(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                          std::int64_t max_length, const CommandInput& input) {
  const auto total = static_cast<std::int64_t>(texts.size());
  const std::int64_t count = (total + chunk_texts - 1) / chunk_texts;
  std::vector<Chunk> chunks(static_cast<std::size_t>(count));
  std::vector<std::unique_ptr<Tokenizer::Encoder>> encoders(
      static_cast<std::size_t>(thread_count()));
  parallel_items(count, [&](std::int64_t c, int thread) {
    auto& encoder = encoders[static_cast<std::size_t>(thread)];
    if (!encoder) encoder = std::make_unique<Tokenizer::Encoder>(tokenizer);
    Chunk& chunk = chunks[static_cast<std::size_t>(c)];
    for (std::int64_t i = c * chunk_texts; i < std::min(total, (c + 1) * chunk_texts); ++i) {
      const std::size_t begin = chunk.ids.size();
      try {
        encoder->encode(texts[static_cast<std::size_t>(i)], max_length, chunk.ids);
      } catch (const Error& error) {
        throw Error(error.code(),
                    fmt::format("{}: {}", place_of_text(input, static_cast<std::size_t>(i)),
                                error.message()),
                    error.hint());
      }
      pad_as_saved(tokenizer.definition(), begin, chunk.ids);
      chunk.ends.push_back(chunk.ids.size());
    }
  });
  return chunks;
}

// Formats some chunks at a time in parallel and hands them on in order.
void write_lines(const std::vector<Chunk>& chunks, const Tokenizer& tokenizer,
                 const std::function<void(const std::string&)>& sink) {
  const IdWriter writer(tokenizer.vocab_size());
  const std::int64_t at_once = 8 * thread_count();
  const auto total = static_cast<std::int64_t>(chunks.size());
  std::vector<std::string> parts(static_cast<std::size_t>(at_once));
  for (std::int64_t begin = 0; begin < total; begin += at_once) {
    const std::int64_t count = std::min(at_once, total - begin);
    parallel_items(count, [&](std::int64_t i, int) {
      parts[static_cast<std::size_t>(i)] =
          json_lines(chunks[static_cast<std::size_t>(begin + i)], writer);
    });
    for (std::int64_t i = 0; i < count; ++i) sink(parts[static_cast<std::size_t>(i)]);
  }
}

CommandResult run(const CommandInput& input) {
  apply_threads(input);
  ChosenTokenizer chosen = load_named_tokenizer(input.argument("MODEL_OR_TOKENIZER"));
  if (input.options.text_or("padding", "saved") == "none")
    chosen.tokenizer = chosen.tokenizer.without_padding();
  const std::vector<std::string> texts = read_texts(input);
  const std::int64_t limit =
      input.options.integer_or("max_length", chosen.tokenizer.definition().truncate_to);
  const double begin = now_seconds();
  const std::vector<Chunk> chunks = encode(chosen.tokenizer, texts, limit, input);
  const double seconds = now_seconds() - begin;
  if (input.options.contains("output"))
    write_file_atomically(input.options.text("output"), [&](const ByteSink& sink) {
      write_lines(chunks, chosen.tokenizer,
                  [&](const std::string& part) { sink(std::as_bytes(std::span(part))); });
    });
  else
    write_lines(chunks, chosen.tokenizer, [](const std::string& part) { console().print(part); });
  std::size_t tokens = 0;
  for (const Chunk& chunk : chunks) tokens += chunk.ids.size();
  return {0,
          {{"texts", texts.size()},
           {"tokens", tokens},
           {"seconds", seconds},
           {"texts_per_second", static_cast<double>(texts.size()) / seconds}}};
}

}  // namespace

Command command_tokenize() {
  Command command{
      {"tokenize", "turns texts into token ids, a JSON line {\"ids\": [...]} each", {}}};
  OptionSpec padding = padding_setting();
  padding.help = "saved: pad as tokenizer.json asks; none: never";
  command.options = {
      {.name = "input", .default_value = {}, .help = "texts, one {\"text\": \"...\"} a line"},
      {.name = "output",
       .default_value = {},
       .help = "write the lines there instead of standard output"},
      {.name = "max_length",
       .type = OptionType::integer,
       .default_value = {},
       .help = "ids of a text at most; default: what tokenizer.json says",
       .minimum = 1,
       .maximum = 1e6},
      std::move(padding),
      {.name = "threads",
       .type = OptionType::integer,
       .default_value = {},
       .help = "threads; default: all cores",
       .minimum = 1,
       .maximum = 4096}};
  command.arguments = {
      {"MODEL_OR_TOKENIZER",
       "a folder with tokenizer.json or vocab.txt, one of these files, or reviews for the embedded "
       "one"},
      {"TEXT", "the texts; without any and without --input: the lines of standard input", false,
       true}};
  command.placeholders = {{"input", "FILE"}, {"output", "FILE"}};
  command.examples = {
      "hone tokenize bert-base-uncased \"not bad at all\"",
      "hone tokenize runs/first --input texts.jsonl --output ids.jsonl --max-length 512"};
  command.run = run;
  return command;
}

}  // namespace hone
