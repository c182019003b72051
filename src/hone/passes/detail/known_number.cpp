#include "hone/passes/detail/known_number.hpp"

#include <cmath>

#include "hone/graph/weight.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {

const Tensor* KnownNumbers::tensor(ValueId id) const {
  for (const Node* node = graph_.producer(id);
       node != nullptr && (node->op == "expand" || node->op == "reshape");
       node = graph_.producer(id))
    id = node->inputs[0];
  const Value& value = graph_.value(id);
  if (!is_tensor_of_model(value.kind) || (training_ && value.is_trained())) return nullptr;
  return &tensors_.at(value.name);
}

std::optional<double> KnownNumbers::number(ValueId id) const {
  const Tensor* known = tensor(id);
  if (known == nullptr || !is_real(known->dtype()) || known->size() != 1) return std::nullopt;
  const double number = real_at(*known, 0);
  return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

bool KnownNumbers::holds(ValueId id, double number) const {
  const Tensor* known = tensor(id);
  if (known == nullptr) return false;
  const bool whole = known->dtype() == DType::boolean;
  if (!whole && !is_real(known->dtype())) return false;
  for (std::int64_t i = 0; i < known->size(); ++i)
    if ((whole ? static_cast<double>(integer_at(*known, i)) : real_at(*known, i)) != number)
      return false;
  return true;
}

std::pair<double, ValueId> KnownNumbers::without_factor(ValueId id) const {
  double factor = 1;
  for (;;) {
    const Node* node = graph_.producer(id);
    if (node == nullptr) break;
    if (node->op == "scale") {
      factor *= node->attributes.real("factor");
      id = node->inputs[0];
      continue;
    }
    if (node->op != "mul" && node->op != "div") break;
    if (const auto right = number(node->inputs[1]); right && (node->op == "mul" || *right != 0)) {
      factor = node->op == "mul" ? factor * *right : factor / *right;
      id = node->inputs[0];
      continue;
    }
    const auto left = number(node->inputs[0]);
    if (!left || node->op == "div") break;
    factor *= *left;
    id = node->inputs[1];
  }
  return {factor, id};
}

bool KnownNumbers::stays(ValueId id) const { return !training_ || !is_learned(graph_, id); }

}  // namespace hone
