// The functions of libarchive that are used, from a library that is loaded when it is first needed.
#pragma once

#include <memory>

#include <archive.h>
#include <archive_entry.h>

#include "hone/core/lazy_library.hpp"

namespace hone::libarchive {

inline constexpr LazyLibrary shared_library("libarchive.so.13");
HONE_LAZY_FUNCTION(shared_library, archive_entry_filetype);
HONE_LAZY_FUNCTION(shared_library, archive_entry_hardlink);
HONE_LAZY_FUNCTION(shared_library, archive_entry_is_encrypted);
HONE_LAZY_FUNCTION(shared_library, archive_entry_pathname);
HONE_LAZY_FUNCTION(shared_library, archive_entry_pathname_utf8);
HONE_LAZY_FUNCTION(shared_library, archive_entry_size);
HONE_LAZY_FUNCTION(shared_library, archive_entry_size_is_set);
HONE_LAZY_FUNCTION(shared_library, archive_entry_symlink);
HONE_LAZY_FUNCTION(shared_library, archive_error_string);
HONE_LAZY_FUNCTION(shared_library, archive_read_close);
HONE_LAZY_FUNCTION(shared_library, archive_read_data);
HONE_LAZY_FUNCTION(shared_library, archive_read_data_block);
HONE_LAZY_FUNCTION(shared_library, archive_read_free);
HONE_LAZY_FUNCTION(shared_library, archive_read_new);
HONE_LAZY_FUNCTION(shared_library, archive_read_next_header);
HONE_LAZY_FUNCTION(shared_library, archive_read_open_filename);
HONE_LAZY_FUNCTION(shared_library, archive_read_open_memory);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_filter_all);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_filter_bzip2);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_filter_lz4);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_filter_xz);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_filter_zstd);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_format_empty);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_format_raw);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_format_tar);
HONE_LAZY_FUNCTION(shared_library, archive_read_support_format_zip_seekable);

struct FreeArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
// One that is being read; freed with its last use.
using Archive = std::unique_ptr<archive, FreeArchive>;

}  // namespace hone::libarchive
