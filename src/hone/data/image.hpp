// Pictures: decoding them, and the sizes that a model takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hone {

// What a model takes of pictures: a part of the model.
struct ImageInput {
  std::int64_t channels = 0, height = 0, width = 0;  // 0: the model reads no pictures
  // Of a picture the shorter side is brought to this, then the centre is cut out.
  std::int64_t resize = 0;
  // A channel's numbers, from 0 to 1, become (x - mean) / deviation; one of each a channel.
  std::vector<float> mean = {}, deviation = {};

  explicit operator bool() const { return channels > 0; }
  // Numbers of a picture.
  std::int64_t size() const { return channels * height * width; }
  bool operator==(const ImageInput&) const = default;
};

// Throws Error(bad_format) for sizes and numbers that cannot be; `where` starts the message.
void check_image_input(const ImageInput& input, const std::string& where);

// Bytes [height, width, channels]: grey, or red, green and blue.
struct Picture {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels = {};
};

// A JPEG or PNG by its first bytes. Grey stays grey, palettes and CMYK become RGB, 16 bits 8;
// transparency is left out, as torchvision does. `where` starts messages. Throws Error(bad_format)
// for what is damaged, cut short or empty, Error(unsupported) for other formats and above 2^28
// places.
Picture decode_picture(std::span<const std::byte> bytes, const std::string& where);
Picture read_picture(const std::filesystem::path& file);

// Writes the picture as bytes [height, width, channels] of `input`: resized (bilinear, over the
// whole area that a place stands for, as Pillow has it), the centre cut out, grey repeated, colours
// weighed to grey (ITU-R 601).
void fit_picture(const Picture& picture, const ImageInput& input, std::uint8_t* to);

}  // namespace hone
