#include "hone/cli/detail/program.hpp"

#include <cstdio>
#include <map>
#include <new>

#include <fmt/format.h>

#include "hone/cli/command_result.hpp"
#include "hone/cli/detail/console.hpp"
#include "hone/core/file.hpp"
#include "hone/core/text.hpp"
#include "hone/core/version.hpp"
#include "hone/frontends/hugging_face.hpp"

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

bool json_to_output(const CommandInput& input) { return input.options.text_or("json", "") == "-"; }

// What one result would destroy of another, or of the input. (Devices take any number.)
void check_files_differ(const Command& command, const CommandInput& input) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const auto place_of = [&](const std::string& flag) {
    return fs::weakly_canonical(input.options.text(flag), ignored);
  };
  const auto out = command.placeholders.find("out");
  const bool makes_folder =
      out != command.placeholders.end() && out->second == "DIR" && input.options.contains("out");
  const fs::path folder = makes_folder ? place_of("out") : fs::path();
  std::map<fs::path, std::string> taken;
  std::vector<std::string> flags{"json"};
  for (const auto& [flag, placeholder] : command.placeholders)
    if (placeholder == "FILE") flags.push_back(flag);
  for (const std::string& flag : flags) {
    if (!input.options.contains(flag) || input.options.text(flag) == "-") continue;
    const fs::path place = place_of(flag);
    if (fs::exists(place, ignored) && !fs::is_regular_file(place, ignored)) continue;
    const std::string name = place.filename().string();
    const bool own = makes_folder && place.parent_path() == folder &&
                     (name == "record.jsonl" || is_model_file(name));
    const auto [other, is_new] = taken.emplace(place, flag_name(flag));
    if (own || !is_new)
      throw UsageError(
          fmt::format("{} {}: the same file as {}", flag_name(flag), input.options.text(flag),
                      own ? fmt::format("the {} of --out", name) : other->second),
          "choose another file");
  }
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
  check_files_differ(command, input);
  if (json_to_output(input))
    console().keep_output_free();
  else if (input.options.contains("json"))
    check_folder_of(input.options.text("json"));
  const CommandResult result = command.run(input);
  console().finish();
  if (!input.options.contains("json")) return result.exit_code;
  const std::string json = result.text.empty() ? result.results.dump(1) + "\n" : result.text;
  if (json_to_output(input))
    console().print_result(json);
  else
    write_file_atomically(input.options.text("json"), json);
  return result.exit_code;
}

// Names from files and the command line must not steer the terminal.
std::string without_controls(const std::string& text) {
  std::string shown;
  for (const std::string& line : split(text, '\n'))
    shown += (shown.empty() ? "" : "\n") + printable(line, line.size());
  return shown;
}

int report_error(const std::string& message, const std::string& hint, int code) {
  console().finish();
  console().error_text("error: " + without_controls(message) + "\n");
  if (!hint.empty()) console().error_text("hint: " + without_controls(hint) + "\n");
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
