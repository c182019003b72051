#include "hone/cli/detail/program.hpp"

#include <cstdio>
#include <new>

#include <fmt/format.h>

#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/version.hpp"

namespace hone {
namespace {

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : command_table()) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  throw UsageError(fmt::format("unknown command '{}'", printable(name, 100)),
                   did_you_mean(name, names));
}

// The command as it would be typed into a shell.
std::string command_line(int argc, char** argv) {
  std::string line = "hone";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n'\"\\$`*?[]{}()<>|&;#~!") == std::string::npos;
    std::string quoted;
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += plain ? " " + word : " '" + quoted + "'";
  }
  return line;
}

// Said before the work, whose results would be lost.
void check_folder_of(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (!std::filesystem::is_directory(folder))
    throw Error(ErrorCode::not_found,
                fmt::format("--json {}: there is no folder {}", file.string(), folder.string()),
                "make the folder, or choose another file");
}

int run_command(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (argc < 2) {
    console().error_text(program_help());
    return exit_usage;
  }
  if (first == "--help" || first == "-h" || (first == "help" && argc == 2)) {
    console().print(program_help());
    return 0;
  }
  if (first == "--version") {
    console().print(fmt::format("hone {}\n", version));
    return 0;
  }
  if (first.rfind('-', 0) == 0)
    throw UsageError(fmt::format("unknown option '{}'", printable(first, 100)),
                     "the command comes first: hone COMMAND [options]; see hone --help");
  if (first == "help") {
    console().print(command_help(find_command(argv[2])));
    return 0;
  }
  const Command& command = find_command(first);
  const std::vector<std::string> words(argv + 2, argv + argc);
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word != "--help" && word != "-h") continue;
    console().print(command_help(command));
    return 0;
  }
  CommandInput input = parse_command_line(command, words);
  input.line = command_line(argc, argv);
  if (input.options.contains("json")) check_folder_of(input.options.text("json"));
  const CommandResult result = command.run(input);
  console().finish();
  if (input.options.contains("json"))
    write_file_atomically(input.options.text("json"), result.results.dump(1) + "\n");
  return result.exit_code;
}

int report_error(const std::string& message, const std::string& hint, int code) {
  console().finish();
  console().error_text("error: " + message + "\n");
  if (!hint.empty()) console().error_text("hint: " + hint + "\n");
  return code;
}

}  // namespace

int run_program(int argc, char** argv) {
  try {
    return run_command(argc, argv);
  } catch (const UsageError& error) {
    return report_error(error.message(), error.hint(), exit_usage);
  } catch (const Error& error) {
    const bool interrupted = error.code() == ErrorCode::interrupted;
    const bool defect = error.code() == ErrorCode::internal;
    return report_error(defect ? "defect in hone: " + error.message() : error.message(),
                        error.hint(), interrupted ? exit_interrupted : exit_error);
  } catch (const std::bad_alloc&) {
    return report_error("out of memory", "use a smaller --batch, shorter texts or a smaller model",
                        exit_error);
  } catch (const std::exception& error) {
    return report_error(error.what(), "", exit_error);
  }
}

bool CommandInput::has(const std::string& name) const {
  return arguments.count(name) != 0 && !arguments.at(name).empty();
}

std::string CommandInput::argument(const std::string& name) const {
  return has(name) ? arguments.at(name).front() : std::string();
}

}  // namespace hone
