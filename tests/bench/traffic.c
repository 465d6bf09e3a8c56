/* SPDX-License-Identifier: Apache-2.0 */

/* Traffic between network namespaces, and what it achieves.
 *
 * Usage: traffic WORKLOAD AMOUNT {CLIENT SERVER ADDRESS}...
 *
 * CLIENT and SERVER are names of network namespaces in /run/netns, ADDRESS is
 * the server's.  With several pairs, all work at the same time.  AMOUNT is for
 * each pair: a number of requests, packets or (for streams) megabytes, or, if
 * it ends in "s", of seconds.  WORKLOAD is one of
 *
 *     stream    one TCP connection, as fast as it goes: Gbit/s
 *     udp       64-byte datagrams (with all headers, if they are IPv4), of
 *               which at most 256 are under way, so that none is lost:
 *               1,000 packets/s
 *     rr        1-byte requests and answers on a TCP connection: us
 *     echo      the same with ICMP, which the server's kernel answers: us
 *     ping      the same, but until the kernel has received the answer, as
 *               ping(8) has it: us
 *     connect   TCP connections with a 1-byte request and answer: 1/s
 *
 * The first quarter of the amount warms up and does not count.  Prints a line
 * of JSON: the sum of the pairs' rates, or the percentiles of all times. */

#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define PORT 5201
#define PAYLOAD (64 - 14 - 20 - 8)
#define CHUNK (128 * 1024)
#define BATCH 64                /* Datagrams per credit. */
#define CREDITS 4
#define MAX_SAMPLES (1 << 18)   /* Per pair. */
#define TIMEOUT 20              /* Seconds without any progress. */

/* A client and a server, which are a process each. */
struct pair {
    const char *client, *server, *address;
    int ready[2];               /* Pipe: the server listens. */
    int credit;                 /* Eventfd: the server has read a batch. */
    int batch;                  /* Eventfd: the client has sent a batch. */

    /* Results. */
    uint64_t start, end;        /* Without the warm-up, in ns. */
    uint64_t amount;            /* Bytes, packets or connections. */
    uint64_t n_samples;
    uint32_t samples[MAX_SAMPLES];  /* In ns. */
};

/* How much to do. */
struct amount {
    uint64_t number;            /* UINT64_MAX if 'seconds' counts. */
    double seconds;
};

struct workload {
    const char *name;
    const char *unit;
    int type;                   /* Of the sockets. */
    void (*run_client)(struct pair *, const struct amount *, int fd);
    void (*run_server)(struct pair *, const struct amount *, int fd);
};

OVS_NO_RETURN static void
die(const char *what)
{
    ovs_fatal(errno, "%s", what);
}

static uint64_t
ns_from(const struct timespec *ts)
{
    return ts->tv_sec * UINT64_C(1000000000) + ts->tv_nsec;
}

static uint64_t
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ns_from(&ts);
}

/* Sockets. */

static void
enter(const char *netns)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "/run/netns/%s", netns);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET)) {
        die(path);
    }
    close(fd);
}

static socklen_t
parse_address(const char *s, uint16_t port, struct sockaddr_storage *ss)
{
    struct sockaddr_in *sin = (struct sockaddr_in *) ss;
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) ss;

    memset(ss, 0, sizeof *ss);
    if (inet_pton(AF_INET, s, &sin->sin_addr) == 1) {
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        return sizeof *sin;
    } else if (inet_pton(AF_INET6, s, &sin6->sin6_addr) == 1) {
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons(port);
        return sizeof *sin6;
    }
    ovs_fatal(0, "bad address \"%s\"", s);
}

static int
open_socket(int family, int type)
{
    struct timeval tv = { .tv_sec = TIMEOUT };
    int protocol = (type != SOCK_RAW ? 0
                    : family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    int fd = socket(family, type, protocol);
    /* For a stream, buffers of a fixed size, because what the kernel makes of
     * its own differs from one connection to the next. */
    int size = type == SOCK_STREAM ? 1 << 18 : 1 << 20;
    int on = 1;

    if (fd < 0) {
        die("socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    if (type != SOCK_RAW) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    }
    return fd;
}

static int
open_server(const struct pair *pair, int type)
{
    struct sockaddr_storage ss;
    socklen_t len = parse_address(pair->address, PORT, &ss);
    int fd = open_socket(ss.ss_family, type);

    if (bind(fd, (struct sockaddr *) &ss, len)
        || (type == SOCK_STREAM && listen(fd, 128))) {
        die("bind");
    }
    return fd;
}

static int
open_client(const struct pair *pair, int type)
{
    struct sockaddr_storage ss;
    socklen_t len = parse_address(pair->address, type == SOCK_RAW ? 0 : PORT,
                                  &ss);
    int fd = open_socket(ss.ss_family, type);
    int on = 1;

    if (connect(fd, (struct sockaddr *) &ss, len)) {
        die(pair->address);
    }
    if (type == SOCK_STREAM) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

static int
accept_client(int listener)
{
    int fd = accept(listener, NULL, NULL);
    int on = 1;

    if (fd < 0) {
        die("accept");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Warm-up and end. */

struct progress {
    uint64_t done;
    uint64_t n_warm_up;
    uint64_t deadline, warm;    /* In ns, or UINT64_MAX and 0. */
};

static struct progress
progress_start(const struct amount *amount)
{
    struct progress p = { .n_warm_up = amount->number / 4,
                          .deadline = UINT64_MAX };

    if (amount->number == UINT64_MAX) {
        uint64_t start = now();

        p.n_warm_up = 0;
        p.warm = start + (uint64_t) (amount->seconds * 1e9 / 4);
        p.deadline = start + (uint64_t) (amount->seconds * 1e9);
    }
    return p;
}

/* Takes note of 'n' more at time 'when'. */
static void
progress_add(struct progress *p, struct pair *pair, uint64_t n, uint64_t when)
{
    p->done += n;
    if (!pair->start) {
        if (p->done >= p->n_warm_up && when >= p->warm) {
            pair->start = when;
        }
    } else {
        pair->amount += n;
        pair->end = when;
    }
}

static bool
progress_is_done(const struct progress *p, const struct amount *amount)
{
    return p->done >= amount->number
           || (p->deadline != UINT64_MAX && now() >= p->deadline);
}

static void
add_sample(struct pair *pair, uint64_t ns)
{
    if (pair->start && pair->n_samples < MAX_SAMPLES) {
        pair->samples[pair->n_samples++] = ns;
    }
}

/* stream */

static void
stream_client(struct pair *pair, const struct amount *amount, int fd)
{
    static char buffer[CHUNK];
    struct amount bytes = *amount;
    struct progress p;

    (void) pair;
    if (bytes.number != UINT64_MAX) {
        bytes.number *= 1000 * 1000;
    }
    p = progress_start(&bytes);
    while (!progress_is_done(&p, &bytes)) {
        ssize_t n = send(fd, buffer, sizeof buffer, 0);

        if (n <= 0) {
            die("send");
        }
        p.done += n;
    }
}

static void
stream_server(struct pair *pair, const struct amount *amount, int listener)
{
    static char buffer[CHUNK];
    int fd = accept_client(listener);
    struct amount bytes = *amount;
    struct progress p;
    ssize_t n;

    if (bytes.number != UINT64_MAX) {
        bytes.number *= 1000 * 1000;
    }
    p = progress_start(&bytes);
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        progress_add(&p, pair, n, now());
    }
    if (n < 0) {
        die("recv");
    }
}

/* udp */

/* The server sleeps until there is a batch, so that it is not woken up for
 * each datagram, which would take longer than the datagram's way. */
static void
take_one(int fd, const char *what)
{
    uint64_t one;

    if (read(fd, &one, sizeof one) != sizeof one) {
        die(what);
    }
}

static void
give_one(int fd, const char *what)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof one) != sizeof one) {
        die(what);
    }
}

static void
udp_client(struct pair *pair, const struct amount *amount, int fd)
{
    struct progress p = progress_start(amount);
    char message[PAYLOAD] = "";
    bool last;

    do {
        take_one(pair->credit, "credit");
        p.done += BATCH;
        last = progress_is_done(&p, amount);
        for (int i = 0; i < BATCH; i++) {
            message[0] = last;
            if (send(fd, message, sizeof message, 0) < 0) {
                die("send");
            }
        }
        give_one(pair->batch, "batch");
    } while (!last);
}

static void
udp_server(struct pair *pair, const struct amount *amount, int fd)
{
    struct progress p = progress_start(amount);
    char message[PAYLOAD] = "";

    while (!message[0]) {
        take_one(pair->batch, "batch");
        for (int i = 0; i < BATCH; i++) {
            if (recv(fd, message, sizeof message, 0) < 0) {
                die("recv");
            }
        }
        progress_add(&p, pair, BATCH, now());
        give_one(pair->credit, "credit");
    }
}

/* rr */

static uint64_t
request(int fd)
{
    uint64_t start = now();
    char c = 0;

    if (send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1) {
        die("request");
    }
    return now() - start;
}

static void
rr_client(struct pair *pair, const struct amount *amount, int fd)
{
    struct progress p = progress_start(amount);

    while (!progress_is_done(&p, amount)) {
        uint64_t ns = request(fd);

        progress_add(&p, pair, 1, now());
        add_sample(pair, ns);
    }
}

static void
answer(int fd)
{
    char c;

    while (recv(fd, &c, 1, 0) == 1) {
        if (send(fd, &c, 1, 0) != 1) {
            die("answer");
        }
    }
    close(fd);
}

static void
rr_server(struct pair *pair, const struct amount *amount, int listener)
{
    (void) pair, (void) amount;
    answer(accept_client(listener));
}

/* echo */

static void
fill_echo_request(const char *address, uint8_t message[56])
{
    bool v6 = strchr(address, ':');
    uint32_t sum;

    memset(message, 0, 56);
    message[0] = v6 ? 128 : 8;
    message[4] = 0xba;          /* Identifier. */
    message[5] = 0x57;
    /* The kernel computes that of ICMPv6. */
    sum = htons(8 << 8) + htons(0xba57);
    sum = ~(sum + (sum >> 16));
    if (!v6) {
        memcpy(&message[2], &sum, 2);
    }
}

/* The time in which the kernel has received 'msg', or the present one. */
static uint64_t
receive_time(struct msghdr *msg)
{
    struct cmsghdr *cmsg;
    struct timespec ts;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level == SOL_SOCKET
            && cmsg->cmsg_type == SO_TIMESTAMPNS) {
            memcpy(&ts, CMSG_DATA(cmsg), sizeof ts);
            return ns_from(&ts);
        }
    }
    clock_gettime(CLOCK_REALTIME, &ts);
    return ns_from(&ts);
}

static uint64_t
receive_echo(int fd, bool v6)
{
    for (;;) {
        uint8_t reply[256], control[256];
        struct iovec iov = { .iov_base = reply, .iov_len = sizeof reply };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof control };
        ssize_t n = recvmsg(fd, &msg, 0);

        if (n < 0) {
            die("no echo");
        }
        if (n >= 28 && reply[v6 ? 0 : 20] == (v6 ? 129 : 0)) {
            return receive_time(&msg);
        }
    }
}

static void
echo_client(struct pair *pair, const struct amount *amount, int fd)
{
    struct progress p = progress_start(amount);
    bool v6 = strchr(pair->address, ':');
    uint8_t message[56];

    fill_echo_request(pair->address, message);
    while (!progress_is_done(&p, amount)) {
        struct timespec start;
        uint64_t received;

        clock_gettime(CLOCK_REALTIME, &start);
        if (send(fd, message, sizeof message, 0) < 0) {
            die("send");
        }
        received = receive_echo(fd, v6);
        progress_add(&p, pair, 1, now());
        add_sample(pair, received - ns_from(&start));
    }
}

static void
ping_client(struct pair *pair, const struct amount *amount, int fd)
{
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    echo_client(pair, amount, fd);
}

static void
echo_server(struct pair *pair, const struct amount *amount, int fd)
{
    (void) pair, (void) amount, (void) fd;
}

/* connect */

static void
connect_client(struct pair *pair, const struct amount *amount, int first)
{
    struct progress p = progress_start(amount);

    close(first);
    while (!progress_is_done(&p, amount)) {
        uint64_t start = now();
        int fd = open_client(pair, SOCK_STREAM);

        request(fd);
        close(fd);
        uint64_t end = now();

        progress_add(&p, pair, 1, end);
        add_sample(pair, end - start);
    }
}

static void
connect_server(struct pair *pair, const struct amount *amount, int listener)
{
    (void) pair, (void) amount;
    for (;;) {
        answer(accept_client(listener));
    }
}

static const struct workload workloads[] = {
    { "stream", "Gbit/s", SOCK_STREAM, stream_client, stream_server },
    { "udp", "kpps", SOCK_DGRAM, udp_client, udp_server },
    { "rr", "us", SOCK_STREAM, rr_client, rr_server },
    { "echo", "us", SOCK_RAW, echo_client, echo_server },
    { "ping", "us", SOCK_RAW, ping_client, echo_server },
    { "connect", "1/s", SOCK_STREAM, connect_client, connect_server },
};

/* Processes. */

static pid_t
start_server(struct pair *pair, const struct workload *w,
             const struct amount *amount)
{
    pid_t pid;

    if (pipe2(pair->ready, O_CLOEXEC)) {
        die("pipe");
    }
    pid = fork();
    if (!pid) {
        enter(pair->server);
        int fd = w->type == SOCK_RAW ? -1 : open_server(pair, w->type);
        if (write(pair->ready[1], "", 1) != 1) {
            die("pipe");
        }
        w->run_server(pair, amount, fd);
        exit(0);
    }
    return pid;
}

static pid_t
start_client(struct pair *pair, const struct workload *w,
             const struct amount *amount)
{
    pid_t pid = fork();

    if (!pid) {
        char c;

        enter(pair->client);
        close(pair->ready[1]);
        if (read(pair->ready[0], &c, 1) != 1) {
            die("the server does not start");
        }
        w->run_client(pair, amount, open_client(pair, w->type));
        exit(0);
    }
    return pid;
}

static bool
succeeded(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
           && !WEXITSTATUS(status);
}

/* Runs all pairs to their end. */
static bool
run_pairs(struct pair *pairs, size_t n, const struct workload *w,
          const struct amount *amount)
{
    pid_t *servers = xcalloc(n, sizeof *servers);
    pid_t *clients = xcalloc(n, sizeof *clients);
    bool ok = true;

    for (size_t i = 0; i < n; i++) {
        pairs[i].credit = eventfd(CREDITS, EFD_SEMAPHORE | EFD_CLOEXEC);
        pairs[i].batch = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
        servers[i] = start_server(&pairs[i], w, amount);
        clients[i] = start_client(&pairs[i], w, amount);
        close(pairs[i].ready[0]);
        close(pairs[i].ready[1]);
    }
    for (size_t i = 0; i < n; i++) {
        ok = succeeded(clients[i]) && ok;
        if (w->run_server == connect_server) {
            kill(servers[i], SIGTERM);
            waitpid(servers[i], NULL, 0);
        } else {
            ok = succeeded(servers[i]) && ok;
        }
    }
    free(servers);
    free(clients);
    return ok;
}

/* Results. */

static int
compare_samples(const void *a_, const void *b_)
{
    uint32_t a = *(const uint32_t *) a_, b = *(const uint32_t *) b_;

    return a < b ? -1 : a > b;
}

static void
print_samples(const struct pair *pairs, size_t n)
{
    uint32_t *all;
    size_t total = 0;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        total += pairs[i].n_samples;
    }
    if (!total) {
        return;
    }
    all = xmalloc(total * sizeof *all);
    total = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j < pairs[i].n_samples; j++) {
            all[total++] = pairs[i].samples[j];
            sum += pairs[i].samples[j];
        }
    }
    qsort(all, total, sizeof *all, compare_samples);
    printf(", \"p50\": %.3f, \"p99\": %.3f, \"mean\": %.3f",
           all[total / 2] / 1e3, all[total * 99 / 100] / 1e3,
           sum / total / 1e3);
    free(all);
}

static void
print_results(const struct pair *pairs, size_t n, const struct workload *w)
{
    bool stream = !strcmp(w->name, "stream");
    double rate = 0;

    for (size_t i = 0; i < n; i++) {
        const struct pair *pair = &pairs[i];
        double seconds = (pair->end - pair->start) / 1e9;

        if (pair->amount) {
            rate += (stream ? pair->amount * 8 / 1e9
                     : !strcmp(w->name, "udp") ? pair->amount / 1e3
                     : pair->amount) / seconds;
        }
    }
    printf("{\"workload\": \"%s\", \"pairs\": %zu, \"rate\": %.4f",
           w->name, n, rate);
    print_samples(pairs, n);
    printf(", \"unit\": \"%s\"}\n", w->unit);
}

static const struct workload *
find_workload(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (!strcmp(workloads[i].name, name)) {
            return &workloads[i];
        }
    }
    ovs_fatal(0, "no workload \"%s\"", name);
}

static struct amount
parse_amount(const char *s)
{
    struct amount amount = { .number = UINT64_MAX };
    char *end;
    double number = strtod(s, &end);

    if (number <= 0 || (*end && strcmp(end, "s"))) {
        ovs_fatal(0, "bad amount \"%s\"", s);
    }
    if (*end) {
        amount.seconds = number;
    } else {
        amount.number = number;
    }
    return amount;
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    if (argc < 6 || argc % 3) {
        fprintf(stderr, "usage: traffic WORKLOAD AMOUNT "
                "{CLIENT SERVER ADDRESS}...\n");
        return 1;
    }

    const struct workload *w = find_workload(argv[1]);
    struct amount amount = parse_amount(argv[2]);
    size_t n = (argc - 3) / 3;
    struct pair *pairs = mmap(NULL, n * sizeof *pairs, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (pairs == MAP_FAILED) {
        die("mmap");
    }
    for (size_t i = 0; i < n; i++) {
        pairs[i].client = argv[3 + 3 * i];
        pairs[i].server = argv[4 + 3 * i];
        pairs[i].address = argv[5 + 3 * i];
    }
    if (!run_pairs(pairs, n, w, &amount)) {
        return 1;
    }
    print_results(pairs, n, w);
    return 0;
}
