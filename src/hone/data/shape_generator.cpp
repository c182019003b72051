#include "hone/data/shape_generator.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "hone/core/philox.hpp"
#include "hone/core/threads.hpp"
#include "hone/data/picture_source.hpp"

namespace hone {
namespace {

// How far a place (of the unit shape's plane) lies outside of a shape; negative inside.
using Distance = float (*)(float x, float y);

float box(float x, float y, float w, float h) { return std::max(std::abs(x) - w, std::abs(y) - h); }
float disc(float x, float y) { return std::hypot(x, y) - 0.9f; }
float ring(float x, float y) { return std::abs(std::hypot(x, y) - 0.75f) - 0.2f; }
float square(float x, float y) { return box(x, y, 0.8f, 0.8f); }
float frame(float x, float y) {
  return std::max(box(x, y, 0.85f, 0.85f), -box(x, y, 0.45f, 0.45f));
}
float triangle(float x, float y) {
  return std::max(0.87f * std::abs(x) - 0.5f * y - 0.47f, y - 0.7f);
}
float diamond(float x, float y) { return 0.71f * (std::abs(x) + std::abs(y) - 1.0f); }
float plus(float x, float y) { return std::min(box(x, y, 0.95f, 0.27f), box(x, y, 0.27f, 0.95f)); }
float cross(float x, float y) { return plus(0.71f * (x + y), 0.71f * (x - y)); }
float bars(float x, float y) { return box(x, std::abs(y) - 0.55f, 0.9f, 0.25f); }
float dots(float x, float y) { return std::hypot(std::abs(x) - 0.55f, y) - 0.38f; }

struct Figure {
  const char* name;
  Distance distance;
};
constexpr std::array<Figure, 10> figures{{{"disc", disc},
                                          {"ring", ring},
                                          {"square", square},
                                          {"frame", frame},
                                          {"triangle", triangle},
                                          {"diamond", diamond},
                                          {"plus", plus},
                                          {"cross", cross},
                                          {"bars", bars},
                                          {"dots", dots}}};

using Colour = std::array<float, 3>;

class Drawing {
public:
  explicit Drawing(RandomStream random) : random_(random) {
    picture_ = {shape_side, shape_side, 3,
                std::vector<std::uint8_t>(static_cast<std::size_t>(3 * shape_side * shape_side))};
  }

  Picture draw(const Figure& shape) {
    const Colour corner = colour(), other = colour();
    for (std::int64_t y = 0; y < shape_side; ++y)
      for (std::int64_t x = 0; x < shape_side; ++x)
        for (std::size_t c = 0; c < 3; ++c) {
          const float t = static_cast<float>(x + y) / (2.0f * shape_side);
          at(x, y)[c] = corner[c] * (1 - t) + other[c] * t;
        }
    Colour background{};
    for (std::size_t c = 0; c < 3; ++c) background[c] = (corner[c] + other[c]) / 2;
    // Marks too small to be a shape.
    for (int i = 0; i < 3; ++i)
      paint(disc, uniform(0, 32), uniform(0, 32), uniform(1.0f, 2.2f), 0, colour());
    const float size = uniform(6.0f, 11.5f);
    paint(shape.distance, uniform(size, 32 - size), uniform(size, 32 - size), size,
          uniform(-0.26f, 0.26f), apart_from(background));
    const float noise = uniform(4.0f, 22.0f);
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      picture_.pixels[i] = static_cast<std::uint8_t>(std::clamp(
          255 * numbers_[i] + noise * static_cast<float>(random_.normal()), 0.0f, 255.0f));
    return picture_;
  }

private:
  float uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(random_.uniform());
  }
  Colour colour() { return {uniform(0, 1), uniform(0, 1), uniform(0, 1)}; }
  Colour apart_from(const Colour& background) {
    while (true) {
      const Colour made = colour();
      float distance = 0;
      for (std::size_t c = 0; c < 3; ++c) distance += std::abs(made[c] - background[c]);
      if (distance > 0.8f) return made;
    }
  }
  float* at(std::int64_t x, std::int64_t y) {
    return numbers_.data() + static_cast<std::size_t>(3 * (y * shape_side + x));
  }

  // Edges fade over one place.
  void paint(Distance distance, float centre_x, float centre_y, float size, float turn,
             const Colour& colour) {
    const float sine = std::sin(turn), cosine = std::cos(turn);
    for (std::int64_t y = 0; y < shape_side; ++y)
      for (std::int64_t x = 0; x < shape_side; ++x) {
        const float dx = (static_cast<float>(x) + 0.5f - centre_x) / size;
        const float dy = (static_cast<float>(y) + 0.5f - centre_y) / size;
        const float outside = size * distance(cosine * dx + sine * dy, cosine * dy - sine * dx);
        const float share = std::clamp(0.5f - outside, 0.0f, 1.0f);
        for (std::size_t c = 0; c < 3; ++c)
          at(x, y)[c] = at(x, y)[c] * (1 - share) + colour[c] * share;
      }
  }

  RandomStream random_;
  Picture picture_;
  std::array<float, static_cast<std::size_t>(3 * shape_side * shape_side)> numbers_{};
};

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Figure& shape : figures) names.emplace_back(shape.name);
  return names;
}

TokenizedData draw_shapes(std::int64_t count, std::uint64_t seed, bool test,
                          const ImageInput& input) {
  TokenizedData data = make_pictures(count, shape_names(), input, "shapes");
  parallel_items(count, [&](std::int64_t i, int) {
    // Every picture has a stream of its own; the highest bit tells the splits apart.
    const auto label = static_cast<std::size_t>(i) % figures.size();
    const auto stream = static_cast<std::uint32_t>(i) | (test ? 0x80000000u : 0u);
    set_picture(data, i, static_cast<std::int32_t>(label),
                Drawing(RandomStream(seed + 0x73686170u, stream)).draw(figures[label]));
  });
  return data;
}

}  // namespace hone
