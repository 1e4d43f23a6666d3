/* SPDX-License-Identifier: Apache-2.0 */
/* anywhere NAME: spans where control does not go from top to bottom; see anywhere_test.py. */
#include <otel/propagation.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("anywhere", "1");
extern char **environ;

/* ---- Signals ---- */

static volatile sig_atomic_t handled, depth;

static void handler(int number)
{
	int n = __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
	OTEL_SPAN(span, &tracer, "in a handler", otel_int("n", n), otel_int("signal", number));

	otel_set(span, otel_str("text", "a text that is long enough for a second look"));
	otel_event(span, "event");
}

/* Raises another signal while its own operations are under way, five deep. */
static void nests(int number)
{
	if (depth < 5) {
		depth++;
		raise(number + 1);
		depth--;
	}
	handler(number);
}

static void handle(int number, void (*by)(int), int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = by;
	action.sa_flags = flags | SA_RESTART;
	sigaction(number, &action, NULL);
}

/* Once: of a clock that strikes more often than a busy machine runs a handler, nothing else would ever run. */
static void timer(int us)
{
	static volatile sig_atomic_t over; /* it may have struck just before the end, and its handler shall not go on */
	struct itimerval once;

	if (!us)
		over = 1;
	memset(&once, 0, sizeof(once));
	once.it_value.tv_usec = over ? 0 : us;
	setitimer(ITIMER_REAL, &once, NULL);
}

static void strikes_again(int number)
{
	handler(number);
	timer(25);
}

/* May interrupt itself, but the stack has an end. */
static void interrupts_itself(int number)
{
	static volatile sig_atomic_t running;

	if (running == 4)
		return;
	running++;
	timer(5);
	handler(number);
	if (!--running)
		timer(25);
}

static unsigned long long dropped(void)
{
	const struct otel_buffer *buffer = (const struct otel_buffer *)otel_bpf_thread_v1->buffers[0];

	return buffer->dropped;
}

static void works(int n)
{
	OTEL_SPAN(outer, &tracer, "work", otel_int("n", n));

	for (int i = 0; i < 3; i++) {
		OTEL_SPAN(inner, &tracer, "inner", otel_int("i", i));
		otel_set(inner, otel_double("d", 0.5), otel_str("s", "text"));
	}
	otel_event(outer, "done");
}

/* One kind of signal, which is blocked in its own handler: that much finds room always. */
static void signals(void)
{
	int n = 0;

	handle(SIGALRM, strikes_again, 0);
	timer(25);
	for (; handled < 1000; n++)
		works(n);
	timer(0);
	printf("work %d\nhandled %d\ndropped %llu\n", n, (int)handled, dropped());
}

/* Handlers that interrupt handlers: what is too deep is counted. */
static void deep_signals(void)
{
	int n = 0;

	for (int i = 0; i < 6; i++)
		handle(SIGRTMIN + i, nests, 0);
	handle(SIGALRM, interrupts_itself, SA_NODEFER);
	timer(25);
	for (; handled < 1000; n++) {
		works(n);
		raise(SIGRTMIN);
	}
	timer(0);
	printf("work %d\nhandled %d\ndropped %llu\n", n, (int)handled, dropped());
}

static void *short_thread(void *data)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	for (int i = 0; i < 2; i++)
		works(i);
	return data;
}

/* The signals come where threads begin and end. */
static void thread_signals(void)
{
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	handle(SIGALRM, strikes_again, 0);
	timer(50);
	for (; handled < 1000 && n < 3000; n++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, short_thread, NULL))
			abort();
		pthread_join(thread, NULL);
	}
	timer(0);
	printf("work %d\nhandled %d\ndropped 0\n", 2 * n, (int)handled);
}

/* ---- Threads that block signals ---- */

static jmp_buf outside;
static struct otel_thread *let_go;

static __attribute__((noinline)) void jumps(void)
{
	OTEL_SPAN(span, &tracer, "jumped over");

	(void)span;
	longjmp(outside, 1);
}

static __attribute__((noinline)) void uses_the_stack(void)
{
	char bytes[8192];

	memset(bytes, 1, sizeof(bytes));
	__asm__ volatile("" ::"r"(bytes) : "memory");
}

/* Is what longjmp() jumped over forgotten? */
static int forgets(void)
{
	otel_context now;

	if (!setjmp(outside))
		jumps();
	uses_the_stack();
	now = otel_current().context;
	return !otel_is_valid(&now);
}

static void *jumps_and_ends(void *data)
{
	*(int *)data = forgets();
	let_go = otel_bpf_thread_v1;
	OTEL_SPAN(span, &tracer, "open at the end");
	(void)span;
	pthread_exit(NULL);
}

static void blocks(void)
{
	sigset_t set;

	/* As those do that wait for signals in one thread; then as those that leave all of them to one thread. */
	for (int all = 0; all < 2; all++) {
		pthread_t thread;
		int forgot = 0;

		if (all) {
			handle(SIGALRM, handler, 0);
			sigfillset(&set);
		} else {
			sigemptyset(&set);
			sigaddset(&set, SIGTERM);
		}
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		pthread_create(&thread, NULL, jumps_and_ends, &forgot);
		pthread_join(thread, NULL);
		printf("forgot_%d %d\nlet_go_%d %d\n", all, forgot, all, !let_go->owner);
	}
}

/* ---- Threads that are cancelled ---- */

static pthread_barrier_t barrier;

static void *is_cancelled(void *data)
{
	OTEL_SPAN(outer, &tracer, "outer");
	OTEL_SPAN(inner, &tracer, "inner");

	otel_event(outer, "waits");
	(void)inner;
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return data;
}

static void *goes_on(void *data)
{
	works(1);
	return data;
}

static void cancels(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, is_cancelled, NULL);
		pthread_barrier_wait(&barrier);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		/* In the place of the other, very likely. */
		pthread_create(&thread, NULL, goes_on, NULL);
		pthread_join(thread, NULL);
	}
}

/* ---- Processes ---- */

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		abort();
}

static void once(void)
{
	otel_context parent = otel_extract_environment();
	OTEL_SPAN(span, &tracer, "once", otel_parent(parent), otel_int("pid", getpid()));

	(void)span;
	otel_context_release(&parent);
}

static void starts(void)
{
	static char name[] = "anywhere", what[] = "once";
	char *const argv[] = {name, what, NULL};
	char self[4096] = "", *envp[4096];
	pid_t pid;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		abort();
	OTEL_SPAN(around, &tracer, "around", otel_int("pid", getpid()));
	if (otel_inject_environment(environ, envp, sizeof(envp)) > sizeof(envp))
		abort();
	for (volatile int i = 0; i < 20; i++) {
		{
			OTEL_SPAN(before, &tracer, "before");
			(void)before;
		}
		pid = vfork();
		if (!pid) {
			execve(self, argv, envp);
			_exit(127);
		}
		wait_for(pid);
		pid = vfork();
		if (!pid)
			_exit(0);
		wait_for(pid);
		{
			OTEL_SPAN(after, &tracer, "after");
			(void)after;
		}
		if (posix_spawn(&pid, self, NULL, NULL, argv, envp))
			abort();
		wait_for(pid);
	}
	otel_event(around, "all done");
}

static void *holds_a_span(void *data)
{
	OTEL_SPAN(span, &tracer, "open in another thread");

	(void)span;
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return data;
}

/* The child's threads very likely begin where its parent's were. */
static void forks_beside_threads(void)
{
	pthread_t thread;
	pid_t pid;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, holds_a_span, NULL);
	pthread_barrier_wait(&barrier);
	pid = fork();
	if (!pid) {
		pthread_create(&thread, NULL, goes_on, NULL);
		pthread_join(thread, NULL);
		exit(0);
	}
	wait_for(pid);
}

static void *forks(void *data)
{
	pid_t pid = fork();

	if (!pid)
		_exit(forgets() ? 0 : 1);
	wait_for(pid);
	return data;
}

/* The first thread of the child is not on the program's first stack. */
static void forks_in_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, forks, NULL);
	pthread_join(thread, NULL);
	printf("forgot 1\n");
}

static void *holds_ended_spans(void *data)
{
	OTEL_SPAN(open, &tracer, "open");

	for (int i = 0; i < 10; i++) {
		OTEL_SPAN(span, &tracer, "ended", otel_int("i", i));
		(void)span;
	}
	(void)open;
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return data;
}

static void at_exit(void)
{
	OTEL_SPAN(span, &tracer, "at exit");
	(void)span;
}

static void exits(void)
{
	pthread_barrier_init(&barrier, NULL, 9);
	atexit(at_exit);
	for (int i = 0; i < 8; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, holds_ended_spans, NULL);
	}
	pthread_barrier_wait(&barrier);
	exit(0);
}

static const struct scene {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{"signals", signals},
	{"deep_signals", deep_signals},
	{"thread_signals", thread_signals},
	{"blocks", blocks},
	{"cancels", cancels},
	{"once", once},
	{"starts", starts},
	{"forks_beside_threads", forks_beside_threads},
	{"forks_in_a_thread", forks_in_a_thread},
	{"exits", exits},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!strcmp(scenes[i].name, argv[1])) {
			scenes[i].play();
			return 0;
		}
	return 2;
}
