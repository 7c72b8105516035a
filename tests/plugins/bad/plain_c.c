/* A good scheduler in C99, without the SDK: GPipe on one stage per device. */

#include <stddef.h>
#include <string.h>

#include "plugins/abi.h"

static int32_t emit(const headrace_host* host, int32_t kind, int32_t stage, int32_t microbatch) {
  headrace_action action = {0, 0, 0, 0, 0};
  action.kind = kind;
  action.stage = stage;
  action.microbatch = microbatch;
  return host->emit(host->context, stage, action);
}

static int32_t schedule(const headrace_host* host, const headrace_schedule_request* request) {
  const char* refuse = host->option(host->context, "refuse");
  if (refuse != NULL && strcmp(refuse, "true") == 0) {
    host->fail(host->context, "asked to\nrefuse");
    return 1;
  }
  if (request->stages != request->devices) return 5; /* gives no reason, as C programs do */
  for (int32_t s = 0; s < request->stages; ++s) {
    for (int32_t mb = 0; mb < request->microbatches; ++mb)
      if (emit(host, HEADRACE_FORWARD, s, mb) != 0) return 1;
    for (int32_t mb = 0; mb < request->microbatches; ++mb)
      if (emit(host, HEADRACE_BACKWARD, s, mb) != 0) return 1;
  }
  return 0;
}

static const headrace_option options[] = {
    {"refuse", HEADRACE_OPTION_BOOL, "false", NULL, NULL, NULL, "Whether to refuse."}};

static const headrace_scheduler table = {sizeof(headrace_scheduler), NULL, schedule, NULL};

static const headrace_plugin plugin = {HEADRACE_PLUGIN_MAGIC,
                                       HEADRACE_ABI_MAJOR,
                                       HEADRACE_ABI_MINOR,
                                       sizeof(headrace_plugin),
                                       HEADRACE_KIND_SCHEDULER,
                                       "plain-c",
                                       "1.2",
                                       "GPipe without the SDK.",
                                       "C99",
                                       options,
                                       1,
                                       sizeof(headrace_option),
                                       &table};

const headrace_plugin* headrace_plugin_entry(void) { return &plugin; }
