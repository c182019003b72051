// Adapters as they are asked for: `hone train --lora rank=8,alpha=16`.
#pragma once

#include <cstdint>
#include <string>

#include "hone/core/options.hpp"
#include "hone/passes/lora.hpp"

namespace hone {

struct LoraChoice {
  LoraSettings settings;
  std::string adapter;  // a folder to start from (frontends/adapter.hpp); "": a fresh one
};

// The keys of the text, for help.
const std::vector<OptionSpec>& lora_keys();
// "rank=8,alpha=16,targets=query+value": a part without '=' goes on with the list before it, plain
// names may also be joined by '+'. Throws UsageError naming the key.
LoraChoice parse_lora(const std::string& text);

// Throws Error for a choice that no model with these layers can have; reads the adapter's files.
void check_lora(const Graph& graph, const LoraChoice& choice);

// Puts the adapter into the model. A classifier that starts afresh is trained beside a fresh one.
// Throws Error: what read_adapter, fresh_adapter and add_adapter throw. Returns what was done as a
// line of history.
std::string apply_lora(Model& model, const LoraChoice& choice, std::uint64_t seed);
// Trained numbers of all, and of what: a sentence.
std::string describe_trained(const Model& model);

}  // namespace hone
