/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe sites: tiny functions, one of each per image however many calls there are, so that
 * attaching costs the same for ten call sites as for ten thousand, and the kernel side finds the
 * arguments in the registers of the calling convention.
 *
 *   otel:flush(buffer, size)                            for agents; see record.h
 *   otel:span_start(name, span_id, parent_id, trace_id, kind)    for people: bpftrace, perf, ...
 *   otel:span_end(name, span_id, duration_ns, status)
 *   otel:span_attribute(span_id, key, type, value)
 *   otel:span_event(span_id, name)
 *   otel:span_status(span_id, code, description)
 *
 * Ids are numbers that print as the hex digits that traces show; trace_id points to 16 bytes;
 * strings end in NUL; kind, status and code are the numbers of enum otel_kind and otel_code; type
 * is one of enum otel_type, which says what value is: a pointer to a string, a number, the bits of
 * a double.
 *
 * Every site is the first instruction of a function or follows nothing but nops there, and the
 * function is reached by a call. Kernels 6.18 to 7.2 turn a probed 5-byte nop into a call, which
 * writes below the stack pointer: that would overwrite the red zone of a leaf function, but at the
 * entry of a function nothing is live there. Newer kernels do it with 10-byte nops instead, older
 * ones emulate a 1-byte nop and nothing else that would do: otel:flush has all three, so that an
 * agent can choose. Ours takes the 1-byte one: what 6.18 makes of the others leads a forked child to
 * a page that it does not have. The order matters: tools that attach to a 1-byte nop look for a
 * 5-byte one right behind it, and would use it without being asked. People's site is one more nop: they
 * attach with its semaphore, our agent without, and the kernel takes only one of both at one place.
 *
 * Everything stands in one COMDAT group, once per image. Notes that nothing refers to stay alive
 * under --gc-sections because linkers keep or drop a group as a whole, and the code calls the
 * functions; .stapsdt.base has a group of its own (it is shared with sys/sdt.h) and is referred to
 * from our allocated note. The .ifndef is for LTO, which may put this text twice into one unit.
 */
#ifndef OTEL_PROBE_H
#define OTEL_PROBE_H

#include "record.h"

#if defined(__x86_64__)
#define OTEL_ASM_NOPS_                                                                             \
	"0: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"                                                  \
	"1: .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00\n"                    \
	"9: nop\n"                                                                                 \
	"2: nop\n"
#define OTEL_ASM_ARGUMENTS_2_ "8@%rdi 8@%rsi"
#define OTEL_ASM_ARGUMENTS_START_ "8@%rdi 8@%rsi 8@%rdx 8@%rcx -4@%r8d"
#define OTEL_ASM_ARGUMENTS_END_ "8@%rdi 8@%rsi 8@%rdx -4@%ecx"
#define OTEL_ASM_ARGUMENTS_ATTRIBUTE_ "8@%rdi 8@%rsi -4@%edx 8@%rcx"
#define OTEL_ASM_ARGUMENTS_STATUS_ "8@%rdi -4@%esi 8@%rdx"
#define OTEL_ASM_PAGE_ "4096"
#elif defined(__aarch64__)
#define OTEL_ASM_NOPS_ "0: 1: 9: nop\n2: nop\n"
#define OTEL_ASM_ARGUMENTS_2_ "8@x0 8@x1"
#define OTEL_ASM_ARGUMENTS_START_ "8@x0 8@x1 8@x2 8@x3 -4@x4"
#define OTEL_ASM_ARGUMENTS_END_ "8@x0 8@x1 8@x2 -4@x3"
#define OTEL_ASM_ARGUMENTS_ATTRIBUTE_ "8@x0 8@x1 -4@x2 8@x3"
#define OTEL_ASM_ARGUMENTS_STATUS_ "8@x0 -4@x1 8@x2"
#define OTEL_ASM_PAGE_ "65536"
#else
#error "otel/probe.h knows x86-64 and arm64; compile with -DOTEL_BPF_DISABLE elsewhere"
#endif

/* A function with a site and its SystemTap note. @nops defines the label 2: the note's address. */
#define OTEL_ASM_PROBE_(name, nops, semaphore, arguments)                                          \
	".pushsection .text.otel_bpf, \"axG\", %progbits, otel_bpf_v1, comdat\n"                   \
	".balign 32\n"                                                                             \
	".weak otel_bpf_" name "_v1\n"                                                             \
	".hidden otel_bpf_" name "_v1\n"                                                           \
	".type otel_bpf_" name "_v1, %function\n"                                                  \
	"otel_bpf_" name "_v1:\n"                                                                  \
	".cfi_startproc\n" nops "ret\n"                                                            \
	".cfi_endproc\n"                                                                           \
	".size otel_bpf_" name "_v1, . - otel_bpf_" name "_v1\n"                                   \
	".popsection\n"                                                                            \
	".pushsection .note.stapsdt, \"G\", %note, otel_bpf_v1, comdat\n"                          \
	".balign 4\n"                                                                              \
	".4byte 4f - 3f, 6f - 5f, 3\n"                                                             \
	"3: .asciz \"stapsdt\"\n"                                                                  \
	"4: .balign 4\n"                                                                           \
	"5: .8byte 2b, _.stapsdt.base, otel_bpf_semaphores_v1 + 2 * " semaphore "\n"               \
	".asciz \"otel\"\n"                                                                        \
	".asciz \"" name "\"\n"                                                                    \
	".asciz \"" arguments "\"\n"                                                               \
	"6: .balign 4\n"                                                                           \
	".popsection\n"

__asm__(".ifndef otel_bpf_flush_v1\n"
	/*
	 * Semaphores: in a section that is in the file, since the kernel finds them by file offset,
	 * in the first writable mapping that has this page of the file. lld and mold give what is
	 * read-only after relocation (RELRO) a mapping of its own, and the rest goes on in its last
	 * page, which a starting process so maps twice: the kernel would count in the wrong one.
	 */
	".pushsection .probes, \"awG\", %progbits, otel_bpf_v1, comdat\n"
	".balign " OTEL_ASM_PAGE_ "\n"
	".weak otel_bpf_semaphores_v1\n"
	".hidden otel_bpf_semaphores_v1\n"
	".type otel_bpf_semaphores_v1, %object\n"
	".size otel_bpf_semaphores_v1, 8\n"
	"otel_bpf_semaphores_v1: .zero 8\n"
	".weak otel_bpf_controls_v1\n"
	".hidden otel_bpf_controls_v1\n"
	".type otel_bpf_controls_v1, %object\n"
	".size otel_bpf_controls_v1, 40\n"
	"otel_bpf_controls_v1: .zero 40\n"
	".popsection\n"
	".pushsection .data.otel_bpf, \"awG\", %progbits, otel_bpf_v1, comdat\n"
	".balign 8\n"
	".weak otel_bpf_anchor_v1\n"
	".hidden otel_bpf_anchor_v1\n"
	".type otel_bpf_anchor_v1, %object\n"
	".size otel_bpf_anchor_v1, 8\n"
	"otel_bpf_anchor_v1: .zero 8\n"
	".popsection\n"
	".ifndef _.stapsdt.base\n"
	".pushsection .stapsdt.base, \"aG\", %progbits, .stapsdt.base, comdat\n"
	".weak _.stapsdt.base\n"
	".hidden _.stapsdt.base\n"
	"_.stapsdt.base: .space 1\n"
	".size _.stapsdt.base, 1\n"
	".popsection\n"
	".endif\n"
	/* The first of them opens the group's text; its labels 0, 1, 9 are an agent's sites of flush. */
	OTEL_ASM_PROBE_("flush", OTEL_ASM_NOPS_, "0", OTEL_ASM_ARGUMENTS_2_)
	/* struct otel_image_note */
	".pushsection .note.otel-bpf, \"aG\", %note, otel_bpf_v1, comdat\n"
	".balign 4\n"
	".4byte 4f - 3f, 6f - 5f, 1\n"
	"3: .asciz \"otel-bpf\"\n"
	"4: .balign 4\n"
	"5: .2byte 1, 6f - 5b\n"
	".4byte otel_bpf_anchor_v1 - .\n"
	".4byte 0b - .\n"
	".4byte 1b - .\n"
	".4byte 9b - .\n"
	".4byte otel_bpf_semaphores_v1 - .\n"
	".4byte otel_bpf_controls_v1 - .\n"
	".4byte 7f - .\n"
	".4byte _.stapsdt.base - .\n"
	".4byte 8f - .\n"
	".4byte 10f - .\n"
	".4byte 0\n"
	"6:\n"
	".popsection\n"
	/* The sites of the control bits. Never executed. */
	".pushsection .text.otel_bpf, \"axG\", %progbits, otel_bpf_v1, comdat\n"
	".balign 4\n"
	"7: .rept 19\n"
	"nop\n"
	".endr\n"
	/* Those of the tracers, and the one that enables. Neither. */
	".balign 4\n"
	"8: .rept 64\n"
	"nop\n"
	".endr\n"
	"10: nop\n"
	".popsection\n"
	".endif\n");
__asm__(".ifndef otel_bpf_span_start_v1\n"
	OTEL_ASM_PROBE_("span_start", "2: nop\n", "1", OTEL_ASM_ARGUMENTS_START_)
	OTEL_ASM_PROBE_("span_end", "2: nop\n", "2", OTEL_ASM_ARGUMENTS_END_)
	OTEL_ASM_PROBE_("span_attribute", "2: nop\n", "3", OTEL_ASM_ARGUMENTS_ATTRIBUTE_)
	OTEL_ASM_PROBE_("span_event", "2: nop\n", "3", OTEL_ASM_ARGUMENTS_2_)
	OTEL_ASM_PROBE_("span_status", "2: nop\n", "3", OTEL_ASM_ARGUMENTS_STATUS_)
	".endif\n");

#ifdef __cplusplus
extern "C" {
#endif

#define OTEL_HIDDEN_ __attribute__((visibility("hidden")))

/* u16[OTEL_SEMAPHORES]; the kernel writes them, at any time. */
extern volatile otel_u64 otel_bpf_semaphores_v1 OTEL_HIDDEN_;
extern volatile otel_u16 otel_bpf_controls_v1[OTEL_CONTROLS] OTEL_HIDDEN_;
extern otel_u64 otel_bpf_anchor_v1 OTEL_HIDDEN_;

void otel_bpf_flush_v1(const struct otel_buffer *buffer, otel_u64 size) OTEL_HIDDEN_;
void otel_bpf_span_start_v1(const char *name, otel_u64 span_id, otel_u64 parent_id,
			    const otel_u8 *trace_id, int kind) OTEL_HIDDEN_;
void otel_bpf_span_end_v1(const char *name, otel_u64 span_id, otel_u64 duration_ns,
			  int status) OTEL_HIDDEN_;
void otel_bpf_span_attribute_v1(otel_u64 span_id, const char *key, int type,
				otel_u64 value) OTEL_HIDDEN_;
void otel_bpf_span_event_v1(otel_u64 span_id, const char *name) OTEL_HIDDEN_;
void otel_bpf_span_status_v1(otel_u64 span_id, int code, const char *description) OTEL_HIDDEN_;

/* Is anything of @semaphore attached in this image? */
static inline __attribute__((unused)) int otel_attached_(enum otel_semaphore semaphore)
{
	return ((const volatile otel_u16 *)&otel_bpf_semaphores_v1)[semaphore] != 0;
}

#ifdef __cplusplus
}
#endif

#endif
