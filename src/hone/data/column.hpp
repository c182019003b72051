// A data set as code sees it that knows nothing of texts: samples as named columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/dtype.hpp"
#include "hone/core/tensor.hpp"
#include "hone/data/image.hpp"

namespace hone {

// Values of all samples, end to end.
struct Column {
  std::string_view name;
  DType dtype = DType::f32;
  const void* values = nullptr;
  std::int64_t count = 0;  // of values
  // Each element of a sample (a token of a text) has its own values; else each sample has.
  bool by_element = false;
  // Of a sample that has several values: [height, width, channels] of pictures.
  Shape shape = {};

  template <typename T>
  std::span<const T> as() const {
    return {static_cast<const T*>(values), static_cast<std::size_t>(count)};
  }
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(values),
            static_cast<std::size_t>(count) * size_of(dtype)};
  }
};

template <typename T>
Column make_column(std::string_view name, DType dtype, const std::vector<T>& values,
                   bool by_element = false) {
  return {name, dtype, values.data(), static_cast<std::int64_t>(values.size()), by_element};
}

// Shows data that lies elsewhere, which must outlive it.
struct Dataset {
  std::int64_t samples = 0;
  // samples + 1 values: sample i has the elements offsets[i] to offsets[i + 1]. Empty: one each.
  std::span<const std::int64_t> offsets = {};
  std::vector<Column> columns = {};
  std::span<const std::string> label_names = {};  // of classes
  const ImageInput* image = nullptr;  // how samples that are pictures become numbers; null: none

  std::int64_t size() const { return samples; }
  // Elements of a sample: what a batch is cut by.
  std::int64_t length(std::int64_t i) const {
    if (offsets.empty()) return 1;
    const auto at = static_cast<std::size_t>(i);
    return offsets[at + 1] - offsets[at];
  }
  // Null where there is no such column.
  const Column* find(std::string_view name) const;
  // Throws Error(invalid_argument) naming the columns there are.
  const Column& column(std::string_view name) const;
};

}  // namespace hone
