// What a checkpoint of training costs beside writing its bytes: BERT-tiny with a vocabulary of
// 30,522, AdamW's moments included, against the same files written from memory with the same
// durability (each flushed, the folder flushed, renamed into place). Both in turn; medians. The
// folder is made below the current directory, or below HONE_BENCH_DIR.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/philox.hpp"
#include "hone/data/tokenizer.hpp"
#include "hone/frontends/load_model.hpp"
#include "hone/run/clock.hpp"
#include "hone/train/checkpoint.hpp"
#include "hone/train/schedules/schedule.hpp"
#include "hone/train/stepper.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t vocabulary = 30522;
constexpr std::int64_t steps = 4;

// A folder of its own, removed at the end.
class Scratch {
public:
  Scratch() {
    const char* place = std::getenv("HONE_BENCH_DIR");
    std::string pattern = (fs::path(place != nullptr ? place : ".") / "bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw hone::Error(hone::ErrorCode::io, pattern + ": cannot create the folder");
    path_ = pattern;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

hone::Tokenizer make_tokenizer(const fs::path& folder) {
  std::vector<std::string> words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (std::int64_t i = 5; i < vocabulary; ++i)
    words.push_back((i % 3 == 0 ? "##w" : "word") + std::to_string(i));
  hone::Tokenizer::from_words(words).save(folder);
  return hone::Tokenizer::load(folder);  // as training has it
}

hone::TokenizedData make_data() {
  hone::TokenizedData data;
  hone::RandomStream random(1, 1);
  data.offsets.push_back(0);
  for (int i = 0; i < 32; ++i) {
    for (int t = 0; t < 200; ++t)
      data.ids.push_back(static_cast<std::int32_t>(random.below(vocabulary)));
    data.offsets.push_back(static_cast<std::int64_t>(data.ids.size()));
    data.labels.push_back(i % 2);
  }
  data.label_names = {"negative", "positive"};
  return data;
}

// The same durability by hand: a failure of the machine leaves the old folder or the new one.
void write_bytes(const fs::path& folder,
                 const std::vector<std::pair<std::string, std::string>>& files) {
  const fs::path aside = folder.string() + ".aside";
  fs::create_directory(aside);
  const auto flush = [](const fs::path& path, int flags, const std::string* content) {
    const int file = ::open(path.c_str(), flags, 0644);
    std::size_t done = 0;
    while (content != nullptr && done < content->size())
      done += static_cast<std::size_t>(
          std::max<ssize_t>(0, ::write(file, content->data() + done, content->size() - done)));
    ::fsync(file);
    ::close(file);
  };
  for (const auto& [name, content] : files)
    flush(aside / name, O_WRONLY | O_CREAT | O_TRUNC, &content);
  flush(aside, O_RDONLY | O_DIRECTORY, nullptr);
  const fs::path old = folder.string() + ".old";
  if (fs::exists(folder)) fs::rename(folder, old);
  fs::rename(aside, folder);
  flush(folder.parent_path(), O_RDONLY | O_DIRECTORY, nullptr);
  fs::remove_all(old);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void checkpoint(benchmark::State& state) {
  const Scratch scratch;
  fs::create_directory(scratch.path() / "tokenizer");
  const hone::Tokenizer tokenizer = make_tokenizer(scratch.path() / "tokenizer");
  hone::Model model =
      hone::load_model({.name = "bert-tiny", .vocab_size = vocabulary, .label_names = {"a", "b"}});
  const hone::TrainOptions options;
  const hone::TokenizedData data = make_data();
  hone::Stepper stepper(model, hone::samples_of(model, data), options,
                        hone::make_schedule("linear", options.lr, options.warmup, steps));
  const std::vector<std::int64_t> batch{0, 1, 2, 3, 4, 5, 6, 7};
  for (std::int64_t step = 1; step <= steps; ++step) stepper.step(batch, step);
  hone::TrainPosition position;
  position.step = steps;
  position.options = hone::describe(options);
  const fs::path folder = scratch.path() / "last";
  const auto save = [&] {
    const hone::TensorStore moments = stepper.state();
    hone::save_checkpoint(
        folder, model, stepper.parameters(steps), [&](const fs::path& to) { tokenizer.save(to); },
        &position, &moments);
  };
  save();
  std::vector<std::pair<std::string, std::string>> files;
  std::size_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files.emplace_back(entry.path().filename().string(), hone::read_file(entry.path()));
    bytes += files.back().second.size();
  }
  write_bytes(scratch.path() / "bytes", files);
  std::vector<double> saving;
  std::vector<double> writing;
  for (auto _ : state) {
    const double begin = hone::now_seconds();
    save();
    const double middle = hone::now_seconds();
    write_bytes(scratch.path() / "bytes", files);
    saving.push_back(middle - begin);
    writing.push_back(hone::now_seconds() - middle);
    state.SetIterationTime(saving.back());
  }
  state.counters["MB"] = static_cast<double>(bytes) / 1e6;
  state.counters["save_ms"] = 1e3 * median(saving);
  state.counters["bytes_ms"] = 1e3 * median(writing);
  state.counters["ratio"] = median(saving) / median(writing);
}

BENCHMARK(checkpoint)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(15);

}  // namespace

BENCHMARK_MAIN();
