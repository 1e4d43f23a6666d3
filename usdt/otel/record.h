/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record format, version 1: what applications write, the kernel copies and the agent
 * reads. This header compiles for all three and is an ABI: binaries built today must work with
 * agents built years from now. docs/record-format.md is its page, tests/unit/golden_test.c holds
 * its vectors. Nothing here ever changes its place or meaning; what is new goes into reserved
 * space, behind a size that readers check, or into a new record kind, which older readers skip.
 *
 * Three things are laid out here:
 *
 *   records     one per API call, appended to the calling thread's buffer
 *   buffer      struct otel_buffer and the records behind it: what one flush hands over
 *   anchor      struct otel_anchor, one per process, and struct otel_thread, one per thread: how
 *               the images of a process, built by different compilers at different times, share
 *               one current span and one buffer a thread, and how an agent finds them from outside
 *
 * All numbers are in the byte order of the machine. Addresses are addresses of the process. Whoever
 * reads from outside must take every field for a claim: the process can write anything here.
 */
#ifndef OTEL_RECORD_H
#define OTEL_RECORD_H

typedef __UINT8_TYPE__ otel_u8;
typedef __UINT16_TYPE__ otel_u16;
typedef __UINT32_TYPE__ otel_u32;
typedef __UINT64_TYPE__ otel_u64;
typedef __INT32_TYPE__ otel_s32;

#ifdef __cplusplus
#define OTEL_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
/* C99 has it as an extension. */
#define OTEL_STATIC_ASSERT(condition, text) __extension__ _Static_assert(condition, text)
#endif

#define OTEL_FORMAT_VERSION 1

/* ---- Records ----------------------------------------------------------------------------------
 *
 * A record is a header, then its payload, then up to 7 unused bytes: sizes are multiples of 8.
 *
 * A payload that does not fit is written in pieces: all but the last record of such a sequence
 * carry OTEL_RECORD_MORE, all but the first OTEL_RECORD_CONTINUED. The pieces have the same kind
 * and span, follow each other in one buffer's stream, and their payloads are concatenated.
 */
enum otel_record_kind {
	OTEL_RECORD_START = 1,	    /* struct otel_start, its strings, attributes */
	OTEL_RECORD_ATTRIBUTES = 2, /* fields 9 (attributes) of OTLP's Span, any number of them */
	OTEL_RECORD_EVENT = 3,	    /* the body of one OTLP Span.Event */
	OTEL_RECORD_LINK = 4,	    /* the body of one OTLP Span.Link */
	OTEL_RECORD_STATUS = 5,	    /* struct otel_status, description */
	OTEL_RECORD_NAME = 6,	    /* the new name */
	OTEL_RECORD_END = 7,	    /* struct otel_end */
	OTEL_RECORD_ERROR = 8,	    /* struct otel_error: an exception event and the status Error */
	OTEL_RECORD_RESOURCE = 9,   /* fields of OTLP's Resource that the program sets; no span */
	OTEL_RECORD_STACK = 10,	    /* return addresses, u64 each, innermost first: the stack trace
				     * of the last EVENT of this span */
	OTEL_RECORD_LATE = 11,	    /* empty: a call came after the span's end, and did nothing */
};

enum otel_record_flag {
	/*
	 * The payload begins with a u64: when the operation happened, on the buffer's clock. START,
	 * END, ERROR do not have it (they have a time of their own). EVENT has it unless its body
	 * brings field 1 (time_unix_nano) itself. Any other operation has it if it was made on another
	 * buffer than the one the span was started on, so that "the last value wins" and "nothing
	 * after the end" can be decided.
	 */
	OTEL_RECORD_TIMED = 1,
	OTEL_RECORD_MORE = 2,
	OTEL_RECORD_CONTINUED = 4,
	/* Written through the handle that END will be written through: counted by struct otel_end. */
	OTEL_RECORD_COUNTED = 8,
};

struct otel_record {
	otel_u32 size;	  /* of all of it, in bytes: header, payload, padding; a multiple of 8 */
	otel_u8 kind;	  /* enum otel_record_kind; unknown kinds are skipped by their size */
	otel_u8 flags;	  /* enum otel_record_flag */
	otel_u16 padding; /* unused bytes at the end, 0 to 7 */
	otel_u8 span_id[8];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_record) == 16, "ABI");

enum otel_start_flag {
	OTEL_START_PARENT_REMOTE = 1, /* the parent came from another process */
	OTEL_START_HAS_SCOPE = 2,     /* the tracer has a name, version, schema URL or attributes */
};

/*
 * Payload of START. Behind it, in this order and without gaps: span name, scope name, scope
 * version, schema URL, scope attributes (fields 3 of OTLP's InstrumentationScope), tracestate (as
 * in its header), and up to the payload's end the first attributes (fields 9 of Span).
 */
struct otel_start {
	otel_u64 time;	    /* on the buffer's clock, nanoseconds */
	otel_u64 unix_time; /* as given by the application, nanoseconds since the epoch; 0: not given */
	otel_u8 trace_id[16];
	otel_u8 parent_id[8];  /* all zero: a root */
	otel_u16 fixed_size;   /* of this struct: where the strings begin */
	otel_u8 trace_flags;   /* W3C: 1 sampled, 2 random */
	otel_u8 kind;	       /* OTLP's number: 1 internal to 5 consumer */
	otel_u32 flags;	       /* enum otel_start_flag */
	otel_u32 name_size;    /* bytes, as are all that follow */
	otel_u32 scope_name_size;
	otel_u32 scope_version_size;
	otel_u32 schema_url_size;
	otel_u32 scope_attributes_size;
	otel_u32 tracestate_size;
};
OTEL_STATIC_ASSERT(sizeof(struct otel_start) == 72, "ABI");

enum otel_status_by {
	OTEL_STATUS_BY_HAND = 0,   /* a call that sets the status */
	OTEL_STATUS_BY_HELPER = 1, /* a helper for errors: only sets what is still unset */
};

/* Payload of STATUS (behind the time if TIMED); the rest of the payload is the description. */
struct otel_status {
	otel_u8 code; /* OTLP's number: 0 unset, 1 ok, 2 error */
	otel_u8 by;   /* enum otel_status_by */
	otel_u8 reserved[6];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_status) == 8, "ABI");

enum otel_end_flag {
	OTEL_END_SHARED = 1, /* the span's context was handed out: others may have written to it */
};

/* Payload of END. The counts are of what COUNTED records carried, pieces taken together. */
struct otel_end {
	otel_u64 time;
	otel_u64 unix_time; /* as given by the application; 0: not given */
	otel_u32 attributes;
	otel_u32 events;
	otel_u32 links;
	otel_u32 flags; /* enum otel_end_flag */
};
OTEL_STATIC_ASSERT(sizeof(struct otel_end) == 32, "ABI");

/* Payload of ERROR: becomes an exception event with the error's symbol and text. */
struct otel_error {
	otel_u64 time;
	otel_s32 error; /* an errno, positive */
	otel_u32 reserved;
};
OTEL_STATIC_ASSERT(sizeof(struct otel_error) == 16, "ABI");

/* ---- Buffer -----------------------------------------------------------------------------------
 *
 * A flush is one contiguous piece of memory: this header, then `committed` bytes of records. It
 * explains itself: the agent that saw earlier ones may be gone.
 *
 * The same bytes can be seen twice (a flush, and a look from outside or at the process's death):
 * (buffer_id, position) tells. A hole in the positions of a buffer is a loss.
 *
 * A reader from outside: position, committed, records, position again. If both positions are
 * equal, what it has is consistent, because the owner only appends, and when it empties the
 * buffer sets committed to 0 before it advances the position.
 */
#define OTEL_BUFFER_MAGIC 0x4254544fu /* "OTTB" */

enum otel_flush_reason {
	OTEL_FLUSH_OUTERMOST = 1, /* the thread's outermost span or scope has ended */
	OTEL_FLUSH_FULL = 2,
	OTEL_FLUSH_OLD = 3, /* the oldest record is older than 100 ms */
	OTEL_FLUSH_LIVE = 4,
	OTEL_FLUSH_EXIT = 5, /* the thread ends */
	OTEL_FLUSH_UNWOUND = 6, /* a C++ exception leaves the span of the last record */
};

struct otel_buffer {
	otel_u32 magic;	      /* OTEL_BUFFER_MAGIC; 0 in a forked child until its first use */
	otel_u16 version;     /* OTEL_FORMAT_VERSION */
	otel_u16 header_size; /* of this struct: where the records begin */
	otel_u64 buffer_id;   /* never 0, never used twice in a process or its forked children */
	otel_u64 position;    /* place of the first record here in all that this buffer ever held */
	otel_u32 committed;   /* bytes of complete records */
	otel_u32 capacity;    /* bytes */
	otel_u64 anchor;      /* address of the process's struct otel_anchor */
	otel_u64 clock_time;  /* the clock, read for this flush, nanoseconds */
	otel_u32 clock_id;    /* CLOCK_MONOTONIC = 1 */
	otel_u32 reason;      /* enum otel_flush_reason */
	otel_u64 started;     /* recorded spans started on this buffer, ever */
	otel_u64 not_sampled; /* spans that sampling left out, ever */
	otel_u64 dropped;     /* records that the application could not keep, ever */
	otel_u64 dropped_starts; /* and those among them that started a span */
	/* `started` when the buffer was last emptied: the difference is what a lost flush loses. */
	otel_u64 started_before;
	otel_u32 thread_id; /* as the process sees it */
	otel_u32 uncaught;  /* with OTEL_FLUSH_UNWOUND: C++ exceptions in flight on this thread */
	otel_u64 reserved[3];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_buffer) == 128, "ABI");

/* The most that a flush hands over, header included. Larger buffers are flushed before. */
#define OTEL_FLUSH_MAX 16384

/* ---- Anchor -----------------------------------------------------------------------------------
 *
 * In anonymous memory that belongs to no image and is never unmapped. An image keeps its address in
 * a pointer of its own that its note (struct otel_image_note) leads to. An image with another
 * layout version ignores the anchors of this one: they keep apart. Within a version only reserved
 * space may be given a meaning, zero meaning what it means today.
 */
#define OTEL_ANCHOR_MAGIC 0x4154544fu /* "OTTA" */
#define OTEL_ANCHOR_BUCKETS 64u
#define OTEL_ANCHOR_SIZE 8192u

enum otel_language {
	OTEL_LANGUAGE_C = 0,
	OTEL_LANGUAGE_CPP = 1,
};

struct otel_anchor {
	otel_u32 magic;	    /* OTEL_ANCHOR_MAGIC */
	otel_u16 version;   /* OTEL_FORMAT_VERSION */
	otel_u16 language;  /* enum otel_language: of the image that made it */
	otel_u32 size;	    /* of the anchor with its environment, at most OTEL_ANCHOR_SIZE */
	otel_u32 reserved32;
	otel_u64 next_buffer_id; /* taken with an atomic addition */
	/*
	 * Address of a u64 in memory that a fork wipes. Buffers of this process have ids above it;
	 * those below are of before the fork that made the process. 0: not known yet.
	 */
	otel_u64 generation;
	otel_u64 threads[OTEL_ANCHOR_BUCKETS]; /* lists of struct otel_thread; they only grow */
	otel_u64 stores[2]; /* addresses of struct otel_store: small texts, large texts; 0: none yet */
	otel_u32 resource_size; /* of what the program said of itself: fields of OTLP's Resource, as
				 * far as they fit, behind the environment */
	otel_u32 reserved32b;
	otel_u64 reserved[6];
	/*
	 * What the environment said at first use: "OTEL_NAME=value" strings, each with its NUL, as
	 * far as they fit.
	 */
	otel_u32 environment_size;
	otel_u32 environment_dropped; /* strings that did not fit */
	char environment[OTEL_ANCHOR_SIZE - 624];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_anchor) == OTEL_ANCHOR_SIZE, "ABI");

/*
 * Texts that contexts refer to (trace state, baggage): in slots that are used again and never unmapped,
 * so that a handle which outlived its text, or was given back twice, finds nothing instead of
 * somebody else's memory. A handle is the slot's generation << 32 | (slot + 1) << 1 | the store. One
 * without a slot is the trace state of a sampled root: "ot=th:" and the four hexadecimal digits of
 * handle >> 32, without the zeros at their end.
 */
#define OTEL_STORE_CHUNKS 1024u
#define OTEL_STORE_SLOTS 64u /* in a chunk */

struct otel_store {
	otel_u64 free; /* a change count << 32 | 1 + the first free slot; 0 there: none */
	otel_u32 made; /* slots that were ever used */
	otel_u32 slot_size;
	otel_u64 reserved[2];
	otel_u64 chunks[OTEL_STORE_CHUNKS]; /* addresses */
};

struct otel_slot {
	otel_u64 state;	    /* generation << 32 | references */
	otel_u32 next_free; /* 1 + slot */
	otel_u32 size;	    /* of the text behind, which ends in NUL as well */
};
OTEL_STATIC_ASSERT(sizeof(struct otel_slot) == 16, "ABI");

enum otel_context_state {
	OTEL_CONTEXT_RECORDING = 1, /* operations are recorded */
	OTEL_CONTEXT_PROBED = 2,    /* a probe for people is attached: operations call it */
	OTEL_CONTEXT_REMOTE = 4,    /* came from another process */
	OTEL_CONTEXT_VALID = 8,	    /* there are ids; without it all other fields may be garbage */
	OTEL_CONTEXT_BORROWED = 16, /* not the handle that ends the span: nothing is counted */
	OTEL_CONTEXT_SHARED = 32,   /* was handed out: others may write to the span */
	OTEL_CONTEXT_ENDED = 64,
	/* Holds references to its texts, which are there even if the ids are not. */
	OTEL_CONTEXT_OWNS = 128,
};

/*
 * What a span passes on: the OpenTelemetry SpanContext and where the span lives. A value: it
 * holds no pointer into a stack and may outlive the span.
 */
struct otel_context {
	otel_u8 trace_id[16];
	otel_u8 span_id[8];
	otel_u64 origin; /* the buffer that the span was started on; 0: in none */
	otel_u8 trace_flags;
	otel_u8 state; /* enum otel_context_state */
	otel_u8 reserved[6];
	otel_u64 tracestate; /* handle of a text, 0: none */
	otel_u64 baggage;    /* the same */
	otel_u64 reserved64;
};
OTEL_STATIC_ASSERT(sizeof(struct otel_context) == 64, "ABI");

/* A span as its owner holds it: a value, too. */
struct otel_span {
	struct otel_context context;
	otel_u64 start_time; /* CLOCK_MONOTONIC, nanoseconds */
	otel_u32 attributes; /* written through this handle, as are the next two */
	otel_u32 events;
	otel_u32 links;
	otel_u8 status;
	otel_u8 reserved[11];
	char name[32]; /* beginning of the name, with NUL: for the probes for people, if PROBED */
};
OTEL_STATIC_ASSERT(sizeof(struct otel_span) == 128, "ABI");

#define OTEL_THREAD_MAGIC 0x5454544fu /* "OTTT" */

struct otel_thread {
	otel_u32 magic;	  /* OTEL_THREAD_MAGIC */
	otel_u16 version; /* OTEL_FORMAT_VERSION */
	otel_u16 reserved16;
	otel_u64 next;	     /* in its list of the anchor */
	otel_u64 owner;	     /* thread pointer of the thread it belongs to; 0: free to take */
	otel_u32 references; /* images that know the address and will let go when the thread ends */
	otel_u32 scopes;     /* contexts that are current, one inside the other */
	otel_u32 detached;   /* open spans that this thread started without making them current */
	otel_u16 nested;     /* operations being written, each interrupted by the next in a signal */
	otel_u16 changing;   /* `current` is being written: do not read it in a signal handler */
	otel_u64 buffers[3]; /* addresses of struct otel_buffer: the thread's own, and those that
			      * signal handlers write to which interrupt an operation; 0: not yet */
	otel_u64 oldest;     /* the clock when the first record was put into the empty buffer */
	otel_u64 random[4];  /* of the generator of ids: a counter and keys; seeded anew in a forked child */
	otel_u32 thread_id;  /* of the owner, and of its process, as they see them: whether the memory */
	otel_u32 process_id; /* of a thread that ended unseen is taken over by its successor */
	otel_u64 reserved[2];
	struct otel_span current; /* always BORROWED; state 0: none */
};
OTEL_STATIC_ASSERT(sizeof(struct otel_thread) == 256, "ABI");

/*
 * What was current before each of the `scopes`, outermost first: behind the thread's state, which has its
 * pages to itself, and all zero at first. Here rather than on the stack, where longjmp() leaves nothing
 * that could be relied on. Images that do not know of it leave it alone; deeper scopes are not in it.
 */
#define OTEL_SCOPES_KEPT 47u

enum otel_owner_bit {
	OTEL_OWNER_ON_STACK = 1, /* the scope is on the thread's own stack */
	OTEL_OWNER_TICKET = 2,
	OTEL_OWNER_LIGHT = 4, /* of what is current only the span's id was changed */
};

struct otel_kept_scope {
	otel_u64 owner; /* who may leave it: the address of its scope, or a ticket, 8 times a number;
			 * plus enum otel_owner_bit; 0: not known */
	otel_u64 reserved;
	struct otel_context previous; /* of light scopes only the span's id */
};

struct otel_scopes {
	otel_u64 stack; /* the thread's own, its lowest address */
	otel_u64 stack_size; /* bytes; 0: not known */
	otel_u64 tickets; /* given out so far */
	otel_u64 nobody; /* always 0: the owner of a scope that was left in another thread is here */
	otel_u64 reserved[6];
	struct otel_kept_scope kept[OTEL_SCOPES_KEPT];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_thread) + sizeof(struct otel_scopes) == 4096, "ABI");

/* ---- Image ------------------------------------------------------------------------------------
 *
 * The descriptor of the note that every image carries in an allocated note section. Fields of type
 * otel_s32 are distances from the field's own address: add them to it.
 */
#define OTEL_NOTE_NAME "otel-bpf"
#define OTEL_NOTE_TYPE 1

/* The order of the semaphores, u16 each, that one load of 8 bytes tests. */
enum otel_semaphore {
	OTEL_SEMAPHORE_FLUSH = 0, /* an agent listens: record */
	OTEL_SEMAPHORE_SPAN_START = 1,
	OTEL_SEMAPHORE_SPAN_END = 2,
	OTEL_SEMAPHORE_SPAN_WRITE = 3, /* span_attribute, span_event, span_status */
	OTEL_SEMAPHORES = 4,
};

/*
 * Control bits: semaphores too, each set by attaching to a site that is never executed, so that
 * the kernel takes them back when the agent is gone, however it went. A root span is sampled
 * with probability 1 if ALL is set, else with the sum of 2^-i over the RATE bits set.
 */
enum otel_control {
	OTEL_CONTROL_ALL = 0,
	OTEL_CONTROL_LIVE = 1,		/* flush at every end */
	OTEL_CONTROL_IGNORE_PARENT = 2, /* children decide like roots */
	OTEL_CONTROL_RATE_1 = 3,	/* 2^-1; OTEL_CONTROL_RATE_1 + i - 1 is 2^-i */
	OTEL_CONTROLS = 19,
};

/*
 * Tracers in the data of an image, which begin with the address of their name, end with these, and are as
 * long as that takes. Agents find them by the two marks: a tracer whose `off` is not 0, as the kernel sets
 * it while it is attached to a site of its own, makes no spans. Sites are for the first ones in the file,
 * which one is for whom is the agent's choice.
 */
#define OTEL_TRACER_MARK_1 0x9d1b7a6eu
#define OTEL_TRACER_MARK_2 0x54c3e8f1u
#define OTEL_TRACER_SITES 64u

struct otel_tracer_switch {
	otel_u32 mark[2];
	otel_u16 off; /* a semaphore */
	otel_u16 reserved16;
	otel_u32 reserved[2];
};
OTEL_STATIC_ASSERT(sizeof(struct otel_tracer_switch) == 20, "ABI");

struct otel_image_note {
	otel_u16 version; /* OTEL_FORMAT_VERSION */
	otel_u16 size;	  /* of this struct */
	otel_s32 anchor;  /* u64: address of the process's anchor, 0 before the first use */
	/*
	 * The sites of otel:flush, in one function and reached one after the other; attach to one
	 * of them. Which one is fast depends on the kernel, and whether that is safe for children, too.
	 */
	otel_s32 flush_nop5;
	otel_s32 flush_nop10;
	otel_s32 flush_nop;
	otel_s32 semaphores;	/* u16[OTEL_SEMAPHORES] */
	otel_s32 controls;	/* u16[OTEL_CONTROLS] */
	otel_s32 control_sites; /* one byte each, OTEL_CONTROLS of them, never executed */
	otel_s32 stapsdt_base;	/* keeps .stapsdt.base alive */
	otel_s32 tracer_sites;	/* one byte each, OTEL_TRACER_SITES of them, never executed; 0: none */
	/*
	 * One byte, never executed: attaching to it sets the semaphore of FLUSH. Apart from the site that
	 * is hit, so that an agent can end the recording first, and then take what is handed over last.
	 */
	otel_s32 enable_site;
	otel_u32 reserved;
};
OTEL_STATIC_ASSERT(sizeof(struct otel_image_note) == 48, "ABI");

#endif
