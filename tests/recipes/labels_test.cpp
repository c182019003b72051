#include "hone/recipes/labels.hpp"

#include <gtest/gtest.h>

#include "hone/data/labels.hpp"
#include "hone/model/model.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_directory.hpp"
#include "support/small_bert.hpp"

namespace hone {
namespace {

using Labels = std::vector<std::int32_t>;
using Names = std::vector<std::string>;

class MatchLabels : public testing::Test {
protected:
  Model model_with(const Names& names) const {
    Model model;
    model.name = "m";
    model.labels = names;
    return model;
  }
  // The classes that a csv file with these labels gets.
  Labels match(const Names& classes, const Names& labels) {
    std::string content = "text,label\n";
    for (const std::string& label : labels) content += "t," + label + "\n";
    DataRequest request;
    request.kind = "csv";
    request.location = scratch_.write("f.csv", content);
    request.split = "all";
    return match_data(classes, request);
  }
  Labels match_data(const Names& classes, const DataRequest& request) {
    const TextData texts = load_texts(request);
    TokenizedData data;
    data.labels = texts.labels;
    data.label_names = texts.label_names;
    said_.clear();
    match_labels(data, model_with(classes), request,
                 [&](const std::string& text) { said_ = text; });
    EXPECT_EQ(data.label_names, classes);
    return data.labels;
  }

  hone_test::ScratchDirectory scratch_;
  std::string said_;
};

TEST_F(MatchLabels, NamesAreFoundWhereverTheyStand) {
  const Names classes{"sad", "anger", "joy"};
  EXPECT_EQ(match(classes, {"joy", "sad", "anger"}), (Labels{2, 0, 1}));
  EXPECT_EQ(match(classes, {"joy", "joy"}), (Labels{2, 2}));
  EXPECT_EQ(match(classes, {"JOY", "Sad"}), (Labels{2, 0}));
  EXPECT_EQ(said_, "");
  EXPECT_EQ(match({"us", "US"}, {"US", "us"}), (Labels{1, 0}));
  EXPECT_ERROR(match({"us", "US"}, {"Us"}), ErrorCode::bad_format, "no class 'Us'");
}

TEST_F(MatchLabels, NumbersAreFoundByTheirValue) {
  EXPECT_EQ(match({"1", "2", "5"}, {"5.0", "1.0"}), (Labels{2, 0}));
  EXPECT_EQ(match({"-1", "1"}, {"1", "-1"}), (Labels{1, 0}));
  EXPECT_EQ(match({"1.0", "2.0"}, {"2", "1"}), (Labels{1, 0}));
  EXPECT_EQ(match({"2", "1"}, {"1", "2"}), (Labels{1, 0}));
  EXPECT_EQ(said_, "");
  EXPECT_ERROR(match({"1", "2", "5"}, {"1", "0"}), ErrorCode::bad_format,
               "f.csv: line 3: column 'label': m has no class '0'; its classes: 1, 2, 5");
}

TEST_F(MatchLabels, TruthValuesAreFoundInEitherForm) {
  EXPECT_EQ(match({"False", "True"}, {"true", "false"}), (Labels{1, 0}));
  EXPECT_EQ(match({"0", "1"}, {"True", "False"}), (Labels{1, 0}));
  EXPECT_EQ(match({"LABEL_0", "LABEL_1"}, {"TRUE"}), (Labels{1}));
}

TEST_F(MatchLabels, DefaultNamesAreNumbers) {
  const Names classes{"LABEL_0", "LABEL_1", "LABEL_2"};
  EXPECT_EQ(match(classes, {"2", "0", "1.0"}), (Labels{2, 0, 1}));
  EXPECT_EQ(match(classes, {"LABEL_2"}), (Labels{2}));
  EXPECT_EQ(said_, "");
  EXPECT_ERROR(match(classes, {"1", "2", "3"}), ErrorCode::bad_format,
               "line 4: column 'label': m has no class '3'", "the numbers 0 to 2");
  EXPECT_ERROR(match(classes, {"a", "b", "c"}), ErrorCode::bad_format, "m has no class 'a'");
  // What these data call their classes is numbered by themselves.
  DataRequest reviews;
  reviews.kind = "reviews";
  reviews.options.set("samples", std::int64_t{10});
  const Labels own = load_texts(reviews).labels;
  EXPECT_EQ(match_data({"LABEL_0", "LABEL_1"}, reviews), own);
  EXPECT_EQ(said_,
            "labels of the data are taken for numbers of the model's classes: negative is LABEL_0, "
            "positive is LABEL_1");
}

TEST_F(MatchLabels, NumbersBesideNamesAreSaid) {
  EXPECT_EQ(match({"bad", "good"}, {"1", "0"}), (Labels{1, 0}));
  EXPECT_EQ(said_,
            "labels of the data are taken for numbers of the model's classes: 0 is bad, 1 is good");
  EXPECT_ERROR(match({"bad", "good"}, {"1", "2"}), ErrorCode::bad_format, "m has no class '1'");
  EXPECT_ERROR(match({"bad", "good"}, {"good", "1"}), ErrorCode::bad_format,
               "line 3: column 'label': m has no class '1'");
}

// A place is no number of a name: these were taken for 4 and 5, -1, 2 stars and 3 stars.
TEST_F(MatchLabels, NumbersAreNoPlacesWhereNamesHoldNumbers) {
  EXPECT_ERROR(match({"3", "4", "5"}, {"1", "2"}), ErrorCode::bad_format, "m has no class '1'");
  EXPECT_ERROR(match({"-1", "1"}, {"0"}), ErrorCode::bad_format, "m has no class '0'");
  EXPECT_ERROR(match({"-1", "1"}, {"false"}), ErrorCode::bad_format, "m has no class 'false'");
  const Names stars{"1 star", "2 stars", "3 stars"};
  EXPECT_EQ(match(stars, {"1", "2"}), (Labels{0, 1}));
  EXPECT_EQ(said_,
            "labels of the data are taken for numbers of the model's classes: 1 is 1 star, 2 is 2 "
            "stars");
  EXPECT_EQ(match({"3 stars", "1 star"}, {"3", "1.0"}), (Labels{0, 1}));
  EXPECT_ERROR(match(stars, {"1", "0"}), ErrorCode::bad_format, "m has no class '0'");
  EXPECT_EQ(match(stars, {"LABEL_2", "LABEL_0"}), (Labels{2, 0}));
  // Which number is meant is not clear.
  for (const Names& names :
       {Names{"1 star", "good"}, Names{"1 to 2", "3 to 4"}, Names{"grade-1", "grade-2"},
        Names{"0.5 stars", "1 star"}, Names{"a1", "b1"}})
    EXPECT_ERROR(match(names, {"1", "0"}), ErrorCode::bad_format, "m has no class '");
}

TEST_F(MatchLabels, TheNearestNameIsSuggested) {
  EXPECT_ERROR(match({"negative", "positive"}, {"positive", "negatve"}), ErrorCode::bad_format,
               "line 3: column 'label': m has no class 'negatve'", "did you mean 'negative'?");
}

TEST_F(MatchLabels, AModelWithoutNamesTakesThoseOfItsTrainingData) {
  Model model = model_with({"LABEL_0", "LABEL_1"});
  std::string said;
  const auto say = [&](const std::string& text) { said = text; };
  name_classes(model, {"0", "1"}, say);
  EXPECT_EQ(model.labels[0], "LABEL_0") << "numbers are no names";
  name_classes(model, {"a", "b", "c"}, say);
  EXPECT_EQ(model.labels[0], "LABEL_0") << "too many";
  EXPECT_EQ(said, "");
  name_classes(model, {"a", "b"}, say);
  EXPECT_EQ(model.labels[1], "b");
  EXPECT_EQ(model.labels[0], "a");
  EXPECT_NE(said.find("LABEL_0, LABEL_1 take the names of the data: a, b"), std::string::npos);
  said.clear();
  name_classes(model, {"x", "y"}, say);
  EXPECT_EQ(model.labels[1], "b") << "it has names";
  EXPECT_EQ(said, "");
}

TEST_F(MatchLabels, TrainingNeedsTwoClasses) {
  TokenizedData data;
  data.label_names = {"a", "b"};
  data.labels = {1, 1};
  EXPECT_ERROR(check_two_classes(data, "f.csv"), ErrorCode::bad_format,
               "f.csv: every sample has the label 'b'");
  data.labels = {1, 0};
  check_two_classes(data, "f.csv");
  data.label_names.clear();
  data.labels = {0, 0};
  check_two_classes(data, "f.csv");
}

TEST(LabelUse, OneLabelIsAValue) {
  EXPECT_EQ(label_use(make_head("", 2, "test")), LabelUse::classes);
  EXPECT_EQ(label_use(make_head("", 1, "test")), LabelUse::values);
  EXPECT_ERROR(label_use(make_head("regression", 3, "test")), ErrorCode::unsupported, "3 values");
}

}  // namespace
}  // namespace hone
