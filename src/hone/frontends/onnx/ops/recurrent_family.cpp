// ONNX's recurrent networks.
#include <fmt/format.h>

#include "hone/frontends/onnx/onnx_call.hpp"
#include "hone/graph/dim.hpp"
#include "hone/ops/detail/numbers.hpp"

namespace hone {
namespace {

std::string joined_texts(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ",") + one;
  return text;
}

// `functions`: those of one direction where the node names none.
OnnxOp make_recurrent(const char* name, const char* op, std::vector<std::string> functions,
                      std::size_t most_inputs, const char* own_attribute) {
  OnnxOp result{{name, op}};
  result.since = 7;
  result.convert = [=](OnnxCall& call) {
    const bool batch_first = call.integer("layout", 0) != 0;
    const std::string direction = call.text("direction", "forward");
    std::vector<std::string> names = functions;
    if (direction == "bidirectional") names.insert(names.end(), functions.begin(), functions.end());
    names = call.texts("activations", names);
    Options attributes{{"direction", direction},
                       {"activations", joined_texts(names)},
                       {"clip", call.real("clip", 0.0)}};
    for (const auto& [from, to] :
         {std::pair{"activation_alpha", "alphas"}, std::pair{"activation_beta", "betas"}}) {
      std::vector<std::string> texts;
      for (const double one : call.reals(from, std::vector<double>{}))
        texts.push_back(fmt::format("{}", one));
      attributes.set(to, joined_texts(texts));
    }
    if (own_attribute != nullptr)
      attributes.set(own_attribute, call.integer(own_attribute, 0) != 0);
    std::vector<ValueId> inputs;
    for (std::size_t i = 0; i < std::min(call.count(), most_inputs); ++i) {
      ValueId input = call.has(i) ? call.in(i) : ValueId(none);
      if (batch_first && input != none && (i == 0 || i == 5 || i == 6))
        input = call.transposed(input, {1, 0, 2});
      inputs.push_back(input);
    }
    if (inputs.size() < 3) call.fail("it has less than three inputs");
    const std::vector<Dim> r = call.type(2).dims;
    if (r.size() == 3 && r[2].is_fixed() && call.integer("hidden_size", r[2].offset) != r[2].offset)
      call.fail("attribute 'hidden_size' is not the size of its weights");
    const NodeId node = call.append(op, inputs, attributes);
    const std::vector<ValueId> outputs = call.graph().node(node).outputs;
    for (std::size_t i = 0; i < outputs.size() && i < call.node().outputs.size(); ++i) {
      if (call.node().outputs[i].empty()) continue;
      const std::vector<std::int64_t> order =
          i == 0 ? std::vector<std::int64_t>{2, 0, 1, 3} : std::vector<std::int64_t>{1, 0, 2};
      call.out(i, batch_first ? call.transposed(outputs[i], order) : outputs[i]);
    }
  };
  return result;
}

}  // namespace

std::vector<OnnxOp> onnx_recurrent_family() {
  return {make_recurrent("RNN", "rnn", {"Tanh"}, 6, nullptr),
          make_recurrent("GRU", "gru", {"Sigmoid", "Tanh"}, 6, "linear_before_reset"),
          make_recurrent("LSTM", "lstm", {"Sigmoid", "Tanh", "Tanh"}, 8, "input_forget")};
}

}  // namespace hone
