// What each layer of a model holds and costs, for records and `hone inspect`.
#pragma once

#include <cstdint>

#include "hone/core/json.hpp"
#include "hone/model/model.hpp"

namespace hone {

// A list of {name, op, parameters, bytes, macs_per_token} in the order of the computation: one
// entry for each node with parameters, and for each attention. Multiply-adds are those of the
// products, for samples of `tokens_per_sample` tokens. Bytes are those of the parameters as they
// are stored; a quantized node has "formats" as well: by slot, its format and options.
Json describe_layers(const Model& model, std::int64_t tokens_per_sample);

}  // namespace hone
