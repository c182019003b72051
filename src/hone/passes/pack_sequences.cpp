// Makes a graph of dense batches of texts one of packed sequences: rows that fill texts up are not
// computed. The opposite of dense_sequences, for encoders that other programs exported.
//
//   input %input_ids i64[batch,sequence], %token_type_ids, %attention_mask (0: filled up)
//     =>   input %ids i32[T], %type_ids, %positions, %offsets i32[B+1]
//   dense_attention(q, k, v, what the mask adds)   =>   attention(q, k, v, offsets)
//   [batch,sequence,...] and [batch*sequence,...]  =>   [T,...]
//
// What it gives is a row for each text. Needs attention as one node (fuse_attention); throws
// Error(unsupported) naming what has no packed form.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"
#include "hone/graph/dim.hpp"
#include "hone/graph/op.hpp"
#include "hone/ops/detail/numbers.hpp"
#include "hone/passes/detail/batch_sample.hpp"
#include "hone/passes/pass.hpp"

namespace hone {
namespace {
namespace pack_sequences_pass {

// Scores that are so far below others leave nothing of their exponentials.
constexpr double far_below = -1e4;

[[noreturn]] void refuse(const std::string& what, const std::string& hint = "") {
  throw Error(ErrorCode::unsupported, "it has no packed form: " + what, hint);
}

class Packer {
public:
  Packer(const Graph& dense, TensorStore& tensors) : from_(dense), tensors_(tensors) {
    to_.name = dense.name;
    map_.assign(dense.values.size(), none);
    find_inputs();
    const auto tokens = [&](const char* name) { return to_.input(name, {DType::i32, {"T"}}); };
    set(ids_, tokens("ids"));
    type_ids_ = tokens("type_ids");
    if (types_ != none) set(types_, type_ids_);
    sample_.emplace(from_, tensors_, ids_, mask_, types_);
    positions_ = tokens("positions");
    offsets_ = to_.input("offsets", {DType::i32, {Dim("B", 1)}});
  }

  Graph finish() {
    if (from_.outputs.size() != 1)
      refuse(
          fmt::format("it has {} outputs, one row for each text is wanted", from_.outputs.size()));
    const ValueId output = from_.outputs[0].second;
    const ValueType& type = from_.type(output);
    if (type.dims.size() != 2 || !(type.dims[0] == batch_) || !type.dims[1].is_fixed())
      refuse(fmt::format("its output is {}, one row for each text is wanted", to_string(type)),
             "export the model with its classifier");
    to_.outputs.emplace_back("logits", at(output));
    cut_places();
    to_.sort();
    to_.remove_dead(true);
    return std::move(to_);
  }

private:
  using Dims = std::vector<Dim>;

  void set(ValueId dense, ValueId packed) { map_[static_cast<std::size_t>(dense)] = packed; }
  std::string name(ValueId dense) const { return "%" + from_.value(dense).name; }

  void find_inputs() {
    for (std::size_t v = 0; v < from_.values.size(); ++v) {
      const Value& value = from_.values[v];
      if (value.kind != ValueKind::input) continue;
      const auto id = static_cast<ValueId>(v);
      const Dims& dims = value.type.dims;
      if (!is_whole(value.type.dtype) || dims.size() != 2 || dims[0].is_fixed() ||
          dims[1].is_fixed())
        refuse(fmt::format("its input %{} is {}, whole numbers [batch,sequence] of any sizes are "
                           "wanted",
                           value.name, to_string(value.type)),
               "both must stay open: torch.onnx.export(..., dynamic_axes) or dynamic_shapes");
      const bool is_mask = value.name.find("mask") != std::string::npos;
      const bool is_types = value.name.find("type") != std::string::npos;
      ValueId& role = is_mask ? mask_ : is_types ? types_ : ids_;
      if (role != none)
        refuse(
            fmt::format("what %{} is beside %{} is not known", value.name, from_.value(role).name),
            "inputs are called input_ids, attention_mask and token_type_ids");
      role = id;
    }
    if (ids_ == none) refuse("it reads no ids of tokens");
    if (mask_ == none)
      refuse("it has no attention_mask, so that what fills texts up is attended to",
             "export it with its mask");
    batch_ = from_.type(ids_).dims[0];
    sequence_ = from_.type(ids_).dims[1];
    for (const ValueId other : {mask_, types_})
      if (other != none && from_.type(other).dims != from_.type(ids_).dims)
        refuse(fmt::format("{} is {}, {} {}", name(other), to_string(from_.type(other)), name(ids_),
                           to_string(from_.type(ids_))));
    rows_ = multiply(batch_, sequence_);
  }

  bool has(const Dim& dim, const Dim& named) const {
    return names_of(dim).count(named.symbol) != 0;
  }
  bool mentions(const Dims& dims, const Dim& named) const {
    return std::any_of(dims.begin(), dims.end(), [&](const Dim& dim) { return has(dim, named); });
  }

  // What follows the dimensions that count tokens: how many dimensions those are. 0: the value has
  // no row for each token.
  std::size_t token_dims(const Dims& dims) const {
    std::size_t count = 0;
    if (dims.size() > 1 && dims[0] == batch_ && dims[1] == sequence_) count = 2;
    if (!dims.empty() && dims[0] == rows_) count = 1;
    // (The same in each text: positions.)
    if (dims.size() > 1 && dims[0] == Dim(1) && dims[1] == sequence_) count = 2;
    if (!dims.empty() && dims[0] == sequence_) count = 1;
    const Dims rest(dims.begin() + static_cast<std::ptrdiff_t>(count), dims.end());
    return mentions(rest, batch_) || mentions(rest, sequence_) ? 0 : count;
  }
  // Dimensions in the packed graph. Throws where there are none.
  Dims packed(ValueId dense) const {
    const Dims& dims = from_.type(dense).dims;
    Dims made;
    if (const std::size_t count = token_dims(dims); count > 0) {
      made = {Dim("T")};
      made.insert(made.end(), dims.begin() + static_cast<std::ptrdiff_t>(count), dims.end());
      return made;
    }
    for (const Dim& dim : dims) {
      if (dim == batch_)
        made.emplace_back("B");
      else if (has(dim, batch_) || has(dim, sequence_))
        refuse(fmt::format("{} is {}", name(dense), to_string(from_.type(dense))));
      else
        made.push_back(dim);
    }
    return made;
  }
  bool is_of_tokens(ValueId dense) const { return token_dims(from_.type(dense).dims) > 0; }

  ValueId apply(const std::string& op, std::vector<ValueId> inputs, Options attributes,
                ValueId named) {
    return to_.apply(op, std::move(inputs), std::move(attributes),
                     named == none ? "" : from_.value(named).name);
  }
  ValueId shaped(ValueId x, const Dims& dims, ValueId named = none) {
    while (const Node* node = to_.producer(x, "reshape")) x = node->inputs[0];
    if (to_.type(x).dims == dims) return x;
    return apply("reshape", {x}, {{"shape", to_string(dims)}}, named);
  }

  ValueId at(ValueId dense) {
    if (const ValueId known = map_[static_cast<std::size_t>(dense)]; known != none) return known;
    const Value& value = from_.value(dense);
    if (is_tensor_of_model(value.kind)) {
      // (Inputs of packed texts have their names.)
      const std::string own = to_.unique_name(value.name);
      if (own != value.name) tensors_.set(own, tensors_.at(value.name));
      const ValueId made = to_.add_value(own, value.type, value.kind);
      to_.value(made).frozen = value.frozen;
      set(dense, made);
      return made;
    }
    const Node* node = from_.producer(dense);
    if (node == nullptr) refuse(name(dense) + " is read for more than it is");
    if (++depth_ > deepest_chain) refuse("chains of nodes are too long");
    ValueId made = none;
    try {
      made = convert(*node, dense);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument) throw;
      refuse(fmt::format("{} = {}(...): {}", name(dense), node->op, error.message()));
    }
    --depth_;
    if (map_[static_cast<std::size_t>(dense)] == none) set(dense, made);
    return made;
  }

  ValueId convert(const Node& node, ValueId dense) {
    const ValueId x = node.inputs.empty() ? ValueId(none) : node.inputs[0];
    if (node.op == "iota") return iota(node, dense);
    if (node.op == "gather") return gather(node, dense);
    if (node.op == "slice") return slice(node, dense);
    if (node.op == "reshape") return shaped(at(x), packed(dense), dense);
    if (node.op == "expand") return expand(node, dense);
    if (node.op == "dense_attention") return attention(node, dense);
    if (is_of_tokens(dense) && !is_row_by_row(node)) return of_trailing(node, dense);
    // Rows of tokens meet rows of tokens alone.
    const bool tokens = is_of_tokens(dense);
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) {
      if (input != none && is_of_tokens(input) && !tokens) refuse_node(node, dense);
      inputs.push_back(input == none ? ValueId(none) : at(input));
    }
    const NodeId made =
        to_.append(node.op, inputs, node.attributes, from_.value(node.outputs[0]).name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      set(node.outputs[i], to_.node(made).outputs[i]);
    return map_[static_cast<std::size_t>(dense)];
  }

  static bool is_whole(DType dtype) { return dtype == DType::i32 || dtype == DType::i64; }
  // Each row of the result follows from the same row alone, and attributes name no dimension.
  bool is_row_by_row(const Node& node) const {
    const Op& op = find_op(node.op);
    return op.elementwise || op.rows == RowRule::rows;
  }

  // 0, 1, 2, ... in each text.
  ValueId iota(const Node& node, ValueId dense) {
    if (!(parse_dim(node.attributes.text("size")) == sequence_)) {
      packed(dense);  // (Sizes of a batch are no numbers here.)
      if (is_of_tokens(dense) || from_.type(dense).dims[0] == batch_) refuse_node(node, dense);
      return apply(node.op, {}, node.attributes, dense);
    }
    const DType dtype = from_.type(dense).dtype;
    return dtype == DType::i32
               ? positions_
               : apply("cast", {positions_}, {{"to", std::string(name_of(dtype))}}, dense);
  }

  // Reductions and the like along dimensions behind the tokens'.
  ValueId of_trailing(const Node& node, ValueId dense) {
    if (node.inputs.empty()) refuse_node(node, dense);
    const ValueId x = node.inputs[0];
    const std::size_t count = token_dims(from_.type(x).dims);
    Options attributes = node.attributes;
    for (const char* key : {"axes", "order"}) {
      if (!attributes.contains(key)) continue;
      std::vector<std::int64_t> axes = integers_of(attributes, key), moved;
      const auto shift = static_cast<std::int64_t>(count) - 1;
      const bool order = std::string_view(key) == "order";
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const bool of_tokens = axes[i] < static_cast<std::int64_t>(count);
        if (order && of_tokens && axes[i] == static_cast<std::int64_t>(i)) {
          if (i == 0) moved.push_back(0);
          continue;
        }
        if (of_tokens || count == 0) refuse_node(node, dense);
        moved.push_back(axes[i] - shift);
      }
      attributes.set(key, to_text(moved));
      return apply(node.op, {at(x)}, attributes, dense);
    }
    refuse_node(node, dense);
  }
  [[noreturn]] void refuse_node(const Node& node, ValueId dense) const {
    refuse(fmt::format("{} = {}(...) goes over tokens", name(dense), node.op));
  }

  // Rows of tables, and the first token of each text.
  ValueId gather(const Node& node, ValueId dense) {
    const ValueId table = node.inputs[0], places = node.inputs[1];
    const std::int64_t axis = node.attributes.integer("axis");
    if (axis == 1 && token_dims(from_.type(table).dims) == 2 && is_zero(places))
      return shaped(first_tokens(table), packed(dense), dense);
    if (axis == 0 && token_dims(from_.type(table).dims) == 1 && are_starts(places))
      return shaped(first_tokens(table), packed(dense), dense);
    if (axis != 0 || from_.type(table).dims.size() != 2 ||
        !is_tensor_of_model(from_.value(table).kind))
      refuse_node(node, dense);
    const Places found = places_of(places);
    if (found.rows == none)
      refuse(
          fmt::format("which rows of {} are picked follows neither from ids nor from types nor "
                      "from places",
                      name(table)));
    return shaped(apply("embedding", {at_table(table, found.skipped), found.rows}, {}, dense),
                  packed(dense));
  }

  // What picks rows of a table: an input, or places counted from `skipped` on.
  struct Places {
    ValueId rows = none;
    std::int64_t skipped = 0;
  };
  Places places_of(ValueId id) {
    const ValueId given = same_numbers(id);
    if (given == ids_ || (types_ != none && given == types_)) return {at(given)};
    if (types_ != none && sample_->depends_on(id, types_)) return {};
    Places found = seen_places(id, 0);
    for (int variant = 1; variant < BatchSample::variants; ++variant)
      if (sample_->depends_on(id, ids_)) {
        const Places other = seen_places(id, variant);
        if (other.rows != found.rows || other.skipped != found.skipped) found = {};
      }
    return found;
  }
  Places seen_places(ValueId id, int variant) {
    const Tensor* seen = sample_->value(id, variant);
    if (seen == nullptr || !is_whole(seen->dtype())) return {};
    // A number for each place, of all texts or of each.
    const std::int64_t length = sample_->length(), texts = seen->size() / length;
    if (seen->size() != texts * length || (texts != 1 && texts != BatchSample::texts)) return {};
    const std::int64_t first = integer_at(*seen, 0);
    bool counts = first >= 0, zero = first == 0;
    for (std::int64_t i = 0; i < seen->size(); ++i) {
      if (!sample_->is_token(i / length, i % length)) continue;
      counts = counts && integer_at(*seen, i) == first + i % length;
      zero = zero && integer_at(*seen, i) == 0;
    }
    if (counts) return {positions_, first};
    // (Exported for single texts: all of type 0, and so are those here.)
    return zero && types_ == none ? Places{type_ids_} : Places{};
  }
  // Behind changes of shape, and of one whole type into another.
  ValueId same_numbers(ValueId id) const {
    for (const Node* node = from_.producer(id);
         node != nullptr &&
         (node->op == "reshape" || (node->op == "cast" && is_whole(from_.type(id).dtype) &&
                                    is_whole(from_.type(node->inputs[0]).dtype)));
         node = from_.producer(id))
      id = node->inputs[0];
    return id;
  }

  // A table whose rows from `skipped` on are picked by places.
  ValueId at_table(ValueId table, std::int64_t skipped) {
    const ValueId made = at(table);
    const auto [found, fresh] = skipped_.emplace(made, skipped);
    if (!fresh && found->second != skipped)
      refuse(fmt::format("{} is read for more than places", name(table)));
    return made;
  }

  // Tables of places end where the longest text ends that masks and places were tried with, and
  // begin with the row of the first place.
  void cut_places() {
    std::map<ValueId, std::int64_t> kept;  // by table: rows
    for (const Node& node : to_.nodes) {
      if (node.op != "embedding" || node.inputs[1] != positions_) continue;
      const auto found = skipped_.find(node.inputs[0]);
      const std::int64_t skipped = found == skipped_.end() ? 0 : found->second;
      const std::int64_t rows = to_.type(node.inputs[0]).dims[0].offset - skipped;
      if (rows < 1) refuse("places begin behind their table");
      kept[node.inputs[0]] = std::min(rows, sample_->length());
    }
    for (const auto& [table, rows] : kept) {
      const std::int64_t all = to_.type(table).dims[0].offset;
      if (rows == all) continue;
      const std::string own = "%" + to_.value(table).name;
      if (!is_tensor_of_model(to_.value(table).kind))
        refuse(fmt::format("{} has {} places, masks allow {}", own, all, rows));
      for (const Node& node : to_.nodes)
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
          if (node.inputs[i] == table &&
              (node.op != "embedding" || i != 0 || node.inputs[1] != positions_))
            refuse(own + " is read for more than places");
      const auto found = skipped_.find(table);
      cut_table(to_.value(table), found == skipped_.end() ? 0 : found->second, rows);
    }
  }
  void cut_table(Value& value, std::int64_t skipped, std::int64_t rows) {
    const Tensor& whole = tensors_.at(value.name);
    const std::size_t row = whole.bytes() / static_cast<std::size_t>(whole.shape()[0]);
    Tensor cut(whole.dtype(), {rows, whole.shape()[1]});
    std::memcpy(
        cut.data(),
        static_cast<const std::byte*>(whole.data()) + row * static_cast<std::size_t>(skipped),
        cut.bytes());
    tensors_.set(value.name, cut);
    value.type.dims[0] = Dim(rows);
  }

  // Whether these are 0, sequence, 2 sequence, ...: the rows of first tokens.
  bool are_starts(ValueId id) const {
    const Node* node = from_.producer(same_numbers(id), "slice");
    if (node == nullptr || node->attributes.integer("axis") != 1 ||
        node->attributes.text("begin") != "0" || node->attributes.text("end") != "1")
      return false;
    const Dims dims = from_.type(node->inputs[0]).dims;
    node = from_.producer(node->inputs[0], "reshape");
    if (node == nullptr || dims != Dims{batch_, sequence_}) return false;
    node = from_.producer(node->inputs[0], "iota");
    return node != nullptr && parse_dim(node->attributes.text("size")) == rows_;
  }

  bool is_zero(ValueId id) const {
    const Value& value = from_.value(id);
    if (!is_tensor_of_model(value.kind) || !is_whole(value.type.dtype)) return false;
    const Tensor& tensor = tensors_.at(value.name);
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      if (integer_at(tensor, i) != 0) return false;
    return true;
  }

  ValueId first_tokens(ValueId x) {
    if (starts_ == none) starts_ = to_.apply("sequence_starts", {offsets_}, {}, "starts");
    return to_.apply("gather_rows", {at(x), starts_});
  }

  ValueId slice(const Node& node, ValueId dense) {
    const ValueId x = node.inputs[0];
    const std::int64_t axis = node.attributes.integer("axis");
    const Dim begin = parse_dim(node.attributes.text("begin")),
              end = parse_dim(node.attributes.text("end"));
    const bool from_start = begin == Dim(0) && node.attributes.integer_or("step", 1) == 1;
    const Dims& dims = from_.type(x).dims;
    if (from_start && axis == 1 && end == Dim(1) && token_dims(dims) == 2 && dims[0] == batch_)
      return shaped(first_tokens(x), packed(dense), dense);
    // The first of a table's rows.
    const Value& value = from_.value(x);
    const bool whole_front = axis == 0 || (axis == 1 && dims[0] == Dim(1));
    if (from_start && end == sequence_ && whole_front && is_tensor_of_model(value.kind) &&
        value.type.dtype == DType::f32 && dims.size() == static_cast<std::size_t>(axis) + 2) {
      const ValueId table = shaped(at(x), {dims[dims.size() - 2], dims.back()});
      return apply("embedding", {table, positions_}, {}, dense);
    }
    refuse_node(node, dense);
  }

  ValueId expand(const Node& node, ValueId dense) {
    const ValueId x = node.inputs[0];
    const Dims small = from_.type(x).dims, large = from_.type(dense).dims, to = packed(dense);
    const std::size_t count = token_dims(large);
    if (token_dims(small) > 0) {
      const ValueId rows = at(x);
      return to_.type(rows).dims == to ? rows
                                       : apply("expand", {rows}, {{"shape", to_string(to)}}, dense);
    }
    ValueId made = at(x);
    if (count > 0) {
      // The dimensions in front of those behind the tokens' are 1.
      const std::size_t rest = std::min(small.size(), large.size() - count);
      const Dims behind(small.end() - static_cast<std::ptrdiff_t>(rest), small.end());
      if (!std::all_of(small.begin(), small.end() - static_cast<std::ptrdiff_t>(rest),
                       [](const Dim& dim) { return dim == Dim(1); }))
        refuse_node(node, dense);
      made = shaped(made, behind);
    }
    return apply("expand", {made}, {{"shape", to_string(to)}}, dense);
  }

  ValueId attention(const Node& node, ValueId dense) {
    const Dims q = from_.type(node.inputs[0]).dims;
    if (!node.attributes.boolean("heads_last") || node.attributes.boolean_or("causal", false) ||
        token_dims(q) != 2 || q.size() != 4)
      refuse_node(node, dense);
    for (std::size_t i = 1; i < 3; ++i)
      if (from_.type(node.inputs[i]).dims != q) refuse_node(node, dense);
    check_mask(node, dense);
    const std::int64_t heads = q[2].offset, size = q[3].offset;
    std::vector<ValueId> rows;
    for (std::size_t i = 0; i < 3; ++i)
      rows.push_back(shaped(at(node.inputs[i]), {Dim("T"), heads * size}));
    const double factor = node.attributes.real("scale") * std::sqrt(static_cast<double>(size));
    if (std::fabs(factor - 1) > 1e-6) rows[0] = to_.apply("scale", {rows[0]}, {{"factor", factor}});
    rows.push_back(offsets_);
    const ValueId made = apply("attention", rows, {{"heads", heads}}, dense);
    return shaped(made, packed(dense));
  }

  // What is added to the scores of a key must be nothing where it is a token, and leave nothing of
  // it where it fills a text up; of queries that are tokens.
  void check_mask(const Node& node, ValueId dense) {
    const ValueId mask = node.inputs.size() > 3 ? node.inputs[3] : ValueId(none);
    if (mask == none) refuse(name(dense) + " attends to what fills texts up");
    if (!checked_masks_.insert(mask).second) return;
    if (!masks_fill(mask))
      refuse(fmt::format("what {} adds to the scores of {} is not known to be what the mask means",
                         name(mask), name(dense)));
  }
  bool masks_fill(ValueId mask) {
    if (sample_->depends_on(mask, ids_) || (types_ != none && sample_->depends_on(mask, types_)))
      return false;
    const Tensor* seen = sample_->value(mask);
    const std::size_t rank = from_.type(mask).dims.size();
    if (seen == nullptr || rank > 4) return false;
    Shape sizes = seen->shape();
    sizes.insert(sizes.begin(), 4 - rank, 1);
    const Shape strides = strides_of(sizes);
    const bool truth = seen->dtype() == DType::boolean;
    Shape at(4, 0);
    const std::int64_t length = sample_->length();
    for (at[0] = 0; at[0] < BatchSample::texts; ++at[0])
      for (at[1] = 0; at[1] < sizes[1]; ++at[1])
        for (at[2] = 0; at[2] < length && sample_->is_token(at[0], at[2]); ++at[2])
          for (at[3] = 0; at[3] < length; ++at[3]) {
            std::int64_t i = 0;
            for (std::size_t d = 0; d < 4; ++d) i += sizes[d] == 1 ? 0 : at[d] * strides[d];
            const double number =
                truth ? static_cast<double>(integer_at(*seen, i)) : real_at(*seen, i);
            const bool token = sample_->is_token(at[0], at[3]);
            if (truth ? (number != 0) != token : token ? number != 0 : !(number <= far_below))
              return false;
          }
    return true;
  }

  const Graph& from_;
  TensorStore& tensors_;
  Graph to_;
  std::vector<ValueId> map_;  // by value of the dense graph
  std::optional<BatchSample> sample_;
  std::map<ValueId, std::int64_t> skipped_;  // by table of the packed graph
  int depth_ = 0;
  std::set<ValueId> checked_masks_;
  ValueId ids_ = none, mask_ = none, types_ = none;
  Dim batch_, sequence_, rows_;
  ValueId type_ids_ = none, positions_ = none, offsets_ = none, starts_ = none;
};

int run(const PassCall& call) {
  if (call.tensors == nullptr) return 0;
  call.graph = Packer(call.graph, *call.tensors).finish();
  return 1;
}

}  // namespace pack_sequences_pass
}  // namespace

Pass pass_pack_sequences() {
  using namespace pack_sequences_pass;
  Pass pass{{"pack_sequences", "makes texts of dense batches packed sequences"}};
  pass.required = true;
  pass.run = run;
  return pass;
}

}  // namespace hone
