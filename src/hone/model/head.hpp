// What the outputs of a model with a head for whole texts mean. The rules are those of transformers
// (the losses of its models for sequence classification, the text-classification pipeline).
#pragma once

#include <cstdint>
#include <string>

namespace hone {

enum class HeadKind : std::uint8_t {
  classes,  // one class of several: softmax; trained by cross entropy
  values,   // a number for each label (regression): the logit; trained by the mean squared error
  labels    // each label by itself, any number of them at once: sigmoid; binary cross entropy
};

struct Head {
  HeadKind kind = HeadKind::classes;
  std::int64_t size = 2;  // logits of a sample
  // Whether the sigmoid of a logit means something: of `labels`, and of one value where nothing
  // says that it is a regression.
  bool sigmoid = false;
};

// By `problem_type` of config.json ("": not given) and the number of labels. Without a type one
// label is a value, several are classes. Throws Error(unsupported) for an unknown type, and for
// classes where there is only one; `where` starts the message.
Head make_head(const std::string& problem_type, std::int64_t labels, const std::string& where);
// What a model of whole texts with this head is for (a name of task_table()).
const char* text_task(const Head& head);

}  // namespace hone
