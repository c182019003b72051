#include "hone/frontends/sparse_tensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/graph/op.hpp"
#include "hone/numerics/detail/bit_stream.hpp"
#include "hone/ops/detail/quantizer.hpp"
#include "hone/passes/prune.hpp"

namespace hone {
namespace {

// What another tensor costs in the header of the file, about.
constexpr std::int64_t entry_bytes = 100;

const std::string bits_end = ".bits", values_end = ".sparse_values", own_bits_end = ".sparse_bits",
                  codes_end = ".sparse_codes";

std::string bits_name(const std::string& mask) { return mask + bits_end; }
std::string values_name(const std::string& weight) { return weight + values_end; }
std::string own_bits_name(const std::string& weight) { return weight + own_bits_end; }

std::int64_t bit_bytes(std::int64_t count) { return count / 8 + (count % 8 != 0); }

bool bit(const Tensor& bits, std::int64_t i) {
  return (bits.as<std::uint8_t>()[i / 8] >> (i % 8) & 1) != 0;
}

// One bit a number: whether `is_set` of its position.
template <typename IsSet>
Tensor make_bits(std::int64_t count, const IsSet& is_set) {
  Tensor bits(DType::u8, {bit_bytes(count)});
  auto* bytes = bits.as<std::uint8_t>();
  std::memset(bytes, 0, bits.bytes());
  for (std::int64_t i = 0; i < count; ++i)
    bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] | (is_set(i) ? 1 << (i % 8) : 0));
  return bits;
}

std::uint32_t pattern(const float* numbers, std::int64_t i) {
  return std::bit_cast<std::uint32_t>(numbers[i]);
}

// A mask as bits; nothing where it is smaller as it is, or holds other numbers than 0 and 1.
std::optional<Tensor> bits_of_mask(const Tensor& mask) {
  if (mask.dtype() != DType::u8 || bit_bytes(mask.size()) + 5 >= mask.size()) return std::nullopt;
  const auto* keep = mask.as<std::uint8_t>();
  for (std::int64_t i = 0; i < mask.size(); ++i)
    if (keep[i] > 1) return std::nullopt;
  return make_bits(mask.size(), [&](std::int64_t i) { return keep[i] != 0; });
}

struct SparseWeight {
  Tensor values;
  Tensor bits;  // empty: the mask's
};

// A masked weight by what is left; nothing where it is smaller as it is.
std::optional<SparseWeight> sparse_weight(const Tensor& weight, const Tensor& mask) {
  if (weight.dtype() != DType::f32 || mask.dtype() != DType::u8 || mask.size() != weight.size())
    return std::nullopt;
  const float* numbers = weight.as<float>();
  const auto* keep = mask.as<std::uint8_t>();
  const std::int64_t count = weight.size();
  std::int64_t kept = 0, not_zero = 0;
  bool by_mask = true;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool number = pattern(numbers, i) != 0;
    kept += keep[i] != 0;
    not_zero += number;
    by_mask = by_mask && keep[i] <= 1 && (keep[i] != 0 || !number);
  }
  const std::int64_t values = by_mask ? kept : not_zero;
  const std::int64_t bytes =
      4 * values + entry_bytes + (by_mask ? 0 : bit_bytes(count) + entry_bytes);
  if (bytes >= 4 * count) return std::nullopt;
  const auto is_kept = [&](std::int64_t i) {
    return by_mask ? keep[i] != 0 : pattern(numbers, i) != 0;
  };
  SparseWeight sparse;
  sparse.values = Tensor(DType::f32, {values});
  float* to = sparse.values.as<float>();
  for (std::int64_t i = 0; i < count; ++i)
    if (is_kept(i)) std::memcpy(to++, numbers + i, sizeof(float));
  if (!by_mask) sparse.bits = make_bits(count, is_kept);
  return sparse;
}

// The codes of a packed weight, in the order of its mask.
struct MaskedCodes {
  std::string weight, mask;
  int bits = 0;
  Shape shape = {};
};

// By the tensor of codes. (Filters are packed in another order than their masks have.)
std::map<std::string, MaskedCodes> masked_codes(const Graph& graph) {
  std::map<std::string, MaskedCodes> all;
  for (const auto& [weight, mask] : masks_of(graph)) {
    const Node* packed = graph.producer(graph.find(weight), "dequantize");
    if (packed == nullptr || packed_rows(packed->attributes) != TensorRows::last) continue;
    all[graph.value(packed->inputs[0]).name] = {
        weight, mask, static_cast<int>(packed->attributes.integer("bits")),
        hone::parse_shape(packed->attributes.text("shape"))};
  }
  return all;
}

// Four bytes of the code that all dropped numbers have, then the codes of the others; nothing where
// that is no smaller, or the dropped ones differ.
std::optional<Tensor> sparse_codes(const Tensor& codes, const Tensor& mask, const MaskedCodes& of) {
  const std::int64_t count = element_count(of.shape);
  if (mask.dtype() != DType::u8 || mask.size() != count || codes.dtype() != DType::u8 ||
      codes.size() != static_cast<std::int64_t>(packed_bytes(count, of.bits)))
    return std::nullopt;
  const auto* keep = mask.as<const std::uint8_t>();
  std::optional<std::uint32_t> dropped;
  BitWriter writer(count, of.bits);
  BitReader reader(codes.as<const std::byte>(), of.bits);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t code = reader.get();
    if (keep[i] > 1) return std::nullopt;
    if (keep[i] != 0) {
      writer.put(code);
    } else if (dropped.value_or(code) == code) {
      dropped = code;
    } else {
      return std::nullopt;
    }
  }
  const std::vector<std::byte> kept = writer.finish();
  const auto size = static_cast<std::int64_t>(kept.size()) + 4;
  if (!dropped || size + entry_bytes >= codes.size()) return std::nullopt;
  Tensor sparse(DType::u8, {size});
  for (int b = 0; b < 4; ++b)
    sparse.as<std::uint8_t>()[b] = static_cast<std::uint8_t>(*dropped >> (8 * b));
  if (!kept.empty()) std::memcpy(sparse.as<std::byte>() + 4, kept.data(), kept.size());
  return sparse;
}

[[noreturn]] void refuse_tensor(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::bad_format, fmt::format("tensor '{}': {}", name, what),
              "the file is damaged, was edited, or belongs to another model");
}

// Bits for `count` numbers.
void check_bits(const std::string& name, const Tensor& bits, std::int64_t count) {
  if (bits.dtype() != DType::u8 || bits.shape() != Shape{bit_bytes(count)})
    refuse_tensor(
        name, fmt::format("is {}{}, expected u8[{}]: a bit for each of {} numbers",
                          name_of(bits.dtype()), to_string(bits.shape()), bit_bytes(count), count));
  for (std::int64_t i = count; i < 8 * bit_bytes(count); ++i)
    if (bit(bits, i)) refuse_tensor(name, fmt::format("has bits set beyond its {} numbers", count));
}

// The shape of a value of a graph; its size fits into memory addresses.
Shape shape_of(const Graph& graph, const std::string& name) {
  Shape shape = evaluate(graph.type(graph.find(name)), {});
  try {
    element_count(shape);
  } catch (const Error& error) {
    refuse_tensor(name, error.message());
  }
  return shape;
}

// What a name of the file stores, by the end of its name; "" where the graph names it itself.
std::string base_of(const Graph& graph, const std::string& name, const std::string& end) {
  if (!name.ends_with(end) || graph.find(name) != none) return "";
  std::string base = name.substr(0, name.size() - end.size());
  const ValueId id = graph.find(base);
  const bool buffer = end == bits_end || end == codes_end;
  const ValueKind kind = buffer ? ValueKind::buffer : ValueKind::parameter;
  return id != none && graph.value(id).kind == kind ? base : "";
}

Tensor mask_of_bits(const std::string& name, const Tensor& bits, Shape shape) {
  check_bits(name, bits, element_count(shape));
  Tensor mask(DType::u8, std::move(shape));
  for (std::int64_t i = 0; i < mask.size(); ++i) mask.as<std::uint8_t>()[i] = bit(bits, i);
  return mask;
}

template <typename IsKept>
Tensor weight_of_values(const std::string& name, const Tensor& values, Shape shape,
                        const IsKept& is_kept) {
  if (values.dtype() != DType::f32 || values.shape().size() != 1)
    refuse_tensor(name, fmt::format("is {}{}, expected a list of f32", name_of(values.dtype()),
                                    to_string(values.shape())));
  const std::int64_t count = element_count(shape);
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < count; ++i) kept += is_kept(i);
  if (kept != values.size())
    refuse_tensor(name, fmt::format("has {} numbers, its bits keep {}", values.size(), kept));
  Tensor weight(DType::f32, std::move(shape));
  float* to = weight.as<float>();
  const float* from = values.as<float>();
  std::memset(to, 0, weight.bytes());
  for (std::int64_t i = 0; i < count; ++i)
    if (is_kept(i)) std::memcpy(to + i, from++, sizeof(float));
  return weight;
}

// The inverse of sparse_codes.
Tensor codes_of_sparse(const std::string& name, const Tensor& sparse, const Tensor& mask,
                       const MaskedCodes& of) {
  const std::int64_t count = element_count(of.shape);
  if (mask.dtype() != DType::u8 || mask.size() != count)
    refuse_tensor(of.mask, fmt::format("is {}{}, expected u8{}", name_of(mask.dtype()),
                                       to_string(mask.shape()), to_string(of.shape)));
  const auto* keep = mask.as<const std::uint8_t>();
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < count; ++i) kept += keep[i] != 0;
  const auto size = static_cast<std::int64_t>(packed_bytes(kept, of.bits)) + 4;
  if (sparse.dtype() != DType::u8 || sparse.shape() != Shape{size})
    refuse_tensor(
        name, fmt::format("is {}{}, expected u8[{}]: codes of {} numbers", name_of(sparse.dtype()),
                          to_string(sparse.shape()), size, kept));
  std::uint32_t dropped = 0;
  for (int b = 0; b < 4; ++b)
    dropped |= static_cast<std::uint32_t>(sparse.as<const std::uint8_t>()[b]) << (8 * b);
  if (of.bits < 32 && (dropped >> of.bits) != 0)
    refuse_tensor(name, fmt::format("its code of dropped numbers has more than {} bits", of.bits));
  BitReader reader(sparse.as<const std::byte>() + 4, of.bits);
  BitWriter writer(count, of.bits);
  for (std::int64_t i = 0; i < count; ++i) writer.put(keep[i] != 0 ? reader.get() : dropped);
  const std::vector<std::byte> bytes = writer.finish();
  Tensor codes(DType::u8, {static_cast<std::int64_t>(bytes.size())});
  if (!bytes.empty()) std::memcpy(codes.data(), bytes.data(), bytes.size());
  return codes;
}

}  // namespace

TensorStore store_sparse(const Graph& graph, const TensorStore& tensors) {
  const auto is_free = [&](const std::string& name) {
    return graph.find(name) == none && !tensors.contains(name);
  };
  std::map<std::string, std::string> mask_of;  // by weight
  std::set<std::string> masks;
  for (const auto& [weight, mask] : masks_of(graph)) {
    if (tensors.contains(mask)) masks.insert(mask);
    if (tensors.contains(weight) && tensors.contains(mask)) mask_of[weight] = mask;
  }
  const std::map<std::string, MaskedCodes> packed = masked_codes(graph);
  TensorStore stored;
  for (const std::string& name : tensors.names()) {
    const Tensor& tensor = tensors.at(name);
    const auto codes = packed.find(name);
    if (codes != packed.end() && tensors.contains(codes->second.mask) && is_free(name + codes_end))
      if (std::optional<Tensor> sparse =
              sparse_codes(tensor, tensors.at(codes->second.mask), codes->second)) {
        stored.set(name + codes_end, std::move(*sparse));
        continue;
      }
    if (masks.count(name) != 0 && is_free(bits_name(name)))
      if (std::optional<Tensor> bits = bits_of_mask(tensor)) {
        stored.set(bits_name(name), std::move(*bits));
        continue;
      }
    const auto mask = mask_of.find(name);
    if (mask != mask_of.end() && is_free(values_name(name)) && is_free(own_bits_name(name)))
      if (std::optional<SparseWeight> sparse = sparse_weight(tensor, tensors.at(mask->second))) {
        stored.set(values_name(name), std::move(sparse->values));
        if (!sparse->bits.empty()) stored.set(own_bits_name(name), std::move(sparse->bits));
        continue;
      }
    stored.set(name, tensor);
  }
  return stored;
}

TensorStore restore_sparse(const Graph& graph, const TensorStore& stored) {
  TensorStore tensors;
  const auto set = [&](const std::string& name, const std::string& from, Tensor tensor) {
    if (stored.contains(name))
      refuse_tensor(from, fmt::format("'{}' is stored a second time", name));
    tensors.set(name, std::move(tensor));
  };
  std::vector<std::string> sparse, codes;  // weights; codes of weights
  for (const std::string& name : stored.names()) {
    if (const std::string of = base_of(graph, name, codes_end); !of.empty())
      codes.push_back(of);
    else if (const std::string mask = base_of(graph, name, bits_end); !mask.empty())
      set(mask, name, mask_of_bits(name, stored.at(name), shape_of(graph, mask)));
    else if (const std::string values = base_of(graph, name, values_end); !values.empty())
      sparse.push_back(values);
    else if (base_of(graph, name, own_bits_end).empty())
      tensors.set(name, stored.at(name));
    else if (!stored.contains(values_name(base_of(graph, name, own_bits_end))))
      refuse_tensor(name, "the numbers that its bits keep are missing");
  }
  const std::map<std::string, MaskedCodes> packed = masked_codes(graph);
  for (const std::string& name : codes) {
    const std::string from = name + codes_end;
    const auto of = packed.find(name);
    if (of == packed.end() || !tensors.contains(of->second.mask))
      refuse_tensor(from, "the mask that says what numbers it holds is missing");
    set(name, from,
        codes_of_sparse(from, stored.at(from), tensors.at(of->second.mask), of->second));
  }
  const auto masks = masks_of(graph);
  for (const std::string& weight : sparse) {
    const std::string from = values_name(weight), own = own_bits_name(weight);
    const Shape shape = shape_of(graph, weight);
    if (stored.contains(own)) {
      const Tensor& bits = stored.at(own);
      check_bits(own, bits, element_count(shape));
      set(weight, from, weight_of_values(from, stored.at(from), shape, [&](std::int64_t i) {
            return bit(bits, i);
          }));
      continue;
    }
    const auto mask = masks.find(weight);
    if (mask == masks.end())
      refuse_tensor(from, "neither a mask nor bits say which numbers it holds");
    if (!tensors.contains(mask->second))
      refuse_tensor(
          from, fmt::format("'{}', which says what numbers it holds, is missing", mask->second));
    const Tensor& keep = tensors.at(mask->second);
    if (keep.dtype() != DType::u8 || keep.shape() != shape)
      refuse_tensor(mask->second, fmt::format("is {}{}, expected u8{}", name_of(keep.dtype()),
                                              to_string(keep.shape()), to_string(shape)));
    set(weight, from, weight_of_values(from, stored.at(from), shape, [&](std::int64_t i) {
          return keep.as<std::uint8_t>()[i] != 0;
        }));
  }
  return tensors;
}

bool holds_sparse(const Graph& graph, const TensorStore& stored) {
  for (const std::string& name : stored.names())
    for (const std::string& end : {bits_end, values_end})
      if (!base_of(graph, name, end).empty()) return true;
  return false;
}

bool holds_sparse_codes(const Graph& graph, const TensorStore& stored) {
  for (const std::string& name : stored.names())
    if (!base_of(graph, name, codes_end).empty()) return true;
  return false;
}

}  // namespace hone
