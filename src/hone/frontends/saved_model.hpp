// hone's own form of a model: the graph as text, the tensors, and what is known of it.
//
//   hone_model.json         version, task, head, labels, limits, history
//   hone_graph.txt          the source graph
//   hone_model.safetensors  its parameters and buffers; what masks leave, and masks, by bits where
//                           that is smaller (sparse_tensors.hpp)
//   config.json             of the layout that the model was made by
//   adapter_*               one of its adapters for other libraries, where it has some
//   (adapter.hpp)
//
// Loading replays nothing and asks no architecture. A model that is still what its config.json says
// is saved in that layout instead (hugging_face.hpp).
#pragma once

#include <filesystem>
#include <functional>

#include "hone/model/model.hpp"

namespace hone {

// Whether a directory holds a model in hone's own form.
bool is_saved_model(const std::filesystem::path& directory);
// Whether a configuration names an architecture; that of an imported model names none.
bool is_made_by_architecture(const Json& config);
// Throws Error naming the file and the place: bad_format for what is damaged or does not fit
// together, unsupported for a newer version, numeric for NaN or infinity (with `check_values`).
Model load_saved_model(const std::filesystem::path& directory, bool check_values);
// Parts of it.
ModelFacts saved_model_facts(const std::filesystem::path& directory);
Graph saved_model_graph(const std::filesystem::path& directory);

// Whether the graph is what config.json's architecture makes of it, and all tensors are there.
bool is_plain(const Model& model);

// Saves a model in the form that fits it, in one step as save_model_directory does. `tensors` take
// the place of its own. Copies the existing files among `copies` under their own names, and adds
// whatever `more` writes into the folder it is given.
void save_model(const std::filesystem::path& directory, const Model& model,
                const TensorStore& tensors, const std::vector<std::filesystem::path>& copies = {},
                const std::function<void(const std::filesystem::path&)>& more = {});

}  // namespace hone
