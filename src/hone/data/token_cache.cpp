#include "hone/data/token_cache.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/disk_caches.hpp"

namespace hone {
namespace {

constexpr char magic[16] = "hone tokens 3\n";
constexpr std::size_t checksum_block = 1u << 20;
constexpr std::int64_t id_block = 1 << 18;

// The file: this header, the label names (JSON), a length (u32), a label (i32) and, where there are
// values, a target (f32) for each sample, the ids, the token types (a byte an id, or none at all),
// and 64 characters of checksum.
struct Header {
  char magic[16] = {};
  std::uint64_t samples = 0;
  std::uint64_t tokens = 0;
  std::uint64_t id_bytes = 0;
  std::uint64_t names_bytes = 0;
  std::uint64_t types = 0;    // token types: as many as ids, or 0
  std::uint64_t targets = 0;  // as many as samples, or 0
  std::uint64_t skipped = 0;
};

// The hash of the hashes of the blocks, so that all threads share the work.
std::string checksum(std::span<const std::byte> bytes) {
  const std::size_t blocks = (bytes.size() + checksum_block - 1) / checksum_block;
  std::vector<std::string> digests(blocks);
  parallel_items(static_cast<std::int64_t>(blocks), [&](std::int64_t i, int) {
    const std::size_t begin = static_cast<std::size_t>(i) * checksum_block;
    digests[static_cast<std::size_t>(i)] =
        sha256(bytes.subspan(begin, std::min(checksum_block, bytes.size() - begin)));
  });
  return sha256(std::accumulate(digests.begin(), digests.end(), std::string()));
}

template <typename T>
void append(std::string& out, const T* values, std::size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

template <typename T>
bool read_ids(std::span<const std::byte> bytes, std::int64_t vocab_size,
              std::vector<std::int32_t>& ids) {
  std::atomic<bool> sound = true;
  const auto blocks = (static_cast<std::int64_t>(ids.size()) + id_block - 1) / id_block;
  parallel_items(blocks, [&](std::int64_t block, int) {
    const auto begin = static_cast<std::size_t>(block * id_block);
    const std::size_t end = std::min(ids.size(), begin + static_cast<std::size_t>(id_block));
    std::int64_t largest = 0;
    for (std::size_t i = begin; i < end; ++i) {
      T value{};
      std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
      largest = std::max<std::int64_t>(largest, static_cast<std::int64_t>(value));
      ids[i] = static_cast<std::int32_t>(value);
    }
    if (largest >= vocab_size) sound = false;
  });
  return sound;
}

bool parse(std::span<const std::byte> bytes, std::int64_t vocab_size, TokenizedData& data) {
  Header header;
  if (bytes.size() < sizeof header + 64) return false;
  const std::span<const std::byte> body = bytes.first(bytes.size() - 64);
  const std::string_view stored(reinterpret_cast<const char*>(body.data() + body.size()), 64);
  if (checksum(body) != stored) return false;
  std::memcpy(&header, body.data(), sizeof header);
  std::span<const std::byte> rest = body.subspan(sizeof header);
  if (std::memcmp(header.magic, magic, sizeof magic) != 0) return false;
  if (header.id_bytes != 2 && header.id_bytes != 4) return false;
  if (header.targets != 0 && header.targets != header.samples) return false;
  if (header.names_bytes > rest.size() || header.samples > rest.size() ||
      header.tokens > rest.size() || (header.types != 0 && header.types != header.tokens) ||
      header.names_bytes + header.samples * 8 + header.targets * 4 +
              header.tokens * header.id_bytes + header.types !=
          rest.size())
    return false;
  data.skipped = static_cast<std::int64_t>(header.skipped);
  const auto names = parse_json_or_null(
      std::string_view(reinterpret_cast<const char*>(rest.data()), header.names_bytes));
  if (!names.is_array()) return false;
  for (const auto& name : names) {
    if (!name.is_string()) return false;
    data.label_names.push_back(name.get<std::string>());
  }
  rest = rest.subspan(header.names_bytes);
  data.offsets.assign(header.samples + 1, 0);
  for (std::size_t i = 0; i < header.samples; ++i) {
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data() + i * 4, 4);
    data.offsets[i + 1] = data.offsets[i] + length;
  }
  if (data.offsets.back() != static_cast<std::int64_t>(header.tokens)) return false;
  rest = rest.subspan(header.samples * 4);
  data.labels.resize(header.samples);
  if (header.samples != 0) std::memcpy(data.labels.data(), rest.data(), header.samples * 4);
  // Where labels are no classes they are all 0.
  const std::size_t classes = std::max<std::size_t>(data.label_names.size(), 1);
  for (const std::int32_t label : data.labels)
    if (label < 0 || static_cast<std::size_t>(label) >= classes) return false;
  rest = rest.subspan(header.samples * 4);
  data.targets.resize(header.targets);
  if (header.targets != 0) std::memcpy(data.targets.data(), rest.data(), header.targets * 4);
  rest = rest.subspan(header.targets * 4);
  data.ids.resize(header.tokens);
  const std::span<const std::byte> types = rest.last(header.types);
  data.type_ids.resize(types.size());
  if (!types.empty()) std::memcpy(data.type_ids.data(), types.data(), types.size());
  return header.id_bytes == 2 ? read_ids<std::uint16_t>(rest, vocab_size, data.ids)
                              : read_ids<std::uint32_t>(rest, vocab_size, data.ids);
}

}  // namespace

std::filesystem::path token_cache_path(const std::string& key) { return token_cache.file(key); }

bool read_token_cache(const std::string& key, std::int64_t vocab_size, TokenizedData& data) {
  try {
    const std::filesystem::path path = token_cache_path(key);
    if (!std::filesystem::exists(path)) return false;
    TokenizedData read;
    if (!parse(map_file(path).bytes, vocab_size, read)) return false;
    data = std::move(read);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void write_token_cache(const std::string& key, std::int64_t vocab_size, const TokenizedData& data) {
  const Json names = data.label_names;
  const std::string names_text = names.dump();
  const bool narrow = vocab_size <= 65536;
  Header header;
  std::memcpy(header.magic, magic, sizeof magic);
  header.samples = data.labels.size();
  header.tokens = data.ids.size();
  header.id_bytes = narrow ? 2 : 4;
  header.names_bytes = names_text.size();
  header.types = data.type_ids.size();
  header.targets = data.targets.size();
  header.skipped = static_cast<std::uint64_t>(data.skipped);
  std::string bytes;
  bytes.reserve(sizeof header + names_text.size() + data.labels.size() * 12 + data.ids.size() * 4 +
                data.type_ids.size() + 64);
  append(bytes, &header, 1);
  bytes += names_text;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const auto length = static_cast<std::uint32_t>(data.length(i));
    append(bytes, &length, 1);
  }
  append(bytes, data.labels.data(), data.labels.size());
  append(bytes, data.targets.data(), data.targets.size());
  if (narrow) {
    const std::vector<std::uint16_t> ids(data.ids.begin(), data.ids.end());
    append(bytes, ids.data(), ids.size());
  } else {
    append(bytes, data.ids.data(), data.ids.size());
  }
  append(bytes, data.type_ids.data(), data.type_ids.size());
  bytes += checksum(std::as_bytes(std::span(bytes)));
  try {
    const std::filesystem::path path = token_cache_path(key);
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, bytes);
  } catch (const std::exception&) {
    // Without the file the next start tokenizes again.
  }
}

}  // namespace hone
