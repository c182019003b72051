// What the dataset kinds with pictures share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/data/dataset.hpp"

namespace hone {

// Room for `count` pictures as `input` takes them. Throws Error(unsupported) where the machine has
// no memory for them, Error(bad_format) for no pictures at all (`where` is the place).
TokenizedData make_pictures(std::int64_t count, std::vector<std::string> label_names,
                            const ImageInput& input, const std::string& where);
// Sets picture `i` of it; may be called from several threads.
void set_picture(TokenizedData& data, std::int64_t i, std::int32_t label, const Picture& picture);

// What lies in a folder, by name; hidden ones left out. Throws Error(io).
std::vector<std::filesystem::path> list_entries(const std::filesystem::path& folder);
// The pictures (.jpg, .jpeg, .png) in a folder and in the folders in it.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

// A whole file, unpacked where it is compressed.
std::string read_unpacked(const std::filesystem::path& path);
// Calls `take(name, bytes)` for each file of an (unpacked) tar archive. Throws Error(bad_format)
// for one that is cut short.
void for_each_member(
    std::string_view archive, const std::filesystem::path& path,
    const std::function<void(const std::string& name, std::string_view bytes)>& take);

}  // namespace hone
