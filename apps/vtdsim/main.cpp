// SPDX-License-Identifier: Apache-2.0
// vtdsim: the command line. Exit status 0: done; 1: the run found a failure; 2: unusable input or arguments.

#include "vtdsim/verbs.h"

#include <CLI/CLI.hpp>

#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <systemc>

int sc_main(int argc, char** argv) {
  // What goes wrong in the kernel is told as an exception, once, on stderr.
  sc_core::sc_report_handler::set_actions(sc_core::SC_ERROR, sc_core::SC_THROW);
  sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  CLI::App app(
      "Models of Intel VT-d: boards that power on, drivers that are watched, misses that have a price.",
      "vtdsim");
  // CLI11 would take the argument after "--option=" for the value.
  for (const std::string_view argument : std::span(argv, static_cast<std::size_t>(argc))) {
    if (!argument.starts_with("--") || argument.find('=') != argument.size() - 1) continue;
    std::cerr << "vtdsim: " << argument << ": expected a value after the equals sign\n";
    return 2;
  }
  int status = 0;
  try {
    vtdsim::add_verbs(app, status);
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) {
      const auto rest = app.remaining();
      std::cerr << "vtdsim: " << (rest.empty() ? "no verb given" : "unknown verb '" + rest.front() + "'")
                << ", expected one of boards, run, lspci, dmar, dump, differential, compliance; see vtdsim "
                   "--help\n";
      return 2;
    }
  } catch (const CLI::Success& asked) {
    // --help and --version.
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    // Where a verb was given, its own help has the options.
    std::string program = "vtdsim";
    for (const CLI::App* verb : app.get_subcommands())
      program += ' ' + verb->get_name();
    std::cerr << "vtdsim: " << error.what() << "; see " << program << " --help\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "vtdsim: " << error.what() << '\n';
    return 2;
  }
  return status;
}
