// Word pieces by id and by text, in one pool, and the longest-match split of a word into them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

class Vocabulary {
public:
  // Ids above this are refused: a file that names them is broken or hostile.
  static constexpr std::int64_t maximum_size = std::int64_t{1} << 22;

  // Adds a token under an id; ids may come in any order and leave gaps. A token given twice belongs
  // to the last id it was given, as in the reference. With `piece` words are split into it, else it
  // is only there to be found. Throws Error(bad_format) for an id that is out of range or already
  // taken by another token.
  void add(std::string_view token, std::int64_t id, bool piece = true);
  // Builds the table that find() and split_word() use; `prefix` starts a piece that continues a
  // word. To be called once, after the last add().
  void build(std::string_view prefix);

  // One more than the largest id.
  std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  bool has(std::int64_t id) const;
  // Whether words are split into this token.
  bool is_piece(std::int64_t id) const;
  // Different tokens among the pieces; after build().
  std::int64_t pieces() const { return pieces_; }
  // The text of a token; "" for an id without one.
  std::string_view token(std::int64_t id) const;
  // The id of a token, or -1.
  std::int32_t find(std::string_view token) const;

  // Greedy longest match from the left: writes the ids of the pieces to `out` (room for one a byte)
  // and returns their number, or 0 when some rest of the word has no piece. `hashes` is scratch.
  int split_word(std::string_view word, std::vector<std::uint64_t>& hashes,
                 std::int32_t* out) const;

private:
  struct Entry {
    std::uint32_t begin = 0;
    std::uint32_t length = absent;
    bool piece = true;
  };
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = -1;
  };
  static constexpr std::uint32_t absent = 0xffffffffu;

  std::int32_t look_up(std::uint64_t hash, std::string_view head, std::string_view tail) const;

  std::string pool_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  int shift_ = 63;
  std::int64_t pieces_ = 0;
  std::string prefix_;
  std::uint64_t prefix_hash_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace hone
