// cairn bench growth: what a token costs as depth, sequences, the prefix index and threads grow; as a table and as a plot.
#include "cli/bench_growth.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file_writer.h"
#include "base/machine.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "cli/terminal_input.h"

namespace cairn {
namespace {

void add_rows(const PlotPanel& panel, RowWriter& table) {
  for (const PlotSeries& series : panel.series) {
    for (const PlotPoint& point : series.points) {
      table.add_row({series.name, panel.x_label, std::to_string(point.x), fmt::format("{:.3f}", point.median),
                     fmt::format("{:.3f}", point.least), fmt::format("{:.3f}", point.most), panel.y_label});
    }
  }
}

std::string machine_name() {
  const int cores = usable_core_count();
  return fmt::format("{}, {} core{}", printable(processor_name().value_or("a processor without a name")),
                     cores, cores == 1 ? "" : "s");
}

void report_json(const std::vector<PlotPanel>& panels, const OpenModel& opened, Console& console) {
  boost::json::array list;
  for (const PlotPanel& panel : panels) {
    for (const PlotSeries& series : panel.series) {
      for (const PlotPoint& point : series.points) {
        list.push_back(boost::json::object{{"what", series.name},
                                           {"by", panel.x_label},
                                           {"x", point.x},
                                           {"median", point.median},
                                           {"least", point.least},
                                           {"most", point.most},
                                           {"unit", panel.y_label}});
      }
    }
  }
  console.write(json_line({{"model", json_text(opened.path)},
                           {"machine", machine_name()},
                           {"isa", isa_name(opened.kernels->isa)},
                           {"threads", opened.threads->thread_count()},
                           {"points", std::move(list)}}));
}

Status write_plot(FileWriter file, std::vector<PlotPanel> panels, const OpenModel& opened) {
  const int threads = opened.threads->thread_count();
  const PlotPage page{.title = "What a token costs as things grow",
                      .subtitle = fmt::format(
                          "{} on {}; {}, {} thread{}; medians, and the least and most of interleaved rounds",
                          printable_path(opened.path.substr(opened.path.find_last_of('/') + 1)),
                          machine_name(), isa_name(opened.kernels->isa), threads, threads == 1 ? "" : "s"),
                      .panels = std::move(panels)};
  const std::string text = svg_text(page);
  CAIRN_RETURN_IF_ERROR(file.append(std::as_bytes(std::span(text))));
  return file.finish();
}

Result<std::optional<FileWriter>> plot_writer(const BenchOptions& options) {
  if (!options.plot_file.has_value()) return std::optional<FileWriter>();
  CAIRN_ASSIGN_OR_RETURN(FileWriter file, FileWriter::create(*options.plot_file));
  return std::optional(std::move(file));
}

}  // namespace

Status bench_growth(const BenchOptions& options, const BenchRun& run) {
  // Whatever could go wrong at the end is tried now.
  CAIRN_ASSIGN_OR_RETURN(std::optional<FileWriter> plot, plot_writer(options));
  CAIRN_RETURN_IF_ERROR(check_growth_by_index(options.index_blocks));
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, run.console));
  if (opened.engine_options.context < kLeastGrowthContext) {
    return invalid_argument(
        fmt::format("bench growth needs a context of at least {} positions: give a larger --context",
                    kLeastGrowthContext));
  }
  RowWriter table(run.console, options.table_form,
                  {{"what", Align::kLeft, 27},
                   {"by", Align::kLeft, 19},
                   {"x", Align::kRight, 8},
                   {"median", Align::kRight, 9},
                   {"least", Align::kRight, 9},
                   {"most", Align::kRight, 9},
                   {"unit"}});
  const std::vector<std::function<Result<PlotPanel>()>> parts{
      [&] { return growth_by_depth(opened, run); }, [&] { return growth_by_sequences(opened, run); },
      [&] { return growth_by_index(options.index_blocks, run); },
      [&] { return growth_by_threads(opened, run); }};
  std::vector<PlotPanel> panels;
  for (const auto& part : parts) {
    if (run.interrupt.is_raised()) break;
    CAIRN_ASSIGN_OR_RETURN(PlotPanel panel, part());
    if (options.common.output_form != OutputForm::kJson) add_rows(panel, table);
    panels.push_back(std::move(panel));
  }
  if (options.common.output_form == OutputForm::kJson) report_json(panels, opened, run.console);
  if (!plot.has_value()) return {};
  if (run.interrupt.is_raised()) {
    run.console.note(fmt::format("stopped: {} is not written", printable_path(*options.plot_file)));
    return {};
  }
  CAIRN_RETURN_IF_ERROR(write_plot(*std::move(plot), std::move(panels), opened));
  run.console.note(fmt::format("The plot is in {}.", printable_path(*options.plot_file)));
  return {};
}

}  // namespace cairn
