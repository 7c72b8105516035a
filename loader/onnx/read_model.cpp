#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/checker.h>
#include <onnx/inliner/inliner.h>

#include <algorithm>
#include <limits>

#include "graph/error.h"
#include "loader/onnx/model_source.h"
#include "loader/onnx/tensors.h"

namespace headrace {
namespace {

int64_t newest_opset() {
  return onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
}

std::shared_ptr<onnx::ModelProto> parse(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (bytes.empty()) throw Error("{}: the file is empty", path.string());
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    throw Error(
        "{}: {} bytes are more than the 2 GB that an ONNX file can have; export it with external "
        "data",
        path.string(), bytes.size());
  auto model = std::make_shared<onnx::ModelProto>();
  google::protobuf::LogSilencer no_text_on_stderr;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  if (!model->ParseFromZeroCopyStream(&stream))
    throw Error("{}: not an ONNX model, or cut short", path.string());
  return model;
}

// The checker's messages span lines; an error of ours is one.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const char shown = c == '\n' ? ' ' : c;
    if (shown != ' ' || (!line.empty() && line.back() != ' ')) line += shown;
  }
  while (!line.empty() && (line.back() == ' ' || line.back() == '.')) line.pop_back();
  return line;
}

void check_versions(const onnx::ModelProto& model, const std::string& path) {
  if (!model.has_graph()) throw Error("{}: not an ONNX model: it has no graph", path);
  if (model.ir_version() > onnx::Version::IR_VERSION)
    throw Error("{}: IR version {} is newer than the newest known, {}", path, model.ir_version(),
                static_cast<int>(onnx::Version::IR_VERSION));
  const int64_t opset = opset_version(model);
  if (opset == 0) return;  // only operators of other domains
  if (opset < 1 || opset > newest_opset())
    throw Error("{}: opset {} is outside of the known 1..{}", path, opset, newest_opset());
}

// Where the files lie is settled first: the checker would say it less clearly.
void check_external_files(ModelSource& source, const std::string& path) {
  try {
    for_each_tensor(std::as_const(*source.proto), [&](const onnx::TensorProto& tensor) {
      if (is_external(tensor))
        source.external->open(external_entry(tensor, "location"), tensor.name());
    });
  } catch (const Error& error) {
    throw Error("{}: {}", path, error.what());
  }
}

}  // namespace

bool is_default_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

int64_t opset_version(const onnx::ModelProto& model) {
  int64_t version = model.ir_version() < 3 ? 1 : 0;
  for (const auto& import : model.opset_import())
    if (is_default_domain(import.domain())) version = import.version();
  return version;
}

void check_model(const onnx::ModelProto& model, const std::string& path) {
  try {
    onnx::checker::CheckerContext context;
    context.set_ir_version(static_cast<int>(model.ir_version()));
    std::unordered_map<std::string, int> opsets;
    for (const auto& import : model.opset_import())
      opsets[is_default_domain(import.domain()) ? "" : import.domain()] =
          static_cast<int>(import.version());
    context.set_opset_imports(std::move(opsets));
    // The checker takes a folder that begins with # for tensors held in memory and leaves the disk
    // alone; ExternalData checks the real one before a file is opened.
    context.set_model_dir("#");
    const onnx::checker::LexicalScopeContext scope;
    onnx::checker::check_graph(model.graph(), context, scope);
    if (model.functions_size() > 0)
      onnx::checker::check_model_local_functions(model, context, scope);
  } catch (const std::exception& error) {
    throw Error("{}: not a valid ONNX model: {}", path, one_line(error.what()));
  }
}

std::shared_ptr<onnx::ModelProto> expand_functions(const onnx::ModelProto& model,
                                                   const std::string& path) {
  try {
    onnx::checker::check_function_call_cycles(model);
    auto inlined = std::make_shared<onnx::ModelProto>(model);
    onnx::inliner::InlineLocalFunctions(*inlined, /*convert_version=*/true);
    return inlined;
  } catch (const std::exception& error) {
    throw Error("{}: its local functions cannot be expanded: {}", path, one_line(error.what()));
  }
}

std::shared_ptr<ModelSource> read_model(const std::filesystem::path& path) {
  auto source = std::make_shared<ModelSource>();
  source->path = path;
  source->proto = parse(path);
  check_versions(*source->proto, path.string());
  source->external = std::make_unique<ExternalData>(path.parent_path());
  check_external_files(*source, path.string());
  check_model(*source->proto, path.string());
  if (const int64_t opset = opset_version(*source->proto); opset > 0 && opset < kOldestOpset) {
    source->proto = convert_to_oldest_opset(*source->proto, path.string());
    source->notes.push_back(fmt::format("converted from opset {} to {}", opset, kOldestOpset));
  }
  if (source->proto->functions_size() > 0)
    source->inlined = expand_functions(*source->proto, path.string());
  return source;
}

}  // namespace headrace
