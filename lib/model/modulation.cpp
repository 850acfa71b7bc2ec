// Modulation tables from timesteps.
#include "model/modulation.hpp"

#include <cmath>
#include <cstring>

#include "model/stored_weight.hpp"

namespace causeway {
namespace {

/// x / (1 + e^−x) over a small vector on the host.
void silu(Tensor& x) {
  float* values = x.f32();
  for (std::int64_t i = 0; i < x.size(); ++i) values[i] /= 1.0f + std::exp(-values[i]);
}

}  // namespace

const float* ModulationTable::row(std::int64_t layer, int index) const {
  return blocks.f32() + (layer * 6 + index) * blocks.shape()[2];
}

const float* ModulationTable::head_row(int index) const {
  return head.f32() + index * head.shape()[1];
}

std::vector<float> timestep_sinusoid(double timestep, std::int64_t width) {
  const std::int64_t half = width / 2;
  std::vector<float> values(static_cast<std::size_t>(width));
  for (std::int64_t j = 0; j < half; ++j) {
    const double angle =
        timestep * std::pow(10000.0, -static_cast<double>(j) / static_cast<double>(half));
    values[static_cast<std::size_t>(j)] = static_cast<float>(std::cos(angle));
    values[static_cast<std::size_t>(half + j)] = static_cast<float>(std::sin(angle));
  }
  return values;
}

Modulation::Modulation(const TensorStore& store, const TransformerConfig& config, const Ops& ops)
    : store_(&store), config_(&config), ops_(&ops), host_(ops.on_host()) {
  const std::int64_t width = config.width;
  block_rows_ = Tensor(ElementType::f32, {config.layers, 6, width});
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const StoredWeight rows(store, "blocks." + std::to_string(layer) + ".modulation",
                            {1, 6, width});
    host_.convert(rows.as({6 * width}), reshaped(block_rows_.rows(layer, 1), {6 * width}));
  }
  head_rows_ = host_.to_f32(StoredWeight(store, "head.modulation", {1, 2, width}).as({2, width}));
}

const ModulationTable& Modulation::at(double timestep) {
  const auto found = tables_.find(timestep);
  if (found != tables_.end()) return found->second;
  return tables_.emplace(timestep, make(timestep)).first->second;
}

ModulationTable Modulation::make(double timestep) const {
  const std::int64_t width = config_->width;
  const auto layer = [&](const char* name, const Tensor& x, std::int64_t outputs,
                         Activation activation) {
    const std::int64_t inputs = x.shape()[1];
    const StoredWeight weight(*store_, std::string(name) + ".weight", {outputs, inputs});
    const Tensor bias =
        host_.to_f32(StoredWeight(*store_, std::string(name) + ".bias", {outputs}).view());
    Tensor y(ElementType::f32, {1, outputs});
    host_.linear_stored(x.view(), weight.view(), bias.f32(), y.view(), activation);
    return y;
  };
  const auto sinusoid = timestep_sinusoid(timestep, config_->freq_dim);
  Tensor input(ElementType::f32, {1, config_->freq_dim});
  std::memcpy(input.data(), sinusoid.data(), input.bytes());
  const Tensor hidden = layer("time_embedding.0", input, width, Activation::silu);
  Tensor embedding = layer("time_embedding.2", hidden, width, Activation::none);

  ModulationTable table;
  table.head = Tensor(ElementType::f32, {2, width});
  for (int row = 0; row < 2; ++row) {
    host_.add(head_rows_.rows(row, 1), embedding.view(), table.head.rows(row, 1));
  }
  silu(embedding);
  const Tensor rows = layer("time_projection.1", embedding, 6 * width, Activation::none);
  table.blocks = Tensor(ElementType::f32, {config_->layers, 6, width});
  for (std::int64_t i = 0; i < config_->layers; ++i) {
    host_.add(reshaped(block_rows_.rows(i, 1), {6 * width}), reshaped(rows.view(), {6 * width}),
              reshaped(table.blocks.rows(i, 1), {6 * width}));
  }
  table.head = ops_->on_device(std::move(table.head));
  table.blocks = ops_->on_device(std::move(table.blocks));
  return table;
}

}  // namespace causeway
