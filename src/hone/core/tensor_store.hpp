// Named tensors, in a fixed order: those of a model, a file or a run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"

namespace hone {

class TensorStore {
public:
  // Adds or replaces; a new name goes to the end of the order.
  void set(const std::string& name, Tensor tensor);
  // Does nothing when it is not there.
  void erase(const std::string& name);
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  // Throws Error(not_found) naming the nearest known parameter.
  Tensor& at(const std::string& name);
  const Tensor& at(const std::string& name) const;
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t element_count() const;
  TensorStore clone() const;

private:
  std::vector<std::string> names_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace hone
