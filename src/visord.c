/* SPDX-License-Identifier: Apache-2.0 */
/* visord: options, signals, the event loop. Everything else is the engine's. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <urcu-qsbr.h>

#include "engine.h"
#include "log.h"
#include "notify.h"
#include "steer.h"
#include "version.h"

static const char usage[] =
	"visord - a network-function appliance on AF_XDP\n"
	"\n"
	"  visord --config FILE         run in the foreground; the log goes to stderr\n"
	"         --no-sandbox          keep all privileges, filter no system calls: for debugging\n"
	"  visord --check FILE          check a configuration; every mistake as FILE:LINE, exit 1\n"
	"  visord --detach DEVICE       take a steering program that was left behind off a device\n"
	"  visord --reference           every configuration key with its type, range and default\n"
	"  visord --reference=troff     the same for visord.conf(5)\n"
	"  visord --version\n"
	"\n"
	"Signals: HUP reloads the file, TERM and INT end. visorctl(8) asks and commands.\n"
	"A first configuration is in the README and below /usr/local/share/doc/visor.\n";

static int detach(const char *device)
{
	char why[256] = "";
	int err = steer_detach_device(device, why);

	if (err == -ENOENT)
		printf("%s: no steering program of visord's is attached\n", device);
	else if (err)
		fprintf(stderr, "visord: %s: %s\n", device, why[0] ? why : strerror(-err));
	return err && err != -ENOENT;
}

static int reference(const char *format)
{
	char *text;

	if (format && strcmp(format, "troff") && strcmp(format, "text")) {
		fprintf(stderr, "visord: --reference=%s: expected text or troff\n", format);
		return 2;
	}
	text = conf_reference(format && !strcmp(format, "troff"));
	if (!text)
		return 1;
	fputs(text, stdout);
	free(text);
	return 0;
}

static void on_hup(evutil_socket_t signal, short what, void *arg)
{
	struct conf_errors *errors = conf_errors_new();

	notify_reloading();
	engine_reload(arg, errors);
	notify_ready();
	conf_errors_free(errors);
}

static void on_end(evutil_socket_t signal, short what, void *arg)
{
	event_base_loopbreak(arg);
}

/* UMEM pages and BPF maps count against it on older kernels. */
static void raise_memlock(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		log_debug("RLIMIT_MEMLOCK stays as it is: %s", strerror(errno));
}

static int serve(struct event_base *base, const char *path, struct config *config, bool sandbox)
{
	struct engine *engine;
	struct event *signals[3];
	int err = engine_start(&engine, path, config, base, sandbox), status = 1;

	if (err)
		return 1;
	signals[0] = evsignal_new(base, SIGHUP, on_hup, engine);
	signals[1] = evsignal_new(base, SIGTERM, on_end, base);
	signals[2] = evsignal_new(base, SIGINT, on_end, base);
	for (unsigned i = 0; i < 3; i++)
		err |= !signals[i] || event_add(signals[i], NULL);
	if (!err) {
		log_info("visord %s runs with %s", VISOR_VERSION, path);
		notify_ready();
		event_base_dispatch(base);
		status = 0;
	}
	notify_stopping();
	log_info("ending");
	engine_stop(engine);
	for (unsigned i = 0; i < 3; i++)
		if (signals[i])
			event_free(signals[i]);
	return status;
}

static int run(const char *path, bool sandbox)
{
	struct conf_errors *errors = conf_errors_new();
	struct config *config = conf_read(path, errors);
	struct event_base *base = event_base_new();
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		log_error("%s", conf_errors_get(errors, i));
	conf_errors_free(errors);
	if (config && base) {
		log_set_level((enum log_level)config->log.level);
		raise_memlock();
		urcu_qsbr_register_thread();
		urcu_qsbr_thread_offline(); /* the control thread reads nothing under RCU */
		status = serve(base, path, config, sandbox);
		urcu_qsbr_unregister_thread();
	}
	if (base)
		event_base_free(base);
	libevent_global_shutdown();
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", required_argument, NULL, 'k' },
		{ "detach", required_argument, NULL, 'd' },
		{ "reference", optional_argument, NULL, 'r' },
		{ "no-sandbox", no_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *config = NULL;
	bool sandbox = true;
	int c;

	while ((c = getopt_long(argc, argv, "c:k:d:Vh", options, NULL)) != -1) {
		switch (c) {
		case 'c': config = optarg; break;
		case 'k': return conf_check_main(optarg);
		case 'd': return detach(optarg);
		case 'r': return reference(optarg);
		case 's': sandbox = false; break;
		case 'V': printf("visord %s\n", VISOR_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs("visord --help explains the options\n", stderr); return 2;
		}
	}
	if (!config || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	return run(config, sandbox);
}
