#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.h"

// Totals of many columns in two stages: chunks of each column in parallel, then the chunks of a
// column one after the other. Where the cuts are follows from the shape alone, and all totals are
// kept in f64: the same bits on every run.
//
// A Terms is the data: `kTotals`, how many totals a column has; `start()`, what each starts from;
// `origin(column)`, where a column is; `add(origin, column, k, totals)`, its k-th element; and
// `two(a, b)`, two totals as one. Finish is called as finish(column, totals).
namespace headrace::cuda {

struct Cut {
  int64_t columns = 0, length = 0, chunks = 1, chunk = 0;
  bool by_team =
      false;  // of threads that share a chunk; else neighbouring columns lie side by side

  Cut() = default;
  Cut(int64_t columns, int64_t length, bool by_team)
      : columns(columns), length(length), by_team(by_team) {
    const int64_t wanted = by_team ? 1 << 10 : 1 << 16, shortest = by_team ? 1 << 10 : 16;
    const int64_t most = (length + shortest - 1) / shortest;
    chunks =
        std::clamp<int64_t>(wanted / std::max<int64_t>(columns, 1), 1, std::max<int64_t>(most, 1));
    chunk = (length + chunks - 1) / chunks;
  }
  // Of workspace, for so many totals a column.
  size_t bytes(int totals) const {
    return chunks == 1 ? 0 : sizeof(double) * static_cast<size_t>(columns * chunks * totals);
  }
};

template <typename Terms, typename Finish>
struct ChunkTotals {
  Cut cut;
  Terms terms;
  Finish finish;
  double* parts;

  template <typename Members>
  HEADRACE_HOST_DEVICE void total(int64_t chunk, int64_t column, const Members& team) const {
    double totals[Terms::kTotals];
    for (double& t : totals) t = terms.start();
    const int64_t origin = terms.origin(column);
    const int64_t begin = chunk * cut.chunk;
    const int64_t end = begin + cut.chunk < cut.length ? begin + cut.chunk : cut.length;
    for (int64_t k = begin + team.rank; k < end; k += team.size)
      terms.add(origin, column, k, totals);
    for (double& t : totals)
      t = team.combine(t, [this](double a, double b) { return terms.two(a, b); });
    if (team.rank != 0) return;
    if (cut.chunks == 1) {
      finish(column, totals);
      return;
    }
    for (int t = 0; t < Terms::kTotals; ++t)
      parts[(chunk * cut.columns + column) * Terms::kTotals + t] = totals[t];
  }
};

template <typename Terms, typename Finish>
struct ChunksByThread : ChunkTotals<Terms, Finish> {
  HEADRACE_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t chunk = i / this->cut.columns;
    this->total(chunk, i - chunk * this->cut.columns, Alone{});
  }
};

template <typename Terms, typename Finish>
struct ChunksByTeam : ChunkTotals<Terms, Finish> {
  HEADRACE_TEAM_FUNCTION void operator()(int64_t i, const Team& team) const {
    const int64_t chunk = i / this->cut.columns;
    this->total(chunk, i - chunk * this->cut.columns, team);
  }
};

template <typename Terms, typename Finish>
struct ChunksTogether : ChunkTotals<Terms, Finish> {
  HEADRACE_HOST_DEVICE void operator()(int64_t column) const {
    double totals[Terms::kTotals];
    for (int t = 0; t < Terms::kTotals; ++t) {
      totals[t] = this->parts[column * Terms::kTotals + t];
      for (int64_t chunk = 1; chunk < this->cut.chunks; ++chunk)
        totals[t] = this->terms.two(
            totals[t], this->parts[(chunk * this->cut.columns + column) * Terms::kTotals + t]);
    }
    this->finish(column, totals);
  }
};

// `workspace` has cut.bytes(Terms::kTotals) bytes.
template <typename Terms, typename Finish>
void run_totals(Queue queue, const Cut& cut, const Terms& terms, const Finish& finish,
                void* workspace) {
  const ChunkTotals<Terms, Finish> body{cut, terms, finish, static_cast<double*>(workspace)};
  if (cut.by_team)
    for_each_row(queue, cut.columns * cut.chunks, cut.chunk, ChunksByTeam<Terms, Finish>{body});
  else
    for_each(queue, cut.columns * cut.chunks, ChunksByThread<Terms, Finish>{body});
  if (cut.chunks > 1) for_each(queue, cut.columns, ChunksTogether<Terms, Finish>{body});
}

}  // namespace headrace::cuda
