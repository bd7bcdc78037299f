// SPDX-License-Identifier: Apache-2.0
#include "vtd/check/finding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace vtd::check {
namespace {

finding sample(std::uint64_t subject, engine::cycle when) {
  finding f;
  f.key = {"visibility.cache-line", "DRHD0", subject, 1};
  f.text = "entry " + std::to_string(subject);
  f.details = {{"line", "number 1"}, {"a rather long key", "value"}};
  f.first = when;
  f.last = when;
  return f;
}

TEST(finding_log, keeps_findings_in_the_order_of_their_first_report) {
  finding_log log;
  for (const std::uint64_t subject : {5U, 3U, 9U, 3U})
    log.report(sample(subject, 1));
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log.findings()[0].key.subject, 5U);
  EXPECT_EQ(log.findings()[1].key.subject, 3U);
  EXPECT_EQ(log.findings()[2].key.subject, 9U);
}

TEST(finding_log, merges_equal_findings_with_a_count_and_the_span_of_time) {
  finding_log log;
  log.report(sample(5, 100));
  log.report(sample(5, 300));
  EXPECT_TRUE(log.repeat(sample(5, 0).key, 50));
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log.findings()[0].count, 3U);
  EXPECT_EQ(log.findings()[0].first, 50U);
  EXPECT_EQ(log.findings()[0].last, 300U);
  EXPECT_EQ(log.count("visibility.cache-line"), 3U);
  EXPECT_EQ(log.count("visibility.write-buffer"), 0U);
}

TEST(finding_log, keeps_findings_apart_that_differ_in_any_part_of_the_key) {
  finding_log log;
  log.report(sample(5, 1));
  finding other = sample(5, 1);
  other.key.variant = 2;
  log.report(other);
  other.key.unit = "DRHD1";
  log.report(other);
  other.key.rule = "visibility.write-buffer";
  log.report(other);
  EXPECT_EQ(log.size(), 4U);
}

TEST(finding_log, asks_for_a_finding_that_it_does_not_know) {
  finding_log log;
  EXPECT_FALSE(log.repeat(sample(5, 0).key, 7));
  EXPECT_TRUE(log.empty());
}

TEST(finding_log, counts_what_it_has_no_room_for) {
  finding_log log(2);
  log.report(sample(1, 1));
  log.report(sample(2, 2));
  log.report(sample(3, 3));
  EXPECT_TRUE(log.repeat(sample(4, 0).key, 4)); // nobody need make it
  log.report(sample(1, 5));                     // known ones still count
  EXPECT_EQ(log.size(), 2U);
  EXPECT_EQ(log.dropped(), 2U);
  EXPECT_EQ(log.findings()[0].count, 2U);
  EXPECT_NE(render(log).find("2 findings, 3 cases; 2 more reports dropped, the log is full\n"),
            std::string::npos);
}

TEST(finding_log, forgets_everything_on_clear) {
  finding_log log(1);
  log.report(sample(1, 1));
  log.report(sample(2, 1));
  log.clear();
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(log.count("visibility.cache-line"), 0U);
  log.report(sample(1, 1));
  EXPECT_EQ(log.findings()[0].count, 1U);
}

TEST(finding_text, has_a_headline_and_one_line_per_particular) {
  EXPECT_EQ(render(sample(5, 1200)), "error visibility.cache-line: entry 5\n"
                                     "    unit          DRHD0\n"
                                     "    line          number 1\n"
                                     "    a rather long key value\n"
                                     "    when          cycle 1200\n");
}

TEST(finding_text, gives_the_span_of_repeated_findings_in_cycles_and_nanoseconds) {
  finding f = sample(5, 1000);
  f.last = 2001;
  f.count = 3;
  const engine::clock clock(1500);
  EXPECT_NE(render(f, &clock).find("3 times, from cycle 1000 (1500.000 ns) to cycle 2001 (3001.500 ns)\n"),
            std::string::npos);
}

TEST(finding_text, says_so_when_there_is_nothing_to_say) {
  EXPECT_EQ(render(finding_log{}), "no findings\n");
}

TEST(finding_text, counts_one_in_the_singular) {
  finding_log log;
  log.report(sample(1, 1));
  EXPECT_NE(render(log).find("\n1 finding, 1 case\n"), std::string::npos);
}

TEST(finding, gives_a_particular_by_its_key) {
  EXPECT_EQ(sample(1, 1).find("line"), "number 1");
  EXPECT_EQ(sample(1, 1).find("nothing"), "");
}

TEST(rules, are_sorted_by_id_and_complete) {
  const auto by_id = [](const rule& a, const rule& b) { return a.id < b.id; };
  EXPECT_TRUE(std::is_sorted(rules().begin(), rules().end(), by_id));
  for (const rule& r : rules()) {
    EXPECT_EQ(find_rule(r.id), &r);
    EXPECT_NE(r.id.find('.'), std::string_view::npos) << r.id;
    EXPECT_FALSE(r.title.empty() || r.advice.empty() || r.section.empty()) << r.id;
  }
  EXPECT_EQ(find_rule("visibility"), nullptr);
}

TEST(severities, have_names) {
  EXPECT_EQ(to_string(severity::note), "note");
  EXPECT_EQ(to_string(severity::warning), "warning");
  EXPECT_EQ(to_string(severity::error), "error");
}

} // namespace
} // namespace vtd::check
