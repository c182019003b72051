#include "hone/record/bench_events.hpp"

namespace hone {

using enum Presence;

void fields(FieldVisitor& visitor, BenchPoint& point) {
  visitor.text("what", point.what);
  visitor.text("series", point.series);
  visitor.text("against", point.against, where_set);
  visitor.text("axis", point.axis);
  visitor.count("at", point.at);
  visitor.require(!(point.at < 0), "at", "0 or more");
  visitor.count("runs", point.runs, where_set);
  visitor.number("median", point.median);
  visitor.number("low", point.low, where_set);
  visitor.number("high", point.high, where_set);
  visitor.require(!(point.low > point.high), "low", "no more than \"high\"");
  visitor.number("compile_seconds", point.compile_seconds, where_set);
  visitor.count("bytes", point.bytes, where_set);
}

}  // namespace hone
