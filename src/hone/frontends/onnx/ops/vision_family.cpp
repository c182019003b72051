// ONNX ops of pictures: other sizes, samples between places, convolution turned round.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_window.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

// Numbers that are known: of a constant.
std::vector<double> known_reals(OnnxCall& call, std::size_t i, const char* what) {
  const Tensor* known = call.constant(i);
  if (known == nullptr)
    call.refuse(fmt::format("the {} follow from the data of a run, not from its shapes", what),
                "hone plans memory before it runs: such sizes have to be constants or shapes");
  std::vector<double> numbers;
  for (std::int64_t k = 0; k < known->size(); ++k) numbers.push_back(real_at(*known, k));
  return numbers;
}

// floor(size * scale), of a size that only a run knows where the scale is n or 1 / n.
Dim scaled(OnnxCall& call, const Dim& size, double scale) {
  if (!(scale > 0) || scale > 1e6) call.fail(fmt::format("a scale of {}", scale));
  if (size.is_fixed())
    return static_cast<std::int64_t>(std::floor(static_cast<double>(size.offset) * scale));
  const double up = std::round(scale), down = std::round(1 / scale);
  if (up == scale) return multiply(size, Dim(static_cast<std::int64_t>(up)));
  if (std::abs(down * scale - 1) < 1e-6) return divide_down(size, static_cast<std::int64_t>(down));
  call.refuse(fmt::format("a size that only a run knows times {}", scale));
}

struct NewSize {
  std::int64_t axis;
  Dim size;
  double scale;  // 0: what follows from the sizes
  double begin = 0, end = 1;
};

// One dimension after the other; integers are interpolated as reals and cut.
void resize_all(OnnxCall& call, const std::vector<NewSize>& sizes, Options attributes) {
  const DType dtype = call.type(0).dtype;
  ValueId y = call.in(0);
  if (attributes.text("mode") != "nearest" && !is_real(dtype)) y = call.cast(y, DType::f32);
  const std::string coordinates = attributes.text("coordinates");
  const bool moves = coordinates == "tf_half_pixel_for_nn" || coordinates == "tf_crop_and_resize";
  for (const NewSize& one : sizes) {
    const Dim old = call.graph().type(y).dims[static_cast<std::size_t>(one.axis)];
    if (one.size == old && (one.scale == 0 || one.scale == 1) && !moves) continue;
    attributes.set("axis", one.axis);
    attributes.set("size", to_string(one.size));
    attributes.set("scale", one.scale);
    attributes.set("begin", one.begin);
    attributes.set("end", one.end);
    y = call.apply("resize", {y}, attributes);
  }
  call.out(0, call.cast(y, dtype));
}

std::string mode_of_resize(OnnxCall& call) {
  const std::string mode = call.text("mode", "nearest");
  if (mode == "bilinear") return "linear";  // (operator set 1)
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    call.fail("attribute 'mode' is nearest, linear or cubic");
  return mode;
}

// As Upsample and operator set 10 have it: places are multiples, the nearest is the one before.
void resize_by_scales(OnnxCall& call, const std::vector<double>& scales) {
  const std::vector<Dim> dims = call.type(0).dims;
  if (scales.size() != dims.size()) call.fail("its scales do not fit the dimensions");
  std::vector<NewSize> sizes;
  for (std::size_t d = 0; d < dims.size(); ++d)
    sizes.push_back({static_cast<std::int64_t>(d), scaled(call, dims[d], scales[d]), scales[d]});
  resize_all(call, sizes,
             {{"mode", mode_of_resize(call)},
              {"coordinates", std::string("asymmetric")},
              {"rounding", std::string("floor")}});
}

void convert_upsample(OnnxCall& call) {
  std::vector<double> scales;
  if (call.opset() >= 9)
    scales = known_reals(call, 1, "scales");
  else if (call.opset() >= 7)
    scales = call.reals("scales", std::nullopt);
  else
    scales = {1, 1, call.real("height_scale"), call.real("width_scale")};
  resize_by_scales(call, scales);
}

void convert_resize(OnnxCall& call) {
  if (call.opset() < 11) return resize_by_scales(call, known_reals(call, 1, "scales"));
  const std::vector<Dim> dims = call.type(0).dims;
  std::vector<std::int64_t> axes;
  for (std::size_t d = 0; d < dims.size(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  axes = call.axes(call.integers("axes", axes), dims.size());
  const std::string coordinates = call.text("coordinate_transformation_mode", "half_pixel");
  const std::string policy = call.text("keep_aspect_ratio_policy", "stretch");
  std::vector<NewSize> sizes;
  const auto empty = [&](std::size_t i) {
    return !call.has(i) || (call.constant(i) != nullptr && call.constant(i)->size() == 0);
  };
  if (!empty(3)) {
    const std::vector<Dim> given = call.sizes(3, "sizes");
    if (given.size() != axes.size()) call.fail("its sizes do not fit the dimensions");
    double scale = 0;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const Dim old = dims[static_cast<std::size_t>(axes[i])];
      sizes.push_back({axes[i], given[i], 0});
      if (policy == "stretch") continue;
      if (!old.is_fixed() || !given[i].is_fixed())
        call.refuse("keeps the ratio of sizes that only a run knows");
      const double own = static_cast<double>(given[i].offset) / static_cast<double>(old.offset);
      if (i == 0)
        scale = own;
      else
        scale = policy == "not_larger" ? std::min(scale, own) : std::max(scale, own);
    }
    if (policy != "stretch")
      for (NewSize& one : sizes) {
        const auto old = static_cast<double>(dims[static_cast<std::size_t>(one.axis)].offset);
        one.size = static_cast<std::int64_t>(scale * old + 0.5);
        one.scale = scale;
      }
  } else if (!empty(2)) {
    const std::vector<double> scales = known_reals(call, 2, "scales");
    if (scales.size() != axes.size()) call.fail("its scales do not fit the dimensions");
    for (std::size_t i = 0; i < axes.size(); ++i)
      sizes.push_back(
          {axes[i], scaled(call, dims[static_cast<std::size_t>(axes[i])], scales[i]), scales[i]});
  } else {
    call.fail("it has neither scales nor sizes");
  }
  Options attributes{{"mode", mode_of_resize(call)},
                     {"coordinates", coordinates},
                     {"rounding", call.text("nearest_mode", "round_prefer_floor")},
                     {"cubic_a", call.real("cubic_coeff_a", -0.75)},
                     {"exclude_outside", call.integer("exclude_outside", 0) != 0},
                     {"antialias", call.integer("antialias", 0) != 0},
                     {"outside", call.real("extrapolation_value", 0.0)}};
  if (coordinates == "tf_crop_and_resize") {
    if (call.opset() < 11 || empty(1)) call.fail("it has no region to crop");
    const std::vector<double> region = known_reals(call, 1, "bounds of the region");
    if (region.size() != 2 * sizes.size()) call.fail("its region does not fit the dimensions");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      sizes[i].begin = region[i];
      sizes[i].end = region[i + sizes.size()];
    }
  }
  resize_all(call, sizes, attributes);
}

// Sizes follow from pads, or pads from sizes (output_shape, or auto_pad: stride times the size).
void convert_conv_transpose(OnnxCall& call) {
  const std::vector<Dim> x = call.type(0).dims;
  OnnxWindow window = onnx_window(call, onnx_kernel(call, 1));
  const std::size_t rank = window.kernel.size();
  const std::string automatic = call.text("auto_pad", "NOTSET");
  const std::vector<std::int64_t> more =
      call.integers("output_padding", std::vector<std::int64_t>(rank, 0));
  std::vector<std::int64_t> shape = call.integers("output_shape", std::vector<std::int64_t>{});
  // (With the first two dimensions in old files.)
  if (shape.size() == rank + 2) shape.erase(shape.begin(), shape.begin() + 2);
  if (more.size() != rank || (!shape.empty() && shape.size() != rank))
    call.fail("its output_padding or output_shape does not fit its dimensions");
  const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  std::vector<Dim> sizes;
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t &before = window.pads[d], &behind = window.pads[d + rank];
    const std::int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
    const Dim stride = window.strides[d];
    const Dim reached = add(multiply(subtract(x[d + 2], Dim(1)), stride), Dim(reach + more[d]));
    if (!shape.empty() || same) {
      const Dim wanted = shape.empty() ? multiply(x[d + 2], stride) : Dim(shape[d]);
      const Dim rest = subtract(reached, wanted);
      if (!rest.is_fixed()) call.refuse("pads to a size that only a run knows");
      const std::int64_t all = std::max<std::int64_t>(0, rest.offset);
      before = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
      behind = all - before;
      sizes.push_back(wanted);
    } else {
      if (automatic == "VALID") before = behind = 0;
      sizes.push_back(subtract(reached, Dim(before + behind)));
    }
  }
  std::vector<ValueId> inputs{call.in(0), call.in(1)};
  if (call.has(2)) inputs.push_back(call.in(2));
  Options attributes = window.attributes();
  attributes.set("groups", call.integer("group", 1));
  attributes.set("sizes", to_string(sizes));
  call.out(0, call.apply("conv_transpose", inputs, attributes));
}

// Places count over the tensor that was pooled; another shape has more behind it.
void convert_max_unpool(OnnxCall& call) {
  const std::vector<Dim> x = call.type(0).dims;
  const OnnxWindow window = onnx_window(call, call.integers("kernel_shape", std::nullopt));
  const std::size_t rank = window.kernel.size();
  std::vector<Dim> dims{x[0], x[1]};
  for (std::size_t d = 0; d < rank; ++d)
    dims.push_back(add(multiply(subtract(x[d + 2], Dim(1)), Dim(window.strides[d])),
                       Dim(window.kernel[d] - window.pads[d] - window.pads[d + rank])));
  ValueId y = call.apply("max_unpool", {call.in(0), call.cast(call.in(1), DType::i64)},
                         {{"shape", to_string(dims)}});
  if (call.has(2)) {
    const std::vector<Dim> wanted = call.sizes(2, "sizes");
    if (wanted.size() != dims.size()) call.fail("its output_shape does not fit its dimensions");
    for (std::size_t d = 0; d < dims.size(); ++d)
      if (!(wanted[d] == dims[d]))
        y = call.apply("pad", {y},
                       {{"axis", static_cast<std::int64_t>(d)},
                        {"before", std::string("0")},
                        {"after", to_string(subtract(wanted[d], dims[d]))}});
  }
  call.out(0, y);
}

void convert_grid_sample(OnnxCall& call) {
  std::string mode = call.text("mode", "linear");
  if (mode == "bilinear") mode = "linear";
  if (mode == "bicubic") mode = "cubic";
  call.out(0, call.apply("grid_sample", {call.in(0), call.in(1)},
                         {{"mode", mode},
                          {"outside", call.text("padding_mode", "zeros")},
                          {"corners", call.integer("align_corners", 0) != 0}}));
}

void convert_roi_align(OnnxCall& call) {
  const std::string place = call.text("coordinate_transformation_mode",
                                      call.opset() < 16 ? "output_half_pixel" : "half_pixel");
  if (place != "half_pixel" && place != "output_half_pixel")
    call.fail("attribute 'coordinate_transformation_mode' is half_pixel or output_half_pixel");
  call.out(0, call.apply("roi_align", {call.in(0), call.in(1), call.cast(call.in(2), DType::i64)},
                         {{"mode", call.text("mode", "avg")},
                          {"height", call.integer("output_height", 1)},
                          {"width", call.integer("output_width", 1)},
                          {"samples", call.integer("sampling_ratio", 0)},
                          {"scale", call.real("spatial_scale", 1.0)},
                          {"half_pixel", place == "half_pixel"}}));
}

// [N, C K, L] of L places of windows of K numbers, added up in pictures: a transposed convolution
// by kernels that are 1 at one place.
void convert_col_to_im(OnnxCall& call) {
  const std::vector<Dim> x = call.type(0).dims;
  const std::vector<std::int64_t> image = call.integers(1, "sizes of the image");
  const std::vector<std::int64_t> block = call.integers(2, "sizes of the blocks");
  const std::size_t rank = image.size();
  const std::vector<std::int64_t> ones(rank, 1);
  const std::vector<std::int64_t> strides = call.integers("strides", ones),
                                  dilations = call.integers("dilations", ones),
                                  pads =
                                      call.integers("pads", std::vector<std::int64_t>(2 * rank, 0));
  if (x.size() != 3 || !x[1].is_fixed() || block.size() != rank || rank < 1 || rank > 3 ||
      strides.size() != rank || dilations.size() != rank || pads.size() != 2 * rank)
    call.fail("its sizes do not fit");
  std::int64_t taps = 1;
  std::vector<Dim> places{x[0], x[1]}, sizes;
  Shape kernel;
  for (std::size_t d = 0; d < rank; ++d) {
    if (block[d] < 1 || strides[d] < 1 || dilations[d] < 1) call.fail("a size below 1");
    taps *= block[d];
    sizes.emplace_back(image[d]);
    const std::int64_t room =
        image[d] + pads[d] + pads[d + rank] - (block[d] - 1) * dilations[d] - 1;
    places.emplace_back(room < 0 ? 0 : room / strides[d] + 1);
    kernel.push_back(block[d]);
  }
  if (x[1].offset % taps != 0) call.fail("its channels do not fall into blocks");
  kernel.insert(kernel.begin(), {x[1].offset, 1});
  Tensor weight(call.type(0).dtype, kernel);
  for (std::int64_t c = 0; c < x[1].offset; ++c) set_real(weight, c * taps + c % taps, 1);
  call.out(0, call.apply("conv_transpose", {call.reshaped(call.in(0), places), call.buffer(weight)},
                         {{"strides", to_text(strides)},
                          {"dilations", to_text(dilations)},
                          {"pads", to_text(pads)},
                          {"groups", x[1].offset / taps},
                          {"sizes", to_string(sizes)}}));
}

// theta [N, D, D+1] of the places of a grid, from -1 to 1 along each dimension.
void convert_affine_grid(OnnxCall& call) {
  std::vector<std::int64_t> sizes = call.integers(1, "sizes");
  if (sizes.size() < 4 || sizes.size() > 5) call.fail("its sizes are not of pictures");
  const bool corners = call.integer("align_corners", 0) != 0;
  const Shape shape(sizes.begin() + 2, sizes.end());
  const auto rank = static_cast<std::int64_t>(shape.size());
  const std::int64_t count = element_count(shape);
  const DType dtype = call.type(0).dtype;
  Tensor grid(dtype, {rank + 1, count});
  std::vector<std::int64_t> index(shape.size(), 0);
  for (std::int64_t p = 0; p < count; ++p) {
    // (The last dimension is the first coordinate.)
    for (std::int64_t d = 0; d < rank; ++d) {
      const auto at = static_cast<std::size_t>(rank - 1 - d);
      const auto n = static_cast<double>(shape[at]), i = static_cast<double>(index[at]);
      set_real(grid, d * count + p,
               corners ? (n == 1 ? -1 : -1 + 2 * i / (n - 1)) : -1 + (2 * i + 1) / n);
    }
    set_real(grid, rank * count + p, 1);
    advance(index, shape);
  }
  const Dim n = call.type(0).dims.at(0);
  const ValueId places =
      call.expanded(call.reshaped(call.buffer(grid), {1, rank + 1, count}), {n, rank + 1, count});
  const ValueId y = call.apply("batch_matmul", {call.in(0), places});
  std::vector<Dim> dims{n};
  for (const std::int64_t size : shape) dims.emplace_back(size);
  dims.emplace_back(rank);
  call.out(0, call.reshaped(call.transposed(y, {0, 2, 1}), dims));
}

}  // namespace

std::vector<OnnxOp> onnx_vision_family() {
  return {make_onnx_op("Resize", "another size, by interpolation", convert_resize, 10),
          make_onnx_op("Upsample", "a larger size, by interpolation", convert_upsample, 1, 9),
          make_onnx_op("ConvTranspose", "convolution turned round", convert_conv_transpose),
          make_onnx_op("Col2Im", "blocks added up in pictures", convert_col_to_im, 18),
          make_onnx_op("AffineGrid", "places of a grid, moved", convert_affine_grid, 20),
          make_onnx_op("MaxUnpool", "back to the places of MaxPool", convert_max_unpool, 9),
          make_onnx_op("GridSample", "numbers between places", convert_grid_sample, 16),
          make_onnx_op("RoiAlign", "regions as small pictures", convert_roi_align, 10)};
}

}  // namespace hone
