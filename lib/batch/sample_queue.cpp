// A small server thread on rank 0, and how groups talk to it (JSON messages).
#include "batch/sample_queue.hpp"

#include <exception>

#include "batch/json_text.hpp"

namespace causeway {
namespace {

using Json = nlohmann::json;

Json to_json(const SampleResult& result) {
  return {{"number", result.number},
          {"done", result.done},
          {"code", static_cast<int>(result.code)},
          {"problem", result.problem},
          {"notice", result.notice},
          {"frames", result.frames},
          {"seconds", result.seconds},
          {"details", result.details}};
}

SampleResult result_from(const Json& json) {
  SampleResult result;
  result.number = json.at("number").get<std::size_t>();
  result.done = json.at("done").get<bool>();
  result.code = static_cast<ExitCode>(json.at("code").get<int>());
  result.problem = json.at("problem").get<std::string>();
  result.notice = json.at("notice").get<std::string>();
  result.frames = json.at("frames").get<std::int64_t>();
  result.seconds = json.at("seconds").get<double>();
  result.details = json.at("details").get<std::string>();
  return result;
}

}  // namespace

QueueServer::QueueServer(Mailbox& mailbox, std::vector<std::size_t> order, int groups,
                         std::function<std::string(std::size_t)> text_of, QueueObserver& observer)
    : mailbox_(mailbox),
      waiting_(order.begin(), order.end()),
      groups_open_(groups),
      text_of_(std::move(text_of)),
      observer_(observer),
      thread_([this] { serve(); }) {}

QueueServer::~QueueServer() {
  if (thread_.joinable()) thread_.join();
}

void QueueServer::join() {
  if (thread_.joinable()) thread_.join();
  if (problem_) std::rethrow_exception(problem_);
}

void QueueServer::serve() {
  while (groups_open_ > 0) {
    try {
      answer(mailbox_.wait(Mailbox::Lane::request));
    } catch (...) {
      // The groups must still be told that nothing is left: note the first problem and go on.
      if (!problem_) problem_ = std::current_exception();
      stopped_ = true;
    }
  }
}

void QueueServer::answer(const Message& message) {
  const Json request = Json::parse(message.text);
  if (request.contains("progress")) {
    observer_.progressed(request["progress"].get<std::int64_t>());
    return;
  }
  Json reply = {{"end", true}};
  std::exception_ptr problem;
  try {
    if (request.contains("result")) {
      const SampleResult result = result_from(request["result"]);
      // A disk that is full or gone fails every later sample too: stop handing out, keep what is
      // done.
      if (!result.done && result.code == ExitCode::output) stopped_ = true;
      observer_.ended(result);
    }
    if (!stopped_ && !waiting_.empty()) {
      const std::size_t number = waiting_.front();
      observer_.taken(number, request.at("group").get<int>());
      reply = {{"sample", text_of_(number)}};
      waiting_.pop_front();
    }
  } catch (...) {
    problem = std::current_exception();
  }
  // Whatever went wrong here, the group that asked gets an answer.
  if (!reply.contains("sample")) --groups_open_;
  mailbox_.send(message.from, Mailbox::Lane::answer, json_text(reply));
  if (problem) std::rethrow_exception(problem);
}

std::optional<std::string> QueueClient::next(const SampleResult* last) {
  Json request = {{"group", group_}};
  if (last != nullptr) request["result"] = to_json(*last);
  mailbox_.send(0, Mailbox::Lane::request, json_text(request));
  const Json reply = Json::parse(mailbox_.wait(Mailbox::Lane::answer).text);
  if (!reply.contains("sample")) return std::nullopt;
  return reply["sample"].get<std::string>();
}

void QueueClient::progressed(std::int64_t frames) {
  mailbox_.send(0, Mailbox::Lane::request,
                json_text(Json{{"group", group_}, {"progress", frames}}));
}

}  // namespace causeway
