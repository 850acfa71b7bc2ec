// Timestep embedding and the modulation tables of all blocks, one set per distinct timestep.
#pragma once

#include <cstdint>
#include <map>

#include "model/transformer_config.hpp"
#include "ops/ops.hpp"

namespace causeway {

/// What one timestep does to the network, all fp32: rows shift, scale, gate (self-attention),
/// shift, scale, gate (FFN) per block, and shift, scale of the head.
struct ModulationTable {
  Tensor blocks;  // [layers, 6, width]
  Tensor head;    // [2, width]
  const float* row(std::int64_t layer, int index) const;
  const float* head_row(int index) const;
};

/// Sinusoid of a timestep on the 0 … 1000 scale: `width` numbers, cosines first, angles in float64.
std::vector<float> timestep_sinusoid(double timestep, std::int64_t width);

/// Computes tables on first use and keeps them: a rollout has few distinct timesteps.
class Modulation {
 public:
  Modulation(const TensorStore& store, const TransformerConfig& config, const Ops& ops);
  const ModulationTable& at(double timestep);

 private:
  ModulationTable make(double timestep) const;
  const TensorStore* store_;
  const TransformerConfig* config_;
  const Ops* ops_;
  Ops host_;           // tables are made on the host, once a timestep
  Tensor block_rows_;  // [layers, 6, width]
  Tensor head_rows_;   // [2, width]
  std::map<double, ModulationTable> tables_;
};

}  // namespace causeway
