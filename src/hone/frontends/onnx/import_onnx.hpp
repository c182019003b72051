// ONNX files as models.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "hone/core/tensor.hpp"
#include "hone/model/model.hpp"

namespace hone {

// The file's graph as a source graph: initializers that nodes compute with are its parameters (of
// real numbers) and buffers, what follows from constants alone is computed now, named sizes stay
// names. Throws Error naming the file and the node or tensor: unsupported for what hone does not
// have, bad_format for what contradicts itself, not_found for missing external data.
// Model-local functions are put in place of their calls, and so is the branch of an If whose
// condition is known. `known` gives numbers of inputs that sizes, axes or conditions follow from:
// the model is one for these numbers of those inputs alone.
Model import_onnx(const std::filesystem::path& file,
                  const std::map<std::string, Tensor>& known = {});

// What a file cannot say of a network that names what a picture shows.
struct PictureTask {
  std::vector<std::string> labels = {};          // of its classes; empty: LABEL_0, ...
  std::int64_t image_size = 0;                   // of a side, where the file leaves it open
  std::int64_t resize = 0;                       // as ImageInput; 0: the usual one
  std::vector<float> mean = {}, deviation = {};  // as ImageInput; empty: the usual ones
};
// The file as a model for the task image_classification: its one input is pixel_values, its one
// output the logits (those before a softmax at its end), batches are of any size. It is trained,
// evaluated, quantized and pruned as built-in networks are. Throws what import_onnx throws, and
// Error(unsupported) where inputs, outputs or labels do not fit, saying what is there.
Model import_picture_classifier(const std::filesystem::path& file, const PictureTask& task);

// The file as a model for the task text_classification: its inputs are input_ids, attention_mask
// and, where types matter, token_type_ids, whole numbers [batch,sequence] of any sizes; its one
// output the logits of each text. Its graph is of packed sequences (passes/pack_sequences.cpp).
// `labels`: names of its classes; empty: LABEL_0, ... Throws what import_onnx throws, and
// Error(unsupported) naming what in it has no packed form.
Model import_text_classifier(const std::filesystem::path& file,
                             const std::vector<std::string>& labels);

// For one run with these inputs: where the file is refused without their numbers, those of the
// lists and single numbers among them are known.
Model import_onnx_for(const std::filesystem::path& file,
                      const std::map<std::string, Tensor>& inputs);

// A name as graphs can have it.
std::string graph_name_of(const std::string& onnx_name);

}  // namespace hone
