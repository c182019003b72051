// The compiled form of a tokenizer's definition.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hone/core/error.hpp"
#include "hone/data/tokenizer_state.hpp"

namespace hone {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view definition_magic = "hone tokenizer 4\n";
constexpr std::uint32_t no_token = 0xffffffffu;

void put_u32(std::string& out, std::uint32_t value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

std::uint32_t take_u32(std::string_view& bytes) {
  if (bytes.size() < 4) throw Error(ErrorCode::bad_format, "compiled tokenizer: cut short");
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), 4);
  bytes.remove_prefix(4);
  return value;
}

std::string_view take(std::string_view& bytes, std::size_t size) {
  if (bytes.size() < size) throw Error(ErrorCode::bad_format, "compiled tokenizer: cut short");
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

OrderedJson pack_template(const Template& pieces) {
  OrderedJson list = OrderedJson::array();
  for (const TemplatePiece& piece : pieces)
    list.push_back({static_cast<int>(piece.kind), piece.id, piece.type});
  return list;
}

Template unpack_template(const OrderedJson& list) {
  Template pieces;
  for (const OrderedJson& item : list) {
    const int kind = item.at(0).get<int>();
    if (kind < 0 || kind > static_cast<int>(TemplatePiece::Kind::token))
      throw Error(ErrorCode::bad_format, "compiled tokenizer: unknown kind of template piece");
    pieces.push_back({static_cast<TemplatePiece::Kind>(kind), item.at(1).get<std::int32_t>(),
                      item.at(2).get<std::uint8_t>()});
  }
  return pieces;
}

OrderedJson pack_identity(const TokenizerDefinition& d) {
  OrderedJson head{{"clean_text", d.clean_text},
                   {"split_chinese", d.split_chinese},
                   {"strip_accents", d.strip_accents},
                   {"lowercase", d.lowercase},
                   {"unknown", d.unknown},
                   {"prefix", d.prefix},
                   {"longest_word", d.longest_word},
                   {"single", pack_template(d.single)},
                   {"pair", pack_template(d.pair)},
                   {"truncate_left", d.truncate_left},
                   {"split_special", d.split_special},
                   {"added", OrderedJson::array()},
                   {"whole", OrderedJson::array()}};
  for (const AddedToken& token : d.added)
    head["added"].push_back({token.content, token.id, token.single_word, token.strip_left,
                             token.strip_right, token.special, token.normalized});
  for (std::int64_t id = 0; id < d.vocabulary.size(); ++id)
    if (d.vocabulary.has(id) && !d.vocabulary.is_piece(id)) head["whole"].push_back(id);
  return head;
}

void pack_rest(const TokenizerDefinition& d, OrderedJson& head) {
  head["roles"] = d.roles;
  head["pad_left"] = d.pad_left;
  head["extra_special"] = d.extra_special;
  head["model_max_length"] = d.model_max_length;
  head["saved_truncation"] = d.saved_truncation;
  head["saved_padding"] = d.saved_padding;
  head["saved_padding_multiple"] = d.saved_padding_multiple;
  head["notes"] = d.notes;
  head["other_settings"] = d.other_settings;
  head["has_special_map"] = d.has_special_map;
  head["has_added_file"] = d.has_added_file;
}

void unpack_head(const OrderedJson& head, TokenizerDefinition& d) {
  head.at("clean_text").get_to(d.clean_text);
  head.at("split_chinese").get_to(d.split_chinese);
  head.at("strip_accents").get_to(d.strip_accents);
  head.at("lowercase").get_to(d.lowercase);
  head.at("unknown").get_to(d.unknown);
  head.at("prefix").get_to(d.prefix);
  head.at("longest_word").get_to(d.longest_word);
  d.single = unpack_template(head.at("single"));
  d.pair = unpack_template(head.at("pair"));
  head.at("truncate_left").get_to(d.truncate_left);
  d.pad_left = head.value("pad_left", false);
  head.at("split_special").get_to(d.split_special);
  for (const OrderedJson& token : head.at("added"))
    d.added.push_back({token.at(0).get<std::string>(), token.at(1).get<std::int32_t>(),
                       token.at(2).get<bool>(), token.at(3).get<bool>(), token.at(4).get<bool>(),
                       token.at(5).get<bool>(), token.at(6).get<bool>()});
  head.at("roles").get_to(d.roles);
  head.at("extra_special").get_to(d.extra_special);
  head.at("model_max_length").get_to(d.model_max_length);
  head.at("saved_truncation").get_to(d.saved_truncation);
  head.at("saved_padding").get_to(d.saved_padding);
  head.at("saved_padding_multiple").get_to(d.saved_padding_multiple);
  head.at("notes").get_to(d.notes);
  head.at("other_settings").get_to(d.other_settings);
  head.at("has_special_map").get_to(d.has_special_map);
  head.at("has_added_file").get_to(d.has_added_file);
}

}  // namespace

std::string pack_definition(const TokenizerDefinition& d, Packed what) {
  OrderedJson head = pack_identity(d);
  if (what == Packed::whole) pack_rest(d, head);
  const std::string text = head.dump();
  std::string out(definition_magic);
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  out += text;
  put_u32(out, static_cast<std::uint32_t>(d.vocabulary.size()));
  for (std::int64_t id = 0; id < d.vocabulary.size(); ++id) {
    const std::string_view token = d.vocabulary.token(id);
    put_u32(out, d.vocabulary.has(id) ? static_cast<std::uint32_t>(token.size()) : no_token);
    out += token;
  }
  return out;
}

TokenizerDefinition unpack_definition(std::string_view bytes) {
  if (!bytes.starts_with(definition_magic))
    throw Error(ErrorCode::bad_format, "compiled tokenizer: unknown form");
  bytes.remove_prefix(definition_magic.size());
  const std::uint32_t head_size = take_u32(bytes);
  TokenizerDefinition d;
  std::vector<std::int64_t> whole;
  try {
    const OrderedJson head = OrderedJson::parse(take(bytes, head_size));
    unpack_head(head, d);
    head.at("whole").get_to(whole);
  } catch (const OrderedJson::exception& error) {
    throw Error(ErrorCode::bad_format, fmt::format("compiled tokenizer: {}", error.what()));
  }
  const std::uint32_t count = take_u32(bytes);
  for (std::uint32_t id = 0; id < count; ++id) {
    const std::uint32_t size = take_u32(bytes);
    if (size != no_token)
      d.vocabulary.add(take(bytes, size), id,
                       !std::binary_search(whole.begin(), whole.end(), std::int64_t{id}));
  }
  if (!bytes.empty()) throw Error(ErrorCode::bad_format, "compiled tokenizer: bytes left over");
  return d;
}

}  // namespace hone
