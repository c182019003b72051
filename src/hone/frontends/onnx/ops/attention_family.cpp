// ONNX's attention and what stands around it, made of products, masks and softmax.
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

class AttentionNode {
public:
  explicit AttentionNode(OnnxCall& call) : call_(call), dtype_(call.type(0).dtype) {}

  void run() {
    for (const std::size_t i : {1u, 2u})
      if (call_.rank(i) != call_.rank(0)) call_.fail("its inputs differ in rank");
    const bool flat = call_.rank(0) == 3;
    if (!flat && call_.rank(0) != 4)
      call_.fail("its inputs have neither three nor four dimensions");
    ValueId q = heads(0, "q_num_heads"), k = heads(1, "kv_num_heads"), v = heads(2, "kv_num_heads");
    if (!flat)
      for (const char* name : {"q_num_heads", "kv_num_heads"}) call_.integer(name, 0);
    if (call_.has(4) != call_.has(5)) call_.fail("it has past keys or values without the others");
    if (call_.has(4)) {
      past_ = call_.type(4).dims.at(2);
      k = call_.apply("concat", {call_.in(4), k}, {{"axis", std::int64_t{2}}});
      v = call_.apply("concat", {call_.in(5), v}, {{"axis", std::int64_t{2}}});
    }
    call_.out(1, k);
    call_.out(2, v);
    const std::vector<Dim> own = dims(q);
    if (own[3].is_fixed() == false) call_.refuse("a head size that only a run knows");
    const double scale = call_.real("scale", 1 / std::sqrt(static_cast<double>(own[3].offset)));
    k = shared(k, own[1]);
    v = shared(v, own[1]);
    // (The definition gives its root to either side: with few bits that is another rounding.)
    const bool halves = dtype_ == DType::f16 || dtype_ == DType::bf16;
    q = call_.apply("scale", {q}, {{"factor", halves ? std::sqrt(scale) : scale}});
    if (halves) k = call_.apply("scale", {k}, {{"factor", std::sqrt(scale)}});
    ValueId scores = call_.apply("batch_matmul", {q, call_.transposed(k, {0, 1, 3, 2})});
    const std::int64_t wanted = call_.integer("qk_matmul_output_mode", 0);
    if (wanted < 0 || wanted > 3) call_.fail("attribute 'qk_matmul_output_mode' is 0 to 3");
    const bool shown = call_.node().outputs.size() > 3;
    if (shown && wanted == 0) call_.out(3, scores);
    if (const double cap = call_.real("softcap", 0.0); cap > 0) {
      scores = call_.apply("scale", {scores}, {{"factor", 1 / cap}});
      scores = call_.apply("scale", {call_.apply("tanh", {scores})}, {{"factor", cap}});
    }
    if (shown && wanted == 1) call_.out(3, scores);
    const std::vector<Dim> shape = dims(scores);
    const ValueId masks = mask(shape);
    if (masks != none) scores = call_.apply("add", {scores, masks});
    if (shown && wanted == 2) call_.out(3, scores);
    const ValueId p = probabilities(scores, masks);
    if (shown && wanted == 3) call_.out(3, p);
    ValueId y = call_.apply("batch_matmul", {p, v});
    if (flat) {
      const std::vector<Dim> made = dims(y);
      y = call_.reshaped(call_.transposed(y, {0, 2, 1, 3}),
                         {made[0], made[2], multiply(made[1], made[3])});
    }
    call_.out(0, y);
  }

private:
  std::vector<Dim> dims(ValueId id) { return call_.graph().type(id).dims; }

  // [B,S,H D] as [B,H,S,D].
  ValueId heads(std::size_t i, const char* attribute) {
    const std::vector<Dim> x = call_.type(i).dims;
    if (x.size() == 4) return call_.in(i);
    const std::int64_t count = call_.integer(attribute);
    if (count < 1 || !x[2].is_fixed() || x[2].offset % count != 0)
      call_.fail(fmt::format("{} heads do not divide {}", count, to_string(x[2])));
    return call_.transposed(call_.reshaped(call_.in(i), {x[0], x[1], count, x[2].offset / count}),
                            {0, 2, 1, 3});
  }

  // Each head of keys and values serves as many neighbouring ones of queries.
  ValueId shared(ValueId x, const Dim& heads) {
    const std::vector<Dim> own = dims(x);
    if (own[1] == heads) return x;
    if (!own[1].is_fixed() || !heads.is_fixed() || heads.offset % own[1].offset != 0)
      call_.fail("its heads of keys do not divide those of queries");
    const std::int64_t each = heads.offset / own[1].offset;
    const ValueId apart = call_.reshaped(x, {own[0], own[1], 1, own[2], own[3]});
    return call_.reshaped(call_.expanded(apart, {own[0], own[1], each, own[2], own[3]}),
                          {own[0], heads, own[2], own[3]});
  }

  // 0 where it holds, else -infinity; of the scores' shape.
  ValueId where_true(ValueId condition, const std::vector<Dim>& shape) {
    const std::vector<Dim> own = dims(condition);
    const ValueId bias = call_.apply("where", {condition, call_.number(0, dtype_, own),
                                               call_.number(minus_infinity, dtype_, own)});
    return call_.expanded(bias, shape);
  }

  // All that is added to the scores [B,H,S,T]; none where nothing is.
  ValueId mask(const std::vector<Dim>& shape) {
    ValueId sum = none;
    const auto add = [&](ValueId more) {
      sum = sum == none ? more : call_.apply("add", {sum, more});
    };
    if (call_.has(3)) {
      ValueId given = call_.in(3);
      if (call_.type(3).dtype == DType::boolean) {
        const std::vector<Dim> own = dims(given);
        given = where_true(given, own);
      }
      const std::vector<Dim> own = dims(given);
      if (own.empty()) call_.fail("its mask has no dimension");
      const Dim missing = subtract(shape[3], own.back());
      if (!(own.back() == Dim(1)) && missing.is_fixed() && missing.offset > 0)
        given = call_.apply("pad", {given},
                            {{"axis", static_cast<std::int64_t>(own.size()) - 1},
                             {"before", std::string("0")},
                             {"after", to_string(missing)},
                             {"value", minus_infinity}});
      given = call_.cast(given, dtype_);
      may_be_empty_ = true;
      add(call_.expanded(given, shape));
    }
    const bool causal = call_.integer("is_causal", 0) != 0;
    const std::int64_t left = call_.integer("left_window_size", -1),
                       right = call_.integer("right_window_size", -1);
    const ValueId lengths = call_.has(6) ? call_.cast(call_.in(6), DType::i64) : ValueId(none);
    if (causal || left >= 0 || right >= 0) {
      if (lengths != none || left >= 0 || right >= 0) may_be_empty_ = true;
      const ValueId ahead = distance(shape, lengths);
      const std::vector<Dim> own = dims(ahead);
      const auto bounded = [&](const char* op, std::int64_t by) {
        add(where_true(
            call_.apply(op, {ahead, call_.number(static_cast<double>(by), DType::i64, own)}),
            shape));
      };
      if (causal) bounded("greater_equal", 0);
      if (left >= 0) bounded("less_equal", left);
      if (right >= 0) bounded("greater_equal", -right);
    }
    if (lengths != none) {
      const std::vector<Dim> wide{shape[0], 1, 1, shape[3]};
      const ValueId column =
          call_.expanded(call_.reshaped(call_.iota(shape[3]), {1, 1, 1, shape[3]}), wide);
      const ValueId length = call_.expanded(call_.reshaped(lengths, {shape[0], 1, 1, 1}), wide);
      may_be_empty_ = true;
      add(where_true(call_.apply("less", {column, length}), shape));
    }
    return sum;
  }

  // How far each query stands behind each key: [1 or B, 1, S, T].
  ValueId distance(const std::vector<Dim>& shape, ValueId lengths) {
    const bool apart = lengths != none && !call_.has(4);
    const std::vector<Dim> wide{apart ? shape[0] : Dim(1), 1, shape[2], shape[3]};
    const ValueId row =
        call_.expanded(call_.reshaped(call_.iota(shape[2]), {1, 1, shape[2], 1}), wide);
    const ValueId column =
        call_.expanded(call_.reshaped(call_.iota(shape[3]), {1, 1, 1, shape[3]}), wide);
    ValueId far = call_.apply("sub", {row, column});
    if (call_.has(4)) {
      if (!past_.is_fixed()) call_.refuse("past keys of a length that only a run knows");
      far = call_.apply("add",
                        {far, call_.number(static_cast<double>(past_.offset), DType::i64, wide)});
    } else if (apart) {
      if (!shape[2].is_fixed()) call_.refuse("queries of a length that only a run knows");
      const ValueId before = call_.apply(
          "sub",
          {lengths, call_.number(static_cast<double>(shape[2].offset), DType::i64, dims(lengths))});
      far = call_.apply("add",
                        {far, call_.expanded(call_.reshaped(before, {shape[0], 1, 1, 1}), wide)});
    }
    return far;
  }

  // Softmax over the keys; a query that may see none takes nothing.
  ValueId probabilities(ValueId scores, ValueId masks) {
    const std::vector<Dim> shape = dims(scores);
    const Options over{{"axes", std::string("3")}, {"keep", true}};
    DType precise = dtype_;
    if (call_.has_attribute("softmax_precision")) {
      const std::int64_t number = call_.integer("softmax_precision");
      const auto known = dtype_of_onnx(number);
      if (!known) call_.refuse("is of " + name_of_onnx_dtype(number));
      precise = *known;
    }
    const ValueId x = call_.cast(scores, precise);
    const ValueId shifted =
        call_.apply("sub", {x, call_.expanded(call_.apply("max", {x}, over), shape)});
    const ValueId powers = call_.apply("exp", {shifted});
    const ValueId sums = call_.expanded(call_.apply("sum", {powers}, over), shape);
    ValueId p = call_.cast(call_.apply("div", {powers, sums}), dtype_);
    if (masks != none && may_be_empty_) {
      const ValueId most = call_.apply("max", {masks}, over);
      const ValueId empty =
          call_.apply("equal", {most, call_.number(minus_infinity, dtype_, dims(most))});
      p = call_.apply("where", {call_.expanded(empty, shape), call_.number(0, dtype_, shape), p});
    }
    return p;
  }

  OnnxCall& call_;
  DType dtype_;
  Dim past_ = 0;
  bool may_be_empty_ = false;
};

void convert_attention(OnnxCall& call) { AttentionNode(call).run(); }

ValueId part_of(OnnxCall& call, ValueId x, std::int64_t axis, std::int64_t begin, const Dim& end,
                std::int64_t step = 1) {
  return call.apply(
      "slice", {x},
      {{"axis", axis}, {"begin", std::to_string(begin)}, {"end", to_string(end)}, {"step", step}});
}

// Pairs of numbers of each head turned by an angle of their place.
void convert_rotary_embedding(OnnxCall& call) {
  const std::vector<Dim> given = call.type(0).dims;
  ValueId x = call.in(0);
  if (given.size() == 3) {
    const std::int64_t heads = call.integer("num_heads", 0);
    if (heads < 1 || !given[2].is_fixed() || given[2].offset % heads != 0)
      call.fail(fmt::format("{} heads do not divide {}", heads, to_string(given[2])));
    x = call.reshaped(x, {given[0], given[1], heads, given[2].offset / heads});
  } else if (given.size() == 4) {
    call.integer("num_heads", 0);
    x = call.transposed(x, {0, 2, 1, 3});
  } else {
    call.fail("it has neither three nor four dimensions");
  }
  const std::vector<Dim> dims = call.graph().type(x).dims;
  if (!dims[3].is_fixed()) call.refuse("a head size that only a run knows");
  std::int64_t turned = call.integer("rotary_embedding_dim", 0);
  if (turned == 0) turned = dims[3].offset;
  if (turned < 2 || turned % 2 != 0 || turned > dims[3].offset)
    call.fail("attribute 'rotary_embedding_dim' does not fit its heads");
  const std::int64_t half = turned / 2;
  const bool interleaved = call.integer("interleaved", 0) != 0;
  const std::vector<Dim> shape{dims[0], dims[1], dims[2], half};
  const auto table = [&](std::size_t i) {
    ValueId angles = call.in(i);
    if (call.has(3))
      angles = call.apply("gather", {angles, call.in(3)}, {{"axis", std::int64_t{0}}});
    return call.expanded(call.reshaped(angles, {dims[0], dims[1], 1, half}), shape);
  };
  const ValueId cosine = table(1), sine = table(2);
  const ValueId a =
      interleaved ? part_of(call, x, 3, 0, Dim(turned), 2) : part_of(call, x, 3, 0, Dim(half));
  const ValueId b =
      interleaved ? part_of(call, x, 3, 1, Dim(turned), 2) : part_of(call, x, 3, half, Dim(turned));
  const auto times = [&](ValueId p, ValueId q) { return call.apply("mul", {p, q}); };
  ValueId first = call.apply("sub", {times(cosine, a), times(sine, b)});
  ValueId second = call.apply("add", {times(sine, a), times(cosine, b)});
  ValueId y;
  if (interleaved) {
    std::vector<Dim> wide = shape;
    wide.emplace_back(1);
    y = call.apply("concat", {call.reshaped(first, wide), call.reshaped(second, wide)},
                   {{"axis", std::int64_t{4}}});
    y = call.reshaped(y, {dims[0], dims[1], dims[2], turned});
  } else {
    y = call.apply("concat", {first, second}, {{"axis", std::int64_t{3}}});
  }
  if (turned < dims[3].offset)
    y = call.apply("concat", {y, part_of(call, x, 3, turned, dims[3])},
                   {{"axis", std::int64_t{3}}});
  call.out(0, given.size() == 3 ? call.reshaped(y, given) : call.transposed(y, {0, 2, 1, 3}));
}

// A depthwise convolution over what was there before and what is new.
void convert_causal_conv(OnnxCall& call) {
  const std::vector<Dim> x = call.type(0).dims, w = call.type(1).dims;
  if (x.size() != 3 || w.size() != 3 || !w[2].is_fixed() || !w[0].is_fixed())
    call.fail("its input [N,C,L] or weight [C,1,K] does not fit");
  const std::int64_t before = w[2].offset - 1;
  const ValueId padded =
      call.has(3) ? call.apply("concat", {call.in(3), call.in(0)}, {{"axis", std::int64_t{2}}})
                  : call.apply("pad", {call.in(0)},
                               {{"axis", std::int64_t{2}},
                                {"before", std::to_string(before)},
                                {"after", std::string("0")}});
  std::vector<ValueId> inputs{padded, call.in(1)};
  if (call.has(2)) inputs.push_back(call.in(2));
  ValueId y = call.apply("conv", inputs, {{"groups", w[0].offset}});
  const std::string activation = call.text("activation", "none");
  if (activation == "silu" || activation == "swish")
    y = call.apply("mul", {y, call.apply("sigmoid", {y})});
  else if (activation != "none")
    call.refuse(fmt::format("activation '{}'", activation));
  call.out(0, y);
  const Dim length = call.graph().type(padded).dims[2];
  call.out(1, call.apply("slice", {padded},
                         {{"axis", std::int64_t{2}},
                          {"begin", to_string(subtract(length, Dim(before)))},
                          {"end", to_string(length)}}));
}

// New places of a cache, from where each sequence stands on.
void convert_tensor_scatter(OnnxCall& call) {
  const std::vector<Dim> cache = call.type(0).dims, update = call.type(1).dims;
  const std::int64_t axis = call.axis(call.integer("axis", -2), cache.size());
  const auto at = static_cast<std::size_t>(axis);
  if (update.size() != cache.size() || axis == 0) call.fail("its update does not fit the cache");
  const std::string mode = call.text("mode", "linear");
  std::vector<Dim> along(cache.size(), Dim(1)), front(cache.size(), Dim(1));
  along[at] = update[at];
  front[0] = update[0];
  ValueId places = call.expanded(call.reshaped(call.iota(update[at]), along), update);
  if (call.has(2))
    places = call.apply(
        "add",
        {places, call.expanded(call.reshaped(call.cast(call.in(2), DType::i64), front), update)});
  if (mode == "circular") {
    if (!cache[at].is_fixed()) call.refuse("a circular cache of a size that only a run knows");
    places = call.apply(
        "mod", {places, call.number(static_cast<double>(cache[at].offset), DType::i64, update)});
  } else if (mode != "linear") {
    call.fail("attribute 'mode' is linear or circular");
  }
  call.out(0, call.apply("scatter_elements", {call.in(0), places, call.in(1)}, {{"axis", axis}}));
}

}  // namespace

std::vector<OnnxOp> onnx_attention_family() {
  return {make_onnx_op("Attention", "what queries find", convert_attention, 23),
          make_onnx_op("RotaryEmbedding", "turned by places", convert_rotary_embedding, 23),
          make_onnx_op("CausalConvWithState", "convolution of what came before",
                       convert_causal_conv, 1),
          make_onnx_op("TensorScatter", "new places of a cache", convert_tensor_scatter, 24)};
}

}  // namespace hone
