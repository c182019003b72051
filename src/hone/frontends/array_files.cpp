#include "hone/frontends/array_files.hpp"

#include <cstring>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/safetensors.hpp"
#include "hone/frontends/zip_reader.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_dims = 8;
constexpr std::uint64_t largest_array = std::uint64_t{1} << 40;

struct NumpyType {
  const char* name;  // numpy's "descr", little-endian
  DType dtype;
};
constexpr NumpyType types[] = {{"<f4", DType::f32},    {"<f8", DType::f64}, {"<f2", DType::f16},
                               {"|i1", DType::i8},     {"|u1", DType::u8},  {"<i2", DType::i16},
                               {"<i4", DType::i32},    {"<i8", DType::i64}, {"<u4", DType::u32},
                               {"|b1", DType::boolean}};

// The value of a key in the header's Python dictionary, up to the next comma outside brackets.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& where) {
  const std::size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos)
    throw Error(ErrorCode::bad_format, fmt::format("{}: its header has no '{}'", where, key));
  std::string_view rest = header.substr(at + key.size() + 2);
  rest = trim(rest.substr(std::min(rest.find(':') + 1, rest.size())));
  const char close = rest.starts_with('(') ? ')' : ',';
  std::size_t end = rest.find(close);
  if (end == std::string_view::npos) end = rest.find('}');
  return trim(rest.substr(0, std::min(end + (close == ')' ? 1 : 0), rest.size())));
}

// numpy's format (numpy.lib.format): magic, version, length of the header, a Python dictionary.
Tensor parse_npy(std::span<const std::byte> bytes, const std::string& where) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, fmt::format("{}: {}", where, what),
                "the file is damaged, or is no array of numpy");
  };
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]); };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) fail("it is no .npy");
  const bool old = byte(6) == 1;
  const std::size_t begin = old ? 10 : 12;
  if (bytes.size() < begin) fail("it is cut short");
  std::size_t length = byte(8) | byte(9) << 8;
  if (!old) length |= byte(10) << 16 | byte(11) << 24;
  if (bytes.size() - begin < length) fail("it is cut short");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + begin, length);
  std::string_view descr = value_of(header, "descr", where);
  if (descr.size() >= 2) descr = descr.substr(1, descr.size() - 2);
  const NumpyType* type = nullptr;
  for (const NumpyType& one : types)
    if (descr == one.name) type = &one;
  if (type == nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: elements of type '{}'", where, printable(descr, 40)),
                "hone reads little-endian f4, f8, f2, i1, u1, i2, i4, u4, i8 and b1");
  if (value_of(header, "fortran_order", where) != "False")
    throw Error(ErrorCode::unsupported, where + ": is in Fortran's order",
                "numpy.ascontiguousarray brings it into C's");
  std::string_view dims = value_of(header, "shape", where);
  if (dims.size() < 2 || dims.front() != '(' || dims.back() != ')') fail("its shape is no tuple");
  Shape shape;
  for (const std::string& part : split(std::string(dims.substr(1, dims.size() - 2)), ',')) {
    const std::string_view digits = trim(part);
    if (digits.empty()) continue;
    std::int64_t size = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9' || size > (std::int64_t{1} << 48))
        fail("its shape is no list of sizes");
      size = size * 10 + (c - '0');
    }
    shape.push_back(size);
  }
  if (shape.size() > most_dims) fail(fmt::format("it has {} dimensions", shape.size()));
  const std::size_t data = bytes.size() - begin - length;
  const auto count = static_cast<std::size_t>(element_count(shape));
  if (count > data || count * size_of(type->dtype) != data)
    fail(fmt::format("it is {}{} and has {} bytes", name_of(type->dtype), to_string(shape), data));
  Tensor tensor(type->dtype, shape);
  std::memcpy(tensor.data(), bytes.data() + begin + length, data);
  return tensor;
}

std::string npy_of(const Tensor& tensor, const std::string& name, const std::string& where) {
  const NumpyType* type = nullptr;
  for (const NumpyType& one : types)
    if (tensor.dtype() == one.dtype) type = &one;
  if (type == nullptr)
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: '{}' is {}, which numpy does not have", where, name,
                            name_of(tensor.dtype())),
                "write a .safetensors file");
  std::string shape;
  for (const std::int64_t size : tensor.shape()) shape += std::to_string(size) + ",";
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type->name, shape);
  // The numbers begin at a multiple of 64.
  header += std::string(63 - (10 + header.size()) % 64, ' ') + "\n";
  std::string bytes = "\x93NUMPY";
  bytes += '\1';
  bytes += '\0';
  bytes += static_cast<char>(header.size() & 255);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(static_cast<const char*>(tensor.data()), tensor.bytes());
  return bytes;
}

std::string npz_of(const TensorStore& tensors, const std::string& where) {
  std::string bytes;
  const std::unique_ptr<archive, int (*)(archive*)> zip(archive_write_new(), archive_write_free);
  archive_write_set_format_zip(zip.get());
  archive_write_zip_set_compression_store(zip.get());
  const auto append = [](archive*, void* to, const void* data, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  };
  bool good = archive_write_open(zip.get(), &bytes, nullptr, append, nullptr) == ARCHIVE_OK;
  for (const std::string& name : tensors.names()) {
    const std::string array = npy_of(tensors.at(name), name, where);
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                         archive_entry_free);
    archive_entry_set_pathname(entry.get(), (name + ".npy").c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(array.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    good = good && archive_write_header(zip.get(), entry.get()) == ARCHIVE_OK &&
           archive_write_data(zip.get(), array.data(), array.size()) ==
               static_cast<la_ssize_t>(array.size());
  }
  good = good && archive_write_close(zip.get()) == ARCHIVE_OK;
  if (!good) throw Error(ErrorCode::io, where + ": the archive could not be made");
  return bytes;
}

enum class ArrayFile { safetensors, npz, npy };

ArrayFile kind_of(const fs::path& file) {
  const std::string ending = file.extension().string();
  if (ending == ".safetensors") return ArrayFile::safetensors;
  if (ending == ".npz") return ArrayFile::npz;
  if (ending == ".npy") return ArrayFile::npy;
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: tensors are kept in .safetensors, .npz or .npy", file.string()),
              did_you_mean(ending, std::vector<std::string>{".safetensors", ".npz", ".npy"}));
}

}  // namespace

TensorStore read_arrays(const fs::path& file) {
  const ArrayFile kind = kind_of(file);
  if (kind == ArrayFile::safetensors) return read_safetensors(file);
  const std::string content = read_file(file);
  const auto bytes = std::as_bytes(std::span(content.data(), content.size()));
  TensorStore tensors;
  if (kind == ArrayFile::npy) {
    tensors.set("", parse_npy(bytes, file.string()));
    return tensors;
  }
  // (An archive of nothing is its end alone, which libarchive does not know.)
  for (const std::string_view end : {std::string_view("PK\5\6", 4), std::string_view("PK\6\6", 4)})
    if (content.starts_with(end)) return tensors;
  ZipReader zip(bytes, file.string());
  std::vector<std::byte> buffer;
  while (zip.next()) {
    std::string name = zip.name();
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const std::string where = fmt::format("{}: '{}'", file.string(), printable(zip.name(), 100));
    if (tensors.contains(name)) throw Error(ErrorCode::bad_format, where + ": is there twice");
    tensors.set(name, parse_npy(zip.read(buffer, largest_array), where));
  }
  return tensors;
}

void write_arrays(const fs::path& file, const TensorStore& tensors) {
  switch (kind_of(file)) {
    case ArrayFile::safetensors: write_safetensors(file, tensors); return;
    case ArrayFile::npz: write_file_atomically(file, npz_of(tensors, file.string())); return;
    case ArrayFile::npy:
      if (tensors.names().size() != 1)
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: an .npy holds one tensor, there are {}", file.string(),
                                tensors.names().size()),
                    "write an .npz or .safetensors file");
      write_file_atomically(
          file, npy_of(tensors.at(tensors.names()[0]), tensors.names()[0], file.string()));
      return;
  }
}

}  // namespace hone
