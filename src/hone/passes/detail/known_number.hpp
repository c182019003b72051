// Numbers that the model itself says.
#pragma once

#include <optional>
#include <utility>

#include "hone/core/tensor_store.hpp"
#include "hone/passes/pass.hpp"

namespace hone {

// The option of passes that look at such numbers: graphs that are trained.
inline const OptionSpec training_option{"training", OptionType::boolean, false,
                                        "parameters that are trained are no known numbers"};

class KnownNumbers {
public:
  // Of a pass that has tensors; of one without training_option nothing is trained.
  explicit KnownNumbers(const PassCall& call)
      : graph_(call.graph),
        tensors_(*call.tensors),
        training_(call.options.boolean_or("training", false)) {}

  // The tensor of the model that a value is, expanded or reshaped, if it stays as it is; or null.
  const Tensor* tensor(ValueId id) const;
  // The finite number that a real value holds in every place: a tensor of one element. Nothing
  // where that is not known.
  std::optional<double> number(ValueId id) const;
  // Whether a value is that number in every place (true is 1).
  bool holds(ValueId id, double number) const;
  // A value as another one times a number, as far as that goes: the factor, and the other.
  std::pair<double, ValueId> without_factor(ValueId id) const;
  // Whether no trained parameter has a part in a value; outside training, all are such.
  bool stays(ValueId id) const;

private:
  const Graph& graph_;
  const TensorStore& tensors_;
  bool training_;
};

}  // namespace hone
