// A model: its graph, the tensors that the graph names, what its outputs mean, how texts are made
// its inputs, and what was done to it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hone/core/json.hpp"
#include "hone/core/tensor_store.hpp"
#include "hone/data/image.hpp"
#include "hone/graph/graph.hpp"
#include "hone/model/head.hpp"

namespace hone {

// What a model takes of texts. From the frontend that made it.
struct TextLimits {
  std::int64_t vocabulary = 0;   // ids are 0 to vocabulary - 1
  std::int64_t positions = 0;    // longest text, in tokens
  std::int64_t token_types = 0;  // types are 0 to token_types - 1
};

// How the tensors of files met what the graph names.
struct LoadReport {
  std::vector<std::string> initialized;  // wanted, not in the files: started afresh
  std::vector<std::string> unused;  // in the files, not wanted (buffers such as position_ids aside)
  std::vector<std::string> notes;   // what else was done to them, as sentences for the user
};

// What is known of a model before its weights are read.
struct ModelFacts {
  Head head;                        // what its outputs mean
  std::vector<std::string> labels;  // head.size names
  TextLimits limits;
  // Width of the values between layers: the default learning rate follows from it.
  std::int64_t width = 0;
  std::string task = {};  // what the model is for: a name of task_table()
  ImageInput image = {};  // of a model that reads pictures
};

// The task of a model whose inputs and outputs mean what its user knows: it has no head.
inline const char* const tensors_task = "tensors";

struct Model : ModelFacts {
  std::string name;  // as the user wrote it
  // The source graph: with dropout, without a loss; transforms rewrite it. Inputs: the task's (of
  // texts ids, type_ids, positions i32[T], offsets i32[B+1]; of pictures pixel_values
  // f32[B,channels,height,width]), rng u32[3]. Output: logits f32[B,C].
  Graph graph;
  // Its parameters and buffers, by their names in the graph.
  TensorStore tensors;
  // Each a line: what was done to the model, oldest first.
  std::vector<std::string> history = {};
  // config.json of the directory layout that the model was made by; it is written again.
  Json config;
  LoadReport report = {};
  std::filesystem::path directory = {};  // empty for a built-in model
};

// What the graph gives each text, and the parameters that give it: the weight of the node that
// makes the logits, as graphs call it.
std::string head_weight(const Model& model);

// Numbers that the model stands for (those of packed bits included, masks and scales not), and the
// bytes that its tensors take.
std::int64_t parameter_count(const Model& model);
std::int64_t tensor_bytes(const Model& model);

// Drops tensors that the graph does not name (any more). Throws Error(internal) when one that it
// names is missing or has another type.
void keep_named_tensors(Model& model);

}  // namespace hone
