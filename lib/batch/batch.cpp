// A run from its configuration to its report, as all ranks go through it together.
#include "batch/batch.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>

#include "batch/agreement.hpp"
#include "batch/group_runner.hpp"
#include "batch/run_observer.hpp"
#include "batch/session.hpp"
#include "core/build_info.hpp"
#include "core/clock.hpp"

namespace causeway {
namespace {

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
    session_.emplace(process_, config_);
    if (options_.show_placement && root()) print_placement(session_->places());
    plan_ = session_->check_memory(largest_video());
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
    auto shared = share_config(world_, [&] {
      ConfigOverrides overrides = options_.overrides;
      overrides.ranks = world_.size();
      Config config = read_config(options_.config_file, overrides);
      check_encoding(config);
      require(!config.prompts.empty(), ExitCode::usage,
              "no prompt list: the configuration has no 'prompts' and the command line no "
              "--prompts FILE");
      require(
          !config.output.empty() || options_.dry_run, ExitCode::usage,
          "no output folder: the configuration has no 'output' and the command line no --out DIR");
      const RunDirectory directory(config.output);
      directory.check(config);
      work_ = plan_work(config, options_, directory);
      return config;
    });
    config_ = std::move(shared.config);
    provenance_.configuration = std::move(shared.text);
    directory_ = RunDirectory(config_.output);
  }

  /// As rank 0 knows it.
  LargestVideo largest_video() const {
    LargestVideo video;
    for (const std::size_t number : work_.order) {
      const auto& sample = work_.plan.samples[number];
      video.frames = std::max(video.frames, sample.frames);
      video.goes_on |= !work_.plan.prompt_of(sample).video.empty();
    }
    return video;
  }

  void prepare_model() {
    provenance_.backend = session_->ops().kernels().name;
    collectively(world_, [&] {
      session_->open_model();
      Model& model = session_->model();
      if (options_.dry_run) {
        model.check();  // all parts, also those that this rank would not load
        return;
      }
      // Hashing reads the same files as loading does, so the disk is read once.
      if (root()) {
        hash_ =
            std::async(std::launch::async, [&model] { return checkpoint_hash(model.folder()); });
      }
      session_->load_model();
    });
  }

  ExitCode describe() const {
    if (!root()) return ExitCode::success;
    const auto& transformer = session_->model().transformer_config();
    fmt::print(
        "configuration, prompts and checkpoint are in order; nothing was written\n"
        "checkpoint   {} ({:.3g} B parameters in {} blocks of width {}, {} heads)\n"
        "samples      {} to make, {} done before\n"
        "ranks        {} in {} job groups of {}, {} threads each, backend {}\n",
        config_.model.path, static_cast<double>(parameter_count(transformer)) * 1e-9,
        transformer.layers, transformer.width, transformer.heads, work_.order.size(),
        work_.already_done, world_.size(), session_->groups(), session_->group_size(),
        session_->threads(), provenance_.backend);
    if (plan_) fmt::print("GPU memory   {} on rank 0\n", plan_text(*plan_));
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
      observer->log(fmt::format(
          "start: {} samples to make, {} done before, {} ranks in groups of {}", work_.order.size(),
          work_.already_done, world_.size(), session_->group_size()));
    });
    if (root()) {
      server = std::make_unique<QueueServer>(
          process_.mailbox(), work_.order, session_->groups(),
          [this](std::size_t number) {
            return to_message(make_sample_job(work_.plan, number, config_.files_per_folder));
          },
          *observer);
    }
    std::vector<std::string> messages;
    or_abort(process_, [&] {
      GroupRunner runner(config_, directory_, provenance_, session_->model(), session_->group(),
                         QueueClient(process_.mailbox(), session_->group_number()));
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

  RankReport count(const GroupRunner& runner) const {
    RankReport report;
    report.rank = world_.rank();
    report.group = session_->group_number();
    report.rank_in_group = session_->group().rank();
    report.host = process_.host_name();
    report.threads = session_->threads();
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
    report.groups = session_->groups();
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
  std::optional<Session> session_;
  std::optional<MemoryPlan> plan_;  // of rank 0, on a GPU
  std::future<std::string> hash_;
};

}  // namespace

std::string program_description() { return build_description() + output_capabilities(); }

ExitCode run_batch(Process& process, const BatchOptions& options) {
  return Batch(process, options).run();
}

}  // namespace causeway
