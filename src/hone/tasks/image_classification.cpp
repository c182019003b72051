// One class of several for a picture. The graph reads pixel_values f32[B,C,H,W], normalised; with
// mixed pictures the loss is share * (cross entropy of labels) + rest * (that of mixed_labels).
#include <algorithm>
#include <cmath>
#include <numeric>

#include "hone/core/philox.hpp"
#include "hone/tasks/classes.hpp"

namespace hone {
namespace {
namespace image_classification_task {

// Kept apart from other uses of the seed.
constexpr std::uint64_t augment_key = 0x6175676dull << 32;
constexpr std::uint32_t mixup_stream = 0xffffffffu;

// Where a picture is moved to and whether it is mirrored.
struct Placing {
  std::int64_t down = 0, right = 0;
  bool mirrored = false;
};

// Bytes [H,W,C] to numbers [C,H,W]; places from outside are zero bytes, as torchvision's.
void write_numbers(const std::uint8_t* from, const ImageInput& image, const Placing& placing,
                   float* to) {
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const float by = 1 / (255.0f * image.deviation[static_cast<std::size_t>(c)]);
    const float less =
        image.mean[static_cast<std::size_t>(c)] / image.deviation[static_cast<std::size_t>(c)];
    for (std::int64_t y = 0; y < image.height; ++y) {
      const std::int64_t source = y + placing.down;
      for (std::int64_t x = 0; x < image.width; ++x) {
        const std::int64_t column = (placing.mirrored ? image.width - 1 - x : x) + placing.right;
        const bool inside =
            source >= 0 && source < image.height && column >= 0 && column < image.width;
        const float value =
            inside ? from[(source * image.width + column) * image.channels + c] : 0.0f;
        *to++ = value * by - less;
      }
    }
  }
}

Tensor room(const Dataset& data, SampleNumbers numbers) {
  return Tensor(DType::f32, {static_cast<std::int64_t>(numbers.size()), data.image->channels,
                             data.image->height, data.image->width});
}

void fill(const Dataset& data, SampleNumbers numbers, Inputs& inputs) {
  const std::uint8_t* pixels = data.column("pixels").as<std::uint8_t>().data();
  const std::int64_t size = data.image->size();
  Tensor values = room(data, numbers);
  for (std::size_t b = 0; b < numbers.size(); ++b)
    write_numbers(pixels + numbers[b] * size, *data.image, {},
                  values.as<float>() + static_cast<std::int64_t>(b) * size);
  inputs["pixel_values"] = std::move(values);
}

// Gamma(a, 1) by Marsaglia and Tsang (ACM TOMS 26, 2000).
double gamma_number(RandomStream& random, double a) {
  if (a < 1) return gamma_number(random, a + 1) * std::pow(random.uniform(), 1 / a);
  const double d = a - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = random.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

// Beta(a, a), and 1/2 where a is so small that both parts vanish.
double mixing_share(RandomStream& random, double a) {
  const double x = gamma_number(random, a), y = gamma_number(random, a);
  return x + y > 0 ? x / (x + y) : 0.5;
}

void mix(const Dataset& data, SampleNumbers numbers, double alpha, RandomStream random,
         Inputs& inputs) {
  const auto share = static_cast<float>(mixing_share(random, alpha));
  std::vector<std::size_t> partner(numbers.size());
  std::iota(partner.begin(), partner.end(), std::size_t{0});
  for (std::size_t i = partner.size(); i > 1; --i)
    std::swap(partner[i - 1], partner[random.below(static_cast<std::uint32_t>(i))]);
  const Tensor plain = inputs.at("pixel_values");
  Tensor mixed = room(data, numbers);
  Tensor labels(DType::i32, {static_cast<std::int64_t>(numbers.size())});
  const std::int64_t size = data.image->size();
  for (std::size_t b = 0; b < numbers.size(); ++b) {
    const float* own = plain.as<const float>() + static_cast<std::int64_t>(b) * size;
    const float* other = plain.as<const float>() + static_cast<std::int64_t>(partner[b]) * size;
    float* to = mixed.as<float>() + static_cast<std::int64_t>(b) * size;
    for (std::int64_t i = 0; i < size; ++i) to[i] = share * own[i] + (1 - share) * other[i];
    labels.as<std::int32_t>()[b] =
        data.column("labels").as<std::int32_t>()[static_cast<std::size_t>(numbers[partner[b]])];
  }
  inputs["pixel_values"] = std::move(mixed);
  inputs["mixed_labels"] = std::move(labels);
  for (const auto& [name, part] : {std::pair{"mix", share}, std::pair{"mix_rest", 1 - share}}) {
    Tensor weight(DType::f32, {1});
    weight.as<float>()[0] = part;
    inputs[name] = std::move(weight);
  }
}

void augment(const Dataset& data, SampleNumbers numbers, const Augmentation& wanted,
             Inputs& inputs) {
  const std::uint8_t* pixels = data.column("pixels").as<std::uint8_t>().data();
  const std::int64_t size = data.image->size();
  const std::uint64_t key = wanted.seed ^ augment_key ^ (std::uint64_t{wanted.draw} << 8);
  Tensor values = room(data, numbers);
  for (std::size_t b = 0; b < numbers.size(); ++b) {
    RandomStream random(key, static_cast<std::uint32_t>(b));
    Placing placing;
    if (wanted.crop > 0) {
      const auto range = static_cast<std::uint32_t>(2 * wanted.crop + 1);
      placing.down = random.below(range) - wanted.crop;
      placing.right = random.below(range) - wanted.crop;
    }
    placing.mirrored = wanted.flip && random.below(2) == 1;
    write_numbers(pixels + numbers[b] * size, *data.image, placing,
                  values.as<float>() + static_cast<std::int64_t>(b) * size);
  }
  inputs["pixel_values"] = std::move(values);
  if (wanted.mixup > 0) mix(data, numbers, wanted.mixup, RandomStream(key, mixup_stream), inputs);
}

// A few million numbers: what lies between layers stays a few hundred megabytes.
std::int64_t together(const Dataset& data) {
  constexpr std::int64_t numbers = 4'800'000, most = 128;
  return std::clamp<std::int64_t>(numbers / std::max<std::int64_t>(data.image->size(), 1), 1, most);
}

}  // namespace image_classification_task
}  // namespace

Task task_image_classification() {
  using namespace image_classification_task;
  Task task{{"image_classification", "one class of several for a picture"}};
  task.columns = {"pixels"};
  task.fill = fill;
  answer_with_classes(task);
  task.augment = augment;
  task.together = together;
  return task;
}

}  // namespace hone
