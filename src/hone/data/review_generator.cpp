#include "hone/data/review_generator.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <unordered_set>

#include "hone/core/philox.hpp"

namespace hone {
namespace {

using Words = std::span<const std::string_view>;

// Templates are text with holes:
//   {a} an aspect, {b} another one   {x} intensifier or nothing   {n} negator
//   {+} {-} an adjective that agrees with the label or opposes it
//   {*} {/} a noun, {v} {w} a verb, likewise (v agrees)
//   {p} a person, {o} another film, {d} a day, {k} a place
constexpr std::string_view aspects[] = {
    "acting", "plot",   "script", "music", "ending",  "cast",
    "story",  "pacing", "humour", "sound", "writing", "camera",
};
constexpr std::string_view good_adjectives[] = {
    "great", "good", "brilliant", "wonderful", "superb", "moving", "clever", "charming",
};
constexpr std::string_view bad_adjectives[] = {
    "awful", "bad", "terrible", "dull", "boring", "weak", "poor", "clumsy",
};
constexpr std::string_view good_nouns[] = {"masterpiece", "triumph", "gem", "delight"};
constexpr std::string_view bad_nouns[] = {"disaster", "mess", "failure", "bore"};
constexpr std::string_view good_verbs[] = {"enjoy", "like", "admire", "love"};
constexpr std::string_view bad_verbs[] = {"hate", "dislike", "regret", "despise"};
constexpr std::string_view intensifiers[] = {"", "", "", "very", "really", "quite"};
constexpr std::string_view negators[] = {"not", "hardly", "never"};
constexpr std::string_view persons[] = {"my brother", "my sister", "a friend", "the critic"};
constexpr std::string_view other_films[] = {"the book", "his last film", "the trailer",
                                            "the remake"};
constexpr std::string_view days[] = {"monday", "tuesday", "friday", "sunday"};
constexpr std::string_view places[] = {"a small town", "new york", "the desert", "london"};

constexpr std::string_view plain[] = {
    "the {a} was {x} {+}",
    "it is a {x} {+} film",
    "this is a {*}",
    "i {v} the {a}",
};
constexpr std::string_view negated[] = {
    "the {a} was {n} {-}",
    "it is {n} a {-} film",
    "this is {n} a {/}",
    "i do not {w} the {a}",
};
constexpr std::string_view contrasted[] = {
    "although the {a} was {-} , the {b} was {+}",
    "the {a} was {-} , but the {b} was {+}",
    "the {a} was {+} , even though the {b} was {-}",
    "despite the {-} {a} , the {b} was {+}",
};
constexpr std::string_view distracted[] = {
    "{p} called it {-} , but i found it {+}",
    "unlike {o} , which was {-} , this film is {+}",
    "this film is {+} , while {o} was {-}",
    "{o} was {-} , but this film is {+}",
};
constexpr std::string_view neutral[] = {
    "i saw it on {d} with {p}",
    "the film is set in {k}",
    "it runs for two hours",
    "{p} told me about it on {d}",
};

// Of a hundred clauses that carry the label, how many are of each kind (the rest: distracted).
constexpr std::uint32_t plain_share = 46;
constexpr std::uint32_t negated_share = 22;
constexpr std::uint32_t contrasted_share = 16;
// Of a hundred reviews, how many have a second such clause, and a sentence that says nothing.
constexpr std::uint32_t second_clause_share = 40;
constexpr std::uint32_t filler_share = 20;

// The hash of a text says which split it may be in: one text of five is a test text.
constexpr std::uint64_t test_modulus = 5;
constexpr int attempts_for_new = 50;

// FNV-1a: the same everywhere, unlike std::hash.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash ^ hash >> 32;
}

class Writer {
public:
  Writer(RandomStream& random, bool positive) : random_(random), positive_(positive) {}

  std::string clause() {
    const std::uint32_t draw = random_.below(100);
    if (draw < plain_share) return fill(pick(plain));
    if (draw < plain_share + negated_share) return fill(pick(negated));
    if (draw < plain_share + negated_share + contrasted_share) return fill(pick(contrasted));
    return fill(pick(distracted));
  }
  std::string filler() { return fill(pick(neutral)); }

private:
  std::string_view pick(Words words) {
    return words[random_.below(static_cast<std::uint32_t>(words.size()))];
  }
  std::string_view value(char hole) {
    switch (hole) {
      case 'a': return aspect_ = pick(aspects);
      case 'b': {
        std::string_view other = pick(aspects);
        while (other == aspect_) other = pick(aspects);
        return other;
      }
      case 'x': return pick(intensifiers);
      case 'n': return pick(negators);
      case '+': return positive_ ? pick(good_adjectives) : pick(bad_adjectives);
      case '-': return positive_ ? pick(bad_adjectives) : pick(good_adjectives);
      case '*': return positive_ ? pick(good_nouns) : pick(bad_nouns);
      case '/': return positive_ ? pick(bad_nouns) : pick(good_nouns);
      case 'v': return positive_ ? pick(good_verbs) : pick(bad_verbs);
      case 'w': return positive_ ? pick(bad_verbs) : pick(good_verbs);
      case 'p': return pick(persons);
      case 'o': return pick(other_films);
      case 'd': return pick(days);
      default: return pick(places);
    }
  }
  // Fills the holes and joins the words: no space before punctuation, a capital at the start.
  std::string fill(std::string_view form) {
    std::string out;
    for (std::size_t i = 0; i < form.size(); ++i) {
      std::string_view piece = form.substr(i, 1);
      if (form[i] == '{') {
        piece = value(form[i + 1]);
        i += 2;
      }
      const bool space = piece == " ";
      if (space && (out.empty() || out.back() == ' ')) continue;
      if ((piece == "," || piece == ";") && out.ends_with(' ')) out.pop_back();
      out += piece;
    }
    if (out.starts_with("i ")) out[0] = 'I';
    out[0] = static_cast<char>(out[0] >= 'a' && out[0] <= 'z' ? out[0] - 32 : out[0]);
    return out;
  }

  RandomStream& random_;
  bool positive_;
  std::string_view aspect_;
};

std::string write_review(RandomStream& random, bool positive) {
  Writer writer(random, positive);
  std::vector<std::string> sentences{writer.clause()};
  if (random.below(100) < second_clause_share) sentences.push_back(writer.clause());
  if (random.below(100) < filler_share)
    sentences.insert(
        sentences.begin() + random.below(static_cast<std::uint32_t>(sentences.size()) + 1),
        writer.filler());
  std::string text;
  for (const std::string& sentence : sentences) {
    if (!text.empty()) text += ' ';
    text += sentence;
    text += random.below(5) == 0 ? '!' : '.';
  }
  return text;
}

void add_words(Words texts, std::vector<std::string>& words) {
  for (const std::string_view text : texts) {
    std::string word;
    bool hole = false;
    for (const char c : text) {
      hole = c == '{' || (hole && c != '}');
      if (c >= 'a' && c <= 'z' && !hole) {
        word += c;
        continue;
      }
      if (!word.empty()) words.push_back(word);
      word.clear();
    }
    if (!word.empty()) words.push_back(word);
  }
}

}  // namespace

TextData generate_reviews(std::int64_t count, std::uint64_t seed, ReviewSplit split) {
  TextData data;
  data.label_names = {"negative", "positive"};
  data.source = "reviews";
  RandomStream random(seed, split == ReviewSplit::train ? 0 : 1);
  std::unordered_set<std::uint64_t> seen;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool positive = i % 2 == 1;
    std::string text;
    for (int attempt = 0;; ++attempt) {
      text = write_review(random, positive);
      const std::uint64_t hash = hash_of(text);
      if ((hash % test_modulus == 0) != (split == ReviewSplit::test)) continue;
      if (seen.insert(hash).second || attempt >= attempts_for_new) break;
    }
    data.texts.push_back(std::move(text));
    data.labels.push_back(positive ? 1 : 0);
  }
  return data;
}

std::vector<std::string> review_words() {
  std::vector<std::string> words;
  for (const Words list : std::initializer_list<Words>{
           aspects, good_adjectives, bad_adjectives, good_nouns, bad_nouns, good_verbs, bad_verbs,
           intensifiers, negators, persons, other_films, days, places, plain, negated, contrasted,
           distracted, neutral})
    add_words(list, words);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::erase_if(words, [](const std::string& word) { return word.size() < 2; });
  std::vector<std::string> all{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (char c = '!'; c <= '~'; ++c)
    if (c < 'A' || c > 'Z') all.emplace_back(1, c);
  for (char c = '0'; c <= 'z'; ++c)
    if ((c <= '9') || (c >= 'a')) all.push_back(std::string("##") + c);
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

}  // namespace hone
