// How Microsoft's microxcaling (https://github.com/microsoft/microxcaling) computes MX and small
// floating-point formats: rule "microxcaling".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hone/numerics/format.hpp"

namespace hone::microxcaling {

enum class Round { nearest, floor, even };  // nearest: halves away from zero
Round parse_round(const std::string& name);
// Options of formats that have the rule microxcaling.
OptionSpec rounding_option();
OptionSpec flush_subnormals_option();

struct Element {
  int exponent_width = 0;  // 0: integers
  int bits = 8;            // sign, leading bit and fraction
  int largest_exponent = 0;
  float largest = 0;
};
Element integer_element(int bits);
// An OCP element by its widths; the largest number is E4M3's 448 where asked for.
Element float_element(int exponent_width, int fraction);

struct ElementOptions {
  Element element;
  Round round = Round::nearest;
  bool saturate = true;
  bool subnormals = true;
};
float quantize_element(const ElementOptions& options, float x);

struct BlockOptions {
  std::string format;
  ElementOptions element;
  std::int64_t axis = -1;
  std::int64_t block_size = 32;  // 0: the whole axis
  int scale_bits = 8;
  bool flush_subnormals = false;
};
std::unique_ptr<const Quantizer> make_block_quantizer(const BlockOptions& options);

}  // namespace hone::microxcaling
