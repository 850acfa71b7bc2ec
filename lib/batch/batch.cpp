// A run from its configuration to its report, as all ranks go through it together.
#include "batch/batch.hpp"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>

#include "batch/agreement.hpp"
#include "batch/config_printer.hpp"
#include "batch/group_runner.hpp"
#include "batch/run_observer.hpp"
#include "core/build_info.hpp"
#include "core/clock.hpp"
#include "model/model.hpp"

namespace causeway {
namespace {

/// Threads of this rank: as configured, else OMP_NUM_THREADS, else its share of the node's cores
/// (no more than the launcher has bound it to).
int choose_threads(const Config& config, const Process& process) {
  if (config.parallel.threads > 0) return config.parallel.threads;
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return omp_get_max_threads();
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  int share = std::max(1, cores / process.ranks_on_node());
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    share = std::min(share, CPU_COUNT(&allowed));
  return std::max(1, share);
}

/// Everything that rank 0 alone knows of the work.
struct Work {
  SamplePlan plan;
  std::vector<std::size_t> order;  ///< what is left to make, longest first
  std::size_t already_done = 0;
  std::int64_t frames = 0;  ///< of what is left
};

Work plan_work(const Config& config, const BatchOptions& options, const RunDirectory& directory) {
  Work work;
  work.plan = make_sample_plan(read_prompts(config.prompts, config), config);
  if (options.limit && *options.limit < work.plan.samples.size())
    work.plan.samples.resize(*options.limit);
  const auto done = directory.done(work.plan, config);
  for (const std::size_t number : longest_first(work.plan)) {
    if (done[number]) {
      ++work.already_done;
      continue;
    }
    work.order.push_back(number);
    work.frames += work.plan.samples[number].frames;
  }
  return work;
}

/// Opens the encoder once, so that what it refuses ends the run before it starts. Throws
/// Error(usage).
void check_encoding(const Config& config) {
  if (!config.encoding.save) return;
  const auto path = std::filesystem::temp_directory_path() / "causeway-encoder-check.mp4";
  const VideoWriter writer(video_settings(config, path));
}

class Batch {
 public:
  Batch(Process& process, const BatchOptions& options)
      : process_(process),
        world_(process.world()),
        options_(options),
        started_(utc_now()),
        start_(Clock::now()) {}

  ExitCode run() {
    read_configuration();
    prepare_model();
    if (options_.dry_run) return describe();
    std::string hash;
    collectively(world_, [&] {
      if (root()) hash = hash_.get();
    });
    provenance_.checkpoint_hash = world_.broadcast(hash, 0);
    start_up_seconds_ = seconds_since(start_);
    start_ = Clock::now();
    return make_videos();
  }

 private:
  bool root() const { return world_.rank() == 0; }

  void read_configuration() {
    std::string text;
    collectively(world_, [&] {
      if (!root()) return;
      ConfigOverrides overrides = options_.overrides;
      overrides.ranks = world_.size();
      config_ = read_config(options_.config_file, overrides);
      check_encoding(config_);
      require(!config_.prompts.empty(), ExitCode::usage,
              "no prompt list: the configuration has no 'prompts' and the command line no "
              "--prompts FILE");
      require(
          !config_.output.empty() || options_.dry_run, ExitCode::usage,
          "no output folder: the configuration has no 'output' and the command line no --out DIR");
      directory_ = RunDirectory(config_.output);
      directory_.check(config_);
      work_ = plan_work(config_, options_, directory_);
      text = print_config(config_);
    });
    text = world_.broadcast(text, 0);
    if (!root()) {
      config_ = parse_config({text, "configuration of rank 0", {}});
      directory_ = RunDirectory(config_.output);
    }
    provenance_.configuration = text;
    group_size_ = resolved_group_size(config_, world_.size());
    group_ = process_.split(world_.rank() / group_size_);
  }

  void prepare_model() {
    collectively(world_, [&] {
      threads_ = choose_threads(config_, process_);
      omp_set_num_threads(threads_);
      const Ops ops =
          open_backend(config_.parallel.device == DeviceKind::cuda, process_.rank_on_node());
      provenance_.backend = ops.kernels().name;
      model_ = std::make_unique<Model>(config_.model.path, config_.model.transformer_file,
                                       config_.model.precision, ops);
      // The group's first rank alone encodes text and decodes; dry runs look at all parts, too.
      if (group_->rank() == 0) model_->prepare_text();
      if (options_.dry_run) {
        model_->check();
        return;
      }
      // Hashing reads the same files as loading does, so the disk is read once.
      if (root()) {
        hash_ =
            std::async(std::launch::async, [this] { return checkpoint_hash(model_->folder()); });
      }
      model_->transformer();
      if (group_->rank() == 0 && config_.encoding.save) model_->vae_decoder();
    });
  }

  ExitCode describe() const {
    if (!root()) return ExitCode::success;
    const auto& transformer = model_->transformer_config();
    fmt::print(
        "configuration, prompts and checkpoint are in order; nothing was written\n"
        "checkpoint   {} ({:.3g} B parameters in {} blocks of width {}, {} heads)\n"
        "samples      {} to make, {} done before\n"
        "ranks        {} in {} job groups of {}, {} threads each, backend {}\n",
        config_.model.path, static_cast<double>(parameter_count(transformer)) * 1e-9,
        transformer.layers, transformer.width, transformer.heads, work_.order.size(),
        work_.already_done, world_.size(), world_.size() / group_size_, group_size_, threads_,
        provenance_.backend);
    return ExitCode::success;
  }

  ExitCode make_videos() {
    std::unique_ptr<RunObserver> observer;
    std::unique_ptr<QueueServer> server;
    collectively(world_, [&] {
      if (!root()) return;
      directory_.open(config_);
      observer = std::make_unique<RunObserver>(work_.plan, config_, directory_, work_.already_done,
                                               work_.frames);
      observer->log(
          fmt::format("start: {} samples to make, {} done before, {} ranks in groups of {}",
                      work_.order.size(), work_.already_done, world_.size(), group_size_));
    });
    if (root()) {
      server = std::make_unique<QueueServer>(
          process_.mailbox(), work_.order, world_.size() / group_size_,
          [this](std::size_t number) {
            return to_message(make_sample_job(work_.plan, number, config_.files_per_folder));
          },
          *observer);
    }
    std::vector<std::string> messages;
    or_abort([&] {
      GroupRunner runner(config_, directory_, provenance_, *model_, *group_,
                         QueueClient(process_.mailbox(), world_.rank() / group_size_));
      runner.run();
      messages = world_.gather(to_message(count(runner)), 0);
    });
    auto code = static_cast<std::int64_t>(ExitCode::success);
    collectively(world_, [&] {
      if (root()) code = static_cast<std::int64_t>(close(*server, *observer, messages));
    });
    world_.broadcast(&code, sizeof code, 0);
    return static_cast<ExitCode>(code);
  }

  /// Past this point ranks wait for each other: whoever fails alone must end the run for all.
  void or_abort(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      fmt::print(stderr, "causeway: rank {} on {}: {}\n", world_.rank(), process_.host_name(),
                 error.what());
      std::fflush(stderr);
      process_.abort(error.code());
    } catch (const std::exception& error) {
      fmt::print(stderr,
                 "causeway: rank {} on {}: {} (this is a bug in Causeway; please report it)\n",
                 world_.rank(), process_.host_name(), error.what());
      std::fflush(stderr);
      process_.abort(ExitCode::internal);
    }
  }

  RankReport count(const GroupRunner& runner) const {
    RankReport report;
    report.rank = world_.rank();
    report.group = world_.rank() / group_size_;
    report.rank_in_group = group_->rank();
    report.host = process_.host_name();
    report.threads = threads_;
    report.peak_resident = peak_resident_bytes();
    runner.add_to(report);
    return report;
  }

  ExitCode close(QueueServer& server, RunObserver& observer,
                 const std::vector<std::string>& messages) {
    // What the queue's thread stumbled over is told after the report is written.
    std::exception_ptr problem;
    try {
      server.join();
    } catch (...) {
      problem = std::current_exception();
    }
    observer.finish();
    RunReport report;
    report.started = started_;
    report.finished = utc_now();
    report.seconds = seconds_since(start_);
    report.start_up_seconds = start_up_seconds_;
    report.backend = provenance_.backend;
    report.checkpoint_hash = provenance_.checkpoint_hash;
    report.configuration = provenance_.configuration;
    report.ranks = world_.size();
    report.groups = world_.size() / group_size_;
    report.samples_total = work_.plan.samples.size();
    report.samples_skipped = work_.already_done;
    report.samples_not_started = server.left();
    report.results = observer.results();
    for (const auto& sample : work_.plan.samples) report.ids.push_back(sample.id);
    for (const auto& message : messages) report.rank_reports.push_back(rank_report_from(message));
    ExitCode code = ExitCode::success;
    for (const auto& result : report.results) {
      if (result.done) {
        report.first_frame.push_back(
            nlohmann::json::parse(result.details).at("first_frame").get<double>());
      } else if (result.code == ExitCode::internal || result.code == ExitCode::output) {
        // Not the sample's own fault: a bug of ours, or a disk that takes nothing more.
        if (code != ExitCode::internal) code = result.code;
      } else if (code == ExitCode::success) {
        code = ExitCode::some_samples_failed;
      }
    }
    if (server.left() > 0 && code != ExitCode::internal) code = ExitCode::output;
    write_text_atomically(directory_.report(), report_json(report));
    observer.log(fmt::format("end: exit code {}", static_cast<int>(code)));
    fmt::print("\n{}\nvideos and latents  {}\nreport              {}\n", report_table(report),
               directory_.samples().string(), directory_.report().string());
    std::fflush(stdout);
    if (problem) std::rethrow_exception(problem);
    return code;
  }

  Process& process_;
  Communicator& world_;
  const BatchOptions& options_;
  std::string started_;
  Clock::time_point start_;
  double start_up_seconds_ = 0;
  Config config_;
  RunDirectory directory_{""};
  Work work_;
  Provenance provenance_;
  int group_size_ = 1, threads_ = 1;
  std::unique_ptr<Communicator> group_;
  std::unique_ptr<Model> model_;
  std::future<std::string> hash_;
};

}  // namespace

std::string program_description() { return build_description() + output_capabilities(); }

ExitCode run_batch(Process& process, const BatchOptions& options) {
  return Batch(process, options).run();
}

}  // namespace causeway
