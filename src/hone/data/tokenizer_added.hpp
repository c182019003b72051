// Added tokens in a text: the leftmost, and of those that begin at one place the longest. Internal
// to the tokenizer's sources.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

struct AddedToken;

class AddedTokenTable {
public:
  // `pattern` is what is looked for: the token's content, or what normalization makes of it. A
  // token that is `passed_over` is found, but stays part of the text around it.
  void add(const AddedToken& token, std::string pattern, bool passed_over);
  bool empty() const { return !has_any_; }

  // Cuts a text at its added tokens: hands what lies between them to `on_text` and their ids to
  // `on_token`, in order, until `stop` says so.
  template <typename OnText, typename OnToken, typename Stop>
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token,
             const Stop& stop) const {
    std::size_t done = 0;
    Match match;
    while (has_any_ && !stop() && next(text, done, match)) {
      if (match.begin > done) on_text(text.substr(done, match.begin - done));
      if (stop()) return;
      on_token(match.id);
      done = match.end;
    }
    if (!stop() && done < text.size()) on_text(text.substr(done));
  }

private:
  struct Pattern {
    std::string content;
    std::int32_t id = 0;
    bool single_word = false;
    bool strip_left = false;
    bool strip_right = false;
    bool passed_over = false;
  };
  // begin and end with the white space the token takes; `search` is where the next one may begin.
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t search = 0;
    std::int32_t id = 0;
  };

  // The next token that counts. White space before `done` is not there to be taken again.
  bool next(std::string_view text, std::size_t done, Match& match) const;
  const Pattern* find(std::string_view text, std::size_t& from) const;

  // By first byte, longest first.
  std::array<std::vector<Pattern>, 256> patterns_;
  int only_first_ = -1;  // the only first byte of all patterns, or -1
  bool has_any_ = false;
};

}  // namespace hone
