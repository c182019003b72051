// The labels of data and the classes of a model.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hone/data/load.hpp"
#include "hone/model/model.hpp"

namespace hone {

// What a model with this head makes of labels: classes, or one value. Throws Error(unsupported) for
// a model that gives several values or labels by themselves.
LabelUse label_use(const Head& head);

// Renumbers the labels of data to the classes of the model; never by the order of either. A label
// is the class of the same name; else that of the same number ("1.0" is "1") or truth value; else
// that of the same letters in either case, where that leaves no doubt. Where the model only has
// numbers for names (LABEL_0, LABEL_1, ...) a label k is class k, and the classes of imdb and
// reviews are numbered as they number them; so are whole numbers in data whose model names its
// classes, which is said (`say` may be empty). LABEL_k in data is the number k. Throws
// Error(bad_format) naming the row of a label that the model does not know, with the model's
// classes. Does nothing to data without classes. `request` is what the data was loaded by.
void match_labels(TokenizedData& data, const Model& model, const DataRequest& request,
                  const std::function<void(const std::string&)>& say);

// For training: the classes of a model that has no names for them (LABEL_0, ...) take those of the
// data, if there are as many; that is said. Numbers from 0 are no names.
void name_classes(Model& model, const std::vector<std::string>& names,
                  const std::function<void(const std::string&)>& say);

// Throws Error(unsupported) for a model that gives values, where accuracies are compared. `model`
// is what the message calls it.
void require_classes(const TokenizedData& data, const std::string& model);

// Throws Error(bad_format) when the data has classes and only one of them occurs: nothing could be
// learned. `source` is what the message calls the data.
void check_two_classes(const TokenizedData& data, const std::string& source);

}  // namespace hone
