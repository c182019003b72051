#include "hone/graph/text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/graph/verify.hpp"

namespace hone {
namespace {

std::string quote(const OptionValue& value) {
  if (!std::holds_alternative<std::string>(value)) return to_string(value);
  std::string text = "\"";
  for (char c : std::get<std::string>(value)) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

const char* keyword(const Value& value) {
  switch (value.kind) {
    case ValueKind::input: return "input";
    case ValueKind::parameter: return value.frozen ? "frozen" : "param";
    case ValueKind::buffer: return "buffer";
    case ValueKind::constant: return "const";
    case ValueKind::state: return "state";
    case ValueKind::node: break;
  }
  return "";
}

std::string print_attributes(const Node& node) {
  std::string text;
  for (const OptionSpec& spec : find_op(node.op).options) {
    const auto found = node.attributes.values().find(spec.name);
    if (found == node.attributes.values().end()) continue;
    if (spec.default_value && *spec.default_value == found->second) continue;
    text += fmt::format("{}{} = {}", text.empty() ? " {" : ", ", spec.name, quote(found->second));
  }
  return text.empty() ? text : text + "}";
}

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':' ||
         c == '-' || c == '/';
}

// A recursive-descent reader over the text; every error carries line and column.
class Parser {
public:
  Parser(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  void expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("expected '{}'", token));
  }
  bool accept(std::string_view token) {
    skip_space();
    if (text_.substr(position_, token.size()) != token) return false;
    // A word must end where the token ends.
    const std::size_t end = position_ + token.size();
    if (std::isalpha(static_cast<unsigned char>(token.back())) != 0 && end < text_.size() &&
        is_name_character(text_[end]))
      return false;
    position_ = end;
    return true;
  }
  std::string name(std::string_view what) {
    skip_space();
    const std::size_t begin = position_;
    while (position_ < text_.size() && is_name_character(text_[position_])) ++position_;
    if (position_ == begin) fail(fmt::format("expected {}", what));
    return std::string(text_.substr(begin, position_ - begin));
  }
  std::string value_name() {
    expect("%");
    std::string result = name("a value's name");
    // "%x : f32" and "%x: f32" are the same: a colon at the end belongs to the type.
    if (result.back() == ':') {
      result.pop_back();
      --position_;
      if (result.empty()) fail("expected a value's name");
      // Printed and read again it would lose the next one.
      if (result.back() == ':') fail("a value's name does not end with ':'");
    }
    return result;
  }
  std::int64_t integer() {
    skip_space();
    std::int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("expected a whole number");
    position_ += static_cast<std::size_t>(end - begin);
    return value;
  }
  ValueType type() {
    ValueType result;
    const std::string dtype = name("an element type");
    try {
      result.dtype = dtype_from_name(dtype);
    } catch (const Error& error) {
      fail(error.message());
    }
    expect("[");
    if (accept("]")) return result;
    do {
      result.dims.push_back(dim());
    } while (accept(","));
    expect("]");
    return result;
  }
  OptionValue option_value(const OptionSpec& spec) {
    skip_space();
    std::string raw;
    if (accept("\"")) {
      while (position_ < text_.size() && text_[position_] != '"') {
        if (text_[position_] == '\\') ++position_;
        if (position_ < text_.size()) raw += text_[position_++];
      }
      expect("\"");
    } else {
      while (position_ < text_.size() &&
             (is_name_character(text_[position_]) || text_[position_] == '+'))
        raw += text_[position_++];
    }
    try {
      return parse_option(spec, raw, "attribute '" + spec.name + "'");
    } catch (const Error& error) {
      fail(error.message());
    }
  }
  bool at_end() {
    skip_space();
    return position_ == text_.size();
  }
  // Where the next token begins.
  std::size_t here() {
    skip_space();
    return position_;
  }
  [[noreturn]] void fail(const std::string& message) const { fail_at(position_, message); }
  [[noreturn]] void fail_at(std::size_t position, const std::string& message) const {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i < position && i < text_.size(); ++i) {
      ++column;
      if (text_[i] == '\n') {
        ++line;
        column = 1;
      }
    }
    throw Error(ErrorCode::bad_format,
                fmt::format("{}: line {}, column {}: {}", where_, line, column, message));
  }

private:
  // Up to the next comma or bracket outside of parentheses.
  Dim dim() {
    skip_space();
    const std::size_t begin = position_;
    int depth = 0;
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (depth == 0 && (c == ',' || c == ']')) break;
      if (c == '\n') break;
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      ++position_;
    }
    if (trim(text_.substr(begin, position_ - begin)).empty()) fail_at(begin, "expected a size");
    Dim size;
    try {
      size = parse_dim(trim(text_.substr(begin, position_ - begin)));
    } catch (const Error& error) {
      fail_at(begin, error.message());
    }
    if (size.is_fixed() && size.offset < 0) fail_at(begin, "a size cannot be negative");
    return size;
  }
  void skip_space() {
    while (position_ < text_.size()) {
      if (text_[position_] == '#') {
        while (position_ < text_.size() && text_[position_] != '\n') ++position_;
      } else if (std::isspace(static_cast<unsigned char>(text_[position_])) != 0) {
        ++position_;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  std::string where_;
  std::size_t position_ = 0;
};

ValueId read_value(Parser& parser, const Graph& graph) {
  const std::string value_name = parser.value_name();
  const ValueId id = graph.find(value_name);
  if (id == none) parser.fail("%" + value_name + " is not defined before it is used");
  return id;
}

Options read_attributes(Parser& parser, const Op& op) {
  Options attributes;
  if (!parser.accept("{")) return attributes;
  do {
    const std::string key = parser.name("an attribute");
    parser.expect("=");
    const OptionSpec* spec = nullptr;
    try {
      spec = &find_option(op.options, key, "[" + op.name + "]");
    } catch (const Error& error) {
      parser.fail(error.message() + (error.hint().empty() ? "" : "; " + error.hint()));
    }
    attributes.set(key, parser.option_value(*spec));
  } while (parser.accept(","));
  parser.expect("}");
  return attributes;
}

}  // namespace

std::string print_graph(const Graph& graph) {
  std::string text = "graph " + graph.name + " {\n";
  const auto operand = [&](ValueId id) {
    return id == none ? std::string("_") : "%" + graph.value(id).name;
  };
  for (const Value& value : graph.values) {
    if (value.kind != ValueKind::node)
      text += fmt::format("  {} %{} : {}\n", keyword(value), value.name, to_string(value.type));
  }
  for (const Node& node : graph.nodes) {
    text += "  ";
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      text += fmt::format("{}{} : {}", i == 0 ? "" : ", ", operand(node.outputs[i]),
                          to_string(graph.type(node.outputs[i])));
    text += " = " + node.op + "(";
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      text += (i == 0 ? "" : ", ") + operand(node.inputs[i]);
    text += ")" + print_attributes(node);
    if (node.group != no_group) text += fmt::format(" @{}", node.group);
    text += "\n";
  }
  for (const auto& [key, id] : graph.outputs)
    text += fmt::format("  return {} = {}\n", key, operand(id));
  for (const auto& [target, id] : graph.updates)
    text += fmt::format("  update {} = {}\n", operand(target), operand(id));
  return text + "}\n";
}

Graph parse_graph(std::string_view text, const std::string& where) {
  Parser parser(text, where);
  Graph graph;
  parser.expect("graph");
  graph.name = parser.name("the graph's name");
  parser.expect("{");
  const auto declare = [&](ValueKind kind) {
    const std::string value_name = parser.value_name();
    if (graph.find(value_name) != none) parser.fail("%" + value_name + " is defined twice");
    parser.expect(":");
    return graph.add_value(value_name, parser.type(), kind);
  };
  const auto read_node = [&] {
    std::vector<std::pair<std::string, ValueType>> results;
    do {
      std::string value_name = parser.value_name();
      const bool again = std::any_of(results.begin(), results.end(),
                                     [&](const auto& other) { return other.first == value_name; });
      if (again || graph.find(value_name) != none)
        parser.fail("%" + value_name + " is defined twice");
      parser.expect(":");
      results.emplace_back(std::move(value_name), parser.type());
    } while (parser.accept(","));
    parser.expect("=");
    const std::size_t place = parser.here();
    const std::string op_name = parser.name("an op");
    const Op* op = nullptr;
    try {
      op = &find_op(op_name);
    } catch (const Error& error) {
      parser.fail_at(place, error.message() + "; " + error.hint());
    }
    std::vector<ValueId> inputs;
    parser.expect("(");
    if (!parser.accept(")")) {
      do {
        inputs.push_back(parser.accept("_") ? none : read_value(parser, graph));
      } while (parser.accept(","));
      parser.expect(")");
    }
    Options attributes = read_attributes(parser, *op);
    const std::int32_t group =
        parser.accept("@") ? static_cast<std::int32_t>(parser.integer()) : no_group;
    NodeId made = none;
    try {
      made = graph.append(op_name, std::move(inputs), std::move(attributes));
    } catch (const Error& error) {
      parser.fail_at(place, error.message());
    }
    Node& node = graph.node(made);
    node.group = group;
    if (node.outputs.size() != results.size())
      parser.fail_at(place, fmt::format("{} has {} outputs, {} are named", op_name,
                                        node.outputs.size(), results.size()));
    for (std::size_t i = 0; i < results.size(); ++i) {
      Value& value = graph.values[static_cast<std::size_t>(node.outputs[i])];
      graph.names_.erase(value.name);
      graph.names_[results[i].first] = node.outputs[i];
      value.name = results[i].first;
      if (!(value.type == results[i].second))
        parser.fail_at(place,
                       fmt::format("%{} is written as {} but {} gives {}", value.name,
                                   to_string(results[i].second), op_name, to_string(value.type)));
    }
  };
  while (!parser.accept("}")) {
    if (parser.accept("input")) {
      declare(ValueKind::input);
    } else if (parser.accept("param")) {
      declare(ValueKind::parameter);
    } else if (parser.accept("frozen")) {
      graph.value(declare(ValueKind::parameter)).frozen = true;
    } else if (parser.accept("buffer")) {
      declare(ValueKind::buffer);
    } else if (parser.accept("const")) {
      declare(ValueKind::constant);
    } else if (parser.accept("state")) {
      declare(ValueKind::state);
    } else if (parser.accept("return")) {
      const std::string key = parser.name("an output's name");
      parser.expect("=");
      graph.outputs.emplace_back(key, read_value(parser, graph));
    } else if (parser.accept("update")) {
      const ValueId target = read_value(parser, graph);
      parser.expect("=");
      graph.updates.emplace_back(target, read_value(parser, graph));
    } else if (parser.at_end()) {
      parser.fail("expected '}'");
    } else {
      read_node();
    }
  }
  if (!parser.at_end()) parser.fail("nothing may follow the closing '}'");
  try {
    verify_graph(graph);
  } catch (const Error& error) {
    throw Error(ErrorCode::bad_format, where + ": " + error.message(), error.hint());
  }
  return graph;
}

}  // namespace hone
