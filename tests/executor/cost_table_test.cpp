#include "executor/cost_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "executor/machine_cache.h"
#include "graph/error.h"
#include "tests/temporary_folder.h"

namespace headrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

// x + y of 2 x 3 floats, x in the layout given.
Graph sum(uint16_t layout) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2, 3}});
  const ValueId y = graph.add_input("y", {DType::f32, {2, 3}});
  graph.add("Add", {x, y}, {});
  graph.value(x).layout = {.id = layout, .bytes = layout == 0 ? 0 : 64};
  return graph;
}

CostTable table_of_sum(double seconds) {
  CostTable table;
  table.rates.machine = "a machine";
  table.rates.matmul_flops_per_s = 7e10;
  table.nodes[form_of(sum(3), sum(3).nodes()[0])] = {seconds, 2 * seconds, 128};
  return table;
}

// A cache of the test's own.
class CacheFolder {
 public:
  CacheFolder() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  }
  ~CacheFolder() {
    before_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", before_.c_str(), 1);
  }
  CacheFolder(const CacheFolder&) = delete;
  CacheFolder& operator=(const CacheFolder&) = delete;

 private:
  TemporaryFolder folder_;
  std::string before_;
};

std::string error_of(const std::string& path) {
  try {
    read_cost_table(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CostTable, FormsTellLayoutsApartButNotByNumber) {
  const auto form = [](uint16_t layout) { return form_of(sum(layout), sum(layout).nodes()[0]); };
  EXPECT_EQ(form(3), form(9));
  EXPECT_NE(form(3), form(0));
}

TEST(CostTable, FormsTellWhatIsAddedTo) {
  const Graph graph = sum(3);
  const Node& node = graph.nodes()[0];
  EXPECT_NE(form_of(graph, node, {true}), form_of(graph, node));
  EXPECT_EQ(form_of(graph, node, {false}), form_of(graph, node));
  EXPECT_EQ(table_of_sum(1).find(graph, node, {true}), nullptr);
}

TEST(CostTable, FindsTheFormInOtherLayouts) {
  const CostTable table = table_of_sum(0.5);
  const Graph rows = sum(0);
  ASSERT_NE(table.find(rows, rows.nodes()[0]), nullptr);
  EXPECT_EQ(table.find(rows, rows.nodes()[0])->seconds, 0.5);
  Graph other;
  const ValueId x = other.add_input("x", {DType::f32, {2, 4}});
  other.add("Add", {x, x}, {});
  EXPECT_EQ(table.find(other, other.nodes()[0]), nullptr);
}

TEST(CostTable, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const std::string path = folder / "costs.json";
  write_cost_table(path, table_of_sum(1.0 / 3));
  const CostTable read = read_cost_table(path);
  EXPECT_EQ(read.rates.machine, "a machine");
  EXPECT_EQ(read.rates.matmul_flops_per_s, 7e10);
  const Graph graph = sum(3);
  ASSERT_NE(read.find(graph, graph.nodes()[0]), nullptr);
  EXPECT_EQ(read.find(graph, graph.nodes()[0])->seconds, 1.0 / 3);
  EXPECT_EQ(read.find(graph, graph.nodes()[0])->cold_s, 2.0 / 3);
  EXPECT_EQ(read.find(graph, graph.nodes()[0])->workspace_bytes, 128);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "a file was left";
}

TEST(CostTable, OtherFilesAreRefusedByName) {
  const TemporaryFolder folder;
  const std::string path = folder / "costs.json";
  write_cost_table(path, table_of_sum(1));
  const std::string whole = read_small_file(path, 1 << 20);
  const auto with = [&](const std::string& part, const std::string& instead) {
    std::string text = whole;
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    std::ofstream(path) << text.replace(at, part.size(), instead);
    return error_of(path);
  };
  const auto says = [&](const char* what) {
    return AllOf(HasSubstr(path), HasSubstr(what), Not(HasSubstr("\n")));
  };
  EXPECT_THAT(error_of(folder / "none.json"), HasSubstr("no such file"));
  EXPECT_THAT(with("headrace_costs", "something"), says("no file of node costs"));
  EXPECT_THAT(with("\"headrace_costs\": 2", "\"headrace_costs\": 1"), says("version"));
  EXPECT_THAT(with("\"a machine\"", "[]"), says("'machine'"));
  EXPECT_THAT(with("70000000000.0", "0"), says("'rates'"));
  EXPECT_THAT(with("70000000000.0", "\"fast\""), says("'rates'"));
  EXPECT_THAT(with("\"seconds\": 1.0", "\"seconds\": -1.0"), says("the cost of 'Add"));
  EXPECT_THAT(with("\"cold_s\": 2.0,", ""), says("the cost of 'Add"));
  EXPECT_THAT(with("\"seconds\": 1.0", "\"seconds\": null"), says("the cost of 'Add"));
  EXPECT_THAT(with("\"workspace_bytes\": 128", "\"workspace_bytes\": 1e30"), says("the cost of"));
  std::ofstream(path) << whole.substr(0, whole.size() / 2);
  EXPECT_THAT(error_of(path), says("no file of node costs"));
  std::ofstream(path) << std::string(200000, '[');
  EXPECT_THAT(error_of(path), says("no file of node costs"));
}

TEST(CostTable, ADamagedOrForeignCacheIsEmpty) {
  const CacheFolder cache;
  EXPECT_TRUE(cached_cost_table("a machine").nodes.empty());
  cache_cost_table(table_of_sum(1));
  EXPECT_EQ(cached_cost_table("a machine").nodes.size(), 1u);
  // Named alike, but it is another's.
  EXPECT_TRUE(cached_cost_table("a-machine").nodes.empty());
  for (const auto& file : fs::directory_iterator(cache_folder()))
    std::ofstream(file.path()) << "{\"headrace_costs\": 2, \"nodes\": 3}";
  EXPECT_TRUE(cached_cost_table("a machine").nodes.empty());
}

}  // namespace
}  // namespace headrace
