#include "hone/core/tensor_store.hpp"

#include <algorithm>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {

void TensorStore::set(const std::string& name, Tensor tensor) {
  if (tensors_.insert_or_assign(name, std::move(tensor)).second) names_.push_back(name);
}

void TensorStore::erase(const std::string& name) {
  if (tensors_.erase(name) == 0) return;
  names_.erase(std::find(names_.begin(), names_.end(), name));
}

Tensor& TensorStore::at(const std::string& name) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw Error(ErrorCode::not_found, "no parameter named '" + name + "'",
                did_you_mean(name, names_));
  return found->second;
}

const Tensor& TensorStore::at(const std::string& name) const {
  return const_cast<TensorStore*>(this)->at(name);
}

std::int64_t TensorStore::element_count() const {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : tensors_) count += tensor.size();
  return count;
}

TensorStore TensorStore::clone() const {
  TensorStore copy;
  for (const std::string& name : names_) copy.set(name, at(name).clone());
  return copy;
}

}  // namespace hone
