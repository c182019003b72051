#include "hone/train/stepper.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "hone/core/error.hpp"
#include "hone/passes/learned_steps.hpp"
#include "hone/passes/pipelines.hpp"
#include "hone/train/optimizers/optimizer.hpp"

namespace hone {
namespace {

TrainingLowering lowering_of(const Model& model, const TrainOptions& o) {
  // A step of a quantizer that changed its sign would be another step.
  std::string steps;
  for (const LearnedStep& step : learned_steps(model.graph))
    steps += (steps.empty() ? "" : ",") + step.parameter;
  TrainingLowering lowering{
      o.mode, {o.hidden_dropout, o.attention_dropout, o.classifier_dropout}, optimizer_options(o)};
  lowering.optimizer.set("update", find_optimizer(o.optimizer).update);
  lowering.optimizer.set("clip", o.clip);
  lowering.optimizer.set("decay_all", o.decay_all);
  lowering.optimizer.set("keep_sign", steps);
  return lowering;
}

Tensor scalar_i32(std::int64_t value) {
  Tensor tensor(DType::i32, {1});
  tensor.as<std::int32_t>()[0] = static_cast<std::int32_t>(value);
  return tensor;
}

Tensor scalar_f32(double value) {
  Tensor tensor(DType::f32, {1});
  tensor.as<float>()[0] = static_cast<float>(value);
  return tensor;
}

Tensor rng_state(std::uint64_t seed, std::uint32_t counter) {
  Tensor tensor(DType::u32, {3});
  tensor.as<std::uint32_t>()[0] = static_cast<std::uint32_t>(seed);
  tensor.as<std::uint32_t>()[1] = static_cast<std::uint32_t>(seed >> 32);
  tensor.as<std::uint32_t>()[2] = counter;
  return tensor;
}

Graph graph_with_loss(const Model& model, const Task& task, const TrainOptions& options) {
  Graph graph = model.graph;
  append_loss(graph, task, {options.class_weights, options.mixup > 0});
  return graph;
}

bool is_sum(const std::string& state) { return state.ends_with(".sum"); }

}  // namespace

bool is_frozen(const Model& model, const std::string& tensor) {
  const ValueId id = model.graph.find(tensor);
  return id != none && model.graph.value(id).frozen;
}

Graph make_training_graph(const Model& model, const Task& task, const TrainOptions& options,
                          std::vector<PassReport>* reports) {
  Graph graph = graph_with_loss(model, task, options);
  // (Passes look at numbers of the model; none of a training pipeline adds one.)
  TensorStore tensors = model.tensors;
  std::vector<PassReport> made = run_passes(graph, training_pipeline(lowering_of(model, options)),
                                            options.disabled_passes, &tensors);
  if (reports != nullptr) *reports = std::move(made);
  return graph;
}

Stepper::Stepper(Model& model, const Samples& data, const TrainOptions& options,
                 std::vector<float> schedule)
    : model_(model),
      data_(data),
      options_(options),
      loss_{options.class_weights, options.mixup > 0},
      schedule_(
          Tensor::from<float>(DType::f32, {static_cast<std::int64_t>(schedule.size())}, schedule)) {
  if (options.accumulate > 1)
    build_accumulating(model);
  else
    build_single(model);
}

void Stepper::bind_states(Executor& executor) {
  for (const Value& value : executor.graph().values) {
    if (is_tensor_of_model(value.kind)) executor.bind(value.name, model_.tensors.at(value.name));
    if (value.kind != ValueKind::state) continue;
    if (!states_.contains(value.name)) {
      Shape shape;
      for (const Dim& dim : value.type.dims) shape.push_back(dim.offset);
      states_.set(value.name, Tensor(value.type.dtype, shape));
    }
    executor.bind(value.name, states_.at(value.name));
  }
}

void Stepper::build_single(const Model& model) {
  forward_.emplace(make_training_graph(model, *data_.task, options_),
                   options_.mode != Mode::reference);
  bind_states(*forward_);
}

void Stepper::build_accumulating(const Model& model) {
  const TrainingLowering lowering = lowering_of(model, options_);
  Graph graph = graph_with_loss(model, *data_.task, options_);
  TensorStore tensors = model.tensors;
  run_passes(graph, accumulating_pipeline(lowering), options_.disabled_passes, &tensors);
  // The update is a graph of its own that reads the sums.
  Graph update;
  update.name = "update";
  for (const auto& [target, id] : graph.updates) {
    const Value& sum = graph.value(target);
    if (!is_sum(sum.name)) continue;  // running statistics are up to date after each part
    const std::string parameter = sum.name.substr(0, sum.name.rfind('.'));
    update.parameter(parameter, sum.type);
    update.outputs.emplace_back("grad." + parameter,
                                update.add_value(sum.name, sum.type, ValueKind::state));
  }
  run_passes(update, update_pipeline(lowering), options_.disabled_passes);
  forward_.emplace(std::move(graph), options_.mode != Mode::reference);
  update_.emplace(std::move(update), options_.mode != Mode::reference);
  bind_states(*forward_);
  bind_states(*update_);
}

namespace {

// The samples of part p of `parts`.
SampleNumbers part_of(SampleNumbers numbers, std::int64_t p, std::int64_t parts) {
  const auto count = static_cast<std::int64_t>(numbers.size());
  const std::int64_t begin = count * p / parts, end = count * (p + 1) / parts;
  return numbers.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::int64_t parts_of(SampleNumbers numbers, const TrainOptions& options) {
  return std::min(options.accumulate, static_cast<std::int64_t>(numbers.size()));
}

}  // namespace

// Every micro-batch of every step has random numbers of its own.
std::uint32_t Stepper::draw_of(std::int64_t step, std::int64_t part) const {
  return static_cast<std::uint32_t>(step * options_.accumulate + part);
}

std::vector<Inputs> Stepper::prepare(SampleNumbers numbers, std::int64_t step) const {
  std::vector<Inputs> prepared;
  const std::int64_t parts = parts_of(numbers, options_);
  for (std::int64_t p = 0; p < parts; ++p) {
    const Augmentation augmentation{options_.crop, options_.flip, options_.mixup, options_.seed,
                                    draw_of(step, p)};
    prepared.push_back(data_.training_inputs(part_of(numbers, p, parts), loss_, augmentation));
    prepared.back()["rng"] = rng_state(options_.seed, draw_of(step, p));
  }
  return prepared;
}

StepResult Stepper::step(std::vector<Inputs> prepared, SampleNumbers numbers, std::int64_t step) {
  const auto run_batch = [&](Inputs& inputs, double share) {
    inputs["loss_gradient"] = scalar_f32(share);
    if (!update_) {
      inputs["schedule"] = schedule_;
      inputs["step"] = scalar_i32(step);
    }
    return forward_->run(inputs);
  };
  if (!update_) {
    const auto results = run_batch(prepared.front(), 1.0);
    return {results.at("loss").as<float>()[0], results.at("grad_norm").as<float>()[0]};
  }
  for (const std::string& name : states_.names())
    if (is_sum(name)) {
      Tensor& sum = states_.at(name);
      std::memset(sum.data(), 0, sum.bytes());
    }
  const std::int64_t parts = parts_of(numbers, options_);
  // The loss is a mean; over parts of a step it is their mean by what their samples weigh.
  const double total = loss_weight(data_, numbers, loss_);
  double loss = 0;
  for (std::int64_t p = 0; p < parts; ++p) {
    const double share = loss_weight(data_, part_of(numbers, p, parts), loss_) / total;
    const auto results = run_batch(prepared[static_cast<std::size_t>(p)], share);
    loss += share * static_cast<double>(results.at("loss").as<float>()[0]);
  }
  const auto results = update_->run({{"schedule", schedule_}, {"step", scalar_i32(step)}});
  forward_->parameters_changed();
  return {loss, results.at("grad_norm").as<float>()[0]};
}

TensorStore Stepper::state() const {
  TensorStore all;
  for (const std::string& name : model_.tensors.names())
    if (!is_frozen(model_, name)) all.set(name, model_.tensors.at(name));
  for (const std::string& name : states_.names())
    if (!is_sum(name)) all.set(name, states_.at(name));
  return all;
}

void Stepper::restore(const TensorStore& state) {
  const TensorStore own = this->state();
  for (const std::string& name : own.names()) {
    Tensor to = own.at(name);
    const Tensor& from = state.at(name);
    if (from.shape() != to.shape() || from.dtype() != to.dtype())
      throw Error(ErrorCode::bad_format,
                  fmt::format("the checkpoint's tensor '{}' is {}, expected {}", name,
                              to_string(from.shape()), to_string(to.shape())));
    std::memcpy(to.data(), from.data(), to.bytes());
  }
}

TensorStore Stepper::parameters(std::int64_t step) const {
  TensorStore all;
  for (const std::string& name : model_.tensors.names()) all.set(name, model_.tensors.at(name));
  const Graph& graph = forward_->graph();
  for (const Node& node : graph.nodes) {
    if (node.op != "adamw_refresh") continue;
    // The table, its moments and the step of each row's last update.
    std::vector<std::string> names;
    Graph flush;
    flush.name = "flush";
    std::vector<ValueId> inputs;
    for (std::size_t i = 0; i < 4; ++i) {
      const Value& value = graph.value(node.inputs[i]);
      names.push_back(value.name);
      inputs.push_back(flush.add_value(value.name, value.type, value.kind));
    }
    inputs.push_back(flush.input("ids", {DType::i32, {Dim("R")}}));
    inputs.push_back(flush.input("schedule", {DType::f32, {Dim("S")}}));
    inputs.push_back(flush.input("step", {DType::i32, {1}}));
    const NodeId made = flush.append("adamw_refresh", inputs, node.attributes);
    for (std::size_t i = 0; i < 4; ++i)
      flush.updates.emplace_back(inputs[i], flush.node(made).outputs[i]);
    Executor executor(std::move(flush));
    Tensor table = model_.tensors.at(names[0]).clone();
    executor.bind(names[0], table);
    for (std::size_t i = 1; i < 4; ++i) executor.bind(names[i], states_.at(names[i]).clone());
    Tensor rows(DType::i32, {table.shape()[0]});
    std::iota(rows.as<std::int32_t>(), rows.as<std::int32_t>() + rows.size(), 0);
    // "Up to the step before step + 1".
    executor.run({{"ids", rows}, {"schedule", schedule_}, {"step", scalar_i32(step + 1)}});
    all.set(names[0], table);
  }
  return all;
}

std::vector<KernelTiming> Stepper::timings() const {
  std::vector<KernelTiming> list = forward_->timings();
  if (update_)
    for (KernelTiming& timing : update_->timings()) list.push_back(std::move(timing));
  return list;
}

std::int64_t Stepper::arena_bytes() const {
  return forward_->arena_bytes() + (update_ ? update_->arena_bytes() : 0);
}

}  // namespace hone
