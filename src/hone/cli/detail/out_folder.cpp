#include "hone/cli/detail/out_folder.hpp"

#include <filesystem>

#include "hone/core/error.hpp"
#include "hone/core/usage_error.hpp"
#include "hone/frontends/hugging_face.hpp"

namespace hone {

namespace fs = std::filesystem;

void refuse_replacing(const CommandInput& input) {
  const fs::path out = input.options.text("out");
  std::error_code ignored;
  if (fs::equivalent(out, input.argument("MODEL"), ignored))
    throw UsageError("--out " + out.string() + " is the model that is read",
                     "choose another folder");
  if (holds_weights(out) && !input.options.boolean_or("overwrite", false))
    throw Error(ErrorCode::invalid_argument, out.string() + ": already holds a model",
                "replace it with --overwrite, or choose another --out");
}

void refuse_overwriting(const CommandInput& input) {
  refuse_replacing(input);
  if (!input.options.boolean_or("overwrite", false)) return;
  const fs::path out = input.options.text("out");
  std::error_code ignored;
  const fs::path model = fs::weakly_canonical(input.argument("MODEL"), ignored);
  for (fs::path folder = model; folder.has_relative_path(); folder = folder.parent_path())
    if (folder != model && fs::equivalent(out, folder, ignored))
      throw UsageError("--out " + out.string() + " holds the model that is read",
                       "choose another folder");
  if (input.options.boolean_or("resume", false))
    throw UsageError("--resume and --overwrite are both given", "give one of them");
}

}  // namespace hone
