// What files that a result depends on hold: a hash that changes when they do, wherever they lie.
#pragma once

#include <filesystem>
#include <string>

#include "hone/core/options.hpp"
#include "hone/data/load.hpp"

namespace hone {

// The graph and the tensors of a saved model.
std::string content_of_model(const std::filesystem::path& folder);

// The data that `data` names ("csv:FILE"), of both splits where there are two. Of a folder of texts
// the names and sizes.
std::string content_of_data(const DataRequest& data);

}  // namespace hone
