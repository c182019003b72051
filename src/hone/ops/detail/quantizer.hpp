// The attributes by which a node names a number format, and the format they name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hone/numerics/format.hpp"
#include "hone/numerics/tensor_rows.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone {

// format, rule and options ("width=8 frac_width=4").
std::vector<OptionSpec> format_attributes();
// Which slot of a node a rounding is for, where the graph's form does not say it: "data_out" is
// what the node before it gives, else it is what the nodes after it read.
OptionSpec slot_attribute();
// Which of a tensor's numbers form a row.
OptionSpec rows_attribute();
TensorRows rows_of(const Options& attributes);
// The order in which the format packs a tensor: by those rows, or as it lies where every number is
// by itself.
TensorRows packed_rows(const Options& attributes);
// How many numbers a row has; nothing where that is not known before a run.
std::optional<std::int64_t> fixed_row_length(const std::vector<Dim>& dims, TensorRows rows);
// The same as format_attributes and bits and shape: what packed numbers of the format look like.
std::vector<OptionSpec> packed_attributes();

// probabilities_format, _rule and _options: how attention rounds its probabilities.
std::vector<OptionSpec> probabilities_attributes();
Options probabilities_options(const std::string& format, const std::string& options,
                              const std::string& rule = "exact");
// Their format; null: they stay as they are. Throws Error(invalid_argument) where a row of them
// cannot be rounded by itself.
std::unique_ptr<const Quantizer> bind_probabilities(const Options& attributes);

// The format that attributes name, by the rows that they name. Throws Error(invalid_argument)
// naming the format and what is wrong.
std::unique_ptr<const Quantizer> bind_quantizer(const Options& attributes);
// The packed tensor that a node's codes and scales (may be null) are; not yet checked.
PackedTensor packed_tensor(const Options& attributes, const Tensor& codes, const Tensor* scales);
Shape parse_shape(const std::string& text);       // "128,512"
std::string shape_attribute(const Shape& shape);  // its inverse
// Throws unless inputs `first` and `first` + 1 are codes u8[n] and scales (or absent) of the shape
// and bits that the attributes say.
void check_packed_types(const std::string& op, const OpTypes& types, std::size_t first);

// Attributes of a node of that format; for samples and passes.
Options format_options(const std::string& format, const std::string& options,
                       const std::string& rule = "exact");
// A sample's packed inputs: `x` packed, and the attributes for it.
struct PackedSample {
  Tensor codes, scales;
  Options attributes;
};
PackedSample pack_sample(const Tensor& x, const std::string& format, const std::string& options,
                         TensorRows rows = TensorRows::last);

}  // namespace hone
