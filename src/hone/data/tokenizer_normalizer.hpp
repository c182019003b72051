// BERT's normalizer: drops controls, puts spaces around ideographs, strips accents, lower-cases.
// Internal to the tokenizer's sources.
#pragma once

#include <string>
#include <string_view>

#include "hone/data/tokenizer_state.hpp"
#include "hone/data/unicode.hpp"

namespace hone {

class Normalizer {
public:
  // Both must outlive it.
  Normalizer(const TokenizerDefinition& definition, const CharacterTable& table)
      : definition_(definition), table_(table) {}

  // Hands what becomes of the characters from a non-ASCII one up to the next ASCII character that
  // stays to `sink`; that one cannot change what comes before it. Returns where it stopped, which
  // is earlier where `stop` said so.
  template <typename Sink, typename Stop>
  std::size_t run(std::string_view text, std::size_t position, const Sink& sink, const Stop& stop) {
    const TokenizerDefinition& d = definition_;
    run_.clear();
    while (position < text.size() && !stop()) {
      const auto lead = static_cast<unsigned char>(text[position]);
      if (lead < 0x80 && table_.kinds[lead] != CharacterKind::removed) break;
      char32_t c = unicode::decode(text, position);
      if (d.clean_text) {
        if (unicode::is_removed(c)) continue;
        if (unicode::is_space(c)) c = ' ';
      }
      const bool alone = d.split_chinese && unicode::is_chinese(c);
      if (alone) run_.push_back(' ');
      const std::size_t begin = run_.size();
      if (d.strip_accents)
        unicode::append_decomposition(c, run_);
      else
        run_.push_back(c);
      if (begin >= stretch && unicode::combining_class(run_[begin]) == 0) {
        const std::u32string rest = run_.substr(begin);
        run_.resize(begin);
        flush(sink, stop);
        run_ = rest;
      }
      if (alone) run_.push_back(' ');
    }
    flush(sink, stop);
    return position;
  }

  // Appends the normalized form of a whole text.
  void append(std::string_view text, std::string& out);

private:
  // A run is normalized in stretches of about this many characters, so that a long text can be cut
  // early.
  static constexpr std::size_t stretch = 256;

  template <typename Sink, typename Stop>
  void flush(const Sink& sink, const Stop& stop) {
    if (definition_.strip_accents) unicode::order_marks(run_);
    lower_.clear();
    for (const char32_t c : run_) {
      if (definition_.strip_accents && unicode::is_mark(c)) continue;
      if (definition_.lowercase)
        unicode::append_lowercase(c, lower_);
      else
        lower_.push_back(c);
    }
    run_.clear();
    for (const char32_t c : lower_) {
      if (stop()) return;
      sink(c);
    }
  }

  const TokenizerDefinition& definition_;
  const CharacterTable& table_;
  std::u32string run_;
  std::u32string lower_;
};

}  // namespace hone
