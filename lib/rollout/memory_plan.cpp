// What a run will allocate on a rank's device: the run itself, on a device that only counts.
#include "rollout/memory_plan.hpp"

#include <cstring>
#include <vector>

#include "comm/exchange_window.hpp"
#include "ops/phantom.hpp"

namespace causeway {
namespace {

/// A rank whose mates are not there. All that rank 0 would tell it is how many rows a prompt has.
class PhantomGroup final : public Communicator {
 public:
  /// `window` may be null.
  PhantomGroup(int rank, int ranks, std::int64_t prompt_rows, Memory& memory,
               ExchangeWindow* window)
      : rank_(rank), ranks_(ranks), prompt_rows_(prompt_rows), memory_(&memory), window_(window) {}
  int rank() const override { return rank_; }
  int size() const override { return ranks_; }
  Memory& memory() const override { return *memory_; }
  void broadcast(void* data, std::size_t bytes, int root) override {
    if (rank_ != root && bytes == sizeof prompt_rows_) std::memcpy(data, &prompt_rows_, bytes);
  }
  void gather(const void*, void*, const std::vector<std::int64_t>&, int) override {}
  void barrier() override {}
  std::int64_t max(std::int64_t value) override { return value; }
  void make_room(const Exchange& plan) override {
    if (window_ != nullptr) window_->make_room(SentSpan(plan).bytes());
  }

 protected:
  void do_exchange(const Exchange&, const void*, void*) override {}

 private:
  int rank_, ranks_;
  std::int64_t prompt_rows_;
  Memory* memory_;
  ExchangeWindow* window_;
};

class NoSink final : public VideoSink {
 public:
  void latents(const ChunkSpan&, ConstView) override {}
  void frames(ConstView) override {}
};

/// A prompt that fills the text encoder's rows; each number gives another.
std::string long_prompt(std::size_t number, std::int64_t rows) {
  std::string text = std::to_string(number);
  for (std::int64_t i = 0; i < rows; ++i) text += " a";
  return text;
}

}  // namespace

MemoryPlan plan_memory(const PlannedRun& run, const Ops& like, int rank, int ranks) {
  CountedMemory memory;
  ExchangeWindow window(memory);
  const bool shares = run.by_peer_copies && ranks > 1;
  if (shares) window.make_room(0);  // groups are connected before models are loaded
  Model model(run.path, run.transformer_file, run.compute, phantom_ops(like.kernels(), memory));
  model.read_shapes_alone();
  model.transformer();
  const VaeConfig& vae = model.vae_config();
  const std::int64_t prompt_rows = model.transformer_config().text_length;
  if (rank == 0) model.prepare_text();
  if (rank == 0 && run.text_weights == TextWeights::resident) model.keep_text_weights();
  if (rank == 0 && run.settings.decode) model.vae_decoder();

  PhantomGroup group(rank, ranks, prompt_rows, memory, shares ? &window : nullptr);
  Rollout rollout(model, group, run.settings);
  VideoRequest request;
  request.latent_frames = run.latent_frames;
  request.latent_height = run.height / vae.spatial_stride();
  request.latent_width = run.width / vae.spatial_stride();
  NoSink sink;
  VideoReport report;
  // Prompts as long as the text encoder takes, and one more than a rank remembers: the last is
  // encoded beside all that is kept. So is a given video.
  for (std::size_t number = 0; number <= Rollout::kept_contexts; ++number) {
    if (rank == 0 && run.goes_on && model.can_encode()) {
      const Tensor rgb(ElementType::u8, {1 + vae.temporal_stride(), run.height, run.width, 3});
      model.end_decoding();
      model.vae_encoder().encode(rgb.view());
    }
    request.prompts = {{0, long_prompt(number, prompt_rows)}};
    report = rollout.make(request, rank == 0 ? &sink : nullptr);
  }
  MemoryPlan plan;
  plan.weights = static_cast<std::int64_t>(model.weight_bytes());
  plan.kv_cache = report.kv_bytes;
  plan.contexts = report.context_bytes;
  plan.buffers = report.chunk_bytes;
  plan.vae_cache = report.vae_cache_bytes;
  plan.window = static_cast<std::int64_t>(window.bytes());
  plan.total = static_cast<std::int64_t>(memory.peak_bytes() + phantom_convolution_bytes());
  return plan;
}

}  // namespace causeway
