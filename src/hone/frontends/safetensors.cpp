#include "hone/frontends/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/json.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/mapped_tensor.hpp"

namespace hone {
namespace {

constexpr std::uint64_t max_header = 100'000'000;  // the reference implementation's limit
constexpr const char* damaged = "the file is damaged or was not made by a safetensors writer";

struct StoredType {
  const char* name;
  std::optional<DType> dtype;  // nothing: the format knows it, hone does not
};

constexpr std::array<StoredType, 16> stored_types{{{"F32", DType::f32},
                                                   {"F16", DType::f16},
                                                   {"BF16", DType::bf16},
                                                   {"F64", DType::f64},
                                                   {"I8", DType::i8},
                                                   {"U8", DType::u8},
                                                   {"I16", DType::i16},
                                                   {"I32", DType::i32},
                                                   {"I64", DType::i64},
                                                   {"U32", DType::u32},
                                                   {"BOOL", DType::boolean},
                                                   {"U16", std::nullopt},
                                                   {"U64", std::nullopt},
                                                   {"F8_E4M3", std::nullopt},
                                                   {"F8_E5M2", std::nullopt},
                                                   {"F8_E8M0", std::nullopt}}};

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::uint64_t begin = 0;  // from the start of the data
  std::uint64_t end = 0;
};

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::bad_format, where + ": " + what, damaged);
}

DType parse_dtype(const Json& value, const std::string& where) {
  if (!value.is_string()) fail(where, "\"dtype\" is not text");
  const std::string& name = value.text();
  for (const StoredType& type : stored_types) {
    if (name != type.name) continue;
    if (type.dtype) return *type.dtype;
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: element type {} is not supported", where, name),
                "convert the file to F32, F16 or BF16");
  }
  fail(where, fmt::format("unknown element type '{}'", printable(name)));
}

Shape parse_shape(const Json& value, const std::string& where) {
  if (!value.is_array()) fail(where, "\"shape\" is not a list");
  Shape shape;
  for (const Json& size : value) {
    if (!size.is_number_unsigned() ||
        size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
      fail(where, "\"shape\" holds something that is not a size");
    shape.push_back(size.get<std::int64_t>());
  }
  return shape;
}

// Bytes that the shape takes; an overflow anywhere is an error, also beside a zero.
std::uint64_t byte_count(const Shape& shape, DType dtype, const std::string& where) {
  std::uint64_t count = size_of(dtype);
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count))
      fail(where, fmt::format("shape {} is too large to exist", to_string(shape)));
  }
  return count;
}

Entry parse_entry(const std::string& name, const Json& value, std::uint64_t data_size,
                  const std::string& file) {
  const std::string where = fmt::format("{}: tensor '{}'", file, printable(name));
  if (!value.is_object()) fail(where, "its header entry is not an object");
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(key)) fail(where, fmt::format("\"{}\" is missing", key));
  }
  if (value.size() != 3) fail(where, "its header entry has unknown keys");
  Entry entry{name, parse_dtype(value["dtype"], where), parse_shape(value["shape"], where)};
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    fail(where, "\"data_offsets\" is not a pair of offsets");
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.end = offsets[1].get<std::uint64_t>();
  if (entry.begin > entry.end || entry.end > data_size)
    fail(where, fmt::format("its data [{}, {}) does not lie in the {} bytes of data the file has",
                            entry.begin, entry.end, data_size));
  const std::uint64_t expected = byte_count(entry.shape, entry.dtype, where);
  if (entry.end - entry.begin != expected)
    fail(where,
         fmt::format("{}{} takes {} bytes, its data has {}", value["dtype"].get<std::string>(),
                     to_string(entry.shape), expected, entry.end - entry.begin));
  return entry;
}

void check_metadata(const Json& metadata, const std::string& file) {
  if (!metadata.is_object()) fail(file, "\"__metadata__\" is not an object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string())
      fail(file, fmt::format("\"__metadata__\": the value of '{}' is not text", printable(key)));
  }
}

// Sorted by their data; the data must cover the file without holes or overlaps.
void check_cover(std::vector<Entry>& entries, std::uint64_t data_size, const std::string& file) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t reached = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != reached)
      fail(
          fmt::format("{}: tensor '{}'", file, printable(entry.name)),
          fmt::format("its data begins at {}, {} the data before it, which ends at {}", entry.begin,
                      entry.begin < reached ? "inside" : "leaving a hole after", reached));
    reached = entry.end;
  }
  if (reached != data_size)
    fail(file, fmt::format("{} bytes follow the last tensor", data_size - reached));
}

std::vector<Entry> parse_header(std::span<const std::byte> bytes, std::uint64_t& data_start,
                                const std::string& file) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length)
    fail(file, fmt::format("{} bytes are too few for a safetensors file", bytes.size()));
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > max_header)
    fail(file, fmt::format("its header claims {} bytes; the limit is {}", length, max_header));
  if (length > bytes.size() - sizeof length)
    fail(file, fmt::format("its header claims {} bytes, {} are there", length,
                           bytes.size() - sizeof length));
  data_start = sizeof length + length;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof length, length);
  if (text.empty() || text.front() != '{') fail(file, "its header does not begin with '{'");
  const Json header = parse_json(text, file + ": header", 4);
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__")
      check_metadata(value, file);
    else
      entries.push_back(parse_entry(name, value, bytes.size() - data_start, file));
  }
  check_cover(entries, bytes.size() - data_start, file);
  return entries;
}

TensorStore read_mapped(const MappedFile& map, const std::string& file) {
  std::uint64_t data_start = 0;
  TensorStore tensors;
  for (Entry& entry : parse_header(map.bytes, data_start, file)) {
    const auto part = map.bytes.subspan(data_start + entry.begin, entry.end - entry.begin);
    tensors.set(entry.name, tensor_from_map(map, part, entry.dtype, std::move(entry.shape)));
  }
  return tensors;
}

const char* stored_name(DType dtype) {
  for (const StoredType& type : stored_types) {
    if (type.dtype == dtype) return type.name;
  }
  throw Error(ErrorCode::internal, "an element type without a safetensors name");
}

// Wide types first, so that every tensor starts at a multiple of its element size.
std::vector<std::string> writing_order(const TensorStore& tensors) {
  std::vector<std::string> names = tensors.names();
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return size_of(tensors.at(a).dtype()) > size_of(tensors.at(b).dtype());
  });
  return names;
}

std::string header_text(const TensorStore& tensors, const std::vector<std::string>& order,
                        const std::map<std::string, std::string>& metadata,
                        const std::string& file) {
  std::vector<std::pair<std::string, Json>> header;
  if (!metadata.empty()) header.emplace_back("__metadata__", metadata);
  std::uint64_t offset = 0;
  for (const std::string& name : order) {
    if (name == "__metadata__" || find_invalid_utf8(name) != std::string::npos)
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: a tensor cannot be named '{}'", file, printable(name)));
    const Tensor& tensor = tensors.at(name);
    header.emplace_back(name, Json{{"dtype", stored_name(tensor.dtype())},
                                   {"shape", tensor.shape()},
                                   {"data_offsets", {offset, offset + tensor.bytes()}}});
    offset += tensor.bytes();
  }
  std::string text = ordered_object(header);
  // Spaces may follow the header: the data then starts on a cache line.
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  return text;
}

}  // namespace

TensorStore read_safetensors(const std::filesystem::path& file) {
  return read_mapped(map_file(file), file.string());
}

TensorStore read_safetensors(std::span<const std::byte> bytes, const std::string& where) {
  return read_mapped({nullptr, bytes}, where);
}

void write_safetensors(const std::filesystem::path& file, const TensorStore& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<std::string> order = writing_order(tensors);
  const std::string header = header_text(tensors, order, metadata, file.string());
  write_file_atomically(file, [&](const ByteSink& sink) {
    const std::uint64_t length = header.size();
    sink(std::as_bytes(std::span(&length, 1)));
    sink(std::as_bytes(std::span(header)));
    for (const std::string& name : order) {
      const Tensor& tensor = tensors.at(name);
      sink({static_cast<const std::byte*>(tensor.data()), tensor.bytes()});
    }
  });
}

}  // namespace hone
