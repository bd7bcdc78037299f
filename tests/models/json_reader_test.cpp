// SPDX-License-Identifier: Apache-2.0
// The strict reader: every wrong type, value or key is told with file, place, value and expectation.

#include "../../models/chipsets/json_reader.h"

#include "support/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

namespace vtd::models {
namespace {

using test::refusal_of;

json_document parsed(const std::string& text) { return json_document::from_text(text, "my.json"); }
// What reading the member "key" of that object is refused with.
std::string refused(const std::string& text, const std::function<void(const json_node&)>& reading) {
  const json_document document = parsed(text);
  json_object top(document.root());
  return refusal_of([&] { reading(top.at("key")); });
}

TEST(json_reader, tells_line_and_column_of_what_is_no_json) {
  EXPECT_EQ(refusal_of([] { (void)parsed("{\n  \"a\": 1,\n  oops\n}"); }).substr(0, 25),
            "my.json: line 3, column 3");
  EXPECT_THAT(refusal_of([] { (void)parsed("{\"a\": 1"); }), testing::HasSubstr("the text ends too early"));
  EXPECT_THAT(refusal_of([] { (void)parsed("{} {}"); }),
              testing::HasSubstr("line 1, column 4: text after the end of the document"));
  EXPECT_THAT(refusal_of([] { (void)parsed(""); }), testing::HasSubstr("line 1, column 1"));
}

TEST(json_reader, no_depth_of_nesting_brings_it_down) {
  EXPECT_THAT(refusal_of([] { (void)parsed(std::string(100000, '[')); }),
              testing::HasSubstr("my.json: line 1"));
}

TEST(json_reader, an_error_is_one_line_whatever_stands_in_the_file) {
  const json_document document = parsed(R"({"a\nb\u0000": 1})");
  EXPECT_EQ(refusal_of([&] { json_object(document.root()).finish(); }).substr(0, 46),
            R"(my.json: top level: unknown key "a\x0ab\x00", )");
}

TEST(json_reader, a_text_must_be_a_string) {
  EXPECT_EQ(refused(R"({"key": 7})", [](const json_node& n) { (void)n.text(); }),
            "my.json: key: got 7, expected a string");
}

TEST(json_reader, a_flag_must_be_true_or_false) {
  EXPECT_EQ(refused(R"({"key": "yes"})", [](const json_node& n) { (void)n.boolean(); }),
            "my.json: key: got \"yes\", expected true or false");
}

TEST(json_reader, a_whole_number_may_be_written_in_hexadecimal) {
  const json_document document = parsed(R"({"a": 64, "b": "0x40", "c": "64", "d": 18446744073709551615})");
  json_object top(document.root());
  EXPECT_EQ(top.at("a").whole(), 64U);
  EXPECT_EQ(top.at("b").whole(), 64U);
  EXPECT_EQ(top.at("c").whole(), 64U);
  EXPECT_EQ(top.at("d").whole(), ~0ULL);
}

TEST(json_reader, what_is_no_whole_number_is_refused) {
  for (const char* value :
       {"-1", "1.5", "\"0x\"", "\"12z\"", "\"\"", "\"0x10000000000000000\"", "null", "[]"}) {
    EXPECT_EQ(refused("{\"key\": " + std::string(value) + "}", [](const json_node& n) { (void)n.whole(); }),
              "my.json: key: got " + std::string(value) +
                  ", expected a whole number or a string such as \"0xfed90000\"");
  }
}

TEST(json_reader, a_number_outside_its_range_is_refused_and_both_ends_are_inside) {
  const auto ten_to_twenty = [](const json_node& n) { (void)n.whole(10, 20); };
  EXPECT_EQ(refused(R"({"key": 9})", ten_to_twenty), "my.json: key: got 9, expected a number from 10 to 20");
  EXPECT_EQ(refused(R"({"key": 21})", ten_to_twenty),
            "my.json: key: got 21, expected a number from 10 to 20");
  const json_document document = parsed("[10, 20]");
  for (const json_node& n : document.root().items())
    EXPECT_NO_THROW(ten_to_twenty(n));
  EXPECT_EQ(refused(R"({"key": 2.5})", [](const json_node& n) { (void)n.real(0, 2); }),
            "my.json: key: got 2.5, expected a number from 0 to 2");
  EXPECT_EQ(refused(R"({"key": "2"})", [](const json_node& n) { (void)n.real(0, 2); }),
            "my.json: key: got \"2\", expected a number");
}

TEST(json_reader, places_are_paths_through_objects_and_lists) {
  const json_document document = parsed(R"({"units": [{}, {"base": {"at": true}}]})");
  json_object top(document.root());
  const auto units = top.at("units").items();
  ASSERT_EQ(units.size(), 2U);
  json_object second(units[1]);
  json_object base(second.at("base"));
  EXPECT_EQ(
      refusal_of([&] { (void)base.at("at").whole(); }),
      "my.json: units[1].base.at: got true, expected a whole number or a string such as \"0xfed90000\"");
}

TEST(json_reader, lists_and_objects_are_told_apart) {
  EXPECT_EQ(refused(R"({"key": {}})", [](const json_node& n) { (void)n.items(); }),
            "my.json: key: got {}, expected a list");
  EXPECT_EQ(refused(R"({"key": []})", [](const json_node& n) { (void)json_object(n); }),
            "my.json: key: got [], expected an object");
  const json_document document = parsed("7");
  EXPECT_EQ(refusal_of([&] { (void)json_object(document.root()); }), "my.json: got 7, expected an object");
}

TEST(json_reader, a_long_value_is_told_in_short) {
  const std::string said =
      refused("{\"key\": \"" + std::string(1000, 'x') + "\"}", [](const json_node& n) { (void)n.boolean(); });
  EXPECT_LT(said.size(), 120U);
  EXPECT_THAT(said, testing::HasSubstr("xxx..., expected true or false"));
}

TEST(json_reader, a_missing_key_is_named_with_its_place) {
  const json_document document = parsed(R"({"units": [{}]})");
  json_object top(document.root());
  EXPECT_EQ(refusal_of([&] { (void)top.at("name"); }), "my.json: top level: \"name\" is missing");
  json_object unit(top.at("units").items()[0]);
  EXPECT_EQ(refusal_of([&] { (void)unit.at("base"); }), "my.json: units[0]: \"base\" is missing");
}

TEST(json_reader, an_unknown_key_is_named_with_what_is_near_it) {
  const json_document document = parsed(R"({"versoin": 1})");
  json_object top(document.root());
  (void)top.find("version");
  (void)top.find("name");
  EXPECT_EQ(refusal_of([&] { top.finish(); }),
            "my.json: top level: unknown key \"versoin\", did you mean version?");
}

TEST(json_reader, an_unknown_key_with_nothing_near_it_is_told_all_that_could_be) {
  const json_document document = parsed(R"({"zzzzzzzz": 1})");
  json_object top(document.root());
  (void)top.find("version");
  (void)top.find("name");
  EXPECT_EQ(refusal_of([&] { top.finish(); }),
            "my.json: top level: unknown key \"zzzzzzzz\", expected one of confidence, name, version, why");
}

TEST(json_reader, confidence_and_reason_hold_for_all_inside_that_says_nothing_of_its_own) {
  const json_document document = parsed(
      R"({"confidence": "measured", "why": "a log", "a": 1, "b": {"value": 2, "confidence": "assumed", "why": "a guess"}})");
  json_object top(document.root());
  const auto a = top.at("a").known_whole();
  const auto b = top.at("b").known_whole();
  EXPECT_EQ(a.how, confidence::measured);
  EXPECT_EQ(a.why, "a log");
  EXPECT_EQ(b.value, 2U);
  EXPECT_EQ(b.how, confidence::assumed);
  EXPECT_EQ(b.why, "a guess");
  const json_document silent = parsed(R"({"a": 1})");
  json_object other(silent.root());
  EXPECT_EQ(other.at("a").known_whole().how, confidence::assumed) << "what nobody claims is assumed";
}

TEST(json_reader, an_unknown_confidence_is_refused) {
  const json_document document = parsed(R"({"confidence": "certain"})");
  EXPECT_EQ(refusal_of([&] { (void)json_object(document.root()); }),
            "my.json: confidence: got \"certain\", expected measured, documented, derived or assumed");
}

TEST(json_reader, a_file_that_cannot_be_read_is_named) {
  EXPECT_EQ(refusal_of([] { (void)read_file("/no/such/file.json"); }),
            "/no/such/file.json: cannot be read, expected a JSON file");
  EXPECT_THAT(refusal_of([] { (void)read_file(std::filesystem::temp_directory_path()); }),
              testing::HasSubstr("cannot be read"))
      << "a directory is no file";
}

} // namespace
} // namespace vtd::models
