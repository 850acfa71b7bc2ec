// Opening devices, job groups and the model, all ranks together.
#include "batch/session.hpp"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "batch/agreement.hpp"
#include "batch/config_printer.hpp"
#include "batch/config_reader.hpp"
#include "batch/group_runner.hpp"
#include "batch/numa.hpp"
#include "tensor/cuda_memory.hpp"

namespace causeway {
namespace {

/// Threads that a person asked for; 0: nobody did.
int configured_threads(const Config& config) {
  if (config.parallel.threads > 0) return config.parallel.threads;
  return std::getenv("OMP_NUM_THREADS") != nullptr ? omp_get_max_threads() : 0;
}

/// Processors that this process may run on; 0: not known.
int allowed_processors() {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
}

}  // namespace

SharedConfig share_config(Communicator& world, const std::function<Config()>& read) {
  SharedConfig shared;
  collectively(world, [&] {
    if (world.rank() != 0) return;
    shared.config = read();
    shared.text = print_config(shared.config);
  });
  shared.text = world.broadcast(shared.text, 0);
  if (world.rank() != 0) shared.config = parse_config({shared.text, "configuration of rank 0", {}});
  return shared;
}

Session::Session(Process& process, const Config& config)
    : process_(&process),
      config_(&config),
      group_size_(resolved_group_size(config, process.world().size())),
      group_(process.split(process.world().rank() / group_size_)) {
  Communicator& world = process.world();
  collectively(world, [&] { open_device(); });
  places_ = gather_places(world, place_);
  place_.threads = choose_threads();
  omp_set_num_threads(place_.threads);
  places_ = gather_places(world, place_);
  collectively(world, [&] {
    group_ = connect(std::move(group_), config.parallel, places_of_group(), ops_->memory());
  });
}

std::vector<Place> Session::places_of_group() const {
  std::vector<Place> own;
  std::copy_if(places_.begin(), places_.end(), std::back_inserter(own),
               [&](const Place& place) { return place.group == place_.group; });
  return own;
}

Session::~Session() {
  if (!ops_ || process_->rank_on_node() != 0) return;
  try {
    keep_choices(*ops_);
  } catch (const std::exception&) {  // out of memory, say: nothing that this run has made is lost
  }
}

void Session::open_device() {
  place_.rank = process_->world().rank();
  place_.group = place_.rank / group_size_;
  place_.rank_in_group = group_->rank();
  place_.host = process_->host_name();
  const bool cuda = config_->parallel.device == DeviceKind::cuda;
  ops_.emplace(open_backend(cuda, process_->rank_on_node(), config_->parallel.deterministic));
  if (cuda) {
    const Gpu gpu = cuda_gpu();
    place_.device = gpu.name;
    place_.device_id = gpu.id;
    place_.device_bytes = static_cast<std::int64_t>(gpu.bytes);
    const NumaNode node = numa_node_of(gpu.pci);
    place_.numa_node = node.number;
    // Before OpenMP's threads are started; not where more of them are wanted than run there.
    bound_ =
        configured_threads(*config_) <= static_cast<int>(node.processors.size()) && bind_to(node);
  }
}

int Session::choose_threads() const {
  if (const int threads = configured_threads(*config_); threads > 0) return threads;
  const int allowed = allowed_processors();
  if (bound_) return fair_share(allowed, places_, place_);
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const int share = std::max(1, cores / process_->ranks_on_node());
  return allowed > 0 ? std::min(share, allowed) : share;  // no more than the launcher has bound
}

std::optional<MemoryPlan> Session::check_memory(LargestVideo largest) {
  if (config_->parallel.device != DeviceKind::cuda) {
    if (config_->model.text_weights == TextWeightsKind::resident)
      text_weights_ = TextWeights::resident;
    return std::nullopt;
  }
  Communicator& world = process_->world();
  world.broadcast(&largest, sizeof largest, 0);
  if (largest.frames == 0) return std::nullopt;
  collectively(world,
               [&] { place_.device_free = static_cast<std::int64_t>(cuda_gpu().free_bytes); });
  places_ = gather_places(world, place_);  // what is free now that NCCL has taken its part
  auto plans = plans_with(TextWeights::resident, largest);
  text_weights_ = choose_text_weights(config_->model.text_weights, places_, plans);
  if (text_weights_ == TextWeights::streamed) plans = plans_with(text_weights_, largest);
  collectively(world, [&] {
    const auto problem = world.rank() == 0 ? memory_problem(places_, plans) : std::string();
    require(problem.empty(), ExitCode::device, "{}", problem);
  });
  return plans.front();
}

std::vector<MemoryPlan> Session::plans_with(TextWeights text_weights, LargestVideo largest) {
  MemoryPlan own;
  collectively(process_->world(), [&] {
    const PlannedRun run{config_->model.path,
                         config_->model.transformer_file,
                         config_->model.precision,
                         rollout_settings(*config_),
                         config_->video.height,
                         config_->video.width,
                         latent_frames(largest.frames),
                         largest.goes_on,
                         by_peer_copies(config_->parallel, places_of_group()),
                         text_weights};
    own = plan_memory(run, *ops_, place_.rank_in_group, group_size_);
  });
  return gather_plans(process_->world(), own);
}

void Session::open_model() {
  model_ = std::make_unique<Model>(config_->model.path, config_->model.transformer_file,
                                   config_->model.precision, *ops_);
  model_->set_decoder_first(group_->size() == 1);
  if (group_->rank() == 0) model_->prepare_text();
}

void Session::load_model() {
  model_->transformer();
  if (group_->rank() == 0 && text_weights_ == TextWeights::resident) model_->keep_text_weights();
  if (group_->rank() == 0 && config_->encoding.save) model_->vae_decoder();
}

}  // namespace causeway
