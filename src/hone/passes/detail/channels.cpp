#include "hone/passes/detail/channels.hpp"

#include <algorithm>

#include "hone/graph/op.hpp"

namespace hone {
namespace {

class ChannelFollower {
public:
  explicit ChannelFollower(const Graph& graph) : graph_(graph), readers_(graph.readers()) {}

  // Whether all that reads the planes is known; fills `channels`.
  bool follow(ValueId planes, Channels& channels) const {
    for (const auto& [name, id] : graph_.outputs)
      if (id == planes) return false;
    const std::vector<NodeId>& readers = readers_[static_cast<std::size_t>(planes)];
    return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
      return pass(reader, planes, channels);
    });
  }

private:
  bool pass(NodeId reader, ValueId planes, Channels& channels) const {
    const Node& node = graph_.node(reader);
    if (node.inputs[0] != planes) return false;
    if (node.op == "conv") {
      const std::int64_t groups = node.attributes.integer("groups");
      if (groups == 1) {
        channels.readers.push_back(reader);
        return true;
      }
      const Dim filters = graph_.type(node.inputs[1]).dims[0];
      if (groups != channels.count || !(filters == Dim(channels.count))) return false;
      channels.depthwise.push_back(reader);
      return follow(node.outputs[0], channels);
    }
    if (node.op == "batch_norm") {
      if (node.attributes.integer("axis") != 1) return false;
      channels.norms.push_back(reader);
      return follow(node.outputs[0], channels);
    }
    const bool pools = node.op == "max_pool" || node.op == "average_pool";
    const bool one_by_one = find_op(node.op).elementwise || find_op(node.op).stands_for == 0;
    if (!pools && !one_by_one) return false;
    // (What a node reads beside the planes must not have their shape: sums tie channels together.)
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i] != none && graph_.type(node.inputs[i]).dims.size() > 1) return false;
    if (pools && node.outputs.size() > 1 &&
        !readers_[static_cast<std::size_t>(node.outputs[1])].empty())
      return false;
    return follow(node.outputs[0], channels);
  }

  const Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;
};

}  // namespace

std::vector<Channels> channels_of(const Graph& graph) {
  const ChannelFollower follower(graph);
  std::vector<Channels> list;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op != "conv" || node.attributes.integer("groups") != 1) continue;
    Channels channels{static_cast<NodeId>(n), graph.type(node.outputs[0]).dims[1].offset};
    if (follower.follow(node.outputs[0], channels)) list.push_back(std::move(channels));
  }
  return list;
}

}  // namespace hone
