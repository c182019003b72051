// ONNX ops of signals: Fourier transforms, windows, mel weights.
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

std::int64_t known_number(OnnxCall& call, std::size_t i, const char* what) {
  const std::vector<std::int64_t> given = call.integers(i, what);
  if (given.size() != 1) call.fail(fmt::format("its {} is not one number", what));
  return given[0];
}

DType wanted_type(OnnxCall& call) {
  const std::int64_t number = call.integer("output_datatype", 1);
  const auto dtype = dtype_of_onnx(number);
  if (!dtype) call.refuse("is of " + name_of_onnx_dtype(number));
  return *dtype;
}

// The axis is an attribute before operator set 20, an input from it on.
void convert_dft(OnnxCall& call) {
  std::int64_t axis = call.opset() < 20 ? call.integer("axis", 1) : -2;
  if (call.opset() >= 20 && call.has(2)) axis = known_number(call, 2, "axis");
  std::int64_t length = 0;
  if (call.has(1)) length = known_number(call, 1, "length");
  call.out(0, call.apply("dft", {call.in(0)},
                         {{"axis", call.axis(axis, call.rank(0))},
                          {"length", length},
                          {"inverse", call.integer("inverse", 0) != 0},
                          {"half", call.integer("onesided", 0) != 0}}));
}

// Frames [N, frames, length] of a signal [N, T] or [N, T, 1], each times the window.
void convert_stft(OnnxCall& call) {
  const std::vector<Dim> dims = call.type(0).dims;
  if (dims.size() < 2 || dims.size() > 3 || !dims[1].is_fixed())
    call.refuse("a signal of a length that only a run knows, or of other than two dimensions");
  const std::int64_t parts = dims.size() == 3 ? dims[2].offset : 1;
  if (parts != 1 && parts != 2) call.refuse("numbers of other than one or two parts");
  const std::int64_t step = known_number(call, 1, "step");
  std::int64_t length = 0;
  if (call.has(3))
    length = known_number(call, 3, "length");
  else if (call.has(2) && call.rank(2) == 1 && call.type(2).dims[0].is_fixed())
    length = call.type(2).dims[0].offset;
  if (step < 1 || length < 1 || length > dims[1].offset) call.fail("its frames do not fit");
  const std::int64_t frames = (dims[1].offset - length) / step + 1;
  Tensor places(DType::i64, {frames, length});
  for (std::int64_t f = 0; f < frames; ++f)
    for (std::int64_t i = 0; i < length; ++i) set_integer(places, f * length + i, f * step + i);
  const ValueId x = call.reshaped(call.in(0), {dims[0], dims[1], parts});
  ValueId cut = call.apply("gather", {x, call.buffer(places)}, {{"axis", std::int64_t{1}}});
  if (call.has(2)) {
    const ValueId window = call.reshaped(call.in(2), {1, 1, length, 1});
    cut = call.apply("mul", {cut, call.expanded(window, {dims[0], frames, length, parts})});
  }
  call.out(0, call.apply("dft", {cut},
                         {{"axis", std::int64_t{2}}, {"half", call.integer("onesided", 1) != 0}}));
}

// a - b cos(2 pi i / n) + c cos(4 pi i / n); n is one less where it is not periodic.
OnnxOp window_of_cosines(const char* name, double a, double b, double c) {
  return make_onnx_op(name, "a window of cosines", [a, b, c](OnnxCall& call) {
    const std::int64_t size = known_number(call, 0, "size");
    if (size < 0 || size > 1'000'000'000) call.fail(fmt::format("a window of {} places", size));
    const bool periodic = call.integer("periodic", 1) != 0;
    Tensor window(wanted_type(call), {size});
    const double n = static_cast<double>(periodic ? size : std::max<std::int64_t>(1, size - 1));
    for (std::int64_t i = 0; i < size; ++i) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(i) / n;
      set_real(window, i, a - b * std::cos(angle) + c * std::cos(2 * angle));
    }
    call.out(0, window);
  });
}

// Triangles over the frequencies of a transform, equally wide in mels.
void convert_mel_weights(OnnxCall& call) {
  const std::int64_t bins = known_number(call, 0, "bins");
  const std::int64_t length = known_number(call, 1, "length");
  const std::int64_t rate = known_number(call, 2, "rate");
  const auto edge = [&](std::size_t i) {
    if (call.constant(i) == nullptr || call.constant(i)->size() != 1)
      call.refuse("its edges follow from the data of a run");
    return real_at(*call.constant(i), 0);
  };
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(edge(3)), high = mel(edge(4));
  if (bins < 1 || length < 1 || rate < 1 || bins > 1'000'000 || length > 1'000'000)
    call.fail("its sizes are no sizes");
  std::vector<std::int64_t> edges;
  const double step = (high - low) / static_cast<double>(bins + 2);
  for (std::int64_t i = 0; i < bins + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step + low) / 2595) - 1);
    if (!(std::abs(hertz) < 1e9)) call.refuse("its edges are not finite, or above 1e9");
    edges.push_back(static_cast<std::int64_t>(
        std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate))));
  }
  const std::int64_t spectrum = length / 2 + 1;
  Tensor weights(wanted_type(call), {spectrum, bins});
  const auto set = [&](std::int64_t frequency, std::int64_t bin, double value) {
    if (frequency >= 0 && frequency < spectrum) set_real(weights, frequency * bins + bin, value);
  };
  for (std::int64_t i = 0; i < bins; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const std::int64_t left = edges[k], middle = edges[k + 1], right = edges[k + 2];
    if (middle == left) set(middle, i, 1);
    for (std::int64_t j = std::max<std::int64_t>(0, left);
         middle > left && j <= std::min(middle, spectrum); ++j)
      set(j, i, static_cast<double>(j - left) / static_cast<double>(middle - left));
    for (std::int64_t j = std::max<std::int64_t>(0, middle);
         right > middle && j < std::min(right, spectrum); ++j)
      set(j, i, static_cast<double>(right - j) / static_cast<double>(right - middle));
  }
  call.out(0, weights);
}

}  // namespace

std::vector<OnnxOp> onnx_signal_family() {
  return {make_onnx_op("DFT", "Fourier transform", convert_dft),
          make_onnx_op("STFT", "Fourier transforms of frames", convert_stft),
          window_of_cosines("HannWindow", 0.5, 0.5, 0),
          window_of_cosines("HammingWindow", 25.0 / 46, 21.0 / 46, 0),
          window_of_cosines("BlackmanWindow", 0.42, 0.5, 0.08),
          make_onnx_op("MelWeightMatrix", "of frequencies to mels", convert_mel_weights)};
}

}  // namespace hone
