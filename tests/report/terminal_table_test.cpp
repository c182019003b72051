#include "hone/report/terminal_table.hpp"

#include <gtest/gtest.h>

#include "hone/core/error.hpp"
#include "hone/core/text.hpp"

namespace hone {
namespace {

TEST(TerminalTable, WidthIsWhatIsSeen) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("层归一化"), 8u);
  EXPECT_EQ(display_width("e\u0301"), 1u);  // a combining accent
  EXPECT_EQ(display_width("µs"), 2u);
  EXPECT_EQ(display_width("a\xff"
                          "b"),
            3u);
  EXPECT_EQ(display_width(""), 0u);
}

TEST(TerminalTable, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(terminal_text("a\x1b[31mred\n"), "a\uFFFD[31mred\uFFFD");
  EXPECT_EQ(terminal_text("a\u202Eb"), "a\uFFFDb");  // would turn the reading direction
  EXPECT_EQ(terminal_text("a\xff"), "a\uFFFD");
  EXPECT_EQ(terminal_text("86–87 µs 层", TextStyle::ascii), "86-87 us ??");
}

TEST(TerminalTable, CutsAtWholeCharacters) {
  EXPECT_EQ(cut_to_width("encoder", 7), "encoder");
  EXPECT_EQ(cut_to_width("encoder", 4), "enc…");
  EXPECT_EQ(cut_to_width("encoder", 4, TextStyle::ascii), "enc~");
  EXPECT_EQ(cut_to_width("层归一化", 6), "层归…");
  EXPECT_EQ(cut_to_width("层归", 2), "…");
  EXPECT_EQ(cut_to_width("x", 0), "");
}

TEST(TerminalTable, AlignsWideCharacters) {
  TerminalTable table({{"layer"}, {"bytes", Align::right}});
  table.add_row({"层", "1"});
  table.add_row({"linear", "100"});
  table.add_rule();
  table.add_row({"all"});
  EXPECT_EQ(table.render(),
            "layer   bytes\n"
            "─────────────\n"
            "层          1\n"
            "linear    100\n"
            "─────────────\n"
            "all\n");
  EXPECT_EQ(table.render(TextStyle::ascii),
            "layer   bytes\n"
            "-------------\n"
            "??          1\n"
            "linear    100\n"
            "-------------\n"
            "all\n");
}

TEST(TerminalTable, NarrowTablesCutTextNotNumbers) {
  TerminalTable table({{"kernel"}, {"seconds", Align::right}});
  table.add_row({"attention_forward_dropout", "123456.789"});
  const std::string text = table.render(TextStyle::unicode, 24);
  for (const std::string& line : split(text, '\n')) EXPECT_LE(display_width(line), 24u) << line;
  EXPECT_NE(text.find("attention_f…  123456.789"), std::string::npos) << text;
}

TEST(TerminalTable, UntitledTablesHaveNoHead) {
  TerminalTable table({{""}, {""}});
  table.add_row({"status", "finished"});
  EXPECT_EQ(table.render(), "status  finished\n");
  EXPECT_THROW(table.add_row({"a", "b", "c"}), Error);
}

TEST(TerminalTable, WideCellsGoOnInTheNextLine) {
  TerminalTable table({{"key"}, {"value"}});
  table.add_row({"flags", "avx avx2 fma, sse4/some"});
  table.add_row({"word", "abcdefghijklmnop"});
  EXPECT_EQ(table.render_folded(TextStyle::ascii, 17),
            "key    value\n"
            "-----------------\n"
            "flags  avx avx2\n"
            "       fma, sse4/\n"
            "       some\n"
            "word   abcdefghij\n"
            "       klmnop\n");
  // What fits is as ever.
  EXPECT_EQ(table.render_folded(TextStyle::ascii, 60), table.render(TextStyle::ascii, 60));
  EXPECT_EQ(table.render_folded(TextStyle::ascii, 0), table.render(TextStyle::ascii, 0));
}

}  // namespace
}  // namespace hone
