#include "cli/bench_serve.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/bench_serve_call.h"
#include "cli/bench_serve_report.h"
#include "cli/console.h"
#include "cli/terminal_input.h"
#include "server/http/http_client.h"

namespace cairn {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{100};  // between two looks at Ctrl-C

// Sends what the plan says, and collects what comes of it. Everything happens within run(), on one thread.
class LoadRun {
 public:
  LoadRun(const BenchServeOptions& options, std::string model, LoadPlan plan, HttpClient& client)
      : options_(options), model_(std::move(model)), plan_(std::move(plan)), client_(client) {}

  void run(const Interrupt& interrupt, Console& console) {
    ProgressBar bar(console, "asking");
    begin_ = steady_clock::now();
    begin_ns_ = clock_.now_ns();
    if (plan_.arrivals() == LoadPlan::Arrivals::kPlanned) {
      plan_next();
    } else {
      for (int64_t user = 0; user < plan_.user_count(); ++user) send_next();
    }
    look(interrupt, bar);
    client_.run();
  }

  [[nodiscard]] const std::vector<CallResult>& results() const { return results_; }

 private:
  [[nodiscard]] double elapsed_s() const { return static_cast<double>(clock_.now_ns() - begin_ns_) * 1e-9; }

  [[nodiscard]] bool has_more() const {
    if (is_over_ || (plan_.size() && sent_ + planned_ >= *plan_.size())) return false;
    return !plan_.seconds() || elapsed_s() < *plan_.seconds();
  }

  // An open loop: the next is sent when it is due, however many are unanswered.
  void plan_next() {
    if (!has_more()) return;
    PlannedCall call = plan_.next();
    if (plan_.seconds() && call.at_s >= *plan_.seconds()) return;
    ++planned_;
    const auto delay =
        std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(call.at_s));
    const uint64_t due_ns = begin_ns_ + static_cast<uint64_t>(call.at_s * 1e9);
    client_.call_at(begin_ + delay, [this, due_ns, call = std::move(call)] {
      --planned_;
      if (is_over_) return;
      send(call, due_ns);  // its time runs from when it was due: a slow generator must not flatter the server
      plan_next();
    });
  }

  // A closed loop: a user's next.
  void send_next() {
    if (has_more()) send(plan_.next(), clock_.now_ns());
  }

  void send(const PlannedCall& call, uint64_t begin_ns) {
    ++sent_;
    auto recorder = std::make_shared<CallRecorder>(begin_ns);
    client_.fetch(
        call_request(options_, model_, call),
        {.on_head = [recorder](int status, const std::vector<HttpHeader>&) { recorder->on_head(status); },
         .on_data = [this, recorder](std::string_view bytes) { recorder->on_data(bytes, clock_.now_ns()); },
         .on_end =
             [this, recorder](const Status& status) {
               CallResult result = recorder->finish(status, clock_.now_ns());
               if (!is_over_ || is_complete(result)) results_.push_back(std::move(result));
               ++ended_;
               if (plan_.arrivals() == LoadPlan::Arrivals::kClosedLoop) send_next();
             }});
  }

  void look(const Interrupt& interrupt, ProgressBar& bar) {
    if (interrupt.is_raised() && !is_over_) {
      is_over_ = true;
      client_.cancel_all();
    }
    if (plan_.size()) bar.update(static_cast<uint64_t>(ended_), static_cast<uint64_t>(*plan_.size()));
    if (is_over_ || (planned_ == 0 && ended_ == sent_ && !has_more())) return;
    client_.call_at(steady_clock::now() + kLook, [this, &interrupt, &bar] { look(interrupt, bar); });
  }

  const BenchServeOptions& options_;
  const std::string model_;
  LoadPlan plan_;
  HttpClient& client_;
  const SteadyClock clock_;
  steady_clock::time_point begin_;
  uint64_t begin_ns_ = 0;
  int64_t planned_ = 0;  // to be sent when they are due
  int64_t sent_ = 0;
  int64_t ended_ = 0;
  bool is_over_ = false;  // by Ctrl-C
  std::vector<CallResult> results_;
};

// With or without the /v1 that most clients want to be given.
Result<HttpUrl> server_url(const std::string& text) {
  CAIRN_ASSIGN_OR_RETURN(HttpUrl url, HttpUrl::parse(text));
  if (url.path.ends_with("/v1")) url.path.resize(url.path.size() - 3);
  return url;
}

Result<std::string> model_name(const BenchServeOptions& options, HttpClient& client) {
  if (options.model) return *options.model;
  HttpClientRequest request{.target = "/v1/models"};
  if (options.api_key) request.headers.push_back({"Authorization", "Bearer " + *options.api_key});
  CAIRN_ASSIGN_OR_RETURN(const HttpClientReply reply, client.fetch_whole(std::move(request)));
  return first_model(reply);
}

}  // namespace

Result<ExitCode> run_bench_serve(const BenchServeOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const HttpUrl url, server_url(options.url));
  CAIRN_ASSIGN_OR_RETURN(LoadPlan plan, LoadPlan::create(options.load));
  CAIRN_ASSIGN_OR_RETURN(const auto client,
                         HttpClient::create(url, {.trusted_certificates = options.certificates}));
  CAIRN_ASSIGN_OR_RETURN(const std::string model, model_name(options, *client));
  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  LoadRun load(options, model, std::move(plan), *client);
  load.run(interrupt, console);
  const ServeReport report = report_of(load.results(), {options.slo_ttft_ms, options.slo_tpot_ms});
  if (options.output_form == OutputForm::kJson) {
    console.write(report_json(report, url.text(), model));
  } else if (options.table_form == TableForm::kCsv) {
    console.write(report_csv(report));
  } else {
    console.write(report_text(report));
  }
  if (interrupt.is_raised()) return ExitCode::kInterrupted;
  if (report.completed > 0 || report.failures.empty()) return ExitCode::kDone;
  return internal_error(fmt::format("no request was answered: {}", report.failures.begin()->second.first));
}

}  // namespace cairn
