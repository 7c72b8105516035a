#include <utility>

#include "tests/kernels/operator_table.h"

namespace headrace {
namespace {

void add_gather_rows(Table& t) {
  const auto along = [](int64_t axis) { return Attributes{{"axis", axis}}; };
  t.push_back({"GatherElements", along(1), {f32({7, 11}), i64({7, 4}, -11, 10)}});
  t.push_back({"GatherElements", along(0), {f32({7, 11}), i64({20, 9}, -7, 6)}});
  t.push_back({"GatherElements", along(1), {f32({2, 5, 4}), i32({2, 3, 4}, 0, 4)}});
  t.push_back({"GatherElements", along(0), {f32({6}), i64({40}, 0, 5)}});  // much repetition
  t.push_back({"GatherElements", along(2), {f32({2, 3, 4}), i64({2, 3, 0}, 0, 3)}});
  t.push_back({"GatherElements", along(1), {i64({3, 5}, -9, 9), i64({3, 2}, 0, 4)}});
  t.push_back({"GatherElements", along(0), {boolean({4, 3}), i64({2, 3}, 0, 3)}});

  const auto batched = [](int64_t dims) { return Attributes{{"batch_dims", dims}}; };
  t.push_back({"GatherND", batched(0), {f32({5, 6, 7}), i64({4, 2}, -5, 4)}});
  t.push_back({"GatherND", batched(0), {f32({5, 6, 7}), i32({2, 3, 3}, 0, 4)}});
  t.push_back({"GatherND", batched(0), {f32({3, 8}), i64({30, 1}, 0, 2)}});
  t.push_back({"GatherND", batched(0), {f32({5, 6}), i64({2}, 0, 4)}});
  t.push_back({"GatherND", batched(1), {f32({3, 5, 4}), i64({3, 2, 1}, -5, 4)}});
  t.push_back({"GatherND", batched(1), {f32({3, 5, 4}), i64({3, 2}, 0, 3)}});
  t.push_back({"GatherND", batched(2), {f32({2, 3, 5, 4}), i64({2, 3, 2, 1}, 0, 4)}});
  t.push_back({"GatherND", batched(0), {i64({4, 3}, -9, 9), i64({2, 2}, 0, 2)}});
}

// Without a reduction each place is named once where updates have a gradient: what repeats leaves
// open which update stays.
void add_scatter_rows(Table& t) {
  const auto by = [](const char* reduction) {
    return Attributes{{"reduction", std::string(reduction)}};
  };
  const auto along = [&](int64_t axis, const char* reduction) {
    Attributes a = by(reduction);
    a.set("axis", axis);
    return a;
  };
  t.push_back(
      {"ScatterElements", along(0, "none"), {f32({7, 11}), i64({1, 9}, -7, 6), f32({1, 9})}});
  t.push_back(
      {"ScatterElements", along(1, "none"), {f32({3, 90}), i32({2, 3}, 0, 89), f32({2, 3})}});
  t.push_back({"ScatterElements", along(0, "none"), {f32({9}), i64({20}, 0, 8), fixed(f32({20}))}});
  t.push_back({"ScatterElements",
               along(1, "none"),
               {i64({3, 5}, -9, 9), i64({3, 2}, 0, 4), i64({3, 2}, -9, 9)}});
  t.push_back({"ScatterElements", along(0, "none"), {boolean({5}), i64({2}, 0, 4), boolean({2})}});
  t.push_back({"ScatterND", by("none"), {f32({9, 4}), i64({3, 1}, -9, 8), f32({3, 4})}});
  t.push_back({"ScatterND", by("none"), {f32({30, 20}), i64({5, 2}, 0, 19), f32({5})}});
  t.push_back({"ScatterND", by("none"), {f32({4, 5}), i64({0, 1}, 0, 3), f32({0, 5})}});
  t.push_back({"ScatterND", by("none"), {i64({6}, -9, 9), i64({2, 1}, 0, 5), i64({2}, -9, 9)}});
  for (const char* reduction : {"add", "mul", "min", "max"}) {
    t.push_back(
        {"ScatterElements", along(1, reduction), {f32({3, 5}), i64({3, 12}, -5, 4), f32({3, 12})}});
    t.push_back({"ScatterElements",
                 along(0, reduction),
                 {f32({4, 3, 5}), i32({6, 2, 5}, 0, 3), f32({6, 2, 5})}});
    t.push_back({"ScatterElements",
                 along(0, reduction),
                 {i64({6}, -4, 4), i64({9}, 0, 5), i64({9}, -4, 4)}});
    t.push_back({"ScatterND", by(reduction), {f32({5, 4}), i64({8, 1}, -5, 4), f32({8, 4})}});
    t.push_back({"ScatterND", by(reduction), {f32({3, 2, 6}), i64({7, 2}, 0, 1), f32({7, 6})}});
    t.push_back(
        {"ScatterND", by(reduction), {i32({5, 2}, -4, 4), i64({6, 1}, 0, 4), i32({6, 2}, -4, 4)}});
  }
  // Products with one zero, and with several, at a place.
  t.push_back({"ScatterElements",
               along(0, "mul"),
               {sprinkled(f32({6}), 4, 0), i64({20}, 0, 5), sprinkled(f32({20}), 7, 0)}});
}

void add_order_rows(Table& t) {
  const auto top = [](int64_t axis, int64_t k, int64_t largest) {
    return Attributes{{"axis", axis}, {"k", k}, {"largest", largest}};
  };
  for (int64_t largest : {0, 1}) {
    t.push_back({"TopK", top(1, 3, largest), {f32({7, 11})}});
    t.push_back({"TopK", top(0, 7, largest), {f32({7, 11})}});
    t.push_back({"TopK", top(1, 1, largest), {f32({2, 40, 3})}});
    t.push_back({"TopK", top(1, 2, largest), {f32({2, 20, 3})}});
    t.push_back({"TopK", top(1, 4, largest), {sprinkled(fixed(f32({3, 9})), 3, 0.5)}});
    t.push_back({"TopK", top(0, 5, largest), {i64({20}, -3, 3)}});
  }
  t.push_back({"TopK", top(0, 0, 1), {fixed(f32({4}))}});

  const auto reverse = [](int64_t batch, int64_t time) {
    return Attributes{{"batch_axis", batch}, {"time_axis", time}};
  };
  t.push_back({"ReverseSequence", reverse(1, 0), {f32({7, 4}), i64({4}, 0, 7)}});
  t.push_back({"ReverseSequence", reverse(0, 1), {f32({4, 7, 3}), i64({4}, 0, 7)}});
  t.push_back({"ReverseSequence", reverse(0, 1), {i64({3, 5}, -9, 9), i64({3}, 1, 5)}});
}

void add_scan_rows(Table& t) {
  for (const char* op : {"CumSum", "CumProd"}) {
    for (int64_t exclusive : {0, 1}) {
      for (int64_t reverse : {0, 1}) {
        const auto along = [&](int64_t axis) {
          return Attributes{{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}};
        };
        t.push_back({op, along(1), {f32({7, 11})}});
        t.push_back({op, along(1), {f32({2, 6, 33})}});
        t.push_back({op, along(0), {i64({6}, -3, 3)}});
      }
    }
    t.push_back({op, {{"axis", 0_i}}, {f32({5, 40})}});
    t.push_back({op, {{"axis", 1_i}}, {sprinkled(f32({4, 9}), 5, 0)}});
  }
}

// Large enough for two threads.
void add_shared_rows(Table& t) {
  t.push_back({"GatherElements", {{"axis", 1_i}}, {f32({260, 300}), i64({260, 300}, -300, 299)}});
  t.push_back({"GatherND", {{"batch_dims", 0_i}}, {f32({300, 256}), i64({300, 1}, 0, 299)}});
  t.push_back({"ScatterElements",
               {{"axis", 1_i}, {"reduction", std::string("add")}},
               {f32({260, 300}), i64({260, 40}, -300, 299), f32({260, 40})}});
  t.push_back({"TopK", {{"axis", 1_i}, {"k", 5_i}, {"largest", 1_i}}, {fixed(f32({64, 600}))}});
  t.push_back({"CumSum", {{"axis", 1_i}}, {fixed(f32({2, 200, 200}))}});
}

}  // namespace

void add_indexing_rows(Table& table) {
  add_gather_rows(table);
  add_scatter_rows(table);
  add_order_rows(table);
  add_scan_rows(table);
  add_shared_rows(table);
}

}  // namespace headrace
