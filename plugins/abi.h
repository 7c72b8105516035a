/* The boundary between Headrace and its plugins, in C99: the only file that a plugin must include.
 * C++ plugins are shorter over plugins/sdk.h, which wraps it.
 *
 * A plugin is a shared object that exports one function, headrace_plugin_entry. It returns a
 * descriptor that lives as long as the object is loaded, which is until the process ends. The host
 * asks, the plugin answers through the host's callbacks: all memory belongs to the host, no
 * allocation and no exception crosses. Calls may come from several threads at once; a plugin
 * keeps what it needs of a call on the stack.
 *
 * Promises. abi_major must be equal on both sides. Within one major, descriptors, tables and
 * requests only grow at their end, and whoever reads a field beyond the first minor's looks at
 * struct_size first; headrace_action never changes. Arrays of a request are one array per field,
 * valid during the call, of the length named in brackets.
 *
 * Units: seconds, bytes, bytes per second. Costs are those of one micro-batch. F, I and W are the
 * forward pass, the gradient of inputs and the gradient of weights; B is I and W together.
 */
#ifndef HEADRACE_PLUGINS_ABI_H
#define HEADRACE_PLUGINS_ABI_H

/* C99, so clang-tidy's C++ advice does not apply. NOLINTBEGIN(modernize-*) */
#include <stdint.h>

#define HEADRACE_PLUGIN_MAGIC 0x68656164u
#define HEADRACE_ABI_MAJOR 1
#define HEADRACE_ABI_MINOR 2

#if defined(_WIN32)
#define HEADRACE_PLUGIN_EXPORT __declspec(dllexport)
#else
#define HEADRACE_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* headrace_plugin.kind: which table headrace_plugin.table points to. */
enum {
  HEADRACE_KIND_SCHEDULER = 1,   /* headrace_scheduler */
  HEADRACE_KIND_PARTITIONER = 2, /* headrace_partitioner */
  HEADRACE_KIND_BACKEND = 3,     /* C++: plugins/backends/backend.h */
  HEADRACE_KIND_TRANSPORT = 4    /* C++: plugins/transports/transport.h */
};

/* headrace_option.type: how the text of a value reads. */
enum {
  HEADRACE_OPTION_INT = 1,   /* a decimal integer that fits int64_t */
  HEADRACE_OPTION_FLOAT = 2, /* a finite decimal number, with a point */
  HEADRACE_OPTION_BOOL = 3,  /* "true" or "false" */
  HEADRACE_OPTION_STRING = 4,
  HEADRACE_OPTION_CHOICE = 5 /* one of `choices` */
};

/* An option that a plugin understands. The host checks every value against it before a call. */
typedef struct headrace_option {
  const char* name;
  int32_t type;
  const char* default_value; /* as text; what option() answers when the user gave nothing */
  const char* minimum;       /* int, float: the least value allowed, as text; NULL: unbounded */
  const char* maximum;       /* int, float: the greatest */
  const char* choices;       /* choice: the words, separated by '|' */
  const char* help;          /* one sentence */
} headrace_option;

typedef struct headrace_plugin {
  uint32_t magic; /* HEADRACE_PLUGIN_MAGIC */
  uint16_t abi_major, abi_minor;
  uint32_t struct_size; /* sizeof(headrace_plugin) */
  int32_t kind;
  const char* name;      /* what users type: "breadth-first" */
  const char* version;   /* the plugin's own */
  const char* summary;   /* one sentence */
  const char* build_tag; /* the compiler, for people */
  const headrace_option* options;
  uint32_t option_count;
  uint32_t option_size; /* sizeof(headrace_option) */
  const void* table;
} headrace_plugin;

/* headrace_action.kind */
enum {
  HEADRACE_FORWARD = 1,         /* F */
  HEADRACE_BACKWARD = 2,        /* B: I and W together */
  HEADRACE_BACKWARD_INPUT = 3,  /* I */
  HEADRACE_BACKWARD_WEIGHT = 4, /* W */
  HEADRACE_OVERLAP = 5          /* a forward and a backward that run together */
};

/* One turn of a device: "stage 2, forward, micro-batch 0". Stages and micro-batches count from 0.
 * An overlap is the forward of stage/microbatch and the backward of the other two. */
typedef struct headrace_action {
  int32_t kind;
  int32_t stage, microbatch;
  int32_t other_stage, other_microbatch; /* overlap only, else 0 */
} headrace_action;

/* What the host offers during a call. Whoever gets something else than 0 from emit or assign must
 * return: the answer is refused already. */
typedef struct headrace_host {
  uint32_t struct_size;
  void* context; /* handed back in every callback */
  /* Appends an action to a device's list. Transfers are not a scheduler's affair. */
  int32_t (*emit)(void* context, int32_t device, headrace_action action);
  /* Answers for one index: the device of a stage (place), the stage of a node (partition). */
  int32_t (*assign)(void* context, int32_t index, int32_t value);
  /* The checked text of an option, its default if the user gave none; valid during the call. NULL
   * for a name that the plugin's own table does not hold. */
  const char* (*option)(void* context, const char* name);
  /* Refuses the request with a sentence for the user; return a value other than 0 afterwards. */
  void (*fail)(void* context, const char* message);
  /* Since 1.2. What a partitioner proved: no partition of the request has a bottleneck of fewer
   * seconds. The last call counts. Before the answer is complete or after, at will. */
  int32_t (*bound)(void* context, double lower_bound_s);
  /* Since 1.2. For a partitioner: what a whole step takes if node i goes to stage_of_node[i], as
   * the scheduler that the user chose runs it, by simulation; infinity where that is no partition
   * of the request or does not fit the devices' memory. Takes as long as planning does. NULL where
   * no scheduler is chosen. */
  int32_t (*simulate)(void* context, const int32_t* stage_of_node, double* step_s);
} headrace_host;

typedef struct headrace_placement_request {
  uint32_t struct_size;
  int32_t devices, stages_per_device, microbatches;
} headrace_placement_request;

typedef struct headrace_schedule_request {
  uint32_t struct_size;
  int32_t devices, stages, microbatches;
  const int32_t* device_of_stage;    /* [stages] */
  const double* forward_s;           /* [stages] */
  const double* backward_input_s;    /* [stages] */
  const double* backward_weight_s;   /* [stages] */
  const int64_t* activation_bytes;   /* [stages] held from F to the end of B or I */
  const int64_t* memory_limit_bytes; /* [devices] for activations; 0: no limit */
  double latency_s;                  /* of a transfer between two devices */
  /* Since 1.1. */
  const int64_t* weight_stash_bytes; /* [stages] held from I to W where the backward is cut */
} headrace_schedule_request;

/* All functions return 0 when the answer is complete. */
typedef struct headrace_scheduler {
  uint32_t struct_size;
  /* Assigns a device to each of devices * stages_per_device stages. NULL: stage s on s mod devices.
   */
  int32_t (*place)(const headrace_host* host, const headrace_placement_request* request);
  /* Emits a whole training step: F and B (or I and W) of every stage and micro-batch, each once, on
   * the stage's device, in the order in which the device shall run them. */
  int32_t (*schedule)(const headrace_host* host, const headrace_schedule_request* request);
  /* Since 1.1. */
  const char* placement; /* for people: "looped", "one stage per device"; NULL: not told */
} headrace_scheduler;

/* Nodes are the forward nodes in a topological order; what belongs to their gradients stays with
 * them. Edges with the same value carry one tensor: a device that needs it receives it once. */
typedef struct headrace_partition_request {
  uint32_t struct_size;
  int32_t nodes, edges, devices, stages, stages_per_device, microbatches;
  const char* const* node_op;           /* [nodes] the operator's name */
  const double* node_forward_s;         /* [nodes] on a device of speed 1 */
  const double* node_backward_input_s;  /* [nodes] */
  const double* node_backward_weight_s; /* [nodes] */
  const int64_t* node_parameter_bytes;  /* [nodes] parameters, gradients, optimizer state */
  const int64_t* node_activation_bytes; /* [nodes] per micro-batch in flight */
  const int32_t* node_colocate;         /* [nodes] equal keys >= 0 share a stage; -1: free */
  const int32_t* edge_from;             /* [edges] a node */
  const int32_t* edge_to;               /* [edges] a later node */
  const int32_t* edge_value;            /* [edges] */
  const int64_t* edge_forward_bytes;    /* [edges] the activation */
  const int64_t* edge_backward_bytes;   /* [edges] its gradient; 0 where none flows back */
  const double* device_speed;           /* [devices] seconds there are seconds / speed */
  const int64_t* device_memory_bytes;   /* [devices] 0: no limit */
  const int32_t* stage_device;          /* [stages] the scheduler's placement */
  const int32_t* stage_in_flight; /* [stages] micro-batches whose activations it holds at once */
  double link_bytes_per_s;        /* 0: transfers cost nothing */
  double link_latency_s;
  /* Since 1.2. The values are exact where the edges above are a view for strategies that cut a
   * chain: every tensor with its producer and readers, in either direction, a graph of costs
   * included. A device's load is the seconds of its nodes plus its transfers: one for each value
   * that it needs from elsewhere, and for each of its values that others need one per receiving
   * device (p2p) or one in all (host). */
  int32_t graph;               /* HEADRACE_GRAPH_... */
  int32_t communication;       /* HEADRACE_COMMUNICATION_... */
  int32_t overlapped;          /* 1: a load is the larger of compute and transfers */
  int32_t contiguous;          /* 0: stages need not follow the order of the edges */
  int32_t empty_stages;        /* 1: a stage may have no nodes */
  const int32_t* edge_ordered; /* [edges] 1: stage of `from` <= stage of `to`; 0: no order */
  int32_t values;
  const int32_t* value_producer; /* [values] a node */
  const int64_t* value_bytes;    /* [values] */
  const double* value_seconds;   /* [values] of one transfer, for each of its ends */
  const int32_t* value_readers;  /* [values + 1] where its readers begin in reader_node */
  const int32_t* reader_node;    /* [value_readers[values]] ascending, never the producer */
} headrace_partition_request;

/* headrace_partition_request.graph */
enum {
  HEADRACE_GRAPH_MODEL = 0, /* of a model that a scheduler will run in micro-batches */
  HEADRACE_GRAPH_COSTS = 1  /* of costs alone: no operators, one micro-batch, no scheduler */
};

/* headrace_partition_request.communication */
enum { HEADRACE_COMMUNICATION_P2P = 0, HEADRACE_COMMUNICATION_HOST = 1 };

typedef struct headrace_partitioner {
  uint32_t struct_size;
  /* Assigns a stage to every node. No edge may run to an earlier stage, no stage may be empty,
   * except where the request says so. */
  int32_t (*partition)(const headrace_host* host, const headrace_partition_request* request);
} headrace_partitioner;

/* The one exported symbol. */
HEADRACE_PLUGIN_EXPORT const headrace_plugin* headrace_plugin_entry(void);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*) */

#endif
