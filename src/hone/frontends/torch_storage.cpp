#include "hone/frontends/torch_storage.hpp"

#include <cstring>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/frontends/mapped_tensor.hpp"

namespace hone {
namespace {

bool is_contiguous(const PickledTensor& tensor) {
  if (element_count(tensor.shape) == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Copies a strided view, row after row of its last dimension.
void gather(const PickledTensor& view, const std::byte* storage, Tensor& out) {
  const std::size_t width = size_of(view.dtype);
  const std::size_t rank = view.shape.size();
  std::vector<std::int64_t> index(rank, 0);
  auto* to = static_cast<std::byte*>(out.data());
  std::int64_t from = view.offset;
  for (std::int64_t done = 0; done < out.size();) {
    for (std::int64_t i = 0; i < view.shape[rank - 1]; ++i, ++done, to += width)
      std::memcpy(to, storage + static_cast<std::size_t>(from + i * view.strides[rank - 1]) * width,
                  width);
    for (std::size_t d = rank - 1; d-- > 0;) {
      from += view.strides[d];
      if (++index[d] < view.shape[d]) break;
      from -= view.strides[d] * view.shape[d];
      index[d] = 0;
    }
  }
}

Tensor materialise(const PickledTensor& view, TorchStorage& storage, std::uint64_t& budget,
                   const std::string& where) {
  const std::size_t width = size_of(view.dtype);
  const auto count = static_cast<std::uint64_t>(element_count(view.shape));
  const bool plain = is_contiguous(view);
  if (plain && count > 0 && !storage.taken &&
      count == static_cast<std::uint64_t>(view.storage_elements) &&
      can_share(storage.home, storage.bytes, width)) {
    storage.taken = true;
    return tensor_from_map(storage.home, storage.bytes, view.dtype, view.shape);
  }
  if (count > budget / width)
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: tensor '{}' {} takes more memory than is plausible for the file",
                            where, printable(view.name), to_string(view.shape)),
                "load it with PyTorch and save it again as model.safetensors");
  budget -= count * width;
  Tensor tensor(view.dtype, view.shape);
  if (count == 0) return tensor;
  if (plain)
    std::memcpy(tensor.data(), storage.bytes.data() + static_cast<std::size_t>(view.offset) * width,
                tensor.bytes());
  else
    gather(view, storage.bytes.data(), tensor);
  return tensor;
}

}  // namespace

std::uint64_t plausible_memory(std::size_t file_size) {
  return 16 * std::uint64_t{file_size} + (64u << 20);
}

std::uint64_t stated_bytes(const PickledTensor& tensor, const std::string& where) {
  std::uint64_t count = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.storage_elements),
                             size_of(tensor.dtype), &count))
    throw Error(ErrorCode::bad_format, fmt::format("{}: tensor '{}' has an impossible storage",
                                                   where, printable(tensor.name)));
  return count;
}

TensorStore make_tensors(const std::vector<PickledTensor>& tensors, TorchStorages& storages,
                         std::size_t file_size, const std::string& where) {
  for (const PickledTensor& tensor : tensors) {
    const std::size_t found = storages.at(tensor.storage).bytes.size();
    if (const std::uint64_t stated = stated_bytes(tensor, where); stated != found)
      throw Error(ErrorCode::bad_format,
                  fmt::format("{}: tensor '{}': its storage {} has {} bytes instead of {}", where,
                              printable(tensor.name), printable(tensor.storage), found, stated),
                  "get the file again");
  }
  std::uint64_t budget = plausible_memory(file_size);
  TensorStore store;
  for (const PickledTensor& tensor : tensors)
    store.set(tensor.name, materialise(tensor, storages.at(tensor.storage), budget, where));
  return store;
}

}  // namespace hone
