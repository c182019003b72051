#include "hone/data/tokenizer_template.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "hone/core/error.hpp"

namespace hone {

using Kind = TemplatePiece::Kind;

Template single_template(std::int32_t classify, std::int32_t separate) {
  return {{Kind::token, classify, 0}, {Kind::first, 0, 0}, {Kind::token, separate, 0}};
}

Template pair_template(std::int32_t classify, std::int32_t separate) {
  Template pieces = single_template(classify, separate);
  pieces.push_back({Kind::second, 0, 1});
  pieces.push_back({Kind::token, separate, 1});
  return pieces;
}

std::size_t room_for_texts(const Template& pieces, std::int64_t max_length) {
  const auto around = static_cast<std::size_t>(
      std::count_if(pieces.begin(), pieces.end(),
                    [](const TemplatePiece& piece) { return piece.kind == Kind::token; }));
  if (max_length < 0 || (max_length > 0 && static_cast<std::size_t>(max_length) < around))
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("max length {} leaves no room for the {} special tokens", max_length, around),
        fmt::format("give a max length of at least {}", around));
  return max_length == 0 ? std::string_view::npos : static_cast<std::size_t>(max_length) - around;
}

std::pair<std::size_t, std::size_t> share_room(std::size_t a, std::size_t b, std::size_t room) {
  if (b <= room && a <= room - b) return {a, b};
  const std::size_t half = std::min({a, b, room / 2});
  return a <= b ? std::pair{half, room - half} : std::pair{room - half, half};
}

void append_filled(const Template& pieces, std::span<const std::int32_t> first,
                   std::span<const std::int32_t> second, std::vector<std::int32_t>& ids,
                   std::vector<std::uint8_t>* type_ids) {
  for (const TemplatePiece& piece : pieces) {
    if (piece.kind == Kind::token) {
      ids.push_back(piece.id);
    } else {
      const auto text = piece.kind == Kind::first ? first : second;
      ids.insert(ids.end(), text.begin(), text.end());
    }
    if (type_ids != nullptr) type_ids->resize(ids.size(), piece.type);
  }
}

}  // namespace hone
