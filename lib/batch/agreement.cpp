// Agreeing on errors.
#include "batch/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <vector>

namespace causeway {
namespace {

/// Ranks in words: "rank 3", "ranks 1, 2 and 5 more".
std::string rank_list(const std::vector<std::size_t>& ranks) {
  constexpr std::size_t shown = 4;
  const std::size_t count = std::min(ranks.size(), shown);
  const std::vector<std::size_t> first(ranks.begin(),
                                       ranks.begin() + static_cast<std::ptrdiff_t>(count));
  const std::string more =
      ranks.size() > shown ? fmt::format(" and {} more", ranks.size() - shown) : "";
  return fmt::format("{} {}{}", ranks.size() == 1 ? "rank" : "ranks", fmt::join(first, ", "), more);
}

}  // namespace

void collectively(Communicator& world, const std::function<void()>& work) {
  auto code = static_cast<std::int64_t>(ExitCode::success);
  std::string message;
  try {
    work();
  } catch (const Error& error) {
    code = static_cast<std::int64_t>(error.code());
    message = error.what();
  } catch (const std::bad_alloc&) {
    code = static_cast<std::int64_t>(ExitCode::device);
    message = "out of memory; use a smaller video, a shorter window or more ranks per job group";
  } catch (const std::exception& error) {
    code = static_cast<std::int64_t>(ExitCode::internal);
    message = std::string(error.what()) + " (this is a bug in Causeway; please report it)";
  }
  if (world.all_agree(code == 0)) return;

  const auto messages = world.gather(message, 0);
  // The first failing rank decides the exit code: the smallest rank, so the largest of (ranks −
  // rank).
  const std::int64_t distance = code == 0 ? 0 : world.size() - world.rank();
  const auto first = world.size() - static_cast<int>(world.max(distance));
  world.broadcast(&code, sizeof code, first);
  std::string text;
  if (world.rank() == 0) {
    std::map<std::string, std::vector<std::size_t>> ranks_of;
    for (std::size_t r = 0; r < messages.size(); ++r) {
      if (!messages[r].empty()) ranks_of[messages[r]].push_back(r);
    }
    for (const auto& [problem, ranks] : ranks_of) {
      const bool everywhere = ranks.size() == messages.size();
      const bool only_root = ranks.size() == 1 && ranks[0] == 0;
      const std::string who = everywhere || only_root ? "" : rank_list(ranks) + ": ";
      text += fmt::format("{}{}{}", text.empty() ? "" : "\n", who, problem);
    }
  }
  throw AgreedError(static_cast<ExitCode>(code), text, world.rank() == 0);
}

void or_abort(Process& process, const std::function<void()>& work) {
  const auto end = [&](ExitCode code, const char* problem, const char* advice) {
    fmt::print(stderr, "causeway: rank {} on {}: {}{}\n", process.world().rank(),
               process.host_name(), problem, advice);
    std::fflush(stderr);
    process.abort(code);
  };
  try {
    work();
  } catch (const Error& error) {
    end(error.code(), error.what(), "");
  } catch (const std::exception& error) {
    end(ExitCode::internal, error.what(), " (this is a bug in Causeway; please report it)");
  }
}

}  // namespace causeway
