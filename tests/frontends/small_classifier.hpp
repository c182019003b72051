// A classifier of pictures as an ONNX file.
#pragma once

#include <vector>

#include "frontends/onnx_writer.hpp"
#include "hone/ops/detail/common.hpp"

namespace hone_test {

inline std::vector<float> random_numbers(std::int64_t count) {
  const hone::Tensor drawn = hone::random_tensor({count}, 7);
  const auto values = drawn.span<const float>();
  return {values.begin(), values.end()};
}

// [N,3,8,8] -> two convolutions -> mean -> linear to two classes.
inline OnnxWriter small_classifier(const OnnxDims& dims, bool softmax = false) {
  OnnxWriter w;
  w.input("data", dims);
  w.floats("k", {4, 3, 3, 3}, random_numbers(108));
  w.floats("m", {4, 2}, {1, -1, 2, -2, 3, -3, 4, -4});
  w.floats("l", {4, 4, 1, 1}, random_numbers(16));
  w.node("Conv", {"data", "k"}, {"d"});
  w.node("Relu", {"d"}, {"e"});
  w.node("Conv", {"e", "l"}, {"c"});
  w.node("GlobalAveragePool", {"c"}, {"p"});
  OnnxWriter::set(w.node("Flatten", {"p"}, {"f"}), "axis", std::int64_t{1});
  w.node("MatMul", {"f", "m"}, {softmax ? "z" : "y"});
  if (softmax) OnnxWriter::set(w.node("Softmax", {"z"}, {"y"}), "axis", std::int64_t{-1});
  w.output("y", {"N", "2"});
  return w;
}

}  // namespace hone_test
